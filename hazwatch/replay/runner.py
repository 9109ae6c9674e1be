"""The two folds over a recording. There is no channel, no dispatcher and no log in reach of this code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from alerting.book import Book, Outputs
from hazwatch.replay.feed import Delays, Instant, moments_between
from rules.engine import Fold
from rules.rulebook import compile_rules
from schemas.alarms import Transition
from schemas.changes import ConditionChange, ConditionChanges
from schemas.quality import Quality
from schemas.records import Kind, Tick, encode
from schemas.registry import Revision
from schemas.time import seconds, to_iso

TICK = encode(Tick(by="replay"))
MARGIN_S = 3.0


class Line(msgspec.Struct, frozen=True):
    """One transition, as a line of `transitions.jsonl`. Times are ISO 8601 in UTC."""

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


def line_of(transition: Transition) -> Line:
    """The line of a transition: what, where, how bad, and its identity."""
    alarm = transition.alarm
    return Line(
        at=to_iso(alarm.changed_ns or transition.at_ns),
        received_at=to_iso(transition.at_ns),
        tag=alarm.subject,
        source=alarm.place.hazard_source or alarm.place.enterprise,
        rule=alarm.rule,
        change=str(transition.change),
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
    )


class Replay:
    """Folds instants of a recording; `transitions` yields what would have happened."""

    def __init__(self, revision: Revision) -> None:
        self._fold = Fold(compile_rules(revision, 0, 1), 0, 1, replay=True)
        self._book = Book(0, 1, recorded=True)
        self._book.start_at(0, revision)
        tags = [tag for tag in revision.tags if not tag.retired]
        self._delays = Delays(
            seconds(max((max(t.on_delay_s, t.off_delay_s) for t in tags), default=0.0) + MARGIN_S),
            tuple(sorted({seconds(t.stale_s) for t in tags})),
        )
        self._events = 0
        self._last_ns = 0

    def transitions(self, recording: Iterable[Instant]) -> Iterator[Transition]:
        """Transition by transition, in the order in which they would have come."""
        for instant in recording:
            if self._last_ns:
                for at_ns in self._between(self._last_ns, instant.append_ns):
                    yield from self._tick(at_ns)
            changes = self._fold.apply_readings(self._fold.next_offset, instant.append_ns, instant.readings)
            yield from self._heard(instant.append_ns, changes)
            self._last_ns = instant.append_ns
        if self._last_ns:
            for at_ns in self._between(self._last_ns, self._last_ns + self._delays.all_ns):
                yield from self._tick(at_ns)

    def _between(self, before_ns: int, after_ns: int) -> Iterator[int]:
        return moments_between(before_ns, after_ns, self._delays, self._anything_active)

    def _anything_active(self) -> bool:
        return any(alarm.active for alarm in self._book.alarms())

    def _tick(self, at_ns: int) -> Iterator[Transition]:
        yield from self._heard(at_ns, self._fold.apply(self._fold.next_offset, at_ns, Kind.TICK, TICK))

    def _heard(self, at_ns: int, changes: list[ConditionChange]) -> Iterator[Transition]:
        if changes:
            value = encode(ConditionChanges(changes=tuple(changes)))
            yield from self._applied(self._book.apply(self._events, at_ns, Kind.CHANGES, value))
            self._events += 1

    @staticmethod
    def _applied(outputs: Outputs) -> Iterator[Transition]:
        yield from outputs.transitions
