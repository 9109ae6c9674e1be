"""The places of a tag list, and its tags as a registry can hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from hazwatch.config.numbers import numbered
from hazwatch.init.notes import Note
from schemas.registry import Enterprise, Equipment, HazardSource, Park, Revision, Tag
from schemas.text import Text

replace = msgspec.structs.replace
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
PARK = "park"


@dataclass(slots=True)
class _Ids:
    """Ids for names as people write them: one that can be an id stays, others are counted."""

    prefix: str
    known: dict[str, str] = field(default_factory=dict)

    def of(self, text: str) -> str:
        if text not in self.known:
            self.known[text] = text if _ID.fullmatch(text) else self._new()
        return self.known[text]

    def _new(self) -> str:
        number = 1
        while f"{self.prefix}-{number}" in self.known.values():
            number += 1
        return f"{self.prefix}-{number}"

    def name(self, identity: str) -> Text:
        """The name behind a counted id, none behind one that was written so."""
        written = next((text for text, made in self.known.items() if made == identity), identity)
        return Text() if written == identity else Text(written, written)


@dataclass(frozen=True, slots=True)
class Site:
    """A registry without rules and routes, and what the list left open about its places."""

    revision: Revision
    notes: tuple[Note, ...]


def site_of(tags: Sequence[Tag]) -> Site:
    """The places that these tags name. Tags without an enterprise or a hazard source get one, with a note."""
    enterprises, sources, equipment = (_Ids(p) for p in ("enterprise", "hazard-source", "equipment"))
    for tag in tags:  # what can be an id keeps it, so it is given first
        for ids, text in ((enterprises, tag.enterprise), (sources, tag.hazard_source), (equipment, tag.equipment)):
            if _ID.fullmatch(text):
                ids.of(text)
    owner: dict[str, str] = {}
    holder: dict[str, str] = {}
    homeless: list[str] = []
    loose: list[str] = []
    placed: list[Tag] = []
    for tag in tags:
        source = sources.of(tag.hazard_source) if tag.hazard_source else ""
        company = enterprises.of(tag.enterprise) if tag.enterprise else owner.get(source, "")
        if not company:
            company = enterprises.of("works")
            homeless.append(tag.name)
        unit = equipment.of(tag.equipment) if tag.equipment else ""
        cell = tag.cell
        if unit and not source:
            source = holder.get(unit) or sources.of(f"{company}-area"[:64])
            cell = cell or company
            loose.append(tag.name)
        if source:
            owner.setdefault(source, company)
        if unit:
            holder.setdefault(unit, source)
        placed.append(replace(tag, enterprise=company, hazard_source=source, equipment=unit, cell=cell))
    revision = Revision(
        number=1,
        parks=(Park(id=PARK, name=Text("园区", "Park")),),
        enterprises=tuple(
            Enterprise(id=e, park=PARK, name=enterprises.name(e)) for e in dict.fromkeys(t.enterprise for t in placed)
        ),
        hazard_sources=tuple(HazardSource(id=s, enterprise=e, name=sources.name(s)) for s, e in owner.items()),
        equipment=tuple(Equipment(id=q, hazard_source=s, name=equipment.name(q)) for q, s in holder.items()),
        tags=numbered(placed),
    )
    return Site(revision, tuple(_notes(revision, homeless, loose)))


def _notes(revision: Revision, homeless: Sequence[str], loose: Sequence[str]) -> Iterator[Note]:
    if homeless:
        yield Note(
            "",
            Text("没有写明企业，暂归入企业 works", "no enterprise is given; they stand under `works` for now"),
            tuple(homeless),
        )
    if loose:
        message = Text(
            "设备没有写明重大危险源，暂归入企业的一个区域",
            "their equipment has no hazard source; an area of the enterprise stands in",
        )
        yield Note("", message, tuple(loose))
    ungraded = tuple(source.id for source in revision.hazard_sources)
    if ungraded:
        message = Text(
            "未知重大危险源级别（grade 1 至 4）或存量；一级、二级会提高报警级别",
            "grade (1 to 4) or inventory of the hazard sources is not known; grades 1 and 2 raise the tier of alarms",
        )
        yield Note("", message, ungraded)
