"""The rules of one partition, compiled from a revision: who watches what, with which numbers.

`compile_rules` is a pure function of the revision's content, so every fold that reads it gets the same rulebook. All
problems of all rules are reported at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rules import machine
from rules.admission import lateness_s
from rules.kinds import Kind, Planned, kinds
from schemas.changes import Guidance, Place
from schemas.gases import gas_class
from schemas.partitioning import partition_of
from schemas.problems import Problem
from schemas.registry import Revision, Rule, Tag
from schemas.tiers import GasClass
from schemas.time import seconds

DEFAULT_RULES = tuple(Rule(id=name, kind=name) for name in ("limits", "stale", "quality"))
"""What every tag is asked unless the configuration has a rule of the same id."""
LIMITING = ("limits", "limits_by_state")
"""The kinds that watch the limits of the tag list."""
MOST = 1e15
LONGEST_S = 1e9
"""No parameter is larger, and no time among them longer (31 years): what is larger passes 64 bits when it is added."""
WILD = re.compile(r"[*?\[]")
"""What makes a pattern of a name."""
RESERVED = ("clock", "link", "record", "rule")
"""Rule ids under which the fold speaks of itself (`rules.faults`)."""


class RuleProblems(ValueError):
    """Rules that cannot be followed: all problems, a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Watched:
    """A condition of a rule, with all that its changes carry besides the numbers of the moment."""

    plan: Planned
    subject: str
    place: Place
    guidance: Guidance
    gas: GasClass

    @property
    def tag(self) -> Tag:
        return self.plan.tags[0]

    @property
    def key(self) -> tuple[str, str]:
        return self.subject, self.plan.side


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule over the tags of one partition. The conditions of tag j are `members[first[j]:first[j + 1]]`; `tag_at` is
    the place of each condition's first tag, `slot[k]` the place of `members[k]`'s tag among the tags of its condition.
    `digest` is one of the conditions' keys in their order.
    """

    rule: Rule
    kind: Kind
    watched: tuple[Watched, ...]
    first: npt.NDArray[np.int32]
    members: npt.NDArray[np.int32]
    slot: npt.NDArray[np.int32]
    tag_at: npt.NDArray[np.int32]
    setup: npt.NDArray[np.void]
    params: npt.NDArray[np.void]
    digest: str

    @property
    def most_per_tag(self) -> int:
        """The most conditions that one row can change."""
        return int(np.diff(self.first).max(initial=0))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything a fold of one partition needs from a revision. `links` are those that feed its tags."""

    revision: int
    partition: int
    partitions: int
    tags: tuple[Tag, ...]
    rules: tuple[CompiledRule, ...]
    links: tuple[str, ...]
    parks: tuple[Place, ...]
    link_parks: Mapping[str, tuple[Place, ...]]


def compile_rules(revision: Revision, partition: int, partitions: int) -> Rulebook:
    """The rulebook of `partition`, when `readings` has that many `partitions`. Raises `RuleProblems`."""
    book, problems = _Compiler(revision).compiled(partition, partitions)
    if problems:
        raise RuleProblems(problems)
    return book


def check_rules(revision: Revision) -> tuple[Problem, ...]:
    """Every problem of the revision's rules with its tags. Registry and references are `schemas.checks`' matter."""
    return tuple(_Compiler(revision).compiled(0, 1)[1])


def rules_of(revision: Revision) -> tuple[Rule, ...]:
    """The rules in force: those of the revision, and the defaults that it does not replace."""
    own = {r.id for r in revision.rules}
    return (*revision.rules, *(r for r in DEFAULT_RULES if r.id not in own))


def subjects_of(revision: Revision) -> dict[int, str]:
    """What conditions call each tag, by number.

    It is the tag's name; a tag that got its name from a retired one is called `name#number`, because the causes of two
    cells cannot be compared, so two numbers must never share a condition (LAWS C3).
    """
    first: dict[str, int] = {}
    for tag in revision.tags:
        first[tag.name] = min(tag.number, first.get(tag.name, tag.number))
    return {t.number: t.name if first[t.name] == t.number else f"{t.name}#{t.number}" for t in revision.tags}


