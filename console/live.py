"""The live state: what the screens show, folded from the log by a few tasks, all in memory and all bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from console.alarmlist import AlarmList
from console.answers import Answers
from console.config import ConsoleConfig
from console.latest import Latest, Stamped
from console.marks import Watermarks
from console.ports import BookStart, Clock, ReadBookSnapshot
from console.registryview import RegistryView
from console.ring import LiveRing
from console.tailing import first_since, follow, patiently
from eventlog.port import Bounds, EventLog, PositionBeyond, PositionGone, Record
from schemas.alarms import Answer, Transition
from schemas.batch import Batch, BatchError
from schemas.batch import decode as decode_batch
from schemas.records import Kind, Link, RecordError, Tick
from schemas.records import decode as decode_record
from schemas.time import MINUTE

log = logging.getLogger(__name__)
READINGS_PACE_S = 0.05
BEATS_PACE_S = 0.2
WARM_RECORDS = 20_000
SNAPSHOT_MARGIN_NS = MINUTE


class Live:
    """Alarms, latest values, live trends, registry and watermarks; `run` keeps them fresh.

    Everything belongs to the event loop; readers get what stands between two awaits.
    """

    def __init__(
        self, config: ConsoleConfig, source: EventLog, clock: Clock, read_snapshot: ReadBookSnapshot | None = None
    ) -> None:
        self._log = source
        self._clock = clock
        self._read_snapshot = read_snapshot
        self.alarms = AlarmList()
        self.latest = Latest()
        self.ring = LiveRing(config.live_minutes, config.live_bytes)
        self.registry = RegistryView()
        self.marks = Watermarks()
        self.answers = Answers()
        self.skipped = 0
        self._waiting_alarms: set[int] = set()
        self._alarm_ends: dict[int, int] = {}
        self._warm_ns = config.live_minutes * MINUTE
        self.on_alarms: Callable[[], None] = lambda: None
        self.on_registry: Callable[[], None] = lambda: None

    @property
    def ready(self) -> bool:
        """The alarm list has been read to what was the end of `alarms` when reading began."""
        return bool(self._alarm_ends) and not self._waiting_alarms

    async def run(self) -> None:
        """Follow the log, for ever. Raises when the log was replaced by another one: the process must start again."""
        alarms, readings, events = [
            await patiently(topic, partial(self._log.partitions, topic)) for topic in ("alarms", "readings", "events")
        ]
        self.marks.expect(readings, events, self._clock.now_ns())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_registry(), name="registry")
            for p in range(alarms):
                self._waiting_alarms.add(p)
            starts = await self._book_starts()
            for p in range(alarms):
                group.create_task(self._follow_alarms(p, starts.get(p)), name=f"alarms/{p}")
            for p in range(events):
                group.create_task(self._follow_events(p), name=f"events/{p}")
            for p in range(readings):
                group.create_task(self._follow_readings(p), name=f"readings/{p}")

    async def _bounds(self, topic: str, partition: int) -> Bounds:
        return await patiently(f"{topic}/{partition}", partial(self._log.bounds, topic, partition))

    async def _follow_registry(self) -> None:
        start = (await self._bounds("registry", 0)).start

        async def apply(records: Sequence[Record]) -> None:
            if self.registry.apply(records):
                numbers = [tag.number for tag in self.registry.current.tags if not tag.retired]
                self.latest.ensure(np.array(numbers, np.int64))
                self.ring.resize(self.latest.count)
                self.on_registry()

        await follow(self._log, "registry", 0, start, apply)

    async def _book_starts(self) -> dict[int, tuple[BookStart, int]]:
        """The newest readable snapshot of the book per events partition, with its append time, from `state`."""
        found: dict[int, tuple[BookStart, int]] = {}
        if self._read_snapshot is None:
            return found
        bounds = await self._bounds("state", 0)
        position = bounds.start
        while position < bounds.end:
            try:
                records = await patiently("state", partial(self._log.read, "state", 0, position))
            except PositionGone as gone:
                position = gone.bounds.start
                continue
            if not records:
                break
            for record in records:
                self._take_snapshot(record, found)
            position = records[-1].offset + 1
        return found

    def _take_snapshot(self, record: Record, found: dict[int, tuple[BookStart, int]]) -> None:
        partition = record.key.split(b"/")[0]
        if record.kind != Kind.SNAPSHOT or not partition.isdigit() or self._read_snapshot is None:
            return
        try:
            start = self._read_snapshot(record.value)
        except ValueError as error:
            log.warning("state, offset %d: a snapshot is passed over: %s", record.offset, error)
            return
        known = found.get(int(partition))
        if known is None or start.next_offset > known[0].next_offset:
            found[int(partition)] = start, record.append_ns

    async def _follow_alarms(self, partition: int, book: tuple[BookStart, int] | None) -> None:
        bounds = await self._bounds("alarms", partition)
        start = bounds.start
        if book is not None:
            self.alarms.start(partition, book[0].alarms)
            start = await first_since(self._log, "alarms", partition, book[1] - SNAPSHOT_MARGIN_NS)
        self._alarm_ends[partition] = bounds.end
        self._reached(partition, start)
        await follow(self._log, "alarms", partition, start, partial(self._apply_alarms, partition))

    def _reached(self, partition: int, position: int) -> None:
        if partition in self._waiting_alarms and position >= self._alarm_ends[partition]:
            self._waiting_alarms.discard(partition)
            self.on_alarms()

    async def _apply_alarms(self, partition: int, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind not in (Kind.TRANSITION, Kind.ANSWER):
                continue
            try:
                said = decode_record(record.kind, record.value)
            except RecordError as error:
                self._skip(record, error)
                continue
            if isinstance(said, Transition):
                self.alarms.apply(said)
            elif isinstance(said, Answer):
                self.answers.put(said)
        if self.alarms.changed:
            self.on_alarms()
        self._reached(partition, records[-1].offset + 1)
        await asyncio.sleep(0)

    async def _follow_events(self, partition: int) -> None:
        """Only for the beats of evaluators and books."""
        bounds = await self._bounds("events", partition)
        start = max(bounds.start, bounds.end - 50)

        async def apply(records: Sequence[Record]) -> None:
            for record in records:
                if record.kind == Kind.TICK:
                    tick = self._decode(record)
                    if isinstance(tick, Tick):
                        self.marks.tick(tick.by, record.append_ns)

        await follow(self._log, "events", partition, start, apply, pace_s=BEATS_PACE_S)

    async def _follow_readings(self, partition: int) -> None:
        """The newest minutes first fill the live trends, then it goes on for ever."""
        end = (await self._bounds("readings", partition)).end
        since = await first_since(self._log, "readings", partition, self._clock.now_ns() - self._warm_ns)
        start = max(since, end - WARM_RECORDS)
        apply = partial(self._apply_readings, partition)
        try:
            await follow(self._log, "readings", partition, start, apply, pace_s=READINGS_PACE_S)
        except PositionBeyond:
            log.critical("readings/%d became shorter: the log was replaced", partition)
            raise

    async def _apply_readings(self, partition: int, records: Sequence[Record]) -> None:
        batches: list[tuple[Batch, int]] = []
        for count, record in enumerate(records):
            if record.kind == Kind.READINGS:
                try:
                    batches.append((decode_batch(record.value), record.append_ns))
                except BatchError as error:
                    self._skip(record, error)
            elif record.kind == Kind.LINK:
                link = self._decode(record)
                if isinstance(link, Link) and link.up:
                    self.marks.link(record.append_ns)
            if count % 64 == 63:
                await asyncio.sleep(0)
        if batches:
            stamped = Stamped.of(batches)
            rows = self.latest.apply(stamped)
            self.ring.resize(self.latest.count)
            self.ring.add(rows, stamped)
        self.marks.reading(partition, records[-1].append_ns)

    def _decode(self, record: Record) -> object:
        try:
            return decode_record(record.kind, record.value)
        except RecordError as error:
            self._skip(record, error)
            return None

    def _skip(self, record: Record, error: Exception) -> None:
        self.skipped += 1
        if self.skipped <= 20 or self.skipped % 1000 == 0:
            log.error("%s/%d, offset %d is passed over: %s", record.topic, record.partition, record.offset, error)
