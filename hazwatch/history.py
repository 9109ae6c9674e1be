"""The console's `History` over the historian's reader, wherever the database is just now."""

from __future__ import annotations

import os
from collections.abc import Sequence

from console.ports import HistoryUnavailable, TrendPoint
from hazwatch.clock import SystemClock
from hazwatch.datadir import DataDir
from historian.config import HistorianConfig
from historian.errors import HistoryError
from historian.reader import Reader
from historian.views import Place
from schemas.alarms import Transition


def database_url(config: HistorianConfig, data: DataDir) -> str:
    """Where the database is: as configured, else where the embedded one listens; empty when that is not running."""
    configured = config.database_url(os.environ)
    if configured:
        return configured
    try:
        return data.database_url.read_text().strip()
    except FileNotFoundError:
        return ""


class ConsoleHistory:
    """Finds the database anew when its address has changed (the embedded one may have moved)."""

    def __init__(self, config: HistorianConfig, data: DataDir) -> None:
        self._config = config
        self._data = data
        self._url = ""
        self._reader: Reader | None = None
        self.working = True

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def trend(self, tag: int, start_ns: int, end_ns: int, points: int) -> Sequence[TrendPoint]:
        reader = await self._current()
        try:
            trend = await reader.trend(tag, start_ns, end_ns, points)
        except HistoryError as error:
            raise self._failed(error) from None
        self.working = True
        return [TrendPoint(b.at_ns, b.low, b.high, b.last, b.quality) for b in trend.buckets]

    async def journal(
        self, *, before_ns: int, limit: int, alarm: str = "", enterprise: str = ""
    ) -> Sequence[Transition]:
        reader = await self._current()
        try:
            found = await reader.transitions(Place(before_ns), limit, alarm=alarm, enterprise=enterprise)
        except HistoryError as error:
            raise self._failed(error) from None
        self.working = True
        return found

    def _failed(self, error: HistoryError) -> HistoryUnavailable:
        self.working = False
        return HistoryUnavailable(str(error))

    async def _current(self) -> Reader:
        url = database_url(self._config, self._data)
        if not url:
            self.working = False
            raise HistoryUnavailable("the embedded database is not running")
        if self._reader is None or url != self._url:
            await self.close()
            self._url = url
            self._reader = Reader(url, self._config, SystemClock())
        return self._reader
