"""Forecast: at its present rate the value will reach a limit within the horizon (high and low side apart).

The trend is a Theil-Sen line (`rules.theilsen`) over the last `window_s`, so a spike or a short dropout does not bend
it. With its slope b and its level at the newest sample,

    minutes to the limit = (limit - level) / b / 60

A warning is raised when that is less than the horizon, the slope's confidence band excludes 0 and there are at least 8
samples. It is said once and stands until the line no longer leads to the limit, or reaches it later than one and a half
horizons. With fewer samples nothing is said and nothing ends: too little data is neither an alarm nor a number. A level
that is past the limit already is the matter of `limits`; here it neither raises nor clears.

The band is wider where noise is slow (`rules.theilsen`), but a window should still be twenty times as long as the noise
hangs together: the slow wandering of a value close to a limit is a trend for a while.

Readings are averaged over steps of a 30th of the window; the trend is judged when a step begins, so a reading of a
healthy plant costs little. The value told is the number of minutes; `limit` is in the tag's unit. The figures `early`
and `late` are the minutes at the fast and at the slow edge of the slope's band; without `late` it may never get there.

Only good readings within the measuring range are samples. Bad and uncertain ones neither raise nor clear. Late ones are
not used: `limits` looks at them, and the trend does not turn on one reading. A clock that goes back by more than a step
begins a new window.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import NormalDist

import numpy as np

from rules.admission import LIVE
from rules.baseline import usable
from rules.compiling import kernel, scratch_kernel
from rules.figures import tell
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.kinds.limits import lowest
from rules.machine import IDLE
from rules.robust import middle
from rules.theilsen import line
from rules.verdicts import BEYOND, CLEAR, HOLDS, conclude
from rules.windows import remember
from rules.words import duration, name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

STEPS = 30
"""Steps of a window: one sample each."""
SLOTS = STEPS + 2
ENOUGH = 8
"""Fewer samples say nothing."""
RELEASE = 1.5
"""The warning ends when the limit is further away than so many horizons."""
SLACK = 1.0 - 1e-9
"""For rounding in what is only a quick refusal."""


class Params(Struct, frozen=True, kw_only=True):
    """`horizon_s` is how early to warn (s), `window_s` how long a trend is looked at (s), `confidence` how sure its
    direction must be (two-sided, 0.5 to 1), `level` the limit: 1 is the first one of a side, 2 high-high or low-low."""

    horizon_s: float = 900.0
    window_s: float = 600.0
    confidence: float = 0.999
    level: int = 1


PARAMS = np.dtype(
    [
        ("sign", "f8"),  # +1 on the high side, -1 on the low side
        ("limit", "f8"),  # times the sign
        ("range_low", "f8"),
        ("range_high", "f8"),
        ("horizon", "f8"),  # s
        ("z", "f8"),  # normal quantile of the confidence
        ("window", "i8"),
        ("step", "i8"),
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # minutes to the limit, NaN where there is nothing to say
        ("figures", "f8", (2,)),  # the same at the fast and at the slow edge of the band
        ("opened", "i8"),  # event time at which the newest sample began
        ("count", "i4"),  # readings in it
        ("newest", "i4"),  # its place in the ring
        ("filled", "i4"),
        ("verdict", "i4"),  # of the window when the newest sample began
    ],
    align=True,
)
SAMPLE = np.dtype([("at", "i8"), ("value", "f8")])
"""Mean event time and value of a step; the value times the sign."""


@kernel
def _take(held, c, p, at, x):  # type: ignore[no-untyped-def]
    """Add a reading to the ring of condition c; whether it began a new sample."""
    own = held.own[c]
    base = held.first[c]
    since = at - own["opened"]
    if own["filled"] > 0 and since < -p["step"]:
        own["filled"] = 0
    elif own["filled"] > 0 and since < p["step"]:
        k = base + own["newest"]
        remember(held, k)
        sample = held.samples[k]
        own["count"] += 1
        # never before the step's beginning: the times of two samples must differ
        sample["at"] += (max(at, own["opened"]) - sample["at"]) // own["count"]
        sample["value"] += (x - sample["value"]) / own["count"]
        return False
    own["newest"] = (own["newest"] + 1) % SLOTS
    own["filled"] = min(own["filled"] + 1, SLOTS)
    own["opened"] = at
    own["count"] = 1
    k = base + own["newest"]
    remember(held, k)
    held.samples[k]["at"] = at
    held.samples[k]["value"] = x
    return True


@scratch_kernel
def _nowhere_near(t, y, n, p):  # type: ignore[no-untyped-def]
    """Whether the line can surely not reach the limit within the horizon; cheap, and may say no too often.

    The limit is that near only if the slope is more than (limit - middle y) / (horizon - middle t). The median slope is
    more than some b only if half of the pairs are steeper; of those at least one is so many samples apart that the
    values must spread that far. What is not refused by the spread is refused by counting the pairs.
    """
    least = y[0]
    most = y[0]
    for i in range(1, n):
        least = min(least, y[i])
        most = max(most, y[i])
    if most >= p["limit"]:
        return False
    b = (p["limit"] - most) / (p["horizon"] - t[0])
    if most - least < b * (n // 4 * p["step"] / SECOND) * SLACK:
        return True
    b = (p["limit"] - middle(np.sort(y[:n]), n)) / (p["horizon"] - middle(t, n)) * SLACK
    steep = 0
    for i in range(n):
        for k in range(i + 1, n):
            if y[k] - y[i] >= b * (t[k] - t[i]):
                steep += 1
    pairs = n * (n - 1) // 2
    return steep < pairs - pairs // 2


@kernel
def _judge(held, c, p, idle, t, y):  # type: ignore[no-untyped-def]
    """Look at the window of condition c: leaves verdict and value in its memory. `t`, `y` are room for the samples."""
    own = held.own[c]
    base = held.first[c]
    own["verdict"] = HOLDS
    own["value"] = np.nan
    own["figures"][0], own["figures"][1] = np.nan, np.nan
    n = 0
    for i in range(own["filled"]):
        sample = held.samples[base + (own["newest"] + 1 - own["filled"] + i + SLOTS) % SLOTS]
        if own["opened"] - sample["at"] <= p["window"]:
            t[n] = (sample["at"] - own["opened"]) / SECOND
            y[n] = sample["value"]
            n += 1
    if n < ENOUGH or (idle and _nowhere_near(t, y, n, p)):
        return
    slope, low, high, t_mid, y_mid = line(t, y, n, p["z"])
    level = y_mid - slope * t_mid
    if level >= p["limit"]:
        own["value"] = 0.0
    elif slope <= 0.0:
        own["verdict"] = CLEAR
    else:
        left = (p["limit"] - level) / slope
        if left < p["horizon"]:
            own["verdict"] = BEYOND if low > 0.0 else HOLDS
        elif left > RELEASE * p["horizon"]:
            own["verdict"] = CLEAR
        if own["verdict"] == BEYOND or (own["verdict"] == HOLDS and not idle):
            own["value"] = left / 60.0
            own["figures"][0] = (p["limit"] - level) / high / 60.0
            own["figures"][1] = (p["limit"] - level) / low / 60.0 if low > 0.0 else np.nan


@scratch_kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    t = np.empty(SLOTS)
    y = np.empty(SLOTS)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0:
            continue
        v = value[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            good = usable(p, v, quality[i])
            if good and _take(memory, c, p, at[i], p["sign"] * v):
                _judge(memory, c, p, gates[c, 0]["phase"] == IDLE, t, y)
            told = own["value"] if own["filled"] > 0 else np.nan
            before = m
            m = conclude(
                own["verdict"], told, c, conditions, gates, setup, good, flags[i], at[i], now, append, i, quality[i],
                out, due, m,
            )  # fmt: skip
            if own["filled"] > 0:
                m = tell(out, before, m, own["figures"])
    return m


_LIMITS = {
    Side.HIGH: (("high", Text(zh="高限", en="high limit")), ("high_high", Text(zh="高高限", en="high-high limit"))),
    Side.LOW: (("low", Text(zh="低限", en="low limit")), ("low_low", Text(zh="低低限", en="low-low limit"))),
}


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """A condition for each side of each tag that has such a limit."""
    for tag in tags:
        for side, limits in _LIMITS.items():
            given = [(title, limit) for field, title in limits if (limit := getattr(tag.limits, field)) is not None]
            if params.level == 2:
                given = [(title, limit) for title, limit in given if title is limits[1][1]]
            if not given:
                continue
            title, limit = given[0]
            sign = 1.0 if side is Side.HIGH else -1.0
            window = seconds(params.window_s)
            yield Planned(
                tags=(tag,),
                side=side,
                levels=(Level("forecast", title, limit, early=True),),
                values={
                    "sign": sign,
                    "limit": sign * limit,
                    "range_low": lowest(tag),
                    "range_high": math.inf if tag.range_high is None else tag.range_high,
                    "horizon": params.horizon_s,
                    "z": NormalDist().inv_cdf((1.0 + params.confidence) / 2.0),
                    "window": window,
                    "step": window // STEPS,
                },
                samples=SLOTS,
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    """The window must be able to hold enough samples, and not be stretched too far."""
    if not (math.isfinite(params.window_s) and params.window_s > 0):
        yield Problem.of("params.window_s", f"{params.window_s:g} s is no length of time", "a positive number")
    elif params.window_s < (ENOUGH + 2) * tag.period_s:
        message = f"{params.window_s:g} s hold too few readings of {tag.name}, which has one in {tag.period_s:g} s"
        yield Problem.of("params.window_s", message, f"{(ENOUGH + 2) * tag.period_s:g} or more")
    if not (math.isfinite(params.horizon_s) and params.horizon_s > 0):
        yield Problem.of("params.horizon_s", f"{params.horizon_s:g} s is no length of time", "a positive number")
    elif params.horizon_s > 10 * params.window_s > 0:
        message = f"{params.horizon_s:g} s are more than a trend over {params.window_s:g} s can tell"
        yield Problem.of("params.horizon_s", message, "at most ten windows, or a longer window_s")
    if not 0.5 <= params.confidence < 1:
        yield Problem.of("params.confidence", f"{params.confidence:g} is no confidence", "0.5 to 0.999")
    if params.level not in (1, 2):
        yield Problem.of("params.level", f"there is no level {params.level}", "1 (the first limit) or 2")


def say(said: Said) -> Text:
    """Such as "1#罐 液位：按目前趋势约 12 分钟后达到高限 8 m（最早 9 分钟）"."""
    tag, what, (level, *_) = said.tag, name(said.tag), said.condition.levels
    assert level is not None and level.limit is not None
    limit = quantity(level.limit, tag.unit)
    if said.level is None:
        return Text(
            zh=f"{what.zh}：短期内不再趋向{level.title.zh} {limit}",
            en=f"{what.en}: no longer on its way to the {level.title.en} {limit}",
        )
    if math.isnan(said.value):
        return Text(
            zh=f"{what.zh}：趋向{level.title.zh} {limit} 的预警仍未解除，目前无法估计时间",
            en=f"{what.en}: the warning of the {level.title.en} {limit} stands, no estimate at present",
        )
    if said.value <= 0:
        return Text(
            zh=f"{what.zh}：已达到{level.title.zh} {limit}", en=f"{what.en}: has reached the {level.title.en} {limit}"
        )
    left, early = duration(60.0 * said.value), duration(60.0 * said.figures.get("early", said.value))
    edge = Text(zh=f"（最早 {early.zh}）", en=f", at the earliest {early.en}") if early != left else Text()
    return Text(
        zh=f"{what.zh}：按目前趋势约 {left.zh}后达到{level.title.zh} {limit}{edge.zh}",
        en=f"{what.en}: at its present rate it reaches the {level.title.en} {limit} in about {left.en}{edge.en}",
    )


_TANK = Tag(
    number=1, name="L-1", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=10.0,
    limits=Limits(low=2.0, high=8.0), period_s=60.0, stale_s=200.0,
)  # fmt: skip
_SLOW = {"window_s": 600.0, "horizon_s": 1200.0}


def _filling(minutes: int, spike: int = -1) -> tuple[tuple[float, float], ...]:
    """A reading a minute of a tank that fills by 0.2 m/min from 4 m on; one reading may be wild."""
    return tuple((60.0 * n, 9.9 if n == spike else round(4.0 + 0.2 * n, 1)) for n in range(minutes))


KIND = Kind(
    name="forecast",
    title=Text(zh="趋势预警", en="Forecast"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    unit=lambda planned: "min",
    figures=("early", "late"),
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    source="Median of pairwise slopes: Theil 1950, Sen 1968; band by the normal approximation of Kendall's S.",
    examples=(
        Example(
            _TANK,
            RuleCase(
                name="4 m and 0.2 m/min: with the eighth reading it is known that 8 m are 13 minutes away",
                tag="L-1",
                readings=_filling(10),
                expect=((420, "raise", "forecast"),),
            ),
            _SLOW,
        ),
        Example(
            _TANK,
            RuleCase(
                name="a wild reading does not hasten it; the warning ends when the pump has stopped",
                tag="L-1",
                readings=(*_filling(10, spike=5), *((600.0 + 60.0 * n, 5.8) for n in range(9))),
                expect=((420, "raise", "forecast"), (840, "return", "normal")),
            ),
            {**_SLOW, "confidence": 0.95},
        ),
        Example(
            _TANK,
            RuleCase(
                name="seven readings are not enough data to say anything",
                tag="L-1",
                readings=_filling(7),
            ),
            _SLOW,
        ),
    ),
)
