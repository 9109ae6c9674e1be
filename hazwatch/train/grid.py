"""A recording on a common grid of time: the mean of every step, held where an input is silent for a short time.

It is the same grid that rule kind `anomaly` makes of live readings (`rules.stepping`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.recording import Rows, read_rows
from hazwatch.replay.times import Shape
from schemas.quality import FIRST_UNCERTAIN
from schemas.registry import Tag
from schemas.time import SECOND, seconds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_STEPS = 20_000
"""A longer recording gets a coarser grid: more would cost time and teach little."""
FACTORS = (1, 2, 3, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 300, 360, 600, 900, 1200, 1800, 3600, 7200, 14_400)
ROUND_S = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 12, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400)


@dataclass(frozen=True, slots=True)
class Readings:
    """The good readings of one tag: times (ns) and values, shape (n,), in order of time."""

    tag: Tag
    time_ns: Ints
    value: Floats

    @property
    def period_s(self) -> float:
        """The usual time between two readings."""
        steps = np.diff(self.time_ns)
        steps = steps[steps > 0]
        return float(np.median(steps)) / SECOND if len(steps) else self.tag.period_s


@dataclass(frozen=True, slots=True)
class Grid:
    """`values` (steps, inputs), NaN where an input is missing; step i begins at `(first + i) * step_ns`."""

    inputs: tuple[Readings, ...]
    step_ns: int
    hold: tuple[int, ...]
    first: int
    values: Floats

    @property
    def step_s(self) -> float:
        return self.step_ns / SECOND

    @property
    def begin_ns(self) -> int:
        return self.first * self.step_ns

    @property
    def end_ns(self) -> int:
        return (self.first + len(self.values)) * self.step_ns

    def of(self, keep: Sequence[int]) -> Grid:
        """The same with these inputs only."""
        chosen = list(keep)
        hold = tuple(self.hold[i] for i in chosen)
        return Grid(tuple(self.inputs[i] for i in chosen), self.step_ns, hold, self.first, self.values[:, chosen])


def read(
    files: Sequence[Path],
    shape: Shape,
    tags: Sequence[Tag],
    span_ns: tuple[int, int],
    progress: Callable[[int], None] = lambda size: None,
) -> tuple[list[Readings], set[str]]:
    """The good readings of these tags from `span_ns[0]` to before `span_ns[1]`, and the names that are no tags.

    Raises `RecordingError`.
    """
    known = {tag.name: tag for tag in tags}
    times: dict[str, list[Ints]] = {name: [] for name in known}
    values: dict[str, list[Floats]] = {name: [] for name in known}
    strangers: set[str] = set()
    for file in files:
        for rows in read_rows(file, shape, progress):
            strangers |= {name for name in rows.names if name not in known}
            _take(rows, known, span_ns, times, values)
    found = []
    for name, tag in known.items():
        if not times[name]:
            continue
        time_ns, value = np.concatenate(times[name]), np.concatenate(values[name])
        order = np.argsort(time_ns, kind="stable")
        if len(order):
            found.append(Readings(tag, time_ns[order], value[order]))
    if not found:
        raise RecordingError([f"{', '.join(map(str, files))}: no good reading of a tag of the configuration"])
    return found, strangers


def _take(
    rows: Rows,
    known: dict[str, Tag],
    span_ns: tuple[int, int],
    times: dict[str, list[Ints]],
    values: dict[str, list[Floats]],
) -> None:
    good = (rows.quality < FIRST_UNCERTAIN) & np.isfinite(rows.value)
    good &= (rows.time_ns >= span_ns[0]) & (rows.time_ns < span_ns[1])
    order = np.argsort(rows.tag, kind="stable")
    edges = np.searchsorted(rows.tag[order], np.arange(len(rows.names) + 1))
    for name, a, b in zip(rows.names, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        tag = known.get(name)
        if tag is None or a == b:
            continue
        mine = order[a:b][good[order[a:b]]]
        if tag.bad_values:
            mine = mine[~np.isin(rows.value[mine], tag.bad_values)]
        times[name].append(rows.time_ns[mine])
        values[name].append(rows.value[mine])


def step_of(readings: Sequence[Readings], step_s: float | None) -> int:
    """The length of a step in ns: as given, or the usual period, made longer for a long recording."""
    if step_s is not None:
        return seconds(step_s)
    period = float(np.median([one.period_s for one in readings]))
    near = min(ROUND_S, key=lambda r: abs(math.log(r / period)))
    period = near if abs(near / period - 1) < 0.05 else round(period, 3) or 0.001
    span = (max(int(r.time_ns[-1]) for r in readings) - min(int(r.time_ns[0]) for r in readings)) / SECOND
    for factor in FACTORS:
        if period * factor * MOST_STEPS >= span:
            return seconds(period * factor)
    return seconds(math.ceil(span / MOST_STEPS))


def grid(readings: Sequence[Readings], step_ns: int) -> Grid:
    """All readings on one grid."""
    first = min(int(one.time_ns[0]) for one in readings) // step_ns
    last = max(int(one.time_ns[-1]) for one in readings) // step_ns
    values = np.full((last - first + 1, len(readings)), np.nan)
    hold: list[int] = []
    for i, one in enumerate(readings):
        hold.append(max(2, math.ceil(3 * one.period_s * SECOND / step_ns)))
        cell = (one.time_ns // step_ns - first).astype(np.int64)
        count = np.bincount(cell, minlength=len(values))
        total = np.bincount(cell, weights=one.value, minlength=len(values))
        heard = count > 0
        values[heard, i] = total[heard] / count[heard]
        values[:, i] = held(values[:, i], hold[i])
    return Grid(tuple(readings), step_ns, tuple(hold), first, values)


def held(values: Floats, most: int) -> Floats:
    """Gaps filled with the value before them, for at most so many steps."""
    last = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(last)
    age = np.arange(len(values)) - last
    found: Floats = np.where((last >= 0) & (age <= most), values[np.maximum(last, 0)], np.nan)
    return found
