"""Deviation: the value is too far from where it should be, from a fixed set-point or from a partner tag.

What is judged is the difference `value - set-point` or `value - partner`, in the tag's unit, at each reading of the
tag itself. Above and below are two conditions with two levels each; a level is raised when the difference reaches it
for the on-delay, and ends when the difference has been back past level and deadband for the off-delay.

    alarm above: value - reference >= high       end: value - reference < high - deadband
    alarm below: value - reference <= -low       end: value - reference > -low + deadband

The partner is a tag of the same cell and of the same rule, in the same unit: a set-point that the control system sends,
a second transmitter, the tank next to it. Its last reading stands until the next one, and counts while it is *fresh*:
received no longer ago than the partner's `stale_s`, and of an event time no further away than that. Without a fresh
partner nothing is raised and nothing ends. A set-point that steps makes a deviation that lasts as long as the process
needs to follow: the on-delay is for that.

- **Bad** readings of either (quality bad, or no number) neither raise nor clear, until the next good one.
- **Uncertain** readings of either, and numbers outside of the measuring range, raise but never clear.
- **Late** readings may raise against a fixed set-point. Against a partner they are not used: what the partner read at
  that time is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.kinds.limits import lowest
from rules.ladders import TWO, check_lengths, crossed, delays
from rules.machine import LATE_READING, READING, step
from rules.windows import remember
from rules.words import at_limit, name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

NO_TRUST, SOME_TRUST, TRUST = 0, 1, 2
"""What a reading is worth: nothing (bad, or none yet), enough to raise, enough to end."""


class Params(Struct, frozen=True, kw_only=True):
    """Either `set_point` (tag's unit) or `partner`, a tag's name in which {tag} stands for the judged tag's own name.

    `high`, `high_high` say how far above is too far, `low`, `low_low` how far below: all positive, in the tag's unit.
    `partner_age_s`: how old a partner's reading may be; None is its own `stale_s`. Deadband (tag's unit) and delays (s)
    are the tag's own where they are None."""

    set_point: float | None = None
    partner: str = ""
    high: float | None = None
    high_high: float | None = None
    low: float | None = None
    low_low: float | None = None
    deadband: float | None = None
    on_delay_s: float | None = None
    off_delay_s: float | None = None
    partner_age_s: float | None = None


PARAMS = np.dtype(
    [
        ("sign", "f8"),  # +1 above, -1 below
        *TWO,
        ("set_point", "f8"),
        ("range_low", "f8"),
        ("range_high", "f8"),
        ("partner_low", "f8"),
        ("partner_high", "f8"),
        ("fresh", "i8"),  # how old a partner's reading may be
    ],
    align=True,
)
MEMORY = np.dtype([("value", "f8")])
"""The last difference."""
PARTNER = np.dtype([("value", "f8"), ("at", "i8"), ("now", "i8"), ("trust", "i8")], align=True)
"""The partner's last live reading."""


@kernel
def _trust(v, q, low, high):  # type: ignore[no-untyped-def]
    if q >= FIRST_BAD or v - v != 0.0:
        return NO_TRUST
    return TRUST if q < FIRST_UNCERTAIN and v >= low and v <= high else SOME_TRUST


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    held = memory
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        v = value[i]
        q = quality[i]
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = held.own[c]
            kept = held.first[c]
            partnered = held.first[c + 1] > kept
            if partnered and not live:
                continue
            if held.slot[k] != 0:
                remember(held, kept)
                held.samples[kept]["value"] = v
                held.samples[kept]["at"] = at[i]
                held.samples[kept]["now"] = now
                held.samples[kept]["trust"] = _trust(v, q, p["partner_low"], p["partner_high"])
                continue
            trust = _trust(v, q, p["range_low"], p["range_high"])
            reference = p["set_point"]
            if partnered:
                partner = held.samples[kept]
                reference = partner["value"]
                trust = min(trust, partner["trust"])
                if now - partner["now"] > p["fresh"] or abs(at[i] - partner["at"]) > p["fresh"]:
                    trust = NO_TRUST
            lowers = live and trust == TRUST
            beyond = 0
            clear = 0
            if trust != NO_TRUST:
                difference = v - reference
                beyond, clear = crossed(p, p["sign"] * difference)
                if live or beyond != 0:
                    own["value"] = difference
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], basis, at[i], now, append, i,
                own["value"], q, out, due, m,
            )  # fmt: skip
    return m


_SIDES = ((Side.HIGH, 1.0, ("high", "high_high")), (Side.LOW, -1.0, ("low", "low_low")))
_TITLES = {
    "high": Text(zh="偏差高限", en="deviation limit"),
    "high_high": Text(zh="偏差高高限", en="second deviation limit"),
    "low": Text(zh="偏差低限", en="deviation limit"),
    "low_low": Text(zh="偏差低低限", en="second deviation limit"),
}
_WITHOUT_DIFFERENCE = (Measure.STATE, Measure.WIND_DIRECTION)


