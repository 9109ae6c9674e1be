"""Expression: a condition over the tags of one cell, in a small language of its own.

    {TI-101} - {TI-102} > 15 K and {P-1} == 1

Tags stand in braces. There are numbers with units (`80 degC`, `0.5 MPa(g)`, `20 mg/m3`), `+ - * /`, comparisons,
`and`, `or`, `not`, and the functions `min`, `max`, `mean`, `abs` and `if(condition, then, else)`. Units are checked
and converted when the rule is compiled (`schemas.quantities`): a temperature is compared with degC, a difference of
two with K; % never meets a number without a unit. Nothing of it is ever run by Python.

Level 1 is raised while `expr` is true, level 2 while `high_high` is; each ends when its `clear` is true, or without one
when it is false. Every reading of any of the tags judges, with what the others read last.

**What is not known.** A tag whose last reading was bad, that was never heard, or whose last reading came longer ago
than `max_age_s` is unknown, and so is what rests on it: false and unknown is false, true or unknown is true, all else
is unknown (Kleene). `max` is known to be at least, `min` at most, what one of its values is, and comparisons decide by
that where they can: `max({a}, {b}) > 80 degC` is true as soon as `{a} > 80 degC or {b} > 80 degC` is, though the
number that is told is unknown then. A division by zero is unknown. Unknown neither raises nor ends anything. An
uncertain reading, or one outside of the measuring range, may raise and never end: for the end it counts as unknown. A
gas point over its range counts as the top of the range, or as its number where that is larger; it may raise and never
end.

An alarm ends, or falls by a level, only at a good reading and only while every expression is known. A late reading may
raise, with what the other tags read last, and changes nothing else.

The value told is `value`, else the measured side of the first comparison of `expr`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any
from zlib import crc32

import msgspec
import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel, scratch_kernel
from rules.expressions.machine import FALSE, MOST_STACK, TRUE, UNKNOWN, number, truth
from rules.expressions.programs import MOST_CODE, PROGRAMS, Compiled, named_in, problem
from rules.expressions.reading import Node, Unreadable, read
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.kinds.limits import lowest
from rules.machine import LATE_READING, READING, step
from rules.windows import remember
from rules.words import quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Measure, Revision, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

MOST_TAGS = 16
UNIT_BYTES = 24
OVER = int(Quality.OVER_RANGE)
NO_TRUST, SOME_TRUST, TRUST = 0, 1, 2
"""What a reading is worth: nothing (bad, or none yet), enough to raise, enough to end."""


class Params(Struct, frozen=True, kw_only=True):
    """`expr` is the condition of level 1, `high_high` that of level 2; `clear` and `clear_high_high` are conditions
    that end them, `value` is the number that is told; empty means none.

    `max_age_s` (s) is how old a tag's last reading may be, None leaves each tag its `stale_s`; `on_delay_s` and
    `off_delay_s` (s) delay both levels.
    """

    expr: str = ""
    high_high: str = ""
    clear: str = ""
    clear_high_high: str = ""
    value: str = ""
    max_age_s: float | None = None
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0


class Bound(Params, frozen=True, kw_only=True):
    """With what is wrong with the tags' names, which only the whole registry can tell."""

    names: tuple[Problem, ...] = ()


PARAMS = np.dtype(
    [
        ("tags", "i8"),
        ("made_of", "i8"),  # a checksum of the tags' numbers
        ("oldest", "i8", (MOST_TAGS,)),
        ("range_low", "f8", (MOST_TAGS,)),
        ("range_high", "f8", (MOST_TAGS,)),
        ("over", "f8", (MOST_TAGS,)),  # 1 for a gas point
        ("start", "i8", (len(PROGRAMS) + 1,)),  # where each of `PROGRAMS` begins, and the end of the last
        ("ops", "i1", (MOST_CODE,)),
        ("operands", "f8", (MOST_CODE,)),
        ("unit", "u1", (UNIT_BYTES,)),
    ],
    align=True,
)
MEMORY = np.dtype([("value", "f8"), ("made_of", "i8"), ("heard", "i8")], align=True)
"""`heard` is a mask of the tags whose sample is one."""
SAMPLE = np.dtype([("value", "f8"), ("seen", "i8")], align=True)
"""The last reading of a tag, NaN where it was bad; twice the `now` at which it came, and 1 more where it may end."""


