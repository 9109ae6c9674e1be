"""Risk: how near to an accident a hazard source is at this moment, from all its points, and which of them say so.

One condition for each cell, four levels (blue 1, yellow 2, orange 3, red 4) that are tiers by themselves. It is a
warning beside the alarms: the limits of each point alarm at once and unchanged, whatever the index says. All numbers
here are design defaults of this project, not those of an authority's model.

**Each point** gives a severity s from 0 to 1 by its own limits (`rules.severity`): up to 0.2 just before the first one,
0.5 at it, 0.8 at the second, 1 at the end of the range and for a gas point over range. It enters with the weight w of
what it measures.

**The index** is 100 K E with E = 1 - (1 - d) * product of (1 - w s): it grows with every input and does not depend on
their order. K is the factor of the hazard source's grade. A point's share is ln(1 - w s) / ln(1 - E): shares add up.

**Missing data** never lowers it. A point keeps its last severity until its next good reading, and is missing when it
has been bad or silent for its `silent_s` while the cell was heard. d = `blind` x (weight of missing points / weight of
all) is a contribution of its own, so a bad reading may raise a level, as in no other process kind. When the whole cell
falls silent no row is left to judge: that is for `stale`. A point that a revision brings counts from its first reading,
or as missing when its time is over; what the others said stays.

**Overrides** are never averaged away: a toxic gas at its second limit is red (`toxic_votes` detectors), any other point
at its second limit at least orange, all gas points missing at least yellow.

A level ends when the index has been `hysteresis` below it for `off_delay_s`, with no override; upwards there is no
delay but `on_delay_s`. Uncertain and late readings may raise a severity, never lower it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import place_after, tell
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LATE_READING, READING, step
from rules.members import join, pass_time
from rules.riskindex import FIGURES, MEMORY, MOST, PARAMS, SAMPLE, explain, hear, judge
from rules.severity import EACH, numbers_of
from rules.words import number
from schemas.changes import AlarmClass, Side
from schemas.gases import gas_class
from schemas.problems import Problem
from schemas.registry import HazardSource, Limits, Measure, Revision, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.tiers import GasClass
from schemas.time import seconds

FACTORS = {1: 1.0, 2: 0.9, 3: 0.8, 4: 0.7, 0: 0.7}
"""K by grade; a source without a grade counts as the mildest one."""


class Params(Struct, frozen=True, kw_only=True):
    """`blue`, `yellow`, `orange` and `red` are the indices (0-100) at which the levels begin; `hysteresis` is how far
    below the index must fall. `factor` replaces the factor of the grade (0: by grade). `near` (0-1) is the share of the
    way to its first limit at which a value begins to count.

    `toxic` to `other` are weights (0-1) of what is measured; points without limits, wind and states have none. `blind`
    (0-1) is what E would be with no usable input at all, `toxic_votes` how many toxic detectors at their second limit
    are red. `silent_s` (s): for how long a missing point may be missed; None leaves each tag its `stale_s`.
    `on_delay_s` and `off_delay_s` (s) delay the levels.
    """

    blue: float = 15.0
    yellow: float = 35.0
    orange: float = 60.0
    red: float = 80.0
    hysteresis: float = 5.0
    factor: float = 0.0
    near: float = 0.95
    toxic: float = 1.0
    flammable: float = 0.9
    oxygen: float = 0.9
    pressure: float = 0.8
    temperature: float = 0.8
    level: float = 0.8
    flow: float = 0.5
    other: float = 0.3
    blind: float = 0.5
    toxic_votes: int = 1
    silent_s: float | None = None
    on_delay_s: float = 0.0
    off_delay_s: float = 600.0


class Known(Params, frozen=True, kw_only=True):
    """The parameters with the hazard sources of the revision."""

    sources: tuple[HazardSource, ...] = ()


_NAMELESS = Text()


@dataclass(frozen=True, slots=True)
class Source(Planned):
    """The plan of a cell with its name."""

    title: Text = _NAMELESS


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
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            pass_time(p, own, now)
            changed, lowers = hear(p, memory, c, memory.slot[k], value[i], quality[i], live)
            if not changed and own["clock"] < own["check"] and conditions[c]["quiet"] != 0:
                continue
            risk, floor, sound = judge(p, memory, c)
            own["value"] = risk
            beyond, clear = 0, 0
            for level in range(4):
                if risk >= p["bounds"][level] or floor > level:
                    beyond |= 1 << level
                elif risk < p["bounds"][level] - p["hysteresis"]:
                    clear |= 1 << level
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            explain(p, memory, c, sound)
            before = m
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], basis, at[i], now, append, i, risk,
                quality[i], out, due, m,
            )  # fmt: skip
            m = tell(out, before, m, own["figures"])
    return m


LEVELS = (
    ("blue", Text(zh="低风险（蓝色）", en="low risk (blue)"), 4),
    ("yellow", Text(zh="一般风险（黄色）", en="moderate risk (yellow)"), 3),
    ("orange", Text(zh="较大风险（橙色）", en="considerable risk (orange)"), 2),
    ("red", Text(zh="重大风险（红色）", en="major risk (red)"), 1),
)
OVERRIDES = {
    1: Text(zh="有毒气体达到二级报警值，直接升级", en="raised at once: toxic gas at its second limit"),
    2: Text(zh="测点达到第二级限值，直接升级", en="raised at once: point at its second limit"),
    3: Text(zh="气体测点全部失效，直接升级", en="raised at once: no gas point works"),
}


def weight_of(tag: Tag, params: Params) -> float:
    """What a point weighs; 0 where it says nothing about the source."""
    if all(getattr(tag.limits, f) is None for f in tag.limits.__struct_fields__):
        return 0.0
    if tag.measure is Measure.GAS:
        by_gas = {GasClass.FLAMMABLE: params.flammable, GasClass.OXYGEN: params.oxygen}
        return by_gas.get(gas_class(tag.cas), params.toxic)
    if tag.measure in (Measure.WIND_SPEED, Measure.WIND_DIRECTION, Measure.STATE):
        return 0.0
    return {
        Measure.PRESSURE: params.pressure,
        Measure.TEMPERATURE: params.temperature,
        Measure.LEVEL: params.level,
        Measure.FLOW: params.flow,
    }.get(tag.measure, params.other)


def points(tags: Sequence[Tag], params: Params) -> list[Tag]:
    """The tags of a cell that have a weight."""
    return [t for t in tags if weight_of(t, params) > 0]


def moved(own: Any, ring: npt.NDArray[Any], numbers: Sequence[int], places: Sequence[int]) -> None:
    """A point that is new has its time to be heard, and the points are looked at again; the three told are the same."""
    join(own, ring, numbers, places)
    own["check"] = 0
    for i in (0, 2, 4):
        own["figures"][i] = place_after(float(own["figures"][i]), places)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition for the cell; it has the place of its first point, and the strictest grade in it."""
    asked = points(tags, params)[:MOST]
    if not asked:
        return
    here = [s for s in getattr(params, "sources", ()) if any(t.hazard_source == s.id for t in asked)]
    grade = min((s.grade for s in here if s.grade), default=0)
    each = [numbers_of(t) for t in asked]
    padding = [0.0] * (MOST - len(asked))
    whole = [0] * (MOST - len(asked))
    silent = [seconds(t.stale_s if params.silent_s is None else params.silent_s) for t in asked]
    bounds = [params.blue, params.yellow, params.orange, params.red]
    values: dict[str, Any] = {
        "members": len(asked),
        "longest": seconds(max(t.period_s for t in asked)),
        "factor": params.factor or FACTORS[grade],
        "blind": params.blind,
        "near": params.near,
        "hysteresis": params.hysteresis,
        "votes": params.toxic_votes,
        "bounds": bounds,
        "number": [*(t.number for t in asked), *whole],
        "silent": [*silent, *whole],
        "weight": [*(weight_of(t, params) for t in asked), *padding],
        **{name: [*(one[name] for one in each), *padding] for name in EACH},
    }
    cell = asked[0].cell_key
    yield Source(
        tags=tuple(asked),
        side=Side.HIGH,
        levels=tuple(
            Level(name, title, limit, tier=tier) for (name, title, tier), limit in zip(LEVELS, bounds, strict=True)
        ),
        on_delay_s=params.on_delay_s,
        off_delay_s=params.off_delay_s,
        values=values,
        samples=len(asked),
        title=Text(zh=here[0].name.zh or cell, en=here[0].name.en or cell) if len(here) == 1 else Text(cell, cell),
    )


