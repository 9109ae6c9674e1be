"""The measured values as a page can draw them: the lowest and the highest of each tag in a few hundred bins of time,
whatever the length of the recording, which nobody knows before its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hazwatch.replay.feed import Instant
from schemas.quality import Quality
from schemas.registry import Tag
from schemas.time import SECOND

BINS = 600
HELD_ROWS = 100_000
Floats = npt.NDArray[np.float32]


class Trace(NamedTuple):
    """Bins with values in them: when each begins, and the lowest and the highest value. Arrays of shape (n,)."""

    begin_ns: npt.NDArray[np.int64]
    width_ns: int
    low: Floats
    high: Floats


class Traces:
    """Takes the good and uncertain values of instants; bins grow to twice their width whenever they do not suffice."""

    def __init__(self, tags: Iterable[Tag], bins: int = BINS) -> None:
        living = [tag for tag in tags if not tag.retired]
        self._row = {tag.name: i for i, tag in enumerate(living)}
        self._row_of = np.full(max((tag.number for tag in living), default=0) + 1, -1, np.int32)
        self._row_of[np.array([tag.number for tag in living], np.int64)] = np.arange(len(living))
        self._low = np.full((len(living), bins), np.inf, np.float32)
        self._high = np.full((len(living), bins), -np.inf, np.float32)
        self._bins = bins
        self._width_ns = SECOND
        self._first_ns = 0
        self._held: list[Instant] = []
        self._rows = 0

    def add(self, instant: Instant) -> None:
        """Take an instant; they come in the order of time."""
        self._first_ns = self._first_ns or instant.append_ns
        self._held.append(instant)
        self._rows += len(instant.readings.tag)
        if self._rows >= HELD_ROWS:
            self._flush()

    def of(self, name: str) -> Trace | None:
        """The trace of a tag, None when it had no value."""
        self._flush()
        row = self._row.get(name)
        if row is None:
            return None
        found = np.flatnonzero(np.isfinite(self._low[row]))
        if not len(found):
            return None
        begin = self._first_ns + found * np.int64(self._width_ns)
        return Trace(begin, self._width_ns, self._low[row, found], self._high[row, found])

    def _flush(self) -> None:
        if not self._held:
            return
        held, self._held, self._rows = self._held, [], 0
        while held[-1].append_ns - self._first_ns >= self._bins * self._width_ns:
            self._double()
        at = np.repeat([one.append_ns for one in held], [len(one.readings.tag) for one in held])
        number = np.concatenate([one.readings.tag for one in held])
        value = np.concatenate([one.readings.value for one in held]).astype(np.float32)
        quality = np.concatenate([one.readings.quality for one in held])
        use = np.isfinite(value) & (quality < Quality.BAD)
        row, place = self._row_of[number[use]], (at[use] - self._first_ns) // self._width_ns
        np.minimum.at(self._low, (row, place), value[use])
        np.maximum.at(self._high, (row, place), value[use])

    def _double(self) -> None:
        half = self._bins // 2
        for values, join, empty in ((self._low, np.minimum, np.inf), (self._high, np.maximum, -np.inf)):
            values[:, :half] = join(values[:, 0::2], values[:, 1::2])
            values[:, half:] = empty
        self._width_ns *= 2
