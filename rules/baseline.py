"""What a control chart compares with: decimated samples, standardised against a slow and robust baseline.

A sample is the first good reading at least `decorrelation_s` after the one before, so that samples are nearly
independent, as the tables of false alarms ask. Its residual is z = (value - mean) / sigma. Mean and sigma are given, or
learned from the first `learn_s` of good data, which must be healthy: they begin as median and 1.4826 MAD of 32 samples
and then follow with weight 1/n, later with a time constant of `baseline_s`, every residual clipped at 2.5 sigma. Sigma
stands still while an alarm stands; the mean goes on, so that a lasting change becomes the new normal after about
`baseline_s`. Sigma is never taken for less than the resolution (over sqrt(12)) or a ten-thousandth of the range.

Learned figures are a little wrong, but either way, and they follow: over simulated weeks after a day of learning, false
alarms come as often as with known figures, within a tenth.

Sources: median and MAD: Hampel 1974; clipped recursion: Huber 1981.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rules.arl import MONTH_S, samples_between_alarms
from rules.compiling import kernel, scratch_kernel
from rules.kinds.limits import lowest
from rules.robust import SIGMA_OF_MAD, middle
from rules.windows import remember
from schemas.changes import Side
from schemas.problems import Problem
from schemas.quality import FIRST_UNCERTAIN
from schemas.registry import Measure, Struct, Tag
from schemas.time import seconds

FIRST = 32
"""Samples whose median and MAD begin a learned baseline."""
CLIP = 2.5
INSIDE = 0.89994
"""E[z^2, |z| < CLIP] of a standard normal z."""
CLIPPED = 0.97756
"""E[min(z^2, CLIP^2)]."""
SHORTEST_RUN, LONGEST_RUN = 50.0, 1e9

SIDES = {"both": (Side.HIGH, Side.LOW), "high": (Side.HIGH,), "low": (Side.LOW,)}

PARAMS = [
    ("sign", "f8"),  # +1 on the high side, -1 on the low side
    ("range_low", "f8"),
    ("range_high", "f8"),
    ("mean", "f8"),  # NaN where they are learned
    ("sigma", "f8"),
    ("least", "f8"),  # the smallest sigma
    ("slow", "f8"),  # weight of a sample in the long run
    ("learn", "f8"),  # samples to learn before anything is judged
    ("every", "i8"),  # least time between samples
]
MEMORY = [
    ("mean", "f8"),
    ("sigma", "f8"),
    ("taken", "i8"),  # event time of the last sample
    ("learned", "i4"),  # samples
    ("begun", "i4"),  # whether there was a sample
]
SAMPLE = np.dtype([("value", "f8")])


class Chart(Struct, frozen=True, kw_only=True):
    """What all control charts are asked: see each kind's `Params`."""

    alarms_per_month: float = 0.1
    decorrelation_s: float = 60.0
    sides: str = "both"
    mean: float | None = None
    sigma: float | None = None
    learn_s: float = 86_400.0
    baseline_s: float = 259_200.0


@kernel
def usable(p, v, q):  # type: ignore[no-untyped-def]
    """Whether a reading can be a sample: good, a number, in range."""
    return q < FIRST_UNCERTAIN and v >= p["range_low"] and v <= p["range_high"] and math.isfinite(v)


@kernel
def is_sample(own, p, at):  # type: ignore[no-untyped-def]
    """Whether a reading at this time is the next sample; a clock that went back by a step begins its steps anew."""
    since = at - own["taken"]
    if own["begun"] != 0 and since < p["every"] and since > -p["every"]:
        return False
    own["begun"] = 1
    own["taken"] = at
    return True


@kernel
def is_ready(own, p):  # type: ignore[no-untyped-def]
    """Whether residuals mean anything yet."""
    return p["sigma"] == p["sigma"] or own["learned"] >= p["learn"]


@kernel
def residual(own, p, v):  # type: ignore[no-untyped-def]
    if p["sigma"] == p["sigma"]:
        own["mean"] = p["mean"]
        own["sigma"] = p["sigma"]
    return (v - own["mean"]) / own["sigma"]


@scratch_kernel
def _first(samples, base):  # type: ignore[no-untyped-def]
    """Median and median absolute deviation of the samples that begin a baseline."""
    x = np.empty(FIRST)
    for i in range(FIRST):
        x[i] = samples[base + i]["value"]
    mean = middle(np.sort(x), FIRST)
    return mean, middle(np.sort(np.abs(x - mean)), FIRST)


