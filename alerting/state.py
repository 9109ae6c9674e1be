"""Snapshots of the book in the compacted topic `state` (LAWS B4): where a fold without a file, or a screen, starts.

A snapshot travels in parts, each a record of its own: a line of JSON that says which snapshot and which part, then the
bytes. The key is `partition/writer/slot/part`. A writer takes its two slots in turn, so that one of them is complete
even if it is killed half-way, or a forgotten copy of it writes the other. Readers take the highest complete one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import msgspec

from alerting.snapshot import Header
from schemas.registry import Struct

PART_BYTES = 512 << 10


class StateRecord(NamedTuple):
    """A record of `state`, of kind `Kind.SNAPSHOT`."""

    key: bytes
    value: bytes


class PartHeader(Struct, frozen=True, kw_only=True):
    """The first line of a record. `digest` is the SHA-256 of the whole snapshot and tells it from every other."""

    digest: str
    incarnation: int
    next_offset: int
    part: int
    parts: int


_decoder = msgspec.json.Decoder(PartHeader)


class StateWriter:
    """Cuts the snapshots of one writer into records. `writer` is the process's stable name, such as its rank."""

    def __init__(self, partition: int, writer: str, part_bytes: int = PART_BYTES) -> None:
        self._prefix = f"{partition}/{writer}"
        self._part_bytes = part_bytes
        self._slot = 0

    def records(self, snapshot: bytes, header: Header) -> list[StateRecord]:
        """The records of a snapshot, to be appended in this order."""
        self._slot ^= 1
        digest = sha256(snapshot).hexdigest()
        pieces = [snapshot[start : start + self._part_bytes] for start in range(0, len(snapshot), self._part_bytes)]
        return [
            StateRecord(
                f"{self._prefix}/{self._slot}/{part}".encode(),
                msgspec.json.encode(
                    PartHeader(
                        digest=digest,
                        incarnation=header.incarnation,
                        next_offset=header.next_offset,
                        part=part,
                        parts=len(pieces),
                    )
                )
                + b"\n"
                + piece,
            )
            for part, piece in enumerate(pieces)
        ]


def highest_complete(records: Iterable[tuple[bytes, bytes]], partition: int, incarnation: int) -> bytes | None:
    """The snapshot of `partition` with the highest position of which every part is there and fits; None without one.

    `records` are (key, value) in the order of the log; a later one of the same key stands for an earlier.
    """
    latest = {key: value for key, value in records if key.startswith(b"%d/" % partition)}
    found: dict[tuple[int, bytes, str], dict[int, bytes]] = defaultdict(dict)
    parts: dict[tuple[int, bytes, str], int] = {}
    for key, value in latest.items():
        line, _, piece = value.partition(b"\n")
        try:
            header = _decoder.decode(line)
        except msgspec.MsgspecError:
            continue
        if header.incarnation == incarnation:
            which = (header.next_offset, key.rpartition(b"/")[0], header.digest)
            found[which][header.part] = piece
            parts[which] = header.parts
    for which in sorted(found, reverse=True):
        pieces = found[which]
        if set(pieces) == set(range(parts[which])):
            snapshot = b"".join(pieces[part] for part in range(parts[which]))
            if sha256(snapshot).hexdigest() == which[2]:
                return snapshot
    return None
