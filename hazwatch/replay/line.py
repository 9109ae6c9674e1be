"""One transition as a line of `transitions.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from schemas.alarms import Transition
from schemas.changes import Basis, ConditionChange
from schemas.quality import Quality
from schemas.text import Text
from schemas.time import to_iso


class Line(msgspec.Struct, frozen=True):
    """`at` is the time of the reading that made it, or at which a delay or a silence ended; `received_at` that of the
    record. Times are ISO 8601 in UTC. `text` is what the alarm says to people."""

    at: str
    received_at: str
    tag: str
    source: str
    rule: str
    change: str
    tier: int
    level: str
    value: float | None
    unit: str
    quality: str
    alarm: str
    episode: str
    revision: int
    side: str
    state: str
    limit: float | None
    onset: str
    text: Text


class Happened(NamedTuple):
    """A transition, and when it happened in the plant's time."""

    transition: Transition
    at_ns: int


def happened(transitions: Iterable[Transition], changes: Iterable[ConditionChange]) -> Iterator[Happened]:
    """The transitions that these changes made, each with its time."""
    times = {(change.rule, change.subject, change.side, change.cause): _time_of(change) for change in changes}
    for one in transitions:
        alarm = one.alarm
        yield Happened(one, times.get((alarm.rule, alarm.subject, alarm.side, one.cause), one.at_ns))


def _time_of(change: ConditionChange) -> int:
    of_a_reading = change.basis in (Basis.READING, Basis.LATE, Basis.FIRST) and change.event_ns > 0
    return change.event_ns if of_a_reading else change.at_ns


def line_of(one: Happened) -> Line:
    """The line of a transition: what, where, how bad, and its identity."""
    alarm = one.transition.alarm
    return Line(
        at=to_iso(one.at_ns),
        received_at=to_iso(one.transition.at_ns),
        tag=alarm.subject,
        source=alarm.place.hazard_source or alarm.place.enterprise,
        rule=alarm.rule,
        change=str(one.transition.change),
        tier=alarm.tier,
        level=alarm.level_name,
        value=alarm.value,
        unit=alarm.unit,
        quality=Quality(alarm.quality).name.lower(),
        alarm=alarm.id,
        episode=alarm.episode,
        revision=alarm.revision,
        side=str(alarm.side),
        state=str(alarm.state),
        limit=alarm.limit,
        onset=to_iso(alarm.onset_ns),
        text=alarm.text,
    )
