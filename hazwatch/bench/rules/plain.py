"""The same work in plain Python: limits with deadband, on- and off-delay, a reading at a time. What others do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.batch import Batch
from schemas.registry import Tag
from schemas.time import seconds


@dataclass(slots=True)
class Point:
    """One tag with its limits, lowest first, and how far each is on its way in or out."""

    limits: list[float]
    deadband: float
    on_delay: int
    off_delay: int
    pending: list[int]
    active: list[bool]
    clearing: list[int]

    def read(self, at: int, value: float) -> int:
        """How many levels came or went."""
        changed = 0
        for k, limit in enumerate(self.limits):
            if value >= limit:
                self.clearing[k] = 0
                if not self.active[k]:
                    self.pending[k] = self.pending[k] or at
                    if at - self.pending[k] >= self.on_delay:
                        self.active[k] = True
                        self.pending[k] = 0
                        changed += 1
                continue
            self.pending[k] = 0
            if value >= limit - self.deadband:
                self.clearing[k] = 0
            elif self.active[k]:
                self.clearing[k] = self.clearing[k] or at
                if at - self.clearing[k] >= self.off_delay:
                    self.active[k] = False
                    changed += 1
        return changed


def points(tags: Sequence[Tag]) -> dict[int, Point]:
    found = {}
    for tag in tags:
        limits = [limit for limit in (tag.limits.high, tag.limits.high_high) if limit is not None]
        n = len(limits)
        found[tag.number] = Point(
            limits, tag.deadband, seconds(tag.on_delay_s), seconds(tag.off_delay_s), [0] * n, [False] * n, [0] * n
        )
    return found


def fold(known: dict[int, Point], batch: Batch) -> int:
    """Apply a batch; returns how many levels came or went."""
    changes = 0
    rows = zip(batch.tag.tolist(), batch.event_ns.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True)
    for tag, at, value, quality in rows:
        point = known.get(tag)
        if point is not None and quality < 64:
            changes += point.read(at, value)
    return changes