class _Compiler:
    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.live = sorted((t for t in revision.tags if not t.retired), key=lambda t: t.number)
        self.subjects = subjects_of(revision)
        self.parks = {p.id: p for p in revision.parks}
        self.enterprises = {e.id: e for e in revision.enterprises}
        self.sources = {s.id: s for s in revision.hazard_sources}
        self.equipment = {e.id: e for e in revision.equipment}
        self.problems: list[Problem] = []
        self.about: dict[int, tuple[Place, Guidance, GasClass]] = {}
        self.gases: dict[str, GasClass] = {}

    def compiled(self, partition: int, partitions: int) -> tuple[Rulebook, list[Problem]]:
        tags = tuple(t for t in self.live if partition_of(t.cell_key, partitions) == partition)
        links = tuple(sorted({t.link for t in tags}))
        rules = tuple(c for r in rules_of(self.revision) if (c := self._rule(r, tags, links)) is not None)
        self._unwatched()
        everywhere = tuple(Place(park=p.id, park_name=p.name) for p in self.revision.parks)
        here = _parks(self._about(t)[0] for t in tags)
        by_link = {link: _parks(self._about(t)[0] for t in tags if t.link == link) for link in links}
        parks = here or everywhere[:1] or (Place(),)
        book = Rulebook(self.revision.number, partition, partitions, tags, rules, links, parks, by_link)
        return book, self.problems

    def _rule(self, rule: Rule, tags: Sequence[Tag], links: Sequence[str]) -> CompiledRule | None:
        path = f"rules[{rule.id}]"
        if rule.id in RESERVED:
            self._problem(f"{path}.id", f"{rule.id!r} is how the program names its own faults", "choose another id")
        kind = kinds().get(rule.kind)
        if kind is None:
            listed = ", ".join(kinds())
            self._problem(f"{path}.kind", f"there is no rule kind {rule.kind!r}", f"one of: {listed}")
            return None
        try:
            params = msgspec.convert(rule.params, kind.params)
        except msgspec.ValidationError as error:
            known = ", ".join(kind.params.__struct_fields__) or "none"
            self._problem(f"{path}.params", str(error), f"parameters of kind {kind.name}: {known}")
            return None
        beyond = list(_beyond(params))
        params = kind.bind(params, self.revision)
        asked = asked_by(rule, self.live)
        if not asked and self.live and rule not in DEFAULT_RULES:
            self._problem(f"{path}.tags", "no tag matches", f"it asks for {', '.join((*rule.tags, *rule.measures))}")
        found = [problem for tag in asked for problem in kind.check(tag, params)]
        found += [problem for cell in _cells(asked).values() for problem in kind.check_cell(cell, params)]
        told = {problem.path for problem in found}
        found += (problem for problem in beyond if problem.path not in told)
        for problem in {str(problem): problem for problem in found}.values():  # what is wrong everywhere is told once
            self._problem(f"{path}.{problem.path}", problem.message, problem.cure)
        return None if self.problems else self._compile(rule, kind, params, tags, links)

    def _compile(self, rule: Rule, kind: Kind, params: Any, tags: Sequence[Tag], links: Sequence[str]) -> CompiledRule:
        cells = _cells(asked_by(rule, tags))
        planned = [p for cell in cells.values() for p in kind.plan(cell, params)]
        place_of = {t.number: i for i, t in enumerate(tags)}
        concerned: list[list[tuple[int, int]]] = [[] for _ in tags]
        for c, plan in enumerate(planned):
            for place, tag in enumerate(plan.tags):
                concerned[place_of[tag.number]].append((c, place))
        first = np.concatenate([[0], np.cumsum([len(c) for c in concerned], dtype=np.int64)]).astype(np.int32)
        members = np.array([c for cs in concerned for c, _ in cs], np.int32)
        slot = np.array([place for cs in concerned for _, place in cs], np.int32)
        setup = np.zeros(len(planned), machine.SETUP)
        setup["levels"] = [len(p.levels) for p in planned]
        setup["holds"] = [p.holds for p in planned]
        setup["on_delay"] = [seconds(p.on_delay_s) for p in planned]
        setup["off_delay"] = [seconds(p.off_delay_s) for p in planned]
        setup["gap"] = [seconds(lateness_s(p.tags[0])) for p in planned]
        number_of = {link: number for number, link in enumerate(links)}
        setup["link"] = [number_of[p.tags[0].link] for p in planned]
        values = np.zeros(len(planned), kind.param_dtype)
        for field in (kind.param_dtype.names or ()) if planned else ():  # an empty list does not fit a subarray
            values[field] = [p.values.get(field, 0) for p in planned]
        tag_at = np.array([place_of[p.tags[0].number] for p in planned], np.int32)
        watched = tuple(map(self._watched, planned))
        keys = "\n".join("\t".join(w.key) for w in watched)
        digest = sha256(keys.encode()).hexdigest()[:16]
        return CompiledRule(rule, kind, watched, first, members, slot, tag_at, setup, values, digest)

    def _watched(self, plan: Planned) -> Watched:
        tag = plan.tags[0]
        place, guidance, gas = self._about(tag)
        return Watched(plan, self.subjects[tag.number], place, guidance, gas)

    def _about(self, tag: Tag) -> tuple[Place, Guidance, GasClass]:
        """What all conditions of a tag share."""
        known = self.about.get(tag.number)
        if known is None:
            if tag.cas not in self.gases:
                self.gases[tag.cas] = gas_class(tag.cas)
            guidance = Guidance(
                cause=tag.cause, consequence=tag.consequence, action=tag.action, response_s=tag.response_s
            )
            known = self.about[tag.number] = self.place(tag), guidance, self.gases[tag.cas]
        return known

    def place(self, tag: Tag) -> Place:
        """The tag's branch of the registry. What the registry does not hold stays empty."""
        enterprise = self.enterprises.get(tag.enterprise)
        park = self.parks.get(enterprise.park) if enterprise else None
        source = self.sources.get(tag.hazard_source)
        equipment = self.equipment.get(tag.equipment)
        names: dict[str, Any] = {
            f"{field}_name": found.name
            for field, found in (
                ("park", park), ("enterprise", enterprise), ("hazard_source", source), ("equipment", equipment)
            )
            if found is not None
        }  # fmt: skip
        return Place(
            park=park.id if park else "",
            enterprise=tag.enterprise,
            hazard_source=tag.hazard_source,
            equipment=tag.equipment,
            tag_title=tag.title,
            grade=source.grade if source else 0,
            longitude=tag.longitude,
            latitude=tag.latitude,
            **names,
        )

    def _unwatched(self) -> None:
        """A tag with limits that no rule looks at would be a silence that somebody trusts."""
        limiting = [r for r in rules_of(self.revision) if r.kind in LIMITING]
        watched = {tag.number for rule in limiting for tag in asked_by(rule, self.live)}
        for tag in self.live:
            given = any(getattr(tag.limits, f) is not None for f in tag.limits.__struct_fields__)
            if given and tag.number not in watched:
                message = "it has limits, but no rule of kind limits is asked of it"
                self._problem(f"tags[{tag.name}]", message, "widen the tags of a rule of kind limits")

    def _problem(self, path: str, message: str, cure: str = "") -> None:
        self.problems.append(Problem.of(path, message, cure))