@kernel
def _worth(p, s, v, q):  # type: ignore[no-untyped-def]
    """What a reading of tag s counts as: its value and its trust."""
    number_read = v - v == 0.0
    top = p["range_high"][s]
    if p["over"][s] != 0.0 and (q == OVER or (q < FIRST_BAD and v > top)):
        if number_read and (v > top or top - top != 0.0):
            return v, SOME_TRUST
        if top - top == 0.0:
            return top, SOME_TRUST
        return np.nan, NO_TRUST
    if q >= FIRST_BAD or not number_read:
        return np.nan, NO_TRUST
    if q < FIRST_UNCERTAIN and v >= p["range_low"][s] and v <= top:
        return v, TRUST
    return v, SOME_TRUST


@kernel
def _gather(p, held, c, s, v, trusted, now, values, trust):  # type: ignore[no-untyped-def]
    """What every tag of condition c reads at this moment, tag s this; returns whether all are trusted fully."""
    whole = True
    for k in range(p["tags"]):
        values[k] = np.nan
        trust[k] = NO_TRUST
        if k == s:
            values[k] = v
            trust[k] = trusted
        elif held.own[c]["heard"] >> k & 1 != 0:
            sample = held.samples[held.first[c] + k]
            if sample["value"] == sample["value"] and now - (sample["seen"] >> 1) <= p["oldest"][k]:
                values[k] = sample["value"]
                trust[k] = TRUST if sample["seen"] & 1 != 0 else SOME_TRUST
        whole = whole and trust[k] != SOME_TRUST
    return whole


