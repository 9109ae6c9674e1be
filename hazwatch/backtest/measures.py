"""The load that a configuration puts on those who listen, in the measures of ISA-18.2 / IEC 62682 / EEMUA 191.

An alarm counts whenever it calls: raised, raised again, or risen to a higher level. Where no number can be had of so
short a recording there is None.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hazwatch.backtest.intervals import total, union
from hazwatch.backtest.story import Call, Condition, Span, Spell, Story
from schemas.time import DAY, HOUR, MINUTE, SECOND

FLOOD_SPAN = 10 * MINUTE
FLOOD_MOST = 10
"""More alarms than these in one span of ten minutes are more than a person can work off."""

CHATTER_RAISES = 3
CHATTER_WITHIN = 60 * SECOND
LONG = DAY
"""What stands longer says nothing any more (a stale alarm)."""

SHORTEST = HOUR
"""Of a shorter recording no alarms per day are given."""

POSITIONS = ("park", "enterprise", "hazard_source")


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`flood` is the share of the 10-minute spans with more than 10 alarms, by operator position, `most_in_span` the
    most alarms of one span; `chattering` the bursts of a condition, `chattering_raised` the alarms in them. The
    standing time of alarms that stand together adds up in `standing_s`; `standing_share` is that of the recording in
    which any stands. In a difference every number is NEW less OLD."""

    raised: int
    per_day: float | None
    by_tier: dict[str, int]
    by_rule: dict[str, int]
    by_tag: dict[str, int]
    flood: dict[str, float]
    most_in_span: dict[str, int]
    chattering: dict[str, int]
    chattering_raised: int
    standing_s: float
    standing_by_tag: dict[str, float]
    standing_share: float
    longest_s: float
    over_24_h: int


def load(story: Story, position: str = POSITIONS[0]) -> Load:
    """The measures of a story; `position` says whose alarms come to one operator."""
    bursts = chattering(story.calls)
    longest = max((spell.length_ns for spell in story.spells), default=0)
    by_position = spans(story.calls, position)
    count = _spans_in(story.span)
    together = union((spell.begin_ns, spell.end_ns) for spell in story.spells)
    return Load(
        raised=len(story.calls),
        per_day=len(story.calls) * DAY / story.span.length_ns if story.span.length_ns >= SHORTEST else None,
        by_tier=_counts(str(call.tier) for call in story.calls),
        by_rule=_counts(call.condition.rule for call in story.calls),
        by_tag=_counts(call.condition.subject for call in story.calls),
        flood={where: sum(n > FLOOD_MOST for n in found.values()) / count for where, found in by_position.items()},
        most_in_span={where: max(found.values()) for where, found in by_position.items()},
        chattering={str(condition): len(runs) for condition, runs in bursts.items()},
        chattering_raised=sum(len(run) for runs in bursts.values() for run in runs),
        standing_s=sum(spell.length_ns for spell in story.spells) / SECOND,
        standing_by_tag=_standing(story.spells),
        standing_share=total(together) / story.span.length_ns if story.span.length_ns else 0.0,
        longest_s=longest / SECOND,
        over_24_h=sum(spell.length_ns > LONG for spell in story.spells),
    )


def spans(calls: Iterable[Call], position: str) -> dict[str, Counter[int]]:
    """How many alarms came to each operator position in each ten minutes of the clock, counted from 1970."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for call in calls:
        found[getattr(call.place, position) or "-"][call.at_ns // FLOOD_SPAN] += 1
    return dict(sorted(found.items()))


def chattering(calls: Iterable[Call]) -> dict[Condition, list[list[int]]]:
    """The bursts of each condition that chatters, as the times of their calls.

    It chatters while one of its levels is crossed upwards 3 times or more within 60 s. A quick climb through several
    levels crosses each of them once.
    """
    times: dict[tuple[Condition, int], list[int]] = defaultdict(list)
    for call in calls:
        for level in call.crossed:
            times[call.condition, level].append(call.at_ns)
    marked: dict[Condition, Counter[int]] = defaultdict(Counter)
    for (condition, _), found in times.items():
        marked[condition] |= Counter(frequent(found))  # a call that crosses two levels is still one
    return {condition: runs(sorted(found.elements())) for condition, found in sorted(marked.items()) if found}


def frequent(times: Sequence[int]) -> list[int]:
    """The times (ns) that have two others with them within a minute; `times` are sorted."""
    keep = [False] * len(times)
    for i in range(len(times) - CHATTER_RAISES + 1):
        last = i + CHATTER_RAISES - 1
        if times[last] - times[i] <= CHATTER_WITHIN:
            keep[i : last + 1] = [True] * CHATTER_RAISES
    return [at for at, kept in zip(times, keep, strict=True) if kept]


def runs(times: Sequence[int]) -> list[list[int]]:
    """The times in groups with more than a minute between them."""
    runs: list[list[int]] = []
    for at in times:
        if runs and at - runs[-1][-1] <= CHATTER_WITHIN:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def difference(old: Load, new: Load) -> Load:
    """NEW less OLD, number by number; what only one of them has is 0 in the other."""
    changes = {name: _less(getattr(old, name), getattr(new, name)) for name in Load.__struct_fields__}
    return Load(**changes)


def _less(old: object, new: object) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {key: new.get(key, 0) - old.get(key, 0) for key in sorted(old.keys() | new.keys())}
    if isinstance(old, int | float) and isinstance(new, int | float):
        return new - old
    return None


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _standing(spells: Iterable[Spell]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for spell in spells:
        found[spell.condition.subject] += spell.length_ns / SECOND
    return dict(sorted(found.items()))


def _spans_in(span: Span) -> int:
    return span.end_ns // FLOOD_SPAN - span.begin_ns // FLOOD_SPAN + 1
