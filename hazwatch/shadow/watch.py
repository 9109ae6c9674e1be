"""The shadow itself: readers of `readings` and `events`, live and candidate heard side by side.

It reads as the role evaluate does, in chunks and with patience, but appends nothing: no tick, no beat, no change. Its
time is that of the log, so that live and candidate are cut at the same moment, and so that it can begin in the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from eventlog.port import EventLog, PositionGone, Record
from hazwatch.backtest.story import Span, Story
from hazwatch.backtest.trace import Traces
from hazwatch.clock import Clock
from hazwatch.folding import CHUNK_BYTES, CHUNK_RECORDS, TICK_S, persist
from hazwatch.replay.feed import Instant
from hazwatch.shadow.candidate import STRANGER, Follower
from hazwatch.shadow.heard import Heard
from hazwatch.shadow.seek import Readable, ReadOnly, append_time, offset_at
from schemas.batch import decode as decode_batch
from schemas.changes import ConditionChanges
from schemas.records import Activate, Kind, RecordError, decode
from schemas.registry import Revision
from schemas.time import SECOND, to_iso

SETTLE = 2 * SECOND
"""Live changes come to `events` some moments behind their readings: so much later both are cut."""
PATIENCE_S = 5.0
"""So long past its end the shadow waits for records that do not come: the system may have stopped."""


@dataclass(slots=True)
class Reader:
    """How far one partition is read. `at_ns` is the append time of its newest record, `idle` that nothing came."""

    topic: str
    partition: int
    position: int
    at_ns: int = 0
    idle: bool = False


@dataclass(slots=True)
class Tallies:
    """What was read, beside alarms. `notes` are what a reader of the report has to know."""

    readings: int = 0
    activations: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class Shadow:
    """Follows the log from `warm_ns` on and compares from `begin_ns` on, both times of the log."""

    def __init__(
        self,
        source: EventLog,
        revision: Revision,
        *,
        warm_ns: int,
        begin_ns: int,
        newest_ns: int,
        clock: Clock,
        traced: bool,
    ) -> None:
        self._log: Readable = ReadOnly(source)
        self._revision = revision
        self._warm_ns = warm_ns
        self._begin_ns = begin_ns
        self._clock = clock
        self._newest_ns = newest_ns
        self._started_ns = clock.monotonic_ns()
        self._readers: list[Reader] = []
        self.tallies = Tallies()
        self.live: Heard
        self.candidate: Heard
        known = [tag for tag in revision.tags if tag.number < STRANGER]
        self.traces = Traces(known) if traced else None

    @property
    def now_ns(self) -> int:
        """The time of the log now, by this machine's clock since the start."""
        return self._newest_ns + self._clock.monotonic_ns() - self._started_ns

    @property
    def read_ns(self) -> int:
        """The time up to which everything is read; 0 before anything is."""
        return min((reader.at_ns for reader in self._readers), default=0)

    async def start(self) -> list[Coroutine[Any, Any, None]]:
        """Find the places and compile the rules; returns the work, a coroutine per partition, each for ever."""
        partitions = await self._log.partitions("readings")
        incarnation = await self._log.incarnation()
        self.live, self.candidate = Heard(incarnation), Heard(incarnation)
        work: list[Coroutine[Any, Any, None]] = []
        for partition in range(partitions):
            place = await offset_at(self._log, "readings", partition, self._warm_ns)
            first_ns = await append_time(self._log, "readings", partition, place)
            if first_ns is not None and first_ns > self._begin_ns:
                self.tallies.notes.append(f"readings/{partition} is kept from {to_iso(first_ns)} on only")
            compiled = partial(Follower, self._revision, partition, partitions, incarnation, place)
            follower = await asyncio.to_thread(compiled)
            work.append(self._follow(Reader("readings", partition, place), partial(self._reading, follower), follower))
        for partition in range(await self._log.partitions("events")):
            place = await offset_at(self._log, "events", partition, self._warm_ns)
            work.append(self._follow(Reader("events", partition, place), self._event, None))
        return work

    def done(self, end_ns: int) -> bool:
        """Whether everything up to then is read, or nothing more comes."""
        if not self._readers:
            return False
        if self.read_ns >= end_ns + SETTLE:
            return True
        late_ns = end_ns + SETTLE + round(PATIENCE_S * SECOND)
        return self.now_ns >= late_ns and all(reader.idle for reader in self._readers)

    def told(self, end_ns: int) -> tuple[Story, Story]:
        """What live and candidate have said up to then."""
        span = Span(self._begin_ns, max(end_ns, self._begin_ns))
        return self.live.story(span), self.candidate.story(span)

    async def _follow(self, reader: Reader, take: Callable[[Record], None], follower: Follower | None) -> None:
        self._readers.append(reader)
        while True:
            try:
                records = await persist("shadow", partial(self._read, reader))
            except PositionGone as gone:
                lost = f"{reader.topic}/{reader.partition} {reader.position} to {gone.bounds.start - 1}"
                self.tallies.notes.append(f"records were gone before they were read: {lost}")
                reader.position = gone.bounds.start
                if follower is not None:
                    follower.jump(reader.position)
                continue
            reader.idle = not records
            for record in records:
                take(record)
                reader.position = record.offset + 1
                reader.at_ns = max(reader.at_ns, record.append_ns)
            await asyncio.sleep(0)

    async def _read(self, reader: Reader) -> list[Record]:
        return await self._log.read(
            reader.topic,
            reader.partition,
            reader.position,
            max_records=CHUNK_RECORDS,
            max_bytes=CHUNK_BYTES,
            wait_s=TICK_S,
        )

    def _reading(self, follower: Follower, record: Record) -> None:
        before = follower.readings
        changes = follower.apply(record.offset, record.append_ns, record.kind, record.value)
        if record.append_ns >= self._begin_ns:
            self.tallies.readings += follower.readings - before
            if self.traces is not None and record.kind == Kind.READINGS:
                self.traces.add(Instant(record.append_ns, decode_batch(record.value)))
        self.candidate.hear(changes)

    def _event(self, record: Record) -> None:
        if record.kind not in (Kind.CHANGES, Kind.ACTIVATE):
            return
        try:
            payload = decode(record.kind, record.value)
        except RecordError:
            return  # the alarm book says so where it belongs
        if isinstance(payload, ConditionChanges):
            self.live.hear(payload.changes)
        elif isinstance(payload, Activate) and record.append_ns >= self._begin_ns:
            self._activated(payload.revision, to_iso(record.append_ns))

    def _activated(self, revision: int, at: str) -> None:
        if revision not in self.tallies.activations:
            self.tallies.activations.add(revision)
            self.tallies.notes.append(f"revision {revision} came into force at {at}: LIVE is another since")
