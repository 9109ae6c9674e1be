"""Voting: M of the N tags that a rule names in a cell have reached their own limits within a time window (MooN).

A vote confirms; it takes nothing away. Each member's own limit alarm comes from rule kind `limits`, at once and
unchanged, whatever this rule says: a vote is for what should need more than one instrument (a shutdown, an evacuation).

A member votes at a level for `window_s` after its last usable reading that reached its own limit there; over-range on a
gas point votes at every level. So two detectors that the same cloud reaches one after the other agree, though they
never read the same. The value judged is the number of votes (unit "1"), the limit is M; the figures `members` and `bad`
tell whose votes they are and who is bad, as masks: bit k is the k-th member. A level ends when fewer members than
needed vote or are still inside of their deadband, at a good reading of any of them.

**Degradation.** A member is bad when its last reading was bad data (as rule kind `quality` judges it) or it has been
silent for its `stale_s` while others were heard. A bad member without a vote lowers both M and N by one, M never below
1: 2oo3 with one bad is 1oo2, 2oo2 with one bad is 1oo1, 3oo3 with two bad is 1oo1. Bad data is no vote and no proof of
safety. The words say so; the bad members themselves are told by `quality` and `stale`. With all members bad nothing
can be judged, and what stands stays. A member that a revision brings is one of the N from its first reading on, or bad
when it stays silent; the others' votes stay.

**Bad, uncertain, late.** A bad reading alone changes no level: the next usable one of any member judges. Uncertain ones
may vote, and never lower. A late reading may add its vote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import step_telling
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LATE_READING, READING
from rules.members import (
    FIGURES,
    GOOD,
    LIMITS,
    SAMPLE,
    Group,
    able,
    attend,
    check_member,
    check_number,
    chosen,
    group_dtype,
    group_values,
    masks,
    memory_dtype,
    moved,
    names,
    ones,
    planned,
    tally,
    title_of,
)
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Tag
from schemas.text import Text

MOST = 16
"""More instruments than this measure no one thing."""


class Params(Group, frozen=True, kw_only=True):
    """`m` votes are needed; `n` is how many members there must be. With 0 it is as many as the rule names in each cell,
    and a cell with a single one has no vote, so give `n` where a certain group is meant.

    `window_s` (s) is how long a vote counts, `side` the side of the members' limits, `silent_s` (s) how long a member
    may be silent before it is bad (None leaves each tag its `stale_s`); `on_delay_s` and `off_delay_s` (s) delay the
    result of the vote.
    """

    m: int = 2
    n: int = 0


PARAMS = group_dtype(MOST, ("needed", "i8"))
MEMORY = memory_dtype()


@kernel
def _needed(p, voters, bad):  # type: ignore[no-untyped-def]
    """M after degradation, of the members `voters` without those that are `bad`; 0 when none is left to judge."""
    lost = ones(voters & bad)
    if lost == ones(voters):
        return 0
    return max(1, p["needed"] - lost)


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
            beyond, clear = 0, 0
            needed = _needed(p, p["level_1"] & ~new, sick & ~vote_1)
            if needed != 0:
                beyond = 1 if ones(vote_1) >= needed else 0
                clear = 1 if ones(up_1) < needed else 0
            needed = _needed(p, p["level_2"] & ~new, sick & ~vote_2)
            if needed != 0 and ones(p["level_2"]) >= p["needed"]:
                beyond |= 2 if ones(vote_2) >= needed else 0
                clear |= 2 if ones(up_2) < needed else 0
            if beyond & 2 != 0:
                votes, bad = vote_2, sick & ~vote_2 & p["level_2"]
            else:
                votes, bad = vote_1, sick & ~vote_1
            own["value"] = ones(votes)
            own["figures"][0], own["figures"][1] = votes, bad
            m = step_telling(
                own["figures"], c, conditions, gates, setup, beyond, clear, said & GOOD != 0 and live, flags[i],
                basis, at[i], now, append, i, own["value"], quality[i], out, due, m,
            )  # fmt: skip
    return m


def _levels(tags: Sequence[Tag], params: Params) -> Iterator[Level | None]:
    side = Side(params.side)
    for level in (1, 2):
        if able(tags, side, level).bit_count() < max(1, params.m):
            yield None
            continue
        has = any(getattr(t.limits, LIMITS[side][level - 1]) is not None for t in tags)
        limit = title_of(tags, side, level if has else 2)
        yield Level(limit.name, Text(zh=f"{limit.title.zh}表决", en=f"vote on the {limit.title.en}"), float(params.m))


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """One condition for the cell; it has the place of its first member."""
    tags = tags[:MOST]
    levels = tuple(_levels(tags, params))
    if any(levels):
        yield planned(tags, params, levels, {**group_values(tags, params, MOST), "needed": params.m})


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if params.m < 1:
        yield Problem.of("params.m", f"{params.m} votes would always be there", "1 or more")
    if params.n < 0 or 0 < params.n < params.m:
        yield Problem.of("params.n", f"{params.m} of {params.n} can never be reached", "m or more, or leave it out")
    yield from check_member(tag, params)


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    cell, listed = tags[0].cell_key, ", ".join(t.name for t in tags[:5])
    if params.n and len(tags) != params.n:
        message = f"{params.m}oo{params.n} needs {params.n} tags of cell {cell!r}, but there are {len(tags)}: {listed}"
        yield Problem.of("params.n", message, "name exactly those in `tags`")
    elif 1 < len(tags) < params.m:
        message = f"{params.m} votes are needed, but cell {cell!r} has {len(tags)} of the tags: {listed}"
        yield Problem.of("params.m", message, "fewer votes, or more tags")
    yield from check_number(tags, MOST, "that can vote", "name fewer, or use kind zone")


def say(said: Said) -> Text:
    """Such as "2oo3 表决成立（降级为 1oo2）：CO-1 达到一级报警值；CO-3 无效"."""
    condition, tags = said.condition, said.condition.tags
    m, n = int(condition.values["needed"]), len(tags)
    if said.level is None:
        who = names(tags, 3)
        return Text(zh=f"{who.zh} {m}oo{n} 表决：已恢复正常", en=f"{m}oo{n} vote of {who.en}: back to normal")
    number = 1 if said.level is condition.levels[0] else 2
    able_here = int(condition.values[f"level_{number}"])
    voted, bad = masks(said)
    count, n = voted.bit_count(), able_here.bit_count()
    lost = (bad & able_here).bit_count()
    needed = max(1, m - lost)
    limit = said.level.title
    kind = Text(zh=f"{m}oo{n} {limit.zh}", en=f"{m}oo{n} {limit.en}")
    if lost:
        now = f"{needed}oo{n - lost}"
        kind = Text(zh=f"{kind.zh}（降级为 {now}）", en=f"{kind.en} (now {now})")
    voters, out = names(list(chosen(tags, voted))), names(list(chosen(tags, bad)))
    zh = f"{voters.zh} 已投票" if count else "目前无人投票"
    en = f"{voters.en} voted" if count else "no votes at present"
    if count < needed:
        zh, en = f"{zh}，仍未解除", f"{en}, still standing"
    if bad:
        zh, en = f"{zh}；{out.zh} 无效", f"{en}; bad: {out.en}"
    return Text(zh=f"{kind.zh}：{zh}", en=f"{kind.en}: {en}")


def _detector(number: int) -> Tag:
    return Tag(
        number=number, name=f"CO-{number}", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm",
        range_low=0.0, range_high=500.0, limits=Limits(high=17.2, high_high=34.3), deadband=1.0,
    )  # fmt: skip


_THREE = (_detector(1), _detector(2), _detector(3))
_TANK = tuple(
    Tag(
        number=number, name=f"LT-{number}", enterprise="e", measure=Measure.LEVEL, unit="m", range_low=0.0,
        range_high=10.0, limits=Limits(low=2.0), deadband=0.2, period_s=2.0,
    )
    for number in (1, 2)
)  # fmt: skip

KIND = Kind(
    name="vote",
    title=Text(zh="表决", en="Voting"),
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
    figures=FIGURES,
    source="MooN voting as in IEC 61511 and EN 50402; degradation and the 60 s window are project defaults.",
    examples=(
        Example(
            _THREE[0],
            RuleCase(
                name="2oo3: the second detector within 60 s confirms, level by level; votes lapse after 60 s",
                tag="CO-1",
                readings=(
                    (0, 5.0), (0, "CO-2", 5.0), (0, "CO-3", 5.0),
                    (1, 20.0), (2, 5.0), (30, "CO-2", 40.0), (31, 40.0), (32, 5.0), (33, "CO-2", 5.0),
                    (34, "CO-3", 5.0), (60, "CO-2", 5.0), (61, "CO-3", 5.0), (90, 5.0), (91, 5.0), (92, 5.0),
                ),
                expect=((30, "raise", "high"), (31, "rise", "high_high"), (91, "return", "normal")),
            ),
            others=_THREE[1:],
        ),
        Example(
            _THREE[0],
            RuleCase(
                name="2oo3 with one bad member is 1oo2; with the member back, one vote is too few",
                tag="CO-1",
                readings=(
                    (0, 5.0), (0, "CO-2", 5.0), (0, "CO-3", 5.0),
                    (1, 20.0), (2, "CO-3", None, "SENSOR_FAILURE"), (3, 20.0), (4, "CO-3", 5.0),
                ),
                expect=((3, "raise", "high"), (4, "return", "normal")),
            ),
            others=_THREE[1:],
        ),
        Example(
            _TANK[0],
            RuleCase(
                name="2oo2 on the low side",
                tag="LT-1",
                readings=(
                    (0, 5.0), (0, "LT-2", 5.0), (2, 2.0), (2, "LT-2", 2.1), (4, 1.9), (4, "LT-2", 2.0),
                    (6, 2.1), (6, "LT-2", 2.1), (20, 2.1), (20, "LT-2", 2.3),
                ),
                expect=((4, "raise", "low"), (20, "return", "normal")),
            ),
            params={"side": "low", "window_s": 10.0},
            others=_TANK[1:],
        ),
    ),
)  # fmt: skip
