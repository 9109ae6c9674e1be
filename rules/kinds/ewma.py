"""EWMA: a deviation of the smoothed value from its baseline (high and low side apart).

Samples are standardised against a slow baseline (`rules.baseline`: given, or learned from the first healthy stretch)
and smoothed with a weight w:

    Z = w z + (1 - w) Z,   alarm at Z > L sqrt(w / (2 - w))      (low side: with -z)

A small weight sees small lasting deviations, a large one (1 is the plain three-sigma chart) large sudden ones. L is not
chosen by hand: it follows from the false alarms per month that a point may have, by the chart's average run length
(`rules.arl`). Where only one side is asked for, Z never goes below 0, so that a quiet time on the other side does not
hide an onset. An onset is said once; Z goes no further than its limit, and the alarm stands until Z is back at half of
it. The value told is the smoothed deviation in the tag's unit, negative when it is below the baseline.

Only good readings within the range are samples. Bad, uncertain and late ones neither raise nor clear, and no sample is
a silence: too little data says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules import baseline
from rules.admission import LIVE
from rules.arl import ewma_threshold, spread
from rules.charts import KNOWN, TOWER, charted, every_10_s, examples, sampled, worded
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned
from rules.verdicts import BEYOND, CLEAR, HOLDS
from schemas.changes import AlarmClass
from schemas.problems import Problem
from schemas.registry import RuleCase, Tag
from schemas.text import Text

RELEASE = 0.5
"""The share of the limit at which an alarm ends."""
LEVEL = Level("deviation", Text(zh="平滑值偏离", en="deviation of the smoothed value"), early=True)


class Params(baseline.Chart, frozen=True, kw_only=True):
    """`alarms_per_month` false alarms a point may have in 30 days, `weight` of the newest sample (0.02 to 1),
    `decorrelation_s` between samples (s), `sides` both, high or low; `mean` and `sigma` (the tag's unit) of healthy
    samples, or None to learn them from `learn_s` of data (s) and follow with a time constant of `baseline_s` (s)."""

    weight: float = 0.1


PARAMS = np.dtype([*baseline.PARAMS, ("weight", "f8"), ("limit", "f8"), ("floor", "f8")], align=True)
MEMORY = np.dtype(
    [
        *baseline.MEMORY,
        ("value", "f8"),  # the smoothed deviation, signed
        ("score", "f8"),  # Z, at most its limit
        ("smooth", "f8"),  # the same without bounds
        ("verdict", "i4"),  # of the last sample
    ],
    align=True,
)


@kernel
def _judge(own, p, z):  # type: ignore[no-untyped-def]
    score = own["score"] + p["weight"] * (z - own["score"])
    if score > p["limit"]:
        own["verdict"] = BEYOND
    elif score <= RELEASE * p["limit"]:
        own["verdict"] = CLEAR
    else:
        own["verdict"] = HOLDS
    own["score"] = min(max(score, p["floor"]), p["limit"])
    own["smooth"] += p["weight"] * (z - own["smooth"])
    own["value"] = p["sign"] * own["sigma"] * own["smooth"]


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0:
            continue
        v = value[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            good, sample, z = sampled(own, p, v, quality[i], at[i])
            if z == z:
                _judge(own, p, z)
            m = charted(
                memory, c, p, v, good, sample, conditions, gates, setup, flags[i], at[i], now, append, i, quality[i],
                out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        sides = baseline.SIDES[params.sides]
        one = len(sides) == 1
        limit = ewma_threshold(params.weight, baseline.run_length(tag, params), one) * spread(params.weight)
        for side in sides:
            yield Planned(
                tags=(tag,),
                side=side,
                levels=(LEVEL,),
                values={
                    **baseline.values(tag, params, side),
                    "weight": params.weight,
                    "limit": limit,
                    "floor": 0.0 if one else -limit,
                },
                samples=baseline.ring(params),
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not 0.02 <= params.weight <= 1:
        yield Problem.of("params.weight", f"{params.weight:g} is no weight for a sample", "0.02 to 1")
    yield from baseline.check(tag, params)


say = worded(
    normal=Text(zh="平滑值已回到基准附近", en="its smoothed value is back near its baseline"),
    standing=Text(zh="平滑值偏离仍未解除", en="the deviation of its smoothed value has not ended"),
    up=Text(zh="平滑值比基准高约 {size}", en="its smoothed value is about {size} above its baseline"),
    down=Text(zh="平滑值比基准低约 {size}", en="its smoothed value is about {size} below its baseline"),
)

KIND = Kind(
    name="ewma",
    title=Text(zh="指数平滑预警", en="EWMA"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=baseline.SAMPLE,
    source="Roberts 1959; run lengths by the integral equation of the chart (Crowder 1987).",
    examples=(
        Example(
            TOWER,
            RuleCase(
                name="one false alarm a month gives L = 4.5: a shift of 2 sigma is seen with its seventh sample",
                tag="P-1",
                readings=every_10_s(1.0, 0.99, 1.01, *(1.02,) * 10, *(1.0,) * 10),
                expect=((90, "raise", "deviation"), (190, "return", "normal")),
            ),
            KNOWN,
        ),
        *examples("deviation"),
    ),
)
