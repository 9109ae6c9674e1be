"""Stay time: how long people may stay where there is carbon monoxide, as advice for work areas of gas plants.

    above 30 mg/m3 (24 ppm): 60 min,   above 50 (40): 30 min,   above 100 (80): 15 min,   above 200 (160): no stay
    at or below 30: long work;   at least 2 h between stays

Which of these levels holds is told by the present concentration, as one condition with four levels. A second one on the
low side tells the minutes that are left: it warns at 5 minutes, says when the time is used up, and falls at a good
reading at the lowest level or below.

A detector does not know when somebody came. It counts as if people had stayed from the first reading above the lowest
level; each minute above it uses up its share of the time that its level allows, so a stay may pass through several:

    used = sum of dt / allowed(C),      left = (1 - used) x allowed(C now)

What is used stays used until good readings have been at the lowest level or below for 2 h in all, with none above it in
between. Adding up shares, and counting from the first reading, are choices of this project; the levels are advice and
replace neither limits nor a portable detector.

- The levels are in mg/m3 for tags in a mass per volume, and in the ppm of the same table for all others; it rounds them
  at another temperature than 20 °C, a little to the safe side.
- A reading holds until the next one, at most for the tag's gap: missing time uses nothing up and is no rest.
- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range use time up
  and are no rest. **Over range** counts as the end of the range.
- **Late** readings are not used: time has passed them.
- The figures are `left`, the minutes that may still be stayed at the present concentration (none at the lowest level or
  below), `allowed`, what its level allows in all, and `rest`, the minutes of rest until a new stay begins.
- A fixed detector measures the air at its place and not what a person breathes: this is advice, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.doses import MINUTE_MS, SCALE, STATE, advance, heard, scale
from rules.exposure import LEVELS, WARNING, Warned, ahead, check_bounds, check_period, every_minute, say_left, unit
from rules.figures import step_telling
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING
from rules.words import name, number, quantity
from schemas.changes import AlarmClass, Side
from schemas.gases import CARBON_MONOXIDE
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Tag
from schemas.text import Text
from schemas.units import Dimension, UnitError, conversion
from schemas.units import unit as unit_of

BANDS = {"mg/m3": (30.0, 50.0, 100.0, 200.0), "ppm": (24.0, 40.0, 80.0, 160.0)}
STAYS = (60, 30, 15, 0)
"""Minutes that may be stayed above each of them; the table has 15 to 20 for the third."""
STAY = 60 * MINUTE_MS
"""What the first level allows; at the others it is used up twice and four times as fast."""
REST = 120 * MINUTE_MS
LONGEST_HOLD_S = 180.0
MOST_PERIOD_S = 90.0


class Params(Warned, frozen=True, kw_only=True):
    """`clear_share` the share of a level at which it ends; `on_delay_s` and `off_delay_s` (s) of the levels; `warn_min`
    the minutes left at which to warn, 0 for no word about them, once they last for `warn_delay_s` (s)."""

    clear_share: float = 0.9
    on_delay_s: float = 3.0
    off_delay_s: float = 60.0


PARAMS = np.dtype(
    [
        *SCALE,
        ("band_1", "f8"),
        ("band_2", "f8"),
        ("band_3", "f8"),
        ("band_4", "f8"),
        ("clear", "f8"),
        ("warn", "f8"),  # ms
        ("ahead", "i8"),  # 1 for the minutes left, whose stay is that of the condition before
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("figures", "f8", (3,)),
        ("used", "i8"),  # ms of a stay at the first level
        ("rested", "i8"),  # ms
        *STATE,
    ],
    align=True,
)


@kernel
def _speed(p, concentration):  # type: ignore[no-untyped-def]
    """How fast a stay is used up at this concentration: 1 where it may be `STAY`; -1 where none is allowed."""
    if concentration <= p["band_1"]:
        return 0
    if concentration <= p["band_2"]:
        return 1
    if concentration <= p["band_3"]:
        return 2
    return 4 if concentration <= p["band_4"] else -1


@kernel
def _stay(s, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading in; returns how long (ms) one may still stay, infinite at the lowest level or below."""
    speed, rests = _speed(p, s["held"]), s["held_good"] != 0
    covered = min(advance(s, p, concentration, good, at, now), p["hold"])
    if covered > 0 and speed != 0:
        s["used"] = min(STAY, s["used"] + speed * covered) if speed > 0 else STAY
        s["rested"] = 0
    elif covered > 0 and rests:
        s["rested"] += covered
        if s["rested"] >= REST:
            s["used"] = 0
    speed = _speed(p, concentration)
    left, allowed, rest = np.inf, np.inf, REST - s["rested"]
    if speed != 0:
        rest = REST
    elif s["used"] == 0:
        rest = 0
    if speed < 0:
        left, allowed = 0.0, 0.0
    elif speed > 0:
        left, allowed = (STAY - s["used"]) / speed, STAY / speed
    s["figures"][0] = left / MINUTE_MS
    s["figures"][1] = allowed / MINUTE_MS
    s["figures"][2] = rest / MINUTE_MS
    s["value"] = concentration
    return left


