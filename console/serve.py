"""Running the console: the HTTP server and the live state side by side; the end of one is the end of all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from console.app import Console

STOP_S = 3
MESSAGE_BYTES = 16 << 10


class _Server(uvicorn.Server):
    """Leaves the signals to the process that runs it."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(console: Console, *, started: Callable[[int], None] = lambda port: None) -> None:
    """Serve for ever; cancel it to stop, which takes at most a few seconds. `started` hears the port.

    Raises when the port cannot be had, or when a part of the console fails.
    """
    config = console.config
    bound = _bind(config.host, config.port)
    server = _Server(
        uvicorn.Config(
            console.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws_per_message_deflate=False,
            ws_max_size=MESSAGE_BYTES,
            timeout_graceful_shutdown=STOP_S,
            ssl_certfile=config.tls_certificate or None,
            ssl_keyfile=config.tls_key_file or None,
        )
    )
    with bound:
        work = asyncio.create_task(console.run(), name="console")
        http = asyncio.create_task(server.serve([bound]), name="http")
        try:
            started(bound.getsockname()[1])
            await asyncio.wait({work, http}, return_when=asyncio.FIRST_COMPLETED)
            (work if work.done() else http).result()
            raise RuntimeError("the console's server ended by itself")
        finally:
            server.should_exit = True
            for screen in console.hub.screens:
                screen.close(1001)
            await asyncio.wait({http}, timeout=STOP_S + 1)
            work.cancel()
            http.cancel()
            await asyncio.wait({work, http}, timeout=1)
            console.users.store.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"the console cannot have {host}:{port}: {error.strerror}") from None
    return bound
