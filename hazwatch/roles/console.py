"""The console's process: pages, API and screens, with the history behind a port."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from prometheus_client import make_asgi_app

from alerting.book import Book
from console.app import create_console
from console.ports import BookStart
from console.serve import serve
from console.users import Users, ensure_admin
from console.userstore import UserStore
from hazwatch.context import Context
from hazwatch.health import SystemHealth
from hazwatch.history import ConsoleHistory
from hazwatch.metrics import Metrics
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


def read_book(data: bytes) -> BookStart:
    """A snapshot of the book as the console starts from it. Raises ValueError."""
    book = Book.restore(data)
    return BookStart(book.next_offset, tuple(book.alarms()))


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """One worker: the server with everything behind it."""
    config = context.config.console
    path = context.data.console / "users.sqlite"
    first = ensure_admin(path)
    if first is not None:
        write_first_password(context.data.root / FIRST_PASSWORD, first)
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
        read_snapshot=read_book,
        metrics=make_asgi_app(context.metrics.registry),
        meter=ConsoleMeter(context.metrics),
    )
    return {"console": serve(console, started=_started)}


def _started(port: int) -> None:
    log.info("console at port %d", port)


def write_first_password(file: Path, password: str) -> None:
    """Keep the first password where only the owner reads it, until it is changed."""
    file.touch(mode=0o600)
    file.write_text(password + "\n")
