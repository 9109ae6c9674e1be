"""The rollups of native storage: minutes made from readings, hours from minutes, late data made again.

Two marks per level say how far the job has come. `watermark`: a writer that stores an older row marks its bucket in
`rollup_dirty`, in the same transaction. `materialised`: older buckets are in the table, newer ones are computed by the
view when they are asked for. The watermark moves first, alone, and only between the writers' transactions (they hold
`ROLLUP_LOCK` shared from before they read it until they commit); so whatever was stored without a mark is visible when
the buckets below it are made, and nothing is missed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from psycopg import AsyncConnection

from historian.partitions import HOUR_US, Partitions
from historian.readings import MINUTE_US, ROLLUP_LOCK
from historian.sqlfiles import queries

log = logging.getLogger(__name__)
_SQL = queries("rollups")

JOB_LOCK = 0x68617A04
"""Session lock of the one job that makes rollups."""

SETTLE_US = 60_000_000
"""A bucket is made when every partition of the log is stored this far past its end: most late readings are in."""

MAX_STEPS = 240
"""Buckets per call: a job that was away for long catches up in pieces."""

FORWARD_AT_ONCE = 12
DIRTY_MARKS = 5_000
AGAIN_AT_ONCE = 500
"""Buckets of one statement. Planning one costs about as much as a few buckets, for all partitions take part in it."""

T = TypeVar("T")
Span = tuple[int, int, int]
"""A bucket and the lowest and highest sensor that are meant in it."""

EVERYBODY = (-(1 << 31), (1 << 31) - 1)


@dataclass(frozen=True, slots=True)
class Level:
    """One rollup."""

    name: str
    width_us: int
    table: str
    partition_us: int


LEVELS = (
    Level("1m", MINUTE_US, "readings_1m_data", 7 * 24 * HOUR_US),
    Level("1h", HOUR_US, "readings_1h_data", 84 * 24 * HOUR_US),
)


@dataclass(frozen=True, slots=True)
class Done:
    """What one call did: buckets made, marks of late data worked off."""

    buckets: int = 0
    marks: int = 0

    @property
    def unfinished(self) -> bool:
        """There may be more to do at once."""
        return self.buckets >= MAX_STEPS or self.marks >= DIRTY_MARKS


class Rollups:
    """The job. `step` is called every few seconds with a connection in autocommit mode."""

    def __init__(self) -> None:
        self.partitions = {level.name: Partitions(level.table, level.partition_us) for level in LEVELS}

    async def step(self, conn: AsyncConnection, now_us: int) -> Done:
        """Make what is due. Does nothing while another process does the same."""
        row = await (await conn.execute(_SQL["one_at_a_time"], {"lock": JOB_LOCK})).fetchone()
        if row != (True,):
            return Done()
        try:
            buckets = marks = 0
            due = await self._complete_to(conn)
            for level in LEVELS:
                if due is not None:
                    made = await self._forward(conn, level, due // level.width_us * level.width_us, now_us)
                    buckets += made
                marks += await self._again(conn, level, now_us)
                due = (await self._state(conn, level))[1]
            return Done(buckets, marks)
        finally:
            await conn.execute("SELECT pg_advisory_unlock(%s)", (JOB_LOCK,))

    async def _complete_to(self, conn: AsyncConnection) -> int | None:
        row = await (await conn.execute(_SQL["complete_to"])).fetchone()
        return None if row is None or row[0] is None else int(row[0]) - SETTLE_US

    async def _state(self, conn: AsyncConnection, level: Level) -> tuple[int, int]:
        row = await (await conn.execute(_SQL["state"], {"level": level.name})).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    async def _forward(self, conn: AsyncConnection, level: Level, due: int, now_us: int) -> int:
        """Move the watermark, then make the buckets below it."""
        watermark, materialised = await self._state(conn, level)
        target = min(due, materialised + MAX_STEPS * level.width_us)
        if target > watermark:
            async with conn.transaction():
                await conn.execute(_SQL["exclusive"], {"lock": ROLLUP_LOCK})
                await conn.execute(_SQL["move_watermark"], {"level": level.name, "us": target})
            watermark = target
        buckets = range(materialised, min(watermark, materialised + MAX_STEPS * level.width_us), level.width_us)
        for some in _pieces(buckets, FORWARD_AT_ONCE):
            await self._make(conn, level, [(bucket, *EVERYBODY) for bucket in some], now_us)
            await conn.execute(_SQL["materialised"], {"level": level.name, "us": some[-1] + level.width_us})
        return len(buckets)

    async def _again(self, conn: AsyncConnection, level: Level, now_us: int) -> int:
        """Make buckets again that got late data; an hour follows each of its minutes."""
        rows = await (await conn.execute(_SQL["dirty"], {"level": level.name, "limit": DIRTY_MARKS})).fetchall()
        if not rows:
            return 0
        spans = merged((bucket, low, high) for _, bucket, low, high in rows)
        for some in _pieces(spans, AGAIN_AT_ONCE):
            await self._make(conn, level, some, now_us)
        async with conn.transaction():
            if level.name == "1m":
                await conn.execute(_SQL["mark_hours"], _columns(spans))
            await conn.execute(_SQL["clean"], {"ids": [row[0] for row in rows]})
        return len(rows)

    async def _make(self, conn: AsyncConnection, level: Level, spans: Sequence[Span], now_us: int) -> None:
        columns = _columns(spans)
        await self.partitions[level.name].ensure(conn, np.array(columns["buckets"], np.int64), now_us)
        await conn.execute(_SQL[f"make_{level.name}"], columns)


def _columns(spans: Sequence[Span]) -> dict[str, list[int]]:
    buckets, lows, highs = (list(column) for column in zip(*spans, strict=True))
    return {"buckets": buckets, "lows": lows, "highs": highs}


def _pieces(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The sequence in pieces of at most `size`."""
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans with those that overlap made one, in order."""
    result: list[Span] = []
    for bucket, low, high in sorted(spans):
        if result and result[-1][0] == bucket and low <= result[-1][2] + 1:
            result[-1] = (bucket, result[-1][1], max(result[-1][2], high))
        else:
            result.append((bucket, low, high))
    return result
