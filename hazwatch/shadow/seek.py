"""Where a time lies in a partition of the log, found by reading single records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from eventlog.port import Bounds, EventLog, Record


class Readable(Protocol):
    """The reading half of `eventlog.port.EventLog`: whoever is given this cannot write."""

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]: ...

    async def bounds(self, topic: str, partition: int) -> Bounds: ...

    async def partitions(self, topic: str) -> int: ...

    async def incarnation(self) -> int: ...


class ReadOnly:
    """A log without its writing half."""

    def __init__(self, source: EventLog) -> None:
        self.read = source.read
        self.bounds = source.bounds
        self.partitions = source.partitions
        self.incarnation = source.incarnation


async def offset_at(log: Readable, topic: str, partition: int, at_ns: int) -> int:
    """The offset of the first record appended at `at_ns` or later; the end when there is none.

    Append times rise from record to record, but for steps of the log's clock; across one of those it is an estimate.
    """
    bounds = await log.bounds(topic, partition)
    low, high = bounds.start, bounds.end
    while low < high:
        middle = (low + high) // 2
        found = await log.read(topic, partition, middle, max_records=1)
        if not found or found[0].append_ns >= at_ns:
            high = middle
        else:
            low = found[0].offset + 1
    return low


async def append_time(log: Readable, topic: str, partition: int, offset: int) -> int | None:
    """The append time of the record at `offset`, or of the next one; None when there is none."""
    found = await log.read(topic, partition, offset, max_records=1)
    return found[0].append_ns if found else None


async def newest_ns(log: Readable, topic: str, partitions: Sequence[int]) -> int:
    """The append time of the newest record of a topic, 0 when it is empty."""
    newest = 0
    for partition in partitions:
        bounds = await log.bounds(topic, partition)
        back = 1
        while bounds.end > bounds.start:
            start = max(bounds.start, bounds.end - back)
            if found := await log.read(topic, partition, start):
                newest = max(newest, found[-1].append_ns)
                break
            if start == bounds.start:
                break
            back *= 8  # offsets may have gaps
    return newest
