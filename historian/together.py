"""Tasks that stand and fall together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskEnded(RuntimeError):
    """A task that must run for ever returned."""


async def together(works: dict[str, Coroutine[Any, Any, None]]) -> None:
    """Run the named works until the first of them ends, then cancel the others and raise what ended it.

    Unlike a task group it raises one error as it is, and never mistakes a failure for a cancellation: in Python 3.11 a
    task group leaves its parent marked as cancelled when a child fails.
    """
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    errors = [task.exception() for task in tasks if not task.cancelled()]
    for error in (task.exception() for task in done if not task.cancelled()):
        if error is not None:
            raise error
    raise TaskEnded(f"{', '.join(sorted(task.get_name() for task in done))} ended; errors of the others: {errors}")
