"""The plant that is not there: physics, faults and scenarios (pure), published over MQTT like a stranger would.

It shares nothing with the rest of the system but the tag list that it reads as a spreadsheet, and the topics that it
publishes to.
"""
