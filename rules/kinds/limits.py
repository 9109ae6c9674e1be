"""Limits: low-low, low, high and high-high of one tag, with deadband, on- and off-delay.

High and low side are two conditions. A level is raised when the value reaches its limit (value >= limit on the high
side) for the on-delay, and ends when the value has been back past limit and deadband (value < limit - deadband) for the
off-delay; every level by itself, so an alarm falls level by level.

- **Bad** readings (quality bad, or no number) neither raise nor clear.
- **Uncertain** readings (stale, substituted, out of specification) raise but never clear: they are better than nothing
  as a warning, and no proof of safety. The same holds for a number outside of the measuring range. The range reaches
  1.25 % of the span below its lower end, as a 4-20 mA signal reaches down to 3.8 mA (NAMUR NE 43): a gas detector at
  zero reads slightly negative.
- **Over-range on a gas point** (quality over-range, or value above the range) counts as beyond every configured level
  of the high side, whatever number came with it, for as long as it lasts: catalytic sensors fold back above the lower
  explosive limit. A bad quality other than over-range still makes the number worthless.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.ladders import TWO, crossed, delays
from rules.machine import LATE_READING, READING, step
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text

UNDER_TOLERANCE = 0.0125
"""Share of the span below the range that still counts as in range: 3.8 mA of a 4-20 mA signal (NAMUR NE 43)."""
OVER_RANGE = int(Quality.OVER_RANGE)


class Params(Struct, frozen=True, kw_only=True):
    """What a rule may set for all its tags; None leaves each tag its own figure (units: s, and the tag's unit)."""

    on_delay_s: float | None = None
    off_delay_s: float | None = None
    deadband: float | None = None


PARAMS = np.dtype(
    [
        ("sign", "f8"),  # +1 on the high side, -1 on the low side
        *TWO,
        ("range_low", "f8"),
        ("range_high", "f8"),
        ("over", "f8"),  # 1 where over-range is an alarm: the high side of a gas point
    ],
    align=True,
)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        v = value[i]
        q = quality[i]
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        usable = q < FIRST_BAD and v == v
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            in_range = v >= p["range_low"] and v <= p["range_high"] and v - v == 0.0
            lowers = live and usable and in_range and q < FIRST_UNCERTAIN
            beyond = 0
            clear = 0
            if p["over"] != 0.0 and (q == OVER_RANGE or (usable and v > p["range_high"])):
                lowers = False
                if p["limit_1"] == p["limit_1"]:
                    beyond = 1
                if p["limit_2"] == p["limit_2"]:
                    beyond |= 2
            elif usable:
                beyond, clear = crossed(p, p["sign"] * v)
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], basis, at[i], now, append, i, v, q,
                out, due, m,
            )  # fmt: skip
    return m


def calm(params: npt.NDArray[np.void]) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """On the right side of both limits and, where over-range is an alarm, not above the range."""
    limit = np.fmin(params["limit_1"], params["limit_2"])
    over = np.where(params["over"] != 0, np.nextafter(params["range_high"], np.inf), np.inf)
    high = params["sign"] > 0
    return np.where(high, -np.inf, -limit), np.where(high, np.fmin(limit, over), np.inf)


_TITLES = {
    "high": Text(zh="高限", en="high limit"),
    "high_high": Text(zh="高高限", en="high-high limit"),
    "low": Text(zh="低限", en="low limit"),
    "low_low": Text(zh="低低限", en="low-low limit"),
}
_GAS_TITLES = {
    "high": Text(zh="一级报警值", en="level 1 limit"),
    "high_high": Text(zh="二级报警值", en="level 2 limit"),
}
_SIDES = ((Side.HIGH, ("high", "high_high")), (Side.LOW, ("low", "low_low")))


def _title(tag: Tag, level: str) -> Text:
    return _GAS_TITLES.get(level, _TITLES[level]) if tag.measure is Measure.GAS else _TITLES[level]


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """A condition for each side of each tag that has a limit there."""
    for tag in tags:
        for side, names in _SIDES:
            limits = [getattr(tag.limits, n) for n in names]
            if limits == [None, None]:
                continue
            sign = 1.0 if side is Side.HIGH else -1.0
            yield Planned(
                tags=(tag,),
                side=side,
                levels=tuple(
                    None if limit is None else Level(level, _title(tag, level), limit)
                    for level, limit in zip(names, limits, strict=True)
                ),
                **delays(tag, params.on_delay_s, params.off_delay_s),
                values={
                    "sign": sign,
                    "limit_1": math.nan if limits[0] is None else sign * limits[0],
                    "limit_2": math.nan if limits[1] is None else sign * limits[1],
                    "deadband": tag.deadband if params.deadband is None else params.deadband,
                    "range_low": lowest(tag),
                    "range_high": math.inf if tag.range_high is None else tag.range_high,
                    "over": float(side is Side.HIGH and tag.measure is Measure.GAS),
                },
            )


