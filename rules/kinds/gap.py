"""Gap: readings are missing between those that come.

`stale` tells a tag that is silent now. This tells, from the readings' own times, what is missing in between: a tag that
reads every `period_s` and whose next reading is n periods later has lost n - 1 of them. It is a fault when

- a single hole has `hole` readings or more: a gateway that sent what it had kept through an outage, but had not kept
  all of it; or
- `share` of what the period promises, and three readings or more, is missing within `window_s` (at least fifty
  periods): a radio at the edge of its range, a gateway with too much to do.

What is told is how many are missing within the window; beside it stand the longest hole and the share.

A hole is judged at a heartbeat of the tag's link, and only if the link has been up, without a break, from before the
hole until after it (LAWS T5). So what a dead link swallowed is that one link's fault and not a thousand of these; and a
hole that lasted the tag's `stale_s` while people watched has been told by `stale`, and does not count again. A late
reading (LAWS L1) fills its place. A reading counts whatever its quality: bad data is not missing.

The fault ends at a reading once less than half of the share and of the hole is left within the window, and 60 s have
passed since the last cause. It is not for tags that report only what has changed: their period promises nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import step_telling
from rules.instruments import QUIET
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LINK, READING
from rules.words import duration, name
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

PARTS = 10
"""The window goes on by tenths."""
FEWEST = 3
"""Fewer missing readings than this are no share."""
LEVEL = Level("gap", Text(zh="数据缺失", en="readings missing"))


class Params(Struct, frozen=True, kw_only=True):
    """So many missing readings in one hole are a fault, or this share of those that `window_s` (s) promises."""

    hole: int = 10
    share: float = 0.1
    window_s: float = 600.0


PARAMS = np.dtype(
    [("period", "i8"), ("part", "i8"), ("stale", "i8"), ("hole", "i8"), ("share", "f8")],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # missing within the window
        ("figures", "f8", (2,)),  # readings in the longest hole there, share of all
        ("last_at", "i8"),  # the last reading that was in order: its event time and its `now`
        ("last_now", "i8"),
        ("chain", "i8"),  # `now` since which the link has been up without a break
        ("beat_now", "i8"),  # of the last heartbeat that was judged
        ("from_now", "i8"),  # where the holes that wait for a heartbeat begin
        ("from_at", "i8"),
        ("hole_at", "i8"),  # event time of the reading behind the last of them
        ("cause_now", "i8"),
        ("part", "i8"),  # number of the newest tenth, by event time
        ("waiting", "i4"),  # readings that they lack, and the most of one
        ("widest", "i4"),
        ("begun", "i4"),
        ("arrived", "i4", (PARTS,)),
        ("missing", "i4", (PARTS,)),
        ("hole", "i4", (PARTS,)),
    ],
    align=True,
)


@kernel
def _go_to(s, part):  # type: ignore[no-untyped-def]
    """Make room for a tenth of the window that is the newest; one that is far back begins everything anew."""
    ahead = part - s["part"]
    if ahead > PARTS or ahead <= -PARTS:
        ahead = PARTS
    elif ahead <= 0:
        return
    for k in range(ahead):
        place = (part - k) % PARTS
        s["arrived"][place], s["missing"][place], s["hole"][place] = 0, 0, 0
    s["part"] = part


@kernel
def _sum_up(s):  # type: ignore[no-untyped-def]
    """What the window holds, into `value` and `figures`."""
    arrived, missing, hole = 0, 0, 0
    for k in range(PARTS):
        arrived += s["arrived"][k]
        missing += s["missing"][k]
        hole = max(hole, s["hole"][k])
    s["value"] = missing
    s["figures"][0] = hole
    s["figures"][1] = missing / max(arrived + missing, 1)


@kernel
def _fill(s, p, at):  # type: ignore[no-untyped-def]
    """A late reading takes its place: in a hole that waits, or in the tenth in which it was found to be missing."""
    part = at // p["part"]
    if part <= s["part"] - PARTS or part > s["part"]:
        return
    if s["waiting"] > 0 and s["from_at"] < at < s["hole_at"]:
        s["waiting"] -= 1
        s["widest"] = min(s["widest"], s["waiting"])
        s["arrived"][part % PARTS] += 1
        return
    for found in range(part, s["part"] + 1):
        place = found % PARTS
        if s["missing"][place] > 0:
            s["missing"][place] -= 1
            s["hole"][place] = min(s["hole"][place], s["missing"][place])
            s["arrived"][part % PARTS] += 1
            return


@kernel
def _take(s, p, at, now):  # type: ignore[no-untyped-def]
    """Take in a reading that is in order, and note the hole before it."""
    if s["begun"] != 0:
        missing = (at - s["last_at"] + p["period"] // 2) // p["period"] - 1
        if missing > 0 and now - s["last_now"] < p["stale"]:
            missing = min(missing, PARTS * p["part"] // p["period"])
            if s["waiting"] == 0:
                s["from_now"], s["from_at"] = s["last_now"], s["last_at"]
            s["waiting"] = min(s["waiting"] + missing, 2**30)
            s["widest"] = max(s["widest"], missing)
            s["hole_at"] = at
    _go_to(s, at // p["part"])
    s["arrived"][at // p["part"] % PARTS] += 1
    s["last_at"], s["last_now"], s["begun"] = at, now, 1


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            if (flags[i] & LATE) != 0:
                _fill(s, p, at[i])
                continue
            _take(s, p, at[i], now)
            if conditions[c]["quiet"] != 0:
                continue
            _sum_up(s)
            left = 2 * s["figures"][0] >= p["hole"] or (s["value"] >= FEWEST and 2 * s["figures"][1] >= p["share"])
            clear = 0 if left or now - s["cause_now"] < QUIET else 1
            m = step_telling(
                s["figures"], c, conditions, gates, setup, 0, clear, (flags[i] & LIVE) != 0, flags[i], basis, at[i],
                now, append, i, s["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


@kernel
def beat(  # type: ignore[no-untyped-def]
    link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due
):
    m = np.int64(0)
    basis = np.int64(LINK)
    for c in range(len(conditions)):
        if setup[c]["link"] != link:
            continue
        s = memory[c]
        if since != s["beat_now"]:
            s["chain"] = since
        s["beat_now"] = now
        if s["waiting"] == 0:
            continue
        waiting, widest = s["waiting"], s["widest"]
        s["waiting"], s["widest"] = 0, 0
        p = params[c]
        part = s["hole_at"] // p["part"]
        if s["chain"] > s["from_now"] or part <= s["part"] - PARTS:
            continue
        s["missing"][part % PARTS] = min(s["missing"][part % PARTS] + waiting, 2**30)
        s["hole"][part % PARTS] = max(s["hole"][part % PARTS], widest)
        _sum_up(s)
        if s["figures"][0] >= p["hole"] or (s["value"] >= FEWEST and s["figures"][1] >= p["share"]):
            s["cause_now"] = now
            m = step_telling(
                s["figures"], np.int32(c), conditions, gates, setup, 1, 0, np.bool_(False), np.uint8(0), basis,
                s["hole_at"], now, append, row, s["value"], np.int16(0), out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(LEVEL,),
            holds=False,
            values={
                "period": max(1, seconds(tag.period_s)),
                "part": seconds(max(params.window_s, 50 * tag.period_s) / PARTS),
                "stale": seconds(tag.stale_s),
                "hole": params.hole,
                "share": params.share,
            },
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if params.hole < 2:
        yield Problem.of("params.hole", f"a hole of {params.hole} is no hole", "2 or more; 10 is usual")
    if not 0 < params.share <= 1:
        yield Problem.of("params.share", f"{params.share:g} is no share of the readings", "above 0, to 1; 0.1 is usual")
    if not (math.isfinite(params.window_s) and params.window_s >= 60):
        message = f"{params.window_s:g} s are too short to count readings in"
        yield Problem.of("params.window_s", message, "60 or more; 600 is usual")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：10 分钟内缺 45 个读数（8 %），最长一段缺 30 个"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：数据恢复完整", en=f"{what.en}: its readings are complete again")
    if not math.isfinite(said.value):
        return Text(zh=f"{what.zh}：数据缺失仍未恢复", en=f"{what.en}: readings are still missing")
    within = duration(said.condition.values["part"] * PARTS / SECOND)
    zh, en = f"缺 {said.value:.0f} 个读数", f"{said.value:.0f} readings missing"
    if "share" in said.figures:
        percent, longest = f"{100 * said.figures['share']:.0f} %", f"{said.figures['longest_hole']:.0f}"
        zh, en = f"{zh}（{percent}），最长一段缺 {longest} 个", f"{en} ({percent}), {longest} of them in a row"
    return Text(zh=f"{what.zh}：{within.zh}内{zh}", en=f"{what.en}: {en} within {within.en}")


_T = Tag(
    number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", period_s=2.0, stale_s=60.0,
)  # fmt: skip


def _but(end: int, *holes: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """A reading every 2 s but for those between the seconds of each hole."""
    return tuple((float(t), 20.0) for t in range(0, end, 2) if not any(a < t < b for a, b in holes))


KIND = Kind(
    name="gap",
    title=Text(zh="数据缺失", en="Gaps"),
    alarm_class=AlarmClass.COMMUNICATION,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    beat=beat,
    say=say,
    unit=lambda planned: "",
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    figures=("longest_hole", "share"),
    source="Gap and completeness of telemetry: shares and lengths are project defaults.",
    examples=(
        Example(
            _T,
            RuleCase(
                name="ten readings that are missing in a row are told with the next heartbeat",
                tag="T-1",
                readings=_but(260, (20, 42)),
                expect=((45, "raise", "gap"), (140, "return", "normal")),
            ),
            params={"window_s": 100.0},
        ),
        Example(
            _T,
            RuleCase(
                name="every sixth reading is lost: more than a tenth of what the period promises",
                tag="T-1",
                readings=_but(100, *((t, t + 4) for t in range(8, 90, 12))),
                expect=((40, "raise", "gap"),),
            ),
            params={"window_s": 100.0},
        ),
        Example(
            _T,
            RuleCase(
                name="a kept reading that comes late fills its place",
                tag="T-1",
                readings=tuple(
                    (float(t), 20.0, "GOOD", float(t - 7 if t % 8 == 7 else t))
                    for t in range(100)
                    if (t % 2 == 0 and t % 8 != 0) or (t % 8 == 7 and t > 7)
                ),
            ),
            params={"window_s": 100.0, "share": 0.05},
        ),
        Example(
            _T,
            RuleCase(
                name="silence as long as stale_s is told by stale while it lasts, and not again here",
                tag="T-1",
                readings=_but(200, (20, 84)),
            ),
            params={"window_s": 100.0},
        ),
    ),
)
