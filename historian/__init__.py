"""The history: readings and alarms in TimescaleDB or plain PostgreSQL, written from the log and read by the console."""
