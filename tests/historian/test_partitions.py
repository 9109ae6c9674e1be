"""Native partitions: made for whatever comes, few for broken clocks, dropped when old and untouched."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import numpy as np
import psycopg
import pytest

from historian.config import HistorianConfig
from historian.line import Line
from historian.partitions import DAY_US, HOUR_US, Partitions
from historian.progress import NoMetrics
from historian.upkeep import Upkeep
from tests.historian.oracle import Row, sink_for, store
from tests.historian.rig import SystemClock, migrated, open_line


def now_us() -> int:
    return time.time_ns() // 1000


async def names(line: Line, parent: str = "readings") -> list[str]:
    found = await (
        await line.conn.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1", (parent,)
        )
    ).fetchall()
    return [name for (name,) in found]


async def ensure(line: Line, partitions: Partitions, *us: int) -> None:
    await partitions.ensure(line.conn, np.array(us, np.int64), now_us())


@pytest.mark.parametrize("hours", [1, 6, 24])
async def test_every_time_finds_its_partition(database: str, hours: int) -> None:
    rng = np.random.default_rng(hours)
    async with migrated(database) as (line, storage):
        sink = sink_for(storage, HistorianConfig(partition_hours=hours))
        await sink.connected(line.conn)
        ages = np.concatenate([rng.integers(0, 8000, 50) * DAY_US, rng.integers(0, 400, 50) * HOUR_US])
        rows: list[Row] = [(max(946_684_800_000_000, now_us() - int(age)), 1.0, i, 0) for i, age in enumerate(ages)]
        await store(line, sink, rows)
        assert await (await line.conn.execute("SELECT count(*) FROM readings")).fetchone() == (len(rows),)
        recorded = await (
            await line.conn.execute("SELECT name FROM partitions WHERE parent = 'readings' ORDER BY 1")
        ).fetchall()
        assert [name for (name,) in recorded] == await names(line)
        assert len(recorded) <= 101


async def test_years_of_a_broken_clock_are_one_partition(database: str) -> None:
    async with migrated(database) as (line, _):
        partitions = Partitions("readings", 24 * HOUR_US)
        await ensure(line, partitions, *(946_684_800_000_000 + day * DAY_US for day in range(9000)))
        assert await names(line) == ["readings_ancient"]


async def test_another_width_fits_between_what_is_there(database: str) -> None:
    day = now_us() // DAY_US * DAY_US
    async with migrated(database) as (line, _):
        await ensure(line, Partitions("readings", 6 * HOUR_US), day + 7 * HOUR_US)
        await ensure(line, Partitions("readings", 24 * HOUR_US), day, day + 8 * HOUR_US, day + 23 * HOUR_US)
        await ensure(line, Partitions("readings", HOUR_US), day + 24 * HOUR_US)
        await ensure(line, Partitions("readings", 24 * HOUR_US), day + 25 * HOUR_US)
        bounds = await (
            await line.conn.execute(
                "SELECT ((extract(epoch FROM low) * 1000000)::int8 - %(day)s) / 3600000000, "
                "((extract(epoch FROM high) * 1000000)::int8 - %(day)s) / 3600000000 "
                "FROM partitions WHERE name <> 'readings_ancient' ORDER BY low",
                {"day": day},
            )
        ).fetchall()
        assert bounds == [(0, 6), (6, 12), (12, 24), (24, 25), (25, 48)]


async def test_many_at_once_make_each_once(database: str) -> None:
    async def one() -> None:
        async with open_line(database) as line:
            await ensure(line, Partitions("readings", 24 * HOUR_US), *(now_us() - i * DAY_US for i in range(5)))

    async with migrated(database) as (line, _):
        await asyncio.gather(*(one() for _ in range(4)))
        assert len(await names(line)) == 6


async def age(line: Line, days: int) -> None:
    await line.conn.execute("UPDATE partitions SET touched_at = now() - %s * interval '1 day'", (days,))


async def test_old_and_untouched_is_dropped_and_nothing_else(database: str) -> None:
    keep = timedelta(days=90)
    async with migrated(database) as (line, storage):
        sink = sink_for(storage)
        await sink.connected(line.conn)
        old, ancient, fresh = now_us() - 100 * DAY_US, now_us() - 5000 * DAY_US, now_us()
        await store(line, sink, [(at, 1.0, 1, 0) for at in (old, ancient, fresh)])
        partitions = Partitions("readings", 24 * HOUR_US)
        assert await partitions.drop_expired(line.conn, keep) == []
        await age(line, 91)
        # A sensor whose clock stands a hundred days back sends again: its day is touched and stays.
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await store(line, sink, [(old, 2.0, 1, 0)])
        assert await partitions.drop_expired(line.conn, keep) == ["readings_ancient"]
        assert await (await line.conn.execute("SELECT count(*) FROM readings")).fetchone() == (3,)
        await age(line, 91)
        assert len(await partitions.drop_expired(line.conn, keep)) == 2
        assert await (await line.conn.execute("SELECT value FROM readings")).fetchall() == [(1.0,)]


async def test_a_partition_in_use_is_dropped_later(database: str) -> None:
    async with migrated(database) as (line, _), open_line(database) as reader:
        partitions = Partitions("readings", 24 * HOUR_US)
        await ensure(line, partitions, now_us() - 100 * DAY_US)
        await age(line, 100)
        async with reader.conn.transaction():
            await reader.conn.execute("SELECT count(*) FROM readings")
            assert await partitions.drop_expired(line.conn, timedelta(days=90)) == []
        await age(line, 100)
        assert len(await partitions.drop_expired(line.conn, timedelta(days=90))) == 2


async def test_a_partition_dropped_under_a_writer_is_made_again(database: str) -> None:
    async with migrated(database) as (line, storage):
        sink = sink_for(storage)
        await sink.connected(line.conn)
        old = now_us() - 100 * DAY_US
        await store(line, sink, [(old, 1.0, 1, 0)])
        async with open_line(database) as other:
            await age(other, 100)
            await Partitions("readings", 24 * HOUR_US).drop_expired(other.conn, timedelta(days=90))
        with pytest.raises(psycopg.errors.CheckViolation):
            await store(line, sink, [(old, 2.0, 1, 0)])
        await sink.connected(line.conn)
        await store(line, sink, [(old, 2.0, 1, 0)])
        assert await (await line.conn.execute("SELECT value FROM readings")).fetchall() == [(2.0,)]


async def test_upkeep_makes_partitions_before_they_are_needed(database: str) -> None:
    async with migrated(database) as (line, storage):

        async def connect(name: str) -> Line:
            return await Line.open(database, 30.0, name)

        upkeep = Upkeep(storage, HistorianConfig(), connect, SystemClock(), NoMetrics())
        await upkeep.step(line)
        assert len(await names(line)) >= 4
        await upkeep.step(line)
