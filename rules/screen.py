"""Readings that change nothing are kept away from a rule's kernel.

Nearly all readings of a healthy plant lie where a quiet condition does not care: below its limits, or anywhere at all
for a rule that waits for silence. For a kind that says where that is (`Kind.calm`), this keeps two numbers per tag, 8
bytes together, so that half a million tags need one look at 4 MB instead of several at 100 MB. The numbers follow from
the state of the conditions and are never stored: a tag with a condition that is not quiet has no room between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel
from rules.rulebook import CompiledRule
from schemas.quality import FIRST_UNCERTAIN


@kernel
def _screened(n, index, value, quality, calm, kept):  # type: ignore[no-untyped-def]
    """Copy `index` to `kept`, with -1 for rows that change nothing; returns how many are left."""
    left = 0
    for i in range(n):
        j = index[i]
        kept[i] = j
        if j >= 0:
            v = value[i]
            if v > calm[j, 0] and v < calm[j, 1] and quality[i] < FIRST_UNCERTAIN:
                kept[i] = -1
            else:
                left += 1
                # it may wake the tag, so the rows behind it in this batch are judged too; `_settled` looks again
                calm[j, 0] = np.inf
                calm[j, 1] = -np.inf
    return left


@kernel
def _settled(n, index, first, members, conditions, above, below, calm):  # type: ignore[no-untyped-def]
    """Work out the two numbers of the tags of n rows anew."""
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        low = np.float32(-np.inf)
        high = np.float32(np.inf)
        for k in range(first[j], first[j + 1]):
            c = members[k]
            if conditions[c]["quiet"] == 0:
                low = np.float32(np.inf)
            low = max(low, above[c])
            high = min(high, below[c])
        calm[j, 0] = low
        calm[j, 1] = high


class Screen:
    """The two numbers of every tag of one rule, each of whose conditions has one tag."""

    def __init__(self, compiled: CompiledRule, conditions: npt.NDArray[np.void]) -> None:
        assert compiled.kind.calm is not None and not compiled.slot.any()
        above, below = compiled.kind.calm(compiled.params)
        self._above = _towards(np.broadcast_to(above, len(conditions)), np.inf)
        self._below = _towards(np.broadcast_to(below, len(conditions)), -np.inf)
        self._compiled = compiled
        self._calm = np.empty((len(compiled.first) - 1, 2), np.float32)
        self._all = np.arange(len(self._calm), dtype=np.int32)
        self._kept = np.empty(0, np.int32)
        self.settle(self._all, conditions)

    def kept(
        self, n: int, index: npt.NDArray[np.int32], value: npt.NDArray[np.float64], quality: npt.NDArray[np.int16]
    ) -> npt.NDArray[np.int32] | None:
        """The index with -1 for every row that changes nothing; None when no row is left. Good until the next call."""
        if n > len(self._kept):
            self._kept = np.empty(len(index), np.int32)
        return self._kept if _screened(n, index, value, quality, self._calm, self._kept) else None

    def settle(self, index: npt.NDArray[np.int32], conditions: npt.NDArray[np.void]) -> None:
        """Take note that the conditions of these tags may have changed."""
        c = self._compiled
        _settled(len(index), index, c.first, c.members, conditions, self._above, self._below, self._calm)

    def settle_all(self, conditions: npt.NDArray[np.void]) -> None:
        self.settle(self._all, conditions)


def _towards(given: npt.ArrayLike, side: float) -> npt.NDArray[np.float32]:
    """Rounded to single precision so that the room between the two numbers gets no larger. NaN leaves no room."""
    exact = np.asarray(given, np.float64)
    exact = np.where(np.isnan(exact), side, exact)
    rounded = exact.astype(np.float32)
    beyond = rounded < exact if side > 0 else rounded > exact
    return np.where(beyond, np.nextafter(rounded, np.float32(side)), rounded).astype(np.float32)
