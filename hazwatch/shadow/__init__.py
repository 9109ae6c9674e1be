"""A candidate rule set beside the live one: both over the same live readings, and what differs in their alarms."""
