"""The first fold: one partition of `readings` becomes condition changes.

The state of a `Fold` is a function of the records that it was given and of nothing else, so a twin, a restart and a
replay are the same computation run again. The driver reads records in order and gives each one to `apply`; what comes
back is appended to `events`, and only then a snapshot may be written. An `activate` record is the exception: `apply`
answers it with `ActivationNeeded`, the driver reads that revision, compiles it and calls `activate` (LAWS R1).

Within one record: the clock advances (T1), timers fire and standing conditions are said again as row -1 (T3, C5), then
the record itself is applied, as row 0 or as the rows of its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from rules import faults, snapshot
from rules.faults import Here
from rules.kinds import kinds
from rules.links import Links
from rules.rulebook import Rulebook, compile_rules
from rules.snapshot import Opened, opened
from rules.standing import Standing
from schemas import records
from schemas.batch import Batch, batch
from schemas.batch import decode as decode_batch
from schemas.causes import TIMER_ROW
from schemas.changes import Basis, ConditionChange
from schemas.nowclock import NowClock, Step
from schemas.records import Activate, Kind, Link, RecordError, Tick
from schemas.registry import Revision, Rule
from schemas.time import OLDEST, SECOND

RESTATED_EVERY = 30 * SECOND
"""LAWS C5."""


class ActivationNeeded(Exception):
    """Not now: the record activates a revision that the fold does not follow yet. Call `activate` with its rulebook."""

    def __init__(self, activate: Activate) -> None:
        super().__init__(f"revision {activate.revision} is needed before this record can be applied")
        self.revision = activate.revision
        self.hash = activate.hash


class OutOfOrder(ValueError):
    """A record was given to the fold that lies before the next one it expects."""


class Fold:
    """One partition of `readings`, folded. Not for use by several threads at once.

    With `replay`, `now` is the recording's time without bounds, every link counts as up, and silence is judged at every
    record (LAWS T1). `rows_folded` counts the readings that were given to it.
    """

    checksum = staticmethod(snapshot.checksum)

    def __init__(self, rulebook: Rulebook, partition: int, incarnation: int, *, replay: bool = False) -> None:
        if rulebook.partition != partition:
            raise ValueError(f"a rulebook of partition {rulebook.partition} cannot serve partition {partition}")
        self.partition = partition
        self.incarnation = incarnation
        self.replay = replay
        self.next_offset = 0
        self.last_offset = -1
        self.last_checksum = 0
        self.rows_folded = 0
        self.restated_ns = 0
        self.clock = NowClock(recorded=replay)
        self.links: Links | None = None
        self.standing = Standing(rulebook)
        self._frozen = np.empty(0, np.uint8)

    @property
    def now_ns(self) -> int:
        """`now` of this partition at its last record."""
        return self.clock.now_ns

    @property
    def rulebook(self) -> Rulebook:
        return self.standing.rulebook

    def start_at(self, offset: int) -> None:
        """The first record will be this one or a later one: where a log begins that retention has trimmed."""
        self.next_offset = max(self.next_offset, offset)

    def reserve(self) -> Callable[[], None]:
        """What makes memory ready for the next freeze, which would otherwise stand still for it: a second where the
        state is gigabytes. A thread may do it while the fold goes on; worth it for a new fold and after an activation.
        """
        size = snapshot.size(self)

        def work() -> None:
            self._frozen = snapshot.room(size)

        return work

    def freeze(self) -> snapshot.Frozen:
        """The whole state as it is now; `rules.snapshot.encode` makes a snapshot of it, in a thread if it is large.

        What was frozen before may be overwritten, so that must be written to its file by then.
        """
        taken = snapshot.frozen(self, self._frozen)
        self._frozen = taken.memory
        return taken

    def snapshot(self) -> bytes:
        """The whole state in bytes, to be written after the changes so far are acknowledged."""
        return bytes(snapshot.encode(self.freeze()))

    @classmethod
    def restore(cls, data: bytes | bytearray | Opened, rulebook: Rulebook) -> Fold:
        """The fold that `data` was taken of; `rulebook` is the one of its header's revision. A bytearray becomes its
        memory, and must not be used for anything else. What was opened already is not read a second time.

        Raises `SnapshotRefused`. Compare the header with the log first (`Header.check`).
        """
        found = data if isinstance(data, Opened) else opened(data)
        fold = cls(rulebook, found.header.partition, found.header.incarnation)
        snapshot.put_back(fold, found)
        return fold

    # Records

    def apply(self, offset: int, append_ns: int, kind: str, value: bytes) -> list[ConditionChange]:
        """Apply one record; returns its changes in the order of their causes.

        A record that cannot be read is skipped and makes a fault (LAWS C7). Raises `ActivationNeeded` (nothing has
        changed then) and `OutOfOrder`.
        """
        try:  # C7: a record is validated whole before any state changes
            payload = self._decoded(kind, value)
        except ActivationNeeded:
            raise
        except Exception as error:  # whatever a decoder does with foreign bytes, both twins must get past it
            return self.skip(offset, append_ns, str(error) or type(error).__name__, value)
        if isinstance(payload, Batch):
            changes = self.apply_readings(offset, append_ns, payload)
        else:
            changes = self._begin(offset, append_ns, payload.by if isinstance(payload, Tick) else "")
            if isinstance(payload, Link) and not self.replay:
                changes += self._heartbeat(payload, self._here(offset, append_ns, 0))
        self.last_checksum = snapshot.checksum(value)
        return changes

    def _decoded(self, kind: str, value: bytes) -> Batch | Tick | Link | Activate:
        if kind == Kind.READINGS:
            return decode_batch(value)
        payload = records.decode(kind, value)
        if isinstance(payload, Activate):
            if payload.revision > self.rulebook.revision:
                raise ActivationNeeded(payload)
            return payload  # R1: numbers only rise; the one in force, or a late copy of an older one, changes nothing
        if isinstance(payload, Tick | Link):
            return payload
        raise RecordError(f"kind {kind} does not belong into readings")

    def apply_readings(self, offset: int, append_ns: int, batch: Batch) -> list[ConditionChange]:
        """Apply a batch that is decoded already (replay, bench). Its arrays are only read."""
        changes = self._begin(offset, append_ns)
        self.rows_folded += len(batch)
        return changes + self.standing.rows(batch, self._here(offset, append_ns, 0))

    def skip(self, offset: int, append_ns: int, why: str, value: bytes = b"") -> list[ConditionChange]:
        """Pass over a record and say so (LAWS C7); also for an activation whose content is not valid."""
        changes = self._begin(offset, append_ns)
        here = self._here(offset, append_ns, 0)
        tripped = self.standing.faults.trip(faults.RECORD, "", faults.skipped(offset, why), here)
        self.last_checksum = snapshot.checksum(value)
        return changes + self.standing.say(tripped, here, Basis.SELF)

    def activate(self, offset: int, append_ns: int, rulebook: Rulebook, value: bytes = b"") -> list[ConditionChange]:
        """Follow `rulebook` from this record on (LAWS R1); `value` is the record's, for the checksum of snapshots.

        State is kept for every tag whose number stays and for every condition that the same rule still watches; what
        is no longer watched is ended as retired (LAWS C3). Revision numbers only rise: an older one changes nothing,
        so a fold that starts in the middle of a log may start with the newest revision.
        """
        if rulebook.partition != self.partition:
            raise ValueError(f"a rulebook of partition {rulebook.partition} cannot serve partition {self.partition}")
        changes = self._begin(offset, append_ns)
        if rulebook.revision > self.rulebook.revision:
            changes += self.standing.follow(rulebook, self._here(offset, append_ns, 0))
            self._watch()
        self.last_checksum = snapshot.checksum(value)
        return changes

    def _here(self, offset: int, append_ns: int, row: int) -> Here:
        return Here(self.incarnation, offset, row, append_ns, self.clock.now_ns, self.partition, self.rulebook.revision)

    # Row -1

    def _begin(self, offset: int, append_ns: int, ticker: str = "") -> list[ConditionChange]:
        """Go to the record at `offset`: what time alone brings, before the record is applied."""
        if offset < self.next_offset:
            raise OutOfOrder(f"record {offset} was given, but {self.next_offset} or later is expected")
        self.last_offset, self.next_offset, self.last_checksum = offset, offset + 1, 0
        step = self.clock.advance(append_ns, ticker)
        now_ns = self.clock.now_ns
        if self.links is None:
            self.restated_ns = now_ns
            self._watch()
        restate = now_ns - self.restated_ns >= RESTATED_EVERY
        due = self.standing.is_due(now_ns)
        if not (due or restate or self.replay or step is not None):
            return []
        here = self._here(offset, append_ns, TIMER_ROW)
        changes: list[ConditionChange] = []
        if step is not None:
            detail = faults.CLOCK_BACK if step is Step.BACK else faults.CLOCK_FORWARD
            tripped = self.standing.faults.trip(faults.CLOCK, "", detail, here)
            changes += self.standing.say(tripped, here, Basis.SELF)
        if due:
            changes += self.standing.fire(here)
        if self.replay and self.links is not None:
            for link, since_ns in self.links.recorded(now_ns):
                changes += self.standing.silence(link, since_ns, here)
        if restate:
            self.restated_ns = now_ns
            changes += self.standing.restate(here, {(c.rule, c.subject, c.side) for c in changes})
        return changes

    def _watch(self) -> None:
        """Watch the links and faults of the rulebook in force; what was watched before is kept."""
        names, now_ns = self.rulebook.links, self.clock.now_ns
        if self.links is None:
            self.links = Links(names, now_ns, self.replay)
        else:
            self.links.follow(names, now_ns, self.replay)
        self.standing.watch_faults(now_ns, links=not self.replay)

    def _heartbeat(self, link: Link, here: Here) -> list[ConditionChange]:
        """T5: an `up` heartbeat ends the link's fault, and there the silence since the one before is judged."""
        if self.links is None or link.name not in self.links.last:
            return []
        since_ns = self.links.heard(link.name, link.up, here.now_ns)
        if not link.up:
            return []
        changes = self.standing.say(self.standing.faults.heartbeat(link.name, here), here, Basis.LINK)
        if since_ns is not None:
            changes += self.standing.silence(link.name, since_ns, here)
        return changes


