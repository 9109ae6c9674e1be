"""The latest value of every tag, in arrays; a batch is folded in without a loop over its readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.batch import Batch, concat
from schemas.quality import Quality
from schemas.time import SECOND, effective_times

Ints = npt.NDArray[np.int64]
LATENESS_NS = 10 * SECOND
MAX_TAG_NUMBER = 4_000_000


@dataclass(frozen=True, slots=True)
class Stamped:
    """Readings of one or many records, in columns of shape (n,): effective time and append time beside each."""

    tag: Ints
    at_ns: Ints
    append_ns: Ints
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]

    @classmethod
    def of(cls, batches: Sequence[tuple[Batch, int]]) -> Stamped:
        """From (batch, append time of its record), in order."""
        whole = concat([batch for batch, _ in batches])
        return cls(
            whole.tag.astype(np.int64),
            np.concatenate([effective_times(batch.event_ns, append_ns)[0] for batch, append_ns in batches]),
            np.repeat([append_ns for _, append_ns in batches], [len(batch) for batch, _ in batches]),
            whole.value,
            whole.quality,
        )


class Latest:
    """Value, quality and effective time per tag; rows are given out to tag numbers as they appear or are registered.

    A reading replaces the one shown unless it is older; a tag that has been silent for 10 s of append time takes any
    reading (LAWS L2: a gateway whose clock fell back must not be history for ever).
    """

    def __init__(self, capacity: int = 256) -> None:
        self._row_of = np.full(1024, -1, np.int32)
        self.count = 0
        self.numbers = np.zeros(capacity, np.int64)
        self.value = np.full(capacity, np.nan)
        self.quality = np.full(capacity, int(Quality.NO_VALUE), np.int16)
        self.at_ns = np.zeros(capacity, np.int64)
        self.seen_ns = np.zeros(capacity, np.int64)
        self._dirty = np.zeros(capacity, np.bool_)

    def ensure(self, numbers: npt.NDArray[np.int64]) -> None:
        """Give rows to tag numbers that have none. Numbers outside 1 to 4 000 000 are passed over."""
        inside = numbers[(numbers > 0) & (numbers <= MAX_TAG_NUMBER)]
        if not len(inside):
            return
        top = int(inside.max())
        if top < len(self._row_of) and (self._row_of[inside] >= 0).all():
            return  # nothing new, as nearly always: sorting to find that out would cost more than all the rest
        wanted = np.unique(inside)
        if top >= len(self._row_of):
            grown = np.full(max(top + 1, 2 * len(self._row_of)), -1, np.int32)
            grown[: len(self._row_of)] = self._row_of
            self._row_of = grown
        new = wanted[self._row_of[wanted] < 0]
        if not len(new):
            return
        self._reserve(self.count + len(new))
        rows = np.arange(self.count, self.count + len(new))
        self._row_of[new] = rows
        self.numbers[rows] = new
        self.count += len(new)

    def _reserve(self, rows: int) -> None:
        if rows <= len(self.value):
            return
        extra = max(rows, 2 * len(self.value)) - len(self.value)
        self.numbers = np.concatenate([self.numbers, np.zeros(extra, np.int64)])
        self.value = np.concatenate([self.value, np.full(extra, np.nan)])
        self.quality = np.concatenate([self.quality, np.full(extra, int(Quality.NO_VALUE), np.int16)])
        self.at_ns = np.concatenate([self.at_ns, np.zeros(extra, np.int64)])
        self.seen_ns = np.concatenate([self.seen_ns, np.zeros(extra, np.int64)])
        self._dirty = np.concatenate([self._dirty, np.zeros(extra, np.bool_)])

    def row(self, number: int) -> int:
        """The row of a tag number, -1 when it has none."""
        return int(self._row_of[number]) if 0 < number < len(self._row_of) else -1

    def apply(self, readings: Stamped) -> npt.NDArray[np.intp]:
        """Fold in readings; returns the row of each, shape (n,), -1 for a number that cannot be a tag's.

        Only the newest reading of each tag counts; among equals the last one.
        """
        numbers = readings.tag
        self.ensure(numbers)
        inside = (numbers > 0) & (numbers <= MAX_TAG_NUMBER)
        rows = np.where(inside, self._row_of[np.where(inside, numbers, 0)], -1).astype(np.intp)
        newest = self._newest(rows, readings)
        chosen = rows[newest]
        self.value[chosen] = readings.value[newest]
        self.quality[chosen] = readings.quality[newest]
        self.at_ns[chosen] = readings.at_ns[newest]
        self.seen_ns[chosen] = readings.append_ns[newest]
        self._dirty[chosen] = True
        return rows

    def _newest(self, rows: npt.NDArray[np.intp], readings: Stamped) -> npt.NDArray[np.intp]:
        """The index of the newest acceptable reading of each tag."""
        at = readings.at_ns
        silent = readings.append_ns - self.seen_ns[rows] > LATENESS_NS
        index = np.flatnonzero((rows >= 0) & ((at >= self.at_ns[rows]) | silent))
        if not len(index):
            return index
        order = index[np.lexsort((index, at[index], rows[index]))]
        last = np.ones(len(order), np.bool_)
        last[:-1] = rows[order[1:]] != rows[order[:-1]]
        return order[last]

    def take_dirty(self) -> npt.NDArray[np.intp]:
        """The rows that changed since the last call."""
        rows = np.flatnonzero(self._dirty[: self.count])
        self._dirty[rows] = False
        return rows
