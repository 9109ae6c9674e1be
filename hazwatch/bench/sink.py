"""The receiver of webhooks: a process of its own that notes when each came, and answers at once.

    python -m hazwatch.bench.sink PORT-FILE RESULT-FILE

It ends at SIGTERM, after writing what it received; a GET is answered with the number of webhooks so far. A bare
HTTP/1.1 server on asyncio: what it costs counts.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"


class Hook(msgspec.Struct, frozen=True, array_like=True):
    """A webhook: the alarm's tag and onset, the notice's id, and when its last byte came (wall time)."""

    tag: int
    onset_ns: int
    notice: str
    arrived_ns: int


class _Alarm(msgspec.Struct):
    tag: int = 0
    onset_ns: int = 0


class _Data(msgspec.Struct):
    notice: str
    alarm: _Alarm


class _Body(msgspec.Struct):
    data: _Data


class Sink(asyncio.Protocol):
    """One connection; requests may follow each other on it."""

    def __init__(self, received: list[tuple[int, bytes]]) -> None:
        self._received = received
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            size = _content_length(head) if found else 0
            if not found or len(rest) < size:
                return
            self._buffer = rest[size:]
            said = b""
            if head.startswith(b"GET "):
                said = b"%d" % len(self._received)
            else:
                self._received.append((time.time_ns(), rest[:size]))
            assert self._transport is not None
            self._transport.write(_ANSWER % (len(said), said))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(announce: Callable[[int], object]) -> list[tuple[int, bytes]]:
    """Listen on a free port, which `announce` is told, until SIGTERM; what came, with its time of arrival."""
    received: list[tuple[int, bytes]] = []
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Sink(received), "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    return received


def hooks(received: list[tuple[int, bytes]]) -> list[Hook]:
    """What was received, read. Raises msgspec.MsgspecError for a body that is no webhook of ours."""
    bodies = msgspec.json.Decoder(_Body)
    return [
        Hook(body.data.alarm.tag, body.data.alarm.onset_ns, body.data.notice, arrived)
        for arrived, body in ((arrived, bodies.decode(body)) for arrived, body in received)
    ]


def main(port_file: Path, result: Path) -> None:
    received = asyncio.run(serve(lambda port: port_file.write_text(str(port))))
    result.write_bytes(msgspec.json.encode(hooks(received)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