@kernel
def learn(held, c, p, v, calm):  # type: ignore[no-untyped-def]
    """Let the baseline of condition c take a sample in; sigma only while all is `calm`."""
    if p["sigma"] == p["sigma"]:
        return
    own = held.own[c]
    n = own["learned"]
    if n < FIRST:
        base = held.first[c]
        remember(held, base + n)
        held.samples[base + n]["value"] = v
        own["learned"] = n + 1
        if n + 1 == FIRST:
            mean, deviation = _first(held.samples, base)
            own["mean"] = mean
            own["sigma"] = _at_least(p, mean, SIGMA_OF_MAD * deviation)
        return
    z = (v - own["mean"]) / own["sigma"]
    weight = max(1.0 / (n + 1), p["slow"])
    if calm:
        change = weight * (min(z * z, CLIP * CLIP) - CLIPPED) / (2.0 * INSIDE)
        sigma = _at_least(p, own["mean"], own["sigma"] * math.exp(change))
    else:
        sigma = own["sigma"]
    own["mean"] += weight * own["sigma"] * min(max(z, -CLIP), CLIP)
    own["sigma"] = sigma
    if n < p["learn"]:
        own["learned"] = n + 1


@kernel
def _at_least(p, mean, sigma):  # type: ignore[no-untyped-def]
    return max(sigma, p["least"], 1e-6 * abs(mean), 1e-12)


def every_s(tag: Tag, chart: Chart) -> float:
    """Seconds between samples, as far as the tag's readings come that often."""
    return max(chart.decorrelation_s, tag.period_s)


def run_length(tag: Tag, chart: Chart) -> float:
    """Samples between false alarms of the point."""
    return samples_between_alarms(chart.alarms_per_month, every_s(tag, chart))


def values(tag: Tag, chart: Chart, side: Side) -> dict[str, float]:
    """The numbers of `PARAMS`. Half a period of jitter does not cost a sample."""
    span = tag.range_high - tag.range_low if tag.range_low is not None and tag.range_high is not None else 0.0
    every = every_s(tag, chart)
    return {
        "sign": 1.0 if side is Side.HIGH else -1.0,
        "range_low": lowest(tag),
        "range_high": math.inf if tag.range_high is None else tag.range_high,
        "mean": math.nan if chart.mean is None else chart.mean,
        "sigma": math.nan if chart.sigma is None else chart.sigma,
        "least": max((tag.resolution or 0.0) / math.sqrt(12), 1e-4 * span),
        "slow": every / chart.baseline_s,
        "learn": math.ceil(chart.learn_s / every),
        "every": max(1, seconds(every - tag.period_s / 2)),
    }


def ring(chart: Chart) -> int:
    """Samples to keep: those that begin a learned baseline."""
    return FIRST if chart.sigma is None else 0


def check(tag: Tag, chart: Chart) -> Iterator[Problem]:
    """What is wrong with a chart's numbers."""
    for field in ("alarms_per_month", "decorrelation_s", "sigma", "learn_s", "baseline_s"):
        given = getattr(chart, field)
        if given is not None and not (math.isfinite(given) and given > 0):
            yield Problem.of(f"params.{field}", f"{given:g} is of no use", "a positive number")
            return
    if (chart.mean is None) != (chart.sigma is None):
        missing = "mean" if chart.mean is None else "sigma"
        yield Problem.of(f"params.{missing}", "mean and sigma go together", "give both, or neither to learn them")
    if chart.mean is not None and not math.isfinite(chart.mean):
        yield Problem.of("params.mean", f"{chart.mean:g} is no number", "the mean in healthy operation")
    if chart.sides not in SIDES:
        yield Problem.of("params.sides", f"there are no sides {chart.sides!r}", f"one of: {', '.join(SIDES)}")
    if tag.measure in (Measure.WIND_DIRECTION, Measure.STATE):
        yield Problem.of("measures", f"{tag.name} has no mean that could shift", "leave it out")
    every, run = every_s(tag, chart), run_length(tag, chart)
    if not SHORTEST_RUN <= run <= LONGEST_RUN:
        least, most = MONTH_S / every / LONGEST_RUN, MONTH_S / every / SHORTEST_RUN
        message = f"{chart.alarms_per_month:g} alarms a month with a sample in {every:g} s cannot be kept"
        yield Problem.of("params.alarms_per_month", message, f"{least:.2g} to {most:.4g}")
    if chart.sigma is None and chart.learn_s < 100 * every:
        message = f"{chart.learn_s:g} s hold fewer than 100 samples of {tag.name}, one in {every:g} s"
        yield Problem.of("params.learn_s", message, f"{100 * every:g} or more")
    if chart.sigma is None and chart.baseline_s < chart.learn_s:
        yield Problem.of("params.baseline_s", "shorter than learn_s", f"{chart.learn_s:g} or more")
