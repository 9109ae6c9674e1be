"""PostgreSQL killed, frozen, full, cut off at every commit: nothing is lost, nothing doubled, nothing else waits."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import psycopg
from psycopg.conninfo import make_conninfo

from eventlog.embedded.log import EmbeddedLog
from historian.config import HistorianConfig
from historian.writer import Writer
from schemas.alarms import Change, State
from schemas.time import SECOND
from tests.historian.commit_proxy import CommitProxy
from tests.historian.rig import (
    SystemClock,
    append,
    both_ledgers,
    embedded_log,
    random_batch,
    rows,
    running,
    story,
    until_stored,
    writer_of,
)
from tests.parts.net import eventually
from tests.parts.postgres import Postgres
from tests.parts.server import run_as

RAISED = (Change.RAISE, State.UNACKNOWLEDGED)
ACKNOWLEDGED = (Change.ACKNOWLEDGE, State.ACKNOWLEDGED)
RETURNED = (Change.RETURN, State.NORMAL)


async def feed(log: EmbeddedLog, rng: np.random.Generator, count: int, pause_s: float) -> None:
    """Readings, history and one alarm's life each round."""
    for index in range(count):
        await append(log, "readings", random_batch(rng, 300), partition=index % 2)
        await append(log, "backfill", random_batch(rng, 30))
        await append(log, "alarms", *story(f"e-{index}", time.time_ns(), [RAISED, ACKNOWLEDGED, RETURNED]))
        await asyncio.sleep(pause_s)


async def expect_whole(url: str, log: EmbeddedLog, episodes: int) -> None:
    """The history is the log."""
    table, held = await both_ledgers(url, log)
    assert table == held
    assert await rows(url, "SELECT count(*) FROM alarm_transitions") == [(3 * episodes,)]
    found = await rows(url, "SELECT count(*) FROM alarms WHERE revision = 3 AND state = 'normal'")
    assert found == [(episodes,)]


@asynccontextmanager
async def loop_lag() -> AsyncIterator[list[float]]:
    """How late the event loop was, at worst and in seconds; the list is filled at the end."""
    found: list[float] = []
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - before - 0.01)

    task = asyncio.create_task(watch())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        found.append(worst)