def matches(rule: Rule, tag: Tag) -> bool:
    """Whether the rule is asked of the tag: by the patterns over names and, when given, by measure."""
    return bool(asked_by(rule, (tag,)))


def asked_by(rule: Rule, tags: Iterable[Tag]) -> list[Tag]:
    """Those of the tags that the rule is asked of. Names without a wildcard are looked up, however many they are."""
    plain = {pattern for pattern in rule.tags if not WILD.search(pattern)}
    wild = [pattern for pattern in rule.tags if pattern not in plain]
    return [
        tag
        for tag in tags
        if (not rule.measures or tag.measure in rule.measures)
        and (tag.name in plain or any(fnmatchcase(tag.name, pattern) for pattern in wild))
    ]


def _beyond(params: Any) -> Iterator[Problem]:
    """Numbers that no kind can reckon with."""
    for field in params.__struct_fields__:
        given, most = getattr(params, field), LONGEST_S if field.endswith("_s") else MOST
        if isinstance(given, int | float) and not abs(given) <= most:
            yield Problem.of(f"params.{field}", f"{given:g} is too large, or no number", f"at most {most:g}")


def _cells(tags: Iterable[Tag]) -> Mapping[str, list[Tag]]:
    """The tags of each cell, in their order."""
    cells: dict[str, list[Tag]] = defaultdict(list)
    for tag in tags:
        cells[tag.cell_key].append(tag)
    return cells


def _parks(places: Iterator[Place]) -> tuple[Place, ...]:
    found = {p.park: Place(park=p.park, park_name=p.park_name) for p in places}
    return tuple(found[park] for park in sorted(found))
