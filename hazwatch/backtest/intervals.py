"""Sets of time as sorted, disjoint (begin, end) pairs in ns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Interval = tuple[int, int]


def union(pairs: Iterable[Interval]) -> list[Interval]:
    """The time that lies in any of the pairs."""
    out: list[Interval] = []
    for begin, end in sorted(pairs):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def within(pairs: Iterable[Interval], begin: int, end: int) -> list[Interval]:
    """What of the pairs lies between `begin` and `end`."""
    cut = ((max(a, begin), min(b, end)) for a, b in pairs)
    return [(a, b) for a, b in cut if a <= b]


def without(pairs: Iterable[Interval], holes: Sequence[Interval]) -> list[Interval]:
    """The time of the pairs that lies in no hole; both are unions already."""
    out: list[Interval] = []
    k = 0
    for begin, end in pairs:
        at = begin
        while k < len(holes) and holes[k][1] <= at:
            k += 1
        for a, b in holes[k:]:
            if a >= end:
                break
            if a > at:
                out.append((at, a))
            at = b
        if at < end:
            out.append((at, end))
    return out


def common(one: Sequence[Interval], other: Sequence[Interval]) -> int:
    """How long a moment lies in both; each is a union already."""
    found = i = k = 0
    while i < len(one) and k < len(other):
        (a, b), (c, d) = one[i], other[k]
        found += max(0, min(b, d) - max(a, c))
        if b < d:
            i += 1
        else:
            k += 1
    return found


def touches(pairs: Sequence[Interval], begin: int, end: int) -> bool:
    """Whether `begin` to `end` has a moment in common with the pairs, which are a union."""
    k = bisect_right(pairs, end, key=lambda pair: pair[0])
    return k > 0 and pairs[k - 1][1] >= begin


def total(pairs: Iterable[Interval]) -> int:
    """How long they are together."""
    return sum(end - begin for begin, end in pairs)
