"""CUSUM: a small lasting shift of the mean, long before a limit (high and low side apart).

Samples are standardised against a slow baseline (`rules.baseline`: given, or learned from the first healthy stretch)
and summed up as far as they are more than half of the looked-for shift away:

    S = max(0, S + z - k),   k = shift / 2,   alarm at S > h      (low side: with -z)

h is not chosen by hand: it follows from the false alarms per month that a point may have, by the chart's average run
length (`rules.arl`), half of them for each of two sides. An onset is said once; S goes no higher than h, and the alarm
stands until S is back at 0. The value told is the estimated shift in the tag's unit, negative when it is downward: the
mean residual since S was last 0.

Only good readings within the range are samples. Bad, uncertain and late ones neither raise nor clear, and no sample is
a silence: too little data says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules import baseline
from rules.admission import LIVE
from rules.arl import cusum_threshold
from rules.charts import KNOWN, TOWER, charted, every_10_s, examples, sampled, worded
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned
from rules.verdicts import BEYOND, CLEAR, HOLDS
from schemas.changes import AlarmClass
from schemas.problems import Problem
from schemas.registry import RuleCase, Tag
from schemas.text import Text

LEVEL = Level("shift", Text(zh="均值偏移", en="shift of the mean"), early=True)


class Params(baseline.Chart, frozen=True, kw_only=True):
    """`alarms_per_month` false alarms a point may have in 30 days, `shift` the size looked for (sigma),
    `decorrelation_s` between samples (s), `sides` both, high or low; `mean` and `sigma` (the tag's unit) of healthy
    samples, or None to learn them from `learn_s` of data (s) and follow with a time constant of `baseline_s` (s)."""

    shift: float = 1.0


PARAMS = np.dtype([*baseline.PARAMS, ("k", "f8"), ("h", "f8")], align=True)
MEMORY = np.dtype(
    [
        *baseline.MEMORY,
        ("value", "f8"),  # the estimated shift, signed
        ("score", "f8"),  # S
        ("total", "f8"),  # of the residuals since S was last 0
        ("count", "i4"),  # how many they are
        ("verdict", "i4"),  # of the last sample
    ],
    align=True,
)


@kernel
def _judge(own, p, z):  # type: ignore[no-untyped-def]
    score = max(0.0, own["score"] + z - p["k"])
    if score == 0.0:
        own["total"] = 0.0
        own["count"] = 0
        own["value"] = 0.0
        own["verdict"] = CLEAR
    else:
        own["total"] += z
        own["count"] += 1
        own["value"] = p["sign"] * own["sigma"] * own["total"] / own["count"]
        own["verdict"] = BEYOND if score > p["h"] else HOLDS
    own["score"] = min(score, p["h"])


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
        h = cusum_threshold(params.shift / 2, len(sides) * baseline.run_length(tag, params))
        for side in sides:
            yield Planned(
                tags=(tag,),
                side=side,
                levels=(LEVEL,),
                values={**baseline.values(tag, params, side), "k": params.shift / 2, "h": h},
                samples=baseline.ring(params),
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not 0.2 <= params.shift <= 6:
        yield Problem.of("params.shift", f"{params.shift:g} sigma cannot be looked for", "0.2 to 6")
    yield from baseline.check(tag, params)


say = worded(
    normal=Text(zh="均值与基准一致", en="its mean agrees with the baseline"),
    standing=Text(zh="均值偏移仍未解除", en="the shift of its mean has not ended"),
    up=Text(zh="均值已上移约 {size}", en="its mean has shifted up by about {size}"),
    down=Text(zh="均值已下移约 {size}", en="its mean has shifted down by about {size}"),
)

KIND = Kind(
    name="cusum",
    title=Text(zh="累积和预警", en="CUSUM"),
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
    source="Page 1954; run lengths by the integral equation of the chart (Goel and Wu 1971).",
    examples=(
        Example(
            TOWER,
            RuleCase(
                name="one false alarm a month gives h = 11.3: a shift of 2 sigma is seen with its eighth sample",
                tag="P-1",
                readings=every_10_s(1.0, 0.99, 1.01, *(1.02,) * 10, *(1.0,) * 30),
                expect=((100, "raise", "shift"), (350, "return", "normal")),
            ),
            KNOWN,
        ),
        *examples("shift"),
    ),
)
