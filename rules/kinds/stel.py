"""Short-term exposure limit: the mean of a toxic gas over the last 15 minutes.

    mean = sum of C dt over (t - 15 min, t] / covered time,      alarm when mean > limit

A reading C holds until the next one, at most for the tag's gap (`rules.doses`). With less than 75 % of the 15 minutes
covered there is no mean and nothing is told, but the sum counts as it is: when C dt / 15 min alone is above the limit,
no missing reading could take it back, and the alarm is raised. It falls when the mean is at 95 % of the limit or below
and good readings cover 75 %.

A second condition on the low side tells the minutes that are left: how long the present concentration may last until
the 15-minute sum passes the limit, what leaves the window meanwhile being taken off. It is raised at 5 minutes, falls
at 10, and may be switched off (`warn_min = 0`). Both are early or late by what the gas does next; neither replaces the
limits of the point itself.

- The limit is the tag's or the rule's own; without one, the PC-STEL of the table of gases, converted into the tag's
  unit by the gas's molar mass at 20 °C.
- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range add to the
  sum and may raise; their time does not count as good. **Over range** counts as the end of the range.
- **Late** readings are not used: the sum has passed their time.
- Samples are kept at least 10 s apart, so with faster readings the far end of the window is interpolated within 10 s.
- The figures are `left`, the minutes that are left at the present concentration (none where the limit would not be
  passed), and `coverage`, the share of the 15 minutes that readings cover.
- A fixed detector measures the air at its place and not what a person breathes: this is a warning, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.doses import MINUTE_MS, SCALE, STATE, heard, scale
from rules.exposure import (
    Dose,
    ahead,
    check_bounds,
    check_dose,
    every_minute,
    limit_of,
    listed,
    say_left,
    unit,
)
from rules.figures import step_telling
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING
from rules.rolling import RING, SAMPLE, SLOTS, WINDOW, take, time_left, window
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Tag
from schemas.text import Text

LONGEST_HOLD_S = 180.0
MOST_PERIOD_S = 90.0
"""Ten readings in 15 minutes are the least that a mean can be made of."""


class Params(Dose, frozen=True, kw_only=True):
    """`limit` in `limit_unit` ("" is the tag's unit; "mg/m3" is converted), none for the table's; `coverage` the share
    of the window that must be covered (0.5 to 1); `clear_share` the share of the limit at which it falls; `warn_min`
    the minutes left at which to warn, once they last for `warn_delay_s` (s)."""

    coverage: float = 0.75
    clear_share: float = 0.95


PARAMS = np.dtype(
    [
        *SCALE,
        ("limit", "f8"),
        ("clear", "f8"),
        ("enough", "i8"),  # ms that must be covered
        ("warn", "f8"),  # ms
        ("ahead", "i8"),  # 1 for the minutes left, whose window is that of the condition before
    ],
    align=True,
)
MEMORY = np.dtype([("figures", "f8", (2,)), *RING, *STATE], align=True)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    dose, covered, in_good, exceeds = 0.0, 0.0, 0.0, False
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LATE) != 0:
            continue
        q = quality[i]
        live = (flags[i] & LIVE) != 0
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory.own[c]
            concentration, usable, good = heard(value[i], q, live, p)
            beyond, clear = 0, 0
            if usable:
                if p["ahead"] == 0:
                    take(memory, c, p, concentration, good, at[i], now)
                    dose, covered, in_good = window(s)
                    time = covered if covered >= p["enough"] else float(WINDOW)
                    exceeds = dose > p["limit"] * time
                    s["value"] = dose / time if exceeds or covered >= p["enough"] else np.nan
                    beyond = 1 if exceeds else 0
                    clear = 1 if dose <= p["clear"] * time else 0
                if p["ahead"] != 0 or beyond != 0 or conditions[c]["quiet"] == 0:
                    left, most = 0.0, p["limit"] * WINDOW
                    if not exceeds:
                        left = time_left(memory, c - p["ahead"], dose, most, concentration, WINDOW)
                    s["figures"][0] = left / MINUTE_MS if left <= WINDOW else np.nan
                    s["figures"][1] = covered / WINDOW
                    if p["ahead"] != 0:
                        s["value"] = left / MINUTE_MS
                        beyond = 1 if left <= p["warn"] else 0
                        clear = 1 if left >= 2.0 * p["warn"] else 0
                if in_good < p["enough"]:
                    good = False
                    clear = 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step_telling(
                s["figures"], c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append,
                i, s["value"], q, out, due, m,
            )  # fmt: skip
    return m


MEAN = Text(zh="短时间接触限值", en="short-term limit")
LEFT = Text(zh="剩余时间", en="time left")


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The mean of each tag, and right after it the minutes left, which look at the same window."""
    for tag in tags:
        limit = limit_of(tag, params.limit, params.limit_unit, listed(tag, "pc_stel_mg_m3"))
        if limit is None:
            continue
        values = {
            **scale(tag, limit, LONGEST_HOLD_S),
            "limit": limit,
            "clear": limit * params.clear_share,
            "enough": round(WINDOW * params.coverage),
            "warn": params.warn_min * MINUTE_MS,
        }
        yield Planned((tag,), Side.HIGH, (Level("stel", MEAN, limit),), values=values, samples=SLOTS)
        yield from ahead(tag, params, (Level("stel_soon", LEFT, params.warn_min, early=True),), values)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    limit = listed(tag, "pc_stel_mg_m3")
    yield from check_dose(tag, params, limit, "short-term limit (PC-STEL)", MOST_PERIOD_S, "a mean of 15 minutes")
    yield from check_bounds(params, (("coverage", 0.5, 1.0), ("clear_share", 0.5, 1.0), ("warn_min", 0.0, 7.5)))
    if not 0 <= params.warn_delay_s <= 60:
        message = f"{params.warn_delay_s:g} s; the warning would come too late"
        yield Problem.of("params.warn_delay_s", message, "0 to 60")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：15 分钟平均 33 ppm，超过短时间接触限值 30 ppm"."""
    what, values = name(said.tag), said.condition.values
    limit = quantity(values["limit"], said.tag.unit)
    if said.condition.side is Side.LOW:
        return _say_left(said, limit)
    mean = quantity(said.value, said.tag.unit)
    told = Text(
        zh=f"15 分钟平均 {mean}，超过短时间接触限值 {limit}",
        en=f"15-minute mean {mean}, above the short-term limit {limit}",
    )
    if said.level is None:
        told = Text(
            zh=f"15 分钟平均 {mean}，已低于短时间接触限值 {limit}",
            en=f"15-minute mean {mean}, back below the short-term limit {limit}",
        )
    elif math.isnan(said.value):
        told = Text(
            zh=f"15 分钟平均曾超过短时间接触限值 {limit}，目前数据不足",
            en=f"15-minute mean was above the short-term limit {limit}, not enough data at present",
        )
    elif said.value <= values["limit"]:
        told = Text(
            zh=f"15 分钟平均 {mean}，短时间接触限值 {limit} 报警仍未解除",
            en=f"15-minute mean {mean}, short-term limit {limit} still in alarm",
        )
    return Text(zh=f"{what.zh}：{told.zh}", en=f"{what.en}: {told.en}")


def _say_left(said: Said, limit: str) -> Text:
    return say_left(
        said,
        far=Text(
            zh=f"按目前浓度，短期内不会超过短时间接触限值 {limit}",
            en=f"at the present concentration the short-term limit {limit} is not near",
        ),
        used=Text(
            zh=f"15 分钟累积已达短时间接触限值 {limit}，停留时间已用完",
            en=f"short-term limit {limit} is used up, no time left to stay",
        ),
        near=Text(
            zh=f"按目前浓度，约 {{left}} 分钟后超过短时间接触限值 {limit}（15 分钟平均）",
            en=f"at the present concentration {{left}} min left to the short-term limit {limit} (15-min mean)",
        ),
        digits=1,
    )


_GAS = Tag(
    number=1, name="NH3-1", enterprise="e", measure=Measure.GAS, cas="7664-41-7", unit="mg/m3", range_low=0.0,
    range_high=200.0, period_s=60.0, limits=Limits(high=100.0), stale_s=600.0,
)  # fmt: skip


KIND = Kind(
    name="stel",
    title=Text(zh="短时间接触限值（15 分钟平均）", en="Short-term exposure limit (15-minute mean)"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    unit=unit,
    figures=("left", "coverage"),
    source="PC-STEL as in GBZ 2.1-2019 (time-weighted mean of 15 minutes); the coverage rule and the minutes left are "
    "project defaults.",
    examples=(
        Example(
            _GAS,
            RuleCase(
                name="ten minutes of 60 between calm: the mean passes 30 at minute 37 and down to 28.5 at minute 50",
                tag="NH3-1",
                readings=every_minute((30, 10.0), (10, 60.0), (30, 12.0)),
                expect=((37 * 60.0, "raise", "stel"), (50 * 60.0, "return", "normal")),
            ),
            params={"warn_min": 0.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="too little data for a mean, but enough gas: the sum alone is conclusive",
                tag="NH3-1",
                readings=every_minute((1, 10.0), (6, 90.0)),
                expect=((6 * 60.0, "raise", "stel"),),
            ),
            params={"warn_min": 0.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="at 65 the 15 minutes are used up in 6: told when 5 are left, taken back when the gas is gone",
                tag="NH3-1",
                readings=every_minute((20, 10.0), (3, 65.0), (4, 2.0)),
                expect=((21 * 60.0 + 10, "raise", "stel_soon"), (23 * 60.0, "return", "normal")),
            ),
        ),
    ),
)
