"""Stuck: an instrument that says the same number for too long.

A run is a series of good readings whose spread (largest less smallest) stays within half a step of the resolution. It
is a fault once it has lasted `stuck_s`, in event time or in the time of the log. Where no resolution is known, only
equal numbers are a run.

What is flat by nature is no run: a detector at its zero, oxygen in clean air, a flow, a wind or a current at rest, all
within the share `rest` of the span; a gas point at the end of its range, which is an alarm and no fault; and states are
not watched at all. So a gas detector that died at zero is not found here: only a bump test finds it.

Bad, uncertain and late readings are passed over, since a substituted value or one under calibration is flat without
fault. A hole longer than a tenth of `stuck_s` and than three periods begins a new run: nobody knows what lay in it. For
the same reason this is not for tags that report only what has changed.

The fault ends at a reading that leaves the run, or is at rest, 60 s or more after the last that was stuck: a number
that jumps once and freezes again is still stuck.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.compiling import kernel
from rules.instruments import QUIET, check_length, check_share, is_judged, span
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.words import duration, name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

LEVEL = Level("stuck", Text(zh="数值不变", en="stuck"))
AT_REST = (Measure.GAS, Measure.FLOW, Measure.WIND_SPEED, Measure.CURRENT)
"""Measures that rest at zero for days without fault."""
OXYGEN = "7782-44-7"
CLEAN_AIR = 20.9
"""Oxygen (% of volume) where nothing is wrong."""


class Params(Struct, frozen=True, kw_only=True):
    """How long (s) a value may stay the same; the step of the instrument in the tag's unit, None for the tag's own; and
    the share of the span around the value at rest that does not count."""

    stuck_s: float = 1800.0
    resolution: float | None = None
    rest: float = 0.02


PARAMS = np.dtype(
    [
        ("stuck", "i8"),
        ("hole", "i8"),
        ("spread", "f8"),
        ("rest", "f8"),  # NaN where nothing is flat by nature
        ("band", "f8"),
        ("ceiling", "f8"),  # the end of a gas point's range
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("low", "f8"),
        ("high", "f8"),
        ("since_at", "i8"),  # event time and `now` of the run's first reading
        ("since_now", "i8"),
        ("last_at", "i8"),
        ("last_now", "i8"),
        ("cause_now", "i8"),  # `now` of the last reading that was stuck
        ("running", "i8"),
    ],
    align=True,
)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    for i in range(n):
        j = index[i]
        v = value[i]
        if not is_judged(j, flags[i], v, quality[i]):
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            stuck = False
            left = abs(v - p["rest"]) <= p["band"] or v >= p["ceiling"]
            if left:
                s["running"] = 0
            else:
                low, high = min(s["low"], v), max(s["high"], v)
                behind = at[i] - s["last_at"]
                known = s["running"] != 0 and 0 <= behind <= p["hole"] and now - s["last_now"] <= p["hole"]
                left = known and high - low > p["spread"]
                if known and not left:
                    s["low"], s["high"] = low, high
                    stuck = at[i] - s["since_at"] >= p["stuck"] or now - s["since_now"] >= p["stuck"]
                else:
                    s["low"], s["high"] = v, v
                    s["since_at"], s["since_now"] = at[i], now
                    s["running"] = 1
                s["last_at"], s["last_now"] = at[i], now
            if stuck:
                s["cause_now"] = now
            elif conditions[c]["quiet"] != 0:
                continue
            clear = 1 if left and now - s["cause_now"] >= QUIET else 0
            m = step(
                c, conditions, gates, setup, 1 if stuck else 0, clear, True, flags[i], basis, at[i], now, append, i, v,
                quality[i], out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        if tag.measure is Measure.STATE:
            continue
        step_of = tag.resolution if params.resolution is None else params.resolution
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(LEVEL,),
            holds=False,
            values={
                "stuck": seconds(params.stuck_s),
                "hole": seconds(max(params.stuck_s / 10, 3 * tag.period_s)),
                "spread": (step_of or 0.0) / 2,
                "rest": at_rest(tag),
                "band": params.rest * span(tag),
                "ceiling": _ceiling(tag),
            },
        )


def at_rest(tag: Tag) -> float:
    """The value at which the tag may stay for ever, NaN without one."""
    if tag.measure not in AT_REST:
        return math.nan
    low, high = tag.range_low, tag.range_high
    if tag.measure is Measure.GAS and tag.cas == OXYGEN:
        return CLEAN_AIR
    below = low is not None and low > 0.0  # a live zero: 4 mA of 4-20 mA
    above = high is not None and high < 0.0
    return low if below and low is not None else high if above and high is not None else 0.0


def _ceiling(tag: Tag) -> float:
    gas = tag.measure is Measure.GAS and tag.cas != OXYGEN
    return tag.range_high if gas and tag.range_high is not None else math.inf


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    yield from check_length(tag, "stuck_s", params.stuck_s, 10, "judge", 1800)
    if params.resolution is not None and not (math.isfinite(params.resolution) and params.resolution >= 0):
        message = f"{params.resolution:g} is no step of an instrument"
        yield Problem.of("params.resolution", message, "0 or more, in the tag's unit; leave it out for the tag's own")
    yield from check_share("rest", params.rest, 0.5, 0.02)


def say(said: Said) -> Text:
    """Such as "1#炉 CO：25 ppm 超过 30 分钟没有变化，仪表可能卡死"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：数值恢复变化", en=f"{what.en}: the value moves again")
    value = quantity(said.value, said.tag.unit)
    longer = duration(said.condition.values["stuck"] / SECOND)
    return Text(
        zh=f"{what.zh}：{value} 超过 {longer.zh}没有变化，仪表可能卡死",
        en=f"{what.en}: {value} unchanged for more than {longer.en}, the instrument may be stuck",
    )


