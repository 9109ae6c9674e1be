"""Where the writer stands in the log: read at the start, moved on in the transaction that stores the rows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from psycopg import AsyncConnection

from eventlog.port import Bounds
from historian.errors import HistoryRefused, PositionLost
from historian.sqlfiles import queries

log = logging.getLogger(__name__)
_SQL = queries("positions")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = 4_102_444_800_000_000


class Source(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Move:
    """From offset `expected` to `next_offset`; everything appended up to `complete_ns` is stored then."""

    source: Source
    expected: int
    next_offset: int
    complete_ns: int


class GapReason(StrEnum):
    GONE = "gone"  # retention of the log has passed the position
    BEYOND = "beyond"  # the log ends before the position: it was restored or recreated
    UNREADABLE = "unreadable"  # one record is not what its kind promises
    REFUSED = "refused"  # the database does not take one record's content


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets `start` <= o < `end` of a partition are not in the history."""

    source: Source
    start: int
    end: int
    reason: GapReason
    detail: str


def utc(ns: int) -> datetime:
    """An instant as the database takes it, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


async def standing(conn: AsyncConnection, source: Source, incarnation: int, bounds: Bounds) -> int:
    """The offset to read next. A partition that was never read, and a new incarnation, start at the log's first record.

    Raises `HistoryRefused` when the database has seen a newer incarnation of the log than this one.
    """
    place = {"topic": source.topic, "partition": source.partition}
    row = await (await conn.execute(_SQL["load"], place)).fetchone()
    if row is not None and row[0] == incarnation:
        return int(row[1])
    if row is not None and row[0] > incarnation:
        raise HistoryRefused(
            f"{source.topic}/{source.partition}: this log is incarnation {incarnation}, but the history is of "
            f"incarnation {row[0]}; connect the newer log, or use another database"
        )
    if row is not None:
        log.error(
            "%s/%d: the log is a new incarnation (%d after %d); reading it from its start, what is stored stays",
            *(source.topic, source.partition, incarnation, row[0]),
        )
    await conn.execute(_SQL["start"], {**place, "incarnation": incarnation, "next_offset": bounds.start})
    return bounds.start


async def advance(conn: AsyncConnection, incarnation: int, moves: Sequence[Move]) -> None:
    """Move the positions on, all or none. Raises `PositionLost` when another writer has moved one."""
    moved = await conn.execute(
        _SQL["advance"],
        {
            "incarnation": incarnation,
            "topics": [m.source.topic for m in moves],
            "partitions": [m.source.partition for m in moves],
            "expected": [m.expected for m in moves],
            "next_offsets": [m.next_offset for m in moves],
            "complete_to": [_plausible(m.complete_ns) for m in moves],
        },
    )
    if moved.rowcount != len(moves):
        raise PositionLost(f"{len(moves) - moved.rowcount} of {len(moves)} positions were moved by another writer")


async def note_gap(conn: AsyncConnection, incarnation: int, gap: Gap) -> None:
    """Write down what is missing."""
    await conn.execute(
        _SQL["gap"],
        {
            "topic": gap.source.topic,
            "partition": gap.source.partition,
            "incarnation": incarnation,
            "from_offset": gap.start,
            "to_offset": gap.end,
            "reason": gap.reason,
            "detail": gap.detail.replace("\0", "\ufffd")[:500],
        },
    )


def _plausible(ns: int) -> datetime:
    """A broker's clock may stand anywhere; a year 2100 is as far as it may push the history's completeness."""
    return _EPOCH + timedelta(microseconds=min(max(ns // 1000, 0), _LATEST_US))
