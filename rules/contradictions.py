"""What the rules of a revision say against its tags or against one another, and would be silent about.

`rules.rulebook` checks what each kind needs; this looks at all rules together. What may keep a dangerous thing silent
is a problem, and stands here; what is only doubtful is in `rules.doubts`. Both are pure functions of the revision's
content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import pairwise

import msgspec

from rules.kinds import Kind, Planned, kinds
from rules.rulebook import (
    DEFAULT_RULES,
    WILD,
    CompiledRule,
    Rulebook,
    RuleProblems,
    asked_by,
    compile_rules,
    matches,
    rules_of,
)
from schemas.changes import AlarmClass, Side
from schemas.gases import Gas, gas
from schemas.problems import Problem
from schemas.registry import Limits, Measure, Revision, Rule, Tag
from schemas.setpoints import SIDES
from schemas.units import UnitError, conversion

_OF_RULE = re.compile(r"rules\[(.*?)\]")
_NO_CELLS = Kind.__dataclass_fields__["check_cell"].default
_SHOWN = 4


def judge(revision: Revision) -> tuple[Rulebook | None, tuple[Problem, ...]]:
    """Every problem of the rules with the tags and with one another; and the rulebook of what is sound, None when
    nothing of it could be compiled."""
    book, problems = _compiled(revision)
    across = list(_cells(revision))
    found = [*problems, *_named(revision), *across, *_cases(revision), *_unnoticed(revision)]
    if book is not None:
        found += (p for compiled in book.rules for p in _against_tags(compiled))
        told = {rule[1] for p in across if (rule := _OF_RULE.match(p.path))}
        empty = (compiled for compiled in book.rules if compiled.rule.id not in told)
        found += [p for compiled in empty for p in _watches_nothing(compiled, revision)]
    return book, tuple({str(p): p for p in found}.values())


def _compiled(revision: Revision) -> tuple[Rulebook | None, tuple[Problem, ...]]:
    """The rulebook, without the rules that have problems of their own: the others are to be looked at all the same."""
    try:
        return compile_rules(revision, 0, 1), ()
    except RuleProblems as error:
        problems = error.problems
    faulty = {found[1] for p in problems if (found := _OF_RULE.match(p.path))}
    left = tuple(rule for rule in rules_of(revision) if rule.id not in faulty)
    try:
        return compile_rules(msgspec.structs.replace(revision, rules=left), 0, 1), problems
    except RuleProblems:
        return None, problems


def live(revision: Revision) -> list[Tag]:
    return [tag for tag in revision.tags if not tag.retired]


def names(tags: Iterable[Tag]) -> str:
    """The first few names, and how many more there are."""
    told = list(dict.fromkeys(tag.name for tag in tags))
    more = len(told) - _SHOWN
    return ", ".join(told[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def exact(rule: Rule) -> bool:
    """Whether the rule names its tags one by one."""
    return not any(WILD.search(pattern) for pattern in rule.tags)


def looks_at_several(kind: Kind) -> bool:
    """Whether conditions of the kind may look at several tags of a cell."""
    return kind.check_cell is not _NO_CELLS


# Rules by their names


def _named(revision: Revision) -> Iterator[Problem]:
    """Names and patterns that mean no tag. That no tag at all is asked is told by the rulebook."""
    tags = {tag.name: None for tag in live(revision)}
    for rule in revision.rules:
        meant = {p for p in rule.tags if p in tags or (WILD.search(p) and any(fnmatchcase(n, p) for n in tags))}
        for pattern in rule.tags if meant else ():
            if pattern in meant:
                continue
            path = f"rules[{rule.id}].tags"
            if WILD.search(pattern):
                yield Problem.of(path, f"no tag is called {pattern!r}", "correct the pattern or take it out")
                continue
            close = get_close_matches(pattern, tags, n=1)
            cure = f"did you mean {close[0]!r}?" if close else "correct the name or take it out"
            yield Problem.of(path, f"there is no tag {pattern!r}", cure)


def _cells(revision: Revision) -> Iterator[Problem]:
    """Rules over several tags that name tags of different cells: each cell would be judged by itself."""
    for rule in rules_of(revision):
        kind = kinds().get(rule.kind)
        if kind is None or not looks_at_several(kind) or not exact(rule):
            continue
        asked = asked_by(rule, live(revision))
        cells: dict[str, list[Tag]] = {}
        for tag in asked:
            cells.setdefault(tag.cell_key, []).append(tag)
        lonely = [tags for tags in cells.values() if len(tags) == 1]
        if len(cells) < 2 or not lonely or any(_alone_is_enough(kind, rule, tags, revision) for tags in lonely):
            continue
        where = "; ".join(f"{names(tags)} in {cell!r}" for cell, tags in list(cells.items())[:_SHOWN])
        message = f"kind {kind.name} looks at one cell at a time, but these lie in {len(cells)}: {where}"
        cure = "put them into one cell (column cell of the tag list), or name the tags of one cell only"
        yield Problem.of(f"rules[{rule.id}].tags", message, cure)


def _alone_is_enough(kind: Kind, rule: Rule, tags: Sequence[Tag], revision: Revision) -> bool:
    """Whether the kind can do something with these tags alone, or cannot be asked."""
    try:
        params = kind.bind(msgspec.convert(rule.params, kind.params), revision)
    except msgspec.ValidationError:
        return True
    if any(problem for tag in tags for problem in kind.check(tag, params)):
        return True
    return not any(kind.check_cell(tags, params)) and any(True for _ in kind.plan(tags, params))


def _cases(revision: Revision) -> Iterator[Problem]:
    """A case speaks for the rule beside it only if the rule is asked of its tag."""
    known = {tag.name: tag for tag in live(revision)}
    for rule in revision.rules:
        for number, case in enumerate(rule.case, 1):
            tag = known.get(case.tag)
            if tag is not None and not matches(rule, tag):
                message = f"the rule is not asked of {case.tag!r}, so the case proves nothing"
                yield Problem.of(
                    f"rules[{rule.id}].case[{number}].tag", message, "widen the rule's tags, or take another"
                )


def _unnoticed(revision: Revision) -> Iterator[Problem]:
    """Tags that somebody trusts, whose silence or failure nobody would be told."""
    for kind, message in (
        ("stale", "no rule notices when it falls silent"),
        ("quality", "no rule notices when its data is bad"),
    ):
        counted_on = [tag for tag in live(revision) if trusted(tag)]
        noticed = {t.number for r in rules_of(revision) if r.kind == kind for t in asked_by(r, counted_on)}
        for tag in counted_on:
            if tag.number not in noticed:
                yield Problem.of(f"tags[{tag.name}]", message, f"let a rule of kind {kind} cover it")


def trusted(tag: Tag) -> bool:
    """Whether people count on its alarm: a gas point, or a tag with a limit."""
    return tag.measure is Measure.GAS or tag.limits != Limits()


# Rules by what they watch


def _watches_nothing(compiled: CompiledRule, revision: Revision) -> Iterator[Problem]:
    rule = compiled.rule
    if compiled.watched or rule in DEFAULT_RULES or rule.kind in {r.kind for r in DEFAULT_RULES}:
        return
    asked = asked_by(rule, live(revision))
    if asked:
        message = (
            f"it watches nothing: {names(asked)} {'has' if len(asked) == 1 else 'have'} nothing for kind {rule.kind}"
        )
        cure = "give them the limits or companions that the kind needs (see its page), or take the rule out"
        yield Problem.of(f"rules[{rule.id}]", message, cure)


def _against_tags(compiled: CompiledRule) -> Iterator[Problem]:
    """What a rule's own parameters say against the tags that it watches."""
    rule = compiled.rule
    path = f"rules[{rule.id}].params"
    for watched in compiled.watched:
        plan = watched.plan
        if compiled.kind.alarm_class is AlarmClass.PROCESS:
            yield from _too_late(plan, path)
        yield from _never_clears(rule, plan.tags[0], path)
        yield from _never_reached(rule, plan, path)
        yield from _looser(rule, plan, path)


