"""A process that appends as fast as it can until it is killed, and notes every acknowledged record in a file.

    python -m tests.eventlog.hammer DIRECTORY NOTES ROUND

A line of the notes is `topic partition offset value`. Each of the writers waits for an acknowledgement before its next
append.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from eventlog.open import open_embedded_writer
from eventlog.port import EventLog, NewRecord, TopicSpec

SPECS = (
    TopicSpec("steady", 2),
    TopicSpec("heavy", 1, retention_bytes=12 << 20),
    TopicSpec("latest", 1, compacted=True),
)
WRITERS = 6
PADDING = {"steady": 50, "heavy": 60_000, "latest": 500}


def value_of(round_number: str, writer: int, turn: int) -> bytes:
    return f"{round_number}.{writer}.{turn}".encode()


async def write(log: EventLog, notes: int, round_number: str, writer: int) -> None:
    topic = SPECS[writer % 3].name
    partition = writer // 3 if topic == "steady" else 0
    turn = 0
    while True:
        records = []
        for _ in range(1 + turn % 3):
            value = value_of(round_number, writer, turn) + b" " * PADDING[topic]
            records.append(NewRecord(b"w%d" % writer, "hammer", value))
            turn += 1
        positions = await log.append(topic, partition, records)
        lines = [
            f"{topic} {position.partition} {position.offset} {record.value.split()[0].decode()}\n"
            for position, record in zip(positions, records, strict=True)
        ]
        os.write(notes, "".join(lines).encode())


async def main(directory: Path, notes: Path, round_number: str) -> None:
    fd = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with open_embedded_writer(directory, SPECS) as log, asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write(log, fd, round_number, writer))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
