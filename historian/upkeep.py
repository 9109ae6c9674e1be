"""What must be done from time to time beside the writing: partitions ahead of their time, rollups, retention."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import numpy as np
import psycopg

from historian.config import HistorianConfig
from historian.errors import HistoryUnavailable
from historian.lane import Clock
from historian.line import Line
from historian.partitions import HOUR_US, Partitions
from historian.progress import Metrics
from historian.rollups import LEVELS, Rollups
from historian.sqlfiles import queries
from historian.storage import Storage, StorageKind

log = logging.getLogger(__name__)
_SQL = queries("upkeep")

STEP_S = 10.0
RETENTION_S = 3600.0
_AHEAD_DAYS = 3
_PATIENCE_S = 900.0
"""Making up many buckets, or dropping a large partition, may take long; nobody waits for it."""


class Upkeep:
    """One task beside the lanes, with a connection of its own. `run` until cancelled."""

    def __init__(
        self,
        storage: Storage,
        config: HistorianConfig,
        connect: Callable[[str], Awaitable[Line]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._native = storage.kind is StorageKind.NATIVE
        self._config = config
        self._connect = connect
        self._clock = clock
        self._metrics = metrics
        self._rollups = Rollups()
        self._readings = Partitions("readings", config.partition_hours * HOUR_US)
        self._retained_ns: int | None = None
        self.trouble = ""

    async def run(self) -> None:
        """Work, sleep, and after trouble connect again."""
        while True:
            try:
                line = await self._connect("upkeep")
                try:
                    while True:
                        unfinished = await line.run(self.step(line), _PATIENCE_S)
                        self.trouble = ""
                        await asyncio.sleep(0.0 if unfinished else STEP_S)
                finally:
                    await line.close()
            except (psycopg.Error, HistoryUnavailable, OSError) as error:
                self.trouble = str(error)
                self._metrics.trouble("upkeep", type(error).__name__)
                log.error("upkeep of the history: %s; trying again", error)
                self._forget()
            await asyncio.sleep(STEP_S * random.uniform(0.5, 1.5))

    async def step(self, line: Line) -> bool:
        """Everything that is due now; whether there is more to do at once."""
        unfinished = False
        conn, now_us = line.conn, self._clock.now_ns() // 1000
        if self._native:
            ahead = now_us + np.arange(_AHEAD_DAYS * 24, dtype=np.int64) * HOUR_US
            await self._readings.ensure(conn, ahead, now_us)
            unfinished = (await self._rollups.step(conn, now_us)).unfinished
        now_ns = self._clock.monotonic_ns()
        if self._retained_ns is None or now_ns - self._retained_ns > RETENTION_S * 1e9:
            await self._retain(line)
            self._retained_ns = now_ns
        return unfinished

    async def _retain(self, line: Line) -> None:
        config = self._config
        if self._native:
            await self._readings.drop_expired(line.conn, timedelta(days=config.raw_retention_days))
            keeps = (config.aggregate_retention_days, config.hour_retention_days)
            for level, days in zip(LEVELS, keeps, strict=True):
                await self._rollups.partitions[level.name].drop_expired(line.conn, timedelta(days=days))
        keep = {"keep": timedelta(days=config.alarm_retention_days)}
        await line.conn.execute(_SQL["expire_alarms"], keep)
        await line.conn.execute(_SQL["expire_orphans"], keep)

    def _forget(self) -> None:
        for partitions in (self._readings, *self._rollups.partitions.values()):
            partitions.forget()
