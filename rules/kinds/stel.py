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
- A fixed detector measures the air at its place and not what a person breathes: this is a warning, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.doses import MINUTE_MS, SCALE, STATE, advance, check_limit, check_reach, counted, is_good, limit_of, scale
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.windows import remember
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.gases import gas
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text

WINDOW = 15 * MINUTE_MS
SLOTS = 92
APART = WINDOW // (SLOTS - 2)
"""Samples are kept this far apart (ms), so the ring never runs over."""
LONGEST_HOLD_S = 180.0
MOST_PERIOD_S = 90.0
"""Ten readings in 15 minutes are the least that a mean can be made of."""

BITS = 21
FIELD = (1 << BITS) - 1
"""A sample packs three running times (ms) into one integer. Only their differences within a window count, and a window
with the segment before it and the longest hold are less than 2^21 ms (35 min)."""


class Params(Struct, frozen=True, kw_only=True):
    """`limit` in `limit_unit` ("" is the tag's unit; "mg/m3" is converted), none for the table's; `coverage` the share
    of the window that must be covered (0.5 to 1); `clear_share` the share of the limit at which it falls; `warn_min`
    the minutes left at which to warn, once they last for `warn_delay_s` (s)."""

    limit: float | None = None
    limit_unit: str = ""
    coverage: float = 0.75
    clear_share: float = 0.95
    warn_min: float = 5.0
    warn_delay_s: float = 10.0


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
MEMORY = np.dtype(
    [
        ("kept", "i8"),  # `clock` at the newest sample
        # the samples at both ends of the segment that the far end of the window lies in, so that most rows need no ring
        ("tail_times", "i8"),
        ("tail_dose", "f8"),
        ("next_times", "i8"),
        ("next_dose", "f8"),
        ("head", "i4"),  # places in the ring: the newest sample, the one before or at the far end of the window
        ("tail", "i4"),
        *STATE,
    ],
    align=True,
)
SAMPLE = np.dtype([("times", "i8"), ("dose", "f8")], align=True)

NOTHING, KEEP, ALONE = 0, 1, 2
"""What a reading asks of the ring: nothing, a new sample, a new sample and no older one."""


@kernel
def _since(s, times, dose):  # type: ignore[no-untyped-def]
    """What has run since a sample: time, covered time, good time (ms), dose."""
    return (
        (s["clock"] - (times >> 2 * BITS)) & FIELD,
        (s["covered"] - (times >> BITS)) & FIELD,
        (s["good"] - times) & FIELD,
        s["dose"] - dose,
    )


