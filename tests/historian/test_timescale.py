"""What only TimescaleDB does: chunks, compression, late rows into compressed chunks, policies by their jobs."""

from __future__ import annotations

import time

import numpy as np
from psycopg import AsyncConnection

from historian.config import HistorianConfig
from historian.policies import set_policies
from historian.verify import ledger, ledger_of
from tests.historian.oracle import (
    MINUTE_US,
    columns,
    differences,
    expected,
    random_rows,
    sink_for,
    store,
    stored,
)
from tests.historian.rig import migrated

DAY_US = 24 * 60 * MINUTE_US


def now_us() -> int:
    return time.time_ns() // 1000


async def one(conn: AsyncConnection, query: str) -> object:
    row = await (await conn.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


async def jobs(conn: AsyncConnection) -> dict[str, list[int]]:
    """Our jobs of this schema, by what they do."""
    rows = await (
        await conn.execute(
            "SELECT j.proc_name, j.job_id FROM timescaledb_information.jobs j "
            "LEFT JOIN _timescaledb_catalog.hypertable h ON h.schema_name = j.hypertable_schema "
            "AND h.table_name = j.hypertable_name "
            "LEFT JOIN _timescaledb_catalog.continuous_agg c ON c.mat_hypertable_id = h.id "
            "WHERE coalesce(c.user_view_schema, j.hypertable_schema, j.proc_schema) = current_schema() ORDER BY 2"
        )
    ).fetchall()
    found: dict[str, list[int]] = {}
    for name, job in rows:
        found.setdefault(name, []).append(job)
    return found


async def run(conn: AsyncConnection, name: str) -> None:
    """Run every job of one kind, as the scheduler would."""
    for job in (await jobs(conn))[name]:
        await conn.execute(f"CALL run_job({job})".encode())


async def test_jobs_are_set_once_and_follow_the_configuration(timescale_database: str) -> None:
    async with migrated(timescale_database) as (line, _):
        config = HistorianConfig()
        assert await set_policies(line.conn, config)
        before = await jobs(line.conn)
        assert {name: len(ids) for name, ids in before.items()} == {
            "policy_compression": 1,
            "policy_refresh_continuous_aggregate": 2,
            "policy_retention": 2,
            "drop_old_readings": 1,
        }
        assert not await set_policies(line.conn, config)
        assert await jobs(line.conn) == before
        assert await set_policies(line.conn, HistorianConfig(raw_retention_days=120, partition_hours=6))
        after = await jobs(line.conn)
        assert {name: len(ids) for name, ids in after.items()} == {name: len(ids) for name, ids in before.items()}
        width = await one(
            line.conn,
            "SELECT time_interval::text FROM timescaledb_information.dimensions "
            "WHERE hypertable_name = 'readings' AND hypertable_schema = current_schema()",
        )
        assert width == "06:00:00"


async def test_compressed_chunks_take_late_rows_and_refuse_duplicates(timescale_database: str) -> None:
    rng = np.random.default_rng(1)
    day = now_us() // DAY_US * DAY_US - 5 * DAY_US
    rows = random_rows(rng, 5000, day, day + DAY_US)
    async with migrated(timescale_database) as (line, storage):
        await set_policies(line.conn, HistorianConfig())
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await store(line, sink, rows)
        await run(line.conn, "policy_compression")
        compressed = (
            "SELECT count(*) FROM timescaledb_information.chunks "
            "WHERE hypertable_name = 'readings' AND hypertable_schema = current_schema() AND is_compressed"
        )
        assert await one(line.conn, compressed) == 1
        assert await ledger(line.conn) == ledger_of(columns(rows))
        late = random_rows(rng, 1000, day, day + DAY_US)
        again = rows[::7] + late
        await store(line, sink, again)
        assert await ledger(line.conn) == ledger_of(columns(rows + late))
        await store(line, sink, again)
        assert await ledger(line.conn) == ledger_of(columns(rows + late))
        await run(line.conn, "policy_refresh_continuous_aggregate")
        for view, width_us in (("readings_1m", MINUTE_US), ("readings_1h", 60 * MINUTE_US)):
            assert differences(await stored(line.conn, view), expected(rows + late, width_us)) == [], view


async def test_the_refresh_job_materialises_both_levels(timescale_database: str) -> None:
    rng = np.random.default_rng(2)
    start = now_us() // DAY_US * DAY_US - DAY_US
    rows = random_rows(rng, 2000, start, start + 6 * 60 * MINUTE_US)
    async with migrated(timescale_database) as (line, storage):
        await set_policies(line.conn, HistorianConfig())
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await store(line, sink, rows)
        await run(line.conn, "policy_refresh_continuous_aggregate")
        for view, width_us in (("readings_1m", MINUTE_US), ("readings_1h", 60 * MINUTE_US)):
            held = await one(
                line.conn,
                "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) "
                "FROM timescaledb_information.continuous_aggregates "
                f"WHERE view_name = '{view}' AND view_schema = current_schema()",
            )
            assert await one(line.conn, f"SELECT count(*) FROM {held}") == len(expected(rows, width_us))


async def test_retention_drops_by_the_age_of_the_chunk(timescale_database: str) -> None:
    """A chunk goes when it was made long ago; one that a wrong clock filled today stays, however old its times are."""
    async with migrated(timescale_database) as (line, storage):
        await set_policies(line.conn, HistorianConfig(raw_retention_days=90))
        sink = sink_for(storage)
        await sink.connected(line.conn)
        times = [now_us() - days * DAY_US for days in (0, 100, 7000)]
        await store(line, sink, [(at, 1.0, 1, 0) for at in times])
        await run(line.conn, "drop_old_readings")
        assert await one(line.conn, "SELECT count(*) FROM readings") == 3
        await line.conn.execute(
            "UPDATE _timescaledb_catalog.chunk c SET creation_time = now() - interval '92 days' "
            "FROM _timescaledb_catalog.hypertable h, timescaledb_information.chunks i "
            "WHERE h.id = c.hypertable_id AND h.schema_name = current_schema() AND h.table_name = 'readings' "
            "AND i.chunk_name = c.table_name AND i.chunk_schema = c.schema_name "
            "AND i.range_end < now() - interval '50 days' AND i.range_end > now() - interval '200 days'"
        )
        await run(line.conn, "drop_old_readings")
        found = await (await line.conn.execute("SELECT extract(day FROM now() - ts)::int FROM readings")).fetchall()
        assert sorted(days for (days,) in found) == [0, 7000]


async def test_hour_rollups_outlive_minutes_and_minutes_outlive_readings(timescale_database: str) -> None:
    config = HistorianConfig()
    async with migrated(timescale_database) as (line, storage):
        await set_policies(line.conn, config)
        sink = sink_for(storage)
        await sink.connected(line.conn)
        old = now_us() - (config.aggregate_retention_days + 20) * DAY_US
        await store(line, sink, [(old, 1.0, 1, 0), (now_us() - 3 * 60 * MINUTE_US, 2.0, 1, 0)])
        for view in ("readings_1m", "readings_1h"):
            await line.conn.execute(f"CALL refresh_continuous_aggregate('{view}', NULL, NULL)".encode())
        await line.conn.execute("SELECT drop_chunks('readings', older_than => interval '100 days')")
        assert await one(line.conn, "SELECT count(*) FROM readings") == 1
        assert await one(line.conn, "SELECT count(*) FROM readings_1m") == 2
        await run(line.conn, "policy_retention")
        assert await one(line.conn, "SELECT count(*) FROM readings_1m") == 1
        assert await one(line.conn, "SELECT count(*) FROM readings_1h") == 2
