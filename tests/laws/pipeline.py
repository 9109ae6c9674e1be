"""Both folds and what lies between them, with every step where a process can die.

`readings` is a trace; evaluators fold it and append what they say to `events`; the real alarm book folds that. An
evaluator is a process: it may die before its append, in the middle of it, after it and before or after its snapshot,
and it starts again from its last snapshot. A producer that was given up may still write what it had in hand (a zombie).

`Fault` plants the mistakes that the laws must catch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from alerting.book import Book
from alerting.conditions import Condition
from alerting.faults import RULE
from rules.engine import Fold
from rules.rulebook import Rulebook
from rules.snapshot import opened
from schemas.alarms import Change, Transition
from schemas.causes import Cause
from schemas.changes import ConditionChange, ConditionChanges
from schemas.records import Kind, encode
from tests.laws.traces import START, Entry, Identity, fold_entry, rulebook


class Fault(Enum):
    """Mistakes to plant."""

    NONE = auto()
    SNAPSHOT_BEFORE_APPEND = auto()
    CAUSE_WITHOUT_ROW = auto()


class Crash(Enum):
    """Where in its cycle a process dies."""

    NEVER = auto()
    BEFORE_APPEND = auto()
    HALF_APPENDED = auto()
    BEFORE_SNAPSHOT = auto()
    AFTER_SNAPSHOT = auto()


@dataclass(slots=True)
class Events:
    """The topic `events`: records of changes in order of arrival, with append times."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    last_ns: int = START

    def append(self, changes: Sequence[ConditionChange], now_ns: int) -> None:
        if changes:
            self.last_ns = max(self.last_ns, now_ns)
            self.records.append((self.last_ns, encode(ConditionChanges(changes=tuple(changes)))))

    def again(self, index: int) -> None:
        """A zombie writes a record that stands in the log already."""
        if self.records:
            self.records.append((self.last_ns, self.records[index % len(self.records)][1]))


@dataclass(slots=True)
class Process:
    """An evaluator over `entries`, with a rulebook that may differ from its twin's."""

    entries: Sequence[Entry]
    book: Rulebook
    events: Events
    fault: Fault = Fault.NONE
    fold: Fold = field(init=False)
    snapshot: bytes | None = None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        if self.snapshot is None:
            self.fold = Fold(self.book, 0, 1)
            return
        self.fold = Fold.restore(self.snapshot, self._rulebook_of(opened(self.snapshot).header.revision))

    def _rulebook_of(self, revision: int) -> Rulebook:
        if revision == self.book.revision:
            return self.book
        return next(rulebook(e.revision) for e in self.entries if e.revision and e.revision.number == revision)

    @property
    def done(self) -> bool:
        return self.fold.next_offset >= len(self.entries)

    def cycle(self, records: int, crash: Crash = Crash.NEVER) -> None:
        """Fold up to so many records, append, take a snapshot; die on the way if told to."""
        start = self.fold.next_offset
        end = min(len(self.entries), start + records)
        if start >= end:
            return None
        said = [change for o in range(start, end) for change in fold_entry(self.fold, o, self.entries[o])]
        if self.fault is Fault.CAUSE_WITHOUT_ROW:
            said = [without_row(change) for change in said]
        if self.fault is Fault.SNAPSHOT_BEFORE_APPEND:
            self.snapshot = self.fold.snapshot()
        if crash is Crash.BEFORE_APPEND:
            return self.restart()
        now_ns = self.entries[end - 1].append_ns
        if crash is Crash.HALF_APPENDED:
            self.events.append(said[: len(said) // 2], now_ns)
            return self.restart()
        self.events.append(said, now_ns)
        if crash is Crash.BEFORE_SNAPSHOT:
            return self.restart()
        self.snapshot = self.fold.snapshot()
        if crash is Crash.AFTER_SNAPSHOT:
            self.restart()
        return None

    def finish(self) -> None:
        while not self.done:
            self.cycle(7)


def without_row(change: ConditionChange) -> ConditionChange:
    assert change.cause is not None
    cause = Cause(change.cause.incarnation, change.cause.offset, 0)
    return msgspec.structs.replace(change, cause=cause)


def undisturbed(entries: Sequence[Entry], book: Rulebook) -> list[Transition]:
    """What the book says of a run in which nothing dies."""
    events = Events()
    Process(entries, book, events).finish()
    return booked(events.records)


def booked(records: Iterable[tuple[int, bytes]], book: Book | None = None) -> list[Transition]:
    book = book or Book(0, 1)
    found: list[Transition] = []
    for offset, (append_ns, value) in enumerate(records, book.next_offset):
        found += book.apply(offset, append_ns, Kind.CHANGES, value).transitions
    return found


MOVES = frozenset({Change.RAISE, Change.RISE, Change.FALL, Change.RETURN, Change.RERAISE})


def moves(transitions: Iterable[Transition]) -> dict[Identity, list[tuple[int, int]]]:
    """Each alarm's sequence of (level, onset)."""
    found: dict[Identity, list[tuple[int, int]]] = {}
    for transition in transitions:
        alarm = transition.alarm
        if transition.change in MOVES and alarm.rule != RULE:
            found.setdefault((alarm.rule, alarm.subject, alarm.side), []).append((alarm.level, alarm.onset_ns))
    return found


def last_seen(self: Condition, partition: int, cause: Cause, change: ConditionChange) -> bool:
    """The mutant of LAWS C4: a change is a copy only when it is the very one that was heard last."""
    known = self._causes.get(partition)
    return known is not None and known[0] == cause
