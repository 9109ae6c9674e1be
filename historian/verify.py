"""Is the history the log? Count and hash of the distinct (sensor, time, value, quality), from either side.

The hash of a set of rows is the sum of the rows' hashes modulo 2^64, so the order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import AsyncConnection

from eventlog.port import EventLog
from historian.frames import EPOCH_US, Rows, concat_rows
from historian.pghash import hash_float8, hash_int4, hash_int8
from historian.rows import Stamped, rows_of
from historian.sqlfiles import queries
from schemas.batch import BatchError, decode
from schemas.records import Kind

_SQL = queries("verify")
_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True)
class Ledger:
    """How many distinct rows, and their hash."""

    rows: int
    digest: int

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.digest:016x}"


async def ledger(conn: AsyncConnection) -> Ledger:
    """The ledger of the table `readings`."""
    row = await (await conn.execute(_SQL["ledger"])).fetchone()
    assert row is not None
    return Ledger(int(row[0]), int(row[1]) % _MODULUS)


def ledger_of(rows: Rows) -> Ledger:
    """The ledger of rows, which may hold duplicates."""
    kept = distinct(rows)
    seed = kept.quality.astype(np.int64).view(np.uint64)
    hashes = hash_float8(kept.value, hash_int8(kept.us - EPOCH_US, hash_int4(kept.sensor, seed)))
    return Ledger(len(kept), int(hashes.sum(dtype=np.uint64)))


def distinct(rows: Rows) -> Rows:
    """Every row once, by the key of the table: NaN equals NaN, -0.0 equals 0.0."""
    if not len(rows):
        return rows
    bits = np.where(np.isnan(rows.value), np.nan, rows.value + 0.0).view(np.int64)
    rank = (rows.sensor.astype(np.int64) << 16) | (rows.quality.astype(np.int64) & 0xFFFF)
    order = np.lexsort((bits, rows.us, rank))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = False
    for column in (bits, rows.us, rank):
        fresh[1:] |= column[order[1:]] != column[order[:-1]]
    return rows.take(order[fresh])


async def log_ledger(event_log: EventLog, topics: Sequence[str] = ("readings", "backfill")) -> Ledger:
    """The ledger of everything that the log still holds. Reads to the ends as they are now; raises `LogError`."""
    parts: list[Rows] = []
    for topic in topics:
        for partition in range(await event_log.partitions(topic)):
            parts.append(await _rows_of_partition(event_log, topic, partition))
    return ledger_of(concat_rows(parts))


async def _rows_of_partition(event_log: EventLog, topic: str, partition: int) -> Rows:
    bounds = await event_log.bounds(topic, partition)
    position, parts = bounds.start, list[Stamped]()
    while position < bounds.end:
        records = await event_log.read(topic, partition, position)
        if not records:
            break
        for record in records:
            if record.kind == Kind.READINGS:
                try:
                    parts.append(Stamped(decode(record.value), record.append_ns))
                except BatchError:
                    continue  # the writer skips it as well, and says so
        position = records[-1].offset + 1
    return rows_of(parts)