@kernel
def _move(s, p, samples, start, size, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading into the window, whose ring begins at `start`; returns what it asks of the ring."""
    first = s["seen"] == 0
    passed = advance(s, p, concentration, good, at, now)
    if first or passed - p["hold"] >= WINDOW:
        return ALONE
    if passed == 0:
        return NOTHING
    while s["tail"] != s["head"] and (s["clock"] - (s["next_times"] >> 2 * BITS)) & FIELD >= WINDOW:
        s["tail"] = s["tail"] + 1 if s["tail"] + 1 < size else 0
        s["tail_times"] = s["next_times"]
        s["tail_dose"] = s["next_dose"]
        if s["tail"] != s["head"]:
            following = samples[start + (s["tail"] + 1 if s["tail"] + 1 < size else 0)]
            s["next_times"] = following["times"]
            s["next_dose"] = following["dose"]
    return KEEP if s["clock"] - s["kept"] >= APART else NOTHING


@kernel
def _keep(held, c, s, alone):  # type: ignore[no-untyped-def]
    """Keep the present as a sample of condition c; `alone` when nothing older counts any more."""
    start = held.first[c]
    times = ((s["clock"] & FIELD) << 2 * BITS) | ((s["covered"] & FIELD) << BITS) | (s["good"] & FIELD)
    only = s["tail"] == s["head"]
    s["head"] = (s["head"] + 1) % (held.first[c + 1] - start)
    s["kept"] = s["clock"]
    if alone:
        s["tail"] = s["head"]
        s["tail_times"] = times
        s["tail_dose"] = s["dose"]
    elif only:
        s["next_times"] = times
        s["next_dose"] = s["dose"]
    k = start + s["head"]
    remember(held, k)
    held.samples[k]["times"] = times
    held.samples[k]["dose"] = s["dose"]


@kernel
def _window(s):  # type: ignore[no-untyped-def]
    """Dose, covered time and good time (ms) of the last 15 minutes."""
    time, covered, good, dose = _since(s, s["tail_times"], s["tail_dose"])
    outside = time - WINDOW
    if outside <= 0:
        return dose, float(covered), float(good)
    covered_after, good_after, dose_after = np.int64(0), np.int64(0), 0.0
    if s["tail"] != s["head"]:
        _, covered_after, good_after, dose_after = _since(s, s["next_times"], s["next_dose"])
    # a segment is covered from its beginning; what is missing of it lies at its end
    length = covered - covered_after
    outside = min(outside, length)
    share = outside / length if length > 0 else 0.0
    return dose - (dose - dose_after) * share, float(covered - outside), good - (good - good_after) * share


@kernel
def _left(s, samples, start, size, dose, most, concentration, horizon):  # type: ignore[no-untyped-def]
    """How long (ms) `concentration` may last until the dose of the window is `most`; infinite when that is further
    away than the horizon and cannot be told without looking at all of the window."""
    if dose > most:
        return 0.0
    if concentration <= 0.0:
        return np.inf
    soonest = (most - dose) / concentration
    if soonest > horizon:
        return soonest
    k = s["tail"]
    time, covered, _, amount = _since(s, s["tail_times"], s["tail_dose"])
    ahead = float(min(0, WINDOW - time))  # where the segment begins, seen from the end of the window
    if time < WINDOW:
        gap = float(WINDOW - time)  # before the first reading nothing leaves
        if soonest <= gap:
            return soonest
        dose += concentration * gap
        ahead = gap
    while ahead < horizon:
        time_after, covered_after, amount_after = np.int64(0), np.int64(0), 0.0
        if k != s["head"]:
            after = samples[start + (k + 1) % size]
            time_after, covered_after, _, amount_after = _since(s, after["times"], after["dose"])
        length = covered - covered_after
        rate = (amount - amount_after) / length if length > 0 else 0.0
        for part in range(2):  # what is covered leaves first, then what is missing
            whole = float(length) if part == 0 else float(time - time_after - length)
            inside = whole + min(0.0, ahead)
            if ahead < 0.0:
                ahead = min(0.0, ahead + whole)
            if inside <= 0.0:
                continue
            grows = concentration - rate if part == 0 else concentration
            if grows > 0.0 and dose + grows * inside >= most:
                return ahead + (most - dose) / grows
            dose += grows * inside
            ahead += inside
        if k == s["head"]:
            break
        time, covered, amount = time_after, covered_after, amount_after
        k = (k + 1) % size
    return np.inf


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    own, samples, rings = memory.own, memory.samples, memory.first
    dose, covered, in_good, exceeds = 0.0, 0.0, 0.0, False
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LATE) != 0:
            continue
        q = quality[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = own[c]
            concentration = counted(value[i], q, p["top"], p["over"])
            usable = concentration == concentration
            good = (flags[i] & LIVE) != 0 and is_good(value[i], q, p["low"], p["high"])
            beyond, clear = 0, 0
            if usable:
                if p["ahead"] == 0:
                    start = rings[c]
                    asked = _move(s, p, samples, start, rings[c + 1] - start, concentration, good, at[i], now)
                    if asked != NOTHING:
                        _keep(memory, c, s, asked == ALONE)
                    dose, covered, in_good = _window(s)
                    time = covered if covered >= p["enough"] else float(WINDOW)
                    exceeds = dose > p["limit"] * time
                    s["value"] = dose / time if exceeds or covered >= p["enough"] else np.nan
                    beyond = 1 if exceeds else 0
                    clear = 1 if dose <= p["clear"] * time else 0
                else:
                    left = 0.0
                    if not exceeds:
                        start, most = rings[c - 1], p["limit"] * WINDOW
                        size = rings[c] - start
                        left = _left(own[c - 1], samples, start, size, dose, most, concentration, 2 * p["warn"])
                    s["value"] = left / MINUTE_MS
                    beyond = 1 if left <= p["warn"] else 0
                    clear = 1 if left >= 2.0 * p["warn"] else 0
                if in_good < p["enough"]:
                    good = False
                    clear = 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append, i, s["value"],
                q, out, due, m,
            )  # fmt: skip
    return m


MEAN = Text(zh="短时间接触限值", en="short-term limit")
LEFT = Text(zh="剩余时间", en="time left")


def _limit(tag: Tag, params: Params) -> float | None:
    found = gas(tag.cas) if tag.cas else None
    return limit_of(tag, params.limit, params.limit_unit, None if found is None else found.pc_stel_mg_m3)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The mean of each tag, and right after it the minutes left, which look at the same window."""
    for tag in tags:
        limit = _limit(tag, params)
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
        if params.warn_min > 0:
            yield Planned(
                tags=(tag,),
                side=Side.LOW,
                levels=(Level("stel_soon", LEFT, params.warn_min, early=True),),
                on_delay_s=params.warn_delay_s,
                values={**values, "ahead": 1},
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    found = gas(tag.cas) if tag.cas else None
    listed = None if found is None else found.pc_stel_mg_m3
    problems = list(check_limit(tag, params.limit, params.limit_unit, listed, "short-term limit (PC-STEL)"))
    yield from problems or check_reach(tag, _limit(tag, params))
    if tag.period_s > MOST_PERIOD_S:
        message = f"{tag.name} reads every {tag.period_s:g} s, too seldom for a mean of 15 minutes"
        yield Problem.of("tags", message, f"at least every {MOST_PERIOD_S:g} s")
    for field, low, high in (("coverage", 0.5, 1.0), ("clear_share", 0.5, 1.0), ("warn_min", 0.0, 7.5)):
        given = getattr(params, field)
        if not low <= given <= high:
            yield Problem.of(f"params.{field}", f"{given:g} is not possible", f"{low:g} to {high:g}")
    if not 0 <= params.warn_delay_s <= 60:
        message = f"{params.warn_delay_s:g} s; the warning would come too late"
        yield Problem.of("params.warn_delay_s", message, "0 to 60")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：15 分钟平均 33 ppm，超过短时间接触限值 30 ppm"."""
    what, values = name(said.tag), said.condition.values
    limit = quantity(values["limit"], said.tag.unit)
    if said.condition.side is Side.LOW:
        return _say_left(said, what, limit)
    mean = quantity(said.value, said.tag.unit)
    if said.level is None:
        return Text(
            zh=f"{what.zh}：15 分钟平均 {mean}，已低于短时间接触限值 {limit}",
            en=f"{what.en}: 15-minute mean {mean}, back below the short-term limit {limit}",
        )
    if math.isnan(said.value):
        return Text(
            zh=f"{what.zh}：15 分钟平均曾超过短时间接触限值 {limit}，目前数据不足",
            en=f"{what.en}: 15-minute mean was above the short-term limit {limit}, not enough data at present",
        )
    if said.value <= values["limit"]:
        return Text(
            zh=f"{what.zh}：15 分钟平均 {mean}，短时间接触限值 {limit} 报警仍未解除",
            en=f"{what.en}: 15-minute mean {mean}, short-term limit {limit} still in alarm",
        )
    return Text(
        zh=f"{what.zh}：15 分钟平均 {mean}，超过短时间接触限值 {limit}",
        en=f"{what.en}: 15-minute mean {mean}, above the short-term limit {limit}",
    )


def _say_left(said: Said, what: Text, limit: str) -> Text:
    near = said.level is not None and said.value <= 60
    if not near:
        return Text(
            zh=f"{what.zh}：按目前浓度，短期内不会超过短时间接触限值 {limit}",
            en=f"{what.en}: at the present concentration the short-term limit {limit} is not near",
        )
    if said.value <= 0:
        return Text(
            zh=f"{what.zh}：15 分钟累积已达短时间接触限值 {limit}，停留时间已用完",
            en=f"{what.en}: short-term limit {limit} is used up, no time left to stay",
        )
    minutes = f"{math.floor(said.value * 10) / 10:g}"
    return Text(
        zh=f"{what.zh}：按目前浓度，约 {minutes} 分钟后超过短时间接触限值 {limit}（15 分钟平均）",
        en=f"{what.en}: at the present concentration {minutes} min left to the short-term limit {limit} (15-min mean)",
    )


_GAS = Tag(
    number=1, name="NH3-1", enterprise="e", measure=Measure.GAS, cas="7664-41-7", unit="mg/m3", range_low=0.0,
    range_high=200.0, period_s=60.0, limits=Limits(high=100.0), stale_s=600.0,
)  # fmt: skip


def _minutes(*runs: tuple[int, float]) -> tuple[tuple[float | str | None, ...], ...]:
    """Readings once a minute: (how many, value) after each other."""
    values = [value for count, value in runs for _ in range(count)]
    return tuple((60.0 * i, value) for i, value in enumerate(values))


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
    unit=lambda planned: "min" if planned.side is Side.LOW else planned.tags[0].unit,
    source="PC-STEL as in GBZ 2.1-2019 (time-weighted mean of 15 minutes); the coverage rule and the minutes left are "
    "project defaults.",
    examples=(
        Example(
            _GAS,
            RuleCase(
                name="ten minutes of 60 between calm: the mean passes 30 at minute 37 and down to 28.5 at minute 50",
                tag="NH3-1",
                readings=_minutes((30, 10.0), (10, 60.0), (30, 12.0)),
                expect=((37 * 60.0, "raise", "stel"), (50 * 60.0, "return", "normal")),
            ),
            params={"warn_min": 0.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="too little data for a mean, but enough gas: the sum alone is conclusive",
                tag="NH3-1",
                readings=_minutes((1, 10.0), (6, 90.0)),
                expect=((6 * 60.0, "raise", "stel"),),
            ),
            params={"warn_min": 0.0},
        ),
        Example(
            _GAS,
            RuleCase(
                name="at 65 the 15 minutes are used up in 6: told when 5 are left, taken back when the gas is gone",
                tag="NH3-1",
                readings=_minutes((20, 10.0), (3, 65.0), (4, 2.0)),
                expect=((21 * 60.0 + 10, "raise", "stel_soon"), (23 * 60.0, "return", "normal")),
            ),
        ),
    ),
)
