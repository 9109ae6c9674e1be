"""Models of units: what `hazwatch train` has learned of a healthy plant, and rule kind `anomaly` compares with.

A model is data like a tag or a limit: it travels in the revision, so that every fold compares with the same numbers and
reads no file. Its parts are lists of plain numbers, in the order of its inputs.

The vector that is judged has one column per input and lag (all inputs now, all inputs one step ago ...), and behind
them sine and cosine of the time of day for each harmonic. Inputs are scaled, (value - mean) / scale.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256

import msgspec

FORMAT = 1
"""The version of the form of models that this program writes and reads."""
MOST_INPUTS, MOST_COLUMNS, MOST_COMPONENTS, MOST_LAGS, MOST_HARMONICS = 128, 256, 64, 2, 2
SHORTEST_STEP_S, LONGEST_STEP_S, MOST_HELD = 0.001, 86_400.0, 100_000
"""Steps that a fold can count in nanoseconds, and how many of them a reading may hold for: it goes through each."""
CHARTS = ("t2", "spe", "distance", "slow_spe", "slow_distance")
"""What is judged, in the order of `Model.limits`."""


class ModelInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tag of a model. `mean`, `scale` and the validity range from `low` to `high`, which are the least and the
    greatest of the healthy period, are in `unit`; a reading older than `hold_s` (s) counts as missing."""

    tag: str
    unit: str
    mean: float
    scale: float
    low: float
    high: float
    hold_s: float


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A unit in its healthy state, as principal components.

    `form` is the version of the form. `step_s` (s) is the grid on which inputs are averaged, `lags` how many steps back
    the model looks, `harmonics` how many of the time of day it has, `weight` that of the newest step in the smoothed
    charts. `loadings[i]` is component i over all columns and `variances[i]` its variance, greatest first; the first
    `main` components are the model's plane, `rest` is the mean variance of what no component holds and `ridge` what is
    added to the variances outside of the plane. `limits` are those of `CHARTS`.

    `trained_from`, `trained_to` (ISO 8601), `samples` and `alarms_per_month` say what it was made of; `held_out_share`
    is the share of time (0 to 1) under false alarm in the last fifth of the healthy period, judged by a model of the
    first four.
    """

    name: str
    title: str = ""
    form: int = FORMAT
    step_s: float
    lags: int = 0
    harmonics: int = 0
    weight: float
    main: int
    rest: float
    ridge: float
    limits: tuple[float, ...]
    alarms_per_month: float
    trained_from: str
    trained_to: str
    samples: int
    held_out_share: float
    inputs: tuple[ModelInput, ...]
    variances: tuple[float, ...]
    loadings: tuple[tuple[float, ...], ...]

    @property
    def columns(self) -> int:
        """How many numbers the judged vector has."""
        return len(self.inputs) * (self.lags + 1) + 2 * self.harmonics


def stamp(model: Model) -> int:
    """A number that tells this model from any other: what was learned under another one is not to be compared."""
    return int.from_bytes(sha256(msgspec.json.encode(model)).digest()[:7], "big") + 1


def faults(model: Model) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a model by itself: (field, message, cure)."""
    again = "train it again with `hazwatch train`"
    if model.form != FORMAT:
        yield "form", f"the model has form {model.form}, this program reads form {FORMAT}", again
        return
    inputs, columns, components = len(model.inputs), model.columns, len(model.loadings)
    if not 2 <= inputs <= MOST_INPUTS:
        yield "inputs", f"{inputs} inputs", f"2 to {MOST_INPUTS}; {again}"
    for name, times in Counter(one.tag for one in model.inputs).items():
        if times > 1:
            yield "inputs", f"{name} stands {times} times", again
    if not (0 <= model.lags <= MOST_LAGS and 0 <= model.harmonics <= MOST_HARMONICS and columns <= MOST_COLUMNS):
        yield "lags", f"{columns} columns by {model.lags} lags and {model.harmonics} harmonics", again
    if not 1 <= model.main <= components <= min(columns, MOST_COMPONENTS) or len(model.variances) != components:
        yield "loadings", f"{components} components, {len(model.variances)} variances, {model.main} main ones", again
    elif any(len(row) != columns for row in model.loadings):
        yield "loadings", f"not every component has {columns} numbers", again
    if len(model.limits) != len(CHARTS):
        yield "limits", f"{len(model.limits)} limits for {len(CHARTS)} charts ({', '.join(CHARTS)})", again
    positive = [model.step_s, model.weight, model.ridge, *model.limits, *model.variances[: model.main]]
    positive += [n for one in model.inputs for n in (one.scale, one.hold_s)]
    numbers = [model.rest, *model.variances, *(n for row in model.loadings for n in row)]
    numbers += [n for one in model.inputs for n in (one.mean, one.low, one.high)]
    if not (all(0 < n < math.inf for n in positive) and all(map(math.isfinite, numbers)) and model.rest >= 0):
        yield "loadings", "a scale, variance or limit is not positive, or a number is missing", again
    elif not SHORTEST_STEP_S <= model.step_s <= LONGEST_STEP_S:
        yield "step_s", f"steps of {model.step_s:g} s", f"{SHORTEST_STEP_S:g} to {LONGEST_STEP_S:g} s; {again}"
    elif max((one.hold_s for one in model.inputs), default=0.0) > MOST_HELD * model.step_s:
        yield "inputs", f"a reading holds for more than {MOST_HELD} steps", again
    if model.weight > 1:
        yield "weight", f"{model.weight:g} is no weight for a sample", "above 0, at most 1"
