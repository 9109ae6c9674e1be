"""Tasks that somebody watches: when one ends, the process ends, and its supervisor starts it again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

log = logging.getLogger(__name__)
WORKERS_S = 4.5
"""A dispatcher lets attempts end for 3 s, ingest what is on its way to the log; then a fold writes its snapshot."""

STOP_S = 7.5
"""From the signal to the end of everything that a role has opened."""

LEAST_CLOSING_S = 1.0
LAST_S = 8.3
"""Past this after the signal the process ends whatever hangs: its supervisor kills it soon."""

EXIT_PROBLEMS = 1
EXIT_TASK_DIED = 70


class TaskEnded(RuntimeError):
    """A task that must run for ever ended."""


class CannotRun(RuntimeError):
    """The role cannot run as things are; the message says why and what to do. A person must act, no traceback helps."""


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


async def run_until_stopped(stop: asyncio.Event, workers: dict[str, Coroutine[Any, Any, None]]) -> None:
    """Run the named workers side by side until `stop` is set; cancel them then.

    A worker that ends by itself, with or without an error, ends all of them and raises `TaskEnded`, or the `CannotRun`
    that it ended with.
    """
    tasks = {asyncio.create_task(work, name=name) for name, work in workers.items()}
    waiter = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait({waiter, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks & done:
            _raise_end(task)
    finally:
        waiter.cancel()
        await _cancelled(tasks)


def _raise_end(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, CannotRun):
        raise error
    if error is not None:
        log.critical("task %s died", task.get_name(), exc_info=error)
        raise TaskEnded(f"task {task.get_name()} died: {error!r}") from error
    raise TaskEnded(f"task {task.get_name()} ended")


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if not running:
        return
    done, late = await asyncio.wait(running, timeout=WORKERS_S)
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed while it stopped: %r", task.get_name(), error)
    for task in late:
        log.warning("task %s did not stop within %.1f s; going on without it", task.get_name(), WORKERS_S)


def run_role(main: Callable[[asyncio.Event, AsyncExitStack], Coroutine[Any, Any, None]]) -> None:
    """The body of every role process: run `main` until a signal. Never returns.

    Exit code 0 on a clean stop, 1 when the role cannot run as things are, 70 when a part of it died. What hangs past
    its deadline, in a driver or in a thread, is left to the kernel: the process ends all the same.
    """

    async def body() -> None:
        stop = stop_signal()
        watchdog = asyncio.create_task(_end_in_time(stop), name="end in time")
        code = await _ended(main, stop)
        watchdog.cancel()
        _exit(code)

    asyncio.run(body())


async def _ended(
    main: Callable[[asyncio.Event, AsyncExitStack], Coroutine[Any, Any, None]], stop: asyncio.Event
) -> int:
    stack = AsyncExitStack()
    loop = asyncio.get_running_loop()
    stopping_at = loop.create_task(_moment_of(stop))
    code = 0
    try:
        await main(stop, stack)
    except CannotRun as error:
        log.critical("%s", error)
        code = EXIT_PROBLEMS
    except TaskEnded as error:
        log.critical("%s; the process ends", error)
        code = EXIT_TASK_DIED
    except Exception:
        log.critical("the process ends", exc_info=True)
        code = EXIT_TASK_DIED
    since = stopping_at.result() if stopping_at.done() else loop.time()
    left_s = max(LEAST_CLOSING_S, since + STOP_S - loop.time())
    try:
        async with asyncio.timeout(left_s):
            await stack.aclose()
    except TimeoutError:
        log.warning("closing took longer than %.1f s; going on without it", left_s)
    except Exception:
        log.exception("closing failed")
    return code


async def _moment_of(stop: asyncio.Event) -> float:
    await stop.wait()
    return asyncio.get_running_loop().time()


async def _end_in_time(stop: asyncio.Event) -> None:
    """From the signal on a thread waits, in case the loop itself hangs."""
    await stop.wait()
    timer = threading.Timer(LAST_S, _hung)
    timer.daemon = True
    timer.start()


def _hung() -> None:
    log.critical("the stop hangs; the process ends now")
    _exit(EXIT_TASK_DIED)


def _exit(code: int) -> None:
    # Not by the interpreter's way out: that waits for every thread, and one of them may wait for a frozen database.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
