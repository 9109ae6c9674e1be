"""Deadband and delays from history: which alarms chatter, and what would end that at which price.

False-alarm rate, missed-alarm rate and average alarm delay are meant as by Izadi, Shah, Shook and Chen (2009) and by
Adnan, Izadi and Chen (2011). What counts as a real excursion is said by labelled events, or by `hazwatch.tune.real`.
"""
