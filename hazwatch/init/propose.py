"""From cells with their entries to rules, completed tags, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hazwatch.init.notes import Note
from hazwatch.init.patterns import compact
from hazwatch.init.recognise import Cell
from rules.kinds import Kind, kinds
from rules.library import PLACE, Entry, Expect, Proposal, library, places
from rules.rulebook import DEFAULT_RULES
from schemas.registry import Limits, Measure, Revision, Rule, Tag
from schemas.setpoints import DEFAULT_GAS_PROFILE, SIDES, default_deadband, default_limits, maxima
from schemas.text import Text

replace = msgspec.structs.replace
Param = bool | int | float | str | list[str]
Params = dict[str, Param]
Reason = tuple[str, Text, str]
"""Entry, reason, basis."""
_WEATHER = (Measure.WIND_DIRECTION, Measure.WIND_SPEED)
STANDARD = tuple(rule.kind for rule in DEFAULT_RULES)
"""Kinds that every tag is asked anyway: their proposals only give reasons."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A rule, and why: entry, reason and basis of each proposal behind it."""

    rule: Rule
    reasons: tuple[Reason, ...]


@dataclass(slots=True)
class Answers:
    """Which tags answer to which expectation: (cell, entry, expectation) -> tags, and the first one of each tag."""

    tags: dict[tuple[str, str, str], list[Tag]] = field(default_factory=dict)
    first: dict[str, Expect] = field(default_factory=dict)

    def of(self, cell: str, entry: str, expect: str) -> list[Tag]:
        return self.tags.get((cell, entry, expect), [])


def answers_of(cells: Sequence[Cell]) -> Answers:
    """A tag that answers to a process is not offered to the equipment of its cell; what is for any plant sees all."""
    found = Answers()
    for cell in cells:
        processes, equipment, always = cell.ranks
        for tag in cell.tags:
            taken = False
            for rank in (processes, () if any(e.answer(tag) for e in processes) else equipment, always):
                for entry in rank:
                    expected = entry.answer(tag)
                    if expected is not None:
                        found.tags.setdefault((cell.name, entry.id, expected.id), []).append(tag)
                        if not taken:
                            found.first[tag.name] = expected
                            taken = True
    return found


def completed(revision: Revision, answers: Answers) -> Revision:
    """The tags with the guidance, the response time and the set-point profile of what they answer to, where their own
    are empty."""
    return replace(revision, tags=tuple(_completed(tag, answers.first.get(tag.name)) for tag in revision.tags))


def _completed(tag: Tag, expected: Expect | None) -> Tag:
    if expected is None:
        return tag
    own = {f: getattr(tag, f) or getattr(expected, f) for f in ("cause", "consequence", "action")}
    response_s = expected.response_s if tag.response_s is None else tag.response_s
    if response_s is not None and response_s < tag.on_delay_s and tag.response_s is None:
        response_s = None
    tag = replace(tag, **own, response_s=response_s)
    if expected.profile == "none" and tag.profile == DEFAULT_GAS_PROFILE:
        return _without_profile(tag)
    if expected.profile and expected.profile != "none" and tag.profile == "none" and tag.limits == Limits():
        tag = replace(tag, profile=expected.profile)
        tag = replace(tag, limits=default_limits(tag))
        tag = replace(tag, deadband=default_deadband(tag) if tag.deadband == 0 else tag.deadband)
    return tag


def _without_profile(tag: Tag) -> Tag:
    """Gas in a pipe: the limits that the profile for the air of a workplace gave are taken away again."""
    most = maxima(tag)
    own = {s: v for s in SIDES if (v := getattr(tag.limits, s)) is not None and v != getattr(most, s)}
    reason = tag.limit_reason or "过程气体，非环境空气 (process gas, not ambient air)"
    tag = replace(tag, profile="none", limit_reason=reason, limits=Limits(**own))
    return replace(tag, deadband=default_deadband(tag))


