"""Which rules watch which tag, so that a record asks only the rules that it concerns.

A park has hundreds of rules, each over a few of its tags, and many records hold a single reading: asking every rule
what it thinks of such a record would cost more than all that is judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel
from rules.rulebook import CompiledRule


@kernel
def _concerned(n, index, first, rules, mask):  # type: ignore[no-untyped-def]
    """Mark the rules that watch the tags of n rows."""
    for i in range(n):
        j = index[i]
        if j >= 0:
            for k in range(first[j], first[j + 1]):
                mask[rules[k]] = True


class Watchers:
    """The rules of every tag of a partition: those of tag j are `rules[first[j]:first[j + 1]]`, by their places."""

    def __init__(self, compiled: Sequence[CompiledRule], tags: int) -> None:
        watched = [np.flatnonzero(np.diff(rule.first)) for rule in compiled]
        tag = np.concatenate([np.empty(0, np.int64), *watched])
        rule = np.repeat(np.arange(len(compiled), dtype=np.int32), [len(w) for w in watched])
        self._rules = rule[np.argsort(tag, kind="stable")]
        self._first = np.concatenate([[0], np.cumsum(np.bincount(tag, minlength=tags))]).astype(np.int64)
        self._mask = np.zeros(len(compiled), np.bool_)

    def of(self, n: int, index: npt.NDArray[np.int32]) -> list[int]:
        """The places, in order, of the rules that watch any tag of the first n rows."""
        self._mask[:] = False
        _concerned(n, index, self._first, self._rules, self._mask)
        places: list[int] = np.flatnonzero(self._mask).tolist()
        return places