def bind(params: Params, revision: Revision) -> Known:
    """The parameters with the hazard sources, whose grades are factors of the index."""
    given = {f: getattr(params, f) for f in Params.__struct_fields__}
    return Known(**given, sources=revision.hazard_sources)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    bounds = (params.blue, params.yellow, params.orange, params.red)
    if not (0 < bounds[0] < bounds[1] < bounds[2] < bounds[3] <= 100):
        listed = ", ".join(f"{b:g}" for b in bounds)
        yield Problem.of("params.blue", f"{listed} are no rising indices", "0 < blue < yellow < orange < red <= 100")
    if not 0 <= params.hysteresis < params.blue:
        message = f"with a hysteresis of {params.hysteresis:g} the level blue at {params.blue:g} would never end"
        yield Problem.of("params.hysteresis", message, "0 or more, less than blue")
    if not 0 <= params.factor <= 2:
        yield Problem.of("params.factor", f"{params.factor:g} is no factor", "0 (by grade) to 2")
    shares = ("toxic", "flammable", "oxygen", "pressure", "temperature", "level", "flow", "other", "blind", "near")
    for field in shares:
        if not 0 <= getattr(params, field) <= 1:
            yield Problem.of(f"params.{field}", f"{getattr(params, field):g} is no share", "0 to 1")
    if params.toxic_votes < 1:
        yield Problem.of("params.toxic_votes", f"{params.toxic_votes} detectors", "1 or more")
    if params.silent_s is not None and not (math.isfinite(params.silent_s) and params.silent_s >= 3 * tag.period_s):
        message = f"{tag.name} reads every {tag.period_s:g} s, so after {params.silent_s:g} s it would often be missing"
        yield Problem.of("params.silent_s", message, f"three periods or more: {3 * tag.period_s:g}")
    for field in ("on_delay_s", "off_delay_s"):
        given = getattr(params, field)
        if not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is no length of time", "0 or more")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    asked = points(tags, params)
    if len(asked) > MOST:
        message = f"cell {tags[0].cell_key!r} has {len(asked)} points with limits, more than the {MOST} of an index"
        yield Problem.of("tags", message, "name fewer, or make cells of its parts")


