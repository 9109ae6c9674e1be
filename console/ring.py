"""The last minutes of every tag in memory: per tag and time slot the lowest, highest and last value and worst quality.

Bad values count for the quality only. Memory is bounded by configuration: with many tags the slots become longer than
a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from console.latest import Stamped
from console.ports import TrendPoint
from schemas.quality import FIRST_BAD
from schemas.time import MINUTE, SECOND

SLOT_BYTES = 8 + 4 + 4 + 4 + 2


class LiveRing:
    """Rings of `slots` time slots per row. Values are kept as float32, times by slot."""

    def __init__(self, minutes: int, budget_bytes: int) -> None:
        self._span_ns = minutes * MINUTE
        self._budget = budget_bytes
        self._allocate(0)

    def _allocate(self, rows: int) -> None:
        span_s = self._span_ns // SECOND
        self.slot_s = max(1, -(-span_s * rows * SLOT_BYTES // self._budget))
        self.slots = -(-span_s // self.slot_s)
        shape = (rows, self.slots)
        self._slot = np.zeros(shape, np.int64)
        self._low = np.zeros(shape, np.float32)
        self._high = np.zeros(shape, np.float32)
        self._last = np.zeros(shape, np.float32)
        self._quality = np.zeros(shape, np.int16)

    @property
    def rows(self) -> int:
        return len(self._slot)

    def resize(self, rows: int) -> None:
        """Make room for `rows` rows. What was kept survives unless the slots have to become longer."""
        if rows <= self.rows:
            return
        old_slot_s, n = self.slot_s, self.rows
        slot, low, high, last, quality = self._slot, self._low, self._high, self._last, self._quality
        self._allocate(rows)
        if self.slot_s == old_slot_s:
            self._slot[:n], self._low[:n], self._high[:n] = slot, low, high
            self._last[:n], self._quality[:n] = last, quality

    def add(self, rows: npt.NDArray[np.intp], readings: Stamped) -> None:
        """Take readings at `rows`, shape (n,), below 0 passed over; what is older than its place holds is dropped."""
        value, quality = readings.value, readings.quality
        slot = readings.at_ns // (self.slot_s * SECOND)
        place = slot % self.slots
        keep = (rows >= 0) & (rows < self.rows)
        keep &= slot >= self._slot[np.where(keep, rows, 0), place]
        if not keep.all():
            rows, slot, place, value, quality = rows[keep], slot[keep], place[keep], value[keep], quality[keep]
        if not len(rows):
            return
        flat = rows * self.slots + place
        slots = self._slot.reshape(-1)
        fresh = slots[flat] < slot
        self._begin(flat[fresh], slot[fresh])
        current = slots[flat] == slot
        flat, value, quality = flat[current], value[current], quality[current]
        numbers = np.where(quality < FIRST_BAD, value, np.nan).astype(np.float32)
        np.fmin.at(self._low.reshape(-1), flat, numbers)
        np.fmax.at(self._high.reshape(-1), flat, numbers)
        self._last.reshape(-1)[flat] = numbers
        np.maximum.at(self._quality.reshape(-1), flat, quality)

    def _begin(self, flat: npt.NDArray[np.intp], slot: npt.NDArray[np.int64]) -> None:
        """Empty the places whose time slot is new; of several new slots at one place the newest wins."""
        np.maximum.at(self._slot.reshape(-1), flat, slot)
        for array in (self._low, self._high, self._last):
            array.reshape(-1)[flat] = np.nan
        self._quality.reshape(-1)[flat] = 0

    def trend(self, row: int, start_ns: int, end_ns: int) -> Sequence[TrendPoint]:
        """What is kept of a row in [start, end), oldest first."""
        if not 0 <= row < self.rows:
            return ()
        slots = self._slot[row]
        length = self.slot_s * SECOND
        index = np.flatnonzero((slots > 0) & (slots * length >= start_ns - length) & (slots * length < end_ns))
        index = index[np.argsort(slots[index], kind="stable")]
        return [
            _point(
                int(slots[i]) * length,
                self._low[row, i],
                self._high[row, i],
                self._last[row, i],
                self._quality[row, i],
            )
            for i in index
        ]


def _point(at_ns: int, low: np.float32, high: np.float32, last: np.float32, quality: np.int16) -> TrendPoint:
    def number(value: np.float32) -> float | None:
        return float(f"{value:.6g}") if np.isfinite(value) else None

    return TrendPoint(at_ns, number(low), number(high), number(last), int(quality))
