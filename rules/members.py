"""Several tags of one cell judged together: what a member's reading says, how long that counts, and who it was.

A member votes exactly where rule kind `limits` would call its reading beyond: its own limits, deadband and range, an
over-range gas point included. What it said last lives in a ring with one sample per member.

**How long a vote counts.** Until `window` has passed since the last reading that reached the limit, by the partition's
clock or by the member's own event times, whichever is first. Event times of two members are never compared, so a member
whose clock stands, or is an hour off, votes like any other; and a backlog that comes all at once does not bring
together what happened ten minutes apart.

**Silence.** A member is silent when the group has been heard for the member's time without it. The group's clock stands
while nobody is heard, so after an outage of all of them the first to come back does not find the others dead.

**Revisions.** Members are known by the numbers of their tags: what they said stays theirs when others come or go. One
that a revision brings counts from its first reading, or as silent when its time is over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel
from rules.figures import mask_after
from rules.kinds import Level, Planned, Said
from rules.kinds.limits import Params as LimitsParams
from rules.kinds.limits import plan as limits_of
from rules.kinds.quality import highest
from rules.windows import remember
from schemas.changes import Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Struct, Tag
from schemas.text import Text
from schemas.time import seconds

STALE, OVER, UNDER = int(Quality.STALE), int(Quality.OVER_RANGE), int(Quality.UNDER_RANGE)

VOTE_1, VOTE_2, PAST_1, PAST_2, USABLE, GOOD, SICK = 1, 2, 4, 8, 16, 32, 64
"""What a reading says: at the first or second limit; back past limit and deadband; a number that may raise; one that
may lower; one that rule kind `quality` calls bad data."""
VOTES = VOTE_1 | VOTE_2


class Group(Struct, frozen=True, kw_only=True):
    """What all groups are asked: see each kind's `Params`."""

    window_s: float = 60.0
    side: Literal["high", "low"] = "high"
    silent_s: float | None = None
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0


def group_dtype(most: int, *more: tuple[str, str] | tuple[str, str, tuple[int, ...]]) -> np.dtype[np.void]:
    """Parameters of a condition with at most so many members, and what the kind adds."""
    each = ("limit_1", "limit_2", "deadband", "range_low", "range_high", "highest", "over")
    fields: list[Any] = [
        ("sign", "f8"),  # +1 on the high side, -1 on the low side
        ("members", "i8"),
        ("level_1", "i8"),  # masks of the members that can vote at each level
        ("level_2", "i8"),
        ("window", "i8"),
        ("longest", "i8"),  # a gap of the whole group counts as no more silence than this
        ("number", "i8", (most,)),
        ("silent", "i8", (most,)),
        *((name, "f8", (most,)) for name in each),
        *more,
    ]
    return np.dtype(fields, align=True)


FIGURES = ("members", "bad")
"""Who is meant, as masks: bit k is the k-th tag of the condition (fewer than 53, so a float holds them exactly)."""


def memory_dtype(figures: Sequence[str] = FIGURES) -> np.dtype[np.void]:
    """What a condition remembers beside its members' samples; `figures` begin with `FIGURES`."""
    fields: list[Any] = [
        ("value", "f8"),  # what is judged: a count
        ("figures", "f8", (len(figures),)),
        ("clock", "i8"),  # how long the group has been heard
        ("last", "i8"),  # `now` of its last row
        ("standing", "i8"),  # members with a vote, or not back from one, when they were counted last
    ]
    return np.dtype(fields, align=True)


SAMPLE = np.dtype(
    [
        ("number", "i8"),  # the member's tag: a revision may put another one into this place
        ("at", "i8"),  # event time of its last live reading
        ("heard", "i8"),  # the group's clock at its last live reading; ~clock, below 0, when it joined and has none yet
        ("sick", "i4"),
        ("up", "i4"),  # levels that it voted for and is not back from
        ("vote_at", "i8", (2,)),  # event time and `now` of its last vote at each level, 0 without one
        ("vote_now", "i8", (2,)),
    ],
    align=True,
)


@kernel
def reads(p, s, v, q):  # type: ignore[no-untyped-def]
    """What a reading of member s says: the sum of `VOTE_1` to `SICK`."""
    low, high = p["limit_1"][s], p["limit_2"][s]
    said = 0
    if p["over"][s] != 0.0 and (q == OVER or (q < FIRST_BAD and v > p["range_high"][s])):
        if high == high:
            return VOTE_1 | VOTE_2 | USABLE
        return VOTE_1 | USABLE
    usable = q < FIRST_BAD and v == v
    if usable:
        x, deadband = p["sign"] * v, p["deadband"][s]
        said = USABLE
        if x >= high:
            said |= VOTE_1 | VOTE_2
        else:
            if x >= low:
                said |= VOTE_1
            elif not (x >= low - deadband or x >= high - deadband):
                said |= PAST_1
            if not x >= high - deadband:
                said |= PAST_2
        if q < FIRST_UNCERTAIN and v >= p["range_low"][s] and v <= p["range_high"][s] and v - v == 0.0:
            said |= GOOD
    if said & VOTES == 0:
        outside = q in (OVER, UNDER) or v < p["range_low"][s] or v > p["highest"][s]
        if not usable or q == STALE or outside:
            said |= SICK
    return said


