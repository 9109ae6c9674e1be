"""HTTP to the outside: guarded destinations, no redirects, no proxies, bounded answers. Shared by the HTTP channels.

An attempt uses a connection of its own and ends with it: alarms are few, and a kept connection that died in silence
costs more than a new one.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from alerting.channels._destinations import DestinationRefused, check_address

MOST_BYTES = 64 << 10
Lookup = Callable[[str, int], list[str]]


class OutboundFailed(Exception):
    """No answer came, or none that may be used. The message is for people and bears neither address nor secret."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; of the body at most 64 KiB."""

    status: int
    body: bytes


def system_lookup(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system resolves it. Blocks."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class Outbound:
    """An HTTP client for one channel: its own connections, and its own two threads for name resolution, so that no
    other channel waits for this one's."""

    def __init__(self, *, concurrency: int, ca_file: str = "", lookup: Lookup = system_lookup) -> None:
        """Raises ValueError when `ca_file` holds no certificates."""
        self._concurrency = concurrency
        self._resolver = _GuardedResolver(lookup)
        self._session: aiohttp.ClientSession | None = None
        try:
            self._tls = ssl.create_default_context(cafile=ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"ca_file {ca_file} holds no certificates that can be read: {error.strerror}") from None

    async def request(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, *, deadline_s: float, want_body: bool
    ) -> Reply:
        """One request, start to end within the deadline. Raises `OutboundFailed`."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._request(method, url, headers, body, want_body)
        except TimeoutError:
            raise OutboundFailed(f"no answer within {deadline_s:g} s") from None
        except DestinationRefused as error:
            raise OutboundFailed(f"destination refused: {error}") from None
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise OutboundFailed(_reason(error)) from None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._resolver.shutdown()

    async def _request(self, method: str, url: URL, headers: Mapping[str, str], body: bytes, want_body: bool) -> Reply:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._concurrency,
                resolver=self._resolver,
                use_dns_cache=False,
                force_close=True,
                ssl=self._tls,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept-Encoding",),
            )
        response = await self._session.request(method, url, headers=headers, data=body, allow_redirects=False)
        try:
            return Reply(response.status, await _first_bytes(response) if want_body else b"")
        finally:
            response.close()


class _GuardedResolver(AbstractResolver):
    """Resolves in threads of its own, and lets through only addresses that the guard allows."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(2, "hazwatch-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host, port)
        for address in addresses:
            check_address(address, host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Called with a session; the threads outlive it, so that a new session may follow."""

    def shutdown(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _first_bytes(response: aiohttp.ClientResponse) -> bytes:
    """The body, cut after 64 KiB; what follows is left unread."""
    parts: list[bytes] = []
    left = MOST_BYTES
    async for part in response.content.iter_any():
        parts.append(part[:left])
        left -= len(part)
        if left <= 0:
            break
    return b"".join(parts)


def _reason(error: BaseException) -> str:
    """What went wrong, in words of ours: an exception's own text may hold the URL and so a secret."""
    cause = error
    while isinstance(cause, aiohttp.ClientConnectorError):
        cause = cause.os_error
    if isinstance(cause, DestinationRefused):
        return f"destination refused: {cause}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "TLS: no secure connection"
    if isinstance(cause, socket.gaierror):
        return "the name cannot be resolved"
    if isinstance(cause, OSError) and cause.errno:
        return f"no connection: {os.strerror(cause.errno)} ({errno.errorcode.get(cause.errno, cause.errno)})"
    if isinstance(cause, aiohttp.ServerDisconnectedError | asyncio.IncompleteReadError | ConnectionError):
        return "the connection was broken off"
    if isinstance(cause, aiohttp.ClientPayloadError):
        return "the answer was broken off"
    return f"the answer is not HTTP ({type(cause).__name__})"