@kernel
def _levels(p, concentration, share):  # type: ignore[no-untyped-def]
    """A mask of the levels whose `share` the concentration is above."""
    found = 1 if concentration > share * p["band_1"] else 0
    found |= 2 if concentration > share * p["band_2"] else 0
    found |= 4 if concentration > share * p["band_3"] else 0
    found |= 8 if concentration > share * p["band_4"] else 0
    return found


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
                left = _stay(s, p, concentration, good, at[i], now)
                beyond = _levels(p, concentration, 1.0)
                clear = 15 & ~_levels(p, concentration, p["clear"])
            elif usable:
                for f in range(3):
                    s["figures"][f] = memory[c - 1]["figures"][f]
                s["value"] = left / MINUTE_MS
                beyond = (1 if left <= p["warn"] else 0) | (2 if left <= 0.0 else 0)
                clear = 3 if left == np.inf else 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step_telling(
                s["figures"], c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append,
                i, s["value"], q, out, due, m,
            )  # fmt: skip
    return m


def bands(tag: Tag) -> tuple[float, ...]:
    """The four concentrations in the tag's unit. Raises `UnitError`."""
    given = "mg/m3" if unit_of(tag.unit).dimension is Dimension.GAS_MASS else "ppm"
    convert = conversion(given, tag.unit, tag.cas)
    return tuple(convert(band) for band in BANDS[given])


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """The level of each carbon monoxide point, and right after it the minutes left."""
    for tag in tags:
        if tag.cas != CARBON_MONOXIDE or tag.measure is not Measure.GAS:
            continue
        found = bands(tag)
        values = {
            **scale(tag, found[-1], LONGEST_HOLD_S),
            **{f"band_{n}": band for n, band in enumerate(found, 1)},
            "clear": params.clear_share,
            "warn": params.warn_min * MINUTE_MS,
        }
        yield Planned(
            tags=(tag,),
            side=Side.HIGH,
            levels=tuple(
                Level(f"stay_{stay}", _title(stay), band, early=True) for stay, band in zip(STAYS, found, strict=True)
            ),
            on_delay_s=params.on_delay_s,
            off_delay_s=params.off_delay_s,
            values=values,
        )
        yield from ahead(
            tag,
            params,
            (Level("stay_soon", SOON, params.warn_min, early=True), Level("stay_over", OVER, 0.0, early=True)),
            values,
        )


SOON = Text(zh="剩余停留时间", en="time left to stay")
OVER = Text(zh="停留时间已用完", en="no time left to stay")


def _title(stay: int) -> Text:
    if stay == 0:
        return Text(zh="不得停留", en="no stay")
    return Text(zh=f"停留不超过 {stay} 分钟", en=f"stay of at most {stay} min")


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if tag.measure is not Measure.GAS or tag.cas != CARBON_MONOXIDE:
        message = f"{tag.name} is no carbon monoxide point ({CARBON_MONOXIDE}), and the table is of no other gas"
        yield Problem.of("tags", message, "name only such points")
    else:
        try:
            found = bands(tag)
        except UnitError as error:
            yield Problem.of("tags", f"{tag.name}: {error.reason}", error.cure)
            return
        if tag.range_high is not None and found[-1] >= tag.range_high:
            message = f"{tag.name}: the last level {found[-1]:.5g} {tag.unit} is not within its range"
            yield Problem.of("tags", message, "use a detector with a wider range")
    yield from check_period(tag, MOST_PERIOD_S, "advice by the minute")
    yield from check_bounds(params, (*LEVELS, *WARNING))


