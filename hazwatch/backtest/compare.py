"""Which alarm of one configuration is which of the other.

What comes again within a minute of its return is still the same episode, so that a chattering alarm is compared as one.
Two episodes are the same alarm when they are of one rule, subject and side and their times overlap; a long one may so
answer to several short ones. What is left is matched once more by the kind of the rule instead of its name, so that a
rule with a new name is no other rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hazwatch.backtest.measures import CHATTER_WITHIN
from hazwatch.backtest.story import Spell
from schemas.time import SECOND


@dataclass(frozen=True, slots=True)
class Episode:
    """Spells of one condition with no more than a minute between them; at least one."""

    spells: tuple[Spell, ...]

    @property
    def begin_ns(self) -> int:
        return self.spells[0].begin_ns

    @property
    def end_ns(self) -> int:
        return self.spells[-1].end_ns

    @property
    def worst(self) -> Spell:
        """The most urgent of them, the first of those."""
        return min(self.spells, key=lambda spell: spell.tier)


@dataclass(frozen=True, slots=True)
class Match:
    """Spells of OLD and of NEW that are the same alarm; neither is empty."""

    old: tuple[Spell, ...]
    new: tuple[Spell, ...]

    @property
    def shift_s(self) -> float:
        """How much later NEW raised it, in seconds; negative when it was earlier."""
        return (self.new[0].begin_ns - self.old[0].begin_ns) / SECOND

    @property
    def tiers(self) -> tuple[int, int]:
        """The most urgent tier in OLD and in NEW."""
        return min(spell.tier for spell in self.old), min(spell.tier for spell in self.new)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`missed` are raised by OLD only, `new` by NEW only."""

    matched: tuple[Match, ...]
    missed: tuple[Episode, ...]
    new: tuple[Episode, ...]


def compare(old: Iterable[Spell], new: Iterable[Spell]) -> Comparison:
    """Match the spells of two stories over the same recording; each comes in the order of time."""
    matched, missed, fresh = _matched(_episodes(old), _episodes(new), lambda spell: spell.condition)
    more, missed, fresh = _matched(missed, fresh, lambda spell: (spell.kind, *spell.condition[1:]))
    matched = sorted([*matched, *more], key=lambda match: (match.old[0].begin_ns, match.old[0].condition))
    return Comparison(tuple(matched), tuple(missed), tuple(fresh))


def _episodes(spells: Iterable[Spell]) -> list[Episode]:
    going: dict[Hashable, list[Spell]] = {}
    ended: list[Episode] = []
    for spell in spells:
        held = going.setdefault(spell.condition, [])
        if held and spell.begin_ns - held[-1].end_ns > CHATTER_WITHIN:
            ended.append(Episode(tuple(held)))
            held.clear()
        held.append(spell)
    return [*ended, *(Episode(tuple(held)) for held in going.values())]


def _matched(
    old: Iterable[Episode], new: Iterable[Episode], key: Callable[[Spell], Hashable]
) -> tuple[list[Match], list[Episode], list[Episode]]:
    groups: dict[Hashable, list[tuple[Episode, bool]]] = defaultdict(list)
    for episodes, fresh in ((old, False), (new, True)):
        for episode in episodes:
            groups[key(episode.spells[0])].append((episode, fresh))
    matched: list[Match] = []
    alone: tuple[list[Episode], list[Episode]] = ([], [])
    for group in groups.values():
        for cluster in _clusters(group):
            sides = [[episode for episode, fresh in cluster if fresh is side] for side in (False, True)]
            if all(sides):
                matched.append(Match(*(tuple(_spells(side)) for side in sides)))
            else:
                for of, episodes in zip(alone, sides, strict=True):
                    of.extend(episodes)
    for episodes in alone:
        episodes.sort(key=lambda episode: (episode.begin_ns, episode.spells[0].condition))
    return matched, *alone


def _clusters(group: list[tuple[Episode, bool]]) -> Iterator[list[tuple[Episode, bool]]]:
    """Those whose times hang together. One that ends when another begins does not overlap it; two that begin at the
    same moment do, however short they are."""
    cluster: list[tuple[Episode, bool]] = []
    latest_ns = 0
    for item in sorted(group, key=lambda item: (item[0].begin_ns, item[0].end_ns)):
        episode = item[0]
        if cluster and not (episode.begin_ns < latest_ns or episode.begin_ns == cluster[-1][0].begin_ns):
            yield cluster
            cluster, latest_ns = [], 0
        cluster.append(item)
        latest_ns = max(latest_ns, episode.end_ns)
    if cluster:
        yield cluster


def _spells(episodes: Sequence[Episode]) -> list[Spell]:
    return sorted((s for episode in episodes for s in episode.spells), key=lambda s: (s.begin_ns, s.end_ns))
