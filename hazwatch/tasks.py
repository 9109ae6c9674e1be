"""Tasks that somebody watches: when one ends, the process ends, and its supervisor starts it again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)
STOP_S = 8.0
EXIT_TASK_DIED = 70


class TaskEnded(RuntimeError):
    """A task that must run for ever returned."""


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


async def run_until_stopped(stop: asyncio.Event, workers: dict[str, Coroutine[Any, Any, None]]) -> None:
    """Run the named workers side by side until `stop` is set; cancel them then.

    A worker that ends by itself, with or without an error, ends all of them and raises.
    """
    tasks = {asyncio.create_task(work, name=name) for name, work in workers.items()}
    waiter = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait({waiter, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiter}:
            if not task.cancelled() and task.exception() is not None:
                log.critical("task %s died", task.get_name(), exc_info=task.exception())
                raise TaskEnded(f"task {task.get_name()} died") from task.exception()
            raise TaskEnded(f"task {task.get_name()} ended")
    finally:
        for task in {waiter, *tasks}:
            task.cancel()
        await asyncio.wait({waiter, *tasks}, timeout=STOP_S)


@asynccontextmanager
async def stops_within(seconds: float, name: str, stop: Callable[[], Awaitable[None]]) -> Any:
    """Run `stop` on leaving, under a deadline; past it the stop is given up with a warning, never waited for."""
    try:
        yield
    finally:
        try:
            async with asyncio.timeout(seconds):
                await stop()
        except TimeoutError:
            log.warning("%s did not stop within %.0f s; going on without it", name, seconds)


def run_role(main: Callable[[asyncio.Event, AsyncExitStack], Coroutine[Any, Any, None]]) -> None:
    """The body of every role process: run `main` until a signal; exit 0 on a clean stop, 70 when a task died.

    What hangs in a driver after the deadline is left to the kernel: the process ends all the same.
    """

    async def body() -> int:
        stop = stop_signal()
        try:
            async with AsyncExitStack() as stack:
                await main(stop, stack)
        except TaskEnded as error:
            log.critical("%s; the process ends", error)
            return EXIT_TASK_DIED
        return 0

    code = asyncio.run(body())
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(code)
