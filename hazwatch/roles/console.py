"""The console's process: pages, API and screens, with the history behind a port."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from prometheus_client import make_asgi_app

from alerting.book import Book
from console.app import create_console
from console.ports import BookStart
from console.serve import serve
from console.users import FIRST_USER, Users, ensure_admin
from console.userstore import UserStore
from hazwatch.context import Context
from hazwatch.folding import persist
from hazwatch.health import SystemHealth
from hazwatch.history import ConsoleHistory
from hazwatch.metrics import Metrics
from hazwatch.tasks import CannotRun
from schemas.time import HOUR, MINUTE

log = logging.getLogger(__name__)
FIRST_PASSWORD = "first-password"


class ConsoleMeter:
    """The console's numbers among the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def screens(self, count: int) -> None:
        self._metrics.gauge("hazwatch_console_clients", count)

    def frame(self, kind: str, screens: int) -> None:
        self._metrics.count("hazwatch_console_frames_total", screens, kind=kind)


def read_book(data: bytes, incarnation: int) -> BookStart:
    """A snapshot of the book as the console starts from it.

    Raises ValueError, also for one of another incarnation: it speaks of a log that is no more.
    """
    book = Book.restore(data)
    if book.incarnation != incarnation:
        raise ValueError(f"it is of incarnation {book.incarnation}, the log is {incarnation}")
    return BookStart(book.next_offset, tuple(book.alarms()))


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """One worker: the server with everything behind it."""
    config = context.config.console
    path = context.data.console / "users.sqlite"
    await asyncio.to_thread(first_password, path, context.data.root / FIRST_PASSWORD)
    incarnation = await persist(context.name, context.log.incarnation)
    session, idle = round(config.session_hours * HOUR), round(config.idle_minutes * MINUTE)
    users = Users(UserStore(path), context.clock, session, idle)
    history = ConsoleHistory(context.config.historian, context.data)
    stack.push_async_callback(history.close)
    console = create_console(
        config,
        context.log,
        users,
        context.clock,
        history=history,
        health=SystemHealth(context.data.root, history),
        read_snapshot=lambda data: read_book(data, incarnation),
        metrics=make_asgi_app(context.metrics.registry),
        meter=ConsoleMeter(context.metrics),
    )
    scheme = "https" if config.tls else "http"

    def started(port: int) -> None:
        context.announcement.update(address=f"{scheme}://{config.host}:{port}/")
        log.info("console at %s://%s:%d/", scheme, config.host, port)

    return {"console": _served(serve(console, started=started))}


async def _served(serving: Coroutine[Any, Any, None]) -> None:
    try:
        await serving
    except OSError as error:  # the port is another's
        raise CannotRun(str(error)) from error


def first_password(users: Path, file: Path) -> None:
    """Make the first user where there is none, and keep the password where only the owner reads it; the file goes at
    the next start after the password was changed. Blocks."""
    made = ensure_admin(users)
    if made is not None:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(handle, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(made + "\n")
    elif file.exists():
        store = UserStore(users)
        try:
            if store.verify(FIRST_USER, file.read_text().strip()) is None:
                file.unlink()
        finally:
            store.close()
