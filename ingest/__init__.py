"""From the field to the log: MQTT messages become batches of readings, and what cannot be read a dead letter."""
