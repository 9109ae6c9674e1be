"""Limits by state: limits that change with the state of the process or the hour, n of m readings, and warm-up.

Everything else is as in rule kind `limits`: sides, levels, deadband, delays, over-range, bad and uncertain data. A
tag is judged by one of the two, never by both. The normal limits are those of the rule, else the tag's own; `regimes`
say at which states and hours others apply:

    start-up; state 2, 3; high 95, high_high 110
    night; 22:00-06:00 mon-fri; high 60

**State.** `state_tag` is a tag of the same cell and of the same rule; `normal` lists the states with normal limits.
Its last reading counts while it is good and came no longer ago than `state_age_s`. A state that is bad, uncertain,
too old, was never heard, or is named nowhere brings the *strictest* limits of all, level by level. A change of state
judges at the tag's next reading. Hours are those of a reading's event time, in the zone `utc_offset_h`.

**n of m.** With `n` and `m` a level is raised when at least n of the last m readings reached its limit, each judged
by the limits that held when it came; it ends at a reading that is back past limit and deadband with fewer than n
left. Bad readings are left out, uncertain ones and late ones count only when they reach the limit. A silence longer
than the tag's lateness begins anew. Over-range on a gas point needs no second reading.

**Warm-up.** A detector that was silent for its `stale_s` while its link was up, and is heard again, has been without
power. For `warm_up_s` from then (20 min at most, by event time or by `now`, whichever ends first) a number beyond a
limit raises no level that does not stand already; on a gas point that is so of the first level only: the second one and
over-range are alarms at once, as ever. Nothing is hidden by that: a condition of its own (side `fault`) says that the
detector warms up, and rises, as an early warning, when a reading is beyond a limit meanwhile. That warning has the tier
of the level that waits, or one less. A value that is still beyond when the time is over is an alarm. After a fault of
the link, at the first start, and within an hour of the last one there is no warm-up.

The figures `limit_1` and `limit_2` of a change are the limits that applied, `regime` is the number of the regime: 0 is
normal, -1 the strictest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from rules.admission import LATE, LIVE, RESTART
from rules.compiling import kernel
from rules.figures import tell
from rules.kinds import NO_ARRAY, Example, Kind, Level, Planned, Said
from rules.kinds import limits as plain
from rules.machine import LATE_READING, READING, UNKNOWN, step
from rules.members import ones
from rules.regimes import MOST, STRICTEST, Regime, Unclear, check_limits, read, states_of, strictest, values, which
from rules.regimes import PARAMS as REGIMES
from rules.rulebook import matches, rules_of
from rules.warming import LONGEST_WARM_UP_S, WARMS, lowered, warming
from rules.warming import say as say_warm
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN
from schemas.registry import Limits, Measure, Revision, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

MOST_READINGS = 60
OVER_RANGE = plain.OVER_RANGE
LEVELS = Limits.__struct_fields__


class Params(Struct, frozen=True, kw_only=True):
    """`high` to `low_low` are the normal limits (tag's unit), None leaves each tag its own.

    `state_tag` names the tag of the state, `normal` its normal states, `regimes` when other limits apply and which
    (see above), `reason` why a limit is looser than the tag's profile. `state_age_s` (s) is how old the state may be,
    None is the state tag's `stale_s`; `utc_offset_h` (h) the zone of the hours. `n` of `m` readings raise; `warm_up_s`
    (s) is how long a detector warms up. Deadband (tag's unit) and delays (s) are the tag's own where they are None.
    """

    high: float | None = None
    high_high: float | None = None
    low: float | None = None
    low_low: float | None = None
    state_tag: str = ""
    normal: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    reason: str = ""
    state_age_s: float | None = None
    utc_offset_h: float = 8.0
    n: int = 1
    m: int = 1
    warm_up_s: float = 0.0
    deadband: float | None = None
    on_delay_s: float | None = None
    off_delay_s: float | None = None


class Bound(Params, frozen=True, kw_only=True):
    """With the names of the tags whose own limits a rule of kind `limits` judges already, and of that rule, and the
    grades of the hazard sources of tags."""

    judged: dict[str, str] = {}
    grades: dict[str, int] = {}


PARAMS = np.dtype(
    [
        ("warms", "i8"),  # 1 for the condition that says that a detector warms up
        ("sign", "f8"),  # +1 on the high side, -1 on the low side
        (
            "limit_1",
            "f8",
            (MOST + 2,),
        ),  # by regime, with the sign, NaN where there is none; first high limit of `warms`
        ("limit_2", "f8", (MOST + 2,)),  # of `warms` the first low limit
        ("deadband", "f8"),
        ("range_low", "f8"),
        ("range_high", "f8"),
        ("over", "f8"),  # 1 where over-range is an alarm: the high side of a gas point
        ("gas", "f8"),  # 1 for a gas point, whose second level waits for no warm-up
        ("n", "i8"),
        ("full", "i8"),  # a mask of the last m readings
        ("warm_up", "i8"),
        ("silence", "i8"),  # so much supervised silence means that the detector had no power
        ("state_age", "i8"),
        *REGIMES,
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("figures", "f8", (3,)),
        ("state", "f8"),  # the last state, NaN while it is not known; `now` of its reading, 0 before the first
        ("state_now", "i8"),
        ("hits_1", "i8"),  # a bit for each of the last m readings, the newest in bit 0
        ("hits_2", "i8"),
        ("silent", "i8"),  # supervised silence so far
        ("judged", "i8"),  # `now` when it was judged last
        ("down", "i8"),  # 1 after a silence that means no power, until the next reading
        ("warm_at", "i8"),  # event time and `now` at which the last warm-up began, 0 before the first
        ("warm_now", "i8"),
    ],
    align=True,
)


@kernel
def _shifted(hits, full, hit, counts, anew):  # type: ignore[no-untyped-def]
    """The mask of the last readings with this one, where it counts."""
    if anew:
        hits = np.int64(0)
    if hit:
        return (hits << 1 | 1) & full
    return hits << 1 & full if counts else hits


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        v = value[i]
        q = quality[i]
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        usable = q < FIRST_BAD and v == v
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            if memory.slot[k] != 0:
                if live:
                    own["state"] = v if q < FIRST_UNCERTAIN else np.nan
                    own["state_now"] = now
                continue
            known = own["state_now"] != 0 and now - own["state_now"] <= p["state_age"]
            place = which(p, own["state"] if known else np.nan, at[i])
            low, high = p["limit_1"][place], p["limit_2"][place]
            lowers = (
                live
                and usable
                and q < FIRST_UNCERTAIN
                and v >= p["range_low"]
                and v <= p["range_high"]
                and v - v == 0.0
            )
            over = p["over"] != 0.0 and (q == OVER_RANGE or (usable and v > p["range_high"]))
            warm = p["warm_up"] != 0 and warming(p, own, live, at[i], now)
            beyond, clear = 0, 0
            if p["warms"] != 0:
                hit = not over and usable and (v >= low or v <= high)  # over range is an alarm of its own
                if warm:
                    beyond = 3 if hit else 1
                clear = (0 if warm else 1) | (0 if warm and hit else 2)
                lowers = lowers and not over
            else:
                x = p["sign"] * v
                hit_1 = (over and low == low) or (usable and x >= low)
                hit_2 = (over and high == high) or (usable and x >= high)
                lowers = lowers and not over
                waits = warm and not over and conditions[c]["level"] == 0
                if not waits or p["gas"] != 0.0:
                    anew = live and (flags[i] & RESTART) != 0
                    counted = hit_1 and (hit_2 or not waits)
                    own["hits_1"] = _shifted(own["hits_1"], p["full"], counted, lowers, anew)
                    own["hits_2"] = _shifted(own["hits_2"], p["full"], hit_2, lowers, anew)
                    few_1, few_2 = ones(own["hits_1"]) < p["n"], ones(own["hits_2"]) < p["n"]
                    if (hit_1 and over) or (not few_1 and (hit_1 or lowers)):
                        beyond = 1
                    elif few_1 and usable and not x >= low - p["deadband"]:
                        clear = 1
                    if (hit_2 and over) or (not few_2 and (hit_2 or lowers)):
                        beyond |= 2
                    elif few_2 and usable and not x >= high - p["deadband"]:
                        clear |= 2
                    if waits and beyond < 2:
                        beyond = 0
                        if hit_1 and conditions[c]["stated"] == UNKNOWN:
                            lowers = False  # not normal, only not said yet
                else:
                    lowers = lowers and not (hit_1 or hit_2)
                    clear = 3 if lowers else 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            before = m
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], basis, at[i], now, append, i, v, q,
                out, due, m,
            )  # fmt: skip
            own["figures"][0] = np.nan if p["warms"] != 0 else p["sign"] * low
            own["figures"][1] = np.nan if p["warms"] != 0 else p["sign"] * high
            own["figures"][2] = -1.0 if place == STRICTEST else float(place)
            tell(out, before, m, own["figures"])
    return m


@kernel
def beat(  # type: ignore[no-untyped-def]
    link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due
):
    """A silence that lasts while the link is up means that the detector has no power."""
    for c in range(len(conditions)):
        if setup[c]["link"] != link or params[c]["warm_up"] == 0:
            continue
        own, tag = memory.own[c], tags[tag_at[c]]
        if tag["seen"] == 0:
            continue
        if tag["live_now"] >= own["judged"]:
            own["silent"] = 0
        own["silent"] += now - max(since, tag["live_now"])
        own["judged"] = now
        if own["silent"] >= params[c]["silence"]:
            own["down"] = 1
    return np.int64(0)


@dataclass(frozen=True, slots=True)
class RegimeLevel(Level):
    """A level that knows what the regimes are called."""

    regimes: tuple[str, ...] = ()


def bind(params: Params, revision: Revision) -> Bound:
    """The parameters with what else judges the limits of tags."""
    judged = {
        tag.name: rule.id
        for rule in rules_of(revision)
        if rule.kind == "limits"
        for tag in revision.tags
        if not tag.retired and tag.limits != Limits() and matches(rule, tag)
    }
    sources = {source.id: source.grade for source in revision.hazard_sources}
    grades = {tag.name: sources[tag.hazard_source] for tag in revision.tags if tag.hazard_source in sources}
    return Bound(**msgspec.structs.asdict(params), judged=judged, grades=grades)


def _normal(tag: Tag, params: Params) -> Limits:
    given = {level: getattr(params, level) for level in LEVELS}
    return Limits(**{level: getattr(tag.limits, level) if v is None else v for level, v in given.items()})


def _regimes(params: Params) -> list[Regime]:
    """Those that can be read; `check` tells of the others."""
    found = []
    for line in params.regimes[:MOST]:
        try:
            found.append(read(line))
        except Unclear:
            continue
    return found


def _by_place(tag: Tag, params: Params) -> list[Limits]:
    """The limits by regime: normal, each regime, nothing up to the last place, the strictest."""
    normal = _normal(tag, params)
    used = [normal, *(regime.limits(normal) for regime in _regimes(params))]
    return [*used, *[Limits()] * (MOST + 1 - len(used)), strictest(used)]


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """A condition for each side of each tag that has a limit there in any regime, and one for its warm-up."""
    state = next((t for t in tags if t.name == params.state_tag), None)
    if params.state_tag and state is None:
        return
    for tag in tags:
        if tag is not state:
            yield from _planned(tag, state, params)


_SIDES = ((Side.HIGH, ("high", "high_high")), (Side.LOW, ("low", "low_low")))


def _planned(tag: Tag, state: Tag | None, params: Params) -> Iterator[Planned]:
    by_place = _by_place(tag, params)
    regimes = _regimes(params)
    names = tuple(r.name for r in regimes)
    common = _common(tag, state, params, regimes)
    tags = (tag,) if state is None else (tag, state)
    for side, levels in _SIDES:
        if all(getattr(limits, level) is None for limits in by_place for level in levels):
            continue
        sign = 1.0 if side is Side.HIGH else -1.0
        first, second = ([_signed(getattr(limits, level), sign) for limits in by_place] for level in levels)
        own: dict[str, Any] = {"sign": sign, "limit_1": first, "limit_2": second}
        yield Planned(
            tags=tags,
            side=side,
            levels=tuple(_level(tag, level, by_place, names) for level in levels),
            on_delay_s=tag.on_delay_s if params.on_delay_s is None else params.on_delay_s,
            off_delay_s=tag.off_delay_s if params.off_delay_s is None else params.off_delay_s,
            values={**common, **own, "over": float(side is Side.HIGH and tag.measure is Measure.GAS)},
        )
    if params.warm_up_s > 0 and by_place[-1] != Limits():
        grade = params.grades.get(tag.name, 0) if isinstance(params, Bound) else 0
        nearest: dict[str, Any] = {
            "limit_1": [_nearest(limits, ("high", "high_high")) for limits in by_place],
            "limit_2": [_nearest(limits, ("low", "low_low")) for limits in by_place],
        }
        yield Planned(
            tags=tags,
            side=Side.FAULT,
            levels=(WARMS[0], replace(WARMS[1], tier=lowered(tag, by_place, grade))),
            holds=False,
            values={**common, **nearest, "warms": 1, "sign": 1.0, "over": float(tag.measure is Measure.GAS)},
        )


def _signed(limit: float | None, sign: float) -> float:
    return math.nan if limit is None else sign * limit


def _nearest(limits: Limits, levels: Sequence[str]) -> float:
    """The limit that is reached first on a side."""
    return next((v for level in levels if (v := getattr(limits, level)) is not None), math.nan)


def _level(tag: Tag, level: str, by_place: Sequence[Limits], names: tuple[str, ...]) -> Level | None:
    """With a limit only where that is always the same."""
    given = {v for limits in (*by_place[: len(names) + 1], by_place[-1]) if (v := getattr(limits, level)) is not None}
    if not given:
        return None
    return RegimeLevel(level, _title(tag, level), given.pop() if len(given) == 1 else None, regimes=names)


def _title(tag: Tag, level: str) -> Text:
    """What rule kind `limits` calls the level."""
    alone = msgspec.structs.replace(tag, limits=Limits(**{level: 0.0}))
    return next(found.title for p in plain.plan([alone], plain.Params()) for found in p.levels if found is not None)


def _common(tag: Tag, state: Tag | None, params: Params, regimes: Sequence[Regime]) -> dict[str, Any]:
    age_s = params.state_age_s
    if age_s is None:
        age_s = 0.0 if state is None else state.stale_s
    return {
        "deadband": tag.deadband if params.deadband is None else params.deadband,
        "range_low": plain.lowest(tag),
        "range_high": math.inf if tag.range_high is None else tag.range_high,
        "gas": float(tag.measure is Measure.GAS),
        "n": params.n,
        "full": (1 << params.m) - 1,
        "warm_up": seconds(params.warm_up_s),
        "silence": seconds(tag.stale_s),
        "state_age": seconds(age_s),
        **values(regimes, _normal_states(params), state is not None, params.utc_offset_h),
    }


def _normal_states(params: Params) -> int:
    try:
        return states_of(params.normal)
    except Unclear:
        return 0


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    yield from _check_params(params)
    if tag.name == params.state_tag:
        if params.state_age_s is not None and not params.state_age_s >= 3 * tag.period_s:
            message = f"{tag.name} reads every {tag.period_s:g} s, so the state would often be unknown"
            yield Problem.of("params.state_age_s", message, f"three periods or more: {3 * tag.period_s:g}")
        return
    if isinstance(params, Bound) and tag.name in params.judged:
        message = f"{tag.name} has limits of its own, which rule {params.judged[tag.name]!r} judges already"
        yield Problem.of("tags", message, "take them out of the tag list, or the tag out of that rule")
    normal = _normal(tag, params)
    judged = msgspec.structs.replace(tag, limit_reason=tag.limit_reason or params.reason)
    if _by_place(tag, params)[-1] == Limits():
        yield Problem.of("params.high", f"{tag.name} has no limit here or of its own", "give it one")
    yield from check_limits(judged, "", normal, params.deadband)
    for number, line in enumerate(params.regimes[:MOST], 1):
        try:
            regime = read(line)
        except Unclear:
            continue
        yield from check_limits(judged, f"regimes[{number}]", regime.limits(normal), params.deadband)


def _check_params(params: Params) -> Iterator[Problem]:
    if len(params.regimes) > MOST:
        yield Problem.of("params.regimes", f"{len(params.regimes)} regimes", f"at most {MOST}")
    by_state = False
    for number, line in enumerate(params.regimes[:MOST], 1):
        try:
            by_state = read(line).states != -1 or by_state
        except Unclear as wrong:
            yield Problem.of(f"params.regimes[{number}]", wrong.reason, wrong.cure)
    if by_state and not params.state_tag:
        yield Problem.of("params.state_tag", "regimes go by state, but no tag tells it", "name the tag of the state")
    if params.state_tag and not params.normal:
        message = "no state has the normal limits, so the strictest would apply outside of all regimes"
        yield Problem.of("params.normal", message, 'list the normal states, such as ["1"]')
    try:
        states_of(params.normal)
    except Unclear as wrong:
        yield Problem.of("params.normal", wrong.reason, wrong.cure)
    if not 1 <= params.n <= params.m <= MOST_READINGS:
        message = f"{params.n} of {params.m} readings"
        yield Problem.of("params.n", message, f"1 <= n <= m <= {MOST_READINGS}")
    if not 0 <= params.warm_up_s <= LONGEST_WARM_UP_S:
        message = f"{params.warm_up_s:g} s is no time to warm up"
        yield Problem.of("params.warm_up_s", message, f"0 to {LONGEST_WARM_UP_S:g} s")
    if not -14 <= params.utc_offset_h <= 14:
        yield Problem.of("params.utc_offset_h", f"{params.utc_offset_h:g} h is no zone", "-14 to 14, 8 in China")
    for field in ("state_age_s", "deadband", "on_delay_s", "off_delay_s"):
        given = getattr(params, field)
        if given is not None and not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is negative or no number", "0 or more")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    if params.state_tag and not any(t.name == params.state_tag for t in tags):
        message = f"{params.state_tag} is no tag of this rule in cell {tags[0].cell_key!r}, as {tags[0].name} is"
        yield Problem.of("params.state_tag", message, "name a tag of the same cell, and have `tags` match both")


def say(said: Said) -> Text:
    """Such as "R1 温度 96 °C，达到高限 95 °C（工况：开车）"."""
    level, tag = said.level, said.tag
    if said.condition.levels[0] is WARMS[0]:
        return say_warm(said)
    limit = said.figures.get("limit_1" if level is said.condition.levels[0] else "limit_2")
    if level is not None and limit is not None:
        told = Level(level.name, level.title, limit, level.early)
        spoken = plain.say(Said(said.condition, told, said.value, said.quality, said.age_s))
    else:
        spoken = plain.say(said)
    if level is None:
        return spoken
    needed = int(said.condition.values["n"])
    if needed > 1:
        m = int(said.condition.values["full"]).bit_length()
        spoken = Text(zh=f"{spoken.zh}（{m} 次中至少 {needed} 次）", en=f"{spoken.en} ({needed} of {m} readings)")
    place = int(said.figures.get("regime", 0.0))
    regimes = level.regimes if isinstance(level, RegimeLevel) else ()
    if place == -1:
        return Text(
            zh=f"{spoken.zh}（{tag.name} 工况未知，按最严限值）", en=f"{spoken.en} (state unknown: strictest limits)"
        )
    if 0 < place <= len(regimes):
        return Text(zh=f"{spoken.zh}（工况：{regimes[place - 1]}）", en=f"{spoken.en} (regime: {regimes[place - 1]})")
    return spoken


_TEMPERATURE = Tag(
    number=1, name="TI-1", enterprise="e", measure=Measure.TEMPERATURE, unit="°C", range_low=0.0, range_high=200.0,
    deadband=2.0,
)  # fmt: skip
_MODE = Tag(number=2, name="MODE", enterprise="e", measure=Measure.STATE, unit="1", period_s=5.0, stale_s=60.0)
_PRESSURE = Tag(
    number=1, name="PT-1", enterprise="e", measure=Measure.PRESSURE, unit="MPa", range_low=0.0, range_high=2.0,
)  # fmt: skip
_GAS = Tag(
    number=1, name="H2-1", enterprise="e", measure=Measure.GAS, cas="1333-74-0", unit="%LEL", range_low=0.0,
    range_high=100.0, stale_s=10.0,
)  # fmt: skip

KIND = Kind(
    name="limits_by_state",
    title=Text(zh="按工况限值报警", en="Limits by state"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    check_cell=check_cell,
    bind=bind,
    rows=rows,
    beat=beat,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=NO_ARRAY,  # no samples are kept; a kind with a window is told whose row it is
    figures=("limit_1", "limit_2", "regime"),
    source="State-based alarming as in ISA-18.2 / IEC 62682; 20 min to warm up as in GB 16808; the rest is our design.",
    examples=(
        Example(
            _TEMPERATURE,
            RuleCase(
                name="wider limits during start-up; back to normal, and with the state unknown, the stricter ones",
                tag="TI-1",
                readings=(
                    (0, "MODE", 1.0), (0, 70.0), (5, 85.0), (10, 70.0), (20, "MODE", 2.0), (21, 85.0), (25, 97.0),
                    (30, 85.0), (40, "MODE", 1.0), (41, 85.0), (45, 70.0), (50, "MODE", None, "BAD"), (51, 85.0),
                ),
                expect=(
                    (5, "raise", "high"), (10, "return", "normal"), (25, "raise", "high"), (30, "return", "normal"),
                    (41, "raise", "high"), (45, "return", "normal"), (51, "raise", "high"),
                ),
            ),
            params={
                "high": 80.0, "high_high": 90.0, "state_tag": "MODE", "normal": ["0", "1"],
                "regimes": ["start-up; state 2; high 95, high_high 110"],
            },
            others=(_MODE,),
        ),
        Example(
            _PRESSURE,
            RuleCase(
                name="three of the last five readings",
                tag="PT-1",
                readings=tuple(enumerate((1.0, 1.3, 1.0, 1.0, 1.3, 1.0, 1.3, 1.3, 1.0, 1.0, 1.0))),
                expect=((7, "raise", "high"), (9, "return", "normal")),
            ),
            params={"high": 1.2, "n": 3, "m": 5},
        ),
        Example(
            _GAS,
            RuleCase(
                name="a detector that had no power warms up: the first level waits, the second and over range do not",
                tag="H2-1",
                readings=(
                    (0, 1.0), (30, 30.0), (33, 60.0), (35, 10.0), (40, None, "OVER_RANGE"), (45, 10.0),
                    (52, 10.0), (59, 10.0), (61, 30.0),
                ),
                expect=(
                    (30, "raise", "warm_up_beyond"), (33, "raise", "high_high"), (35, "return", "normal"),
                    (35, "fall", "warm_up"), (40, "raise", "high_high"),
                    (45, "return", "normal"), (61, "raise", "high"), (61, "return", "normal"),
                ),
            ),
            params={"high": 25.0, "high_high": 50.0, "warm_up_s": 30.0},
        ),
    ),
)  # fmt: skip
