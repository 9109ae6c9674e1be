"""Zone: gas, heat or smoke at several places of one cell within a time window.

Where `vote` asks whether instruments that watch the same thing agree, `zone` asks how far something has spread. It
counts *positions*, not instruments: detectors closer together than `apart_m` (a CO and an H2S head on one post) are one
position, and a position is in alarm for `window_s` after a usable reading of one of its detectors reached its own first
limit. The value judged is the number of such positions (unit "1").

- **Level 1**: `k1` positions, and at least `share` of the positions that work.
- **Level 2**: `k2` positions and that share; or, with `one_is_enough`, a single detector at its own second limit.

A level ends at a good reading when the positions that are in alarm or still inside of their deadband are too few.

**Bad data.** A detector is out of order when its last reading was bad data (as rule kind `quality` judges it) or it has
been silent for its `stale_s` while others were heard. A position works while one of its detectors does; the share is of
those, so dead detectors do not hide a spread. `k1` and `k2` are never lowered: what few detectors mean is for `vote` to
say. Bad readings change no level; uncertain ones may raise, never lower; a late one may add its position.

It confirms and takes nothing away: each detector's own alarm comes from rule kind `limits`, at once and unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import step_telling
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LATE_READING, READING
from rules.members import (
    FIGURES,
    GOOD,
    SAMPLE,
    Group,
    attend,
    check_member,
    check_number,
    group_dtype,
    group_values,
    masks,
    memory_dtype,
    moved,
    names,
    ones,
    planned,
    tally,
)
from schemas.changes import AlarmClass
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Tag
from schemas.text import Text

MOST = 48
METRES_PER_DEGREE = 111_320.0
"""Of latitude, and of longitude at the equator."""


class Params(Group, frozen=True, kw_only=True):
    """`k1` and `k2` positions in alarm are level 1 and 2 (`k2` 0: not by number), each at least `share` (0 to 1) of the
    positions that work; `one_is_enough`: one detector at its second limit is level 2.

    `apart_m` (m): detectors that are not further apart are one position; those without coordinates are one each.
    `window_s` (s) is how long a position stays in alarm, `side` the side of the limits, `silent_s` (s) how long a
    detector may be silent (None leaves each tag its `stale_s`), `on_delay_s` and `off_delay_s` (s) delay the result.
    """

    k1: int = 2
    k2: int = 3
    share: float = 0.0
    one_is_enough: bool = True
    apart_m: float = 1.0


PARAMS = group_dtype(MOST, ("k1", "i8"), ("k2", "i8"), ("one", "i8"), ("share", "f8"), ("position", "i8", (MOST,)))
TOLD = (*FIGURES, "second")
"""The last one: the detectors at their second limit, where one of them is enough."""
MEMORY = memory_dtype(TOLD)
NEVER = 1 << 20
"""More positions than there can be."""


@kernel
def _positions(p, mask):  # type: ignore[no-untyped-def]
    """How many positions the members in the mask have."""
    found = 0
    for s in range(p["members"]):
        if mask >> s & 1 != 0:
            found |= 1 << p["position"][s]
    return ones(found)


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
            said = attend(p, memory, c, memory.slot[k], value[i], quality[i], conditions[c]["quiet"], live, at[i], now)
            if said == 0:
                continue
            vote_1, vote_2, up_1, up_2, sick, new = tally(p, memory, c, now)
            working = _positions(p, (1 << p["members"]) - 1 & ~(sick & ~vote_1 | new))
            # 1e-9: a share of 0.3 of 10 is 3, whatever the last bit says
            least = math.ceil(p["share"] * working - 1e-9)
            alarmed, inside = _positions(p, vote_1), _positions(p, up_1)
            one = p["one"] != 0 and vote_2 != 0
            beyond, clear = 0, 0
            if alarmed >= max(p["k1"], least):
                beyond = 1
            if one or alarmed >= max(p["k2"], least):
                beyond |= 2
            if inside < max(p["k1"], least):
                clear = 1
            if inside < max(p["k2"], least) and (p["one"] == 0 or up_2 == 0):
                clear |= 2
            own["value"] = alarmed
            own["figures"][0], own["figures"][1] = vote_1, sick & ~vote_1
            own["figures"][2] = vote_2 if one else 0
            m = step_telling(
                own["figures"], c, conditions, gates, setup, beyond, clear, said & GOOD != 0 and live, flags[i],
                basis, at[i], now, append, i, own["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


def positions(tags: Sequence[Tag], apart_m: float) -> list[int]:
    """The position of each tag, counted from 0. A position is where its first tag stands, so that a row of detectors
    along a fence is not one position because each is near to the next."""
    found: list[int] = []
    stands: list[Tag] = []
    for tag in tags:
        near = (number for number, other in enumerate(stands) if distance_m(tag, other) <= apart_m)
        number = next(near, len(stands))
        if number == len(stands):
            stands.append(tag)
        found.append(number)
    return found


def distance_m(one: Tag, other: Tag) -> float:
    """How far two tags are apart, heights included where both have one; infinite without comparable coordinates."""
    rise = 0.0 if one.height_m is None or other.height_m is None else one.height_m - other.height_m
    if None not in (one.x_m, one.y_m, other.x_m, other.y_m):
        return math.dist((one.x_m or 0.0, one.y_m or 0.0, rise), (other.x_m or 0.0, other.y_m or 0.0, 0.0))
    if None not in (one.longitude, one.latitude, other.longitude, other.latitude):
        north = ((one.latitude or 0.0) - (other.latitude or 0.0)) * METRES_PER_DEGREE
        across = math.cos(math.radians(one.latitude or 0.0)) * METRES_PER_DEGREE
        return math.hypot(north, ((one.longitude or 0.0) - (other.longitude or 0.0)) * across, rise)
    return math.inf


LEVELS = (
    ("zone_1", Text(zh="区域一级报警", en="zone level 1")),
    ("zone_2", Text(zh="区域二级报警", en="zone level 2")),
)


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition for the cell; it has the place of its first detector."""
    tags = tags[:MOST]
    places = positions(tags, params.apart_m)
    count = len(set(places))
    values = group_values(tags, params, MOST)
    by_one = params.one_is_enough and values["level_2"] != 0
    reachable = (params.k1 <= count, by_one or 0 < params.k2 <= count)
    values |= {"k1": params.k1, "k2": params.k2 or NEVER, "one": by_one, "share": params.share}
    values["position"] = [*places, *[0] * (MOST - len(places))]
    if any(reachable) and len(tags) > 1:
        levels = (
            Level(name, title, float(k or 1)) if able else None
            for (name, title), k, able in zip(LEVELS, (params.k1, params.k2), reachable, strict=True)
        )
        yield planned(tags, params, levels, values)


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if params.k1 < 1:
        yield Problem.of("params.k1", f"{params.k1} positions would always be there", "1 or more")
    if params.k2 != 0 and params.k2 < params.k1:
        message = f"level 2 at {params.k2} positions would come before level 1 at {params.k1}"
        yield Problem.of("params.k2", message, "k1 or more, or 0 for no level 2 by number")
    if not 0 <= params.share <= 1:
        yield Problem.of("params.share", f"{params.share:g} is no share", "0 to 1")
    if not (math.isfinite(params.apart_m) and params.apart_m >= 0):
        yield Problem.of("params.apart_m", f"{params.apart_m:g} is no distance", "0 or more")
    yield from check_member(tag, params)


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    """A cell with a single tag is no zone and is passed over."""
    cell, listed = tags[0].cell_key, ", ".join(t.name for t in tags[:5])
    yield from check_number(tags, MOST, "of a zone", "make two rules of it")
    count = len(set(positions(tags, params.apart_m if params.apart_m >= 0 else 0.0)))
    for field, k in (("k1", params.k1), ("k2", params.k2)):
        # a second level by number that a small cell cannot reach is no mistake while one detector is enough
        if len(tags) > 1 and k > count and not (field == "k2" and params.one_is_enough):
            message = f"{k} positions are needed, but cell {cell!r} has {count}: {listed}"
            yield Problem.of(f"params.{field}", message, "fewer positions, more tags, or a smaller apart_m")


