"""The writer against a real log and a real PostgreSQL: what is in the log is in the table, once, whatever happens."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path

import numpy as np
import pytest

from eventlog.embedded import lane
from eventlog.port import NewRecord
from historian.errors import HistoryRefused
from schemas.batch import batch
from schemas.records import Kind, Tick
from schemas.time import DAY, SECOND
from tests.historian.rig import (
    append,
    both_ledgers,
    embedded_log,
    random_batch,
    rows,
    running,
    until_stored,
    writer_of,
)
from tests.parts.net import eventually


async def test_everything_in_the_log_is_in_the_table(either_database: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, either_database)
        async with running(writer):
            for index in range(20):
                await append(log, "readings", random_batch(rng, 200), Tick(), partition=index % 2)
                await append(log, "backfill", random_batch(rng, 50, now_ns=time.time_ns() - DAY))
            await until_stored(writer, log)
        table, held = await both_ledgers(either_database, log)
        assert table == held
        assert table.rows > 3000
        status = writer.status()
        assert (status.rows, status.trouble) == (table.rows, "")
        assert sum(lane.duplicates for lane in status.lanes.values()) == 20 * 250 - table.rows


async def test_what_makes_two_readings_one(database: str, tmp_path: Path) -> None:
    """LAWS L4: the same (tag, time, value, quality) is one reading, anything else is two."""
    at = time.time_ns() // SECOND * SECOND
    readings = batch(
        [1, 1, 1, 1, 1, 2, 1, 1, 1],
        [at, at, at, at + 999, at + 1000, at, at, at, at],
        [5.0, 5.0, 6.0, 5.0, 5.0, 5.0, math.nan, math.nan, 5.0],
        [0, 0, 0, 0, 0, 0, 131, 131, 64],
    )
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            for _ in range(3):
                await append(log, "readings", readings)
                await append(log, "backfill", readings)
                await until_stored(writer, log)
        table, held = await both_ledgers(database, log)
    assert table == held
    assert table.rows == 6
    assert await rows(database, "SELECT count(*) FROM readings WHERE value = 5 AND sensor_id = 1") == [(3,)]


async def test_unknown_numbers_and_impossible_times_are_stored_all_the_same(database: str, tmp_path: Path) -> None:
    now = time.time_ns()
    numbers = [7, 1 << 20, (1 << 31) - 1, -5, 8, 9, 10]
    times = [now, now, now, now, 0, 946_684_800 * SECOND, now + 3600 * SECOND]
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            (position,) = await append(log, "readings", batch(numbers, times, np.arange(7.0)))
            await append(log, "readings", batch(numbers, times, np.arange(7.0)))
            await until_stored(writer, log)
        table, held = await both_ledgers(database, log)
    assert table == held
    stored = await rows(database, "SELECT sensor_id FROM sensors ORDER BY 1")
    assert [number for (number,) in stored] == sorted(numbers)
    replaced = "SELECT count(*) FROM readings WHERE sensor_id IN (8, 10) AND ts = to_timestamp(%s::float8 / 1e6)"
    assert await rows(database, replaced, position.append_ns // 1000) == [(2,)]
    assert await rows(database, "SELECT tableoid::regclass::text FROM readings WHERE sensor_id = 9") == [
        ("readings_ancient",)
    ]


async def test_a_restarted_writer_goes_on_where_the_database_stands(database: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    async with embedded_log(tmp_path) as log:
        for _ in range(3):
            await append(log, "readings", random_batch(rng, 300))
            writer = writer_of(log, database)
            async with running(writer):
                await until_stored(writer, log)
            assert writer.status().rows <= 300
        table, held = await both_ledgers(database, log)
        assert table == held


async def test_two_writers_on_one_log_store_everything_once(database: str, tmp_path: Path) -> None:
    """A zombie, or a second instance by mistake: the fence lets one of them win each transaction."""
    rng = np.random.default_rng(3)
    async with embedded_log(tmp_path) as log:
        first, second = writer_of(log, database), writer_of(log, database)
        async with running(first), running(second):
            for index in range(30):
                await append(log, "readings", random_batch(rng, 200), partition=index % 2)
                await asyncio.sleep(0.02)

            async def stored() -> bool:
                positions = await rows(
                    database, "SELECT sum(next_offset)::int FROM log_positions WHERE topic = 'readings'"
                )
                return positions == [(30,)]

            await eventually(stored, "all records are stored", within_s=60)
        table, held = await both_ledgers(database, log)
        assert table == held
        assert first.status().rows + second.status().rows == table.rows


async def test_positions_never_go_back(database: str, tmp_path: Path) -> None:
    """A writer that slept through another one's work must not write its old position."""
    rng = np.random.default_rng(4)
    async with embedded_log(tmp_path) as log:
        await append(log, "readings", random_batch(rng, 100))
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
            # Another writer has moved on; ours still believes that it stands at 1.
            await rows(database, "UPDATE log_positions SET next_offset = 3 WHERE topic = 'readings' RETURNING 1")
            for _ in range(4):
                await append(log, "readings", random_batch(rng, 100))
            await eventually(lambda: writer.status().lanes["readings"].trouble, "the fence is noticed")
            assert "another writer" in writer.status().trouble
            await until_stored(writer, log, within_s=30)
        found = await rows(database, "SELECT next_offset FROM log_positions WHERE topic = 'readings' AND partition = 0")
        assert found == [(5,)]


