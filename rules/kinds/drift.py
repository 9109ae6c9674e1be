"""Drift: the zero of a gas detector wanders, by night after night.

At night, while little is going on, a detector in clean air shows its zero. Of every night (`hours` from `from_h` on, by
China's time) at most 72 readings are kept, the first good one in each stretch of it, and from 18 on their median speaks
for the night; one night of work or one small leak hardly moves it. Two numbers are looked at:

- the median itself, against its own baseline;
- where at least three other detectors of the same gas stand in the same cell (the eight nearest ones by the plan are
  taken, or those next in the list): the median of the differences between the detector and the middle of the others at
  the same moment. What weather and season do to all of them cancels out, and one that wanders alone stands out sooner.

The baseline is the median of the first `nights` nights. Sigma is two and a half times their deviation (1.4826 times
the median one): two weeks show neither of the two well, and a baseline half a deviation off would pass for a drift. So
one detector in fifty has a false alarm in a year (simulated, scatter alone). Sigma is never taken for less than `least`
of the measuring range, as a smaller drift is of no interest; as a rule that is more, and false alarms are rare. With
`zero` the own baseline is given and sigma is that least. Each number is summed up by two CUSUMs, upwards and downwards,

    S = max(0, S + z - 1/2),   z = (median - baseline) / sigma, at most 4 either way,   drift at S > threshold

With the threshold of 10, even noise of a whole sigma passes it once in some ten thousand nights (`rules.arl`), a
lasting shift of one sigma after 20 nights, one of two after 7, and nothing in less than three: a leak is the limits'
matter. An alarm ends once three nights in a row came within one sigma again, after the detector was calibrated; a new
zero that lasts stays an alarm until then.

Bad, uncertain and late readings are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.compiling import kernel, scratch_kernel
from rules.instruments import check_share, is_judged, span
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.robust import SIGMA_OF_MAD, median
from rules.windows import remember
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import CHINA_S, SECOND, seconds

KEPT = 72
"""Readings of a night, at most."""
ENOUGH = 18
"""Fewer say nothing about a night."""
FEWEST, MOST = 3, 8
"""Neighbours that make a middle, and those that are looked at."""
WIDENED = 2.5
K = 0.5
CLIP = 4.0
CALM_NIGHTS = 3
MOST_NIGHTS = 60
OWN, BESIDE = 0, 1
LEVEL = Level("drift", Text(zh="零点漂移", en="zero drift"))


class Params(Struct, frozen=True, kw_only=True):
    """A night begins at `from_h` (h, at +08:00) and lasts `hours`; one comes every `every_h`. `nights` are learned
    from; `zero` is the value in clean air (the tag's unit), None to learn it; `least` the share of the span that sigma
    is at least; `threshold` of the CUSUM, in sigmas."""

    from_h: float = 0.0
    hours: float = 6.0
    every_h: float = 24.0
    nights: int = 14
    zero: float | None = None
    least: float = 0.005
    threshold: float = 10.0


PARAMS = np.dtype(
    [
        ("offset", "i8"),  # added to event times, nights begin at multiples of `every`
        ("every", "i8"),
        ("length", "i8"),
        ("fresh", "i8"),  # how long a neighbour's last reading counts
        ("neighbours", "i8"),
        ("nights", "i8"),
        ("zero", "f8"),  # NaN where it is learned
        ("least", "f8"),
        ("threshold", "f8"),
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # how far the last night was away: from the neighbours' where that is the drift, else its own
        ("figures", "f8", (3,)),  # the last night: its median, how far it was from its baseline, from the neighbours'
        ("mean", "f8", (2,)),
        ("sigma", "f8", (2,)),
        ("up", "f8", (2,)),
        ("down", "f8", (2,)),
        ("night", "i8"),
        ("slot", "i4"),
        ("count", "i4"),  # readings of this night so far
        ("learned", "i4", (2,)),
        ("calm", "i4", (2,)),  # nights in a row within one sigma
        ("drifts", "i4", (2,)),
        ("judged", "i4"),  # nights
    ],
    align=True,
)
SAMPLE = np.dtype([("value", "f8"), ("beside", "f8")])
"""Of the night: the reading, and how far it was from the neighbours' middle. Then of each neighbour: its last reading,
and `now` (s). Then of each night that is learned: both medians."""


@kernel
def _middle_beside(held, c, p, v, now, scratch):  # type: ignore[no-untyped-def]
    """How far v is from the middle of the fresh neighbours, NaN where they are too few."""
    n = 0
    for k in range(p["neighbours"]):
        sample = held.samples[held.first[c] + KEPT + k]
        if sample["beside"] > 0.0 and now / SECOND - sample["beside"] <= p["fresh"] / SECOND:
            scratch[n] = sample["value"]
            n += 1
    return v - median(scratch, n) if n >= FEWEST else np.nan


@kernel
def _median_of(held, base, n, which, scratch):  # type: ignore[no-untyped-def]
    """(median of n samples from `base` on, how many were numbers)."""
    m = 0
    for k in range(n):
        x = held.samples[base + k]["value"] if which == OWN else held.samples[base + k]["beside"]
        if x == x:
            scratch[m] = x
            m += 1
    return (median(scratch, m) if m > 0 else np.nan), m


@kernel
def _begin(held, c, p, which, scratch):  # type: ignore[no-untyped-def]
    """Baseline and sigma from the nights that were learned."""
    s = held.own[c]
    base = held.first[c] + KEPT + p["neighbours"]
    mean, n = _median_of(held, base, p["nights"], which, scratch)
    for k in range(n):
        scratch[k] = abs(scratch[k] - mean)
    s["mean"][which] = mean
    s["sigma"][which] = max(WIDENED * SIGMA_OF_MAD * median(scratch, n), p["least"])


@kernel
def _sum_up(s, p, which, x):  # type: ignore[no-untyped-def]
    """Add the night's median x to the sums; returns how far it is from the baseline."""
    shift = x - s["mean"][which]
    z = min(max(shift / s["sigma"][which], -CLIP), CLIP)
    s["calm"][which] = s["calm"][which] + 1 if abs(z) <= 1.0 else 0
    s["up"][which] = max(0.0, s["up"][which] + z - K)
    s["down"][which] = max(0.0, s["down"][which] - z - K)
    if s["drifts"][which] != 0 and s["calm"][which] >= CALM_NIGHTS:
        s["drifts"][which], s["up"][which], s["down"][which] = 0, 0.0, 0.0
    elif max(s["up"][which], s["down"][which]) > p["threshold"]:
        s["drifts"][which] = 1
    return shift


@kernel
def _close(held, c, p, scratch):  # type: ignore[no-untyped-def]
    """A night is over: learn from it, or add it up."""
    s = held.own[c]
    own, n = _median_of(held, held.first[c], s["count"], OWN, scratch)
    if n < ENOUGH:
        return
    beside, fit = _median_of(held, held.first[c], s["count"], BESIDE, scratch)
    if fit < ENOUGH:
        beside = np.nan
    s["figures"][0], s["figures"][1], s["figures"][2] = own, np.nan, np.nan
    s["judged"] += 1
    place = held.first[c] + KEPT + p["neighbours"]
    teaches_own = s["learned"][OWN] < p["nights"] and p["zero"] != p["zero"]
    teaches_beside = s["learned"][BESIDE] < p["nights"] and beside == beside
    if p["zero"] == p["zero"]:
        s["mean"][OWN], s["sigma"][OWN] = p["zero"], p["least"]
    if teaches_own or teaches_beside:
        # in step as a rule; after a night without neighbours, theirs waits until its own is learned: one sample a row
        k = s["learned"][OWN] if teaches_own else s["learned"][BESIDE]
        remember(held, place + k)
        if teaches_own:
            held.samples[place + k]["value"] = own
        if teaches_beside and (not teaches_own or s["learned"][BESIDE] == k):
            held.samples[place + k]["beside"] = beside
            s["learned"][BESIDE] += 1
            if s["learned"][BESIDE] == p["nights"]:
                _begin(held, c, p, BESIDE, scratch)
        if teaches_own:
            s["learned"][OWN] += 1
            if s["learned"][OWN] == p["nights"]:
                _begin(held, c, p, OWN, scratch)
    if not teaches_own:
        s["figures"][1] = _sum_up(s, p, OWN, own)
    if not teaches_beside and beside == beside:
        s["figures"][2] = _sum_up(s, p, BESIDE, beside)
    by_neighbours = s["drifts"][OWN] == 0 and s["drifts"][BESIDE] != 0
    s["value"] = s["figures"][2] if by_neighbours else s["figures"][1]


@scratch_kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, held, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    scratch = np.empty(KEPT, np.float64)
    for i in range(n):
        j = index[i]
        v = value[i]
        if not is_judged(j, flags[i], v, quality[i]):
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            if held.slot[k] > 0:
                place = held.first[c] + KEPT + held.slot[k] - 1
                remember(held, place)
                held.samples[place]["value"], held.samples[place]["beside"] = v, now / SECOND
                continue
            s = held.own[c]
            phase = at[i] + p["offset"]
            night, inside = phase // p["every"], phase % p["every"]
            slot = inside * KEPT // p["length"]
            if s["count"] > 0 and (night != s["night"] or inside >= p["length"]):
                _close(held, c, p, scratch)
                s["count"] = 0
            elif inside < p["length"] and s["count"] < KEPT and (s["count"] == 0 or slot != s["slot"]):
                place = held.first[c] + s["count"]
                beside = _middle_beside(held, c, p, v, now, scratch)
                remember(held, place)
                held.samples[place]["value"], held.samples[place]["beside"] = v, beside
                s["count"] += 1
                s["night"], s["slot"] = night, slot
            drifts = s["drifts"][OWN] != 0 or s["drifts"][BESIDE] != 0
            if not drifts and conditions[c]["quiet"] != 0:
                continue
            before = m
            m = step(
                c, conditions, gates, setup, 1 if drifts else 0, 0 if drifts else 1, True, flags[i], basis, at[i], now,
                append, i, s["value"] if s["judged"] > 0 else np.nan, quality[i], out, due, m,
            )  # fmt: skip
            if m > before and s["judged"] > 0:
                for f in range(3):
                    out[before]["figures"][f] = s["figures"][f]
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        if tag.measure is not Measure.GAS:
            continue
        beside = neighbours(tag, tags)
        yield Planned(
            tags=(tag, *beside),
            side=Side.FAULT,
            levels=(LEVEL,),
            holds=False,
            values={
                "offset": (CHINA_S * SECOND - seconds(params.from_h * 3600)) % seconds(params.every_h * 3600),
                "every": seconds(params.every_h * 3600),
                "length": seconds(params.hours * 3600),
                "fresh": seconds(max([tag.stale_s, *(t.stale_s for t in beside)])),
                "neighbours": len(beside),
                "nights": params.nights,
                "zero": math.nan if params.zero is None else params.zero,
                "least": least_sigma(tag, params),
                "threshold": params.threshold,
            },
            samples=KEPT + len(beside) + params.nights,
        )


def neighbours(tag: Tag, cell: Sequence[Tag]) -> tuple[Tag, ...]:
    """The other detectors of the same gas and unit that a tag is compared with, none where they are too few."""
    others = [t for t in cell if t.measure is Measure.GAS and (t.cas, t.unit) == (tag.cas, tag.unit) and t != tag]
    if len(others) < FEWEST:
        return ()

    def away(other: Tag) -> tuple[float, int]:
        if None in (tag.x_m, tag.y_m, other.x_m, other.y_m):
            return math.inf, abs(other.number - tag.number)
        return math.dist((tag.x_m or 0.0, tag.y_m or 0.0), (other.x_m or 0.0, other.y_m or 0.0)), other.number

    return tuple(sorted(others, key=away)[:MOST])


def least_sigma(tag: Tag, params: Params) -> float:
    """The smallest sigma in the tag's unit: above 0 for a tag that `check` lets pass."""
    return max(params.least * span(tag), (tag.resolution or 0.0) / 2)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if tag.measure is not Measure.GAS:
        yield Problem.of("measures", f"{tag.name} is no gas detector", 'ask it of measures = ["gas"]')
    elif not least_sigma(tag, params) > 0:
        message = f"nobody knows the range or the resolution of {tag.name}, so any drift would be one"
        yield Problem.of("params.least", message, "give the tag its range, and least a share above 0")
    if not (
        math.isfinite(params.hours) and math.isfinite(params.every_h) and 0 < params.hours <= params.every_h <= 168
    ):
        message = f"{params.hours:g} h every {params.every_h:g} h are no nights"
        yield Problem.of("params.hours", message, "6 h every 24 h are usual")
    elif params.hours * 3600 < ENOUGH * tag.period_s:
        message = f"{tag.name} reads every {tag.period_s:g} s: too seldom in {params.hours:g} h"
        yield Problem.of("params.hours", message, f"{ENOUGH} readings or more")
    if not 0 <= params.from_h < 24:
        yield Problem.of("params.from_h", f"{params.from_h:g} is no hour", "0 to 23")
    if not 3 <= params.nights <= MOST_NIGHTS:
        yield Problem.of(
            "params.nights", f"{params.nights} nights teach no baseline", f"3 to {MOST_NIGHTS}; 14 is usual"
        )
    if params.zero is not None and not math.isfinite(params.zero):
        yield Problem.of("params.zero", f"{params.zero:g} is no number", "the value in clean air, or leave it out")
    yield from check_share("least", params.least, 1, 0.005)
    if not (math.isfinite(params.threshold) and params.threshold >= CLIP):
        message = f"a threshold of {params.threshold:g} is passed in a night or two"
        yield Problem.of("params.threshold", message, f"{CLIP:g} or more; 10 is usual")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：零点漂移，夜间中位数 6.2 ppm，比基准高 5.1 ppm；安排检定"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：零点与基准一致", en=f"{what.en}: its zero agrees with the baseline")
    zh, en = [], []
    for field, own_zh, own_en in (("shift", "基准", "its baseline"), ("beside", "周围探测器", "its neighbours")):
        by = said.figures.get(field, math.nan)
        if math.isfinite(by):
            size = quantity(float(f"{abs(by):.3g}"), said.tag.unit)
            zh.append(f"比{own_zh}{'高' if by > 0 else '低'} {size}")
            en.append(f"{size} {'above' if by > 0 else 'below'} {own_en}")
    night = quantity(float(f"{said.figures['night']:.4g}"), said.tag.unit) if "night" in said.figures else ""
    return Text(
        zh=f"{what.zh}：零点漂移{night and f'，夜间中位数 {night}'}{''.join(f'，{w}' for w in zh)}；安排检定",
        en=f"{what.en}: its zero drifts{night and f', {night} at night'}{''.join(f', {w}' for w in en)};"
        " have it calibrated",
    )


