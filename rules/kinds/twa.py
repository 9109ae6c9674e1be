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

- The limit is the rule's own; without one, the PC-TWA of the table of gases, converted into the tag's unit by the gas's
  molar mass at 20 °C. For shifts of 12 h the sum is still divided by 8 h, as the limit is one of a working day.
- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range add to the
  sum and may raise; their time does not count as good. **Over range** counts as the end of the range.
- **Late** readings are not used: the sum has passed their time.
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
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.gases import gas
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import DAY, HOUR, MINUTE, MS

REFERENCE = 480 * MINUTE_MS
"""The 8 hours of a limit, whatever the shift's length."""
LONGEST_HOLD_S = 900.0
MOST_PERIOD_S = 300.0
MOST_SHIFTS = 4


class Params(Struct, frozen=True, kw_only=True):
    """`limit` in `limit_unit` ("" is the tag's unit; "mg/m3" is converted), none for the table's; `action_share` the
    share of it that is the action level; `shifts` the times of day at which shifts begin, in the zone `utc_offset_h`
    (h); `coverage` the share of a shift that must be covered before a level falls (0.5 to 1); `warn_min` the minutes
    left at which to warn, once they last for `warn_delay_s` (s)."""

    limit: float | None = None
    limit_unit: str = ""
    action_share: float = 0.5
    shifts: tuple[str, ...] = ("00:00", "08:00", "16:00")
    utc_offset_h: float = 8.0
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
        ("offset", "i8"),  # of the zone (ns)
        ("start_1", "i8"),  # ns of the day; what is not used lies behind the day's end
        ("start_2", "i8"),
        ("start_3", "i8"),
        ("start_4", "i8"),
        ("last", "i8"),  # the latest of them
        ("ahead", "i8"),  # 1 for the minutes left, whose sum is that of the condition before
    ],
    align=True,
)
MEMORY = np.dtype(STATE, align=True)


@kernel
def _shift(at, p):  # type: ignore[no-untyped-def]
    """When the shift of this instant began and when it ends (ns)."""
    local = at + p["offset"]
    of_day = local % DAY
    begins, ends = p["last"] - DAY, p["start_1"]
    if of_day >= p["start_1"]:
        begins, ends = p["start_1"], p["start_2"]
    if of_day >= p["start_2"]:
        begins, ends = p["start_2"], p["start_3"]
    if of_day >= p["start_3"]:
        begins, ends = p["start_3"], p["start_4"]
    if of_day >= p["start_4"]:
        begins, ends = p["start_4"], p["start_1"] + DAY
    midnight = at - of_day
    return midnight + begins, midnight + ends


