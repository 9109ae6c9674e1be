"""Noise: an instrument whose readings tremble several times more than they used to.

The noise is judged by second differences of good readings, in which a trend, however steep, cancels out:

    sigma = 1.4826 * median |x[i] - 2 x[i-1] + x[i-2]| / sqrt(6)     over the last 30, every 10 readings

For white noise this is its standard deviation; a few spikes and steps do not move a median, so they do not count. It is
a fault when sigma is more than `ratio` times the *usual* noise, which is given, or learned from `learn_s` of readings:

- it begins as the first sigma, and each later one moves it up or down by a share 1/k, k being how many there were: it
  ends near their median, however wild a few of them are; until then nothing is judged;
- then it follows slowly (a factor of two in a day at most), never by a sigma that is more than twice the usual or comes
  after a noisy one, and never beyond half or double of what was learned: noise that grows for weeks is still found.

The usual noise is never taken for less than `least` of the span or half a step of the resolution. Where none of these
is above zero, nothing is judged. A process that trembles more in one state than in another (boiling, slug flow) should
be given its larger `usual`. States and winds are not watched: gusts are weather.

Bad, uncertain and late readings are passed over. A hole longer than three periods (and than the tag's lateness) empties
the window. The fault ends at a good reading once sigma is at most half of what raises it, 60 s after the last noisy
one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.compiling import kernel, scratch_kernel
from rules.instruments import QUIET, check_length, check_share, hole, is_judged, span
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.robust import SIGMA_OF_MAD, median
from rules.windows import remember
from rules.words import name, number, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import DAY, seconds

WINDOW = 30
EVERY = 10
SCALE = SIGMA_OF_MAD / math.sqrt(6.0)
"""Sigma of white noise for each unit of the median absolute second difference."""
UNWATCHED = (Measure.STATE, Measure.WIND_SPEED, Measure.WIND_DIRECTION)
UNJUDGED, CALM, BETWEEN, NOISY = range(4)


class Params(Struct, frozen=True, kw_only=True):
    """How many times the usual noise is a fault; how long (s) to learn it, or the usual noise itself (standard
    deviation in the tag's unit); and the share of the span below which noise is none."""

    ratio: float = 4.0
    learn_s: float = 86_400.0
    usual: float | None = None
    least: float = 0.001


PARAMS = np.dtype(
    [
        ("ratio", "f8"),
        ("usual", "f8"),  # 0 where it is learned
        ("least", "f8"),  # in the tag's unit
        ("lessons", "i8"),  # sigmas to learn from before anything is judged
        ("slow", "f8"),  # share by which one sigma moves the usual one afterwards
        ("hole", "i8"),
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # sigma of the last window
        ("usual", "f8"),
        ("learned", "f8"),  # the usual one at the end of the lessons
        ("before", "f8"),  # the last two readings
        ("before_that", "f8"),
        ("last_at", "i8"),
        ("last_now", "i8"),
        ("cause_now", "i8"),  # `now` of the last noisy reading
        ("taught", "i8"),  # sigmas so far
        ("neighbours", "i4"),  # how many of the two readings there are
        ("filled", "i4"),
        ("next", "i4"),
        ("verdict", "i4"),
    ],
    align=True,
)
SAMPLE = np.dtype([("difference", "f8")])


@kernel
def _judge(s, p, sigma):  # type: ignore[no-untyped-def]
    """What the sigma of a window means, and what it teaches."""
    if p["usual"] > 0.0:
        usual = max(p["usual"], p["least"])
    elif s["taught"] < p["lessons"]:
        x = max(sigma, p["least"])
        if x > 0.0:
            s["taught"] += 1
            _learn(s, x, max(1.0 / s["taught"], p["slow"]))
            s["learned"] = s["usual"]
        return UNJUDGED
    else:
        usual = max(s["usual"], p["least"])
    if sigma > p["ratio"] * usual:
        return NOISY
    if p["usual"] == 0.0 and sigma <= 2 * usual and s["verdict"] != NOISY:
        _learn(s, max(sigma, p["least"]), p["slow"])
        s["usual"] = min(max(s["usual"], s["learned"] / 2), 2 * s["learned"])
    return CALM if sigma <= p["ratio"] / 2 * usual else BETWEEN


@kernel
def _learn(s, sigma, share):  # type: ignore[no-untyped-def]
    """Move the usual noise by a share towards sigma: where it settles, as many lie above as below."""
    if s["usual"] == 0.0:
        s["usual"] = sigma
    elif sigma > s["usual"]:
        s["usual"] *= 1.0 + share
    elif sigma < s["usual"]:
        s["usual"] /= 1.0 + share


@kernel
def _take(held, c, p, v, scratch):  # type: ignore[no-untyped-def]
    """Take in a good reading that follows the ones before it; every `EVERY` full windows are judged."""
    s = held.own[c]
    if s["neighbours"] == 2:
        place = held.first[c] + s["next"]
        remember(held, place)
        held.samples[place]["difference"] = abs(v - 2.0 * s["before"] + s["before_that"])
        s["next"] = (s["next"] + 1) % WINDOW
        s["filled"] = min(s["filled"] + 1, WINDOW)
        if s["filled"] == WINDOW and s["next"] % EVERY == 0:
            for w in range(WINDOW):
                scratch[w] = held.samples[held.first[c] + w]["difference"]
            s["value"] = SCALE * median(scratch, WINDOW)
            s["verdict"] = _judge(s, p, s["value"])
    s["before_that"], s["before"] = s["before"], v
    s["neighbours"] = min(s["neighbours"] + 1, 2)


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
            ahead = at[i] - s["last_at"]
            if ahead < 0 or max(ahead, now - s["last_now"]) > p["hole"]:
                s["neighbours"], s["filled"], s["next"], s["verdict"] = 0, 0, 0, UNJUDGED
            s["last_at"], s["last_now"] = at[i], now
            _take(held, c, p, v, scratch)
            noisy = s["verdict"] == NOISY
            if noisy:
                s["cause_now"] = now
            elif conditions[c]["quiet"] != 0:
                continue
            told = s["value"] if s["filled"] == WINDOW else np.nan
            clear = 1 if s["verdict"] == CALM and now - s["cause_now"] >= QUIET else 0
            m = step(
                c, conditions, gates, setup, 1 if noisy else 0, clear, True, flags[i], basis, at[i], now, append, i,
                told, quality[i], out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        if tag.measure in UNWATCHED:
            continue
        least = max(params.least * span(tag), (tag.resolution or 0.0) / 2)
        limit = None if params.usual is None else params.ratio * max(params.usual, least)
        judged_s = EVERY * tag.period_s
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(Level("noisy", Text(zh="噪声过大", en="noisy"), limit),),
            holds=False,
            values={
                "ratio": params.ratio,
                "usual": params.usual or 0.0,
                "least": least,
                "lessons": math.ceil(params.learn_s / judged_s),
                "slow": math.log(2.0) * seconds(judged_s) / DAY,
                "hole": hole(tag),
            },
            samples=WINDOW,
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not (math.isfinite(params.ratio) and params.ratio >= 2):
        yield Problem.of("params.ratio", f"{params.ratio:g} times the usual noise is no fault", "2 or more; 4 is usual")
    yield from check_length(tag, "learn_s", params.learn_s, 10 * EVERY, "learn from", 86_400)
    if params.usual is not None and not (math.isfinite(params.usual) and params.usual > 0):
        message = f"{params.usual:g} is no standard deviation"
        yield Problem.of("params.usual", message, "above 0, in the tag's unit; leave it out to have it learned")
    yield from check_share("least", params.least, 1, 0.001)


def say(said: Said) -> Text:
    """Such as "1#炉 温度：噪声标准差 1.2 degC，超过平时的 4 倍"."""
    what = name(said.tag)
    sigma = quantity(said.value, said.tag.unit)
    if said.level is None:
        return Text(zh=f"{what.zh}：噪声恢复正常", en=f"{what.en}: noise is back to usual")
    times = number(said.condition.values["ratio"])
    return Text(
        zh=f"{what.zh}：噪声标准差 {sigma}，超过平时的 {times} 倍，检查接线和仪表",
        en=f"{what.en}: noise of {sigma} (deviation), more than {times} times the usual; check wiring and instrument",
    )


_T = Tag(
    number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    resolution=0.1,
)  # fmt: skip
_SHAPE = (0.3, -0.9, 1.2, -0.2, -1.3, 0.8, 0.1, -0.6, 1.0, -0.4)


def _trembling(start: int, end: int, by: float, slope: float = 0.0) -> tuple[tuple[float, float], ...]:
    return tuple((t, round(80.0 + by * _SHAPE[t % 10] + slope * (t - start), 3)) for t in range(start, end))


KIND = Kind(
    name="noise",
    title=Text(zh="噪声过大", en="Noise"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    source="Four times the usual noise: project default; second differences: after von Neumann 1941, with a median.",
    examples=(
        Example(
            _T,
            RuleCase(
                name="six times the usual noise is a fault once most of the window has it, and ends a minute after",
                tag="T-1",
                readings=(*_trembling(0, 40, 0.5), *_trembling(40, 80, 3.0), *_trembling(80, 170, 0.5)),
                expect=((61, "raise", "noisy"), (160, "return", "normal")),
            ),
            params={"usual": 0.5},
        ),
        Example(
            _T,
            RuleCase(
                name="the usual noise is learned, and a steep rise is not noise",
                tag="T-1",
                readings=(*_trembling(0, 150, 0.5), *_trembling(150, 190, 0.5, slope=3.0)),
            ),
            params={"learn_s": 100.0},
        ),
    ),
)
