"""What a new revision does to the conditions that are watched, as the rules are compiled.

This tells what no single field does: a pattern that no longer meets a tag, a delay that a rule sets for all its tags, a
tier that follows from the grade of a hazard source. What a changed limit or delay of the tag itself explains is not
said again, nor what comes and goes with a whole tag or rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from hazwatch.revisions.strictness import Strictness, greater_is_less, limit, smaller_is_less
from rules.kinds import kinds
from rules.rulebook import CompiledRule, RuleProblems, Watched, compile_rules, rules_of
from schemas.changes import Side
from schemas.registry import Revision, Rule, Tag
from schemas.setpoints import SIDES
from schemas.text import Text
from schemas.tiers import tier_of
from schemas.time import SECOND

SILENCE = "stale"
"""How a kind that judges silence calls the shortest one among its numbers, in ns."""
FACTOR = "factor"
"""How a kind calls what it multiplies an index with; it may follow from the grade of a hazard source."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The same thing happening to conditions of one rule and side. `level` is empty when it is about all levels; `old`
    and `new` are None where there is no number. `subjects` are the tags."""

    effect: str
    title: Text
    rule: str
    side: str
    level: str
    old: float | None
    new: float | None
    unit: str
    strictness: Strictness
    subjects: tuple[str, ...]


class _Level(NamedTuple):
    name: str
    limit: float | None
    tier: int


@dataclass(frozen=True, slots=True)
class _Condition:
    tag: Tag
    side: Side
    unit: str
    on_delay_s: float
    silence_s: float | None
    levels: Mapping[int, _Level]
    factor: float | None
    looked_at: frozenset[str]


_TITLES = {
    "unwatched": Text(zh="不再监视", en="no longer watched"),
    "watched": Text(zh="开始监视", en="watched from now on"),
    "not_looked_at": Text(zh="不再参与判断", en="no longer looked at"),
    "level_gone": Text(zh="取消该级报警", en="level no longer reached"),
    "level_new": Text(zh="新增该级报警", en="level can be reached now"),
    "limit": Text(zh="限值", en="limit"),
    "unit": Text(zh="单位", en="judged in another unit"),
    "tier": Text(zh="级别", en="tier"),
    "factor": Text(zh="指数系数", en="factor of the index"),
    "on_delay_s": Text(zh="报警延时", en="on-delay"),
    "stale_s": Text(zh="失联时间", en="silence that is a fault"),
    "unknown": Text(zh="无法比较规则", en="the rules of one side cannot be compiled"),
}
_Key = tuple[str, str, str]
_Found = tuple[str, str, float | None, float | None, str, Strictness]
"""(effect, level, old, new, unit, strictness)."""


def effects(old: Revision, new: Revision) -> Iterator[Effect]:
    """The effects, those of one kind gathered, in the order of rules."""
    try:
        before, after = _conditions(old), _conditions(new)
    except RuleProblems:
        yield _effect(("", "", ("unknown", "", None, None, "", Strictness.UNCLEAR)), ())
        return
    tags = [{tag.name: tag for tag in one.tags if not tag.retired} for one in (old, new)]
    rules = {rule.id: rule for rule in rules_of(old)}
    kept = {rule.id: _moved(rules[rule.id], rule) for rule in rules_of(new) if rule.id in rules}
    gathered: dict[tuple[str, str, _Found], list[str]] = defaultdict(list)
    for key in sorted(before.keys() | after.keys()):
        rule, subject, side = key
        mine = before.get(key) or after[key]
        if rule not in kept or mine.tag.name not in tags[0] or mine.tag.name not in tags[1]:
            continue
        told = _Told(tags[0][mine.tag.name], tags[1][mine.tag.name], kept[rule])
        for found in _between(before.get(key), after.get(key), told):
            gathered[rule, side, found].append(subject)
    for rule, side, name in _left_out(before, after, tags[0].keys() & tags[1].keys()):
        if rule in kept:
            gathered[rule, side, ("not_looked_at", "", None, None, "", Strictness.LESS)].append(name)
    for group, subjects in gathered.items():
        yield _effect(group, tuple(subjects))


def _left_out(
    before: Mapping[_Key, _Condition], after: Mapping[_Key, _Condition], tags: Collection[str]
) -> Iterator[_Key]:
    """The tags that a rule looked at beside the one that gives its condition a place, and does not look at any more:
    one vote less, one point less in an index."""
    still = {(rule, side, name) for (rule, _, side), one in after.items() for name in one.looked_at}
    lost = {
        (rule, side, name)
        for (rule, subject, side), one in before.items()
        for name in one.looked_at & set(tags)
        if name != subject
    }
    yield from sorted(lost - still - {(rule, side, subject) for rule, subject, side in before})


def _effect(group: tuple[str, str, _Found], subjects: tuple[str, ...]) -> Effect:
    rule, side, (effect, level, old, new, unit, strictness) = group
    return Effect(
        effect=effect,
        title=_TITLES[effect],
        rule=rule,
        side=side,
        level=level,
        old=old,
        new=new,
        unit=unit,
        strictness=strictness,
        subjects=subjects,
    )


def _moved(old: Rule, new: Rule) -> list[tuple[Any, Any]]:
    """The parameters that a rule gives all its tags before and after, where they differ."""
    before, after = params_of(old), params_of(new)
    pairs = [(before[name], after[name]) for name in before.keys() & after.keys()]
    return [(a, b) for a, b in pairs if a != b and a is not None and b is not None]


class _Told:
    """What the changed fields of a tag and the changed parameters of the rule say already."""

    def __init__(self, old: Tag, new: Tag, moved: Sequence[tuple[Any, Any]]) -> None:
        self._moved = moved
        limits = [(getattr(old.limits, side), getattr(new.limits, side)) for side in SIDES]
        self._limits = {pair for pair in limits if pair[0] != pair[1]}
        self._delay = (old.on_delay_s, new.on_delay_s)
        self._unit = old.unit != new.unit
        self._stale = (old.stale_s, new.stale_s)

    def limit(self, old: float | None, new: float | None) -> bool:
        return (old, new) in self._limits or (old, new) in self._moved or self._unit

    def gone(self, limit: float | None) -> bool:
        return (limit, None) in self._limits

    def come(self, limit: float | None) -> bool:
        return (None, limit) in self._limits

    def delay(self, old: float, new: float) -> bool:
        return (old, new) == self._delay or (old, new) in self._moved

    def silence(self, old: float | None, new: float | None) -> bool:
        return (old, new) == self._stale or (old, new) in self._moved


def _between(old: _Condition | None, new: _Condition | None, told: _Told) -> Iterator[_Found]:
    if new is None:
        assert old is not None
        if not any(told.gone(level.limit) for level in old.levels.values()):
            yield "unwatched", "", None, None, "", Strictness.LESS
        return
    if old is None:
        if not any(told.come(level.limit) for level in new.levels.values()):
            yield "watched", "", None, None, "", Strictness.STRICTER
        return
    if old.on_delay_s != new.on_delay_s and not told.delay(old.on_delay_s, new.on_delay_s):
        verdict = greater_is_less(old.on_delay_s, new.on_delay_s)
        yield "on_delay_s", "", old.on_delay_s, new.on_delay_s, "s", verdict
    if old.silence_s != new.silence_s and not told.silence(old.silence_s, new.silence_s):
        yield "stale_s", "", old.silence_s, new.silence_s, "s", greater_is_less(old.silence_s, new.silence_s)
    if old.factor != new.factor:
        yield "factor", "", old.factor, new.factor, "", smaller_is_less(old.factor, new.factor)
    for place in sorted(old.levels.keys() | new.levels.keys()):
        yield from _level(old.levels.get(place), new.levels.get(place), old, new, told)


def _level(a: _Level | None, b: _Level | None, old: _Condition, new: _Condition, told: _Told) -> Iterator[_Found]:
    if b is None:
        assert a is not None
        if not told.gone(a.limit):
            yield "level_gone", a.name, a.limit, None, old.unit, Strictness.LESS
        return
    if a is None:
        if not told.come(b.limit):
            yield "level_new", b.name, None, b.limit, new.unit, Strictness.STRICTER
        return
    if a.limit != b.limit and not told.limit(a.limit, b.limit):
        if old.unit == new.unit:
            yield "limit", b.name, a.limit, b.limit, new.unit, limit(new.side)(a.limit, b.limit)
        else:
            yield "unit", b.name, a.limit, b.limit, new.unit, Strictness.UNCLEAR
    if a.tier != b.tier:
        yield "tier", b.name, float(a.tier), float(b.tier), "", greater_is_less(a.tier, b.tier)


def params_of(rule: Rule) -> Mapping[str, Any]:
    """The parameters of a rule with the defaults of the kind; as they are written where the kind does not take them."""
    kind = kinds().get(rule.kind)
    if kind is None:
        return rule.params
    try:
        found = msgspec.convert(rule.params, kind.params)
    except msgspec.ValidationError:
        return rule.params
    return {name: getattr(found, name) for name in found.__struct_fields__}


def _conditions(revision: Revision) -> dict[_Key, _Condition]:
    book = compile_rules(revision, 0, 1)
    return {
        (compiled.rule.id, watched.tag.name, str(watched.plan.side)): _condition(compiled, watched, place)
        for compiled in book.rules
        for place, watched in enumerate(compiled.watched)
    }


def _condition(compiled: CompiledRule, watched: Watched, place: int) -> _Condition:
    kind, plan, rule = compiled.kind, watched.plan, compiled.rule
    levels = {
        number: _Level(
            level.name,
            level.limit,
            rule.tier
            or level.tier
            or tier_of(kind.alarm_class, number, watched.gas, watched.place.grade, early=level.early),
        )
        for number, level in enumerate(plan.levels, 1)
        if level is not None
    }
    silence = plan.values.get(SILENCE)
    return _Condition(
        tag=watched.tag,
        side=plan.side,
        unit=kind.unit(plan),
        on_delay_s=int(compiled.setup["on_delay"][place]) / SECOND,
        silence_s=silence / SECOND if isinstance(silence, int | float) else None,  # a group has one for each member
        levels=levels,
        factor=plan.values.get(FACTOR),
        looked_at=frozenset(tag.name for tag in plan.tags),
    )
