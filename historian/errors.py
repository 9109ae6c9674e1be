"""What can go wrong with the history, in words that know no driver."""

from __future__ import annotations


class HistoryError(Exception):
    """The history could not be read or written."""


class HistoryUnavailable(HistoryError):
    """The database cannot be reached, is full, or did not answer in time. Trying again later may help."""


class HistoryBusy(HistoryUnavailable):
    """Too many queries wait for a connection, or the query took longer than it may: ask for less, or later."""


class HistoryRefused(HistoryError):
    """The database is not as this program needs it; the message says what to do. Trying again does not help."""


class PositionLost(HistoryError):
    """The position of a partition in the database is not the one this writer left: another writer is at work."""
