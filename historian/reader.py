"""Questions to the history. A pool of its own, every query bounded in time, every error in our words.

All methods raise `HistoryUnavailable` (`HistoryBusy` when it is too much at once) at the latest 2 s after
`read_timeout_s` has passed, whatever state the server is in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import numpy as np
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from historian.config import HistorianConfig
from historian.errors import HistoryBusy, HistoryError, HistoryUnavailable
from historian.lane import Clock
from historian.line import Line, address
from historian.positions import utc
from historian.sqlfiles import queries
from historian.views import (
    AlarmCount,
    AlarmFilter,
    Bucket,
    Episode,
    HistoryGap,
    LastValue,
    Level,
    Place,
    Sending,
    Trend,
    class_quality,
)
from schemas.alarms import Alarm, Transition
from schemas.batch import Batch, batch
from schemas.time import DAY, HOUR, MINUTE, SECOND

_SQL = queries("reader")
T = TypeVar("T")
_alarms = msgspec.json.Decoder(Alarm)
_transitions = msgspec.json.Decoder(Transition)

MAX_POINTS = 2_000
_CHECK_S = 2.0
_CONNECT_S = 3.0
_WAITING = 50
_EXPORT_ROWS = 200_000
_WIDTHS_NS = {Level.RAW: 0, Level.MINUTES: MINUTE, Level.HOURS: HOUR}


class Reader:
    """Answers questions. `close` it in the end; it connects when it is first asked."""

    def __init__(self, url: str, config: HistorianConfig, clock: Clock) -> None:
        self._url = url
        self._config = config
        self._clock = clock
        self._timeout_s = config.read_timeout_s
        self._pool: AsyncConnectionPool[AsyncConnection] | None = None

    async def close(self) -> None:
        """Give the connections back. Bounded; idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(timeout=1.0)

    async def trend(self, tag: int, start_ns: int, end_ns: int, points: int = 1000) -> Trend:
        """The course of a tag in [start, end) in at most `points` (2 000) steps, from the finest that is still kept."""
        points = max(1, min(points, MAX_POINTS))
        wanted_ns = max(1000, -(-(end_ns - start_ns) // points))
        level = self._level(start_ns, wanted_ns)
        grain_ns = _WIDTHS_NS[level] or 1000
        width_ns = -(-wanted_ns // grain_ns) * grain_ns
        origin_ns = start_ns // grain_ns * grain_ns
        rows = await self._ask(
            f"trend_{level}",
            {
                "tag": tag,
                "start": utc(origin_ns),
                "end": utc(end_ns),
                "width": timedelta(microseconds=width_ns // 1000),
            },
        )
        return Trend(level, width_ns, tuple(_bucket(row) for row in rows))

    def _level(self, start_ns: int, width_ns: int) -> Level:
        age_ns = self._clock.now_ns() - start_ns
        if width_ns >= HOUR or age_ns > self._config.aggregate_retention_days * DAY:
            return Level.HOURS
        if width_ns >= MINUTE or age_ns > self._config.raw_retention_days * DAY:
            return Level.MINUTES
        return Level.RAW

    async def last_values(self, tags: Sequence[int] | None = None) -> list[LastValue]:
        """The newest reading of each tag within the raw retention, by number; of all tags when None."""
        since_ns = self._clock.now_ns() - self._config.raw_retention_days * DAY
        rows = await self._ask("last_values", {"tags": None if tags is None else list(tags), "since": utc(since_ns)})
        return [LastValue(tag, us * 1000, value, quality) for tag, us, value, quality in rows]

    async def transitions(
        self, before: Place, limit: int, *, start_ns: int = 0, alarm: str = "", enterprise: str = ""
    ) -> list[Transition]:
        """The journal: transitions before a place, newest first. The next page begins at the last one's place."""
        rows = await self._ask(
            "transitions",
            {
                "start": utc(start_ns),
                "before": utc(before.at_ns),
                "before_episode": before.episode,
                "before_revision": before.revision,
                "alarm": alarm or None,
                "enterprise": enterprise or None,
                "limit": limit,
            },
        )
        return [_decoded(_transitions, body) for (body,) in rows]

    async def alarms(self, wanted: AlarmFilter, before: Place, limit: int) -> list[Alarm]:
        """Episodes raised before a place, newest first, each as it is after its last transition."""
        rows = await self._ask(
            "alarms",
            {
                "start": utc(wanted.start_ns),
                "before": utc(before.at_ns),
                "before_episode": before.episode,
                "alarm": wanted.alarm or None,
                "tag": wanted.tag,
                "park": wanted.park or None,
                "enterprise": wanted.enterprise or None,
                "hazard_source": wanted.hazard_source or None,
                "tiers": list(wanted.tiers) or None,
                "classes": list(wanted.classes) or None,
                "listed": wanted.listed_only,
                "limit": limit,
            },
        )
        return [_decoded(_alarms, body) for (body,) in rows]

    async def episode(self, episode: str) -> Episode | None:
        """One occurrence with its transitions and what was sent because of it; None when it is not known."""
        place = {"episode": episode}
        alarm = await self._ask("episode", place)
        if not alarm:
            return None
        transitions = await self._ask("episode_transitions", place)
        sendings = await self._ask("episode_notices", place)
        return Episode(
            _decoded(_alarms, alarm[0][0]),
            tuple(_decoded(_transitions, body) for (body,) in transitions),
            tuple(_sending(row) for row in sendings),
        )

    async def counts(self, start_ns: int, end_ns: int, park: str = "") -> list[AlarmCount]:
        """Episodes raised in [start, end), by class and worst tier."""
        rows = await self._ask("counts", {"start": utc(start_ns), "end": utc(end_ns), "park": park or None})
        return [AlarmCount(*row) for row in rows]

    async def gaps(self, limit: int = 100) -> list[HistoryGap]:
        """What is missing in the history, newest first."""
        rows = await self._ask("gaps", {"limit": limit})
        return [
            HistoryGap(topic, partition, start, end, reason, detail, us * 1000)
            for topic, partition, start, end, reason, detail, us in rows
        ]

    async def complete_ns(self) -> int:
        """All readings appended to the log up to here are stored; 0 when nothing was stored yet."""
        rows = await self._ask("complete_to", {})
        return 0 if rows[0][0] is None else max(0, rows[0][0] * 1000)

    async def tags(self) -> list[tuple[int, str]]:
        """Number and name of every tag that the registry has named, retired ones included."""
        return [(number, name) for number, name in await self._ask("tags", {})]

    async def export(self, start_ns: int, end_ns: int, tags: Sequence[int] | None = None) -> AsyncIterator[Batch]:
        """Readings in [start, end) in the order of their times, as batches, for a replay. Asked for piece by piece: the
        pieces grow and shrink with what is in them, so neither side holds more than a few hundred thousand rows."""
        width_ns = 10 * SECOND
        chosen = None if tags is None else list(tags)
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + width_ns)
            rows = await self._ask("export", {"tags": chosen, "start": utc(start_ns), "end": utc(stop_ns)})
            if rows:
                yield _batch(rows)
            start_ns = stop_ns
            if len(rows) > _EXPORT_ROWS:
                width_ns = max(SECOND // 10, width_ns // 2)
            elif len(rows) < _EXPORT_ROWS // 8:
                width_ns = min(DAY, width_ns * 2)

    async def _ask(self, query: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of one query, within the time allowed. The whole of it is watched from outside (see `Line`)."""

        async def fetch(conn: AsyncConnection) -> list[tuple[Any, ...]]:
            return await (await conn.execute(_SQL[query], params, prepare=False)).fetchall()

        asked_ns = self._clock.monotonic_ns()
        try:
            async with (await self._opened()).connection() as conn:
                waited_s = (self._clock.monotonic_ns() - asked_ns) / 1e9
                return await Line(conn, max(1.0, self._timeout_s + 1 - waited_s)).run(fetch(conn))
        except psycopg.errors.QueryCanceled as error:
            raise HistoryBusy(f"{query} took longer than {self._timeout_s:g} s; ask for less") from error
        except (PoolTimeout, TooManyRequests) as error:
            raise HistoryBusy(f"no connection to the history within {_CONNECT_S:g} s: {error}") from error
        except (psycopg.Error, OSError) as error:
            raise HistoryUnavailable(f"{query}: {' '.join(str(error).split())}") from error

    async def _opened(self) -> AsyncConnectionPool[AsyncConnection]:
        if self._pool is None:
            settings = f"-c statement_timeout={int(self._timeout_s * 1000)} -c default_transaction_read_only=on"
            self._pool = AsyncConnectionPool(
                address(self._url, "reader", settings),
                kwargs={"autocommit": True},
                min_size=1,
                max_size=self._config.read_connections,
                max_waiting=_WAITING,
                timeout=_CONNECT_S,
                max_lifetime=3600,
                reconnect_timeout=30,
                check=_check,
                open=False,
                name="history",
            )
            await self._pool.open(wait=False)
        return self._pool


async def _check(conn: AsyncConnection) -> None:
    """Whether a connection from the pool still works; a server that does not answer is found out within 2 s."""
    await Line(conn, _CHECK_S).run(_nothing(conn))


async def _nothing(conn: AsyncConnection) -> None:
    await conn.execute("")


def _bucket(row: tuple[Any, ...]) -> Bucket:
    us, low, high, mean, last, count, good, bad, quality = row
    worst = class_quality(count, good, bad) if quality is None else quality
    return Bucket(us * 1000, low, high, mean, last, count, good, bad, worst)


def _sending(row: tuple[Any, ...]) -> Sending:
    notice, revision, channel, recipient, reason, tier, due, kind, attempt, at, detail = row
    return Sending(
        *(notice, revision, channel, recipient, reason, tier, due * 1000),
        *(kind or "", attempt or 0, (at or 0) * 1000, detail or ""),
    )


def _batch(rows: list[tuple[Any, ...]]) -> Batch:
    sensors, us, values, qualities = zip(*rows, strict=True)
    return batch(sensors, np.array(us, np.int64) * 1000, values, qualities)


def _decoded(decoder: msgspec.json.Decoder[T], body: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise HistoryError(f"an alarm in the history was written by another version of this program: {error}") from None
