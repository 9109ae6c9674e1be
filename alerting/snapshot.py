"""The book in bytes: `hazwatch.book/1 <sha-256 of the rest>\\n`, then zlib over JSON.

A snapshot is a cache. One of another version, or that was cut or changed, is refused with the reason.
"""

from __future__ import annotations

import zlib
from hashlib import sha256

import msgspec

from alerting.conditions import ConditionState
from alerting.outbox import OutboxState
from schemas.alarms import Outcome
from schemas.nowclock import NowState
from schemas.registry import Route, Struct

VERSION = 1
_MAGIC = b"hazwatch.book/"


class SnapshotRefused(ValueError):
    """These bytes are no snapshot that this version can go on from."""


class Header(Struct, frozen=True, kw_only=True):
    """What a driver checks before it goes on from a snapshot (LAWS C2). `last_checksum` is the CRC-32 of the value of
    the record at `last_offset`, -1 when no record was applied."""

    partition: int
    incarnation: int
    next_offset: int
    last_offset: int
    last_checksum: int
    revision: int


class BookState(Struct, frozen=True, kw_only=True):
    """Everything a book knows."""

    header: Header
    now: NowState
    conditions: tuple[ConditionState, ...] = ()
    commands: tuple[tuple[str, Outcome], ...] = ()
    outbox: OutboxState = OutboxState()
    until: dict[str, int] = {}
    routes: tuple[Route, ...] = ()
    parks: tuple[str, ...] = ()
    pruned_ns: int = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(BookState)


def encode(state: BookState) -> bytes:
    body = zlib.compress(_encoder.encode(state), 1)
    return b"%s%d %s\n%s" % (_MAGIC, VERSION, sha256(body).hexdigest().encode(), body)


def decode(data: bytes) -> BookState:
    """Raises `SnapshotRefused`."""
    line, _, body = data.partition(b"\n")
    version, _, checksum = line.removeprefix(_MAGIC).partition(b" ")
    if not line.startswith(_MAGIC) or not version.isdigit():
        raise SnapshotRefused("this is no snapshot of an alarm book")
    if int(version) != VERSION:
        raise SnapshotRefused(f"the snapshot has version {int(version)}, this program reads version {VERSION}")
    if sha256(body).hexdigest().encode() != checksum:
        raise SnapshotRefused("the snapshot is cut or changed: its checksum does not fit")
    try:
        return _decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise SnapshotRefused(f"the snapshot cannot be read: {error}") from None


def record_checksum(value: bytes) -> int:
    """The checksum of a record's value as a header holds it."""
    return zlib.crc32(value)