def _partner_of(tag: Tag, params: Params) -> str:
    return params.partner.replace("{tag}", tag.name)


def _judged(tags: Sequence[Tag], params: Params) -> Iterator[tuple[Tag, Tag | None]]:
    """The tags to judge with their partners; a tag that is another's partner is not judged itself."""
    if not params.partner:
        yield from ((tag, None) for tag in tags)
        return
    named = {t.name: t for t in tags}
    partners = {_partner_of(t, params) for t in tags}
    for tag in tags:
        partner = named.get(_partner_of(tag, params))
        if tag.name not in partners and partner is not None:
            yield tag, partner


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag, partner in _judged(tags, params):
        for side, sign, names in _SIDES:
            limits = [getattr(params, n) for n in names]
            if limits == [None, None]:
                continue
            values = {
                "sign": sign,
                "limit_1": math.nan if limits[0] is None else limits[0],
                "limit_2": math.nan if limits[1] is None else limits[1],
                "deadband": _deadband(tag, params),
                "set_point": math.nan if params.set_point is None else params.set_point,
                "range_low": lowest(tag),
                "range_high": _top(tag),
            }
            if partner is not None:
                age_s = partner.stale_s if params.partner_age_s is None else params.partner_age_s
                values |= {
                    "partner_low": lowest(partner), "partner_high": _top(partner), "fresh": seconds(age_s),
                }  # fmt: skip
            yield Planned(
                tags=(tag,) if partner is None else (tag, partner),
                side=side,
                levels=tuple(
                    None if limit is None else Level(level, _TITLES[level], sign * limit)
                    for level, limit in zip(names, limits, strict=True)
                ),
                **delays(tag, params.on_delay_s, params.off_delay_s),
                samples=0 if partner is None else 1,
                values=values,
            )


def _deadband(tag: Tag, params: Params) -> float:
    return tag.deadband if params.deadband is None else params.deadband


def _top(tag: Tag) -> float:
    return math.inf if tag.range_high is None else tag.range_high


def check(tag: Tag, params: Params) -> Iterator[Problem]:
    if (params.set_point is None) == (not params.partner):
        yield Problem.of("params", "what to compare with is not clear", "set either set_point or partner")
    limits = [(f, getattr(params, f)) for f in ("high", "high_high", "low", "low_low")]
    if all(limit is None for _, limit in limits):
        yield Problem.of("params", "no deviation is set", "set high, high_high, low or low_low")
    for field, limit in limits:
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            yield Problem.of(f"params.{field}", f"{limit:g} is no distance", "above 0, below the reference too")
    for near, far in (("high", "high_high"), ("low", "low_low")):
        first, second = getattr(params, near), getattr(params, far)
        if first is not None and second is not None and not second > first:
            yield Problem.of(f"params.{far}", f"{second:g} is not further than {near} {first:g}", f"above {first:g}")
    yield from check_lengths(params, ("deadband", "on_delay_s", "off_delay_s", "partner_age_s"))
    if tag.measure in _WITHOUT_DIFFERENCE:
        message = f"{tag.name} measures {tag.measure.value}, of which a difference says nothing"
        yield Problem.of("tags", message, "narrow the rule's tags or measures")
    if not params.partner:
        yield from _check_deadband(tag, params)
        yield from _check_reach(tag, params)


def _check_deadband(tag: Tag, params: Params) -> Iterator[Problem]:
    limits = [v for v in (params.high, params.high_high, params.low, params.low_low) if v is not None and v > 0]
    deadband = _deadband(tag, params)
    if limits and deadband >= min(limits):
        message = f"{tag.name}: the deadband {deadband:g} is as wide as the deviation {min(limits):g}"
        yield Problem.of("params.deadband", message + "; it would end on the other side only", "make it smaller")


