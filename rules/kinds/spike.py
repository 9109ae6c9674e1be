"""Spike: an instrument that shows single wild numbers, again and again within an hour.

By Hampel's test over the last 11 good readings, a reading x is wild when

    |x - median| > 5 sigma,   sigma = 1.4826 * median |reading - median|

A wild reading is a *spike* when the value comes back within two readings into the band (median and 5 sigma) that it
left: after one wild reading, or after two on opposite sides. Two on the same side are a rise, and a rise is no spike:
it may be the real thing.

Two things keep healthy noise away from the test. Sigma is never taken smaller than its mean over the last hundred full
windows, as eleven readings tell it badly; and a spike is higher than `least` of the span and than five steps of the
resolution. Where none of these is above zero, nothing is judged.

One spike is counted and not annunciated; `count` of them within `within_s` are a fault: a loose contact, interference,
a failing cell. The value that is told is their number. The fault ends at a good reading once at most half as many are
left within that time and 60 s have passed since the last.

Bad, uncertain and late readings are passed over. A hole longer than three periods (and than the tag's lateness) empties
the window: what lies on both sides of it are no neighbours. States are not watched, nor wind directions, which jump at
north. The readings themselves are left alone: no alarm is judged by filtered values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.compiling import kernel, scratch_kernel
from rules.instruments import QUIET, check_length, check_share, hole, is_judged, span
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.robust import SIGMA_OF_MAD, median
from rules.windows import remember
from rules.words import duration, name
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

WINDOW = 11
SIGMAS = 5.0
WINDOWS_OF_MEAN = 100
RISE = 3
MOST = 8
"""The most spikes whose times are kept."""
UNWATCHED = (Measure.STATE, Measure.WIND_DIRECTION)


class Params(Struct, frozen=True, kw_only=True):
    """So many spikes (2 to 8) within so long (s) are a fault; a spike is higher than this share of the span."""

    count: int = 5
    within_s: float = 3600.0
    least: float = 0.02


PARAMS = np.dtype([("count", "i8"), ("within", "i8"), ("hole", "i8"), ("least", "f8")], align=True)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # spikes within the time
        ("clock", "i8"),  # ns of event time or `now`, whichever went further from reading to reading
        ("last_at", "i8"),
        ("last_now", "i8"),
        ("sigma", "f8"),  # mean of the windows' sigmas
        ("middle", "f8"),  # the band that the run of wild readings left
        ("bar", "f8"),
        ("times", "i8", (MOST,)),  # of the newest spikes, by `clock`
        ("spikes", "i8"),  # ever seen
        ("windows", "i4"),  # how many made `sigma`
        ("filled", "i4"),
        ("next", "i4"),
        ("run", "i4"),  # wild readings in a row: one, two on opposite sides, or `RISE`
        ("side", "i4"),  # of the first of them
    ],
    align=True,
)
SAMPLE = np.dtype([("value", "f8")])


@kernel
def _spread(samples, base, middle, scratch):  # type: ignore[no-untyped-def]
    """Sigma of a full window around its median."""
    for w in range(WINDOW):
        scratch[w] = abs(samples[base + w]["value"] - middle)
    return SIGMA_OF_MAD * median(scratch, WINDOW)


@kernel
def _wild(held, c, v, least, scratch):  # type: ignore[no-untyped-def]
    """+1 or -1 when reading v, the newest of a full window, is wild on that side, else 0; each window teaches once.

    The band that v is judged by stays in the memory until the next run begins.
    """
    s = held.own[c]
    base = held.first[c]
    far = False
    for w in range(WINDOW):
        scratch[w] = held.samples[base + w]["value"]
        far = far or abs(scratch[w] - v) > least
    whole = s["next"] == 0
    if not far and not whole:
        return 0  # nor can it be far from the median
    middle = median(scratch, WINDOW)
    sigma = _spread(held.samples, base, middle, scratch)
    if whole:
        s["windows"] = min(s["windows"] + 1, WINDOWS_OF_MEAN)
        s["sigma"] += (sigma - s["sigma"]) / s["windows"]
    bar = max(SIGMAS * max(sigma, s["sigma"]), least)
    if s["run"] == 0:
        s["middle"], s["bar"] = middle, bar
    if bar <= 0.0:
        return 0
    return _side(v, middle, bar)


@kernel
def _side(v, middle, bar):  # type: ignore[no-untyped-def]
    if abs(v - middle) <= bar:
        return 0
    return 1 if v > middle else -1


@kernel
def _spike(s, v, wild):  # type: ignore[no-untyped-def]
    """Take in a reading and how the window judges it; whether a spike has just ended with it.

    To have come back is to lie in the band that the wild reading left: the window's own band widens with a rise.
    """
    if s["run"] == 0:
        if wild != 0:
            s["run"], s["side"] = 1, wild
        return False
    if s["run"] == RISE:
        if wild == 0:
            s["run"] = 0
        return False
    side = _side(v, s["middle"], s["bar"])
    if side == 0:
        s["run"] = 0
        return True
    s["run"] = 2 if s["run"] == 1 and side != s["side"] else RISE
    return False


@scratch_kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, held, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    scratch = np.empty(WINDOW, np.float64)
    for i in range(n):
        j = index[i]
        v = value[i]
        if not is_judged(j, flags[i], v, quality[i]):
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = held.own[c]
            if s["filled"] > 0:
                ahead = at[i] - s["last_at"]
                later = now - s["last_now"]
                s["clock"] += max(ahead, later, 0)
                if ahead < 0 or max(ahead, later) > p["hole"]:
                    s["filled"], s["next"], s["run"] = 0, 0, 0
            s["last_at"], s["last_now"] = at[i], now
            place = held.first[c] + s["next"]
            remember(held, place)
            held.samples[place]["value"] = v
            s["next"] = (s["next"] + 1) % WINDOW
            s["filled"] = min(s["filled"] + 1, WINDOW)
            if s["filled"] == WINDOW and _spike(s, v, _wild(held, c, v, p["least"], scratch)):
                s["times"][s["spikes"] % MOST] = s["clock"]
                s["spikes"] += 1
            if s["spikes"] == 0 and conditions[c]["quiet"] != 0:
                continue
            number = 0
            newest = 0
            for t in range(min(s["spikes"], MOST)):
                newest = max(newest, s["times"][t])
                if s["clock"] - s["times"][t] < p["within"]:
                    number += 1
            s["value"] = number
            beyond = 1 if number >= p["count"] else 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            clear = 1 if number <= p["count"] // 2 and s["clock"] - newest >= QUIET else 0
            m = step(
                c, conditions, gates, setup, beyond, clear, True, flags[i], basis, at[i], now, append, i, s["value"],
                quality[i], out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    level = Level("spikes", Text(zh="尖峰干扰", en="spikes"), float(params.count))
    for tag in tags:
        if tag.measure in UNWATCHED:
            continue
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(level,),
            holds=False,
            values={
                "count": params.count,
                "within": seconds(params.within_s),
                "hole": hole(tag),
                "least": max(params.least * span(tag), 5 * (tag.resolution or 0.0)),
            },
            samples=WINDOW,
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not 2 <= params.count <= MOST:
        yield Problem.of("params.count", f"{params.count} spikes cannot be counted", f"2 to {MOST}; 5 is usual")
    yield from check_length(tag, "within_s", params.within_s, 3 * WINDOW, "judge", 3600)
    yield from check_share("least", params.least, 1, 0.02)


def say(said: Said) -> Text:
    """Such as "1#炉 CO：60 分钟内 5 个孤立尖峰，接触不良或干扰"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：不再有尖峰", en=f"{what.en}: no more spikes")
    within = duration(said.condition.values["within"] / SECOND)
    return Text(
        zh=f"{what.zh}：{within.zh}内 {said.value:.0f} 个孤立尖峰，接触不良或干扰",
        en=f"{what.en}: {said.value:.0f} single spikes within {within.en}: loose contact or interference",
    )


