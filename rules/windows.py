"""Samples that a kind keeps of its conditions: rings in one pool, and a journal that can take writes back.

A kind with a `window_dtype` gets a `Held` in the place of its memory. The ring of condition c is
`samples[first[c]:first[c + 1]]`; where it begins and how much of it is filled the kind keeps in `own[c]`. Before a row
changes a sample it calls `remember`, so that a kernel which throws half-way costs the others nothing (LAWS C7): copying
whole rings before every row would cost more than the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel


class Held(NamedTuple):
    """What a kind with windows keeps. `slot[k]` is the place, in its condition's tags, of the tag that `members[k]` is
    listed under."""

    own: npt.NDArray[Any]
    samples: npt.NDArray[Any]
    first: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int32]
    journal: npt.NDArray[Any]
    journal_at: npt.NDArray[np.int64]
    written: npt.NDArray[np.int64]


@kernel
def remember(held, k):  # type: ignore[no-untyped-def]
    """Note what sample k was; to be called before it is changed, at most once for a row and condition."""
    m = held.written[0]
    held.journal[m] = held.samples[k]
    held.journal_at[m] = k
    held.written[0] = m + 1


class Windows:
    """The rings of one rule's conditions."""

    def __init__(self, dtype: np.dtype[np.void], sizes: Sequence[int], slot: npt.NDArray[np.int32]) -> None:
        self.first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self.samples = np.zeros(int(self.first[-1]), dtype)
        self._slot = slot
        self._written = np.zeros(1, np.int64)
        self.grow(0)

    def grow(self, rows: int) -> None:
        """Room in the journal for so many pairs of row and condition."""
        self._journal = np.zeros(rows, self.samples.dtype)
        self._journal_at = np.zeros(rows, np.int64)

    def begin(self, own: npt.NDArray[Any]) -> Held:
        """For a call of a kernel: whatever is written from here on can be taken back."""
        self._written[0] = 0
        return Held(own, self.samples, self.first, self._slot, self._journal, self._journal_at, self._written)

    def undo(self) -> None:
        """Take back what was written since `begin`, newest first."""
        for m in reversed(range(int(self._written[0]))):
            self.samples[self._journal_at[m]] = self._journal[m]
        self._written[0] = 0

    def inherit(self, mine: int, old: Windows, its: int) -> bool:
        """Take over the ring of a condition; False, and nothing is done, where it has another size now."""
        here, there = self._ring(mine), old._ring(its)
        if len(here) != len(there) or here.dtype != there.dtype:
            return False
        here[...] = there
        return True

    def seat(
        self, mine: int, old: Windows, its: int, numbers: Sequence[int], places: Sequence[int]
    ) -> npt.NDArray[Any]:
        """Take over the samples of tags that may have other places now: that of the tag `numbers[k]` was at `places[k]`
        before, or nowhere (-1). Returns the ring."""
        here, there = self._ring(mine), old._ring(its)
        for k, (number, place) in enumerate(zip(numbers, places, strict=True)):
            if place >= 0 and there[place]["number"] == number:
                here[k] = there[place]
        return here

    def _ring(self, c: int) -> npt.NDArray[Any]:
        return self.samples[self.first[c] : self.first[c + 1]]
