"""What the tests of the composition share: a small log, a park of two tags, a clock that a test moves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from eventlog.embedded.log import EmbeddedLog
from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, Position, Record, TopicSpec
from schemas import batch, records
from schemas.records import Kind
from schemas.registry import Enterprise, HazardSource, Limits, Measure, Park, Revision, Tag
from schemas.text import Text
from schemas.time import SECOND

T = TypeVar("T")

TOPICS = (
    TopicSpec("readings", 2),
    TopicSpec("events", 1),
    TopicSpec("alarms", 1),
    TopicSpec("state", 1, compacted=True),
    TopicSpec("registry", 1),
    TopicSpec("backfill", 2),
    TopicSpec("deadletter", 1),
)


@asynccontextmanager
async def small_log(
    folder: Path, specs: Sequence[TopicSpec] = TOPICS, *, first_incarnation: int = 1
) -> AsyncIterator[EmbeddedLog]:
    log = await EmbeddedLog.open(folder, specs, first_incarnation=first_incarnation)
    try:
        yield log
    finally:
        await log.close()


class StoppedClock:
    """Wall and monotonic time that stand still until a test moves them."""

    def __init__(self) -> None:
        self.at_ns = time.time_ns()
        self._mono_ns = 1_000 * SECOND

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self._mono_ns

    def go(self, seconds: float) -> None:
        self.at_ns += round(seconds * SECOND)
        self._mono_ns += round(seconds * SECOND)


class FlakyLog:
    """A log in front of another that can be cut off, or made to fail in one way."""

    def __init__(self, inner: EventLog) -> None:
        self.inner = inner
        self.cut = False
        self.before_append: Callable[[str, int, Sequence[NewRecord]], Awaitable[None]] | None = None

    def _check(self) -> None:
        if self.cut:
            raise LogUnavailable("cut off by the test")

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        self._check()
        if self.before_append is not None:
            await self.before_append(topic, partition, records)
        return await self.inner.append(topic, partition, records)

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]:
        self._check()
        return await self.inner.read(
            topic, partition, start, max_records=max_records, max_bytes=max_bytes, wait_s=wait_s
        )

    async def bounds(self, topic: str, partition: int) -> Bounds:
        self._check()
        return await self.inner.bounds(topic, partition)

    async def partitions(self, topic: str) -> int:
        return await self.inner.partitions(topic)

    async def incarnation(self) -> int:
        self._check()
        return await self.inner.incarnation()

    async def close(self) -> None:
        await self.inner.close()


def tag(number: int, name: str, high: float = 50.0) -> Tag:
    """A temperature with one limit and no delays, in the cell `s`."""
    return Tag(
        number=number,
        name=name,
        title=Text(name, name),
        enterprise="e",
        hazard_source="s",
        measure=Measure.TEMPERATURE,
        unit="degC",
        range_low=-50.0,
        range_high=500.0,
        limits=Limits(high=high),
        on_delay_s=0.0,
        off_delay_s=0.0,
        stale_s=86_400.0,
    )


def park(*tags: Tag) -> Revision:
    """A revision of one park, not numbered yet."""
    return Revision(
        number=0,
        parks=(Park(id="p", name=Text("园区", "park")),),
        enterprises=(Enterprise(id="e", park="p"),),
        hazard_sources=(HazardSource(id="s", enterprise="e"),),
        tags=tags or (tag(1, "e.T-1"),),
    )


def reading(number: int, value: float, at_ns: int = 0) -> NewRecord:
    """A batch of one reading."""
    return NewRecord(b"test", Kind.READINGS, batch.encode(batch.batch([number], [at_ns or time.time_ns()], [value])))


async def everything(log: EventLog, topic: str, partition: int = 0) -> list[Record]:
    """All records of a partition."""
    bounds = await log.bounds(topic, partition)
    found: list[Record] = []
    at = bounds.start
    while at < bounds.end:
        found += await log.read(topic, partition, at)
        at = found[-1].offset + 1
    return found


async def payloads(log: EventLog, topic: str, kind: Kind, partition: int = 0) -> list[Any]:
    """The decoded records of one kind."""
    return [records.decode(r.kind, r.value) for r in await everything(log, topic, partition) if r.kind == kind]
