"""The readings of a few tags out of recordings, as the core takes them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hazwatch.replay.feed import Instant
from hazwatch.tune.gate import Samples
from rules.kinds.limits import lowest
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Measure, Tag


def samples(instants: Iterable[Instant], tags: Iterable[Tag]) -> dict[str, Samples]:
    """The readings of each of the tags, those that came late left out."""
    wanted = list(tags)
    numbers = np.array(sorted(tag.number for tag in wanted), np.int64)
    kept: list[tuple[np.ndarray, ...]] = []
    for instant in instants:
        batch = instant.readings
        use = np.isin(batch.tag, numbers) & (batch.event_ns == instant.append_ns)
        if use.any():
            kept.append((batch.tag[use], batch.event_ns[use], batch.value[use], batch.quality[use]))
    if not kept:
        return {}
    number, at, value, quality = (np.concatenate(column) for column in zip(*kept, strict=True))
    found = {}
    for tag in wanted:
        mine = number == tag.number
        if mine.any():
            found[tag.name] = _of(tag, at[mine], value[mine], quality[mine])
    return found


def _of(tag: Tag, at: np.ndarray, value: np.ndarray, quality: np.ndarray) -> Samples:
    usable = (quality < FIRST_BAD) & ~np.isnan(value)
    high = np.inf if tag.range_high is None else tag.range_high
    with np.errstate(invalid="ignore"):
        inside = (value >= lowest(tag)) & (value <= high) & np.isfinite(value)
    over = np.zeros(len(value), bool)
    if tag.measure is Measure.GAS:  # beyond every level of the high side, whatever number came with it
        over = (quality == Quality.OVER_RANGE) | (usable & (value > high))
        value = np.where(over, np.inf, value)
    value = np.where(usable | over, value, 0.0)
    return Samples(at, value, usable | over, usable & inside & (quality < FIRST_UNCERTAIN))
