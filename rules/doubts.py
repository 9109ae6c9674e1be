"""What is allowed in the rules of a revision but deserves a look: a pure function of its content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

from rules.contradictions import exact, live, looks_at_several, names, trusted
from rules.kinds import Kind
from rules.rulebook import CompiledRule, Rulebook, Watched, asked_by, rules_of
from schemas.advice import LONGEST_GAS_DELAY_S
from schemas.changes import AlarmClass
from schemas.problems import Problem
from schemas.registry import Measure, Revision, Rule, Tag
from schemas.tiers import COLOURS, GasClass, tier_of

SILENT_S = 100.0
"""A gas point that is silent for longer should have been told: the time in which fault signals of detectors are due."""
PROMPT_S = 10.0


def doubts(revision: Revision, book: Rulebook) -> Iterator[Problem]:
    """What an engineer would look at again, in the order of the rules, then of the tags."""
    for compiled in book.rules:
        yield from _unwatched(compiled, revision)
        yield from _delays(compiled)
        yield from _warm_ups(compiled)
        yield from _milder(compiled)
    yield from _twice(book, {rule.id for rule in revision.rules})
    yield from _silences(revision)


def _unwatched(compiled: CompiledRule, revision: Revision) -> Iterator[Problem]:
    """Tags that a rule is asked of and does nothing for, where somebody may believe that it does."""
    rule, kind = compiled.rule, compiled.kind
    if not compiled.watched or rule.kind in ("limits", "stale", "quality"):
        return
    watched = {tag.number for w in compiled.watched for tag in w.plan.tags}
    asked = [tag for tag in asked_by(rule, live(revision)) if tag.number not in watched]
    if exact(rule) and asked:
        message = f"it names {names(asked)}, but has nothing to watch there"
        yield Problem.of(f"rules[{rule.id}].tags", message, "give them what the kind needs, or take them out")
    elif looks_at_several(kind) and asked:
        message = f"kind {kind.name} needs companions in the same cell, which {names(asked)} "
        message += "does not have" if len(asked) == 1 else "do not have"
        yield Problem.of(f"rules[{rule.id}].tags", message, "one cell for what belongs together, or narrow the rule")


def _delays(compiled: CompiledRule) -> Iterator[Problem]:
    if compiled.rule.kind != "limits":
        return
    late = [w.tag for w in compiled.watched if w.tag.measure is Measure.GAS and _own_delay(w) > LONGEST_GAS_DELAY_S]
    if late:
        longest = max(w.plan.on_delay_s for w in compiled.watched)
        path = f"rules[{compiled.rule.id}].params.on_delay_s"
        yield Problem.of(path, f"gas alarms of {names(late)} wait {longest:g} s", f"{LONGEST_GAS_DELAY_S:g} s or less")


def _warm_ups(compiled: CompiledRule) -> Iterator[Problem]:
    """Gas points that are taken for cold after a silence: for so long the first limit is a warning only."""
    warm_s = compiled.rule.params.get("warm_up_s")
    if not isinstance(warm_s, int | float) or not warm_s > LONGEST_GAS_DELAY_S:
        return
    gas = list({w.tag.number: w.tag for w in compiled.watched if w.tag.measure is Measure.GAS}.values())
    if gas:
        silent_s = min(tag.stale_s for tag in gas)
        path = f"rules[{compiled.rule.id}].params.warm_up_s"
        message = f"after {silent_s:g} s of silence first-level gas alarms of {names(gas)} wait up to {warm_s:g} s"
        yield Problem.of(path, message, "the shortest time that the detector's manual asks for, and a longer stale_s")


def _own_delay(watched: Watched) -> float:
    """The on-delay that the rule gives beside the tag's own."""
    return watched.plan.on_delay_s if watched.plan.on_delay_s != watched.tag.on_delay_s else 0.0