async def test_a_record_that_is_no_batch_is_skipped_and_written_down(database: str, tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            await log.append("readings", 0, [NewRecord(b"k", Kind.READINGS, b"not arrow")])
            await append(log, "readings", batch([1], [time.time_ns()], [1.0]))
            await until_stored(writer, log)
        assert writer.status().lanes["readings"].skipped == 1
    gaps = await rows(database, "SELECT topic, partition, from_offset, to_offset, reason FROM history_gaps")
    assert gaps == [("readings", 0, 0, 1, "unreadable")]
    assert await rows(database, "SELECT count(*) FROM readings") == [(1,)]


async def test_a_position_that_the_log_has_forgotten_is_a_gap_and_not_the_end(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "CLEAN_EVERY_S", 0.02)
    rng = np.random.default_rng(5)
    async with embedded_log(tmp_path, readings_bytes=20_000) as log:
        await append(log, "readings", random_batch(rng, 100))
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
        for _ in range(30):
            await append(log, "readings", random_batch(rng, 100))

        async def forgotten() -> int:
            start = (await log.bounds("readings", 0)).start
            return start if start > 1 else 0

        start = await eventually(forgotten, "the log forgets its first records")
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
        assert writer.status().lanes["readings"].gaps >= 1  # more than one if the log goes on forgetting meanwhile
    gaps = await rows(database, "SELECT reason, from_offset, to_offset FROM history_gaps ORDER BY id")
    assert {reason for reason, _, _ in gaps} == {"gone"}
    assert gaps[0][1] == 1
    assert isinstance(gaps[0][2], int) and gaps[0][2] >= start


async def test_a_new_incarnation_is_read_from_its_start(database: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    async with embedded_log(tmp_path / "first") as log:
        for _ in range(5):
            await append(log, "readings", random_batch(rng, 100))
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
        before, _ = await both_ledgers(database, log)
    async with embedded_log(tmp_path / "second", incarnation=2) as log:
        await append(log, "readings", random_batch(rng, 100))
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
        after, held = await both_ledgers(database, log)
        assert after.rows == before.rows + held.rows
    async with embedded_log(tmp_path / "third") as log:
        with pytest.raises(HistoryRefused, match="incarnation 1"):
            async with asyncio.timeout(30):
                await writer_of(log, database).run()


async def test_a_log_that_ends_before_the_position_is_read_again(database: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    async with embedded_log(tmp_path) as log:
        await append(log, "readings", random_batch(rng, 100), random_batch(rng, 100))
        writer = writer_of(log, database)
        async with running(writer):
            await until_stored(writer, log)
        await rows(database, "UPDATE log_positions SET next_offset = 50 WHERE topic = 'readings' RETURNING 1")
        writer = writer_of(log, database)
        async with running(writer):
            await eventually(
                lambda: "readings" in writer.status().lanes and writer.status().lanes["readings"].gaps == 2,
                "both partitions are read again",
            )
            await append(log, "readings", random_batch(rng, 100))
            await until_stored(writer, log)
        table, held = await both_ledgers(database, log)
        assert table == held
    assert {reason for (reason,) in await rows(database, "SELECT reason FROM history_gaps")} == {"beyond"}


async def test_ticks_alone_move_the_position_now_and_then(database: str, tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            await append(log, "readings", *(Tick() for _ in range(50)))
            await until_stored(writer, log)
            assert writer.status().lanes["readings"].transactions <= 3
            assert writer.status().complete_ns > 0
