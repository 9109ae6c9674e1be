"""Principal components of a healthy unit: scaling, time-lagged columns, and the model's plane.

Scales are standard deviations between the 0.1 % and 99.9 % points, so that a few wild readings do not hide the rest,
and never less than what an instrument resolves. Lagged columns make the components dynamic (Ku, Storer and Georgakis
1995). The ridge is a tenth of a column's mean variance: a direction in which the healthy unit hardly moved does not
speak of rounding, or of a relation that held by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, signal

from hazwatch.train.grid import Grid
from rules.projection import statistics
from rules.stepping import CLIP
from rules.unitcharts import MARGIN
from schemas.models import MOST_COMPONENTS, Model, ModelInput
from schemas.registry import Measure, Tag
from schemas.time import DAY

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
EXPLAINED = 0.7
"""The share of the variance that the model's plane holds."""
RIDGE = 0.1
WEIGHT = 0.4
TAIL = 0.001


@dataclass(frozen=True, slots=True)
class Form:
    """What a model looks at: how many steps back, and how many harmonics of the day."""

    lags: int = 0
    harmonics: int = 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """Of each input, shape (inputs,)."""

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats


def scaling(grid: Grid, rows: Bools) -> Scaling:
    """Learned of the steps in the mask."""
    values = grid.values[rows]
    low, high = np.quantile(values, (TAIL, 1 - TAIL), axis=0)
    bounded = np.clip(values, low, high)
    least = np.array([floor(one.tag, values[:, i]) for i, one in enumerate(grid.inputs)])
    return Scaling(bounded.mean(axis=0), np.maximum(bounded.std(axis=0), least), values.min(axis=0), values.max(axis=0))


def floor(tag: Tag, values: Floats) -> float:
    """The least scale of an input, in its unit. One that never moved gets a hundredth of its value (of its range where
    that is known), so that a real change is seen and rounding is not; a state gets a tenth."""
    distinct = np.unique(values)
    size = max(abs(float(distinct[0])), abs(float(distinct[-1])))
    if tag.measure is Measure.STATE:
        return 0.1
    if len(distinct) == 1:
        if tag.range_low is not None and tag.range_high is not None:
            return max(0.01 * (tag.range_high - tag.range_low), 1e-9)
        return 0.01 * max(size, 1.0)
    digit = float(np.diff(distinct).min())
    return max(tag.resolution or 0.0, min(digit, 0.01 * size), 1e-4 * size, 1e-12)


def columns(grid: Grid, scale: Scaling, form: Form) -> tuple[Floats, Floats, Bools]:
    """The states themselves and the smoothed ones, both (steps, columns), and which steps have every input."""
    z = np.clip(
        (grid.values - scale.mean) / scale.scale,
        (scale.low - scale.mean) / scale.scale - MARGIN,
        (scale.high - scale.mean) / scale.scale + MARGIN,
    )
    whole = complete(z)
    z = _carried(z)
    slow = signal.lfilter([WEIGHT], [1.0, WEIGHT - 1.0], np.clip(z, -CLIP, CLIP), axis=0)
    day = cycle(grid, form.harmonics)
    return np.hstack([_lagged(z, form.lags), day]), np.hstack([_lagged(slow, form.lags), day]), whole


def complete(values: Floats) -> Bools:
    """Which rows have every number."""
    return np.asarray(np.isfinite(values).all(axis=1), np.bool_)


def cycle(grid: Grid, harmonics: int) -> Floats:
    """Sine and cosine of the time of day at the middle of each step, for each harmonic: (steps, 2 harmonics)."""
    middle = (np.arange(len(grid.values), dtype=np.int64) + grid.first) * grid.step_ns + grid.step_ns // 2
    angle = 2 * math.pi * ((middle % DAY) / DAY)
    waves = [wave((n + 1) * angle) for n in range(harmonics) for wave in (np.sin, np.cos)]
    return math.sqrt(2) * np.stack(waves, axis=1) if waves else np.empty((len(angle), 0))


def _lagged(z: Floats, lags: int) -> Floats:
    parts = [z, *(np.vstack([np.repeat(z[:1], lag, axis=0), z[:-lag]]) for lag in range(1, lags + 1))]
    return np.hstack(parts)


def _carried(z: Floats) -> Floats:
    """Gaps filled with the value before them, the first ones with 0."""
    rows = np.maximum.accumulate(np.where(np.isfinite(z), np.arange(len(z))[:, None], -1), axis=0)
    found: Floats = np.where(rows >= 0, np.take_along_axis(np.nan_to_num(z), np.maximum(rows, 0), axis=0), 0.0)
    return found


def model_of(grid: Grid, rows: Bools, form: Form, **told: object) -> Model:
    """The components of the steps in the mask, all of which have every input. `told` are the model's other fields."""
    scale = scaling(grid, rows)
    states, _, _ = columns(grid, scale, form)
    covariance = np.cov(states[rows].T)
    values, vectors = linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
    vectors *= np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])[:, None]
    held = np.cumsum(values) / values.sum()
    kept = int(min(MOST_COMPONENTS, (values > 1e-9 * values[0]).sum()))
    main = min(int(np.searchsorted(held, EXPLAINED) + 1), kept)
    rest = float(values[kept:].mean()) if kept < len(values) else 0.0
    fields: dict[str, object] = {
        "name": "unit", "step_s": grid.step_s, "lags": form.lags, "harmonics": form.harmonics, "weight": WEIGHT,
        "main": main, "rest": _short(rest), "ridge": _short(RIDGE * float(values.mean())), "limits": (1.0,) * 5,
        "alarms_per_month": 1.0, "trained_from": "", "trained_to": "", "samples": int(rows.sum()),
        "held_out_share": 0.0,
    }  # fmt: skip
    return Model(
        **{**fields, **told},  # type: ignore[arg-type]
        inputs=tuple(
            ModelInput(
                tag=one.tag.name,
                unit=one.tag.unit,
                mean=_short(scale.mean[i]),
                scale=_short(scale.scale[i]),
                low=_short(scale.low[i]),
                high=_short(scale.high[i]),
                hold_s=_short(grid.hold[i] * grid.step_s),
            )
            for i, one in enumerate(grid.inputs)
        ),
        variances=tuple(map(_short, values[:kept])),
        loadings=tuple(tuple(map(_short, row)) for row in vectors[:kept]),
    )


def _short(number: float) -> float:
    """Nine digits: what is behind them is noise, and differs between machines."""
    return float(f"{number:.9g}")


def scaling_of(model: Model) -> Scaling:
    of = model.inputs
    return Scaling(*(np.array([getattr(one, field) for one in of]) for field in ("mean", "scale", "low", "high")))


def charts(model: Model, grid: Grid) -> tuple[Floats, Bools]:
    """The five charts of every step, (steps, 5), in the order of `schemas.models.CHARTS`; and which steps count."""
    raw, slow, whole = columns(grid, scaling_of(model), Form(model.lags, model.harmonics))
    return np.hstack([statistics(model, raw), statistics(model, slow)[:, 1:]]), whole
