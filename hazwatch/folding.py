"""What the drivers of both folds share: patience with the log, ticks when nothing comes, and the beat."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from eventlog.port import EventLog, LogUnavailable, NewRecord, Record
from schemas.records import Kind, Tick, encode

log = logging.getLogger(__name__)
TICK_S = 1.0
EVALUATOR = "evaluator:"
"""How the name in an evaluator's ticks begins, so that the alarm role knows that somebody evaluates."""

REVISION_PATIENCE_S = 30.0
"""How long a fold waits for a revision that `registry`, read to its end, does not hold. R1 promises that it is there
before it is named, so then it is lost for good, and evaluating by the old rules is better than not at all."""

CHUNK_RECORDS = 64
CHUNK_BYTES = 4 << 20
RETRY_S = (0.1, 0.2, 0.5, 1.0)
LIFE = secrets.token_hex(4)
"""This life of the process. A step of the log's clock is told from an outage by somebody who ticked on both sides of it
(LAWS T1), so whoever was started again is somebody else."""
T = TypeVar("T")


async def persist(
    what: str, work: Callable[[], Awaitable[T]], reachable: Callable[[bool], None] = lambda up: None
) -> T:
    """Do `work` until the log answers. It may be written twice: whoever reads it collapses copies by position."""
    tries = 0
    while True:
        try:
            result = await work()
        except LogUnavailable as error:
            if tries == 0:
                log.error("%s: the log cannot be reached: %s", what, error)
            reachable(False)
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1
            continue
        if tries:
            log.warning("%s: the log answers again", what)
        reachable(True)
        return result


async def read_chunk(source: EventLog, topic: str, partition: int, start: int) -> list[Record]:
    """The next records, waiting up to a second for the first."""
    return await source.read(topic, partition, start, max_records=CHUNK_RECORDS, max_bytes=CHUNK_BYTES, wait_s=TICK_S)


async def append_tick(target: EventLog, topic: str, partition: int, by: str) -> None:
    """Let time pass in a partition that has been silent for a second (LAWS T2)."""
    await target.append(topic, partition, [tick(by)])


def ticker(name: str) -> str:
    """The name in the ticks of this life; its end is `name`, by which screens know the stage."""
    return f"{LIFE}/{name}"


def tick(by: str) -> NewRecord:
    return NewRecord(b"", Kind.TICK, encode(Tick(by=by)))


async def append_all(target: EventLog, topic: str, partition: int, records: Sequence[NewRecord]) -> None:
    """Append in order, in calls of a bounded size."""
    for start in range(0, len(records), 500):
        await target.append(topic, partition, records[start : start + 500])
