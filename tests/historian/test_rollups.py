"""Rollups against the slow way: whatever comes in whatever order, late or doubled, while the job runs or not."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import numpy as np
import pytest
from psycopg import AsyncConnection

from historian.rollups import MAX_STEPS, SETTLE_US, Rollups
from historian.storage import StorageKind
from tests.historian.oracle import (
    MINUTE_US,
    Row,
    differences,
    expected,
    pack,
    random_rows,
    sink_for,
    store,
    stored,
)
from tests.historian.rig import migrated, open_line

HOUR_US = 60 * MINUTE_US


def now_us() -> int:
    return time.time_ns() // 1000


async def complete_to(conn: AsyncConnection, us: int) -> None:
    """As if the log were stored up to here."""
    await conn.execute(
        "INSERT INTO log_positions VALUES ('readings', 0, 1, 1, to_timestamp(%s::float8 / 1e6)) "
        "ON CONFLICT (topic, partition) DO UPDATE SET complete_to = excluded.complete_to",
        (us,),
    )


async def check(conn: AsyncConnection, rows: list[Row]) -> None:
    for view, width_us in (("readings_1m", MINUTE_US), ("readings_1h", HOUR_US)):
        assert differences(await stored(conn, view), expected(rows, width_us)) == [], view


async def test_minutes_and_hours_of_both_storages(either_database: str) -> None:
    """The contract of the two views, before and after anything is materialised."""
    rng = np.random.default_rng(1)
    end = now_us() // HOUR_US * HOUR_US
    rows = random_rows(rng, 4000, end - 3 * HOUR_US, end + HOUR_US // 2)
    async with migrated(either_database) as (line, storage):
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await store(line, sink, rows[:2000])
        if storage.kind is StorageKind.NATIVE:
            await Rollups().step(line.conn, now_us())
        await check(line.conn, rows[:2000])
        await store(line, sink, rows[2000:])
        await materialise(line.conn, storage.kind, end + HOUR_US)
        await check(line.conn, rows)
        late = random_rows(rng, 500, end - 3 * HOUR_US, end)
        await store(line, sink, late)
        await materialise(line.conn, storage.kind, end + HOUR_US)
        await check(line.conn, rows + late)


async def materialise(conn: AsyncConnection, kind: StorageKind, until_us: int) -> None:
    if kind is StorageKind.TIMESCALE:
        for view in ("readings_1m", "readings_1h"):
            await conn.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)".encode())
        return
    await complete_to(conn, until_us + SETTLE_US)
    rollups = Rollups()
    while (await rollups.step(conn, now_us())).buckets:
        pass


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_rows_and_steps(database: str, seed: int) -> None:
    """Stores, marks of progress and steps of the job in a random order; after each step the views are right."""
    rng = np.random.default_rng(seed)
    async with migrated(database) as (line, storage):
        sink, rollups = sink_for(storage), Rollups()
        await sink.connected(line.conn)
        start = now_us() // HOUR_US * HOUR_US
        complete, rows = start, list[Row]()
        for _ in range(25):
            what = rng.integers(0, 4)
            if what <= 1:
                low = start - 2 * HOUR_US if rng.random() < 0.3 else complete - 5 * MINUTE_US
                fresh = random_rows(rng, int(rng.integers(1, 200)), low, complete + 2 * MINUTE_US)
                rows += fresh
                await store(line, sink, fresh)
            elif what == 2:
                complete += int(rng.integers(0, 40 * MINUTE_US))
                await complete_to(line.conn, complete)
            else:
                await rollups.step(line.conn, now_us())
                await check(line.conn, rows)
        await rollups.step(line.conn, now_us())
        await check(line.conn, rows)
        assert await (await line.conn.execute("SELECT count(*) FROM rollup_dirty")).fetchone() == (0,)


async def test_writers_and_the_job_side_by_side(database: str) -> None:
    """The race that the two marks are for: rows below the watermark that commit while it moves."""
    start = now_us() // HOUR_US * HOUR_US
    everything: list[Row] = []
    done = False

    async def writing(seed: int) -> None:
        rng = np.random.default_rng(seed)
        async with open_line(database) as line:
            sink = sink_for(storage)
            await sink.connected(line.conn)
            for step in range(120):
                place = start + step * 20 * 1_000_000
                fresh = random_rows(rng, 40, place - 3 * MINUTE_US, place + MINUTE_US)
                everything.extend(fresh)
                await store(line, sink, fresh)

    async def job() -> None:
        async with open_line(database) as line:
            rollups, place = Rollups(), start
            while not done:
                place += 30 * 1_000_000
                await complete_to(line.conn, place + SETTLE_US)
                await rollups.step(line.conn, now_us())

    async with migrated(database) as (line, storage):
        working = asyncio.create_task(job())
        await asyncio.gather(writing(1), writing(2))
        done = True
        await working
        await Rollups().step(line.conn, now_us())
        await check(line.conn, everything)


async def test_the_watermark_waits_for_a_writer_that_has_read_it(database: str) -> None:
    """The same race, by hand: rows that are written but not yet committed when their minute falls due."""
    minute = now_us() // HOUR_US * HOUR_US + 5 * MINUTE_US
    rows: list[Row] = [(minute + i * 1_000_000, float(i), 1, 0) for i in range(30)]
    async with migrated(database) as (line, storage), open_line(database) as other:
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await complete_to(line.conn, minute + 10 * MINUTE_US + SETTLE_US)
        packed = pack(sink, rows)
        await sink.prepare(line.conn, packed)
        async with line.conn.transaction():
            await sink.write(line.conn, packed, careful=True)
            step = asyncio.create_task(Rollups().step(other.conn, now_us()))
            done, _ = await asyncio.wait({step}, timeout=1.0)
            assert not done, "the watermark moved past a writer at work"
        await step
        await check(line.conn, rows)
        assert await (await line.conn.execute("SELECT count(*) FROM readings_1m_data")).fetchone() == (1,)


async def test_a_job_that_was_away_catches_up_in_pieces(database: str) -> None:
    async with migrated(database) as (line, storage):
        sink, rollups = sink_for(storage), Rollups()
        await sink.connected(line.conn)
        start = now_us() // HOUR_US * HOUR_US
        rows: list[Row] = [(start + i * MINUTE_US, float(i), 1, 0) for i in range(MAX_STEPS * 2)]
        await store(line, sink, rows)
        await complete_to(line.conn, start + 3 * MAX_STEPS * MINUTE_US)
        assert (await rollups.step(line.conn, now_us())).buckets == MAX_STEPS + MAX_STEPS // 60
        await check(line.conn, rows)
        assert (await rollups.step(line.conn, now_us())).buckets == MAX_STEPS + MAX_STEPS // 60
        await check(line.conn, rows)


async def test_a_log_from_the_future_does_not_send_the_job_there(database: str) -> None:
    async with migrated(database) as (line, _):
        await complete_to(line.conn, now_us() + 3650 * 24 * HOUR_US)
        rollups, made = Rollups(), 0
        while buckets := (await rollups.step(line.conn, now_us())).buckets:
            made += buckets
        assert made < 26 * 61


async def test_only_one_job_works_at_a_time(database: str) -> None:
    async with migrated(database) as (line, _), open_line(database) as other:
        await complete_to(line.conn, now_us() + 2 * HOUR_US)
        await other.conn.execute("SELECT pg_advisory_lock(%s)", (0x68617A04,))
        assert (await Rollups().step(line.conn, now_us())).buckets == 0
        await other.conn.execute("SELECT pg_advisory_unlock_all()")
        assert (await Rollups().step(line.conn, now_us())).buckets > 0


async def test_a_bucket_whose_readings_are_gone_stays_as_it_was(database: str) -> None:
    """A late row must not replace the summary of a minute by that row alone."""
    async with migrated(database) as (line, storage):
        sink, rollups = sink_for(storage), Rollups()
        await sink.connected(line.conn)
        start = now_us() // HOUR_US * HOUR_US - 2 * HOUR_US
        rows: list[Row] = [(start + i * 1_000_000, 1.0, 1, 0) for i in range(60)]
        await store(line, sink, rows)
        await rollups.step(line.conn, now_us())
        await line.conn.execute("TRUNCATE readings")
        await store(line, sink, [(start, 99.0, 1, 0)])
        await rollups.step(line.conn, now_us())
        await check(line.conn, rows)


async def test_rollups_are_dropped_after_their_own_time(database: str) -> None:
    async with migrated(database) as (line, storage):
        sink, rollups = sink_for(storage), Rollups()
        await sink.connected(line.conn)
        old = now_us() - 30 * 24 * HOUR_US
        await store(line, sink, [(old, 1.0, 1, 0), (now_us() - 2 * HOUR_US, 2.0, 1, 0)])
        await rollups.step(line.conn, now_us())
        minutes = rollups.partitions["1m"]
        assert await minutes.drop_expired(line.conn, timedelta(days=20)) == []
        await line.conn.execute("UPDATE partitions SET touched_at = now() - interval '21 days'")
        assert len(await minutes.drop_expired(line.conn, timedelta(days=20))) == 1 + 1  # and the ancient one is emptied
        assert len(await stored(line.conn, "readings_1m")) == 1
        assert len(await stored(line.conn, "readings_1h")) == 2