@kernel
def _add(s, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading into the sum of its shift; returns when that began and when it ends."""
    first = s["seen"] == 0
    said, held, held_good = s["at"], s["held"], s["held_good"]
    passed = advance(s, p, concentration, good, at, now)
    begins, ends = _shift(s["at"], p)
    before = s["at"] - passed * MS
    if before < begins and said < begins and not first:
        # a new shift, and not a clock that was set; the reading before it still held for a while
        over = max(0, min(before + p["hold"] * MS, s["at"]) - begins) // MS
        s["dose"] = held * over
        s["covered"] = over
        s["good"] = over if held_good != 0 else 0
    return begins, ends


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
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            concentration = counted(value[i], q, p["top"], p["over"])
            good = (flags[i] & LIVE) != 0 and is_good(value[i], q, p["low"], p["high"])
            beyond, clear = 0, 0
            if concentration == concentration:
                own = memory[c - p["ahead"]]
                if p["ahead"] == 0:
                    begins, ends = _add(s, p, concentration, good, at[i], now)
                    dose = s["dose"]
                    s["value"] = dose / REFERENCE
                    beyond = (1 if dose > p["action"] * REFERENCE else 0) | (2 if dose > p["limit"] * REFERENCE else 0)
                    clear = 3 & ~beyond
                else:
                    left = max(0.0, p["limit"] * REFERENCE - own["dose"])
                    if left > 0.0:
                        left = left / concentration if concentration > 0.0 else np.inf
                        if left > (ends - own["at"]) // MS:
                            left = np.inf
                    s["value"] = left / MINUTE_MS
                    beyond = 1 if left <= p["warn"] else 0
                    clear = 1 if left >= 2.0 * p["warn"] else 0
                if own["good"] < p["coverage"] * ((own["at"] - begins) // MS):
                    good = False
                    clear = 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append, i, s["value"],
                q, out, due, m,
            )  # fmt: skip
    return m


ACTION = Text(zh="行动水平", en="action level")
LIMIT = Text(zh="8 小时接触限值", en="8-hour limit")
LEFT = Text(zh="剩余停留时间", en="time left to stay")


def _limit(tag: Tag, params: Params) -> float | None:
    found = gas(tag.cas) if tag.cas else None
    return limit_of(tag, params.limit, params.limit_unit, None if found is None else found.pc_twa_mg_m3)


def _of_day(text: str) -> int | None:
    """Nanoseconds of the day of "08:00"; None when it is no such time."""
    hours, colon, minutes = text.partition(":")
    if not (colon and len(minutes) == 2 and 1 <= len(hours) <= 2 and (hours + minutes).isascii()):
        return None
    if not (hours + minutes).isdigit() or int(hours) > 23 or int(minutes) > 59:
        return None
    return int(hours) * HOUR + int(minutes) * MINUTE


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The sum of each tag, and right after it the minutes left."""
    starts = sorted(found for text in params.shifts if (found := _of_day(text)) is not None)
    padded = [*starts, *[starts[0] + DAY] * (MOST_SHIFTS - len(starts))]
    for tag in tags:
        limit = _limit(tag, params)
        if limit is None:
            continue
        action = limit * params.action_share
        values = {
            **scale(tag, limit, LONGEST_HOLD_S),
            **{f"start_{n}": start for n, start in enumerate(padded, 1)},
            "last": starts[-1],
            "offset": round(params.utc_offset_h * HOUR),
            "action": action,
            "limit": limit,
            "coverage": params.coverage,
            "warn": params.warn_min * MINUTE_MS,
        }
        levels = (Level("twa_action", ACTION, action), Level("twa", LIMIT, limit))
        yield Planned((tag,), Side.HIGH, levels, values=values)
        if params.warn_min > 0:
            yield Planned(
                tags=(tag,),
                side=Side.LOW,
                levels=(Level("twa_soon", LEFT, params.warn_min, early=True),),
                on_delay_s=params.warn_delay_s,
                values={**values, "ahead": 1},
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    found = gas(tag.cas) if tag.cas else None
    listed = None if found is None else found.pc_twa_mg_m3
    problems = list(check_limit(tag, params.limit, params.limit_unit, listed, "8-hour limit (PC-TWA)"))
    yield from problems or check_reach(tag, _limit(tag, params))
    if tag.period_s > MOST_PERIOD_S:
        message = f"{tag.name} reads every {tag.period_s:g} s, too seldom for a sum over a shift"
        yield Problem.of("tags", message, f"at least every {MOST_PERIOD_S:g} s")
    yield from _check_shifts(params)
    for field, low, high in (
        ("action_share", 0.1, 0.9),
        ("coverage", 0.5, 1.0),
        ("warn_min", 0.0, 240.0),
        ("warn_delay_s", 0.0, 600.0),
        ("utc_offset_h", -12.0, 14.0),
    ):
        given = getattr(params, field)
        if not low <= given <= high:
            yield Problem.of(f"params.{field}", f"{given:g} is not possible", f"{low:g} to {high:g}")


def _check_shifts(params: Params) -> Iterator[Problem]:
    wrong = [text for text in params.shifts if _of_day(text) is None]
    if wrong:
        yield Problem.of("params.shifts", f"{', '.join(map(repr, wrong))} is no time of day", 'such as "08:00"')
        return
    if not 1 <= len(params.shifts) <= MOST_SHIFTS:
        yield Problem.of("params.shifts", f"{len(params.shifts)} shifts", f"1 to {MOST_SHIFTS} times of day")
        return
    starts = sorted(start for text in params.shifts if (start := _of_day(text)) is not None)
    lengths = [after - start for start, after in zip(starts, [*starts[1:], starts[0] + DAY], strict=True)]
    if min(lengths) < HOUR:
        yield Problem.of("params.shifts", "two shifts begin within an hour", "name the times at which people change")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：本班累积 9.1 ppm（按 8 小时计），超过行动水平 8.6 ppm"."""
    what, values, unit = name(said.tag), said.condition.values, said.tag.unit
    limit = quantity(values["limit"], unit)
    if said.condition.side is Side.LOW:
        return _say_left(said, what, limit)
    total = quantity(said.value, unit)
    level = said.level
    if level is None or level.limit is None:
        return Text(
            zh=f"{what.zh}：新班次累积重新开始，目前 {total}（按 8 小时计）",
            en=f"{what.en}: a new shift began, dose so far {total} over 8 h",
        )
    crossed = quantity(level.limit, unit)
    if said.value <= level.limit:
        return Text(
            zh=f"{what.zh}：上一班次累积曾超过{level.title.zh} {crossed}，本班数据尚不足",
            en=f"{what.en}: dose of an earlier shift was above the {level.title.en} {crossed}, "
            "not enough data of this one",
        )
    share = math.floor(100 * said.value / values["limit"])
    return Text(
        zh=f"{what.zh}：本班累积 {total}（按 8 小时计），超过{level.title.zh} {crossed}，为 8 小时限值的 {share}%",
        en=f"{what.en}: dose of this shift {total} over 8 h, above the {level.title.en} {crossed}, "
        f"{share} % of the 8-hour limit",
    )


def _say_left(said: Said, what: Text, limit: str) -> Text:
    if said.level is None or not math.isfinite(said.value):
        return Text(
            zh=f"{what.zh}：按目前浓度，本班内不会很快达到 8 小时接触限值 {limit}",
            en=f"{what.en}: at the present concentration the 8-hour limit {limit} is not near in this shift",
        )
    if said.value <= 0:
        return Text(
            zh=f"{what.zh}：本班累积已达 8 小时接触限值 {limit}，停留时间已用完",
            en=f"{what.en}: 8-hour limit {limit} is used up, no time left to stay in this shift",
        )
    minutes = math.floor(said.value)
    return Text(
        zh=f"{what.zh}：按目前浓度，本班还可停留约 {minutes} 分钟（8 小时接触限值 {limit}）",
        en=f"{what.en}: at the present concentration {minutes} min left to stay in this shift (8-hour limit {limit})",
    )


_GAS = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="mg/m3", range_low=0.0,
    range_high=500.0, period_s=60.0, limits=Limits(high=300.0), stale_s=600.0,
)  # fmt: skip


def _minutes(*runs: tuple[int, float]) -> tuple[tuple[float | str | None, ...], ...]:
    """Readings once a minute: (how many, value) after each other."""
    values = [value for count, value in runs for _ in range(count)]
    return tuple((60.0 * i, value) for i, value in enumerate(values))


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
    unit=lambda planned: "min" if planned.side is Side.LOW else planned.tags[0].unit,
    source="PC-TWA as in GBZ 2.1-2019 (sum of C dt / 8 h); the action level of 50 %, the coverage rule and the minutes "
    "left are project defaults.",
    examples=(
        Example(
            _GAS,
            RuleCase(
                name="half an hour at 160 is half of 20 over 8 h, an hour is all; the shift from 10:00 begins at zero",
                tag="CO-1",
                readings=_minutes((62, 160.0), (60, 0.0)),
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
                readings=(*_minutes((22, 320.0)), (1320.0, None, "BAD"), (1380.0, 0.0)),
                expect=(
                    (16 * 60.0, "raise", "twa_action"),
                    (21 * 60.0, "raise", "twa_soon"),
                    (1380.0, "return", "normal"),
                ),
            ),
            params={"warn_min": 10.0},
        ),
    ),
)