def _check_reach(tag: Tag, params: Params) -> Iterator[Problem]:
    """With a fixed set-point it is known whether a level can be reached at all."""
    point = params.set_point
    if point is None:
        return
    low = -math.inf if tag.range_low is None else tag.range_low
    if not (math.isfinite(point) and low <= point <= _top(tag)):
        yield Problem.of("params.set_point", f"{point:g} is outside of the range of {tag.name}", "a value inside")
        return
    for _, sign, names in _SIDES:
        for field in names:
            limit = getattr(params, field)
            if limit is not None and limit > 0 and not low <= point + sign * limit <= _top(tag):
                message = f"{tag.name}: {point:g} {sign * limit:+g} is outside of the range; it would never be reached"
                yield Problem.of(f"params.{field}", message, "a smaller deviation")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterator[Problem]:
    """Every tag has its partner in the cell, in the same unit."""
    if not params.partner:
        return
    named = {t.name: t for t in tags}
    judged = list(_judged(tags, params))
    partners = {_partner_of(t, params) for t in tags}
    for tag in tags:
        partner = named.get(_partner_of(tag, params))
        if partner is None and tag.name not in partners:
            message = (
                f"{tag.name} has no partner {_partner_of(tag, params)} among the rule's tags in cell {tag.cell_key}"
            )
            yield Problem.of("params.partner", message, "add it to the rule's tags; both must lie in one cell")
    if not judged and all(t.name in partners for t in tags):
        message = f"cell {tags[0].cell_key} holds {tags[0].name}, which is its own partner, and nothing to compare"
        yield Problem.of("params.partner", message, "add tags of that cell to the rule's, or narrow them")
    for tag, partner in judged:
        if partner is not None and partner.unit != tag.unit:
            message = f"{tag.name} is in {tag.unit}, its partner {partner.name} in {partner.unit}"
            yield Problem.of("params.partner", message, "a partner in the same unit")
        if partner is not None and params.partner_age_s is not None and params.partner_age_s < partner.period_s:
            message = f"{partner.name} reads every {partner.period_s:g} s and would seldom be fresh"
            yield Problem.of("params.partner_age_s", message, "three periods or more")
        yield from _check_deadband(tag, params)


def say(said: Said) -> Text:
    """Such as "T-101 温度 比设定值 120 degC 高 12 degC，达到偏差高限 10 degC"."""
    tag, level = said.tag, said.level
    what = name(tag)
    if len(said.condition.tags) > 1:
        of = name(said.condition.tags[1])
    else:
        point = quantity(said.condition.values["set_point"], tag.unit)
        of = Text(zh=f"设定值 {point}", en=f"set-point {point}")
    if math.isnan(said.value):
        how = Text(zh=f"与{of.zh} 的偏差未知", en=f"deviation from {of.en} not known")
    else:
        far = quantity(abs(said.value), tag.unit)
        way = Text(zh="高", en="above") if said.value >= 0 else Text(zh="低", en="below")
        how = Text(zh=f"比{of.zh} {way.zh} {far}", en=f"is {far} {way.en} {of.en}")
    if level is None or level.limit is None:
        return Text(zh=f"{what.zh} {how.zh}，已恢复正常", en=f"{what.en} {how.en}, back to normal")
    return at_limit(what, how, level.title, level.limit, said.value, tag.unit)


_OVEN = Tag(
    number=1, name="T-101", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=400.0,
    period_s=5.0, deadband=1.0,
)  # fmt: skip
_SET = Tag(
    number=2, name="T-101.SP", enterprise="e", measure=Measure.TEMPERATURE, unit="degC", period_s=10.0, stale_s=30.0,
)  # fmt: skip

KIND = Kind(
    name="deviation",
    title=Text(zh="偏差", en="Deviation"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    check_cell=check_cell,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=PARTNER,
    source="Deviation and discrepancy alarms as in ISA-18.2 / IEC 62682.",
    examples=(
        Example(
            _OVEN,
            RuleCase(
                name="10 and 20 degC above a set-point of 120, with a deadband of 1",
                tag="T-101",
                readings=((0, 121.0), (5, 130.0), (10, 141.0), (15, 139.5), (20, 138.5), (25, 129.5), (30, 128.5)),
                expect=(
                    (5, "raise", "high"),
                    (10, "rise", "high_high"),
                    (20, "fall", "high"),
                    (30, "return", "normal"),
                ),
            ),
            params={"set_point": 120.0, "high": 10.0, "high_high": 20.0, "low": 10.0},
        ),
        Example(
            _OVEN,
            RuleCase(
                name="behind a set-point that is sent: one that has stepped is given 60 s to be reached",
                tag="T-101",
                readings=tuple(
                    reading
                    for i in range(14)
                    for reading in ((10.0 * i, "T-101.SP", 120.0 if i < 3 else 150.0), (10.0 * i, 120.0))
                ),
                expect=((90, "raise", "low"),),
            ),
            params={"partner": "{tag}.SP", "low": 15.0, "high": 15.0, "on_delay_s": 60.0},
            others=(_SET,),
        ),
        Example(
            _OVEN,
            RuleCase(
                name="a partner that has gone silent is no partner",
                tag="T-101",
                readings=(
                    (0, "T-101.SP", 120.0),
                    (5, 140.0),
                    (31, 119.0),
                    (40, 90.0),
                    (41, "T-101.SP", 91.0),
                    (45, 92.0),
                ),
                expect=((5, "raise", "high"), (45, "return", "normal")),
            ),
            params={"partner": "T-101.SP", "low": 15.0, "high": 15.0},
            others=(_SET,),
        ),
    ),
)
