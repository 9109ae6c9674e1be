"""Clock skew: the clock behind a tag's event times is off (its gateway's, as a rule).

Every reading shows how old it was when it was appended: append time less event time, which is the way's latency and
the clock's error together.

- **Ahead.** Nothing arrives before it was read, so a single negative age is an error of the clock, of at least that
  much. From 5 s on the fold replaces the time (LAWS L3) and nobody knows how much it is; the same is done with a time
  before 2000, and both are the second level. So is a time that a tag no longer gives. A tag that never gave one has no
  clock to judge.
- **Behind.** One old reading proves nothing: it may have been on its way for long. Only the least age of many, their
  lower envelope, tells: latency comes and goes, an error stays. It is taken over two halves of `window_s` (at least ten
  periods), of three readings or more each, and counts while both agree within the tolerance: a backlog that a gateway
  sends after an outage gets younger with every reading, and a way that chokes gets slower, so neither is an error.

A latency that is the same for every reading looks like a clock that is behind, and nothing at this end tells one from
the other: where readings are collected for a minute before they are sent, give that as `latency_s`. Times in whole
seconds may be a second old at once, which is allowed for. A clock that stands still is not told.

Ages are measured with the log's clock. When many gateways go off together, it is that one which is wrong. In a replay
of a recording an age is what it was when it was recorded, or nothing. Every tag is judged by itself; to be told once
for a gateway, ask the rule of one tag of each.

The fault ends once no error has been seen for 60 s and the age is within half of the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import DOUBTFUL, LIVE
from rules.compiling import kernel
from rules.instruments import QUIET
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import FUTURE, SECOND, seconds

FEWEST = 3
"""Readings in each half of the window that make an envelope."""


class Params(Struct, frozen=True, kw_only=True):
    """An error (s) beyond `tolerance_s` is the first level and beyond `hard_s` the second, once it has lasted
    `on_delay_s`; the lower envelope is taken over `window_s`; `latency_s` is what every reading needs at least."""

    tolerance_s: float = 1.0
    hard_s: float = 30.0
    window_s: float = 600.0
    latency_s: float = 0.0
    on_delay_s: float = 60.0


PARAMS = np.dtype([("tolerance", "i8"), ("hard", "i8"), ("half", "i8"), ("latency", "i8")], align=True)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # s that the clock is ahead, negative when it is behind, NaN when nobody knows
        ("least", "i8", (2,)),  # the least age of the half at hand and of the one before
        ("count", "i4", (2,)),  # readings in them
        ("whole", "i4", (2,)),  # whether all their times are whole seconds
        ("began", "i8"),  # `now` at which the half at hand began
        ("cause_now", "i8"),
        ("timed", "i4"),  # whether the tag ever gave a time
    ],
    align=True,
)


@kernel
def _take(s, p, at, now, age):  # type: ignore[no-untyped-def]
    """Take in the age of a reading; the half at hand becomes the one before when its time is over."""
    if s["count"][0] > 0 and now - s["began"] >= p["half"]:
        recent = now - s["began"] < 2 * p["half"]
        s["least"][1], s["whole"][1] = s["least"][0], s["whole"][0]
        s["count"][1] = s["count"][0] if recent else 0
        s["count"][0] = 0
    if s["count"][0] == 0:
        s["began"], s["least"][0], s["whole"][0] = now, age, 1
    s["count"][0] += 1
    s["least"][0] = min(s["least"][0], age)
    if at % SECOND != 0:
        s["whole"][0] = 0


@kernel
def _behind(s, p):  # type: ignore[no-untyped-def]
    """(how far the clock is behind for all that the envelope shows, whether that is proof)."""
    least, whole = s["least"][0], s["whole"][0] != 0
    steady = False
    if s["count"][1] > 0:
        steady = abs(s["least"][0] - s["least"][1]) <= p["tolerance"] and min(s["count"][0], s["count"][1]) >= FEWEST
        least = min(least, s["least"][1])
        whole = whole and s["whole"][1] != 0
    return least - p["latency"] - (SECOND if whole else 0), steady


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0:
            continue
        age = append - at[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            beyond, clear, judged = 0, 0, True
            if (flags[i] & DOUBTFUL) != 0:
                if s["timed"] == 0:
                    continue
                beyond = 3
                s["value"] = np.nan
            else:
                s["timed"] = 1
                _take(s, p, at[i], now, age)
                behind, steady = _behind(s, p)
                error = -age if -age > p["tolerance"] else max(behind, 0)
                if -age > p["tolerance"] or (steady and behind > p["tolerance"]):
                    beyond = 3 if error > p["hard"] else 1
                judged = beyond != 0 or behind <= p["tolerance"] or s["count"][0] >= FEWEST
                worst = max(-age, behind)
                clear = (1 if 2 * worst <= p["tolerance"] else 0) | (2 if 2 * worst <= p["hard"] else 0)
                s["value"] = (-age if -age >= behind else -behind) / SECOND
            if beyond != 0:
                s["cause_now"] = now
            elif conditions[c]["quiet"] != 0:
                continue
            if now - s["cause_now"] < QUIET:
                clear = 0
            m = step(
                c, conditions, gates, setup, beyond, clear, judged, flags[i], basis, at[i], now, append, i,
                s["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


@kernel
def beat(  # type: ignore[no-untyped-def]
    link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due
):
    """Whether a tag gives times: a row whose time was replaced does not show whether there was one."""
    for c in range(len(conditions)):
        if setup[c]["link"] == link and tags[tag_at[c]]["highest"] > 0:
            memory[c]["timed"] = 1
    return np.int64(0)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    levels = (
        Level("skew", Text(zh="时钟偏差", en="clock skew"), params.tolerance_s),
        Level("far_skew", Text(zh="时钟严重偏差", en="large clock skew"), params.hard_s),
    )
    for tag in tags:
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=levels,
            on_delay_s=params.on_delay_s,
            holds=False,
            values={
                "tolerance": seconds(params.tolerance_s),
                "hard": seconds(params.hard_s),
                "half": seconds(max(params.window_s, 10 * tag.period_s) / 2),
                "latency": seconds(params.latency_s),
            },
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not (math.isfinite(params.tolerance_s) and params.tolerance_s > 0):
        yield Problem.of("params.tolerance_s", f"{params.tolerance_s:g} s is no tolerance", "above 0; 1 is usual")
    elif not (math.isfinite(params.hard_s) and params.hard_s >= params.tolerance_s):
        message = f"{params.hard_s:g} s is less than the tolerance of {params.tolerance_s:g} s"
        yield Problem.of("params.hard_s", message, "the tolerance or more; 30 is usual")
    if not (math.isfinite(params.window_s) and params.window_s >= 60):
        message = f"within {params.window_s:g} s a slow way cannot be told from a wrong clock"
        yield Problem.of("params.window_s", message, "60 or more; 600 is usual")
    for field in ("latency_s", "on_delay_s"):
        given = getattr(params, field)
        if not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is no length of time", "0 or more")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：时钟落后 45 秒（或每个读数都晚到这么久）"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：时钟恢复正常", en=f"{what.en}: its clock is right again")
    if not math.isfinite(said.value):
        ahead = quantity(FUTURE / SECOND, "s")
        return Text(
            zh=f"{what.zh}：时间不可用（超前 {ahead} 以上、早于 2000 年或没有时间），已改用接收时间，检查网关对时",
            en=f"{what.en}: its time is of no use (more than {ahead} ahead, before 2000, or none), that of receipt"
            " stands in; check how the gateway sets its clock",
        )
    error = quantity(round(abs(said.value), 1), "s")
    if said.value > 0:
        return Text(
            zh=f"{what.zh}：时钟超前 {error}，检查网关对时",
            en=f"{what.en}: its clock is {error} ahead; check how the gateway sets it",
        )
    return Text(
        zh=f"{what.zh}：时钟落后 {error}（或每个读数都晚到这么久），检查网关对时",
        en=f"{what.en}: its clock is {error} behind (or every reading is that late); check how the gateway sets it",
    )


_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0, period_s=5.0, limits=Limits(high=17.2, high_high=34.3),
)  # fmt: skip


def _off(start: int, end: int, by: float) -> tuple[tuple[float, float, str, float], ...]:
    """Readings every 5 s by a clock that is ahead by so many seconds."""
    return tuple((float(t), 2.0, "GOOD", t + by) for t in range(start, end, 5))


KIND = Kind(
    name="clock_skew",
    title=Text(zh="时钟偏差", en="Clock skew"),
    alarm_class=AlarmClass.COMMUNICATION,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    beat=beat,
    say=say,
    unit=lambda planned: "s",
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="1 s: project default; 30 s: the daily error that GB/T 50493 allows to the clock of a gas alarm controller.",
    examples=(
        Example(
            _CO,
            RuleCase(
                name="readings from the future are told after a minute, and a minute after the last of them it is over",
                tag="CO-1",
                readings=(*_off(0, 30, -0.25), *_off(30, 105, 3.25), *_off(105, 200, -0.25)),
                expect=((90, "raise", "skew"), (160, "return", "normal")),
            ),
        ),
        Example(
            _CO,
            RuleCase(
                name="50 s old is one reading or a wrong clock: the least age of two halves of the window tells",
                tag="CO-1",
                readings=(*_off(0, 230, -50.25), *_off(230, 330, -0.25)),
                expect=((70, "raise", "far_skew"), (285, "return", "normal")),
            ),
            params={"window_s": 60.0, "on_delay_s": 30.0},
        ),
        Example(
            _CO,
            RuleCase(
                name="a backlog gets younger with every reading: no clock is wrong",
                tag="CO-1",
                readings=tuple((5.0 * n, 2.0, "GOOD", 5.0 * n - max(0.25, 100.25 - 2.0 * n)) for n in range(80)),
            ),
            params={"window_s": 60.0, "on_delay_s": 30.0},
        ),
        Example(
            _CO,
            RuleCase(
                name="times that are an hour ahead are replaced, and nobody knows how far they are off",
                tag="CO-1",
                readings=(*_off(0, 10, -0.25), *_off(10, 90, 3600.0)),
                expect=((70, "raise", "far_skew"),),
            ),
        ),
    ),
)