def proposed(revision: Revision, cells: Sequence[Cell], answers: Answers) -> tuple[list[Proposed], list[Note]]:
    """The rules that every tag is asked, then those of the library in its order; a tag is asked of a kind for a side
    once, by the first entry that wants it. And what could not be proposed."""
    rules = _Rules(revision, cells, answers)
    return rules.all(), rules.notes


class _Rules:
    def __init__(self, revision: Revision, cells: Sequence[Cell], answers: Answers) -> None:
        self.revision = revision
        self.tag = {t.name: t for t in revision.tags}
        self.everyone = tuple(self.tag)
        self.cells = cells
        self.answers = answers
        self.watched: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.ids: set[str] = set()
        self.notes: list[Note] = []
        self.reasons: dict[str, list[Reason]] = {kind: [] for kind in STANDARD}

    def all(self) -> list[Proposed]:
        rank = {e.id: number for cell in self.cells for number, rank in enumerate(cell.ranks) for e in rank}
        ranked = sorted((e for e in library().values() if e.id in rank), key=lambda e: rank[e.id])
        made = [one for entry in ranked for rule in entry.rule for one in self._of(entry, rule)]
        standard = [Proposed(rule, tuple(self.reasons[rule.kind])) for rule in DEFAULT_RULES]
        return [*standard, *made]

    def _of(self, entry: Entry, rule: Proposal) -> Iterator[Proposed]:
        reason = (entry.id, rule.why, rule.basis)
        asked = {cell.name: tags for cell in self.cells if (tags := self._asked(cell, entry, rule))}
        if rule.kind in STANDARD and asked:
            self.reasons[rule.kind].append(reason)
        elif places(rule):
            groups = [(cell, one) for cell in asked for one in self._groups(cell, entry, rule)]
            for cell, group in groups:
                params = {
                    key: _filled(value, {of: t.name for of, t in group.items()}) for key, value in rule.params.items()
                }
                names = self._watching(entry, rule, params, cell, list(group.values()))
                first = next(iter(group.values()))
                suffix = "" if len(groups) == 1 else first.equipment or cell
                if names:
                    yield Proposed(self._rule(entry, rule, suffix, params, names), (reason,))
        else:
            own = dict(rule.params)
            names = [n for cell, tags in asked.items() for n in self._watching(entry, rule, own, cell, tags)]
            if names:
                yield Proposed(self._rule(entry, rule, "", own, names), (reason,))

    def _asked(self, cell: Cell, entry: Entry, rule: Proposal) -> list[Tag]:
        if all(entry.id != e.id for rank in cell.ranks for e in rank):
            return []
        names = {t.name for of in rule.of for t in self.answers.of(cell.name, entry.id, of)}
        return [self.tag[t.name] for t in cell.tags if t.name in names]

    def _groups(self, cell: str, entry: Entry, rule: Proposal) -> Iterator[dict[str, Tag]]:
        """A tag for each expectation that the parameters name: those of one piece of equipment where the list says so,
        else the first ones of the cell."""
        answering = {of: [self.tag[t.name] for t in self.answers.of(cell, entry.id, of)] for of in places(rule)}
        if not all(answering.values()):
            return
        together = [
            {of: next((t for t in found if t.equipment == equipment), None) for of, found in answering.items()}
            for equipment in dict.fromkeys(t.equipment for found in answering.values() for t in found if t.equipment)
        ]
        whole = [{of: t for of, t in group.items() if t is not None} for group in together]
        whole = [group for group in whole if len(group) == len(answering)]
        yield from whole or [{of: found[0] for of, found in answering.items()}]

    def _watching(self, entry: Entry, rule: Proposal, params: Params, cell: str, tags: Sequence[Tag]) -> list[str]:
        """Those of the tags of one cell that such a rule would watch, and that no rule before it watches so."""
        kind = kinds()[rule.kind]
        bound = kind.bind(msgspec.convert(params, kind.params), self.revision)
        left = [t for t in tags if not any(kind.check(t, bound))]
        seen = self._sides(kind, bound, left)
        if not places(rule):  # a rule of named tags is one of its kind
            left = [t for t in left if t.name not in seen or seen[t.name] - self.watched[kind.name, t.name]]
        left = left[: rule.most or None]
        if len(left) < rule.least:
            return []
        for problem in kind.check_cell(left, bound):
            name = f"{entry.id}: {rule.id}"
            text = Text(f"未提出 {name}：{problem.message}", f"{name} is not proposed: {problem.message}")
            self.notes.append(Note(cell, text))
            return []
        sides = self._sides(kind, bound, left)
        for name, found in sides.items():
            self.watched[kind.name, name] |= found
        return [t.name for t in left if t.name in sides]

    def _sides(self, kind: Kind, params: Any, tags: Sequence[Tag]) -> Mapping[str, set[str]]:
        """The sides on which a rule over these tags would watch each of them."""
        found: dict[str, set[str]] = {}
        for plan in kind.plan(tags, params) if tags else ():
            for tag in plan.tags:
                found.setdefault(tag.name, set()).add(str(plan.side))
        return found

    def _rule(self, entry: Entry, rule: Proposal, suffix: str, params: Params, names: Sequence[str]) -> Rule:
        whole = f"{entry.id.replace('_', '-')}.{rule.id}" + (f".{suffix}" if suffix else "")
        identity, number = whole[:64], 1
        while identity in self.ids:
            number += 1
            identity = f"{whole[: 63 - len(str(number))]}.{number}"
        self.ids.add(identity)
        asked = compact(names, self.everyone)
        return Rule(id=identity, kind=rule.kind, tags=asked, tier=rule.tier, text=rule.text, params=params)


