"""Measures the event log: how long an append takes, and how soon a waiting reader has its records.

    python -m tests.eventlog.bench_log [--seconds 10] [--only embedded|client|kafka]

The load comes at fixed times, each record an append of its own and not waiting for the one before; latencies count from
when an append was due, so a stall is charged to everything behind it. `client` reads and appends in a second process
beside the writer. CPU is that of the measuring process (for `client` also of the writer's, for `kafka` also of the
broker's), in percent of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.creating import create_topics
from eventlog.open import open_embedded_client, open_embedded_writer, open_kafka
from eventlog.port import EventLog, NewRecord, TopicSpec
from tests.parts.kafka import Kafka

SPECS = (TopicSpec("readings", 1), TopicSpec("registry", 1))
LOADS = ((500, 8 << 10), (5_000, 200))


@dataclass(frozen=True)
class Outcome:
    """Latencies in milliseconds, sorted."""

    append: list[float]
    seen: list[float]
    seconds: float
    cpu_s: float


def children_and_self() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def process_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(log: EventLog, rate: int, size: int, seconds: float, cpu: Callable[[], float]) -> Outcome:
    loop = asyncio.get_running_loop()
    total = int(rate * seconds)
    value = os.urandom(size)
    start = (await log.bounds("readings", 0)).end
    appends: list[float] = []
    seen: list[float] = []
    due_of: dict[int, float] = {}
    read_at: dict[int, float] = {}

    async def read() -> None:
        position = start
        while position < start + total:
            records = await log.read("readings", 0, position, max_records=10_000, wait_s=10)
            now = loop.time()
            for record in records:
                read_at[record.offset] = now
            position = records[-1].offset + 1

    async def append(due: float) -> None:
        called = loop.time()
        (position,) = await log.append("readings", 0, [NewRecord(b"cell", "bench", value)])
        appends.append(loop.time() - called)
        due_of[position.offset] = due

    cpu_before, began = cpu(), loop.time()
    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for number in range(total):
            due = began + number / rate
            if (ahead := due - loop.time()) > 0:
                await asyncio.sleep(ahead)
            group.create_task(append(due))
    took = loop.time() - began
    seen = [read_at[offset] - due for offset, due in due_of.items()]
    return Outcome(sorted(t * 1e3 for t in appends), sorted(t * 1e3 for t in seen), took, cpu() - cpu_before)


@contextlib.asynccontextmanager
async def embedded(directory: Path) -> AsyncIterator[tuple[EventLog, Callable[[], float]]]:
    async with open_embedded_writer(directory / "log", SPECS) as log:
        yield log, children_and_self


def serve(directory: Path) -> None:
    async def main() -> None:
        async with open_embedded_writer(directory / "log", SPECS):
            await asyncio.Event().wait()

    asyncio.run(main())


@contextlib.asynccontextmanager
async def client(directory: Path) -> AsyncIterator[tuple[EventLog, Callable[[], float]]]:
    writer = multiprocessing.get_context("spawn").Process(target=serve, args=(directory,), daemon=True)
    writer.start()
    try:
        async with open_embedded_client(directory / "log") as log:
            pid = writer.pid
            assert pid is not None
            yield log, lambda: children_and_self() + process_cpu(pid)
    finally:
        writer.kill()


@contextlib.asynccontextmanager
async def kafka(directory: Path) -> AsyncIterator[tuple[EventLog, Callable[[], float]]]:
    with Kafka() as broker:
        connection = KafkaConnection(broker.bootstrap)
        await create_topics(SPECS, connection)
        async with open_kafka(connection, SPECS) as log:
            yield log, lambda: children_and_self() + process_cpu(broker.pid)


ADAPTERS = {"embedded": embedded, "client": client, "kafka": kafka}


def quantile(sorted_values: list[float], q: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(q * len(sorted_values)))]


def row(name: str, rate: int, size: int, outcome: Outcome) -> str:
    cells = [f"{name:9} {rate:6} x {size:5} B"]
    for times in (outcome.append, outcome.seen):
        cells.append(" / ".join(f"{v:6.2f}" for v in (statistics.median(times), quantile(times, 0.99), times[-1])))
    cells.append(f"{len(outcome.append) / outcome.seconds:7.0f}/s  {100 * outcome.cpu_s / outcome.seconds:4.0f} %")
    return "   ".join(cells)


async def main(only: str | None, seconds: float) -> None:
    print("adapter        load               append p50/p99/max ms        due->read p50/p99/max ms     rate     CPU")
    for name, adapter in ADAPTERS.items():
        if only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as directory:
            async with adapter(Path(directory)) as (log, cpu):
                await measure(log, *LOADS[0], 2.0, cpu)
                for rate, size in LOADS:
                    print(row(name, rate, size, await measure(log, rate, size, seconds, cpu)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(ADAPTERS))
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    began = time.monotonic()
    asyncio.run(main(arguments.only, arguments.seconds))
    print(f"took {time.monotonic() - began:.0f} s; load of the machine {os.getloadavg()[0]:.1f}")
