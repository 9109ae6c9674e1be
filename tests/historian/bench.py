"""Measures the historian: what a row costs the writer and PostgreSQL, and how fast both can go.

    python -m tests.historian.bench [--rate 100000] [--seconds 30] [--rows 10000,20000,50000]

A second process owns an embedded log and appends readings of 10 000 sensors at a steady rate (0: as fast as the writer
follows a backlog made beforehand), a record per partition and 2 ms, as ingest does. This process runs the embedded
PostgreSQL and the writer with its upkeep, rollups included. CPU is in cores per 100 000 readings a second; a run
counts only if the ledgers of log and table agree.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import psycopg

from eventlog.open import open_embedded_client, open_embedded_writer
from eventlog.port import NewRecord, topic_specs
from historian.config import HistorianConfig
from historian.server import EmbeddedPostgres
from historian.verify import ledger, log_ledger
from historian.writer import Writer
from schemas.batch import batch, encode
from schemas.records import Kind
from tests.historian.rig import SystemClock, until_stored
from tests.parts.net import eventually
from tests.parts.server import descendants

PARTITIONS = 4
SENSORS = 10_000
WINDOW_S = 0.002
BACKLOG_RATE = 200_000
BACKLOG_ROWS = 500


def produce(folder: str, rate: int, seconds: float, ready: Event, done: Event, stop: Event) -> None:
    """The process that owns the log."""
    asyncio.run(_produce(Path(folder), rate, seconds, ready, done, stop))


async def _produce(folder: Path, rate: int, seconds: float, ready: Event, done: Event, stop: Event) -> None:
    rng = np.random.default_rng(0)
    share = SENSORS // PARTITIONS

    async with open_embedded_writer(folder, topic_specs(PARTITIONS)) as log:

        async def append(partition: int, first: int, rows: int) -> None:
            tags = (first + np.arange(rows)) % share + partition * share + 1
            readings = batch(tags, np.full(rows, time.time_ns()), np.round(rng.normal(20, 2, rows), 2))
            await log.append("readings", partition, [NewRecord(b"k", Kind.READINGS, encode(readings))])

        total = round(seconds * (rate or BACKLOG_RATE)) // PARTITIONS
        if rate:
            ready.set()
        began, sent = time.monotonic(), 0
        while sent < total:
            # As ingest does: whatever came in during one window, or during the append before it, is one record.
            due = int((time.monotonic() - began) * rate / PARTITIONS) - sent if rate else BACKLOG_ROWS
            rows = min(due, BACKLOG_ROWS, total - sent)
            if rows:
                await asyncio.gather(*(append(partition, sent, rows) for partition in range(PARTITIONS)))
                sent += rows
            if rate:
                await asyncio.sleep(WINDOW_S)
        ready.set()
        done.set()
        await asyncio.to_thread(stop.wait)


@dataclass(frozen=True)
class Sample:
    """CPU seconds so far."""

    at: float
    rows: int
    writer: float
    postgres: float


def cpu_of(pid: int, *, with_children: bool = False) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        if with_children:
            ticks += int(fields[13]) + int(fields[14])
        return ticks / os.sysconf("SC_CLK_TCK")
    return 0.0


def sample(server: EmbeddedPostgres, writer: Writer) -> Sample:
    assert server.pid is not None
    postgres = cpu_of(server.pid, with_children=True) + sum(map(cpu_of, descendants(server.pid)))
    return Sample(time.monotonic(), writer.status().rows, time.process_time(), postgres)


async def measure(rate: int, seconds: float, rows: int) -> str:
    """One run, as a line of the table."""
    folder = Path(tempfile.mkdtemp(prefix="hazwatch-bench-"))
    await asyncio.to_thread(folder.chmod, 0o755)
    ready, done, stop = (multiprocessing.Event() for _ in range(3))
    producer = multiprocessing.Process(target=produce, args=(str(folder / "log"), rate, seconds, ready, done, stop))
    producer.start()
    server = await EmbeddedPostgres.open(folder / "postgres")
    url = await server.start()
    await asyncio.to_thread(ready.wait)
    stalls: list[float] = []
    try:
        async with open_embedded_client(folder / "log") as log:
            writer = Writer(log, url, HistorianConfig(batch_rows=rows), SystemClock())
            task = asyncio.create_task(writer.run())
            watch = asyncio.create_task(_stalls(stalls))
            await eventually(lambda: writer.status().rows, "the first rows are stored")
            first = sample(server, writer)
            last = first
            while last.at - first.at < seconds:
                await asyncio.sleep(1.0)
                now = sample(server, writer)
                if now.rows == last.rows and done.is_set():
                    break
                last = now
            status = writer.status()
            watch.cancel()
            await asyncio.to_thread(done.wait)
            await until_stored(writer, log)
            async with await psycopg.AsyncConnection.connect(url) as conn:
                same = await ledger(conn) == await log_ledger(log)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    finally:
        stop.set()
        await server.stop()
        producer.join(10)
        shutil.rmtree(folder, ignore_errors=True)
    stored = last.rows - first.rows
    elapsed = last.at - first.at
    lane = status.lanes["readings"]
    return (
        f"| {rows:>6} | {stored / elapsed / 1e3:7.1f} | {lane.rows / max(1, lane.transactions):7.0f} "
        f"| {(last.writer - first.writer) / stored * 1e5:.3f} | {(last.postgres - first.postgres) / stored * 1e5:.3f} "
        f"| {(last.writer + last.postgres - first.writer - first.postgres) / stored * 1e5:.3f} "
        f"| {max(stalls) * 1e3:5.1f} | {'yes' if same else 'NO'} |"
    )


async def _stalls(found: list[float]) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(0.02)
        found.append(time.monotonic() - before - 0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100_000, help="readings a second; 0: a backlog")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rows", default="10000,20000,50000", help="rows of a transaction")
    options = parser.parse_args()
    print("| batch_rows | k rows/s | rows a commit | writer | PostgreSQL | both | worst stall ms | ledgers agree |")
    print("|---|---|---|---|---|---|---|---|")
    for rows in options.rows.split(","):
        print(asyncio.run(measure(options.rate, options.seconds, int(rows))), flush=True)


if __name__ == "__main__":
    main()