def warm_up(names: Collection[str] | None = None) -> dict[str, str]:
    """Run every kernel of these kinds (None: of all) once, so that no alarm waits for a compiler; call it before a
    process says that it is ready. Returns the kinds whose kernels cannot be compiled or throw, and why: their rules
    will fail record by record, and all others work.

    The first time after an upgrade it takes a second or two for each kind (the machine code is kept:
    `rules.compiling`), later a second for all.
    """
    broken = {}
    for kind in kinds().values():
        if names is not None and kind.name not in names:
            continue
        example = kind.examples[0]
        rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
        book = compile_rules(Revision(number=1, parks=(), tags=example.tags, rules=(rule,)), 0, 1)
        fold = Fold(book, 0, 1)
        beat = records.encode(Link(name=example.tag.link, up=True))
        for second in range(3):
            now_ns = OLDEST + second * SECOND
            fold.apply(2 * second, now_ns, Kind.LINK, beat)
            fold.apply_readings(2 * second + 1, now_ns, batch([example.tag.number], [now_ns], [0.0]))
        found = fold.standing.faults.known.get((faults.RULE, kind.name))
        if found is not None and found.stated > 0:
            broken[kind.name] = found.detail.en
            continue
        for evaluator in fold.standing.evaluators:
            evaluator.fire(fold.now_ns, fold.now_ns)
        Fold.restore(fold.snapshot(), book)
    return broken