@scratch_kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    values = np.empty(MOST_TAGS, np.float64)
    trust = np.empty(MOST_TAGS, np.int8)
    low = np.empty(MOST_STACK, np.float64)
    high = np.empty(MOST_STACK, np.float64)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        for place in range(first[j], first[j + 1]):
            c = members[place]
            p = params[c]
            own = memory.own[c]
            s = memory.slot[place]
            v, trusted = _worth(p, s, value[i], quality[i])
            if own["made_of"] != p["made_of"]:
                own["made_of"] = p["made_of"]
                own["heard"] = 0
            if live:
                k = memory.first[c] + s
                remember(memory, k)
                memory.samples[k]["value"] = v
                memory.samples[k]["seen"] = now << 1 | (1 if trusted == TRUST else 0)
                own["heard"] |= 1 << s
            elif trusted == NO_TRUST:
                continue
            whole = _gather(p, memory, c, s, v, trusted, now, values, trust)
            ops, operands, start = p["ops"], p["operands"], p["start"]
            beyond, clear, judged = 0, 0, True
            for level in range(2):
                a, b, e = start[2 * level], start[2 * level + 1], start[2 * level + 2]
                if a == b:
                    continue
                raises = truth(ops, operands, a, b, values, trust, SOME_TRUST, low, high)
                sure = raises if whole else truth(ops, operands, a, b, values, trust, TRUST, low, high)
                if raises == TRUE:
                    beyond |= 1 << level
                judged = judged and sure != UNKNOWN
                if sure == FALSE and (b == e or truth(ops, operands, b, e, values, trust, TRUST, low, high) == TRUE):
                    clear |= 1 << level
            own["value"] = number(ops, operands, start[4], start[5], values, trust, SOME_TRUST, low, high)
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, live and judged and trusted == TRUST, flags[i], basis,
                at[i], now, append, i, own["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


def bind(params: Params, revision: Revision) -> Bound:
    """The parameters with what is wrong with the names in them."""
    live = {t.name: t for t in revision.tags if not t.retired}
    names = named_in(params)
    cells: dict[str, tuple[str, Node]] = {}
    problems: list[Problem] = []
    for tag, (field, node) in names.items():
        if tag not in live:
            close = sorted(get_close_matches(tag, live, 3, 0.5))
            cure = f"write one of: {', '.join(close)}" if close else "name a tag of the registry"
            problems.append(problem(field, Unreadable(node.column, f"there is no tag {tag[:40]!r}", cure)))
            continue
        cells.setdefault(live[tag].cell_key, (field, node))
    for cell, (field, node) in list(cells.items())[1:]:
        message = f"{node.tag} lies in cell {cell!r}, not in {next(iter(cells))!r} as the tags before it"
        problems.append(problem(field, Unreadable(node.column, message, "copy the tag to the other cell")))
    return Bound(**msgspec.structs.asdict(params), names=tuple(problems))


def _in_cell(tags: Sequence[Tag], params: Params) -> tuple[dict[str, Tag], list[str]]:
    """The named tags that this cell has, in their order, and the names that it lacks."""
    by_name = {t.name: t for t in tags}
    names = named_in(params)
    return {n: by_name[n] for n in names if n in by_name}, [n for n in names if n not in by_name]


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition in the cell that has the tags; it has the place of the tag that is named first."""
    own, missing = _in_cell(tags, params)
    if not own or missing:
        return
    made = Compiled(own, params)
    order = sorted(made.compiler.places, key=made.compiler.places.__getitem__)
    named = tuple(own[n] for n in order)
    rising = next((c.rising for c in made.compared["expr"] if c.limit is not None), True)
    yield Planned(
        tags=named,
        side=Side.HIGH if rising else Side.LOW,
        levels=tuple(
            Level(level, _shown(getattr(params, field)), made.limits[field]) if getattr(params, field).strip() else None
            for level, field in (("level_1", "expr"), ("level_2", "high_high"))
        ),
        on_delay_s=params.on_delay_s,
        off_delay_s=params.off_delay_s,
        values={**_values(named, params), **_coded(made)},
        samples=len(named),
    )


def _shown(text: str) -> Text:
    shown = " ".join(text.replace("{", "").replace("}", "").split())
    return Text(zh=shown, en=shown)


def _values(tags: Sequence[Tag], params: Params) -> dict[str, Any]:
    padding = [0.0] * (MOST_TAGS - len(tags))
    ages = [t.stale_s if params.max_age_s is None else params.max_age_s for t in tags]
    return {
        "tags": len(tags),
        "made_of": 1 + crc32(repr([t.number for t in tags]).encode()),
        "oldest": [*map(seconds, ages), *map(int, padding)],
        "range_low": [*map(lowest, tags), *padding],
        "range_high": [*(math.inf if t.range_high is None else t.range_high for t in tags), *padding],
        "over": [*(float(t.measure is Measure.GAS) for t in tags), *padding],
    }


def _coded(made: Compiled) -> dict[str, Any]:
    code = [step_ for field in PROGRAMS for step_ in made.programs.get(field, ())]
    starts = [0]
    for field in PROGRAMS:
        starts.append(starts[-1] + len(made.programs.get(field, ())))
    padding = MOST_CODE - len(code)
    unit = made.unit.encode()[:UNIT_BYTES].ljust(UNIT_BYTES, b"\0")
    return {
        "start": starts,
        "ops": [*(op for op, _ in code), *[0] * padding],
        "operands": [*(operand for _, operand in code), *[0.0] * padding],
        "unit": list(unit),
    }


def unit_of(planned: Planned) -> str:
    spelled: Any = planned.values["unit"]
    return bytes(spelled).rstrip(b"\0").decode(errors="ignore")


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not params.expr.strip():
        yield Problem.of("params.expr", "there is no condition", "write one, such as {TI-101} > 80 degC")
    for field in PROGRAMS:
        text = getattr(params, field)
        try:
            if text.strip():
                read(text)
        except Unreadable as wrong:
            yield problem(field, wrong)
    for field, other in (("clear", "expr"), ("clear_high_high", "high_high")):
        if getattr(params, field).strip() and not getattr(params, other).strip():
            yield Problem.of(f"params.{field}", f"there is no {other} that it could end", f"write {other} too")
    named = named_in(params)
    if len(named) > MOST_TAGS:
        yield Problem.of("params.expr", f"{len(named)} tags are more than {MOST_TAGS}", "split it into several rules")
    if isinstance(params, Bound):
        yield from params.names
    age = params.max_age_s
    if age is not None and not (math.isfinite(age) and age > 0):
        yield Problem.of("params.max_age_s", f"{age:g} is no length of time", "more than 0, or leave it out")
    elif age is not None and tag.name in named and age < 3 * tag.period_s:
        message = f"{tag.name} reads every {tag.period_s:g} s, so after {age:g} s it would often be unknown"
        yield Problem.of("params.max_age_s", message, f"three periods or more: {3 * tag.period_s:g}")
    for field in ("on_delay_s", "off_delay_s"):
        delay = getattr(params, field)
        if not (math.isfinite(delay) and delay >= 0):
            yield Problem.of(f"params.{field}", f"{delay:g} is no length of time", "0 or more")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    """A cell without any of the tags is none of the rule's business."""
    own, missing = _in_cell(tags, params)
    if not own:
        return
    if missing:
        message = f"{', '.join(missing)} is no tag of this rule in cell {tags[0].cell_key!r}, as the others are"
        yield Problem.of("tags", message, "name tags of one cell, and have `tags` match them all")
    if len(own) <= MOST_TAGS:
        yield from Compiled(own, params).problems


def say(said: Said) -> Text:
    """Such as "TI-101 - TI-102 > 15 K：成立，17.2 K"."""
    level = said.level
    title = next(found for found in (level, *said.condition.levels) if found is not None).title
    if level is None:
        return Text(zh=f"{title.zh}：不再成立，已恢复正常", en=f"{title.en}: no longer so, back to normal")
    if math.isnan(said.value):
        return Text(zh=f"{title.zh}：成立，目前没有有效数值", en=f"{title.en}: it is so, no valid value at present")
    value = quantity(said.value, unit_of(said.condition))
    return Text(zh=f"{title.zh}：成立，{value}", en=f"{title.en}: it is so, {value}")


_IN = Tag(
    number=1, name="TI-101", enterprise="e", measure=Measure.TEMPERATURE, unit="°C", range_low=0.0, range_high=200.0,
)  # fmt: skip
_OUT = msgspec.structs.replace(_IN, number=2, name="TI-102")
_PUMP = Tag(number=3, name="P-1", enterprise="e", measure=Measure.STATE, unit="1")
_LEVEL = Tag(
    number=1, name="LT-1", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=12.0
)  # fmt: skip
_FEED = Tag(
    number=2, name="FT-1", enterprise="e", measure=Measure.FLOW, unit="m3/h", range_low=0.0, range_high=100.0
)  # fmt: skip
_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0,
)  # fmt: skip
_FAN = Tag(number=2, name="FAN-1", enterprise="e", measure=Measure.STATE, unit="1", period_s=5.0, stale_s=20.0)

