"""The evaluator: drives the rules fold over partitions of `readings` and appends what it says to `events`.

Hop 5: fold, append, wait for the append, carry on. A snapshot is written only after the appends before it are
acknowledged, so a crash repeats changes (the book collapses them by their cause) and loses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, Record
from hazwatch.clock import SystemClock
from hazwatch.context import Context
from hazwatch.folding import EVALUATOR, SNAPSHOT_S, append_all, append_tick, persist, read_chunk, ticker
from hazwatch.registry import EMPTY, RegistryView, RevisionMissing
from hazwatch.snapshots import SnapshotFolder
from rules.engine import ActivationNeeded, Fold, warm_up
from rules.rulebook import Rulebook, RuleProblems, compile_rules
from rules.snapshot import header
from schemas.changes import ConditionChange, ConditionChanges
from schemas.partitioning import partition_of
from schemas.records import Kind, encode
from schemas.time import SECOND

log = logging.getLogger(__name__)
CHANGES_PER_RECORD = 200
BEAT_S = 1.0


class EvaluateMeter(Protocol):
    """Where the evaluator counts."""

    def folded(self, partition: int, records: int, readings: int, append_ns: int) -> None:
        """A chunk is done; `append_ns` is the append time of its last record."""

    def changed(self, changes: Sequence[ConditionChange]) -> None:
        """Changes were appended to `events`."""


class Evaluator:
    """Folds one partition."""

    def __init__(
        self,
        source: EventLog,
        registry: RegistryView,
        snapshots: SnapshotFolder,
        partition: int,
        *,
        name: str,
        clock: SystemClock,
        failpoint: Callable[[str], None],
        meter: EvaluateMeter,
    ) -> None:
        self._log = source
        self._registry = registry
        self._snapshots = snapshots
        self._partition = partition
        self._name = f"{name}/evaluate/{partition}"
        self._ticker = ticker(self._name)
        self._clock = clock
        self._failpoint = failpoint
        self._meter = meter
        self._partitions = 1
        self._events_partitions = 1
        self._beat_due = 0

    async def run(self) -> None:
        """Fold for ever. Ends only by an error or cancellation."""
        self._partitions = await self._log.partitions("readings")
        self._events_partitions = await self._log.partitions("events")
        fold = await self._start()
        snapshot_due = self._clock.monotonic_ns() + round(SNAPSHOT_S * SECOND)
        snapshot_offset = fold.next_offset
        while True:
            await self._beat()
            records = await persist(
                self._name, partial(read_chunk, self._log, "readings", self._partition, fold.next_offset)
            )
            if not records:
                await persist(self._name, partial(append_tick, self._log, "readings", self._partition, self._ticker))
                continue
            await self._step(fold, records)
            if self._clock.monotonic_ns() >= snapshot_due and fold.next_offset > snapshot_offset:
                self._snapshots.write(fold.next_offset, fold.snapshot())
                snapshot_offset = fold.next_offset
                snapshot_due = self._clock.monotonic_ns() + round(SNAPSHOT_S * SECOND)

    async def _start(self) -> Fold:
        """The fold where the newest good snapshot stands, else at the start of the log."""
        incarnation = await self._log.incarnation()
        bounds = await self._log.bounds("readings", self._partition)
        for data in self._snapshots.contents():
            try:
                found = header(data)
                found.check(incarnation, bounds.end, await self._last_value(found.last_offset, bounds))
                return Fold.restore(data, await self._rulebook(found.revision))
            except (ValueError, RevisionMissing) as error:
                log.warning("readings/%d: a snapshot is passed over: %s", self._partition, error)
        fold = Fold(await self._rulebook(0), self._partition, incarnation)
        fold.start_at(bounds.start)
        return fold

    async def _last_value(self, offset: int, bounds: Bounds) -> bytes | None:
        """The record that a snapshot was taken after; None when the log no longer keeps it."""
        if not bounds.start <= offset < bounds.end:
            return None
        records = await self._log.read("readings", self._partition, offset, max_records=1)
        return records[0].value if records and records[0].offset == offset else None

    async def _rulebook(self, number: int) -> Rulebook:
        revision = EMPTY if number == 0 else await self._registry.revision(number)
        return compile_rules(revision, self._partition, self._partitions)

    async def _step(self, fold: Fold, records: Sequence[Record]) -> None:
        changes: list[ConditionChange] = []
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
        self._meter.folded(self._partition, len(records), fold.rows_folded - rows, records[-1].append_ns)
        await asyncio.sleep(0)

    async def _activate(self, fold: Fold, record: Record, number: int) -> list[ConditionChange]:
        """Read the revision before going on, for as long as it takes; the lag says so (LAWS R1)."""
        while True:
            try:
                rulebook = await self._rulebook(number)
                return fold.activate(record.offset, record.append_ns, rulebook, record.value)
            except RuleProblems as error:
                log.error("revision %d cannot be followed, the old rules stay: %s", number, error)
                return fold.skip(record.offset, record.append_ns, str(error))
            except (RevisionMissing, LogUnavailable) as error:
                log.error("readings/%d waits for revision %d: %s", self._partition, number, error)

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
            await persist(self._name, partial(append_all, self._log, "events", partition, records))

    async def _beat(self) -> None:
        """Every second a tick in `events`, by which alarm role and screens see that this partition is evaluated."""
        now = self._clock.monotonic_ns()
        if now < self._beat_due:
            return
        self._beat_due = now + round(BEAT_S * SECOND)
        for partition in range(self._events_partitions):
            await persist(self._name, partial(append_tick, self._log, "events", partition, EVALUATOR + self._ticker))


class EvaluateMetrics:
    """`EvaluateMeter` over the process's metrics."""

    def __init__(self, context: Context) -> None:
        self._metrics = context.metrics
        self._clock = context.clock

    def folded(self, partition: int, records: int, readings: int, append_ns: int) -> None:
        label = str(partition)
        self._metrics.count("hazwatch_folded_records_total", records, fold="rules", partition=label)
        self._metrics.count("hazwatch_folded_readings_total", readings, partition=label)
        age = max(0, self._clock.now_ns() - append_ns) / SECOND
        self._metrics.gauge("hazwatch_oldest_unprocessed_seconds", age, stage="evaluate", partition=label)

    def changed(self, changes: Sequence[ConditionChange]) -> None:
        for change in changes:
            self._metrics.count(
                "hazwatch_condition_changes_total", alarm_class=str(change.alarm_class), basis=str(change.basis)
            )


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """An evaluator per partition, compiled before anything is read so that no alarm waits for a compiler."""
    warm_up()
    meter = EvaluateMetrics(context)
    folder = context.data.snapshots / "evaluate" / context.name
    return {
        f"evaluate/{partition}": Evaluator(
            context.log,
            context.registry,
            SnapshotFolder(folder / str(partition)),
            partition,
            name=context.name,
            clock=context.clock,
            failpoint=context.failpoint,
            meter=meter,
        ).run()
        for partition in range(await context.log.partitions("readings"))
    }
