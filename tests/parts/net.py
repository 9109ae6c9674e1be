"""Ports, and waiting for something to become true without sleeping for a fixed time."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload

T = TypeVar("T")

_POLL_S = 0.02
_LISTEN = "0A"


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on.

    Taken below the range from which the kernel draws the source ports of outgoing connections, so that a server which
    is killed and restarted does not find its port taken by somebody's connection.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        port = random.SystemRandom().randrange(low // 2, low)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port found between {low // 2} and {low}")


def listening_inodes(port: int) -> set[str]:
    """The inodes of the sockets that listen on `port`, on any address."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def listens(pid: int, port: int) -> bool:
    """Whether the process `pid` itself holds the socket that listens on `port`: the proof of who answers there."""
    inodes = listening_inodes(port)
    if not inodes:
        return False
    try:
        links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(f"socket:[{inode}]" in links for inode in inodes)


class GaveUp(AssertionError):
    """The deadline passed before the condition became true."""


class _Attempts:
    """What the failure message needs: since when, how often, and what was seen last."""

    def __init__(self, what: str, within_s: float) -> None:
        self._what, self._within_s = what, within_s
        self._start = time.monotonic()
        self._tries = 0
        self._last = "nothing yet"

    def saw(self, value: object) -> None:
        self._tries += 1
        self._last = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else repr(value)
        if time.monotonic() - self._start > self._within_s:
            raise GaveUp(
                f"gave up after {time.monotonic() - self._start:.1f} s ({self._tries} tries) waiting until "
                f"{self._what}; last seen: {self._last[:2000]}"
            ) from (value if isinstance(value, BaseException) else None)


def wait_until(
    condition: Callable[[], T],
    what: str,
    *,
    within_s: float = 20.0,
    retry: tuple[type[Exception], ...] = (AssertionError,),
) -> T:
    """Call `condition` until it returns something true, and return that. Exceptions in `retry` mean "not yet"."""
    attempts = _Attempts(what, within_s)
    while True:
        try:
            value = condition()
        except retry as error:
            attempts.saw(error)
        else:
            if value:
                return value
            attempts.saw(value)
        time.sleep(_POLL_S)


@overload
async def eventually(
    condition: Callable[[], Awaitable[T]], what: str, *, within_s: float = ..., retry: tuple[type[Exception], ...] = ...
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T], what: str, *, within_s: float = ..., retry: tuple[type[Exception], ...] = ...
) -> T: ...
async def eventually(
    condition: Callable[[], Any],
    what: str,
    *,
    within_s: float = 20.0,
    retry: tuple[type[Exception], ...] = (AssertionError,),
) -> Any:
    """`wait_until` for a running event loop; `condition` may be a plain or an async function."""
    attempts = _Attempts(what, within_s)
    while True:
        try:
            value = condition()
            if isinstance(value, Awaitable):
                value = await value
        except retry as error:
            attempts.saw(error)
        else:
            if value:
                return value
            attempts.saw(value)
        await asyncio.sleep(_POLL_S)
