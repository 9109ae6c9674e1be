"""Native range partitions: made before they are needed, attached, and dropped when old and untouched.

Everything before the day one year before the first start lies in one partition, `..._ancient`, so that the times of
a broken clock cannot make thousands of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from psycopg import AsyncConnection, sql

from historian.sqlfiles import queries
from schemas.time import Int64Array

log = logging.getLogger(__name__)
_SQL = queries("partitions")

LOCK = 0x68617A02
"""Advisory lock of whoever makes or drops a partition."""

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
ANCIENT = timedelta(days=366)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
"""No effective time is older (LAWS L3); marks the ancient partition in the table `partitions`."""


@dataclass(frozen=True, slots=True)
class Range:
    """A partition: `low` <= time < `high` in microseconds since 1970."""

    name: str
    low: int
    high: int
    touched: int = 0


class Partitions:
    """The partitions of one table, as one connection's user knows them. `forget` after an error."""

    def __init__(self, parent: str, width_us: int) -> None:
        self.parent = parent
        self.width_us = width_us
        self._known: list[Range] = []

    def forget(self) -> None:
        """Look them up again next time: somebody may have dropped one."""
        self._known = []

    async def ensure(self, conn: AsyncConnection, us: Int64Array, now_us: int) -> None:
        """Make the partitions that rows with these times need, in a transaction of its own. `conn` is in autocommit.

        Costs nothing when all times lie in one known partition. Once a day each one used is marked as touched.
        """
        if not len(us):
            return
        if not self._known:
            await self._load(conn)
        if self._serves(us, now_us):
            return
        async with conn.transaction():
            await conn.execute("SET LOCAL lock_timeout = '5s'")
            await conn.execute(_SQL["exclusive"], {"lock": LOCK})
            await self._load(conn)
            if not self._known:
                await self._make(conn, f"{self.parent}_ancient", None, _floor(now_us - ANCIENT // _US, DAY_US))
            for start in self._uncovered(us):
                low, high = self._clipped(start)
                await self._make(conn, f"{self.parent}_{_label(low)}", low, high)
            used = [r.name for r in self._of(us) if now_us - r.touched > DAY_US]
            await conn.execute(_SQL["touch"], {"names": used})
        await self._load(conn)

    async def drop_expired(self, conn: AsyncConnection, keep: timedelta) -> list[str]:
        """Drop what is older than `keep`, one transaction each; one that is in use is left for the next time."""
        rows = await (await conn.execute(_SQL["expired"], {"parent": self.parent, "keep": keep})).fetchall()
        dropped = []
        for name, ancient in rows:
            try:
                async with conn.transaction():
                    await conn.execute("SET LOCAL lock_timeout = '2s'")
                    if ancient:
                        await conn.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))
                        await conn.execute(_SQL["touch"], {"names": [name]})
                    else:
                        await conn.execute(_SQL["exclusive"], {"lock": LOCK})
                        await conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
                        await conn.execute(_SQL["forget"], {"name": name})
            except psycopg.errors.LockNotAvailable:
                log.warning("partition %s is past its retention but in use; trying again later", name)
                continue
            dropped.append(name)
        if dropped:
            log.info("dropped %s, past their retention", ", ".join(dropped))
            self.forget()
        return dropped

    async def _load(self, conn: AsyncConnection) -> None:
        rows = await (await conn.execute(_SQL["load"], {"parent": self.parent})).fetchall()
        self._known = [Range(*row) for row in rows]

    def _serves(self, us: Int64Array, now_us: int) -> bool:
        """Whether one known, lately touched partition takes all of them: the usual case."""
        first, last = int(us.min()), int(us.max())
        for known in reversed(self._known):
            if known.low <= first < known.high:
                return last < known.high and now_us - known.touched <= DAY_US
        return False

    def _uncovered(self, us: Int64Array) -> Iterable[int]:
        """One time for each partition that is missing, in order."""
        left = np.unique(us // self.width_us) * self.width_us
        times = {int(slot): us[(us >= slot) & (us < slot + self.width_us)] for slot in left}
        for slot in sorted(times):
            inside = times[slot]
            while len(inside := inside[self._outside(inside)]):
                yield int(inside.min())

    def _outside(self, us: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        outside = np.ones(len(us), np.bool_)
        for known in self._known:
            outside &= (us < known.low) | (us >= known.high)
        return outside

    def _clipped(self, us: int) -> tuple[int, int]:
        """The partition around a time: of the usual width, cut where older ones of another width begin or end."""
        low = _floor(us, self.width_us)
        high = low + self.width_us
        for known in self._known:
            if known.high <= us:
                low = max(low, known.high)
            elif known.low > us:
                high = min(high, known.low)
        return low, high

    def _of(self, us: Int64Array) -> Sequence[Range]:
        return [k for k in self._known if bool(((us >= k.low) & (us < k.high)).any())]

    async def _make(self, conn: AsyncConnection, name: str, low: int | None, high: int) -> None:
        start = _FIRST if low is None else _at(low)
        names = {"parent": sql.Identifier(self.parent), "name": sql.Identifier(name)}
        await conn.execute(
            sql.SQL("CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(**names)
        )
        await conn.execute(
            sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})").format(
                **names,
                low=sql.SQL("MINVALUE") if low is None else sql.Literal(start.isoformat()),
                high=sql.Literal(_at(high).isoformat()),
            )
        )
        await conn.execute(_SQL["record"], {"name": name, "parent": self.parent, "low": start, "high": _at(high)})
        self._known.append(Range(name, int(start.timestamp()) * 1_000_000, high))
        self._known.sort(key=lambda r: r.low)


_US = timedelta(microseconds=1)


def _floor(us: int, width: int) -> int:
    return us // width * width


def _at(us: int) -> datetime:
    return _EPOCH + us * _US


def _label(us: int) -> str:
    moment = _at(us)
    return f"{moment:%Y%m%d}" if us % DAY_US == 0 else f"{moment:%Y%m%d_%H%M}"
