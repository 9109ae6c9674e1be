"""Merging: the readings of many messages become one columnar batch per lane and window. Pure.

A *lane* is a partition of `readings` or `backfill`. Rows stay in the order in which they arrived. A message is
complete when every part of it is appended; a part is what the message has in one lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ingest.acks import Ticket
from ingest.decoding import Int64Array
from ingest.directory import Columns
from schemas.batch import Batch

RECORD_ROWS = 8192
"""Rows of one record: 30 bytes each, so a quarter of the megabyte that a topic takes."""


class Lane(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class _Piece(NamedTuple):
    columns: Columns
    event_ns: int | Int64Array
    sequence: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from a lane to be appended, in order, and the tickets that have a part in it."""

    batches: tuple[Batch, ...]
    tickets: tuple[Ticket, ...]

    @property
    def rows(self) -> int:
        return sum(map(len, self.batches))


class Batcher:
    """Collects parts until they are taken. `full` says that no more should be added before something is taken."""

    def __init__(self, max_rows: int = 500_000, record_rows: int = RECORD_ROWS) -> None:
        self._max_rows = max_rows
        self._record_rows = record_rows
        self._pieces: dict[Lane, list[_Piece]] = {}
        self._tickets: dict[Lane, list[Ticket]] = {}
        self.rows = 0

    @property
    def full(self) -> bool:
        return self.rows >= self._max_rows

    def add(self, lane: Lane, columns: Columns, event_ns: int | Int64Array, sequence: int, ticket: Ticket) -> None:
        """One part of a message. `event_ns` is one time for all rows, or one each."""
        self._pieces.setdefault(lane, []).append(_Piece(columns, event_ns, sequence))
        self._tickets.setdefault(lane, []).append(ticket)
        ticket.open_parts += 1
        self.rows += len(columns.number)

    def lanes(self) -> list[Lane]:
        """The lanes that have something to take."""
        return [lane for lane, pieces in self._pieces.items() if pieces]

    def take(self, lane: Lane) -> Taken | None:
        """Everything that waits in the lane, None when nothing does."""
        pieces = self._pieces.pop(lane, None)
        if not pieces:
            return None
        merged = _merged(pieces)
        self.rows -= len(merged)
        size = self._record_rows
        batches = [merged.rows(slice(at, at + size)) for at in range(0, len(merged), size)]
        return Taken(tuple(batches), tuple(self._tickets.pop(lane)))

    def clear(self) -> None:
        """Forget everything that waits; its tickets will never complete."""
        self._pieces.clear()
        self._tickets.clear()
        self.rows = 0


def appended(taken: Taken) -> list[Ticket]:
    """Note that all of this is in the log; the tickets that are complete by it, in order."""
    complete = []
    for ticket in taken.tickets:
        ticket.open_parts -= 1
        if ticket.open_parts == 0:
            complete.append(ticket)
    return complete


def _merged(pieces: Sequence[_Piece]) -> Batch:
    count = sum(len(piece.columns.number) for piece in pieces)
    event_ns, sequence = np.empty(count, np.int64), np.empty(count, np.int64)
    quality = np.zeros(count, np.int16)
    at = 0
    for columns, times, number in pieces:
        end = at + len(columns.number)
        event_ns[at:end] = times
        sequence[at:end] = number
        if columns.quality is not None:
            quality[at:end] = columns.quality
        at = end
    return Batch(
        np.concatenate([piece.columns.number for piece in pieces]),
        event_ns,
        np.concatenate([piece.columns.value for piece in pieces]),
        quality,
        sequence,
    )
