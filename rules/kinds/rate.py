"""Rate of change: the value rises, or falls, faster than it should.

The rate is the slope of the least-squares line through the readings of a window (gas 60 s, everything else 5 min, but
at least ten periods of the tag), in the tag's unit per minute. It is an alarm when it is at least the configured rate
*and* at least `noise` times its own standard error, which comes from the residuals:

    b = S_tv / S_tt      sigma_b = sqrt(S_ee / (n - 2)) / sqrt(S_tt)
    alarm: b >= limit and b >= 4 sigma_b        end: b < 0.8 limit for the off-delay

The second bound keeps out what a rough window can do: one spike, however high, never gives a slope above twice its own
error. It is no false-alarm rate by itself: the error takes the residuals for independent, and with a limit of nothing
independent noise at one reading a second would still pass 4 errors about 2.6 times a day, noise that lasts for some
readings far more often. So the configured rate has to be one that healthy operation does not reach over the window.
Rising and falling are two conditions of two sides.

- **Not enough data** (fewer than 8 samples, or less than half of the window covered) says nothing, and ends nothing.
- **Bad** readings, and numbers that the signal cannot carry, are no part of the window.
- **Uncertain** readings and numbers above the range are; they may raise, but while one is in the window nothing ends.
- **Late** readings are not used: the window is kept in the order of event time. A clock that goes back by more than the
  tag's lateness begins a new window; a clock that stands still never fills one.

A tag that reads more often than some 70 times per window is averaged in as many steps. This rule only warns earlier
than a limit; it holds back no limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LIVE, RESTART, lateness_s
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.kinds.limits import lowest
from rules.kinds.quality import highest
from rules.machine import READING, step
from rules.slopes import RUNNING, SAMPLE, about, line, take
from rules.words import at_limit, name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

LEAST = 8
"""Samples below which a slope says nothing."""
MOST = 72
"""Samples that a window keeps at most."""
SCREEN = 0.9
"""A running sum that gives less than this share of the limit is believed; anything else is computed anew."""
TRUSTED = 1e9
"""Running sums over numbers larger than this many limits times windows have lost too many digits."""


class Params(Struct, frozen=True, kw_only=True):
    """`rise_per_min` and `fall_per_min` are positive, in the tag's unit per minute, or in per cent of its range per
    minute with `percent_of_range`. `window_s`: None is 60 s for gas, 300 s else, and at least ten periods. `noise` is
    in standard errors of the slope, `coverage` the share of the window that must hold data, `release` the share of the
    limit below which it ends. `off_delay_s`: None is a quarter of the window."""

    rise_per_min: float | None = None
    fall_per_min: float | None = None
    percent_of_range: bool = False
    window_s: float | None = None
    noise: float = 4.0
    coverage: float = 0.5
    release: float = 0.8
    on_delay_s: float = 0.0
    off_delay_s: float | None = None


PARAMS = np.dtype(
    [
        ("sign", "f8"),  # +1 rising, -1 falling
        ("limit", "f8"),  # unit per minute
        ("release", "f8"),
        ("noise", "f8"),
        ("lowest", "f8"),  # what the signal can carry
        ("highest", "f8"),
        ("range_high", "f8"),
        ("window", "i8"),
        ("covered", "i8"),  # how much of the window must hold data
        ("spacing", "i8"),  # readings closer than this are one sample
        ("hole", "i8"),  # a step between samples that counts as missing data
        ("back", "i8"),  # a clock that goes back further begins anew
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # the last rate, unit per minute
        *RUNNING,
    ],
    align=True,
)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    held = memory
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0:
            continue
        v = value[i]
        q = quality[i]
        restart = (flags[i] & RESTART) != 0
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = held.own[c]
            quiet = conditions[c]["quiet"] != 0
            beyond = 0
            clear = 0
            lowers = False
            if q < FIRST_BAD and v - v == 0.0 and v >= p["lowest"] and v <= p["highest"]:
                placed = take(held, c, p, at[i], v, restart)
                sure = q < FIRST_UNCERTAIN and v <= p["range_high"]
                if not sure:
                    own["sure_from"] = max(own["sure_from"], at[i] + p["window"])
                base = held.first[c]
                size = np.int32(held.first[c + 1] - base)
                newest = held.samples[base + (own["oldest"] + own["count"] - 1) % size]
                span = newest["at"] - held.samples[base + own["oldest"]]["at"]
                if placed and own["count"] >= LEAST and span >= p["covered"]:
                    if quiet and own["largest"] * 6e10 < TRUSTED * p["limit"] * p["window"]:
                        roughly = p["sign"] * about(own, newest) * 60.0
                        if roughly < SCREEN * p["limit"]:
                            own["value"] = p["sign"] * roughly
                            continue
                    slope, error, covered = line(held.samples, base, size, own["oldest"], own["count"], p["hole"])
                    if covered >= p["covered"] and slope == slope:
                        own["value"] = slope * 60.0
                        rate = p["sign"] * slope * 60.0
                        if rate >= p["limit"] and rate >= p["noise"] * error * 60.0:
                            beyond = 1
                        elif rate < p["release"]:
                            clear = 1
                        lowers = sure and at[i] >= own["sure_from"]
            if beyond == 0 and quiet:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], READING, at[i], now, append, i,
                own["value"], q, out, due, m,
            )  # fmt: skip
    return m


_LEVELS = {
    Side.HIGH: ("rise", Text(zh="上升速率限值", en="rate-of-rise limit")),
    Side.LOW: ("fall", Text(zh="下降速率限值", en="rate-of-fall limit")),
}
_WITHOUT_RATE = (Measure.STATE, Measure.WIND_DIRECTION)


def window_s(tag: Tag, params: Params) -> float:
    if params.window_s is not None:
        return params.window_s
    return max(60.0 if tag.measure is Measure.GAS else 300.0, 10 * tag.period_s)


def _rates(tag: Tag, params: Params) -> Iterator[tuple[Side, float, float]]:
    """Side, sign and rate (unit per minute) of what is asked of a tag."""
    span = 100.0
    if params.percent_of_range and tag.range_low is not None and tag.range_high is not None:
        span = tag.range_high - tag.range_low
    share = span / 100 if params.percent_of_range else 1.0
    if params.rise_per_min is not None:
        yield Side.HIGH, 1.0, params.rise_per_min * share
    if params.fall_per_min is not None:
        yield Side.LOW, -1.0, params.fall_per_min * share


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """Rising and falling are two conditions, each with a window of its own."""
    for tag in tags:
        window = window_s(tag, params)
        samples = min(MOST, math.ceil(window / tag.period_s) + 8)
        spacing = seconds(window) // (samples - 2) + 1
        for side, sign, limit in _rates(tag, params):
            level, title = _LEVELS[side]
            yield Planned(
                tags=(tag,),
                side=side,
                levels=(Level(level, title, sign * limit),),
                on_delay_s=params.on_delay_s,
                off_delay_s=window / 4 if params.off_delay_s is None else params.off_delay_s,
                samples=samples,
                values={
                    "sign": sign,
                    "limit": limit,
                    "release": params.release * limit,
                    "noise": params.noise,
                    "lowest": lowest(tag),
                    "highest": highest(tag),
                    "range_high": math.inf if tag.range_high is None else tag.range_high,
                    "window": seconds(window),
                    "covered": seconds(params.coverage * window),
                    "spacing": spacing,
                    "hole": max(seconds(lateness_s(tag)), 3 * spacing),
                    "back": seconds(lateness_s(tag)),
                },
            )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if params.rise_per_min is None and params.fall_per_min is None:
        yield Problem.of("params", "no rate is set", "set rise_per_min, fall_per_min or both")
    for field in ("rise_per_min", "fall_per_min"):
        rate = getattr(params, field)
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            yield Problem.of(f"params.{field}", f"{rate:g} is no rate", "above 0; a fall is positive too")
    for field, low, high in (("noise", 0.0, 100.0), ("on_delay_s", 0.0, 86_400.0), ("off_delay_s", 0.0, 86_400.0)):
        given = getattr(params, field)
        if given is not None and not low <= given <= high:
            yield Problem.of(f"params.{field}", f"{given:g} is out of bounds", f"{low:g} to {high:g}")
    if not 0.1 <= params.coverage <= 0.9:
        yield Problem.of("params.coverage", f"{params.coverage:g} is no usable share of the window", "0.1 to 0.9")
    if not 0.0 <= params.release < 1.0:
        message = f"{params.release:g} is no share of the limit that is below it"
        yield Problem.of("params.release", message, "0 up to, but without, 1")
    if tag.measure in _WITHOUT_RATE:
        message = f"{tag.name} measures {tag.measure.value}, which has no rate of change"
        yield Problem.of("tags", message, "narrow the rule's tags or measures")
    if params.percent_of_range and (tag.range_low is None or tag.range_high is None):
        message = f"{tag.name} has no range, so no per cent of it"
        yield Problem.of("params.percent_of_range", message, "give the tag a range, or the rate in its unit")
    window = window_s(tag, params)
    if not (math.isfinite(window) and LEAST * tag.period_s <= window <= 86_400.0):
        message = f"{tag.name} reads every {tag.period_s:g} s; {window:g} s do not hold the {LEAST} samples of a slope"
        if not (math.isfinite(window) and window <= 86_400.0):
            message = f"{window:g} s is no window"
        yield Problem.of("params.window_s", message, f"{10 * tag.period_s:g} or more, at most a day")
        return
    if tag.resolution is not None:
        smallest = 1.5 * tag.resolution * 60.0 / window
        for side, _, rate in _rates(tag, params):
            if 0 < rate <= smallest:
                message = f"{tag.name}: one step of its resolution looks like {smallest:.3g} {tag.unit}/min"
                yield Problem.of(f"params.{_LEVELS[side][0]}_per_min", message, "a longer window or a larger rate")


def unit(planned: Planned) -> str:
    return f"{planned.tags[0].unit}/min"


def say(said: Said) -> Text:
    """Such as "R-101 温度 上升 6.2 degC/min，达到上升速率限值 5 degC/min"."""
    what = name(said.tag)
    per = unit(said.condition)
    if math.isnan(said.value):
        how = Text(zh="变化速率未知", en="rate not known")
    else:
        way = Text(zh="上升", en="rising") if said.value >= 0 else Text(zh="下降", en="falling")
        speed = quantity(abs(said.value), per)
        how = Text(zh=f"{way.zh} {speed}", en=f"{way.en} {speed}")
    if said.level is None or said.level.limit is None:
        return Text(zh=f"{what.zh} {how.zh}，速率已恢复正常", en=f"{what.en} {how.en}, rate back to normal")
    return at_limit(what, how, said.level.title, said.level.limit, said.value, per)


_REACTOR = Tag(
    number=1, name="T-101", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    period_s=5.0,
)  # fmt: skip
_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0, period_s=5.0,
)  # fmt: skip
_TANK = Tag(number=1, name="L-1", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=10.0)

KIND = Kind(
    name="rate",
    title=Text(zh="变化速率", en="Rate of change"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    unit=unit,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    source="Least squares; standard error of a slope, for equal steps sigma*sqrt(12/(n(n^2-1)))/dt; rate-of-change "
    "alarm as in ISA-18.2.",
    examples=(
        Example(
            _REACTOR,
            RuleCase(
                name="3 degC/min instead of 2: told after 3 min, ended once the window is flat again",
                tag="T-101",
                readings=tuple((5.0 * i, 80.0 + 0.25 * min(max(i - 60, 0), 36)) for i in range(150)),
                expect=((485, "raise", "rise"), (700, "return", "normal")),
            ),
            params={"rise_per_min": 2.0},
        ),
        Example(
            _CO,
            RuleCase(
                name="one spike is no rise, whatever its height; a leak is, long before its limit",
                tag="CO-1",
                readings=tuple((5.0 * i, 300.0 if i == 14 else 5.0 + 1.25 * max(i - 30, 0)) for i in range(45)),
                expect=((190, "raise", "rise"),),
            ),
            params={"rise_per_min": 10.0},
        ),
        Example(
            _TANK,
            RuleCase(
                name="a tank that empties by 7.5 % of its range per minute",
                tag="L-1",
                readings=tuple((1.0 * i, 8.0 - 0.0125 * max(i - 20, 0)) for i in range(50)),
                expect=((33, "raise", "fall"),),
            ),
            params={
                "rise_per_min": 5.0,
                "fall_per_min": 5.0,
                "percent_of_range": True,
                "window_s": 20.0,
                "noise": 0.0,
            },
        ),
    ),
)
