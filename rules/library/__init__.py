"""The library: typical processes, equipment and their accidents, and the rules that they deserve, as data.

An entry is one TOML file `rules/library/<id>.toml`; to add one, add the file and nothing else. It says by which words
and gases its plant is recognised, what is expected to be measured there, how accidents usually run and which
measurement shows each step, what an operator should know of each alarm, and which rules of which kinds with which
parameters follow from that, each with its reason.

`basis` says how far to trust a statement: `published` stands in a table of this program with its source, `memory` is a
published list recalled without its text at hand, so a person must check it, `engineering judgement` is what it says.
Nothing here claims that a plant so watched meets a standard.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

import msgspec

from schemas.gases import gas, gas_class, is_cas
from schemas.registry import Limits, Measure, Struct, Tag
from schemas.setpoints import PROFILES, SIDES
from schemas.text import Text
from schemas.tiers import GasClass
from schemas.units import fits

Basis = Literal["published", "memory", "engineering judgement"]
Need = Literal["must", "should", "may"]
AMBIENT = re.compile(
    r"环境|车间|厂房|库房|房间|泵房|机房|室内|操作室|控制室|分析室|配电室|场所|作业|岗位|走廊|区域"
    r"|[一二三四五六七八九十\d] ?[层楼]|ambient|workplace|workshop|\b(?:room|area|indoor|building|floor)\b",
    re.IGNORECASE,
)
"""A detector that is called so measures the air of a place, never the gas in a pipe."""
PLACE = re.compile(r"\{(\w+)\}")
"""In a rule's parameters, `{id}` stands for the tag of that expectation."""


class Sample(Struct, frozen=True, kw_only=True):
    """Tags as such a plant would have them: `count` of them, `name` and titles with a number behind. Limits, range and
    resolution in `unit`."""

    name: str
    zh: str
    en: str
    unit: str
    cas: str = ""
    range: tuple[float, float] | None = None
    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None
    calibration_due: date | None = None
    count: int = 1


class Expect(Struct, frozen=True, kw_only=True):
    """Something that should be measured.

    A tag answers to it when measure, gas (`cas`, or what it does: `gas`) and one of `words` (regular expressions over
    its name, titles and equipment, without case) fit; what is left out fits all. Of the expectations of an entry a tag
    answers to the first that fits. `need` says what its absence is: `must` and `should` are told. `limits` are the
    limits that it should have, `profile` the set-point profile to take them from where the tag has none; `none` says
    that no profile for the air that people breathe applies: what is measured is in a pipe.
    """

    id: str
    name: Text
    measure: Measure
    cas: tuple[str, ...] = ()
    gas: Literal["toxic", "flammable", "oxygen", ""] = ""
    words: tuple[str, ...] = ()
    need: Need = "should"
    least: int = 1
    limits: tuple[str, ...] = ()
    profile: str = ""
    why: Text
    basis: Basis = "engineering judgement"
    cause: Text = Text()
    consequence: Text = Text()
    action: Text = Text()
    response_s: float | None = None
    example: Sample

    def fits(self, tag: Tag) -> bool:
        """Whether the tag answers to this."""
        if tag.measure is not self.measure or (self.cas and tag.cas not in self.cas):
            return False
        if self.gas and gas_class(tag.cas) is not GasClass(self.gas):
            return False
        if self.profile == "none" and self.measure is Measure.GAS and AMBIENT.search(told(tag)):
            return False  # what people breathe keeps its limits
        return not self.words or any(re.search(word, told(tag), re.IGNORECASE) for word in self.words)


class Accident(Struct, frozen=True, kw_only=True):
    """How an accident usually runs: its steps in words, and the expectations that show it, the earliest first."""

    name: Text
    steps: tuple[Text, ...]
    signs: tuple[str, ...]


class Proposal(Struct, frozen=True, kw_only=True):
    """A rule that the plant deserves: kind and parameters, for the tags that answer to the expectations `of`.

    Parameters may name the tag of an expectation as `{id}`: then there is a rule for each cell that has all of them.
    `least` is how many tags a cell must have, `most` how many of a cell are asked, 0 for all. Kinds `limits`, `stale`
    and `quality` are asked of every tag anyway; with them an entry gives the reason.
    """

    id: str
    kind: str
    of: tuple[str, ...]
    params: dict[str, bool | int | float | str | list[str]] = {}
    least: int = 1
    most: int = 0
    tier: int = 0
    text: Text = Text()
    why: Text
    basis: Basis = "engineering judgement"


class Entry(Struct, frozen=True, kw_only=True):
    """A process or a piece of equipment.

    It is recognised in a cell by one of `words` (regular expressions over names and titles) together with one of
    `gases` or, in a cell without gas points, something that it must measure; `always` belongs to every plant.
    `supervised` is its number in the Chinese list of 18 hazardous processes under key supervision, 0 for others, and
    `key_parameters` what that list wants watched, whether or not it comes as a tag. `uses` are the entries of equipment
    that such a plant has.
    """

    id: str
    name: Text
    about: Text
    always: bool = False
    supervised: int = 0
    words: tuple[str, ...] = ()
    gases: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    basis: Basis
    source: str
    key_parameters: tuple[Text, ...] = ()
    hazards: tuple[Text, ...] = ()
    accident: tuple[Accident, ...] = ()
    expect: tuple[Expect, ...]
    rule: tuple[Proposal, ...]

    def answer(self, tag: Tag) -> Expect | None:
        """The expectation that the tag answers to."""
        return next((one for one in self.expect if one.fits(tag)), None)


class LibraryError(ValueError):
    """An entry of the library is not what it should be: all problems, a line each."""