def lowest(tag: Tag) -> float:
    """The smallest number that is still in range: a little below the range (NAMUR NE 43)."""
    if tag.range_low is None:
        return -math.inf
    span = 0.0 if tag.range_high is None else tag.range_high - tag.range_low
    return tag.range_low - UNDER_TOLERANCE * span


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    """A level must be able to end: what clears it has to lie inside of the measuring range."""
    deadband = tag.deadband if params.deadband is None else params.deadband
    for field in ("on_delay_s", "off_delay_s", "deadband"):
        given = getattr(params, field)
        if given is not None and given < 0:
            yield Problem.of(f"params.{field}", f"{given:g} is negative", "0 or more")
    for level in ("high", "high_high"):
        limit = getattr(tag.limits, level)
        if limit is not None and limit - deadband <= lowest(tag):
            message = (
                f"{tag.name}: {level} {limit:g} less the deadband {deadband:g} leaves the range; it would never end"
            )
            yield Problem.of("params.deadband", message, "make the deadband smaller")
    for level in ("low", "low_low"):
        limit = getattr(tag.limits, level)
        if limit is not None and tag.range_high is not None and limit + deadband >= tag.range_high:
            message = (
                f"{tag.name}: {level} {limit:g} plus the deadband {deadband:g} leaves the range; it would never end"
            )
            yield Problem.of("params.deadband", message, "make the deadband smaller")


def say(said: Said) -> Text:
    """Such as "1#炉 CO 40 ppm，达到二级报警值 34.3 ppm"."""
    tag, level = said.tag, said.level
    what = name(tag)
    value = quantity(said.value, tag.unit)
    if level is None or level.limit is None:
        return Text(zh=f"{what.zh} {value}，已恢复正常", en=f"{what.en} {value}, back to normal")
    limit = quantity(level.limit, tag.unit)
    high = said.condition.side is Side.HIGH
    over = tag.range_high is not None and said.value > tag.range_high
    if high and tag.measure is Measure.GAS and (said.quality == OVER_RANGE or over):
        top = "" if tag.range_high is None else quantity(tag.range_high, tag.unit)
        return Text(
            zh=f"{what.zh} 超出量程{top and f' {top}'}，{level.title.zh} {limit}",
            en=f"{what.en} over range{top and f' {top}'}, {level.title.en} {limit}",
        )
    if math.isnan(said.value):
        return Text(
            zh=f"{what.zh}：{level.title.zh} {limit} 报警，目前没有有效数值",
            en=f"{what.en}: {level.title.en} {limit} in alarm, no valid value at present",
        )
    crossed = said.value >= level.limit if high else said.value <= level.limit
    if not crossed:
        return Text(
            zh=f"{what.zh} {value}，{level.title.zh} {limit} 报警仍未解除",
            en=f"{what.en} {value}, {level.title.en} {limit} still in alarm",
        )
    verb = Text(zh="达到" if high else "低至", en="at or above" if high else "at or below")
    return Text(
        zh=f"{what.zh} {value}，{verb.zh}{level.title.zh} {limit}",
        en=f"{what.en} {value}, {verb.en} {level.title.en} {limit}",
    )


_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0, limits=Limits(high=17.2, high_high=34.3), deadband=1.0, off_delay_s=5.0,
)  # fmt: skip
_TANK = Tag(
    number=1, name="L-1", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=10.0,
    limits=Limits(low_low=1.0, low=2.0, high=8.0, high_high=9.0), deadband=0.5, on_delay_s=3.0,
)  # fmt: skip

KIND = Kind(
    name="limits",
    title=Text(zh="限值报警", en="Limits"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    calm=calm,
    param_dtype=PARAMS,
    source="Limit, deadband, on- and off-delay as in ISA-18.2 / IEC 62682; level 1 and level 2 as in GB/T 50493.",
    examples=(
        Example(
            _CO,
            RuleCase(
                name="a leak rises through both levels and falls level by level",
                tag="CO-1",
                readings=((0, 5.0), (1, 20.0), (2, 40.0), (3, 30.0), (9, 30.0), (10, 5.0), (16, 5.0)),
                expect=((1, "raise", "high"), (2, "rise", "high_high"), (9, "fall", "high"), (16, "return", "normal")),
            ),
        ),
        Example(
            _CO,
            RuleCase(
                name="over range is an alarm, and bad data does not end it",
                tag="CO-1",
                readings=((0, 5.0), (1, None, "OVER_RANGE"), (2, None, "BAD"), (9, None, "BAD"), (10, 5.0), (16, 5.0)),
                expect=((1, "raise", "high_high"), (16, "return", "normal")),
            ),
        ),
        Example(
            _TANK,
            RuleCase(
                name="a dip shorter than the on-delay is no alarm, a longer one is, and silence completes it",
                tag="L-1",
                readings=((0, 5.0), (1, 1.9), (3, 2.1), (4, 1.9), (5, 1.9), (10, 2.4), (11, 2.6)),
                expect=((7, "raise", "low"), (11, "return", "normal")),
            ),
        ),
    ),
)
