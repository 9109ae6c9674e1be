"""Long lists of names as patterns that mean the same tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

FEW = 6
"""A rule names so many tags one by one; a pattern stands for at least so many."""


def compact(names: Sequence[str], everyone: Sequence[str]) -> tuple[str, ...]:
    """Names, and patterns for many alike that match these and no other of `everyone`, in the order of the names."""
    if len(names) <= FEW:
        return tuple(names)
    wanted = set(names)
    strangers = [name for name in everyone if name not in wanted]
    kept: list[str] = []
    done: set[str] = set()
    refused: set[str] = set()
    for name in names:
        if name in done:
            continue
        for pattern in _candidates(name):
            if pattern in refused:
                continue
            meant = [n for n in names if fnmatchcase(n, pattern)]
            if len(meant) < FEW or any(fnmatchcase(n, pattern) for n in strangers):
                refused.add(pattern)
                continue
            kept.append(pattern)
            done.update(meant)
            break
        else:
            kept.append(name)
            done.add(name)
    return tuple(kept)


def _candidates(name: str) -> Iterator[str]:
    """Patterns that the name may be one of many for, the widest first: its numbers left open, then its end."""
    parts = re.split(r"(\d+)", name)
    digits = list(range(1, len(parts), 2))
    yield _without(parts, digits)
    for one in digits:
        yield _without(parts, [one])
    if digits and len(parts[digits[-1]]) > 1:
        last = digits[-1]
        yield "".join(parts[:last]) + parts[last][0] + "*"


def _without(parts: Sequence[str], numbers: Iterable[int]) -> str:
    left = set(numbers)
    return "".join("*" if i in left else part for i, part in enumerate(parts))
