"""One connection to PostgreSQL that cannot hold its user for ever.

A server that was stopped (SIGSTOP, a hung disk) keeps its sockets open: an `asyncio.timeout` around a query then waits
for a cancellation that the server never answers. So every operation runs in a task of its own, watched from outside;
when it is late its socket is shut down, which ends it at once, and the connection is given up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from historian.errors import HistoryUnavailable

log = logging.getLogger(__name__)
T = TypeVar("T")

CONNECT_S = 10.0
_SETTLE_S = 5.0
_abandoned: set[asyncio.Task[Any]] = set()


class Line:
    """A connection and its watchdog. Use `open` and `close`; after an error it must not be used again."""

    def __init__(self, conn: AsyncConnection, stalled_s: float) -> None:
        self.conn = conn
        self.stalled_s = stalled_s

    @classmethod
    async def open(cls, url: str, stalled_s: float, name: str, *, settings: str = "") -> Line:
        """Connect, in autocommit mode. `settings` are those of libpq's `options`. Raises `HistoryUnavailable`."""
        try:
            async with asyncio.timeout(CONNECT_S + 1):
                conninfo = address(url, name, settings)
                return cls(await AsyncConnection.connect(conninfo, autocommit=True), stalled_s)
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise HistoryUnavailable(f"cannot connect to PostgreSQL: {_said(error)}") from error

    async def run(self, operation: Coroutine[Any, Any, T], within_s: float | None = None) -> T:
        """The result of an operation on this connection, or `HistoryUnavailable` when it takes longer than `within_s`
        (default `stalled_s`). Driver errors pass through. Cancelled, it cuts the connection first."""
        limit = self.stalled_s if within_s is None else within_s
        task = asyncio.create_task(operation)
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
        except asyncio.CancelledError:
            await self._cut(task)
            raise
        if not done:
            await self._cut(task)
            raise HistoryUnavailable(f"PostgreSQL made no progress for {limit:.0f} s; the connection was cut")
        return task.result()

    async def _cut(self, task: asyncio.Task[Any]) -> None:
        """End an operation by shutting its socket down under it."""
        self.sever()
        done, _ = await asyncio.wait({task}, timeout=_SETTLE_S)
        if not done:
            log.critical("an operation on PostgreSQL did not end after its connection was cut; it is left behind")
            _abandoned.add(task)
            task.add_done_callback(_abandoned.discard)
        elif not task.cancelled():
            task.exception()  # seen: it is the cut itself

    def sever(self) -> None:
        """Shut the socket down, whatever the server does. Never blocks."""
        try:
            duplicate = socket.socket(fileno=socket.dup(self.conn.fileno()))
        except (psycopg.Error, OSError):
            return
        with duplicate:
            try:
                duplicate.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    async def close(self) -> None:
        """Close the connection; psycopg does so without waiting for the server."""
        await self.conn.close()


_SESSION = (
    "-c timezone=UTC -c idle_in_transaction_session_timeout=60s -c client_connection_check_interval=5s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
)
"""A session whose client is gone must not hold its locks for the two hours that TCP would take to notice."""


def address(url: str, name: str, settings: str = "") -> str:
    """The libpq string for `url`, with our settings behind those that it brings along. Raises `psycopg.Error`."""
    given = conninfo_to_dict(url)
    return make_conninfo(
        url,
        connect_timeout=int(CONNECT_S),
        application_name=f"hazwatch {name}",
        options=f"{given.get('options', '')} {_SESSION} {settings}".strip(),
        keepalives=1,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
    )


def _said(error: BaseException) -> str:
    """What an error says, on one line, without the secrets of an address."""
    return " ".join(str(error).split()) or type(error).__name__
