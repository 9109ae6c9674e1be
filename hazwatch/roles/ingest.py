"""Ingest's process: MQTT to the log, with a directory that follows the revisions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from hazwatch.context import Context
from ingest.directory import Directory
from ingest.service import Ingest

log = logging.getLogger(__name__)
DRAIN_S = 4.0


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """Two workers: ingest itself, and the one that swaps its directory when a revision comes into force."""
    partitions = await context.log.partitions("readings")

    def directory() -> Directory:
        """Until a revision is activated everywhere, readings go under the old and the new numbers (LAWS C3)."""
        view = context.registry
        if view.newest.number > view.activated > 0:
            return Directory.of(view.newest, context.config.sources, partitions, previous=view.current)
        return Directory.of(view.newest, context.config.sources, partitions)

    context.announcement.update(address=f"{context.config.mqtt.host}:{context.config.mqtt.port}")
    started_at = context.registry.version
    service = Ingest(
        context.config.mqtt, directory(), context.log, context.clock, context.metrics, failpoint=context.failpoint
    )

    async def follow() -> None:
        version = started_at
        while True:
            version = await context.registry.wait_changed(version)
            service.swap(directory())
            log.info("ingest follows revision %d", context.registry.newest.number)

    return {"ingest": _drained(service), "directory": follow()}


async def _drained(service: Ingest) -> None:
    """Run ingest; when cancelled, let what is on its way reach the log and be acknowledged first."""
    running = asyncio.create_task(service.run(), name="ingest-service")
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await service.stop()
        async with asyncio.timeout(DRAIN_S):
            await running
        raise