def told(tag: Tag) -> str:
    """All that a tag list says of a tag in words; what glues the parts of a name together counts as space."""
    return plain(" ".join((tag.name, tag.title.zh, tag.title.en, tag.equipment)))


def plain(text: str) -> str:
    return re.sub(r"[\s_.:-]+", " ", text)


def samples(entry: Entry, enterprise: str, hazard_source: str) -> Iterator[Tag]:
    """The tags that the entry gives as examples, without numbers, in one place, some metres apart from each other."""
    for place, expected in enumerate(entry.expect):
        one = expected.example
        for number in range(1, one.count + 1):
            suffix = f"{number}" if one.count > 1 else ""
            yield Tag(
                number=0,
                name=f"{one.name}{suffix}",
                title=Text(zh=f"{one.zh}{suffix}", en=f"{one.en} {suffix}".strip()),
                enterprise=enterprise,
                hazard_source=hazard_source,
                measure=expected.measure,
                cas=one.cas,
                unit=one.unit,
                range_low=None if one.range is None else one.range[0],
                range_high=None if one.range is None else one.range[1],
                x_m=15.0 * place,
                y_m=10.0 * number,
                calibration_due=one.calibration_due,
                limits=Limits(**{side: getattr(one, side) for side in SIDES}),
            )


@cache
def library() -> Mapping[str, Entry]:
    """Every entry by id, what belongs to every plant last. Raises `LibraryError` with every problem."""
    problems: list[str] = []
    found: list[Entry] = []
    for file in sorted(files(__name__).iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            try:
                found.append(read_entry(file.name.removesuffix(".toml"), file.read_text("utf-8")))
            except LibraryError as error:
                problems += str(error).splitlines()
    if problems:
        raise LibraryError("\n".join(problems))
    return MappingProxyType({entry.id: entry for entry in sorted(found, key=lambda e: e.always)})


def read_entry(name: str, text: str) -> Entry:
    """The entry in this TOML text. Raises `LibraryError` with every problem."""
    try:
        entry = msgspec.convert({**tomllib.loads(text), "id": name}, Entry)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LibraryError(f"{name}.toml: {error}") from None
    problems = [f"{name}.toml: {problem}" for problem in _faults(entry)]
    if problems:
        raise LibraryError("\n".join(problems))
    return entry


def _faults(entry: Entry) -> Iterator[str]:
    """What the entry says against itself. Its rules and kinds are checked with its examples, by the laws."""
    ids = [one.id for one in entry.expect]
    for what, names in (("expect", ids), ("rule", [r.id for r in entry.rule])):
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield f"{what} {name!r} stands twice"
    for where, text in _texts(entry):
        if not text.zh or not text.en:
            yield f"{where} lacks a language"
    if not entry.always and not entry.words:
        yield "without words nothing is recognised"
    for cas in (*entry.gases, *(c for one in entry.expect for c in one.cas)):
        if not is_cas(cas) or gas(cas) is None:
            yield f"{cas} is not in the table of gases"
    for word in (*entry.words, *(w for one in entry.expect for w in one.words)):
        try:
            re.compile(word)
        except re.error as error:
            yield f"{word!r} is no regular expression ({error})"
    for one in entry.expect:
        yield from _expect_faults(one)
    for where, named in (
        *((f"accident {a.name.en!r}", a.signs) for a in entry.accident),
        *((f"rule {r.id!r}", (*r.of, *places(r))) for r in entry.rule),
    ):
        if not named:
            yield f"{where} names nothing that is measured"
        for unknown in sorted(set(named) - set(ids)):
            yield f"{where} names {unknown!r}, which is not expected"
    for lonely in sorted(set(ids) - {of for rule in entry.rule for of in rule.of}):
        yield f"no rule is for {lonely!r}"


def _expect_faults(one: Expect) -> Iterator[str]:
    if one.profile and one.profile not in PROFILES:
        yield f"expect {one.id!r}: there is no profile {one.profile!r}"
    if set(one.limits) - set(SIDES):
        yield f"expect {one.id!r}: limits are {', '.join(SIDES)}"
    if wrong := fits(one.measure, one.example.unit):
        yield f"expect {one.id!r}: {wrong}"
    if (one.measure is Measure.GAS) != bool(one.example.cas):
        yield f"expect {one.id!r}: its example needs a CAS number exactly when it is a gas"
    if one.example.count < one.least:
        yield f"expect {one.id!r}: its example has fewer than the least"


def places(rule: Proposal) -> tuple[str, ...]:
    """The expectations that the parameters name, in their order."""
    texts = [t for v in rule.params.values() for t in (v if isinstance(v, list) else [v]) if isinstance(t, str)]
    return tuple(dict.fromkeys(found for text in texts for found in PLACE.findall(text)))


def _texts(entry: Entry) -> Iterator[tuple[str, Text]]:
    yield from (("name", entry.name), ("about", entry.about))
    yield from ((f"hazard {n}", text) for n, text in enumerate(entry.hazards, 1))
    yield from ((f"key parameter {n}", text) for n, text in enumerate(entry.key_parameters, 1))
    for accident in entry.accident:
        yield from ((f"accident {accident.name.en!r}", text) for text in (accident.name, *accident.steps))
    for one in entry.expect:
        yield from ((f"expect {one.id!r} {field}", getattr(one, field)) for field in ("name", "why"))
        yield f"expect {one.id!r} example", Text(one.example.zh, one.example.en)
        for field in ("cause", "consequence", "action"):
            text = getattr(one, field)
            if text or one.limits or one.measure is Measure.GAS:
                yield f"expect {one.id!r} {field}", text
    for rule in entry.rule:
        yield f"rule {rule.id!r} why", rule.why
        if rule.text:
            yield f"rule {rule.id!r} text", rule.text