def _too_late(plan: Planned, path: str) -> Iterator[Problem]:
    if all(level is None or level.early for level in plan.levels):
        return
    for tag in plan.tags:
        if tag.response_s is not None and plan.on_delay_s > max(tag.response_s, tag.on_delay_s):
            message = f"the alarm waits {plan.on_delay_s:g} s, but for {tag.name} people have only {tag.response_s:g} s"
            yield Problem.of(f"{path}.on_delay_s", message, f"{tag.response_s:g} s or less")


def _never_clears(rule: Rule, tag: Tag, path: str) -> Iterator[Problem]:
    """A deadband of the rule as wide as the gap between two limits: the lower alarm would end later than it began."""
    deadband = rule.params.get("deadband")
    if rule.kind != "limits" or not isinstance(deadband, int | float):
        return
    steps = [(s, v) for s in SIDES if (v := getattr(tag.limits, s)) is not None]
    for (name, value), (next_name, next_value) in pairwise(steps):
        if deadband >= next_value - value:
            message = (
                f"{tag.name}: the deadband {deadband:g} is not smaller than the gap between {name} and {next_name}"
            )
            yield Problem.of(f"{path}.deadband", message, f"below {next_value - value:g} {tag.unit}")


def _never_reached(rule: Rule, plan: Planned, path: str) -> Iterator[Problem]:
    """A rate or difference that the measuring range leaves no room for."""
    tag = plan.tags[0]
    if tag.range_low is None or tag.range_high is None:
        return
    span = tag.range_high - tag.range_low
    if rule.kind == "rate":
        # the least-squares slope of a window is steepest for a step in its middle: 1.5 spans in a window
        steepest = 1.5 * span * 60e9 / plan.values["window"]
        field = "rise_per_min" if plan.side is Side.HIGH else "fall_per_min"
        if plan.values["limit"] > steepest:
            message = (
                f"{tag.name} cannot change by {plan.values['limit']:.4g} {tag.unit}/min: its whole range within the"
            )
            message += f" window is {steepest:.4g}"
            yield Problem.of(f"{path}.{field}", message, "a smaller rate or a shorter window")
    elif rule.kind == "deviation" and len(plan.tags) > 1:
        for level in plan.levels:
            if level is not None and level.limit is not None and abs(level.limit) > span:
                message = (
                    f"{tag.name} spans {span:g} {tag.unit}, so a deviation of {abs(level.limit):g} is never reached"
                )
                yield Problem.of(f"{path}.{level.name}", message, "a smaller deviation")


