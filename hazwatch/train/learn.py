"""From a healthy period to a model: which inputs, how far back, which limits, and how honest the result is.

Nothing in here is random: the same recording gives the same model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hazwatch.train.components import Form, charts, columns, complete, cycle, model_of, scaling, scaling_of
from hazwatch.train.grid import Grid, Readings, grid, step_of
from hazwatch.train.limits import Tail, alarms, tails, unseen
from rules.arl import MONTH_S
from rules.projection import diagonals
from schemas.models import CHARTS, MOST_COLUMNS, MOST_INPUTS, Model
from schemas.time import DAY, SECOND, to_iso

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FEWEST_STEPS = 100
FEWEST_READINGS = 50
MOST_MISSING = 0.2
STEPS_PER_COLUMN = 30
"""So many steps for each column that a lag would make, or there is none: fewer teach relations that are not there."""
DAYS_FOR_CYCLE = 7.0
SLOWEST_STEP_S = 3 * 3600.0
CYCLE = 0.1
"""The share of an input's variance from which on a daily cycle is worth its columns."""
TOLD = 5
FURTHEST = 100
"""So many healthy periods between false alarms are still told by the tails of one."""
HEAVY = 0.5
"""The shape of a chart's tail from which on its jumps deserve a look."""


class CannotTrain(ValueError):
    """There is too little to learn from; the text says why and what to do."""


@dataclass(slots=True)
class Learned:
    """A model, and what people have to know of it: what was done, what deserves a look."""

    model: Model
    grid: Grid
    done: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def learn(
    readings: Sequence[Readings],
    name: str,
    *,
    alarms_per_month: float = 1.0,
    step_s: float | None = None,
    lags: int | None = None,
) -> Learned:
    """The model of these inputs. Raises `CannotTrain`."""
    advice: list[str] = []
    usable = [one for one in readings if len(one.time_ns) >= FEWEST_READINGS]
    if few := [one.tag.name for one in readings if len(one.time_ns) < FEWEST_READINGS]:
        advice.append(f"left out, fewer than {FEWEST_READINGS} good readings: {some(few)}")
    if len(usable) < 2:
        raise CannotTrain(f"{len(usable)} tags have {FEWEST_READINGS} good readings or more; a unit needs at least two")
    whole = grid(usable, step_of(usable, step_s))
    whole = whole.of(list(_kept(whole, advice)))
    rows = complete(whole.values)
    inputs, steps = len(whole.inputs), int(rows.sum())
    _enough(whole, inputs, steps)
    form = Form(_lags(inputs, steps, lags), _harmonics(whole, rows, advice))
    said = unseen(whole, rows, form)
    found = tails(said, whole.step_s, alarms_per_month)
    share, episodes, days = _held_out(whole, rows, form, alarms_per_month)
    model = model_of(
        whole,
        rows,
        form,
        name=name,
        limits=tuple(float(f"{one.limit:.9g}") for one in found),
        alarms_per_month=alarms_per_month,
        trained_from=to_iso(whole.begin_ns),
        trained_to=to_iso(whole.end_ns),
        held_out_share=float(f"{share:.6g}"),
    )
    learned = Learned(model, whole, advice=advice)
    learned.done += _done(learned, rows)
    learned.done.append(
        f"false alarms in the last {days:.3g} days, judged by a model of what came before: {episodes}, "
        f"{100 * share:.2f} % of the time (wanted: {alarms_per_month:g} a month)"
    )
    learned.advice += _of_amount(whole, inputs, steps, alarms_per_month)
    learned.advice += _of_limits(whole, said, found, model)
    if share > 0.01:
        learned.advice.append(
            "the last part of the healthy period does not look like the rest: give a longer one, or one without "
            f"changes of operation; {_drift(whole, rows, form)}"
        )
    return learned


def some(names: Sequence[str], most: int = TOLD) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# Inputs and form


