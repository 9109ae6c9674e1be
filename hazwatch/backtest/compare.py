"""Which alarm of one configuration is which of the other.

Two spells are the same alarm when they are of one rule, subject and side and their times overlap. One long spell may so
answer to several short ones. What is left is matched once more by the kind of the rule instead of its name, so that a
rule with a new name is no other rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from hazwatch.backtest.story import Spell
from schemas.time import SECOND


@dataclass(frozen=True, slots=True)
class Match:
    """Spells of OLD and of NEW that are the same alarm; neither is empty."""

    old: tuple[Spell, ...]
    new: tuple[Spell, ...]

    @property
    def shift_s(self) -> float:
        """How much later NEW raised it, in seconds; negative when it was earlier."""
        return (_first(self.new) - _first(self.old)) / SECOND

    @property
    def tiers(self) -> tuple[int, int]:
        """The most urgent tier in OLD and in NEW."""
        return min(spell.tier for spell in self.old), min(spell.tier for spell in self.new)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`missed` are raised by OLD only, `new` by NEW only."""

    matched: tuple[Match, ...]
    missed: tuple[Spell, ...]
    new: tuple[Spell, ...]


def compare(old: Sequence[Spell], new: Sequence[Spell]) -> Comparison:
    """Match the spells of two stories over the same recording."""
    matched, missed, fresh = _matched(old, new, lambda spell: spell.condition)
    more, missed, fresh = _matched(missed, fresh, lambda spell: (spell.kind, *spell.condition[1:]))
    matched = sorted([*matched, *more], key=lambda match: (_first(match.old), match.old[0].condition))
    return Comparison(tuple(matched), tuple(missed), tuple(fresh))


def _matched(
    old: Iterable[Spell], new: Iterable[Spell], key: Callable[[Spell], Hashable]
) -> tuple[list[Match], list[Spell], list[Spell]]:
    groups: dict[Hashable, list[tuple[Spell, bool]]] = defaultdict(list)
    for spells, fresh in ((old, False), (new, True)):
        for spell in spells:
            groups[key(spell)].append((spell, fresh))
    matched: list[Match] = []
    alone: tuple[list[Spell], list[Spell]] = ([], [])
    for group in groups.values():
        for cluster in _clusters(group):
            sides = tuple(tuple(spell for spell, fresh in cluster if fresh is side) for side in (False, True))
            if all(sides):
                matched.append(Match(*sides))
            else:
                alone[bool(sides[1])].extend(spell for spell, _ in cluster)
    for spells in alone:
        spells.sort(key=lambda spell: (spell.begin_ns, spell.condition))
    return matched, *alone


def _clusters(group: list[tuple[Spell, bool]]) -> Iterable[list[tuple[Spell, bool]]]:
    """Those whose times hang together. One that ends when another begins does not overlap it; two that begin at the
    same moment do, however short they are."""
    cluster: list[tuple[Spell, bool]] = []
    latest_ns = 0
    for item in sorted(group, key=lambda item: (item[0].begin_ns, item[0].end_ns)):
        spell = item[0]
        if cluster and (spell.begin_ns < latest_ns or spell.begin_ns == cluster[-1][0].begin_ns):
            cluster.append(item)
            latest_ns = max(latest_ns, spell.end_ns)
        else:
            if cluster:
                yield cluster
            cluster, latest_ns = [item], spell.end_ns
    if cluster:
        yield cluster


def _first(spells: Sequence[Spell]) -> int:
    return min(spell.begin_ns for spell in spells)
