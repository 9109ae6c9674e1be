"""Two loops over the log that every role needs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from eventlog.port import EventLog, Record


async def tail(
    log: EventLog, topic: str, partition: int, start: int, *, wait_s: float = 1.0
) -> AsyncIterator[list[Record]]:
    """Non-empty runs of records from `start` on, and an empty one whenever `wait_s` has passed without a record;
    never ends.
    """
    position = start
    while True:
        records = await log.read(topic, partition, position, wait_s=wait_s)
        if records:
            position = records[-1].offset + 1
        yield records


async def read_all(log: EventLog, topic: str, partition: int) -> AsyncIterator[Record]:
    """The records of a partition from its start up to the end that it had when this was called."""
    bounds = await log.bounds(topic, partition)
    position = bounds.start
    while position < bounds.end:
        records = await log.read(topic, partition, position)
        if not records:
            return
        for record in records:
            if record.offset >= bounds.end:
                return
            yield record
        position = records[-1].offset + 1
