"""Shift dose: what has gathered of a toxic gas since the shift began, against the 8-hour limit (PC-TWA).

    sum of C dt since the shift began / 8 h,      action level at 50 % of the limit, and the limit itself

A reading C holds until the next one, at most for the tag's gap (`rules.doses`); missing time adds nothing. The sum only
rises, so what is above a level stays above it whatever comes: no coverage is asked for a raise. A level falls in a
later shift, whose sum begins at zero, at a good reading once good readings cover 75 % of that shift so far. A fold that
begins in the middle of a shift says nothing of it before that either, but for a raise.

A second condition on the low side tells the minutes that people may stay: how long the present concentration may last
until the shift's sum passes the limit. It is raised at 30 minutes, falls at 60 or when the shift ends before the limit
is reached, and may be switched off (`warn_min = 0`).

Shifts begin at the same times of day, in a zone without daylight saving; a reading belongs to the shift of its event
time. A clock that is set, ahead or back, keeps the sum.

In long shifts the body has more to take up and less time to recover. With `reduction` the sum is divided by the h hours
of the longest shift of the schedule, 8 at least, and the limit is multiplied by

    daily:   RF = 8 / h x (24 - h) / 16
    weekly:  RF = 40 / w x (168 - w) / 128  for w hours of work a week, at most 8 / h

- The limit is the rule's own; without one, the PC-TWA of the table of gases, converted into the tag's unit by the gas's
  molar mass at 20 °C. Without `reduction` the sum of a shift of 12 h is still divided by 8 h, as the limit is one of a
  working day.
- The figures are `left`, the minutes left in this shift at the present concentration (none where the limit would not be
  reached), `mean`, the mean over the time that readings cover, and `coverage`, their share of the shift so far.
- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range add to the
  sum and may raise; their time does not count as good. **Over range** counts as the end of the range.
- **Late** readings are not used: the sum has passed their time.
- A fixed detector measures the air at its place and not what a person breathes: this is a warning, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.doses import MINUTE_MS, SCALE, STATE, advance, heard, scale
from rules.exposure import (
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
from rules.shifts import PARAMS as SHIFTS
from rules.shifts import Schedule, carried, lengths, shift_of
from rules.shifts import check as check_shifts
from rules.shifts import values as shift_values
from rules.words import name, number, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Tag
from schemas.text import Text
from schemas.time import HOUR, MS

REFERENCE = 480 * MINUTE_MS
"""The 8 hours of a limit."""
LONGEST_HOLD_S = 900.0
MOST_PERIOD_S = 300.0


class Params(Schedule, frozen=True, kw_only=True):
    """`limit` in `limit_unit` ("" is the tag's unit; "mg/m3" is converted), none for the table's; `action_share` the
    share of it that is the action level; `shifts` the times of day at which shifts begin, in the zone `utc_offset_h`
    (h); `reduction` of the limit for long shifts: none, daily, or weekly with `week_h` hours of work a week (h);
    `coverage` the share of a shift that must be covered before a level falls (0.5 to 1); `warn_min` the minutes left at
    which to warn, once they last for `warn_delay_s` (s)."""

    action_share: float = 0.5
    reduction: Literal["none", "daily", "weekly"] = "none"
    week_h: float = 40.0
    coverage: float = 0.75
    warn_min: float = 30.0
    warn_delay_s: float = 60.0


PARAMS = np.dtype(
    [
        *SCALE,
        ("action", "f8"),
        ("limit", "f8"),
        ("coverage", "f8"),
        ("warn", "f8"),  # ms
        ("reference", "i8"),  # ms that the sum is divided by
        *SHIFTS,
        ("ahead", "i8"),  # 1 for the minutes left, whose sum is that of the condition before
    ],
    align=True,
)
MEMORY = np.dtype([("figures", "f8", (3,)), *STATE], align=True)


@kernel
def _add(s, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading into the sum of its shift; returns when that began and when it ends."""
    first = s["seen"] == 0
    before, held, held_good = s["at"], s["held"], s["held_good"]
    passed = advance(s, p, concentration, good, at, now)
    begins, ends = shift_of(s["at"], p)
    over = carried(s, p, before, passed, begins)
    if over >= 0 and not first:
        s["dose"] = held * over
        s["covered"] = over
        s["good"] = over if held_good != 0 else 0
    return begins, ends


@kernel
def _left(own, p, concentration, ends):  # type: ignore[no-untyped-def]
    """How long (ms) the concentration may last until the limit; infinite when the shift ends before."""
    left = p["limit"] * p["reference"] - own["dose"]
    if left <= 0.0:
        return 0.0
    left = left / concentration if concentration > 0.0 else np.inf
    return left if left <= (ends - own["at"]) // MS else np.inf


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    begins, ends = np.int64(0), np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LATE) != 0:
            continue
        q = quality[i]
        live = (flags[i] & LIVE) != 0
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            concentration, usable, good = heard(value[i], q, live, p)
            beyond, clear = 0, 0
            if usable:
                own = memory[c - p["ahead"]]
                if p["ahead"] == 0:
                    begins, ends = _add(s, p, concentration, good, at[i], now)
                    s["value"] = s["dose"] / p["reference"]
                if p["ahead"] == 0:
                    action, most = p["action"] * p["reference"], p["limit"] * p["reference"]
                    beyond = (1 if s["dose"] > action else 0) | (2 if s["dose"] > most else 0)
                    clear = 3 & ~beyond
                else:
                    left = _left(own, p, concentration, ends)
                    s["value"] = left / MINUTE_MS
                    beyond = 1 if left <= p["warn"] else 0
                    clear = 1 if left >= 2.0 * p["warn"] else 0
                if own["good"] < p["coverage"] * ((own["at"] - begins) // MS):
                    good = False
                    clear = 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            if usable:
                own = memory[c - p["ahead"]]
                elapsed = (own["at"] - begins) // MS
                s["figures"][0] = _left(own, p, concentration, ends) / MINUTE_MS
                s["figures"][1] = own["dose"] / own["covered"] if own["covered"] > 0 else np.nan
                s["figures"][2] = own["covered"] / elapsed if elapsed > 0 else np.nan
            m = step_telling(
                s["figures"], c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append,
                i, s["value"], q, out, due, m,
            )  # fmt: skip
    return m


ACTION = Text(zh="行动水平", en="action level")
LIMIT = Text(zh="8 小时接触限值", en="8-hour limit")
REDUCED = Text(zh="折减限值", en="reduced limit")
LEFT = Text(zh="剩余停留时间", en="time left to stay")


def hours(params: Params) -> float:
    """The hours that the sum is divided by: 8, or those of the longest shift where its limit is reduced."""
    return 8.0 if params.reduction == "none" else max(8.0, max(lengths(params)) / HOUR)


def factor(params: Params) -> float:
    """By how much the limit is reduced; never so little that more would be allowed than in a shift of 8 hours."""
    h = hours(params)
    if params.reduction == "none":
        return 1.0
    if params.reduction == "daily":
        return 8.0 / h * (24.0 - h) / 16.0
    return min(8.0 / h, 40.0 / params.week_h * (168.0 - params.week_h) / 128.0)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The sum of each tag, and right after it the minutes left."""
    for tag in tags:
        limit = limit_of(tag, params.limit, params.limit_unit, listed(tag, "pc_twa_mg_m3"))
        if limit is None:
            continue
        limit *= factor(params)
        action = limit * params.action_share
        values = {
            **scale(tag, limit, LONGEST_HOLD_S),
            **shift_values(params),
            "action": action,
            "limit": limit,
            "coverage": params.coverage,
            "warn": params.warn_min * MINUTE_MS,
            "reference": round(hours(params) * 60) * MINUTE_MS,
        }
        levels = (
            Level("twa_action", ACTION, action),
            Level("twa", LIMIT if params.reduction == "none" else REDUCED, limit),
        )
        yield Planned((tag,), Side.HIGH, levels, values=values)
        yield from ahead(tag, params, (Level("twa_soon", LEFT, params.warn_min, early=True),), values)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    limit = listed(tag, "pc_twa_mg_m3")
    yield from check_dose(tag, params, limit, "8-hour limit (PC-TWA)", MOST_PERIOD_S, "a sum over a shift")
    yield from check_shifts(params)
    yield from check_bounds(
        params,
        (
            ("action_share", 0.1, 0.9),
            ("week_h", 40.0, 84.0),
            ("coverage", 0.5, 1.0),
            ("warn_min", 0.0, 240.0),
            ("warn_delay_s", 0.0, 600.0),
        ),
    )


def say(said: Said) -> Text:
    """Such as "1#炉 CO：本班累积 9.1 ppm（按 8 小时计），超过行动水平 8.6 ppm"."""
    what, values, given = name(said.tag), said.condition.values, said.tag.unit
    limit, h = quantity(values["limit"], given), number(values["reference"] / REFERENCE * 8)
    if said.condition.side is Side.LOW:
        return _say_left(said, limit, h)
    total, level = quantity(said.value, given), said.level
    if level is None or level.limit is None:
        told = Text(
            zh=f"新班次累积重新开始，目前 {total}（按 {h} 小时计）",
            en=f"a new shift began, dose so far {total} over {h} h",
        )
    elif said.value <= level.limit:
        crossed = quantity(level.limit, given)
        told = Text(
            zh=f"上一班次累积曾超过{level.title.zh} {crossed}，本班数据尚不足",
            en=f"dose of an earlier shift was above the {level.title.en} {crossed}, not enough data of this one",
        )
    else:
        crossed, share = quantity(level.limit, given), math.floor(100 * said.value / values["limit"])
        told = Text(
            zh=f"本班累积 {total}（按 {h} 小时计），超过{level.title.zh} {crossed}，为 {h} 小时限值的 {share}%",
            en=f"dose of this shift {total} over {h} h, above the {level.title.en} {crossed}, "
            f"{share} % of the {h}-hour limit",
        )
    return Text(zh=f"{what.zh}：{told.zh}", en=f"{what.en}: {told.en}")


def _say_left(said: Said, limit: str, h: str) -> Text:
    return say_left(
        said,
        far=Text(
            zh=f"按目前浓度，本班内不会很快达到 {h} 小时接触限值 {limit}",
            en=f"at the present concentration the {h}-hour limit {limit} is not near in this shift",
        ),
        used=Text(
            zh=f"本班累积已达 {h} 小时接触限值 {limit}，停留时间已用完",
            en=f"{h}-hour limit {limit} is used up, no time left to stay in this shift",
        ),
        near=Text(
            zh=f"按目前浓度，本班还可停留约 {{left}} 分钟（{h} 小时接触限值 {limit}）",
            en=f"at the present concentration {{left}} min left to stay in this shift ({h}-hour limit {limit})",
        ),
    )


_GAS = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="mg/m3", range_low=0.0,
    range_high=500.0, period_s=60.0, limits=Limits(high=300.0), stale_s=600.0,
)  # fmt: skip


KIND = Kind(
    name="twa",
    title=Text(zh="班次累积（8 小时接触限值）", en="Shift dose (8-hour limit)"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    unit=unit,
    figures=("left", "mean", "coverage"),
    source="PC-TWA as in GBZ 2.1-2019 (sum of C dt / 8 h); long shifts: Brief and Scala 1975; the action level of "
    "50 %, the coverage rule and the minutes left are project defaults.",
    examples=(
        Example(
            _GAS,
            RuleCase(
                name="half an hour at 160 is half of 20 over 8 h, an hour is all; the shift from 10:00 begins at zero",
                tag="CO-1",
                readings=every_minute((62, 160.0), (60, 0.0)),
                expect=(
                    (31 * 60.0, "raise", "twa_action"),
                    (61 * 60.0, "rise", "twa"),
                    (120 * 60.0, "return", "normal"),
                ),
            ),
            params={"shifts": ["08:00", "10:00"], "warn_min": 0.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="at 320 the limit of 20 over 8 h allows 30 minutes: told when 10 are left, ended by good data",
                tag="CO-1",
                readings=(*every_minute((22, 320.0)), (1320.0, None, "BAD"), (1380.0, 0.0)),
                expect=(
                    (16 * 60.0, "raise", "twa_action"),
                    (21 * 60.0, "raise", "twa_soon"),
                    (1380.0, "return", "normal"),
                ),
            ),
            params={"warn_min": 10.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="shifts of 12 h: half of 20 over 12 h, so an hour at 125 is too much",
                tag="CO-1",
                readings=every_minute((62, 125.0)),
                expect=((29 * 60.0, "raise", "twa_action"), (58 * 60.0, "rise", "twa")),
            ),
            params={"shifts": ["08:00", "20:00"], "reduction": "daily", "warn_min": 0.0},
        ),
    ),
)
