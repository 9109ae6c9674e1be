"""What the control charts share: a sample's residual goes in, a verdict is held, and words say how far it has gone.

A chart's memory goes on after `rules.baseline.MEMORY`, with a `value` to tell and the `verdict` of its last sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from rules.baseline import is_ready, is_sample, learn, residual, usable
from rules.compiling import kernel
from rules.kinds import Example, Said
from rules.machine import IDLE
from rules.verdicts import BEYOND, conclude
from rules.words import name, quantity
from schemas.changes import Side
from schemas.registry import Measure, RuleCase, Tag
from schemas.text import Text


@kernel
def sampled(own, p, v, q, at):  # type: ignore[no-untyped-def]
    """(is it good, is it a sample, its residual towards the condition's side or NaN while nothing is known)."""
    good = usable(p, v, q)
    sample = good and is_sample(own, p, at)
    if sample and is_ready(own, p):
        return good, sample, p["sign"] * residual(own, p, v)
    return good, sample, np.nan


@kernel
def charted(  # type: ignore[no-untyped-def]
    held, c, p, v, good, sample, conditions, gates, setup, flags, at, now, append, row, quality, out, due, m
):
    """Let the baseline learn a sample after it was judged, and say what the chart's verdict comes to."""
    own = held.own[c]
    if sample:
        learn(held, c, p, v, gates[c, 0]["phase"] == IDLE and own["verdict"] != BEYOND)
    told = own["value"] if own["begun"] != 0 and is_ready(own, p) else np.nan
    return conclude(
        own["verdict"], told, c, conditions, gates, setup, good, flags, at, now, append, row, quality, out, due, m
    )


def worded(normal: Text, standing: Text, up: Text, down: Text) -> Callable[[Said], Text]:
    """What a chart says of its tag: it is normal, an alarm stands, or it has gone up or down (texts with {size})."""

    def say(said: Said) -> Text:
        what = name(said.tag)
        told, size = standing, ""
        if said.level is None:
            told = normal
        elif math.isfinite(said.value) and said.value != 0:
            told = up if said.condition.side is Side.HIGH else down
            size = quantity(float(f"{abs(said.value):.3g}"), said.tag.unit)
        return Text(zh=f"{what.zh}：{told.zh.format(size=size)}", en=f"{what.en}: {told.en.format(size=size)}")

    return say


# Worked examples


TOWER = Tag(
    number=1, name="P-1", enterprise="e", measure=Measure.PRESSURE, unit="MPa", range_low=0.0, range_high=2.0,
    period_s=10.0,
)  # fmt: skip
KNOWN = {"mean": 1.0, "sigma": 0.01, "decorrelation_s": 10.0, "alarms_per_month": 1.0}


def every_10_s(*values: float) -> tuple[tuple[float, float], ...]:
    return tuple((10.0 * n, value) for n, value in enumerate(values))


def examples(level: str) -> tuple[Example, ...]:
    """Those that come out alike for every chart."""
    return (
        Example(
            TOWER,
            RuleCase(
                name="a drop is a condition of its own, and bad data says nothing",
                tag="P-1",
                readings=(*every_10_s(1.0, 1.0), (15.0, 0.0, "BAD"), *((20.0 + 10.0 * n, 0.95) for n in range(4))),
                expect=((40, "raise", level),),
            ),
            KNOWN,
        ),
        Example(
            TOWER,
            RuleCase(
                name="a hundred samples are learned before anything is judged",
                tag="P-1",
                readings=every_10_s(*(1.0, 1.01, 0.99, 1.0) * 25, *(1.04,) * 6),
                expect=((1020, "raise", level),),
            ),
            {"decorrelation_s": 10.0, "learn_s": 1000.0, "baseline_s": 10_000.0},
        ),
    )
