"""Following a partition of the log: where to start, and what to do when the log is away or retention has passed us."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from eventlog.port import EventLog, LogUnavailable, PositionBeyond, PositionGone, Record

log = logging.getLogger(__name__)
WAIT_S = 1.0
RETRY_S = 0.5
CHUNK_RECORDS = 4096
CHUNK_BYTES = 8 << 20
T = TypeVar("T")
Apply = Callable[[Sequence[Record]], Awaitable[None]]


async def patiently(what: str, ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of the log, however long it is away: people can log in meanwhile and see that nothing is live."""
    away = False
    while True:
        try:
            return await ask()
        except LogUnavailable as error:
            if not away:
                log.warning("%s: the log cannot be reached, trying again: %s", what, error)
            away = True
            await asyncio.sleep(RETRY_S)


async def follow(
    source: EventLog, topic: str, partition: int, start: int, apply: Apply, *, pace_s: float = 0.0
) -> None:
    """Hand the records of a partition from `start` on to `apply`, for ever.

    While the log cannot be reached this retries; the screen shows the age of what it has. If retention passed the
    position, what was missed is named in the log and reading goes on at the oldest record. `pace_s` lets records
    gather, so that a busy partition costs one call per pace. Raises `PositionBeyond`: this is another log, start again.
    """
    position = start
    while True:
        read = partial(
            source.read, topic, partition, position, max_records=CHUNK_RECORDS, max_bytes=CHUNK_BYTES, wait_s=WAIT_S
        )
        try:
            records = await patiently(f"{topic}/{partition}", read)
        except PositionGone as gone:
            log.error("%s/%d: records %d to %d were lost to retention", topic, partition, gone.asked, gone.bounds.start)
            position = gone.bounds.start
            continue
        if records:
            await apply(records)
            position = records[-1].offset + 1
        if pace_s:
            await asyncio.sleep(pace_s)


async def first_since(source: EventLog, topic: str, partition: int, since_ns: int) -> int:
    """The smallest offset whose record was appended at or after `since_ns`, by bisection; the end when there is none.

    Append times of one partition may step back with the machine's clock; then the answer is near enough.
    """
    bounds = await patiently(topic, partial(source.bounds, topic, partition))
    low, high = bounds.start, bounds.end
    while low < high:
        middle = (low + high) // 2
        try:
            found = await patiently(topic, partial(source.read, topic, partition, middle, max_records=1))
        except PositionGone as gone:
            low = max(low, gone.bounds.start)
            high = max(high, low)
            continue
        except PositionBeyond:
            high = middle
            continue
        if found and found[0].append_ns < since_ns:
            low = found[0].offset + 1
        else:
            high = middle
    return low
