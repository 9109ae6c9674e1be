"""Excursions: short peaks of a toxic gas that has an 8-hour limit (PC-TWA) and no short-term one.

Such a gas may pass 3 times its limit for a short while. An excursion begins when the concentration is above that, and
ends at a good reading at 90 % of it or below. What a shift allows:

    at most 4 excursions,  each at most 15 minutes,  1 h or more from the end of one to the next,  never above 5 times

- **Level 1**: an excursion is under way that has lasted longer, is the fifth of the shift, or came too soon.
- **Level 2**: the concentration is above 5 times the limit.

A second condition on the low side tells the minutes that are left of a permitted excursion: it is raised at 5 minutes
and falls when the excursion ends; `warn_min = 15` warns of every one, 0 of none. Shifts are those of rule kind `twa`; a
new shift counts anew, and what is under way is its first excursion.

- The limit is the rule's own; without one, the PC-TWA of the table of gases where it has no PC-STEL, converted into the
  tag's unit by the gas's molar mass at 20 °C.
- A reading holds until the next one, at most for the tag's gap: missing time is no time of an excursion, and ends none.
- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range may begin
  an excursion and never end one. **Over range** counts as the end of the range.
- **Late** readings are not used: time has passed them.
- The figures are `lasted` and `left`, the minutes of the excursion under way, `count`, how many there were in this
  shift, and `apart`, the minutes since the last one ended.
- A fixed detector measures the air at its place and not what a person breathes: this is a warning, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.doses import MINUTE_MS, SCALE, STATE, advance, heard, scale
from rules.exposure import (
    LEVELS,
    WARNING,
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
from rules.shifts import Schedule, carried, shift_of
from rules.shifts import check as check_shifts
from rules.shifts import values as shift_values
from rules.words import name, number, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Tag
from schemas.text import Text

LONGEST = 15 * MINUTE_MS
APART = 60 * MINUTE_MS
MOST = 4
EXCURSION, PEAK = 3.0, 5.0
"""Times the limit."""
LONGEST_HOLD_S = 180.0
MOST_PERIOD_S = 90.0


class Params(Schedule, frozen=True, kw_only=True):
    """`limit`, the 8-hour one, in `limit_unit` ("" is the tag's unit; "mg/m3" is converted), none for the table's;
    `shifts` the times of day at which shifts begin, in the zone `utc_offset_h` (h); `clear_share` the share of a level
    at which it ends; `on_delay_s` and `off_delay_s` (s) of both levels; `warn_min` the minutes left at which to warn,
    once they last for `warn_delay_s` (s)."""

    clear_share: float = 0.9
    on_delay_s: float = 3.0
    off_delay_s: float = 60.0


PARAMS = np.dtype(
    [
        *SCALE,
        ("excursion", "f8"),
        ("peak", "f8"),
        ("clear", "f8"),
        ("warn", "f8"),  # ms
        *SHIFTS,
        ("ahead", "i8"),  # 1 for the minutes left, of the excursion of the condition before
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("figures", "f8", (4,)),
        ("begun", "i8"),  # `covered` when the excursion began
        ("ended", "i8"),  # `clock` when the last one ended, -1 without one in this shift
        ("number", "i4"),  # excursions of this shift
        ("out", "i4"),  # whether one is under way
        ("soon", "i4"),  # whether it came too soon after the last one
        *STATE,
    ],
    align=True,
)


@kernel
def _follow(s, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading in; returns the minutes (ms) that are left of the excursion under way, infinite without one."""
    first = s["seen"] == 0
    before = s["at"]
    passed = advance(s, p, concentration, good, at, now)
    begins, _ = shift_of(s["at"], p)
    over = carried(s, p, before, passed, begins)
    if first or over >= 0:
        s["ended"] = -1
        s["soon"] = 0
        s["number"] = s["out"]
        s["begun"] = s["covered"] - max(over, 0)
    if s["out"] == 0 and concentration > p["excursion"]:
        s["out"] = 1
        s["number"] += 1
        s["begun"] = s["covered"]
        s["soon"] = 1 if s["ended"] >= 0 and s["clock"] - s["ended"] < APART else 0
    elif s["out"] != 0 and good and concentration <= p["clear"] * p["excursion"]:
        s["out"] = 0
        s["ended"] = s["clock"]
    lasted = float(s["covered"] - s["begun"])
    left = np.inf
    if s["out"] != 0:
        left = max(0.0, LONGEST - lasted)
        if s["soon"] != 0 or s["number"] > MOST or lasted > LONGEST:
            left = -1.0
    s["figures"][0] = lasted / MINUTE_MS if s["out"] != 0 else np.nan
    s["figures"][1] = max(0.0, left) / MINUTE_MS
    s["figures"][2] = s["number"]
    s["figures"][3] = (s["clock"] - s["ended"]) / MINUTE_MS if s["out"] == 0 and s["ended"] >= 0 else np.nan
    s["value"] = concentration
    return left


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    left = 0.0
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
            if usable and p["ahead"] == 0:
                left = _follow(s, p, concentration, good, at[i], now)
                beyond = (1 if left < 0.0 else 0) | (2 if concentration > p["peak"] else 0)
                clear = 1 if s["out"] == 0 else 0
                clear |= 2 if concentration <= p["clear"] * p["peak"] else 0
            elif usable:
                for f in range(4):
                    s["figures"][f] = memory[c - 1]["figures"][f]
                s["value"] = max(0.0, left) / MINUTE_MS
                beyond = 1 if left <= p["warn"] else 0
                clear = 1 if memory[c - 1]["out"] == 0 else 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step_telling(
                s["figures"], c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append,
                i, s["value"], q, out, due, m,
            )  # fmt: skip
    return m


BROKEN = Text(zh="峰接触超限", en="excursion rule")
PEAK_TITLE = Text(zh="峰接触上限", en="peak limit")
LEFT = Text(zh="剩余时间", en="time left")


def _listed(tag: Tag) -> float | None:
    """The PC-TWA of a gas that has no PC-STEL (mg/m3)."""
    return None if listed(tag, "pc_stel_mg_m3") is not None else listed(tag, "pc_twa_mg_m3")


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The excursions of each tag, and right after them the minutes left of the one under way."""
    for tag in tags:
        limit = limit_of(tag, params.limit, params.limit_unit, _listed(tag))
        if limit is None:
            continue
        values = {
            **scale(tag, PEAK * limit, LONGEST_HOLD_S),
            **shift_values(params),
            "excursion": EXCURSION * limit,
            "peak": PEAK * limit,
            "clear": params.clear_share,
            "warn": params.warn_min * MINUTE_MS,
        }
        yield Planned(
            tags=(tag,),
            side=Side.HIGH,
            levels=(Level("excursion", BROKEN, EXCURSION * limit), Level("peak", PEAK_TITLE, PEAK * limit)),
            on_delay_s=params.on_delay_s,
            off_delay_s=params.off_delay_s,
            values=values,
        )
        yield from ahead(tag, params, (Level("excursion_soon", LEFT, params.warn_min, early=True),), values)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if tag.measure is Measure.GAS and params.limit is None and listed(tag, "pc_stel_mg_m3") is not None:
        message = f"{tag.name}: {tag.cas} has a short-term limit (PC-STEL), so its peaks are not judged by excursions"
        yield Problem.of("tags", message, "use kind stel, or give the 8-hour limit in params.limit")
    else:
        found = _listed(tag)
        what, sums = "8-hour limit (PC-TWA)", "excursions of 15 minutes"
        yield from check_dose(tag, params, found, what, MOST_PERIOD_S, sums, PEAK)
    yield from check_shifts(params)
    yield from check_bounds(params, (*LEVELS, *WARNING))


def say(said: Said) -> Text:
    """Such as "环氧乙烷：浓度 7 mg/m3，高于 3 倍限值 6 mg/m3 已 16 分钟（本班第 1 次），超出峰接触要求"."""
    what, values, given = name(said.tag), said.condition.values, said.tag.unit
    three, five = quantity(values["excursion"], given), quantity(values["peak"], given)
    if said.condition.side is Side.LOW:
        return _say_left(said, three)
    present = Text(zh=f"浓度 {quantity(said.value, given)}", en=f"{quantity(said.value, given)}")
    lasted = said.figures.get("lasted", math.nan)
    if said.level is None:
        told = Text(zh="本次超出已结束", en="the excursion has ended")
    elif said.level.name == "peak" and said.value > values["peak"]:
        told = Text(zh=f"超过峰接触上限（5 倍限值）{five}", en=f"above the peak limit {five}, 5 times the 8-hour limit")
    elif said.level.name == "peak" or math.isnan(lasted):
        told = Text(zh="峰接触报警仍未解除", en="still in alarm")
    else:
        so_far, count = number(math.floor(lasted)), number(said.figures.get("count", 1.0))
        told = Text(
            zh=f"高于 3 倍限值 {three} 已 {so_far} 分钟（本班第 {count} 次），超出峰接触要求",
            en=f"above {three}, 3 times the 8-hour limit, for {so_far} min (no. {count} of this shift): "
            "too long, too often or too soon",
        )
    return Text(zh=f"{what.zh}：{present.zh}，{told.zh}", en=f"{what.en}: {present.en}, {told.en}")


def _say_left(said: Said, three: str) -> Text:
    return say_left(
        said,
        far=Text(zh=f"目前没有高于 3 倍限值 {three} 的超出", en=f"no excursion above {three} at present"),
        used=Text(zh=f"高于 3 倍限值 {three} 的超出已无剩余时间", en=f"no time left of the excursion above {three}"),
        near=Text(
            zh=f"高于 3 倍限值 {three}，本次超出还可持续约 {{left}} 分钟",
            en=f"above {three}, 3 times the 8-hour limit: {{left}} min left of this excursion",
        ),
    )


_GAS = Tag(
    number=1, name="EO-1", enterprise="e", measure=Measure.GAS, cas="75-21-8", unit="mg/m3", range_low=0.0,
    range_high=40.0, period_s=60.0, stale_s=600.0,
)  # fmt: skip
_PLAIN = {"warn_min": 0.0, "off_delay_s": 0.0, "on_delay_s": 0.0}

KIND = Kind(
    name="excursion",
    title=Text(zh="峰接触（短时超出）", en="Excursions above the 8-hour limit"),
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
    figures=("lasted", "left", "count", "apart"),
    source="Peak exposure as in GBZ 2.1-2019 (3 and 5 times PC-TWA, 15 minutes, 4 in a shift, 1 h apart), as quoted; "
    "the end at 90 %, the delays and the minutes left are project defaults.",
    examples=(
        Example(
            _GAS,
            RuleCase(
                name="ethylene oxide, 2 mg/m3 over 8 h: 7 is above 6 and may last 15 minutes, 11 is above 10",
                tag="EO-1",
                readings=every_minute((5, 1.0), (18, 7.0), (2, 11.0), (1, 8.0), (2, 1.0)),
                expect=(
                    (21 * 60.0, "raise", "excursion"),
                    (23 * 60.0, "rise", "peak"),
                    (25 * 60.0, "fall", "excursion"),
                    (26 * 60.0, "return", "normal"),
                ),
            ),
            params=_PLAIN,
        ),
        Example(
            _GAS,
            RuleCase(
                name="a second excursion half an hour after the first comes too soon, one after an hour does not",
                tag="EO-1",
                readings=every_minute((5, 1.0), (5, 7.0), (30, 1.0), (3, 7.0), (70, 1.0), (5, 7.0)),
                expect=((40 * 60.0, "raise", "excursion"), (43 * 60.0, "return", "normal")),
            ),
            params=_PLAIN,
        ),
        Example(
            _GAS,
            RuleCase(
                name="told when 5 of the 15 minutes are left; a minute of bad data is no minute of the excursion",
                tag="EO-1",
                readings=(
                    *every_minute((1, 1.0), (9, 7.0)),
                    (600.0, None, "BAD"),
                    (660.0, None, "BAD"),
                    *((720.0 + 60.0 * i, 7.0) for i in range(4)),
                    (960.0, 1.0),
                ),
                expect=((12 * 60.0, "raise", "excursion_soon"), (16 * 60.0, "return", "normal")),
            ),
            params={"warn_delay_s": 0.0},
        ),
    ),
)
