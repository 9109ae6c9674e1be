"""Mixture: several toxic gases in one cell, each below its limit, that together are too much.

    index = C1/L1 + C2/L2 + ...,      level 1 above 1, level 2 above 2

C is the present concentration of a gas, the highest of its detectors in the cell, and L its limit: the rule's own, or
that of the table (MAC, else PC-TWA, else PC-STEL), converted into the tag's unit by the gas's molar mass at 20 °C. The
sum is meant for gases with a similar effect; `gases` names them by CAS number, without it all gas points of the rule
count. It adds to the limits of the points and replaces none.

A reading counts for its tag's gap, by the clock of the partition; behind that its gas is missing and adds nothing, so
the index is at least what is told: a level that is passed without it is passed with it. It falls at 90 % of the level
(for `off_delay_s`), at a good reading while every detector has a good one that still counts.

- **Bad** readings are missing ones: they neither raise nor clear. **Uncertain** ones and those out of range count and
  may raise, and keep the index from falling. **Over range** counts as the end of the range.
- **Late** readings are not used: a newer one of the same detector is there already.
- The figures are `coverage`, the share of the detectors with a reading that counts, and `largest`, the greatest C/L.
- Fixed detectors measure the air at their places and not what a person breathes: this is a warning, no measurement of
  exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rules.admission import LATE, LIVE, lateness_s
from rules.compiling import kernel
from rules.doses import MOST as MOST_LIMITS
from rules.doses import counted, is_good
from rules.exposure import LEVELS, check_bounds, check_limit, limit_of, listed
from rules.figures import step_telling
from rules.kinds import Example, Kind, Level, Planned, Said, samples_only
from rules.kinds.limits import lowest
from rules.machine import READING
from rules.windows import remember
from rules.words import number
from schemas.changes import AlarmClass, Side
from schemas.gases import gas, is_cas
from schemas.problems import Problem
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

MOST = 24
"""Detectors of one cell."""


class Params(Struct, frozen=True, kw_only=True):
    """`gases` are CAS numbers, none for all; `limits` own limits as "71-43-2 = 3 mg/m3" (without a unit: the tag's);
    `level_1` and `level_2` (0: none) indices; `clear_share` the share of a level at which it falls; delays in s."""

    gases: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    level_1: float = 1.0
    level_2: float = 2.0
    clear_share: float = 0.9
    on_delay_s: float = 3.0
    off_delay_s: float = 60.0


EACH = np.dtype(
    [
        ("number", "i8", (MOST,)),  # of the tag
        ("gas", "i8", (MOST,)),  # 0, 1, 2 ... in the order of the members
        ("limit", "f8", (MOST,)),
        ("top", "f8", (MOST,)),
        ("over", "f8", (MOST,)),
        ("low", "f8", (MOST,)),
        ("high", "f8", (MOST,)),
        ("hold", "i8", (MOST,)),  # ns
    ],
    align=True,
)
PARAMS = np.dtype(
    [
        ("members", "i8"),
        ("level_1", "f8"),
        ("level_2", "f8"),  # infinite without one
        ("clear", "f8"),
        ("each", EACH),  # a record of its own: a plain array of arrays cannot be filled for no conditions
    ],
    align=True,
)
MEMORY = np.dtype([("value", "f8"), ("figures", "f8", (2,))])
SAMPLE = np.dtype(
    [
        ("number", "i8"),  # whose reading it is: a revision may put another tag into this place
        ("seen", "i8"),  # `now`
        ("share", "f8"),  # of the limit
        ("good", "i8"),
    ],
    align=True,
)


@kernel
def _index(p, samples, start, now):  # type: ignore[no-untyped-def]
    """The sum of shares, whether every detector has a good reading that still counts, how many have any, and the
    largest share."""
    each = p["each"]
    total, highest, largest, known, counts, of = 0.0, 0.0, 0.0, True, 0, np.int64(0)
    for s in range(p["members"]):
        if each["gas"][s] != of:
            total += highest
            highest, of = 0.0, each["gas"][s]
        sample = samples[start + s]
        if sample["number"] != each["number"][s] or now - sample["seen"] > each["hold"][s]:
            known = False
        else:
            counts += 1
            highest = max(highest, sample["share"])
            largest = max(largest, highest)
            known = known and sample["good"] != 0
    return total + highest, known, counts, largest


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    own, samples, rings, slots = memory.own, memory.samples, memory.first, memory.slot
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LATE) != 0:
            continue
        q = quality[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            s = slots[k]
            p = params[c]
            each = p["each"]
            concentration = counted(value[i], q, each["top"][s], each["over"][s])
            good = (flags[i] & LIVE) != 0 and is_good(value[i], q, each["low"][s], each["high"][s])
            beyond, clear = 0, 0
            if concentration == concentration:
                remember(memory, rings[c] + s)
                sample = samples[rings[c] + s]
                sample["number"] = each["number"][s]
                sample["seen"] = now
                sample["share"] = concentration / each["limit"][s]
                sample["good"] = 1 if good else 0
                total, known, counts, largest = _index(p, samples, rings[c], now)
                own[c]["value"] = total
                own[c]["figures"][0], own[c]["figures"][1] = counts / p["members"], largest
                beyond = (1 if total > p["level_1"] else 0) | (2 if total > p["level_2"] else 0)
                good = good and known
                if known:
                    clear = 1 if total <= p["clear"] * p["level_1"] else 0
                    clear |= 2 if total <= p["clear"] * p["level_2"] else 0
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            m = step_telling(
                own[c]["figures"], c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now,
                append, i, own[c]["value"], q, out, due, m,
            )  # fmt: skip
    return m


class _Own(ValueError):
    """An own limit cannot be read."""


def _own_limits(params: Params) -> dict[str, tuple[float | None, str]]:
    """CAS number -> (limit, unit). Raises `_Own` with the entry that is not one."""
    found: dict[str, tuple[float | None, str]] = {}
    for entry in params.limits:
        cas, equals, rest = (part.strip() for part in entry.partition("="))
        limit, _, unit = rest.partition(" ")
        try:
            found[cas] = float(limit), unit.strip()
        except ValueError:
            raise _Own(entry) from None
        if not (equals and is_cas(cas)):
            raise _Own(entry)
    return found


def _counts(tag: Tag, params: Params) -> bool:
    return not params.gases or tag.cas in params.gases


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition for the cell, if there are two gases to add up."""
    own = _own_limits(params)
    limits: dict[int, float] = {}
    chosen = [t for t in tags if t.measure is Measure.GAS and _counts(t, params)]
    for tag in chosen:
        limit, unit = own.get(tag.cas, (None, ""))
        limit = limit_of(tag, limit, unit, listed(tag, "oel_mg_m3"))
        if limit is not None:
            limits[tag.number] = limit
    gases = list(dict.fromkeys(t.cas for t in chosen if t.number in limits))
    watched = sorted((t for t in chosen if t.number in limits), key=lambda t: gases.index(t.cas))[:MOST]
    if len(gases) < 2:
        return
    each: dict[str, list[float]] = {
        "number": [t.number for t in watched],
        "gas": [gases.index(t.cas) for t in watched],
        "limit": [limits[t.number] for t in watched],
        "top": [MOST_LIMITS * limits[t.number] if t.range_high is None else t.range_high for t in watched],
        "over": [t.range_high is not None for t in watched],
        "low": [lowest(t) for t in watched],
        "high": [math.inf if t.range_high is None else t.range_high for t in watched],
        "hold": [seconds(lateness_s(t)) for t in watched],
    }
    filled: Any = tuple((*each[name], *[0] * (MOST - len(watched))) for name in EACH.names or ())
    second = Level("mixture_2", Text(zh="二级", en="level 2"), params.level_2) if params.level_2 > 0 else None
    yield Planned(
        tags=tuple(watched),
        side=Side.HIGH,
        levels=(Level("mixture", Text(zh="一级", en="level 1"), params.level_1), second),
        on_delay_s=params.on_delay_s,
        off_delay_s=params.off_delay_s,
        values={
            "each": filled,
            "members": len(watched),
            "level_1": params.level_1,
            "level_2": params.level_2 or math.inf,
            "clear": params.clear_share,
        },
        samples=len(watched),
    )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    try:
        own = _own_limits(params)
    except _Own as error:
        yield Problem.of("params.limits", f"{str(error)!r} is no limit of a gas", 'such as "71-43-2 = 3 mg/m3"')
        return
    if tag.measure is not Measure.GAS or _counts(tag, params):
        limit, unit = own.get(tag.cas, (None, ""))
        yield from check_limit(tag, limit, unit, listed(tag, "oel_mg_m3"), "occupational limit", "params.limits")
    for cas in params.gases:
        if not is_cas(cas):
            yield Problem.of("params.gases", f"{cas!r} is no CAS number", "such as 71-43-2")
    if not 0 < params.level_1 <= 10:
        yield Problem.of("params.level_1", f"{params.level_1:g} is not possible", "above 0, at most 10; usually 1")
    if params.level_2 != 0 and not params.level_1 < params.level_2 <= 100:
        yield Problem.of("params.level_2", f"{params.level_2:g} is not possible", "above level_1, or 0 for none")
    yield from check_bounds(params, LEVELS)


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    counted_tags = [t for t in tags if t.measure is Measure.GAS and _counts(t, params)]
    gases = {t.cas for t in counted_tags}
    cell = tags[0].cell_key
    if len(gases) < 2:
        found = ", ".join(t.name for t in counted_tags) or "no gas point"
        message = f"cell {cell} has {found}: nothing to add up"
        yield Problem.of("tags", message, "leave its tags out, or put the detectors into one cell")
    if len(counted_tags) > MOST:
        message = f"cell {cell} has {len(counted_tags)} gas points, more than {MOST}"
        yield Problem.of("tags", message, "name the gases that act alike, or make two rules")


def say(said: Said) -> Text:
    """Such as "混合气体（苯、甲苯）：浓度与限值之比合计 1.1，超过 1"."""
    what = _gases(said.condition.tags)
    index = number(said.value)
    if said.level is None or said.level.limit is None:
        return Text(
            zh=f"{what.zh}：浓度与限值之比合计 {index}，已恢复正常", en=f"{what.en}: sum of C/L {index}, back to normal"
        )
    limit = number(said.level.limit)
    if said.value <= said.level.limit:
        return Text(
            zh=f"{what.zh}：浓度与限值之比合计 {index}，高于 {limit} 的报警仍未解除",
            en=f"{what.en}: sum of C/L {index}, still in alarm above {limit}",
        )
    return Text(
        zh=f"{what.zh}：浓度与限值之比合计 {index}，超过 {limit}",
        en=f"{what.en}: sum of C/L {index}, above {limit}",
    )


def _gases(tags: Sequence[Tag]) -> Text:
    """Such as "B-1 mixture (benzene, toluene)"; no more than three names, this may go out as an SMS."""
    facts = [gas(cas) for cas in dict.fromkeys(t.cas for t in tags)]
    zh = [f.name.zh if f else "?" for f in facts]
    en = [f.name.en if f else "?" for f in facts]
    more = len(facts) - 3
    return Text(
        zh=f"{tags[0].name} 混合气体（{'、'.join(zh[:3])}{f'等 {len(facts)} 种' if more > 0 else ''}）",
        en=f"{tags[0].name} mixture ({', '.join(en[:3])}{f' and {more} more' if more > 0 else ''})",
    )


def _point(tag_number: int, name: str, cas: str, high: float) -> Tag:
    return Tag(
        number=tag_number, name=name, enterprise="e", cell="dock", measure=Measure.GAS, cas=cas, unit="mg/m3",
        range_low=0.0, range_high=high, period_s=2.0,
    )  # fmt: skip


_BENZENE = _point(1, "B-1", "71-43-2", 30.0)
_TOLUENE = _point(2, "T-1", "108-88-3", 500.0)
_XYLENE = _point(3, "X-1", "1330-20-7", 500.0)

KIND = Kind(
    name="mixture",
    title=Text(zh="混合气体", en="Mixture of gases"),
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
    window_dtype=SAMPLE,
    moved=samples_only,
    unit=lambda planned: "1",
    figures=("coverage", "largest"),
    source="Sum of C/L for gases with a similar effect as in GBZ 2.1-2019; level 2 and delays are project defaults.",
    examples=(
        Example(
            _BENZENE,
            RuleCase(
                name="benzene 1.5 of 3, toluene 20 of 50, xylene 10 of 50: none is above its limit, together 1.1",
                tag="B-1",
                readings=((0, 1.5), (0, "T-1", 20.0), (1, "X-1", 10.0)),
                expect=((4, "raise", "mixture"),),
            ),
            others=(_TOLUENE, _XYLENE),
        ),
        Example(
            _BENZENE,
            RuleCase(
                name="benzene alone is 1.1 of its limit: what is not heard adds nothing, and cannot take it back",
                tag="B-1",
                readings=((0, 3.3), (0, "T-1", None, "BAD"), (2, 3.3), (4, 3.3)),
                expect=((3, "raise", "mixture"),),
            ),
            others=(_TOLUENE,),
        ),
        Example(
            _BENZENE,
            RuleCase(
                name="it falls when every detector has a good and recent reading, and they are low enough",
                tag="B-1",
                readings=((0, 2.4), (0, "T-1", 30.0), (1, "T-1", None, "BAD"), (15, 0.3), (16, "T-1", 5.0)),
                expect=((0, "raise", "mixture"), (16, "return", "normal")),
            ),
            params={"on_delay_s": 0.0, "off_delay_s": 0.0},
            others=(_TOLUENE,),
        ),
    ),
)