_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0, resolution=0.1, period_s=2.0, limits=Limits(high=17.2, high_high=34.3),
)  # fmt: skip
_T = Tag(
    number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    resolution=0.1, period_s=60.0,
)  # fmt: skip

KIND = Kind(
    name="stuck",
    title=Text(zh="数值不变", en="Stuck value"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="Project default: every change below half the least step for too long, as plant data checks have it.",
    examples=(
        Example(
            _T,
            RuleCase(
                name="half an hour without any change is a fault; it ends when the value moves",
                tag="T-1",
                readings=(*((t, 85.3) for t in range(0, 1860, 60)), (1860, 85.4), (1920, 85.2)),
                expect=((1800, "raise", "stuck"), (1860, "return", "normal")),
            ),
        ),
        Example(
            _CO,
            RuleCase(
                name="25 ppm that do not move are a fault; one jump does not end it, moving for a minute does",
                tag="CO-1",
                readings=(
                    *((t, 25.0) for t in range(0, 32, 2)),
                    *((t, 26.0) for t in range(32, 42, 2)),
                    *((t, 26.0 + 0.1 * (t % 4)) for t in range(42, 100, 2)),
                ),
                expect=((20, "raise", "stuck"), (90, "return", "normal")),
            ),
            params={"stuck_s": 20.0},
        ),
        Example(
            _CO,
            RuleCase(
                name="a detector at its zero is flat without fault, and so is one at the end of its range",
                tag="CO-1",
                readings=(*((t, 0.2) for t in range(0, 40, 2)), *((t, 500.0) for t in range(40, 80, 2))),
            ),
            params={"stuck_s": 20.0},
        ),
        Example(
            _CO,
            RuleCase(
                name="a hole begins a new run: nobody knows what lay in it",
                tag="CO-1",
                readings=(*((t, 25.0) for t in range(0, 20, 2)), *((t, 25.0) for t in range(26, 44, 2))),
            ),
            params={"stuck_s": 20.0},
        ),
    ),
)
