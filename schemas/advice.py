"""What is allowed in a revision but deserves a look: a pure function of its content, beside `schemas.checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase

from schemas.changes import AlarmClass
from schemas.checks import TIERS
from schemas.gases import gas
from schemas.problems import Problem
from schemas.registry import Measure, Revision, Route, Rule, Tag
from schemas.setpoints import SIDES

LONGEST_GAS_DELAY_S = 3.0


def matches(rule: Rule, tag: Tag) -> bool:
    """Whether the rule is asked of this tag: a pattern fits its name, or names its measure."""
    return any(fnmatchcase(tag.name, pattern) or pattern == tag.measure for pattern in rule.tags)


def advice(revision: Revision, *, stale_kind: str = "stale") -> tuple[Problem, ...]:
    """What is allowed but deserves a look, in the order of the content."""
    return (*_tag_advice(revision, stale_kind), *_route_advice(revision), *_rule_advice(revision))


def _tag_advice(revision: Revision, stale_kind: str) -> Iterator[Problem]:
    stale = [r for r in revision.rules if r.kind == stale_kind]
    spelled = Counter(t.name.casefold() for t in revision.tags if not t.retired)
    for tag in revision.tags:
        if tag.retired:
            continue
        path = f"tags[{tag.name}]"
        if spelled[tag.name.casefold()] > 1:
            yield Problem.of(f"{path}.name", "differs from another name only in capitals", "people will mix them up")
        if not any(matches(rule, tag) for rule in stale):
            yield Problem.of(path, "no rule notices when it falls silent", f"let a rule of kind {stale_kind} cover it")
        if tag.measure is Measure.GAS:
            yield from _gas_advice(tag, path)
        if _limited(tag) and not tag.action:
            yield Problem.of(f"{path}.action", "an alarm without an action", "say what the operator does")


def _gas_advice(tag: Tag, path: str) -> Iterator[Problem]:
    if not _limited(tag):
        yield Problem.of(
            f"{path}.high", "a gas point without a limit never alarms", "give limits or a profile that has them"
        )
    elif tag.profile == "none" and not tag.limit_reason:
        yield Problem.of(
            f"{path}.profile", "its limits are measured against nothing", "gb50493, or say why in limit_reason"
        )
    if tag.cas and gas(tag.cas) is None:
        yield Problem.of(
            f"{path}.cas", f"{tag.cas} is not in the table of gases", "it counts as toxic; no unit is converted"
        )
    if tag.on_delay_s > LONGEST_GAS_DELAY_S:
        yield Problem.of(f"{path}.on_delay_s", f"a gas alarm waits {tag.on_delay_s:g} s", "3 s or less")
    if tag.range_high is None:
        yield Problem.of(f"{path}.range_high", "without a range nobody knows when it is over range", "give the range")


def _limited(tag: Tag) -> bool:
    return any(getattr(tag.limits, s) is not None for s in SIDES)


def _route_advice(revision: Revision) -> Iterator[Problem]:
    """Tiers that no route carries to anybody, per enterprise (hazard sources and parks inside of it count too)."""
    park_of = {e.id: e.park for e in revision.enterprises}
    in_use = sorted({t.enterprise for t in revision.tags if not t.retired and t.enterprise in park_of})
    for enterprise in in_use:
        reached: set[int] = set()
        for route in revision.routes:
            if _carries(route, enterprise, park_of[enterprise]):
                reached.update(route.tiers or TIERS)
        missing = [str(t) for t in TIERS if t not in reached]
        if missing:
            message = f"nobody is told of its alarms of tier {', '.join(missing)}"
            yield Problem.of(f"enterprises[{enterprise}]", message, "they stand on the screen only: add a [[route]]")


def _carries(route: Route, enterprise: str, park: str) -> bool:
    whole = not route.hazard_sources and not route.route_classes and "raise" in route.on
    process = not route.classes or AlarmClass.PROCESS in route.classes
    here = (not route.enterprises or enterprise in route.enterprises) and (not route.parks or park in route.parks)
    return whole and process and here


def _rule_advice(revision: Revision) -> Iterator[Problem]:
    live = [t for t in revision.tags if not t.retired]
    for rule in revision.rules:
        if rule.tags and live and not any(matches(rule, tag) for tag in live):
            yield Problem.of(f"rules[{rule.id}].tags", "it fits no tag", "patterns are matched with names and measures")
