"""The event log on Kafka 4.x, through aiokafka."""
