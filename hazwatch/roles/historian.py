"""The historian's process: the log into PostgreSQL, and the embedded PostgreSQL where no other is named.

No alarm waits for it. What keeps it from storing is a fault of its own and is tried again; it ends no process.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hazwatch.context import Context
from hazwatch.disk import LOW_BYTES, watch_disk
from hazwatch.faults import Fault, Faults
from hazwatch.metrics import Metrics
from historian.binaries import NoPostgres
from historian.cluster import ClusterFailed
from historian.errors import HistoryRefused
from historian.positions import Source
from historian.server import EmbeddedPostgres
from historian.storage import StorageKind
from historian.together import together
from historian.writer import Writer
from schemas.time import SECOND

log = logging.getLogger(__name__)
RETRY_S = 30.0
BEHIND_S = 300.0
"""So far may the history be behind before people hear of it (RELIABILITY K7)."""

LOOK_S = 2.0
WRITER_STOP_S = 1.5
"""A frozen database lets no task of the writer end, and the stop of the server comes after."""


class HistorianMetrics:
    """The writer's numbers among the process's metrics, and how far it is behind."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.behind_s: dict[Source, float] = {}

    def stored(self, lane: str, rows: int, duplicates: int, seconds: float) -> None:
        self._metrics.count("hazwatch_historian_rows_total", rows, lane=lane)
        self._metrics.count("hazwatch_historian_duplicates_total", duplicates)
        self._metrics.observe("hazwatch_historian_commit_seconds", seconds, lane=lane)

    def behind(self, source: Source, records: int, age_s: float) -> None:
        stage, label = f"historian-{source.topic}", str(source.partition)
        self._metrics.gauge("hazwatch_lag_records", records, stage=stage, partition=label)
        self._metrics.gauge("hazwatch_oldest_unprocessed_seconds", age_s, stage=stage, partition=label)
        self.behind_s[source] = age_s

    def connected(self, lane: str, up: bool) -> None:
        self._metrics.gauge("hazwatch_historian_connected", float(up), lane=lane)

    def trouble(self, lane: str, reason: str) -> None:
        self._metrics.count("hazwatch_historian_troubles_total", lane=lane)


class History:
    """The writer and, where it is embedded, its server: begun anew whenever they cannot go on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._config = context.config.historian
        self._metrics = HistorianMetrics(context.metrics)
        self._server: EmbeddedPostgres | None = None
        self._writer: Writer | None = None
        self._refused = ""
        context.faults.watch(Fault.HISTORY)
        context.metrics.when_scraped("hazwatch_historian_timescaledb", self._on_timescale)

    async def run(self) -> None:
        """Store for ever. Ends only by a bug or by cancellation."""
        while True:
            try:
                await self._bounded()
            except (NoPostgres, ClusterFailed, HistoryRefused, OSError) as error:
                log.error("no history: %s; trying again in %.0f s", error, RETRY_S)
                self._refused = str(error).splitlines()[0]
            await self.stop()
            await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Stop the server, if there is one of ours."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def _bounded(self) -> None:
        """A session that ends soon after it is cancelled."""
        work = asyncio.create_task(self._session(), name="history session")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work}, timeout=WRITER_STOP_S)
            raise

    async def _session(self) -> None:
        context = self._context
        works: dict[str, Coroutine[Any, Any, None]] = {}
        url = self._config.database_url(os.environ)
        if not url:
            self._server = server = await EmbeddedPostgres.open(context.data.database)
            url = await server.start()
            _keep_address(context.data.database_url, url)
            works["postgres"] = server.run()
            works["history disk"] = watch_disk(server.cluster.home, context.faults, low_bytes=LOW_BYTES // 2)
        self._writer = Writer(context.log, url, self._config, context.clock, self._metrics)
        self._refused = ""
        works["writer"] = self._writer.run()
        await together(works)

    async def watch(self) -> None:
        """Tell people, and those who look at this process, how the history is."""
        faults, clock = self._context.faults, self._context.clock
        well_ns = clock.monotonic_ns()
        while True:
            trouble = self._refused or (self._writer.status().trouble if self._writer else "starting")
            self._context.announcement.update(trouble=trouble[:500])
            if not trouble:
                well_ns = clock.monotonic_ns()
            troubled_s = (clock.monotonic_ns() - well_ns) / SECOND
            behind_s = max(troubled_s, *self._metrics.behind_s.values(), 0.0)
            _judge(faults, self._refused, behind_s, trouble)
            await asyncio.sleep(LOOK_S)

    def _on_timescale(self) -> float:
        storage = self._writer.status().storage if self._writer else None
        return float(storage is not None and storage.kind is not StorageKind.NATIVE)


def _judge(faults: Faults, refused: str, behind_s: float, trouble: str) -> None:
    if refused:
        faults.stand(Fault.HISTORY, "", refused)
    elif behind_s > BEHIND_S:
        faults.stand(Fault.HISTORY, "", f"{behind_s / 60:.0f} min, {trouble}".removesuffix(", "))
    elif behind_s < BEHIND_S / 2 and not trouble:
        faults.end(Fault.HISTORY)


def _keep_address(file: Path, url: str) -> None:
    """Leave the address, which holds a password, for the other processes of this data directory."""
    draft = file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(url + "\n")
    draft.replace(file)


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """The history, and who watches it."""
    history = History(context)
    stack.push_async_callback(history.stop)
    return {"history": history.run(), "history watch": history.watch()}
