"""What the processes of one machine say to each other over the log's socket: MessagePack frames behind a 4-byte
length.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TypeAlias

import msgspec

VERSION = 1
MAX_FRAME = 64 << 20
_LENGTH = struct.Struct("<I")


class Hello(msgspec.Struct, tag=0, array_like=True, frozen=True):
    """First frame of a client."""

    version: int


class Append(msgspec.Struct, tag=1, array_like=True, frozen=True):
    """Append `records` (key, kind, value); answered by `Appended` or `Failed`."""

    request: int
    topic: str
    partition: int
    records: list[tuple[bytes, str, bytes]]


class Wait(msgspec.Struct, tag=2, array_like=True, frozen=True):
    """Answer `Woken` once the end lies beyond `offset`, or when `wait_s` has passed."""

    request: int
    topic: str
    partition: int
    offset: int
    wait_s: float


class Cancel(msgspec.Struct, tag=3, array_like=True, frozen=True):
    """The client no longer wants the answer to a `Wait`."""

    request: int


class Welcome(msgspec.Struct, tag=10, array_like=True, frozen=True):
    """First frame of the server."""

    version: int


class Appended(msgspec.Struct, tag=11, array_like=True, frozen=True):
    """The records stand at `first`, `first + 1`, ..."""

    request: int
    first: int
    append_ns: int


class Woken(msgspec.Struct, tag=12, array_like=True, frozen=True):
    """Answer to `Wait`."""

    request: int


class Failed(msgspec.Struct, tag=13, array_like=True, frozen=True):
    """What was asked could not be done; `error` is the name of a class of `eventlog.port`."""

    request: int
    error: str
    message: str


Request: TypeAlias = Hello | Append | Wait | Cancel
Reply: TypeAlias = Welcome | Appended | Woken | Failed

_encoder = msgspec.msgpack.Encoder()
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


class BadFrame(Exception):
    """The peer does not speak this protocol."""


def frame(message: Request | Reply) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame's body. Raises `asyncio.IncompleteReadError` at the end of the stream, `BadFrame`."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > MAX_FRAME:
        raise BadFrame(f"a frame of {length} bytes")
    return await reader.readexactly(length)
