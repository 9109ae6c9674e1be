"""The event log of one machine: SQLite files, one writing process, any number of others beside it."""
