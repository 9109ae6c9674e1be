"""Sequence: one thing and then another, each within a time of the one before (A then B within t).

The steps are tags of one cell at limits of their own: `order = ["P-1", "T-1:high_high"]` is P-1 reaching its high limit
and then T-1 its high-high limit. A step happens when its tag reaches the limit (value >= limit on the high side,
over-range on a gas point included) after it was back past limit and deadband, or at the first reading that there is.
The sequence has happened when every step came no earlier than the step before and at most `within_s` after it; two at
the same moment count, for nobody can tell their order. A cause that comes again counts anew: the newest one is taken.

The value judged is the longest of the times between two steps (s), the limit is `within_s`. The alarm ends at a good
reading of any of the tags once the last step's tag is back past its limit and deadband.

**Time.** Steps are put in order by their event times, so a slow link does not turn them around, and a late reading may
be the missing step. A reading older than 60 s when it arrives counts at its arrival, as its clock may be off. Clocks
that differ by less show: give the tags of a sequence one gateway, or a `within_s` well above the difference.

**Bad data** is no step and ends nothing; an uncertain reading may be a step, and never ends the alarm. A revision that
changes the steps begins anew. The tags' own alarms come from rule kind `limits`, whatever this rule says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.kinds import NO_ARRAY, Example, Kind, Level, Planned, Said
from rules.machine import FRESH, LATE_READING, READING, step
from rules.members import LIMITS, by_limits
from rules.words import duration, name
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

MOST = 6
OVER = int(Quality.OVER_RANGE)
REACHED, BACK, USABLE, GOOD = 1, 2, 4, 8


class Params(Struct, frozen=True, kw_only=True):
    """`order` are the 2 to 6 steps: a tag's name, with `:high_high`, `:low` or `:low_low` behind it where it is not its
    high limit. `within_s` (s) is the longest time from one step to the next, `off_delay_s` (s) delays the end.
    """

    order: tuple[str, ...] = ()
    within_s: float = 60.0
    off_delay_s: float = 0.0


_EACH = ("sign", "limit", "deadband", "range_low", "range_high", "over")
PARAMS = np.dtype(
    [
        ("steps", "i8"),
        ("within", "i8"),
        ("made_of", "i8"),  # a checksum of the steps
        ("who", "i8", (MOST,)),  # the place of each step's tag among the condition's
        *((field, "f8", (MOST,)) for field in _EACH),
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # the longest time between two steps when the sequence happened last, s
        ("made_of", "i8"),
        ("inside", "i8"),  # mask of the steps whose tag is not back from its limit
        ("newest", "i8", (MOST,)),  # when each step happened last, 0 for never
        ("chain", "i8", (MOST,)),  # the same with all steps before it in their order and time
        ("longest", "i8", (MOST,)),  # and the longest time between two of those
    ],
    align=True,
)


@kernel
def _said(p, k, v, q):  # type: ignore[no-untyped-def]
    """What a reading says about step k: the sum of `REACHED` to `GOOD`."""
    if p["over"][k] != 0.0 and (q == OVER or (q < FIRST_BAD and v > p["range_high"][k])):
        return REACHED | USABLE
    if q >= FIRST_BAD or v != v:
        return 0
    said = USABLE
    x = p["sign"][k] * v
    if x >= p["limit"][k]:
        said |= REACHED
    elif not x >= p["limit"][k] - p["deadband"][k]:
        said |= BACK
    if q < FIRST_UNCERTAIN and v >= p["range_low"][k] and v <= p["range_high"][k] and v - v == 0.0:
        said |= GOOD
    return said


@kernel
def _happens(p, own, k, when):  # type: ignore[no-untyped-def]
    """Step k at `when`: follow the chain from the step before it to the last; whether the sequence is complete.

    Later steps may be known already, where their readings came first.
    """
    longest = np.int64(0)
    if k > 0:
        before = own["chain"][k - 1]
        gap = when - before
        if before == 0 or gap < 0 or gap > p["within"]:
            own["newest"][k] = max(own["newest"][k], when)
            return False
        longest = max(own["longest"][k - 1], gap)
    for later in range(k, p["steps"]):
        if later > k:
            known = own["newest"][later]
            gap = known - when
            if known == 0 or gap < 0 or gap > p["within"]:
                return False
            longest = max(longest, gap)
            when = known
        own["newest"][later] = max(own["newest"][later], when)
        if when >= own["chain"][later]:
            own["chain"][later] = when
            own["longest"][later] = longest
    own["value"] = longest / SECOND
    return True


@kernel
def _begin_anew(p, own):  # type: ignore[no-untyped-def]
    own["made_of"] = p["made_of"]
    own["inside"] = 0
    for k in range(MOST):
        own["newest"][k] = 0
        own["chain"][k] = 0


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        when = at[i] if append - at[i] <= FRESH else append
        for place in range(first[j], first[j + 1]):
            c = members[place]
            p = params[c]
            own = memory.own[c]
            if own["made_of"] != p["made_of"]:
                _begin_anew(p, own)
            tag = memory.slot[place]
            all_said, happened = 0, False
            for k in range(p["steps"]):
                if p["who"][k] != tag:
                    continue
                said = _said(p, k, value[i], quality[i])
                all_said |= said
                bit = 1 << k
                if live and said & BACK != 0 and said & GOOD != 0:
                    own["inside"] &= ~bit
                if said & REACHED != 0 and own["inside"] & bit == 0:
                    if live:
                        own["inside"] |= bit
                    happened = _happens(p, own, k, when) or happened
            if all_said & USABLE == 0 or (not happened and conditions[c]["quiet"] != 0):
                continue
            clear = 1 if own["inside"] >> (p["steps"] - 1) & 1 == 0 else 0
            m = step(
                c, conditions, gates, setup, 1 if happened else 0, clear, live and all_said & GOOD != 0, flags[i],
                basis, at[i], now, append, i, own["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an `order`: a tag's name and which of its limits."""

    tag: str
    limit: str

    @classmethod
    def of(cls, written: str) -> Step:
        tag, _, limit = written.partition(":")
        return cls(tag.strip(), limit.strip() or "high")

    @property
    def side(self) -> Side:
        return Side.LOW if self.limit in LIMITS["low"] else Side.HIGH

    @property
    def number(self) -> int:
        """0 for the first limit of its side, 1 for the second."""
        return LIMITS[self.side].index(self.limit)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition in the cell that has the steps' tags; it has the place of the first step's tag."""
    steps = [Step.of(s) for s in params.order[:MOST]]
    by_name = {t.name: t for t in tags}
    if len(steps) < 2 or any(s.tag not in by_name for s in steps):
        return
    own = tuple(by_name[n] for n in dict.fromkeys(s.tag for s in steps))
    values: dict[str, Any] = {field: [0.0] * MOST for field in _EACH}
    values |= {"steps": len(steps), "within": seconds(params.within_s), "who": [0] * MOST}
    values["made_of"] = 1 + crc32(repr([(by_name[s.tag].number, s.limit) for s in steps]).encode())
    for k, one in enumerate(steps):
        judged = by_limits(by_name[one.tag], one.side)
        assert judged is not None  # `check`
        values["who"][k] = own.index(by_name[one.tag])
        values["limit"][k] = judged.values[f"limit_{one.number + 1}"]
        for field in _EACH:
            if field != "limit":
                values[field][k] = judged.values[field]
    yield Planned(
        tags=own,
        side=steps[-1].side,
        levels=(Level("sequence", _steps(own, params.order), params.within_s),),
        off_delay_s=params.off_delay_s,
        values=values,
        samples=0,
    )


def _steps(tags: Sequence[Tag], order: Sequence[str]) -> Text:
    """Such as "P-1 高限 → T-1 高高限"."""
    by_name = {t.name: t for t in tags}
    told = []
    for one in map(Step.of, order):
        judged = by_limits(by_name[one.tag], one.side)
        level = judged.levels[one.number] if judged is not None else None
        title = Text() if level is None else level.title
        what = name(by_name[one.tag])
        told.append(Text(zh=f"{what.zh} {title.zh}", en=f"{what.en} {title.en}"))
    return Text(zh=" → ".join(t.zh for t in told), en=" → ".join(t.en for t in told))


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    steps = [Step.of(s) for s in params.order]
    limits = (*LIMITS["high"], *LIMITS["low"])
    if not 2 <= len(steps) <= MOST:
        yield Problem.of("params.order", f"{len(steps)} steps make no sequence", f"2 to {MOST} steps")
    for place, one in enumerate(steps, 1):
        where = f"params.order[{place}]"
        if one.limit not in limits:
            yield Problem.of(where, f"there is no limit {one.limit!r}", f"one of: {', '.join(limits)}")
        elif one.tag == tag.name and getattr(tag.limits, one.limit) is None:
            yield Problem.of(where, f"{tag.name} has no {one.limit} limit, so this never happens", "give it one")
    if not (math.isfinite(params.within_s) and params.within_s > 0):
        yield Problem.of("params.within_s", f"{params.within_s:g} is no length of time", "more than 0")
    elif tag.name in {s.tag for s in steps} and params.within_s < 3 * tag.period_s:
        message = f"{tag.name} reads every {tag.period_s:g} s, so {params.within_s:g} s cannot be told"
        yield Problem.of("params.within_s", message, f"three periods or more: {3 * tag.period_s:g}")
    if not (math.isfinite(params.off_delay_s) and params.off_delay_s >= 0):
        yield Problem.of("params.off_delay_s", f"{params.off_delay_s:g} is no length of time", "0 or more")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    """A cell without any of the steps' tags is none of the sequence's business."""
    here, wanted = {t.name for t in tags}, dict.fromkeys(Step.of(s).tag for s in params.order)
    missing = [tag for tag in wanted if tag not in here]
    if missing and len(missing) < len(wanted):
        message = f"{', '.join(missing)} is no tag of this rule in cell {tags[0].cell_key!r}, as the other steps are"
        yield Problem.of("params.order", message, "name tags of one cell, and have `tags` match them")


def say(said: Said) -> Text:
    """Such as "P-1 压力 高限 → T-1 温度 高限：先后发生，间隔 12 秒（设定 60 秒内）"."""
    title = said.condition.levels[0].title if said.condition.levels[0] is not None else Text()
    if said.level is None:
        return Text(zh=f"{title.zh}：已恢复正常", en=f"{title.en}: back to normal")
    took, within = duration(said.value), duration(said.condition.values["within"] / SECOND)
    longest = said.condition.values["steps"] > 2
    zh = f"先后发生，{'最长' if longest else ''}间隔 {took.zh}（设定 {within.zh}内）"
    en = f"one after the other, {'at most ' if longest else ''}{took.en} apart (within {within.en})"
    return Text(zh=f"{title.zh}：{zh}", en=f"{title.en}: {en}")


_PRESSURE = Tag(
    number=1, name="P-1", enterprise="e", measure=Measure.PRESSURE, unit="MPa", range_low=0.0, range_high=2.0,
    limits=Limits(low=0.3, high=1.2), deadband=0.05,
)  # fmt: skip
_TEMPERATURE = Tag(
    number=2, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    limits=Limits(high=120.0, high_high=140.0), deadband=2.0,
)  # fmt: skip
_FLOW = Tag(
    number=3, name="F-1", enterprise="e", measure=Measure.FLOW, unit="m3/h", range_low=0.0, range_high=50.0,
    limits=Limits(low=5.0), deadband=0.5,
)  # fmt: skip

KIND = Kind(
    name="sequence",
    title=Text(zh="先后顺序报警", en="Sequence"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    check_cell=check_cell,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=NO_ARRAY,  # no samples are kept; a kind with a window is told whose row it is
    unit=lambda planned: "s",
    source="A then B within t, as in the sequence patterns of event processing; 60 s is a project default.",
    examples=(
        Example(
            _PRESSURE,
            RuleCase(
                name="pressure and then temperature within a minute; it ends when the temperature is back",
                tag="P-1",
                readings=((0, 0.8), (0, "T-1", 90.0), (5, 1.3), (10, "T-1", 110.0), (17, "T-1", 121.0), (20, 0.8),
                          (30, "T-1", 119.0), (40, "T-1", 117.0)),
                expect=((17, "raise", "sequence"), (40, "return", "normal")),
            ),
            params={"order": ["P-1", "T-1"]},
            others=(_TEMPERATURE,),
        ),
        Example(
            _PRESSURE,
            RuleCase(
                name="the other way round, or too late, is none",
                tag="P-1",
                readings=((0, 0.8), (0, "T-1", 125.0), (5, 1.3), (20, "T-1", 100.0), (66, "T-1", 125.0)),
            ),
            params={"order": ["P-1", "T-1"]},
            others=(_TEMPERATURE,),
        ),
        Example(
            _FLOW,
            RuleCase(
                name="cooling lost, then a temperature that rises through both limits",
                tag="F-1",
                readings=((0, 20.0), (0, "T-1", 90.0), (10, 4.0), (40, "T-1", 125.0), (70, "T-1", 141.0)),
                expect=((70, "raise", "sequence"),),
            ),
            params={"order": ["F-1:low", "T-1:high", "T-1:high_high"], "within_s": 30.0},
            others=(_TEMPERATURE,),
        ),
    ),
)  # fmt: skip