def say(said: Said) -> Text:
    """Such as "液氯库 动态风险 86，重大风险（红色）：CL2-1 62%、PT-3 21%；数据缺失 8%"."""
    title = said.condition.title if isinstance(said.condition, Source) else Text()
    index = number(round(said.value, 1))
    zh, en = f"{title.zh} 动态风险 {index}", f"{title.en} dynamic risk {index}"
    level = said.level
    if level is None:
        return Text(zh=f"{zh}，已恢复正常", en=f"{en}, back to normal")
    zh, en = f"{zh}，{level.title.zh}", f"{en}, {level.title.en}"
    parts = list(_parts(said))
    if parts:
        zh, en = f"{zh}：{'、'.join(parts)}", f"{en}: {', '.join(parts)}"
    lost = round(100 * said.figures.get("data_share", 0.0))
    if lost:
        zh, en = f"{zh}；数据缺失 {lost}%", f"{en}; missing data {lost}%"
    why = OVERRIDES.get(int(said.figures.get("override", 0.0)))
    if why is not None:
        zh, en = f"{zh}；{why.zh}", f"{en}; {why.en}"
    return Text(zh=zh, en=en)


def _parts(said: Said) -> Iterator[str]:
    tags = said.condition.tags
    for which in ("first", "second", "third"):
        place, share = said.figures.get(which), said.figures.get(f"{which}_share")
        if place is not None and share is not None and 0 <= place < len(tags) and share >= 0.005:
            yield f"{tags[int(place)].name} {100 * share:.0f}%"