def _filled(value: Param, names: Mapping[str, str]) -> Param:
    """The value with the names of tags instead of those of expectations."""
    if isinstance(value, list):
        return [PLACE.sub(lambda m: names[m[1]], text) for text in value]
    return PLACE.sub(lambda m: names[m[1]], value) if isinstance(value, str) else value


def missing(cells: Sequence[Cell], answers: Answers) -> Iterator[Note]:
    """Detectors that the library expects and the list does not have."""
    elsewhere = {t.measure for cell in cells for t in cell.tags}
    for cell in cells:
        for entry in (*cell.ranks[0], *cell.ranks[1]):
            for one in entry.expect:
                have = len(answers.of(cell.name, entry.id, one.id))
                if one.need == "may" or have >= one.least:
                    continue
                zh = f"{entry.name.zh}应有{one.name.zh}，没有找到"
                en = f"{entry.id} without {one.name.en}"
                if have:
                    zh = f"{entry.name.zh}应有至少 {one.least} 个{one.name.zh}，现有 {have} 个"
                    en = f"{entry.id} wants at least {one.least} of {one.name.en}, there is {have}"
                elif one.measure in _WEATHER and one.measure in elsewhere:
                    zh += "（别的单元有，可复制到本单元）"
                    en += " (another cell has it: copy it to this one)"
                yield Note(cell.name, Text(f"{zh}：{one.why.zh}", f"{en}: {one.why.en}"))


def unlimited(revision: Revision, cells: Sequence[Cell], answers: Answers) -> Iterator[Note]:
    """Tags without a limit that the library expects them to have, and tags that it knows nothing for."""
    tag_of = {t.name: t for t in revision.tags}
    for cell in cells:
        lacking: dict[tuple[str, str], list[str]] = {}
        for tag in cell.tags:
            expected = answers.first.get(tag.name)
            if expected is None:
                continue
            absent = [s for s in expected.limits if getattr(tag_of[tag.name].limits, s) is None]
            if absent:
                lacking.setdefault((expected.id, ", ".join(absent)), []).append(tag.name)
        for (_, sides), names in lacking.items():
            text = Text(f"没有限值 {sides}，方案中也没有", f"no limit {sides}, and no profile gives one")
            yield Note(cell.name, text, tuple(names))
        strangers = tuple(t.name for t in cell.tags if t.name not in answers.first)
        if strangers:
            text = Text("规则库没有适合的规则", "the library has no rule for these")
            yield Note(cell.name, text, strangers)