_T = Tag(
    number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    resolution=0.1,
)  # fmt: skip


def _with(peaks: dict[int, float], seconds: int) -> tuple[tuple[float, float], ...]:
    """A temperature that wavers around 80, with peaks at some seconds."""
    return tuple((t, peaks.get(t, 80.0 + 0.1 * (t % 3))) for t in range(seconds))


KIND = Kind(
    name="spike",
    title=Text(zh="尖峰干扰", en="Spikes"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    unit=lambda planned: "",
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    source="Hampel's identifier with a window of 11; number of spikes an hour: project default.",
    examples=(
        Example(
            _T,
            RuleCase(
                name="three spikes within the time are a fault, told when the third has returned",
                tag="T-1",
                readings=_with({15: 120.0, 30: 20.0, 45: 120.0, 46: 20.0}, 140),
                expect=((47, "raise", "spikes"), (131, "return", "normal")),
            ),
            params={"count": 3, "within_s": 100.0},
        ),
        Example(
            _T,
            RuleCase(
                name="two readings on the same side are a rise, and a rise is no spike",
                tag="T-1",
                readings=_with({15: 120.0, 16: 121.0, 30: 120.0, 31: 120.0, 45: 119.0, 46: 122.0}, 60),
            ),
            params={"count": 2, "within_s": 100.0},
        ),
        Example(
            _T,
            RuleCase(
                name="one spike is counted and not annunciated",
                tag="T-1",
                readings=_with({15: 120.0}, 40),
            ),
        ),
    ),
)