def _gas(number: int, **more: object) -> Tag:
    given = {
        "number": number, "name": f"CL2-{number}", "enterprise": "e", "measure": Measure.GAS, "cas": "7782-50-5",
        "unit": "ppm", "range_low": 0.0, "range_high": 10.0, "limits": Limits(high=0.3, high_high=0.6),
        "deadband": 0.05, **more,
    }  # fmt: skip
    return Tag(**given)  # type: ignore[arg-type]


def _pressure(number: int) -> Tag:
    return Tag(
        number=number, name=f"PT-{number}", enterprise="e", measure=Measure.PRESSURE, unit="MPa", range_low=0.0,
        range_high=2.0, limits=Limits(high=1.0, high_high=1.5), deadband=0.05,
    )  # fmt: skip


_TANK = Tag(
    number=4, name="LT-4", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=10.0,
    limits=Limits(low_low=1.0, low=2.0, high=8.0, high_high=9.0), deadband=0.2,
)  # fmt: skip

KIND = Kind(
    name="risk",
    title=Text(zh="动态风险", en="Dynamic risk"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=4,
    plan=plan,
    check=check,
    check_cell=check_cell,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    moved=moved,
    unit=lambda planned: "1",
    figures=FIGURES,
    bind=bind,
    source="E = 1 - product of (1 - w s), noisy-or; all numbers, levels and overrides are project defaults.",
    examples=(
        Example(
            _gas(1),
            RuleCase(
                name="pressure and level: neither is at its second limit, but both at once are orange",
                tag="CL2-1",
                readings=(
                    (0, 0.0), (0, "PT-2", 0.5), (0, "LT-4", 5.0),
                    (1, "PT-2", 0.99), (2, "PT-2", 1.2), (3, "LT-4", 8.6), (4, "PT-2", 1.4), (5, "LT-4", 5.0),
                    (6, "PT-2", 0.5), (7, 0.0), (15, 0.0), (23, 0.0), (31, 0.0), (35, 0.0), (36, 0.0),
                ),
                expect=((2, "raise", "yellow"), (3, "rise", "orange"), (35, "fall", "yellow"),
                        (36, "return", "normal")),
            ),
            params={"factor": 0.9, "off_delay_s": 30.0},
            others=(_pressure(2), _TANK),
        ),
        Example(
            _gas(1),
            RuleCase(
                name="a toxic gas at its second limit is red at once, though the grade alone would not allow it",
                tag="CL2-1",
                readings=(
                    (0, 0.0), (0, "CL2-3", 0.0), (1, 0.1), (2, 0.65), (3, 0.58), (4, 0.5), (5, 0.0), (6, 0.0),
                ),
                expect=((2, "raise", "red"), (4, "fall", "yellow"), (5, "return", "normal")),
            ),
            params={"off_delay_s": 0.0},
            others=(_gas(3),),
        ),
        Example(
            _gas(1),
            RuleCase(
                name="gas detectors that die take no risk away, and all of them gone are yellow",
                tag="CL2-1",
                readings=(
                    (0, 0.0), (0, "CL2-3", 0.0), (0, "PT-2", 0.5),
                    *((second, name, value) for second in range(1, 5)
                      for name, value in (("PT-2", 0.5), ("CL2-3", 0.0), ("CL2-1", None))),
                    *((second, "PT-2", 0.5) for second in range(5, 9)), (9, 0.0), (10, "CL2-3", 0.0),
                ),
                expect=((4, "raise", "blue"), (8, "rise", "yellow"), (9, "fall", "blue"), (10, "return", "normal")),
            ),
            params={"off_delay_s": 0.0, "hysteresis": 1.0, "blue": 12.0, "factor": 0.9, "silent_s": 3.0},
            others=(_pressure(2), _gas(3)),
        ),
    ),
)  # fmt: skip