@kernel
def hear(p, held, c, s, said, live, at, now):  # type: ignore[no-untyped-def]
    """Keep what member s of condition c has said. A late reading adds its vote and nothing else."""
    k = held.first[c] + s
    remember(held, k)
    sample = held.samples[k]
    if sample["number"] != p["number"][s]:
        sample["number"] = p["number"][s]
        sample["at"] = at
        sample["heard"] = 0
        sample["sick"] = 0
        sample["up"] = 0
        for level in range(2):
            sample["vote_at"][level] = 0
            sample["vote_now"][level] = 0
    if live:
        sample["at"] = at
        sample["heard"] = held.own[c]["clock"]
        sample["sick"] = 1 if said & SICK != 0 else 0
        if said & GOOD != 0:
            if said & PAST_1 != 0:
                sample["up"] &= ~1
            if said & PAST_2 != 0:
                sample["up"] &= ~2
    for level in range(2):
        if said >> level & 1 != 0:
            sample["up"] |= 1 << level
            if live or at >= sample["vote_at"][level]:
                sample["vote_at"][level] = at
                sample["vote_now"][level] = now


@kernel
def pass_time(p, own, now):  # type: ignore[no-untyped-def]
    """Advance the group's clock: a gap without any member counts as one period of the slowest."""
    if own["last"] != 0:
        own["clock"] += min(now - own["last"], p["longest"])
    own["last"] = now


@kernel
def attend(p, held, c, s, v, q, quiet, live, at, now):  # type: ignore[no-untyped-def]
    """Take a reading of member s of condition c in. Returns what it says, 0 where it leaves nothing to judge."""
    own = held.own[c]
    pass_time(p, own, now)
    said = reads(p, s, v, q)
    votes = said & VOTES != 0
    if not live and not votes:
        return 0
    hear(p, held, c, s, said, live, at, now)
    if said & USABLE == 0 or (not votes and own["standing"] == 0 and quiet != 0):
        return 0
    return said


@kernel
def tally(p, held, c, now):  # type: ignore[no-untyped-def]
    """Masks of members: voting at level 1 and 2, not back from level 1 and 2 (voting ones included), bad or silent,
    new.

    A bad or silent member is not one of those that are not back: a dead instrument must not hold the others' alarm.
    A member is new from the revision that brought it until it is heard or its time to be heard is over: whether it
    works is not known.
    """
    first, clock = held.first[c], held.own[c]["clock"]
    vote_1, vote_2, up_1, up_2, sick, new = 0, 0, 0, 0, 0, 0
    for s in range(p["members"]):
        bit = 1 << s
        sample = held.samples[first + s]
        known = sample["number"] == p["number"][s]
        heard = sample["heard"] if known else 0
        joined = heard < 0
        if joined:
            heard = ~heard
        ill = clock - heard > p["silent"][s] or (known and sample["sick"] != 0)
        if ill:
            sick |= bit
        if not known:
            continue
        if joined and not ill and sample["vote_now"][0] == 0 and sample["vote_now"][1] == 0:
            new |= bit
        for level in range(2):
            voted = sample["vote_now"][level]
            counts = (
                voted != 0 and now - voted <= p["window"] and sample["at"] - sample["vote_at"][level] <= p["window"]
            )
            up = counts or (sample["up"] >> level & 1 != 0 and not ill)
            if level == 0:
                vote_1 |= bit if counts else 0
                up_1 |= bit if up else 0
            else:
                vote_2 |= bit if counts else 0
                up_2 |= bit if up else 0
    held.own[c]["standing"] = ones(vote_1 | up_1)
    return vote_1, vote_2, up_1, up_2, sick, new


@kernel
def ones(mask):  # type: ignore[no-untyped-def]
    """How many bits are set."""
    count = 0
    while mask != 0:
        mask &= mask - 1
        count += 1
    return count


# Revisions


def join(own: Any, ring: npt.NDArray[Any], numbers: Sequence[int], places: Sequence[int]) -> None:
    """Give each member that is new (place -1) its time to be heard: `heard` is below 0, ~clock, until it is."""
    for k, (number, place) in enumerate(zip(numbers, places, strict=True)):
        if place < 0:
            ring[k]["number"], ring[k]["heard"] = number, ~int(own["clock"])


def moved(own: Any, ring: npt.NDArray[Any], numbers: Sequence[int], places: Sequence[int]) -> None:
    """`Kind.moved` of a group whose figures are masks of its members."""
    join(own, ring, numbers, places)
    own["figures"] = [mask_after(mask, places) for mask in own["figures"].tolist()]