_TABLES: Mapping[str, tuple[str, str]] = {
    "stel": ("pc_stel_mg_m3", "short-term limit (PC-STEL)"),
    "twa": ("pc_twa_mg_m3", "8-hour limit (PC-TWA)"),
    "excursion": ("pc_twa_mg_m3", "8-hour limit (PC-TWA)"),
    "mixture": ("oel_mg_m3", "occupational limit"),
}


def _looser(rule: Rule, plan: Planned, path: str) -> Iterator[Problem]:
    """An exposure limit of the rule's own that is above the table's; the tag may give the reason."""
    if rule.kind not in _TABLES or plan.side is not Side.HIGH:
        return
    field, called = _TABLES[rule.kind]
    for tag in plan.tags:
        facts = gas(tag.cas)
        own = _own_limit(rule, tag)
        if facts is None or own is None or tag.limit_reason:
            continue
        listed = _listed(facts, field, tag)
        if listed is not None and own > listed * 1.001:
            name = "limits" if rule.kind == "mixture" else "limit"
            message = (
                f"{own:.4g} {tag.unit} for {tag.name} is looser than the {called} of {facts.formula} ({listed:.4g})"
            )
            yield Problem.of(f"{path}.{name}", message, "lower it, or give the reason in limit_reason of the tag")


def _own_limit(rule: Rule, tag: Tag) -> float | None:
    """The limit that the rule gives for the tag, in the tag's unit."""
    limit, unit = rule.params.get("limit"), rule.params.get("limit_unit", "")
    if rule.kind == "mixture":
        of = [str(text).partition("=") for text in _texts(rule.params.get("limits"))]
        rest = next((rest.strip() for cas, _, rest in of if cas.strip() == tag.cas), "")
        number, _, unit = rest.partition(" ")
        limit = float(number) if number else None
    if not isinstance(limit, int | float):
        return None
    try:
        return conversion(str(unit).strip() or tag.unit, tag.unit, tag.cas)(float(limit))
    except UnitError:
        return None


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _listed(facts: Gas, field: str, tag: Tag) -> float | None:
    value = getattr(facts, field)
    try:
        return None if value is None else conversion("mg/m3", tag.unit, tag.cas)(value)
    except UnitError:
        return None