def say(said: Said) -> Text:
    """Such as "1#炉 CO：45 mg/m3，高于 30 mg/m3，建议停留不超过 60 分钟，还可停留约 48 分钟"."""
    what, given = name(said.tag), said.tag.unit
    lowest = quantity(said.condition.values["band_1"], given)
    rest = math.ceil(said.figures.get("rest", 0.0))
    if said.condition.side is Side.LOW:
        return say_left(
            said,
            far=Text(zh=f"浓度不高于 {lowest}；{_rest(rest).zh}", en=f"at or below {lowest} again; {_rest(rest).en}"),
            used=Text(
                zh="停留时间已用完，建议撤离，两次进入至少间隔 2 小时",
                en="no time left to stay: leave, and stay away for 2 h at least",
            ),
            near=Text(
                zh="按目前浓度，还可停留约 {left} 分钟", en="at the present concentration {left} min left to stay"
            ),
        )
    present = quantity(said.value, given)
    if said.level is None or said.level.limit is None:
        return Text(
            zh=f"{what.zh}：{present}，不高于 {lowest}；{_rest(rest).zh}",
            en=f"{what.en}: {present}, no longer above {lowest}; {_rest(rest).en}",
        )
    band, title = quantity(said.level.limit, given), said.level.title
    if not said.value > said.level.limit:
        return Text(
            zh=f"{what.zh}：{present}，高于 {band} 的提示“{title.zh}”仍未解除",
            en=f"{what.en}: {present}, advice above {band} still stands: {title.en}",
        )
    left, more = said.figures.get("left", math.nan), Text()
    if left == left and said.level.name != "stay_0":
        minutes = number(math.floor(left))
        more = Text(zh=f"，还可停留约 {minutes} 分钟", en=f", {minutes} min left")
    return Text(
        zh=f"{what.zh}：{present}，高于 {band}，建议{title.zh}{more.zh}",
        en=f"{what.en}: {present}, above {band}, advice: {title.en}{more.en}",
    )


def _rest(minutes: int) -> Text:
    if minutes <= 0:
        return Text(zh="可重新计时停留", en="a new stay may begin")
    return Text(zh=f"再休息 {minutes} 分钟后可重新计时停留", en=f"a new stay may begin after {minutes} min of rest")


def _point(unit: str, high: float) -> Tag:
    return Tag(
        number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas=CARBON_MONOXIDE, unit=unit, range_low=0.0,
        range_high=high, period_s=60.0, stale_s=600.0,
    )  # fmt: skip


_PLAIN = {"on_delay_s": 0.0, "off_delay_s": 0.0, "warn_delay_s": 0.0}

KIND = Kind(
    name="stay_time",
    title=Text(zh="一氧化碳作业停留时间", en="Stay time in carbon monoxide"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=4,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    unit=unit,
    figures=("left", "allowed", "rest"),
    source="Working times in carbon monoxide as in GB 6222-2005, as quoted; counting from the first reading, adding up "
    "shares, the end at 90 % and the delays are project defaults.",
    examples=(
        Example(
            _point("mg/m3", 500.0),
            RuleCase(
                name="40 mg/m3 for 20 minutes uses a third of the stay, so at 80 there are 20 of 30 minutes left",
                tag="CO-1",
                readings=every_minute((2, 10.0), (20, 40.0), (16, 80.0), (2, 10.0)),
                expect=(
                    (2 * 60.0, "raise", "stay_60"),
                    (22 * 60.0, "rise", "stay_30"),
                    (37 * 60.0, "raise", "stay_soon"),
                    (38 * 60.0, "return", "normal"),
                    (38 * 60.0, "return", "normal"),
                ),
            ),
            params=_PLAIN,
        ),
        Example(
            _point("ppm", 500.0),
            RuleCase(
                name="in ppm: 100 is above 80, where 15 minutes are all; after them it is time to leave",
                tag="CO-1",
                readings=every_minute((1, 10.0), (17, 100.0)),
                expect=(
                    (60.0, "raise", "stay_15"),
                    (11 * 60.0, "raise", "stay_soon"),
                    (16 * 60.0, "rise", "stay_over"),
                ),
            ),
            params=_PLAIN,
        ),
        Example(
            _point("mg/m3", 500.0),
            RuleCase(
                name="above 200 no stay is advised, and none at a lower level until there were two hours of rest",
                tag="CO-1",
                readings=every_minute((1, 10.0), (2, 250.0), (60, 10.0), (2, 40.0), (122, 10.0), (2, 40.0)),
                expect=(
                    (60.0, "raise", "stay_0"),
                    (180.0, "return", "normal"),
                    (63 * 60.0, "raise", "stay_60"),
                    (65 * 60.0, "return", "normal"),
                    (187 * 60.0, "raise", "stay_60"),
                ),
            ),
            params={**_PLAIN, "warn_min": 0.0},
        ),
    ),
)