def _kept(whole: Grid, advice: list[str]) -> Iterator[int]:
    """The places of the inputs to keep; what is left out is told."""
    missing, counters, still = [], [], []
    for i, one in enumerate(whole.inputs):
        values = whole.values[:, i]
        values = values[np.isfinite(values)]
        if len(values) < (1 - MOST_MISSING) * len(whole.values):
            missing.append(f"{one.tag.name} ({100 * (1 - len(values) / len(whole.values)):.0f} %)")
            continue
        moves = np.diff(values)
        if len(np.unique(values)) > 20 and ((moves >= 0).all() or (moves <= 0).all()):
            counters.append(one.tag.name)
            continue
        if not moves.any():
            still.append(one.tag.name)
        yield i
    if missing:
        advice.append(f"left out, missing for more than {100 * MOST_MISSING:.0f} % of the time: {some(missing)}")
    if counters:
        advice.append(f"left out, they only ever grow or fall, like a counter: {some(counters)}")
    if still:
        advice.append(
            f"never moved in this period: {some(still)}; any real change of them will be an anomaly. Leave out with "
            "--without what is moved by hand"
        )


def _enough(whole: Grid, inputs: int, steps: int) -> None:
    if inputs < 2:
        raise CannotTrain("fewer than two inputs are left; see what was left out, and give a longer recording")
    if inputs > MOST_INPUTS:
        raise CannotTrain(f"{inputs} inputs are more than the {MOST_INPUTS} of a unit; choose some with --tags")
    fewest = max(FEWEST_STEPS, 3 * inputs)
    if steps < fewest:
        raise CannotTrain(
            f"{steps} complete steps of {whole.step_s:g} s are too few for {inputs} inputs; at least {fewest} are "
            "needed, and ten times as many are good"
        )


