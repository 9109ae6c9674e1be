"""Limits from a wanted number of false alarms: what the healthy period itself shows, and its tail carried on.

Each chart is judged on steps that its model has not seen: the healthy period is cut into five blocks, and each block is
judged by the components of the other four. Neighbouring steps are alike, so what exceeds a high level is gathered into
spells that lie well apart, and only the highest step of each is counted: these are nearly independent. The logarithms
of their excesses have nearly an exponential tail, whose mean, with its standard error added, gives the level that is
reached once in a wanted time (peaks over threshold: Davison and Smith 1990). The five charts share the wanted rate, a
fifth for each; as they often speak together, the unit's rate is rather below than above it.

T2 moves with the unit's load, for hours or days: its spells lie apart by the time in which it forgets itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from hazwatch.train.components import WEIGHT, Form, charts, model_of
from hazwatch.train.grid import Grid
from rules.arl import MONTH_S
from rules.unitcharts import RELEASE
from schemas.models import CHARTS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
BLOCKS = 5
HIGH = 0.95
APART = math.ceil(2 / WEIGHT)
"""Steps without an excess that end a spell: twice the time constant of the smoothed charts."""
FEWEST = 10
FORGOTTEN = math.exp(-1)
LONGEST = 0.01
"""Spells need lie no further apart than this share of the healthy period."""


@dataclass(frozen=True, slots=True)
class Tail:
    """`limit` of a chart, and the shape of its tail: 0 exponential in the logarithm, above that heavier."""

    limit: float
    shape: float


def blocks(rows: Bools) -> list[Bools]:
    """Five contiguous parts of the steps in the mask, as masks."""
    chosen = np.flatnonzero(rows)
    found = []
    for part in np.array_split(chosen, BLOCKS):
        mask = np.zeros(len(rows), np.bool_)
        mask[part] = True
        found.append(mask)
    return found


def unseen(grid: Grid, rows: Bools, form: Form) -> Floats:
    """The charts of every step by the components of the other blocks, (steps, 5); NaN where a step does not count."""
    found = np.full((len(rows), len(CHARTS)), np.nan)
    for block in blocks(rows):
        said, _ = charts(model_of(grid, rows & ~block, form), grid)
        found[block] = said[block]
    return found


def tails(said: Floats, step_s: float, alarms_per_month: float) -> list[Tail]:
    """The limit of each chart."""
    wanted = alarms_per_month / len(CHARTS) / (MONTH_S / step_s)  # per step
    gaps = [max(APART, memory(said[:, 0])), *[APART] * (said.shape[1] - 1)]
    return [tail(said[:, i], wanted, gap) for i, gap in enumerate(gaps)]


def memory(chart: Floats) -> int:
    """The steps after which the logarithm of a chart is no longer like itself (autocorrelation below 1/e)."""
    logs = np.log(np.maximum(chart[np.isfinite(chart)], 1e-12))
    logs = logs - logs.mean()
    most = max(1, int(LONGEST * len(logs)))
    whole = float(logs @ logs)
    below = (lag for lag in range(1, most) if float(logs[lag:] @ logs[:-lag]) < FORGOTTEN * whole)
    return next(below, most)


def tail(chart: Floats, wanted: float, gap: int = APART) -> Tail:
    """The level that a chart exceeds in `wanted` spells per step."""
    counts = np.isfinite(chart)
    logs = np.where(counts, np.log(np.maximum(chart, 1e-12)), -math.inf)
    high = float(np.quantile(logs[counts], HIGH))
    peaks = spells(logs, high, gap)
    if len(peaks) < FEWEST:
        high = float(np.quantile(logs[counts], HIGH - 0.1))
        peaks = spells(logs, high, gap)
    rate, mean = len(peaks) / counts.sum(), float(peaks.mean()) * (1 + 1 / math.sqrt(len(peaks)))
    shape = float(stats.genpareto.fit(peaks, floc=0)[0]) if len(peaks) >= 2 * FEWEST else 0.0
    return Tail(math.exp(high + mean * math.log(max(rate / wanted, 1.0))), shape)


def spells(logs: Floats, high: float, gap: int) -> Floats:
    """By how much the highest step of each spell exceeds `high`; one at least. `gap` steps below `high` end a spell."""
    over = np.flatnonzero(logs > high)
    if not len(over):
        return np.array([max(1e-3, float(logs.max() - high))])
    starts = np.flatnonzero(np.diff(over, prepend=-2 * gap) > gap)
    peaks: Floats = np.maximum.reduceat(logs[over], starts) - high
    return np.maximum(peaks, 1e-6)


def alarms(said: Floats, limits: Floats, hold: int = 1) -> tuple[Bools, list[int]]:
    """At which steps an alarm stands, and where each one begins; as the rule does it, with an off-delay of `hold`."""
    worst = np.nanmax(np.where(np.isfinite(said), said, -math.inf) / limits, axis=1)
    standing = np.zeros(len(worst), np.bool_)
    begins: list[int] = []
    on, clear = False, 0
    for i, ratio in enumerate(worst.tolist()):
        if ratio == -math.inf:
            standing[i] = on
            continue
        clear = clear + 1 if ratio < RELEASE else 0
        if ratio > 1:
            if not on:
                begins.append(i)
            on = True
        elif on and clear > hold:
            on = False
        standing[i] = on
    return standing, begins
