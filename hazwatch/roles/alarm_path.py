"""The alarm path of the embedded default: ingest, evaluate and alarm in the one process that writes the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from hazwatch.context import Context
from hazwatch.registry import publish
from hazwatch.roles import alarm, evaluate, ingest
from schemas.registry import Revision

log = logging.getLogger(__name__)


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """The workers of the three roles, over one log. The configuration is put into force first."""
    await context.registry.catch_up()
    before = context.registry.newest
    after = await publish(
        context.log,
        context.registry,
        context.config.numbered,
        made_ns=context.clock.now_ns(),
        made_by=f"start of {context.name}",
    )
    if 0 < before.number < after.number:
        await asyncio.to_thread(_tell, before, after)
    out: dict[str, Coroutine[Any, Any, None]] = {}
    for role in (alarm, evaluate, ingest):
        out |= await role.workers(context, stack)
    return out


def _tell(before: Revision, after: Revision) -> None:
    """A changed file is followed at a start without a question: a system that does not start watches nothing. What is
    less strict is said where the operator of the machine looks."""
    from hazwatch.revisions.difference import difference
    from hazwatch.revisions.text import lines, summary

    found = difference(before, after, f"revision {before.number}", f"revision {after.number}")
    log.info("revision %d replaces %d: %s", after.number, before.number, summary(found))
    if found.risky:
        for line in lines(found):
            log.warning("revision %d: %s", after.number, line.strip())
