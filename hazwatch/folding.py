"""What the drivers of both folds share: ticks when nothing comes, and the beat that says "I am alive"."""

from __future__ import annotations

from eventlog.port import EventLog, NewRecord
from schemas.records import Kind, Tick, encode

TICK_S = 1.0
SNAPSHOT_S = 10.0
CHUNK_RECORDS = 64
CHUNK_BYTES = 4 << 20


async def append_tick(log: EventLog, topic: str, partition: int, by: str) -> None:
    """Let time pass in a partition that has been silent for a second (LAWS T2)."""
    await log.append(topic, partition, [NewRecord(b"", Kind.TICK, encode(Tick(by=by)))])