def _milder(compiled: CompiledRule) -> Iterator[Problem]:
    """A tier of the rule's own that is less urgent than the table would have it for a toxic gas or lack of oxygen."""
    rule = compiled.rule
    if not rule.tier or compiled.kind.alarm_class is not AlarmClass.PROCESS:
        return
    for watched in compiled.watched:
        if watched.gas not in (GasClass.TOXIC, GasClass.OXYGEN):
            continue
        for number, level in enumerate(watched.plan.levels, 1):
            if level is None or level.early:
                continue
            usual = tier_of(AlarmClass.PROCESS, number, watched.gas, watched.place.grade)
            if rule.tier > usual:
                message = (
                    f"level {number} of {watched.tag.name} would be tier {usual} ({COLOURS[usual]}); the rule makes "
                )
                message += f"it tier {rule.tier} ({COLOURS.get(rule.tier, '?')})"
                yield Problem.of(f"rules[{rule.id}].tier", message, "leave tier out, unless it is meant so")
                return


class _Same(NamedTuple):
    """What two conditions have in common when one tells what the other tells."""

    kind: str
    tags: tuple[int, ...]
    side: str
    levels: tuple[tuple[str, float | None], ...]


def _twice(book: Rulebook, written: Collection[str]) -> Iterator[Problem]:
    """Two rules of a kind that watch the same side of the same tags for the same levels: every alarm comes twice."""
    found: dict[_Same, list[tuple[CompiledRule, Watched]]] = defaultdict(list)
    for compiled in book.rules:
        for watched in compiled.watched:
            found[_same(compiled.kind, watched)].append((compiled, watched))
    pairs: dict[tuple[str, str], list[Watched]] = defaultdict(list)
    rule_of: dict[str, Rule] = {}
    for several in found.values():
        (first, _), *others = several
        for other, watched in others:
            if _numberless(watched) and dict(first.rule.params) != dict(other.rule.params):
                continue  # without a level's number only equal parameters say that it is the same
            pairs[first.rule.id, other.rule.id].append(watched)
            rule_of |= {first.rule.id: first.rule, other.rule.id: other.rule}
    for (one, two), twice in pairs.items():
        here, before = (two, one) if two in written else (one, two)
        sides = " and ".join(dict.fromkeys(str(w.plan.side) for w in twice))
        message = f"rule {before!r} of the same kind watches {names(w.tag for w in twice)} ({sides}) for the same"
        if rule_of[one].params != rule_of[two].params:
            message += ", with other parameters"
        cure = "every alarm would come twice: narrow the tags of one of them"
        if before not in written:
            cure += f", or give this one the id {before!r} to replace the default"
        yield Problem.of(f"rules[{here}].tags", message, cure)


def _same(kind: Kind, watched: Watched) -> _Same:
    plan = watched.plan
    levels = tuple((level.name, level.limit) for level in plan.levels if level is not None)
    return _Same(kind.name, tuple(tag.number for tag in plan.tags), str(plan.side), levels)


def _numberless(watched: Watched) -> bool:
    return all(level is None or level.limit is None for level in watched.plan.levels)


def _silences(revision: Revision) -> Iterator[Problem]:
    """Tags whose silence is told late, or not at all where nobody counts on them."""
    tags = live(revision)
    asking: dict[int, list[Rule]] = defaultdict(list)
    for rule in rules_of(revision):
        if rule.kind == "stale":
            for tag in asked_by(rule, tags):
                asking[tag.number].append(rule)
    for tag in tags:
        path = f"tags[{tag.name}]"
        asked = asking[tag.number]
        if not asked and not trusted(tag):
            yield Problem.of(path, "no rule notices when it falls silent", "let a rule of kind stale cover it")
        elif asked and trusted(tag):
            yield from _told_late(tag, min(_silence_s(rule, tag) for rule in asked), path)


def _silence_s(rule: Rule, tag: Tag) -> float:
    own = rule.params.get("stale_s")
    return float(own) if isinstance(own, int | float) else tag.stale_s


def _told_late(tag: Tag, silence_s: float, path: str) -> Iterator[Problem]:
    if tag.response_s is not None and silence_s > tag.response_s:
        message = f"its silence is told after {silence_s:g} s, but people have only {tag.response_s:g} s to respond"
        yield Problem.of(f"{path}.stale_s", message, "read it more often, or shorten the time")
    elif tag.measure is Measure.GAS and tag.period_s <= PROMPT_S and silence_s > SILENT_S:
        message = f"the silence of a gas point is told only after {silence_s:g} s"
        yield Problem.of(f"{path}.stale_s", message, f"{SILENT_S:g} s or less")
