"""First-out: which alarm of a group came first (LAWS B3)."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.alarms import Alarm
from schemas.causes import Cause


def first_out(group: Iterable[Alarm]) -> Alarm | None:
    """The alarm with the smallest onset, ties by the cause of its onset, then by id; None of an empty group.

    The onset is the sensor's time; where its clock was doubtful, the rules put the append time in its place. It depends
    on the set of alarms alone, so a change that arrives late may correct it.
    """
    return min(group, key=_order, default=None)


def _order(alarm: Alarm) -> tuple[int, Cause, str]:
    return (alarm.onset_ns, alarm.onset_cause, alarm.id)