KIND = Kind(
    name="expression",
    title=Text(zh="表达式报警", en="Expression"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    check_cell=check_cell,
    bind=bind,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    unit=unit_of,
    source="Three-valued logic after Kleene; the language and its treatment of age and quality are project designs.",
    examples=(
        Example(
            _IN,
            RuleCase(
                name="two temperatures drift apart while the pump runs; with hysteresis",
                tag="TI-101",
                readings=(
                    (0, 90.0), (0, "TI-102", 80.0), (0, "P-1", 1.0), (5, 97.0), (6, "P-1", 1.0), (7, "TI-102", 81.0),
                    (10, 98.0), (12, "P-1", 0.0), (14, "TI-102", 86.0), (16, "TI-102", 88.5),
                ),
                expect=((5, "raise", "level_1"), (16, "return", "normal")),
            ),
            params={
                "expr": "{TI-101} - {TI-102} > 15 K and {P-1} == 1",
                "clear": "{TI-101} - {TI-102} < 10 K or {P-1} == 1 and {TI-101} < 50 degC",
            },
            others=(_OUT, _PUMP),
        ),
        Example(
            _LEVEL,
            RuleCase(
                name="minutes until a tank of 78.5 m2 is full, from its level and its feed",
                tag="LT-1",
                readings=(
                    (0, 6.0), (0, "FT-1", 40.0), (10, 11.0), (11, "FT-1", 90.0), (12, "FT-1", 95.0), (20, 11.7),
                    (24, 11.0), (25, "FT-1", 10.0),
                ),
                expect=((11, "raise", "level_1"), (20, "rise", "level_2"), (24, "fall", "level_1"),
                        (25, "return", "normal")),
            ),
            params={
                "expr": "(12 m - {LT-1}) * 78.5 m2 / max({FT-1}, 0.1 m3/h) < 60 min",
                "high_high": "(12 m - {LT-1}) * 78.5 m2 / max({FT-1}, 0.1 m3/h) < 20 min",
            },
            others=(_FEED,),
        ),
        Example(
            _CO,
            RuleCase(
                name="gas while the fan stands; with the fan unknown nothing is raised and nothing ends",
                tag="CO-1",
                readings=(
                    (0, 5.0), (0, "FAN-1", 0.0), (5, 20.0), (6, "FAN-1", None, "BAD"), (7, 5.0), (8, "FAN-1", 0.0),
                    (12, "FAN-1", None, "BAD"), (14, 30.0), (16, "FAN-1", 1.0), (18, "FAN-1", 0.0),
                ),
                expect=((5, "raise", "level_1"), (7, "return", "normal"), (18, "raise", "level_1")),
            ),
            params={"expr": "{CO-1} >= 20 mg/m3 and {FAN-1} == 0"},
            others=(_FAN,),
        ),
    ),
)  # fmt: skip
