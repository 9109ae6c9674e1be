"""No data: a tag that should have read by now has not, while its link is up.

Silence is counted only between two `up` heartbeats of the tag's link at most 15 s apart, and judged at a heartbeat
(LAWS T5), so a dead link is one link fault and not a thousand of these. It ends at the first live reading, whatever its
quality. The tag's `stale_s` says how long is too long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LIVE
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LINK, READING, step
from rules.words import duration, name
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import Quality
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

STALE = int(Quality.STALE)
LEVEL = Level("stale", Text(zh="无数据", en="no data"))


class Params(Struct, frozen=True, kw_only=True):
    """None leaves each tag its own `stale_s` (s)."""

    stale_s: float | None = None


PARAMS = np.dtype([("stale", "i8")])
MEMORY = np.dtype(
    [
        ("silent", "i8"),  # supervised silence so far
        ("judged", "i8"),  # `now` when it was judged last; a reading since then has ended it
    ],
    align=True,
)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    beyond, clear, basis = np.int64(0), np.int64(1), np.int64(READING)
    for i in range(n):
        j = index[i]
        live = (flags[i] & LIVE) != 0
        if j < 0 or not live:
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            if conditions[c]["quiet"] != 0:
                continue
            due[0] = min(due[0], now + params[c]["stale"])  # the last `beat` may have left it to a silence that ended
            m = step(
                c, conditions, gates, setup, beyond, clear, live, flags[i], basis, at[i], now, append, i, value[i],
                quality[i], out, due, m,
            )  # fmt: skip
    return m


@kernel
def beat(  # type: ignore[no-untyped-def]
    link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due
):
    m = np.int64(0)
    beyond, clear, basis = np.int64(1), np.int64(0), np.int64(LINK)
    for c in range(len(conditions)):
        if setup[c]["link"] != link:
            continue
        s = memory[c]
        tag = tags[tag_at[c]]
        if tag["live_now"] >= s["judged"]:
            s["silent"] = 0
        s["silent"] += now - max(since, tag["live_now"])
        s["judged"] = now
        if s["silent"] >= params[c]["stale"]:
            onset = tag["live_append"] if tag["seen"] != 0 else append
            m = step(
                np.int32(c), conditions, gates, setup, beyond, clear, np.bool_(False), np.uint8(0), basis, onset, now,
                append, row, np.nan, np.int16(STALE), out, due, m,
            )  # fmt: skip
        else:
            due[0] = min(due[0], now + params[c]["stale"] - s["silent"])
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(LEVEL,),
            holds=False,
            values={"stale": seconds(tag.stale_s if params.stale_s is None else params.stale_s)},
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if params.stale_s is not None and not (math.isfinite(params.stale_s) and params.stale_s > tag.period_s):
        message = f"{tag.name} reads every {tag.period_s:g} s, so {params.stale_s:g} s of silence would be no fault"
        yield Problem.of("params.stale_s", message, "three periods or more")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：无数据，已中断超过 30 秒"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：数据已恢复", en=f"{what.en}: data is back")
    longer = duration(said.condition.values["stale"] / seconds(1))
    return Text(
        zh=f"{what.zh}：无数据超过 {longer.zh}，链路正常",
        en=f"{what.en}: no data for more than {longer.en}, link is up",
    )


_TAG = Tag(number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", stale_s=30.0)

KIND = Kind(
    name="stale",
    title=Text(zh="无数据", en="No data"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    beat=beat,
    say=say,
    calm=lambda params: (-np.inf, np.inf),
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="Project default: three periods, at most 100 s (the fault time of gas detection controllers).",
    examples=(
        Example(
            _TAG,
            RuleCase(
                name="30 s of silence is a fault, the next reading ends it even when it is bad",
                tag="T-1",
                readings=((0, 20.0), (10, 20.0), (60, None, "BAD")),
                expect=((40, "raise", "stale"), (60, "return", "normal")),
            ),
        ),
    ),
)
