"""The evaluator: drives the rules fold over one partition of `readings` and appends what it says to `events`.

Hop 5: fold, append, wait for the append, carry on. A snapshot is written only after the appends before it are
acknowledged, so a crash repeats changes (the book collapses them by their cause) and loses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, PositionGone, Record
from hazwatch.clock import Clock
from hazwatch.faults import REMEMBERED_S, Fault, Faults
from hazwatch.folding import EVALUATOR, REVISION_PATIENCE_S, append_all, append_tick, persist, read_chunk, ticker
from hazwatch.lag import Backlog
from hazwatch.registry import EMPTY, RegistryView, RevisionMissing
from hazwatch.snapshots import Encode, SnapshotFolder, Snapshots
from rules.engine import ActivationNeeded, Fold
from rules.rulebook import Rulebook, RuleProblems, compile_rules
from rules.snapshot import encode as encode_fold
from rules.snapshot import opened
from schemas.changes import ConditionChange, ConditionChanges
from schemas.partitioning import partition_of
from schemas.records import Kind, encode
from schemas.time import SECOND

log = logging.getLogger(__name__)
CHANGES_PER_RECORD = 200
BEAT_S = 1.0
T = TypeVar("T")


class Meter(Protocol):
    """Where the evaluator counts."""

    def folded(self, partition: int, records: int, readings: int) -> None:
        """A chunk is done."""

    def changed(self, changes: Sequence[ConditionChange]) -> None:
        """Changes were appended to `events`."""


class Evaluator:
    """Folds one partition. `backlog` hears how far it is."""

    def __init__(
        self,
        source: EventLog,
        registry: RegistryView,
        folder: SnapshotFolder,
        partition: int,
        *,
        name: str,
        clock: Clock,
        failpoint: Callable[[str], None],
        meter: Meter,
        faults: Faults,
    ) -> None:
        self._log = source
        self._registry = registry
        self._folder = folder
        self._partition = partition
        self._place = f"readings/{partition}"
        self._name = f"{name}/evaluate/{partition}"
        self._ticker = ticker(self._name)
        self._clock = clock
        self._failpoint = failpoint
        self._meter = meter
        self._faults = faults
        self.backlog = Backlog("evaluate", "readings", partition, clock)
        self._partitions = 1
        self._events_partitions = 1
        self._beat_due = 0
        self._log_start = 0
        self._owes_activation = False
        """The activations before the next record are lost with the log's head: the current revision stands in."""
        self._reserving: asyncio.Task[None] | None = None
        self._acknowledged = True
        """All that came of the records folded so far is in the log."""
        for fault in (Fault.REVISION, Fault.GAP, Fault.SNAPSHOT, Fault.UNWRITTEN):
            faults.watch(fault, self._place)

    async def run(self) -> None:
        """Fold for ever. Ends only by an error or cancellation, which writes a last snapshot."""
        self._partitions = await self._persist(partial(self._log.partitions, "readings"))
        self._events_partitions = await self._persist(partial(self._log.partitions, "events"))
        fold = await self._persist(self._start)
        self.backlog.reached(fold.next_offset)
        self._reserve(fold)
        snapshots = Snapshots(self._folder, self._clock, fold.next_offset, trouble=self._unwritten)
        freeze = partial(_freeze, fold)
        try:
            while True:
                await self._beat()
                records = await self._read(fold)
                if records:
                    await self._step(fold, records)
                    if self._reserving is None or self._reserving.done():
                        snapshots.offer(fold.next_offset, freeze)
        except asyncio.CancelledError:
            if self._acknowledged:
                await snapshots.last(fold.next_offset, freeze)
            raise
        finally:
            if self._reserving is not None:
                self._reserving.cancel()

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        return await persist(self._name, work, self.backlog.reachable)

    async def _read(self, fold: Fold) -> list[Record]:
        """The next records; with none for a second a tick, with the position gone a fault and a new position."""
        try:
            start = max(fold.next_offset, self._log_start)
            read = partial(read_chunk, self._log, "readings", self._partition, start)
            records = await self._persist(read)
        except PositionGone as gone:
            self._jump(fold, gone.bounds)
            return []
        if not records:
            await self._persist(partial(append_tick, self._log, "readings", self._partition, self._ticker))
        return records

    # Where to begin

    async def _start(self) -> Fold:
        """The fold where the newest good snapshot stands, else at the start of the log."""
        incarnation = await self._log.incarnation()
        bounds = await self._log.bounds("readings", self._partition)
        refused = ""
        for data in self._folder.contents():
            try:
                found = opened(data)
                head = found.header
                head.check(incarnation, bounds.end, await self._last_value(head.last_offset, bounds))
                return Fold.restore(found, await self._rulebook(head.revision))
            except (ValueError, RevisionMissing) as error:
                log.warning("%s: a snapshot is passed over: %s", self._place, error)
                refused = refused or str(error)
        if refused:
            self._faults.stand(Fault.SNAPSHOT, self._place, refused, for_s=REMEMBERED_S)
        fold = Fold(await self._rulebook(0), self._partition, incarnation)
        if bounds.start > 0:
            self._begin_at(fold, bounds.start)
        return fold

    async def _last_value(self, offset: int, bounds: Bounds) -> bytes | None:
        """The record that a snapshot was taken after; None when the log no longer keeps it."""
        if not bounds.start <= offset < bounds.end:
            return None
        records = await self._log.read("readings", self._partition, offset, max_records=1)
        return records[0].value if records and records[0].offset == offset else None

    async def _rulebook(self, number: int) -> Rulebook:
        revision = EMPTY if number == 0 else await self._registry.revision(number)
        return await asyncio.to_thread(compile_rules, revision, self._partition, self._partitions)

    def _jump(self, fold: Fold, bounds: Bounds) -> None:
        """Retention has passed the fold. What it knows stays; what is lost is said (RELIABILITY K5)."""
        lost = f"{fold.next_offset} to {bounds.start - 1}"
        log.critical("%s: records %s are gone before they were evaluated", self._place, lost)
        self._faults.stand(Fault.GAP, self._place, lost, for_s=REMEMBERED_S)
        self._begin_at(fold, bounds.start)

    def _begin_at(self, fold: Fold, start: int) -> None:
        # The place of the last lost record is free for the activation that stands in for the lost ones.
        fold.start_at(start - 1)
        self._log_start = start
        self._owes_activation = True
        self.backlog.reached(start)

    async def _stand_in(self, fold: Fold, first: Record) -> list[ConditionChange]:
        """Follow the revision in force from the place before the first record that is left."""
        number = self._registry.activated
        if number <= fold.rulebook.revision:
            return []
        try:
            changes = fold.activate(first.offset - 1, first.append_ns, await self._rulebook(number))
            self._reserve(fold)
            return changes
        except (RuleProblems, RevisionMissing) as error:
            log.error("%s: revision %d cannot be followed, the old rules stay: %s", self._place, number, error)
            self._faults.stand(Fault.REVISION, self._place, f"{number}: {error}", for_s=REMEMBERED_S)
            return []

    # One step

    async def _step(self, fold: Fold, records: Sequence[Record]) -> None:
        self._acknowledged = False
        changes: list[ConditionChange] = []
        if self._owes_activation:
            changes += await self._persist(partial(self._stand_in, fold, records[0]))
            self._owes_activation = False
        rows = fold.rows_folded
        for record in records:
            try:
                changes += fold.apply(record.offset, record.append_ns, record.kind, record.value)
            except ActivationNeeded as needed:
                changes += await self._activate(fold, record, needed.revision)
        self._failpoint("mid-fold")
        if changes:
            await self._publish(changes)
            self._meter.changed(changes)
            self._failpoint("after-events")
        self._acknowledged = True
        self.backlog.reached(fold.next_offset, records[-1].append_ns)
        self._meter.folded(self._partition, len(records), fold.rows_folded - rows)
        await asyncio.sleep(0)

    async def _activate(self, fold: Fold, record: Record, number: int) -> list[ConditionChange]:
        """Read the revision before going on (LAWS R1).

        One that `registry` does not hold, and does not get for half a minute, is lost for good: then the old rules go
        on rather than none.
        """
        patient_until = self._clock.monotonic_ns() + round(REVISION_PATIENCE_S * SECOND)
        while True:
            try:
                rulebook = await self._rulebook(number)
            except RuleProblems as error:
                log.error("revision %d cannot be followed, the old rules stay: %s", number, error)
                return fold.skip(record.offset, record.append_ns, str(error), record.value)
            except LogUnavailable as error:
                log.error("%s waits for revision %d: %s", self._place, number, error)
            except RevisionMissing as error:
                self._faults.stand(Fault.REVISION, self._place, str(number), for_s=REMEMBERED_S)
                if self._clock.monotonic_ns() >= patient_until:
                    log.critical("%s goes on without revision %d: %s", self._place, number, error)
                    return fold.skip(record.offset, record.append_ns, str(error), record.value)
                log.error("%s waits for revision %d: %s", self._place, number, error)
            else:
                self._faults.end(Fault.REVISION, self._place)
                changes = fold.activate(record.offset, record.append_ns, rulebook, record.value)
                self._reserve(fold)
                return changes

    def _reserve(self, fold: Fold) -> None:
        """Memory for the next snapshot, which waits for it; no alarm does."""
        self._reserving = asyncio.create_task(self._reserved(fold, self._reserving))

    async def _reserved(self, fold: Fold, before: asyncio.Task[None] | None) -> None:
        """One at a time, and only the last that was asked for."""
        if before is not None:
            await asyncio.wait({before})
        if self._reserving is asyncio.current_task():
            try:
                await asyncio.to_thread(fold.reserve())
            except MemoryError as error:
                log.error("%s: no memory for the next snapshot: %s", self._place, error)

    async def _publish(self, changes: Sequence[ConditionChange]) -> None:
        by_park: dict[str, list[ConditionChange]] = defaultdict(list)
        for change in changes:
            by_park[change.place.park].append(change)
        for park, said in by_park.items():
            records = [
                NewRecord(
                    park.encode(),
                    Kind.CHANGES,
                    encode(ConditionChanges(changes=tuple(said[i : i + CHANGES_PER_RECORD])), source=self._name),
                )
                for i in range(0, len(said), CHANGES_PER_RECORD)
            ]
            partition = partition_of(park, self._events_partitions)
            await self._persist(partial(append_all, self._log, "events", partition, records))

    async def _beat(self) -> None:
        """Every second a tick in `events`, by which alarm role and screens see that this partition is evaluated."""
        now = self._clock.monotonic_ns()
        if now < self._beat_due:
            return
        self._beat_due = now + round(BEAT_S * SECOND)
        for partition in range(self._events_partitions):
            await self._persist(partial(append_tick, self._log, "events", partition, EVALUATOR + self._ticker))

    def _unwritten(self, why: str) -> None:
        if why:
            self._faults.stand(Fault.UNWRITTEN, self._place, why)
        else:
            self._faults.end(Fault.UNWRITTEN, self._place)


def _freeze(fold: Fold) -> Encode:
    return partial(encode_fold, fold.freeze())
