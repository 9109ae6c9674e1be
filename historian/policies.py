"""What TimescaleDB does by itself: compress, roll up and drop, as the configuration says."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from psycopg import AsyncConnection

from historian.config import HistorianConfig
from historian.sqlfiles import queries

_SQL = queries("policies")
_JOBS = ("refresh_1m", "refresh_1h", "retain_raw", "retain_1m", "retain_1h")


async def set_policies(conn: AsyncConnection, config: HistorianConfig) -> bool:
    """Set chunk width and jobs; True when they changed. Nothing is touched when they are as they should be, because a
    job that is made again forgets when it is due. `conn` is in autocommit mode."""
    wanted = {
        "width": timedelta(hours=config.partition_hours),
        "compress": timedelta(days=config.compress_after_days),
        "raw": timedelta(days=config.raw_retention_days),
        "aggregates": timedelta(days=config.aggregate_retention_days),
        "hours": timedelta(days=config.hour_retention_days),
    }
    digest = msgspec.json.encode(wanted).decode()
    async with conn.transaction():
        row = await (await conn.execute(_SQL["remembered"] + " FOR UPDATE")).fetchone()
        if row == (digest,):
            return False
        await conn.execute(_SQL["width"], wanted)
        await conn.execute(_SQL["forget"])
        await conn.execute(_SQL["forget_jobs"])
        await conn.execute(_SQL["forget_columnstore"])
        await conn.execute(_SQL["columnstore"], wanted)
        for job in _JOBS:
            await conn.execute(_SQL[job], wanted)
        await conn.execute(_SQL["remember"], {"policies": digest})
    return True