# Plans and words


def by_limits(tag: Tag, side: Side) -> Planned | None:
    """How rule kind `limits` judges the tag on this side, None without a limit there."""
    return next((p for p in limits_of([tag], LimitsParams()) if p.side is side), None)


def able(tags: Sequence[Tag], side: Side, level: int) -> int:
    """A mask of the tags that can vote at this level (1, 2): that have its limit or, for level 1, any."""
    mask = 0
    for place, tag in enumerate(tags):
        found = by_limits(tag, side)
        if found is not None and any(found.levels[level - 1 :]):
            mask |= 1 << place
    return mask


def title_of(tags: Sequence[Tag], side: Side, level: int) -> Level:
    """The level (1, 2) as the first tag that has such a limit calls it."""
    found = (by_limits(tag, side) for tag in tags)
    return next(named for p in found if p is not None and (named := p.levels[level - 1]) is not None)


def group_values(tags: Sequence[Tag], group: Group, most: int) -> dict[str, Any]:
    """The members' numbers for a `group_dtype`."""
    side = Side(group.side)
    plain = {"limit_1": math.nan, "limit_2": math.nan, "range_low": -math.inf, "range_high": math.inf}
    judged = [plain if (p := by_limits(tag, side)) is None else dict(p.values) for tag in tags]
    values: dict[str, Any] = {
        "sign": 1.0 if side is Side.HIGH else -1.0,
        "members": len(tags),
        "level_1": able(tags, side, 1),
        "level_2": able(tags, side, 2),
        "window": seconds(group.window_s),
        "longest": seconds(max(t.period_s for t in tags)),
        "number": [t.number for t in tags],
        "silent": [seconds(t.stale_s if group.silent_s is None else group.silent_s) for t in tags],
        "highest": [highest(t) for t in tags],
    }
    for field in ("limit_1", "limit_2", "deadband", "range_low", "range_high", "over"):
        values[field] = [v.get(field, 0.0) for v in judged]
    padded = {field: [*v, *[0] * (most - len(v))] for field, v in values.items() if isinstance(v, list)}
    return {**values, **padded}


def planned(tags: Sequence[Tag], group: Group, levels: Iterable[Level | None], values: Mapping[str, Any]) -> Planned:
    """The condition of a group; it has the place of its first member."""
    return Planned(
        tags=tuple(tags),
        side=Side(group.side),
        levels=tuple(levels),
        on_delay_s=group.on_delay_s,
        off_delay_s=group.off_delay_s,
        values=values,
        samples=len(tags),
    )


LIMITS = {"high": ("high", "high_high"), "low": ("low", "low_low")}
"""The limits of each side by the names that the registry gives them."""


def check_member(tag: Tag, group: Group) -> Iterator[Problem]:
    """A member needs a limit to reach, and its vote must outlast the time until its next reading, or it flickers."""
    first, second = LIMITS[group.side]
    if getattr(tag.limits, first) is None and getattr(tag.limits, second) is None:
        message = f"{tag.name} has no limit on the {group.side} side, so it can never vote"
        yield Problem.of("tags", message, f"give it a {first} limit, or name only tags that have one")
    for field, then in (("window_s", "its votes would lapse within"), ("silent_s", "it would often be bad after")):
        given = getattr(group, field)
        if given is not None and not (math.isfinite(given) and given >= 3 * tag.period_s):
            message = f"{tag.name} reads every {tag.period_s:g} s, so {then} {given:g} s"
            yield Problem.of(f"params.{field}", message, f"three periods or more: {3 * tag.period_s:g}")
    for field in ("on_delay_s", "off_delay_s"):
        given = getattr(group, field)
        if not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is no length of time", "0 or more")


def check_number(tags: Sequence[Tag], most: int, what: str, cure: str) -> Iterator[Problem]:
    if len(tags) > most:
        yield Problem.of("tags", f"{len(tags)} tags of cell {tags[0].cell_key!r} are more than the {most} {what}", cure)


def chosen(tags: Sequence[Tag], mask: int) -> Iterator[Tag]:
    return (tag for place, tag in enumerate(tags) if mask >> place & 1)


def masks(said: Said) -> tuple[int, int]:
    """`FIGURES` of a change; no member of one that has none."""
    members, bad = (int(said.figures.get(figure, 0.0)) for figure in FIGURES)
    return members, bad


def names(tags: Sequence[Tag], most: int = 4) -> Text:
    """Such as "CO-1、CO-2"; of many the first ones and how many more."""
    told = [t.name for t in tags[:most]]
    more = len(tags) - len(told)
    if more <= 0:
        return Text(zh="、".join(told), en=", ".join(told))
    return Text(zh=f"{'、'.join(told)} 等 {len(tags)} 点", en=f"{', '.join(told)} and {more} more")
