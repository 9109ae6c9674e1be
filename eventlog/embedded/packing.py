"""How the records of one group commit lie in one blob ("chunk"): a fixed header per record, then its bytes.

A record is `<offset - first offset: u32> <key: u32> <kind: u16> <value: u32>`, little-endian, followed by the three
byte strings.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from eventlog.port import LogError, NewRecord, Record

_HEAD = struct.Struct("<IIHI")
RECORD_OVERHEAD = _HEAD.size


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records of one partition: `first` and `last` are offsets, `body` is what `pack` made."""

    partition: int
    first: int
    last: int
    append_ns: int
    crc: int
    body: bytes


def stored_size(record: NewRecord) -> int:
    """Bytes that a record takes in a chunk, near enough for dividing work."""
    return RECORD_OVERHEAD + len(record.key) + len(record.kind) + len(record.value)


def pack(partition: int, first: int, append_ns: int, records: Sequence[NewRecord]) -> Chunk:
    """A chunk of `records`, which get the offsets `first`, `first + 1`, ..."""
    pieces: list[bytes] = []
    for index, record in enumerate(records):
        kind = record.kind.encode()
        pieces += (_HEAD.pack(index, len(record.key), len(kind), len(record.value)), record.key, kind, record.value)
    body = b"".join(pieces)
    return Chunk(partition, first, first + len(records) - 1, append_ns, crc32(body), body)


def unpack(topic: str, chunk: Chunk) -> Iterator[Record]:
    """The records of `chunk`, in order. Raises `LogError` when its bytes are not those that were written."""
    body = chunk.body
    if crc32(body) != chunk.crc:
        raise LogError(
            f"{topic}/{chunk.partition}: the records from offset {chunk.first} to {chunk.last} are damaged on disk "
            "(checksum differs); check the disk, then restore the log from a backup"
        )
    at = 0
    while at < len(body):
        index, key_len, kind_len, value_len = _HEAD.unpack_from(body, at)
        key_at = at + RECORD_OVERHEAD
        kind_at = key_at + key_len
        value_at = kind_at + kind_len
        at = value_at + value_len
        yield Record(
            topic,
            chunk.partition,
            chunk.first + index,
            chunk.append_ns,
            body[key_at:kind_at],
            body[kind_at:value_at].decode(),
            body[value_at:at],
        )