def _lags(inputs: int, steps: int, wanted: int | None) -> int:
    if wanted is not None:
        return min(wanted, MOST_COLUMNS // inputs - 1)
    return 1 if 2 * inputs <= MOST_COLUMNS - 4 and steps >= STEPS_PER_COLUMN * 2 * inputs else 0


def _harmonics(whole: Grid, rows: Bools, advice: list[str]) -> int:
    """Whether the day is in the model: where there is a daily cycle and enough of it was seen."""
    if whole.step_s > SLOWEST_STEP_S:
        return 0
    days = (whole.end_ns - whole.begin_ns) / DAY
    if days < 2:
        return 0
    wave = np.column_stack([np.ones(int(rows.sum())), cycle(whole, 1)[rows]])
    z = whole.values[rows] - whole.values[rows].mean(axis=0)
    left = z - wave @ np.linalg.lstsq(wave, z, rcond=None)[0]
    moves = z.std(axis=0) > scaling(whole, rows).scale / 2  # rounding of what stands still has cycles, too
    share = np.where(moves, 1 - left.var(axis=0) / np.maximum(z.var(axis=0), 1e-300), 0.0)
    cyclic = [one.tag.name for one, part in zip(whole.inputs, share.tolist(), strict=True) if part > CYCLE]
    if cyclic and days < DAYS_FOR_CYCLE:
        advice.append(
            f"a daily cycle is seen ({some(cyclic)}), but {days:.2g} days are too few to learn it: give "
            f"{DAYS_FOR_CYCLE:g} or more"
        )
    return 1 if cyclic and days >= DAYS_FOR_CYCLE else 0


# Honesty


def _held_out(whole: Grid, rows: Bools, form: Form, alarms_per_month: float) -> tuple[float, int, float]:
    """The last fifth, judged by a model and limits of the first four: share of time under alarm, alarms, days."""
    chosen = np.flatnonzero(rows)
    cut = int(chosen[4 * len(chosen) // 5])
    before = rows & (np.arange(len(rows)) < cut)
    limits = np.array([one.limit for one in tails(unseen(whole, before, form), whole.step_s, alarms_per_month)])
    said, counts = charts(model_of(whole, before, form), whole)
    said[~counts] = np.nan
    standing, begins = alarms(said[cut:], limits)
    return float(standing.mean()), len(begins), (len(rows) - cut) * whole.step_s * SECOND / DAY


def _done(learned: Learned, rows: Bools) -> Iterator[str]:
    model, whole = learned.model, learned.grid
    days = (whole.end_ns - whole.begin_ns) / DAY
    yield (
        f"{len(model.inputs)} inputs, {model.samples} complete steps of {model.step_s:g} s in {days:.3g} days, "
        f"{model.trained_from} to {model.trained_to}"
    )
    if (gone := len(rows) - model.samples) > 0:
        yield f"{gone} steps were passed over because an input was missing"
    looks = f"{model.lags} step{'s' if model.lags > 1 else ''} back" if model.lags else "at the present step only"
    plane = sum(model.variances[: model.main]) / max(sum(model.variances) + 1e-300, 1e-300)
    yield (
        f"it looks {looks}{', and knows the time of day' if model.harmonics else ''}; {model.main} of {model.columns} "
        f"components hold {100 * plane:.0f} % of what moves"
    )


def _of_amount(whole: Grid, inputs: int, steps: int, alarms_per_month: float) -> Iterator[str]:
    wanted = STEPS_PER_COLUMN * 2 * inputs
    if steps < 10 * inputs:
        yield f"{steps} steps for {inputs} inputs are few: limits will be wide. {wanted} or more are good"
    days = (whole.end_ns - whole.begin_ns) / DAY
    between = 30 / alarms_per_month
    if days < between / FURTHEST:
        yield (
            f"limits for one false alarm in {between:.3g} days are carried far beyond the {24 * days:.2g} hours that "
            "were seen and will miss much: give a longer period, or ask for more false alarms with --alarms-per-month"
        )
    if days < 2:
        yield (
            f"{24 * days:.3g} hours hold no whole cycle of day and night: what differs then will be an anomaly. Give "
            "at least a week if the unit has one"
        )


def _of_limits(whole: Grid, said: Floats, found: Sequence[Tail], model: Model) -> Iterator[str]:
    limits = np.array([one.limit for one in found])
    worst = np.nanmax(np.where(np.isfinite(said), said, -np.inf) / limits, axis=1)
    _, begins = alarms(said, limits)
    days = len(said) * whole.step_s * SECOND / DAY
    expected = model.alarms_per_month * days / (MONTH_S * SECOND / DAY)
    if len(begins) > max(3.0, 3 * expected):
        yield (
            f"the healthy period itself has {len(begins)} spells unlike the rest, such as at {_when(whole, worst)}: if "
            "the plant was not healthy then, leave those days out and train again"
        )
        return
    heavy = [name for name, one in zip(CHARTS, found, strict=True) if one.shape > HEAVY]
    if heavy:
        yield (
            f"some jumps are far larger than the rest, such as at {_when(whole, worst)}, and widen the limits "
            f"({', '.join(heavy)}): if the plant was not healthy then, leave those days out and train again"
        )


def _when(whole: Grid, worst: Floats) -> str:
    """The times of the highest steps, an hour of steps or more apart, in their order."""
    left, found = worst.copy(), []
    apart = max(5, round(3600 / whole.step_s))
    for _ in range(TOLD):
        i = int(left.argmax())
        found.append(i)
        left[max(0, i - apart) : i + apart] = -np.inf
    return ", ".join(to_iso((whole.first + i) * whole.step_ns)[:16] + "Z" for i in sorted(found))


def _drift(whole: Grid, rows: Bools, form: Form) -> str:
    """The inputs that make the last fifth unlike the rest."""
    chosen = np.flatnonzero(rows)
    cut = int(chosen[4 * len(chosen) // 5])
    model = model_of(whole, rows & (np.arange(len(rows)) < cut), form)
    states, _, _ = columns(whole, scaling_of(model), form)
    loadings = np.array(model.loadings[: model.main])
    left = states - states @ loadings.T @ loadings
    shares = (left[cut:][rows[cut:]] ** 2).mean(axis=0)[: len(whole.inputs)]
    shares = shares / np.maximum(diagonals(model)[1][: len(whole.inputs)], 1e-9)
    order = np.argsort(-shares)[:3].tolist()
    return "most of it is in " + ", ".join(whole.inputs[i].tag.name for i in order)
