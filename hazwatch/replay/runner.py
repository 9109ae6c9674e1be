"""The two folds over a recording. There is no channel, no dispatcher and no log in reach of this code.

A record's offset is its time in the recording, so an episode has the same name whenever the same row begins it: two
replays with different limits can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from alerting.book import Book
from hazwatch.replay.feed import Instant
from hazwatch.replay.line import Happened, happened
from rules.engine import Fold
from rules.rulebook import Rulebook, compile_rules
from schemas.changes import Basis, ConditionChange, ConditionChanges
from schemas.records import Kind, Tick, encode
from schemas.registry import Revision
from schemas.time import SECOND

TICK = encode(Tick(by="replay"))
LONGEST_HOLD = 5 * SECOND
"""LAWS L5."""


class Replay:
    """Folds the instants of a recording. `until` is called with each moment before it happens, and may wait for it."""

    def __init__(self, revision: Revision, until: Callable[[int], None] = lambda at_ns: None) -> None:
        rulebook = compile_rules(revision, 0, 1)
        self._fold = Fold(rulebook, 0, 1, replay=True)
        self._book = Book(0, 1, recorded=True)
        self._book.start_at(0, revision)
        self._until = until
        self._delay_ns = _longest_delay(rulebook) + LONGEST_HOLD
        self._events = 0

    def play(self, recording: Iterable[Instant]) -> Iterator[Happened]:
        """Transition by transition, in the order in which they would have come.

        Between two instants the folds are asked whenever a timer falls due or a silence has lasted. After the last one
        delays still run out; that nothing more is recorded is no silence of the plant.
        """
        last_ns = 0
        for instant in recording:
            for at_ns, changes in self._pass(last_ns, instant.append_ns) if last_ns else ():
                yield from self._heard(at_ns, changes)
            last_ns = instant.append_ns
            self._until(last_ns)
            yield from self._heard(last_ns, self._fold.apply_readings(self._at(last_ns), last_ns, instant.readings))
        for at_ns, changes in self._pass(last_ns, last_ns + self._delay_ns) if last_ns else ():
            yield from self._heard(at_ns, [change for change in changes if change.basis is Basis.TIMER])

    def _pass(self, now_ns: int, end_ns: int) -> Iterator[tuple[int, list[ConditionChange]]]:
        """The moments before `end_ns` at which time alone may change something, with what it changed."""
        while (due_ns := max(self._fold.standing.next_due, now_ns)) < end_ns:
            self._until(due_ns)
            yield due_ns, self._fold.apply(self._at(due_ns), due_ns, Kind.TICK, TICK)
            stuck = self._fold.standing.next_due <= due_ns
            now_ns = due_ns + (SECOND if stuck else 1)

    def _at(self, at_ns: int) -> int:
        return max(self._fold.next_offset, at_ns)

    def _heard(self, at_ns: int, changes: list[ConditionChange]) -> Iterator[Happened]:
        if changes:
            value = encode(ConditionChanges(changes=tuple(changes)))
            outputs = self._book.apply(self._events, at_ns, Kind.CHANGES, value)
            self._events += 1
            yield from happened(outputs.transitions, changes)


def _longest_delay(rulebook: Rulebook) -> int:
    return max((int(rule.setup["on_delay"].max(initial=0)) for rule in rulebook.rules), default=0)