async def test_connections_lost_at_commit(postgres: Postgres, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    with postgres.fresh_database() as name:
        url = postgres.dsn(name)
        async with embedded_log(tmp_path) as log, CommitProxy(postgres.port, 0.0, seed=1) as proxy:
            writer = writer_of(log, make_conninfo(url, port=proxy.port))
            async with running(writer):
                await eventually(lambda: writer.status().trouble == "", "the tables are there")
                proxy.share = 0.4
                await feed(log, rng, 150, 0.02)
                await eventually(lambda: sum(proxy.cuts.values()) >= 40, "many commits were cut off", within_s=60)
                proxy.share = 0.1
                await until_stored(writer, log, within_s=90)
                proxy.share = 0.0
            assert set(proxy.cuts) == set(CommitProxy.WAYS)
            await expect_whole(url, log, 150)


async def test_killed_and_started_again(postgres_alone: Postgres, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    url = postgres_alone.dsn()
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, url)
        async with running(writer):
            for _ in range(3):
                feeding = asyncio.create_task(feed(log, rng, 40, 0.02))
                await eventually(lambda: writer.status().rows > 0, "rows arrive")
                await asyncio.sleep(0.2)
                await asyncio.to_thread(postgres_alone.kill9)
                await asyncio.to_thread(postgres_alone.start)
                await feeding
            await until_stored(writer, log)
        assert sum(lane.reconnects for lane in writer.status().lanes.values()) >= 3
        table, held = await both_ledgers(url, log)
        assert table == held


async def test_frozen_for_twenty_seconds(postgres_alone: Postgres, tmp_path: Path) -> None:
    """The server's sockets stay open and nothing answers: the case in which a plain timeout does not fire."""
    rng = np.random.default_rng(3)
    url = postgres_alone.dsn()
    config = HistorianConfig(batch_delay_s=0.05, stalled_s=2.0)
    async with embedded_log(tmp_path) as log:
        writer = Writer(log, url, config, SystemClock())
        async with running(writer):
            await feed(log, rng, 20, 0.01)
            await until_stored(writer, log)
            await asyncio.to_thread(postgres_alone.pause)
            frozen_at = time.monotonic()
            async with loop_lag() as lag:
                await feed(log, rng, 100, 0.05)
                await eventually(lambda: "no progress" in writer.status().trouble, "the watchdog cuts the connection")
                await eventually(
                    lambda: writer.status().lanes["readings"].sources and writer.status().lag > 100,
                    "the lag is told although nothing answers",
                )
                await asyncio.sleep(max(0.0, 20 - (time.monotonic() - frozen_at)))
            assert lag[0] < 1.0
            await asyncio.to_thread(postgres_alone.resume)
            await until_stored(writer, log)
        table, held = await both_ledgers(url, log)
        assert table == held
        assert await rows(url, "SELECT count(*) FROM alarm_transitions") == [(300,)]


async def test_it_stops_while_the_server_is_frozen(postgres_alone: Postgres, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, postgres_alone.dsn())
        async with running(writer) as task:
            await feed(log, rng, 5, 0.01)
            await until_stored(writer, log)
            await asyncio.to_thread(postgres_alone.pause)
            await feed(log, rng, 5, 0.01)
            await asyncio.sleep(0.3)
            before = time.monotonic()
            task.cancel()
            await asyncio.wait({task}, timeout=9)
            assert task.done()
            assert time.monotonic() - before < 3
        await asyncio.to_thread(postgres_alone.resume)


async def test_it_starts_without_a_server(postgres_alone: Postgres, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    await asyncio.to_thread(postgres_alone.stop)
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, postgres_alone.dsn())
        async with running(writer):
            await append(log, "readings", random_batch(rng, 100))
            await eventually(lambda: "cannot connect" in writer.status().trouble, "it says what is wrong")
            await asyncio.to_thread(postgres_alone.start)
            await until_stored(writer, log)
        table, held = await both_ledgers(postgres_alone.dsn(), log)
        assert table == held


async def test_a_disk_that_takes_no_more(postgres_alone: Postgres, tmp_path: Path) -> None:
    """Files may not grow past 20 MB for a while, which spares the WAL: a full disk as sessions see it."""
    rng = np.random.default_rng(6)
    url = postgres_alone.dsn()
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, url)
        async with running(writer):
            await append(log, "readings", random_batch(rng, 100))
            await until_stored(writer, log)
            await limit_files(postgres_alone, 20 << 20)
            for _ in range(20):
                await append(log, "readings", random_batch(rng, 30_000, sensors=5000))
            await eventually(lambda: "could not extend" in writer.status().trouble, "it says what is wrong")
            await limit_files(postgres_alone, "unlimited")
            await until_stored(writer, log)
        table, held = await both_ledgers(url, log)
        assert table == held


async def limit_files(server: Postgres, size: int | str) -> None:
    """Set the largest size of a file for the server's sessions, those that are open and those to come."""
    clients = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    for pid in (server.pid, *(int(str(pid)) for (pid,) in await rows(server.dsn(), clients))):
        limit = [*run_as(server.user), "prlimit", "--pid", str(pid), f"--fsize={size}:unlimited"]
        done = await asyncio.to_thread(subprocess.run, limit, capture_output=True, text=True)
        assert done.returncode == 0 or "No such process" in done.stderr, done.stderr


async def test_sessions_terminated_at_random(postgres: Postgres, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    with postgres.fresh_database() as name:
        url = postgres.dsn(name)
        async with embedded_log(tmp_path) as log:
            writer = writer_of(log, url)
            async with running(writer):
                await eventually(lambda: writer.status().trouble == "", "the tables are there")
                feeding = asyncio.create_task(feed(log, rng, 100, 0.03))
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as storm:
                    while not feeding.done():
                        await storm.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                        await asyncio.sleep(float(rng.uniform(0.05, 0.3)))
                await feeding
                await until_stored(writer, log)
            await expect_whole(url, log, 100)


async def test_it_catches_up_fast(postgres_alone: Postgres, tmp_path: Path) -> None:
    """A backlog of an hour at 2 000 readings a second would be gone in minutes: at least ten times the live rate."""
    rng = np.random.default_rng(8)
    async with embedded_log(tmp_path) as log:
        now = time.time_ns()
        for second in range(200):
            await append(log, "readings", random_batch(rng, 2000, sensors=2000, now_ns=now - (200 - second) * SECOND))
        writer = Writer(log, postgres_alone.dsn(), HistorianConfig(), SystemClock())
        before = time.monotonic()
        async with running(writer):
            await until_stored(writer, log)
            rate = writer.status().rows / (time.monotonic() - before)
        assert rate > 20_000
