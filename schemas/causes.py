"""Where something happened in the log, and the identities that follow from it."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

TIMER_ROW = -1
"""The row of what falls due before a record is applied (LAWS T3)."""


class Cause(NamedTuple):
    """A position in the partition of the subject's cell; ordered, so a newer cause compares greater (LAWS C2)."""

    incarnation: int
    offset: int
    row: int


def alarm_id(rule: str, subject: str, side: str) -> str:
    """The name of the alarm of a condition: the same for ever, `a-` and 16 hex digits."""
    return "a-" + sha256(f"{rule}\x1f{subject}\x1f{side}".encode()).hexdigest()[:16]


def episode_id(rule: str, subject: str, side: str, onset: Cause) -> str:
    """One occurrence of an alarm: the condition and the cause of its onset, `e-` and 20 hex digits."""
    text = f"{rule}\x1f{subject}\x1f{side}\x1f{onset.incarnation}\x1f{onset.offset}\x1f{onset.row}"
    return "e-" + sha256(text.encode()).hexdigest()[:20]


def notice_id(episode: str, revision: int, channel: str, recipient: str) -> str:
    """One message to one person over one channel, the same over retries and refolds: `n-` and 20 hex digits."""
    return "n-" + sha256(f"{episode}\x1f{revision}\x1f{channel}\x1f{recipient}".encode()).hexdigest()[:20]
