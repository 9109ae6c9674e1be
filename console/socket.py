"""One page's WebSocket: frames out, words in, and an end when the session ends or the page no longer follows."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from console.api.login import EXPIRED
from console.auth import gate_of
from console.config import ConsoleConfig
from console.hub import Hub, Screen
from console.users import Session
from console.wire import VERSION, ClientAck, ClientHello, ClientResync, ClientSub, from_client

log = logging.getLogger(__name__)
HELLO_S = 5.0
SEND_S = 10.0
SESSION_CHECK_S = 1.0
BAD_MESSAGE = 4400
OTHER_VERSION = 4426
TOO_MANY = 1013


class _Ended(Exception):
    """The conversation is over; `code` closes the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


async def serve_screen(socket: WebSocket, config: ConsoleConfig, hub: Hub) -> None:
    """The endpoint. A wrong origin is refused before the handshake, a missing session closes with 4401."""
    gate = gate_of(socket)
    if not gate.origin_allowed(socket, required=True):
        await socket.close(1008)
        return
    session = gate.session(socket)
    await socket.accept()
    if session is None:
        await socket.close(EXPIRED)
        return
    if len(hub.screens) >= config.max_screens:
        await socket.close(TOO_MANY)
        return
    screen = Screen("desk", session.id, hub.clock.monotonic_ns())
    code = await _converse(socket, hub, screen, session)
    await _close(socket, code)


async def _converse(socket: WebSocket, hub: Hub, screen: Screen, session: Session) -> int:
    """Runs until somebody has had enough; returns the close code, 0 when the page is gone already."""
    tasks: set[asyncio.Task[None]] = set()
    try:
        async with asyncio.timeout(HELLO_S):
            await _greet(socket, hub, screen)
        hub.join(screen)
        tasks = {
            asyncio.create_task(_send(socket, hub, screen)),
            asyncio.create_task(_receive(socket, hub, screen)),
            asyncio.create_task(_watch(socket, session)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        return BAD_MESSAGE
    except (_Ended, WebSocketDisconnect) as end:
        return end.code if isinstance(end, _Ended) else 0
    finally:
        hub.leave(screen)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    return _code(ends)


def _code(ends: list[BaseException | None]) -> int:
    codes = [end.code for end in ends if isinstance(end, _Ended)]
    if codes:
        return codes[0]
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect | TimeoutError | RuntimeError):
            log.error("a screen's connection failed", exc_info=end)
            return 1011
    return 0


async def _close(socket: WebSocket, code: int) -> None:
    if not code:
        return
    try:
        async with asyncio.timeout(1.0):
            await socket.close(code)
    except (RuntimeError, TimeoutError, WebSocketDisconnect):
        # The page went first, or does not read: uvicorn drops the connection.
        return


async def _greet(socket: WebSocket, hub: Hub, screen: Screen) -> None:
    hello = _decode(await socket.receive_text())
    if not isinstance(hello, ClientHello):
        raise _Ended(BAD_MESSAGE)
    if hello.v != VERSION:
        raise _Ended(OTHER_VERSION)
    screen.view = hello.sub
    await socket.send_text(hub.hello())


async def _send(socket: WebSocket, hub: Hub, screen: Screen) -> None:
    while True:
        text = await screen.take()
        if text is None:
            if screen.close_code:
                raise _Ended(screen.close_code)
            text = hub.snapshot(screen)
        async with asyncio.timeout(SEND_S):
            await socket.send_text(text)


async def _receive(socket: WebSocket, hub: Hub, screen: Screen) -> None:
    while True:
        said = _decode(await socket.receive_text())
        match said:
            case ClientAck():
                screen.sound, screen.fps = said.snd[:20], said.fps
                hub.acknowledged(screen)
            case ClientResync():
                hub.acknowledged(screen)
                hub.resync(screen)
            case ClientSub():
                hub.move(screen, said.sub)
            case _:
                raise _Ended(BAD_MESSAGE)


async def _watch(socket: WebSocket, session: Session) -> None:
    """An open page keeps its session from becoming idle; what ends the session ends the page's connection."""
    users = gate_of(socket).users
    while users.alive(session):
        users.use(session)
        await asyncio.sleep(SESSION_CHECK_S)
    raise _Ended(EXPIRED)


def _decode(text: str) -> object:
    try:
        return from_client.decode(text)
    except msgspec.MsgspecError:
        raise _Ended(BAD_MESSAGE) from None
