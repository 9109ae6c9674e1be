"""Snapshots of the book in the compacted topic `state` (LAWS B4): where a fold without a file, or a screen, starts.

One record per partition and writer, so that a forgotten copy of an old writer can hide nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterable

from alerting.snapshot import SnapshotRefused, decode


def state_key(partition: int, writer: str) -> bytes:
    """The key of a writer's snapshots. `writer` is the process's stable name."""
    return f"{partition}/{writer}".encode()


def furthest_first(records: Iterable[tuple[bytes, bytes]], partition: int) -> list[bytes]:
    """The snapshots of a partition that can be read, the highest position first.

    `records` are (key, value) in the order of the log; a later one of the same key stands for an earlier.
    """
    latest = {key: value for key, value in records if key.startswith(b"%d/" % partition)}
    found = []
    for value in latest.values():
        try:
            header = decode(value).header
        except SnapshotRefused:
            continue
        found.append(((header.incarnation, header.next_offset), value))
    return [value for _, value in sorted(found, key=lambda item: item[0], reverse=True)]
