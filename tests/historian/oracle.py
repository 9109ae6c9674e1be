"""Rollups the slow way, and how tests put rows into the table without a log."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from psycopg import AsyncConnection

from historian.config import HistorianConfig
from historian.frames import Rows
from historian.line import Line
from historian.partitions import HOUR_US, Partitions
from historian.readings import PackedReadings, ReadingsSink
from historian.rows import Stamped
from historian.storage import Storage, StorageKind
from schemas.batch import batch
from tests.historian.rig import SystemClock

MINUTE_US = 60_000_000
Row = tuple[int, float, int, int]
"""(microseconds, value, sensor, quality)"""


def sink_for(storage: Storage, config: HistorianConfig | None = None) -> ReadingsSink:
    hours = (config or HistorianConfig()).partition_hours
    partitions = Partitions("readings", hours * HOUR_US) if storage.kind is StorageKind.NATIVE else None
    return ReadingsSink(partitions, lambda: SystemClock().now_ns() // 1000)


def columns(rows: Iterable[Row]) -> Rows:
    us, values, sensors, qualities = zip(*rows, strict=True)
    return Rows(np.array(us, np.int64), np.array(values), np.array(sensors, np.int32), np.array(qualities, np.int16))


def pack(sink: ReadingsSink, rows: list[Row]) -> PackedReadings:
    """The rows of one transaction."""
    us, values, sensors, qualities = zip(*rows, strict=True)
    readings = batch(sensors, np.array(us, np.int64) * 1000, values, qualities)
    return sink.pack([Stamped(readings, max(us) * 1000)])


async def store(line: Line, sink: ReadingsSink, rows: list[Row]) -> None:
    """One transaction as a lane would do it; by the careful way, which takes duplicates."""
    packed = pack(sink, rows)
    await sink.prepare(line.conn, packed)
    async with line.conn.transaction():
        await sink.write(line.conn, packed, careful=True)
    sink.stored(packed)


@dataclass(frozen=True, slots=True)
class Rollup:
    """What a bucket must say."""

    min: float | None
    max: float | None
    mean: float | None
    last: float | None
    count: int
    good: int
    bad: int


def expected(rows: Iterable[Row], width_us: int) -> dict[tuple[int, int], Rollup]:
    """By (sensor, bucket). Duplicates count once."""
    buckets: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in {(u, "nan" if math.isnan(v) else v + 0.0, s, q): (u, v, s, q) for u, v, s, q in rows}.values():
        buckets[row[2], row[0] // width_us * width_us].append(row)
    found = {}
    for place, inside in buckets.items():
        finite = [r for r in inside if abs(r[1]) <= 1e300]
        usable = [v for _, v, _, q in finite if q < 128]
        good = sorted((u, v) for u, v, _, q in finite if q < 64)
        found[place] = Rollup(
            min(usable, default=None),
            max(usable, default=None),
            math.fsum(v for _, v in good) / len(good) if good else None,
            good[-1][1] if good else None,
            len(inside),
            len(good),
            sum(q >= 128 for *_, q in inside),
        )
    return found


async def stored(conn: AsyncConnection, view: str) -> dict[tuple[int, int], Rollup]:
    """What the database says of every bucket."""
    query = (
        "SELECT sensor_id, (extract(epoch FROM bucket) * 1000000)::int8, min, max, mean, last, count, good, bad "
        f"FROM {view}"
    )
    rows = await (await conn.execute(query.encode())).fetchall()
    found = {(row[0], row[1]): Rollup(*row[2:]) for row in rows}
    assert len(found) == len(rows), "a bucket comes twice"
    return found


def differences(found: dict[tuple[int, int], Rollup], wanted: dict[tuple[int, int], Rollup]) -> list[str]:
    """Where they differ; means may differ in the last digits, because sums are not taken in the same order."""
    return [
        f"{place}: {found.get(place)} is not {wanted.get(place)}"
        for place in sorted(found.keys() | wanted.keys())
        if not _same(found.get(place), wanted.get(place))
    ]


def _same(a: Rollup | None, b: Rollup | None) -> bool:
    if a is None or b is None:
        return a is b
    if (a.mean is None) != (b.mean is None):
        return False
    scale = max(abs(a.min or 0), abs(a.max or 0), 1e-9)
    close = a.mean is None or b.mean is None or abs(a.mean - b.mean) <= 1e-9 * scale
    exact = ("min", "max", "last", "count", "good", "bad")
    return close and all(getattr(a, name) == getattr(b, name) for name in exact)


def random_rows(rng: np.random.Generator, count: int, low_us: int, high_us: int, sensors: int = 6) -> list[Row]:
    """Rows on a grid of 100 ms, so that some repeat; a sensor has one value at an instant, or `last` would be a tie."""
    us = rng.integers(low_us // 100_000, high_us // 100_000, count) * 100_000
    who = rng.integers(1, sensors + 1, count)
    quality = rng.choice([0, 1, 64, 65, 128, 131], count)
    rows = []
    for u, s, q in zip(us.tolist(), who.tolist(), quality.tolist(), strict=True):
        mark = (u // 100_000 + s) % 23
        value = {0: math.nan, 1: math.inf, 2: 2e300, 3: -0.0, 4: -1e9}.get(mark, (u // 100_000 * 7 + s) % 1000 / 10)
        rows.append((u, value, s, q))
    return rows