def _posts(condition: Planned, mask: int) -> dict[int, Tag]:
    """The first detector of the mask at each position."""
    found: dict[int, Tag] = {}
    stands: Any = condition.values["position"]
    for place, (tag, position) in enumerate(zip(condition.tags, stands, strict=False)):
        if mask >> place & 1:
            found.setdefault(position, tag)
    return found


def say(said: Said) -> Text:
    """Such as "区域一级报警：CO-1、CO-2 共 2 处报警（可用 5 处）"."""
    tags = said.condition.tags
    if said.level is None:
        who = names(tags, 3)
        return Text(zh=f"{who.zh} 区域报警：已恢复正常", en=f"zone alarm of {who.en}: back to normal")
    alarmed, bad = masks(said)
    second = int(said.figures.get("second", 0.0))
    count, working = (len(_posts(said.condition, mask)) for mask in (alarmed, (1 << len(tags)) - 1 & ~bad))
    named = list(_posts(said.condition, second or alarmed).values())[:3]
    title, by_one = said.level.title, second and said.level.name == LEVELS[1][0]
    if not count:
        zh = f"{title.zh}：目前没有新的报警，仍未解除"
        return Text(zh=zh, en=f"{title.en}: no new alarms at present, still standing")
    who = names(named)
    of = Text(zh=f"共 {count} 处报警（可用 {working} 处）", en=f"{count} of {working} working positions in alarm")
    if by_one:
        zh, en = f"{who.zh} 达到第二级限值，{of.zh}", f"{who.en} at the second limit, {of.en}"
    else:
        more = "等" if count > len(named) else ""
        zh, en = f"{who.zh}{more} {of.zh}", f"{who.en}{' and others' if more else ''}: {of.en}"
    return Text(zh=f"{title.zh}：{zh}", en=f"{title.en}: {en}")