_SHORT: dict[str, bool | int | float | str | list[str]] = {"hours": 20 / 3600, "every_h": 30 / 3600, "nights": 3}


def _co(number: int) -> Tag:
    return Tag(
        number=number, name=f"CO-{number}", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm",
        range_low=0.0, range_high=500.0, period_s=1.0, limits=Limits(high=17.2, high_high=34.3),
    )  # fmt: skip


def _nights(*values: float) -> tuple[tuple[float, float], ...]:
    """Nights of 20 s, every 30 s (it is 08:00 in China, which is one of their beginnings), and a reading after each."""
    return tuple((30.0 * n + t, v) for n, v in enumerate(values) for t in (*range(20), 25))


KIND = Kind(
    name="drift",
    title=Text(zh="零点漂移", en="Drift"),
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
    figures=("night", "shift", "beside"),
    source="CUSUM (Page 1954) with k = 1/2 and h = 10 on medians of nights: project default.",
    examples=(
        Example(
            _co(1),
            RuleCase(
                name="three nights are learned; a zero that is 8 ppm higher is told after three more",
                tag="CO-1",
                readings=_nights(1.0, 1.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0),
                expect=((235, "raise", "drift"),),
            ),
            params=_SHORT,
        ),
        Example(
            _co(1),
            RuleCase(
                name="a drift of a quarter of a percent of the range a night adds up, and a calibration ends it",
                tag="CO-1",
                readings=_nights(*(0.5,) * 3, *(0.5 + 1.25 * n for n in range(1, 8)), *(0.5,) * 4),
                expect=((295, "raise", "drift"), (385, "return", "normal")),
            ),
            params=_SHORT,
        ),
        Example(
            _co(1),
            RuleCase(
                name="one night with a leak is no drift",
                tag="CO-1",
                readings=_nights(1.0, 1.0, 1.0, 60.0, 1.0, 1.0),
            ),
            params=_SHORT,
        ),
    ),
)
