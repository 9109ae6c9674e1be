"""Fold one: a partition of `readings` becomes condition changes. Pure: no clock, no I/O, no randomness (LAWS.md)."""