def _detector(number: int, x_m: float) -> Tag:
    return Tag(
        number=number, name=f"CH4-{number}", enterprise="e", measure=Measure.GAS, cas="74-82-8", unit="%LEL",
        range_low=0.0, range_high=100.0, limits=Limits(high=25.0, high_high=50.0), deadband=2.0, x_m=x_m, y_m=0.0,
    )  # fmt: skip


_FOUR = (_detector(1, 0.0), _detector(2, 0.5), _detector(3, 20.0), _detector(4, 40.0))

KIND = Kind(
    name="zone",
    title=Text(zh="区域报警", en="Zone"),
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
    moved=moved,
    unit=lambda planned: "1",
    figures=TOLD,
    source="Zone alarms of fire and gas controllers; the numbers and the 60 s window are project defaults.",
    examples=(
        Example(
            _FOUR[0],
            RuleCase(
                name="a cloud that drifts: two posts within 60 s are level 1, three are level 2",
                tag="CH4-1",
                readings=(
                    (0, 5.0), (0, "CH4-2", 5.0), (0, "CH4-3", 5.0), (0, "CH4-4", 5.0),
                    (1, 30.0), (2, "CH4-2", 30.0), (5, 5.0), (6, "CH4-2", 5.0),
                    (20, "CH4-3", 30.0), (25, "CH4-3", 5.0), (40, "CH4-4", 30.0), (50, "CH4-4", 5.0),
                    (62, 5.0), (63, 5.0), (80, 5.0), (81, 5.0), (101, 5.0),
                ),
                expect=((20, "raise", "zone_1"), (40, "rise", "zone_2"), (63, "fall", "zone_1"),
                        (81, "return", "normal")),
            ),
            others=_FOUR[1:],
        ),
        Example(
            _FOUR[0],
            RuleCase(
                name="two heads on one post are one position; one detector at its second limit is level 2",
                tag="CH4-1",
                readings=(
                    (0, 5.0), (0, "CH4-2", 5.0), (0, "CH4-3", 5.0),
                    (1, 30.0), (2, "CH4-2", 30.0), (3, "CH4-2", 60.0),
                ),
                expect=((3, "raise", "zone_2"),),
            ),
            others=_FOUR[1:3],
        ),
        Example(
            _FOUR[0],
            RuleCase(
                name="half of what works: with one of three posts dead, one in alarm of two is enough",
                tag="CH4-1",
                readings=(
                    (0, 5.0), (0, "CH4-3", 5.0), (0, "CH4-4", 5.0),
                    (1, 30.0), (2, "CH4-4", None, "BAD"), (3, 30.0),
                ),
                expect=((3, "raise", "zone_1"),),
            ),
            params={"k1": 1, "k2": 2, "share": 0.5},
            others=_FOUR[2:],
        ),
    ),
)  # fmt: skip
