"""The historian's process: the log into PostgreSQL, and the embedded PostgreSQL where no other is named."""

from __future__ import annotations

import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from hazwatch.context import Context
from hazwatch.metrics import Metrics
from historian.positions import Source
from historian.server import EmbeddedPostgres
from historian.storage import StorageKind
from historian.writer import Writer

log = logging.getLogger(__name__)


class HistorianMetrics:
    """The writer's numbers among the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def stored(self, lane: str, rows: int, duplicates: int, seconds: float) -> None:
        self._metrics.count("hazwatch_historian_rows_total", rows, lane=lane)
        self._metrics.count("hazwatch_historian_duplicates_total", duplicates)
        self._metrics.observe("hazwatch_historian_commit_seconds", seconds, lane=lane)

    def behind(self, source: Source, records: int, age_s: float) -> None:
        stage, label = f"historian-{source.topic}", str(source.partition)
        self._metrics.gauge("hazwatch_lag_records", records, stage=stage, partition=label)
        self._metrics.gauge("hazwatch_oldest_unprocessed_seconds", age_s, stage=stage, partition=label)

    def connected(self, lane: str, up: bool) -> None:
        self._metrics.gauge("hazwatch_historian_connected", float(up), lane=lane)

    def trouble(self, lane: str, reason: str) -> None:
        self._metrics.count("hazwatch_historian_troubles_total", lane=lane)


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """The writer; with the embedded database also its supervisor, and its address in the data directory."""
    config = context.config.historian
    out: dict[str, Coroutine[Any, Any, None]] = {}
    url = config.database_url(os.environ)
    if not url:
        server = await EmbeddedPostgres.open(context.data.database)
        url = await server.start()
        stack.push_async_callback(server.stop)
        context.data.database_url.touch(mode=0o600)
        context.data.database_url.write_text(url + "\n")
        out["postgres"] = server.run()
    writer = Writer(context.log, url, config, context.clock, HistorianMetrics(context.metrics))
    out["writer"] = _announced(writer, context.metrics)
    return out


async def _announced(writer: Writer, metrics: Metrics) -> None:
    """Run the writer; say which storage is in use as soon as that is known."""
    metrics.when_scraped(
        "hazwatch_historian_timescaledb",
        lambda: float((storage := writer.status().storage) is not None and storage.kind is not StorageKind.NATIVE),
    )
    await writer.run()
