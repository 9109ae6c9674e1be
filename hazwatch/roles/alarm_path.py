"""The alarm path of the embedded default: ingest, evaluate and alarm in the one process that writes the log."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from hazwatch.context import Context
from hazwatch.registry import publish
from hazwatch.roles import alarm, evaluate, ingest


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """The workers of the three roles, over one log. The configuration is put into force first."""
    await publish(
        context.log,
        context.registry,
        context.config.numbered,
        made_ns=context.clock.now_ns(),
        made_by=f"start of {context.name}",
    )
    out: dict[str, Coroutine[Any, Any, None]] = {}
    for role in (alarm, evaluate, ingest):
        out |= await role.workers(context, stack)
    return out
