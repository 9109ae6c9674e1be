"""Who is meant: from (source, topic, key, unit) to tag numbers, partitions and conversions. Pure.

A message names its readings the same way every time, so the answer is worked out once per list of names and kept as a
`Plan`: applying it to a message is a handful of array operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest import topics
from ingest.config import SourceConfig
from ingest.decoding import Decoded, FloatArray, Int16Array, Names, Reason, Refused
from ingest.links import Links
from schemas.changes import Place
from schemas.partitioning import partition_of
from schemas.quality import Quality
from schemas.registry import Revision, Tag
from schemas.units import UnitError, conversion

_PLANS = 20_000
"""So many plans are kept, and none for names of which none is known: inventing names does not grow the memory."""


class Target(NamedTuple):
    """Where a reading goes: the tag's number, its partition, and value * scale + offset in the tag's unit."""

    number: int
    partition: int
    scale: float
    offset: float
    bad_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The readings of a message that go to one partition; `rows` None means all of them in their order."""

    partition: int
    number: npt.NDArray[np.int32]
    rows: npt.NDArray[np.intp] | None
    scale: FloatArray | None
    offset: FloatArray | None
    bad: tuple[tuple[float, npt.NDArray[np.bool_]], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a message that has these names: `readings` of them are written, in `parts`, `refused` lists
    (position in the message, why), and the rest is ignored."""

    readings: int
    parts: tuple[Part, ...]
    refused: tuple[tuple[int, Refused], ...]


class Columns(NamedTuple):
    """The rows of one part: numbers, values in the tags' units, qualities."""

    number: npt.NDArray[np.int32]
    value: FloatArray
    quality: Int16Array | None


def columns(part: Part, decoded: Decoded) -> Columns:
    """The readings of this part in the units of their tags.

    A value that is none gets the quality NO_VALUE, unless it is bad already, or over range: a detector that gives no
    number because there is too much gas says so by its quality, and that is an alarm, no fault.
    """
    value, quality = decoded.value, decoded.quality
    if part.rows is not None:
        value = value[part.rows]
        quality = None if quality is None else quality[part.rows]
    missing = np.isnan(value)
    for wire, where in part.bad:
        missing |= where & (value == wire)
    if part.scale is not None and part.offset is not None:
        value = value * part.scale + part.offset
        missing |= ~np.isfinite(value)
    if missing.any():
        value = np.where(missing, np.nan, value)
        quality = np.zeros(len(value), np.int16) if quality is None else quality
        unsaid = missing & (quality < Quality.BAD) & (quality != Quality.OVER_RANGE)
        quality = np.where(unsaid, np.int16(Quality.NO_VALUE), quality)
    return Columns(part.number, value, quality)


class Directory:
    """The registry as ingest needs it, under one revision, or two while the newer one is being activated (LAWS C3).

    Immutable but for its own cache; a new revision is a new directory. `misplaced` collects, once for each tag, what
    was found while planning: the link over which a tag is read, where the tag list gives it another.
    """

    def __init__(self, revisions: Sequence[Revision], sources: Sequence[SourceConfig], partitions: int) -> None:
        """Use `of`."""
        self.revision = revisions[0].number
        self.partitions = partitions
        self._registry = revisions[0]
        self._revisions = [_by_name(revision) for revision in revisions]
        self._sources = {source.name: source for source in sources}
        self.links = Links(sources)
        cells = {tag.cell_key for tags in self._revisions for tag in tags.values()}
        self._partitions = {cell: partition_of(cell, partitions) for cell in cells}
        self._heartbeats = self._fed()
        self._fed_links = frozenset(link for link, _ in self._heartbeats)
        self._plans: dict[tuple[str, str, Names], Plan] = {}
        self._by_topic: dict[str, SourceConfig | None] = {}
        self.misplaced: dict[str, tuple[str, str]] = {}

    @classmethod
    def of(
        cls,
        revision: Revision,
        sources: Sequence[SourceConfig],
        partitions: int,
        previous: Revision | None = None,
    ) -> Directory:
        """The directory of `revision`; with `previous`, readings are written under the numbers of both."""
        return cls([revision] if previous is None else [revision, previous], sources, partitions)

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        return tuple(self._sources.values())

    def source_of(self, topic: str) -> SourceConfig | None:
        """The source that a topic belongs to: the first whose filter takes it."""
        try:
            return self._by_topic[topic]
        except KeyError:
            found = next((s for s in self._sources.values() if topics.matches(s.topic, topic)), None)
            if len(self._by_topic) >= _PLANS:
                self._by_topic.clear()
            self._by_topic[topic] = found
            return found

    def plan(self, source: SourceConfig, topic: str, names: Names) -> Plan:
        """What becomes of a message of this source and topic with these names."""
        key = (source.name, topic, names)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._planned(source, topic, names)
            if not plan.parts:
                return plan
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def resolve(self, source: SourceConfig, topic: str, key: str, unit: str = "") -> list[Target] | Refused:
        """The numbers that a key stands for: one, or two while a revision is being activated."""
        name = _namer(source, topic)(key)
        return self._resolve(source, key, unit, name, topics.filled(source.enterprise, topic))

    def heartbeats(self) -> list[tuple[str, int]]:
        """(link, partition) of every partition that the sources may feed, for the `link` records (LAWS T5)."""
        return self._heartbeats

    def has_tags(self, link: str) -> bool:
        """Whether a tag is read over this link."""
        return link in self._fed_links

    def places(self, source: SourceConfig) -> list[Place]:
        """Where the faults of a source are reported: at its enterprise, else in every park."""
        parks = {park.id: park for park in self._registry.parks}
        for enterprise in self._registry.enterprises:
            if enterprise.id == source.enterprise:
                return [
                    Place(
                        park=enterprise.park,
                        enterprise=enterprise.id,
                        park_name=parks[enterprise.park].name,
                        enterprise_name=enterprise.name,
                    )
                ]
        return [Place(park=park.id, park_name=park.name) for park in parks.values()]

    def problems(self) -> list[str]:
        """What the sources say that this registry does not know, all at once."""
        tags = self._revisions[0]
        found = [p for source in self._sources.values() for p in _problems(source, tags, self.links)]
        return found + list(_unfed(self.sources, tags, self.links))

    def _fed(self) -> list[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        for source in self._sources.values():
            fixed = source.enterprise if "{" not in source.enterprise else ""
            for tags in self._revisions:
                links = {link for link in {tag.link for tag in tags.values()} if self.links.can_be(source, link)}
                found.update(
                    (tag.link, self._partition(tag))
                    for tag in tags.values()
                    if tag.link in links and fixed in ("", tag.enterprise)
                )
        return sorted(found)

    def _partition(self, tag: Tag) -> int:
        return self._partitions[tag.cell_key]

    def _resolve(self, source: SourceConfig, key: str, unit: str, name: str, enterprise: str) -> list[Target] | Refused:
        tags = [tag for tag in (known.get(name) for known in self._revisions) if tag is not None]
        if not tags:
            return Refused(Reason.UNKNOWN_NAME, name, "no tag has this name")
        if source.enterprise and any(tag.enterprise != enterprise for tag in tags):
            detail = f"the tag is of {tags[0].enterprise!r}, not of {enterprise[:80]!r}"
            return Refused(Reason.WRONG_ENTERPRISE, name, detail)
        stated = unit or source.units.get(key, "") or source.unit
        found: dict[int, Target] = {}
        for tag in tags:
            try:
                scale, offset = conversion(stated, tag.unit, tag.cas) if stated else (1.0, 0.0)
            except UnitError as error:
                return Refused(Reason.WRONG_UNIT, name, str(error))
            found.setdefault(tag.number, Target(tag.number, self._partition(tag), scale, offset, tag.bad_values))
        return list(found.values())

    def _planned(self, source: SourceConfig, topic: str, names: Names) -> Plan:
        name_of = _namer(source, topic)
        link = self.links.of(source, topic)
        enterprise = topics.filled(source.enterprise, topic)
        units = names.units or ("",) * len(names.keys)
        written = 0
        refused: list[tuple[int, Refused]] = []
        rows: dict[int, list[tuple[int, Target]]] = {}
        for row, (key, unit) in enumerate(zip(names.keys, units, strict=True)):
            if key in source.ignore:
                continue
            name = name_of(key)
            answer = self._resolve(source, key, unit, name, enterprise)
            if isinstance(answer, Refused):
                refused.append((row, answer))
                continue
            tag = self._revisions[0].get(name)
            if tag is not None and tag.link != link and not source.history:
                self.misplaced.setdefault(name, (link, tag.link))
            written += 1
            for target in answer:
                rows.setdefault(target.partition, []).append((row, target))
        parts = tuple(_part(partition, found, len(names.keys)) for partition, found in sorted(rows.items()))
        return Plan(written, parts, tuple(refused))


def _by_name(revision: Revision) -> dict[str, Tag]:
    return {tag.name: tag for tag in revision.tags if not tag.retired}


def _namer(source: SourceConfig, topic: str) -> Callable[[str], str]:
    """The name of a tag for a key: its own by `map`, else by the template."""
    by_template = topics.namer(source.tag, topic)
    return lambda key: source.map.get(key) or by_template(key)


def _part(partition: int, found: Iterable[tuple[int, Target]], count: int) -> Part:
    rows = np.array([row for row, _ in found], np.intp)
    targets = [target for _, target in found]
    scale = np.array([t.scale for t in targets])
    offset = np.array([t.offset for t in targets])
    plain = bool((scale == 1.0).all() and (offset == 0.0).all())
    wires = sorted({value for t in targets for value in t.bad_values})
    return Part(
        partition,
        np.array([t.number for t in targets], np.int32),
        None if np.array_equal(rows, np.arange(count)) else rows,
        None if plain else scale,
        None if plain else offset,
        tuple((wire, np.array([wire in t.bad_values for t in targets])) for wire in wires),
    )


def _problems(source: SourceConfig, tags: Mapping[str, Tag], links: Links) -> Iterator[str]:
    place = f"source {source.name!r}"
    enterprises = {tag.enterprise for tag in tags.values()}
    if source.enterprise and "{" not in source.enterprise and source.enterprise not in enterprises:
        yield f"{place}.enterprise: no tag belongs to {source.enterprise!r}"
    if not any(links.can_be(source, link) for link in {tag.link for tag in tags.values()}):
        yield f"{place}.link: no tag has the link {source.link!r}; give it to its tags, or leave both out"
    for key, name in source.map.items():
        if name not in tags:
            yield f"{place}.map.{key}: no tag is called {name!r}"


def _unfed(sources: Sequence[SourceConfig], tags: Mapping[str, Tag], links: Links) -> Iterator[str]:
    """Links of tags that no source can be: nobody would send their heartbeats, and their fault would never end."""
    by_link: dict[str, list[str]] = {}
    for tag in tags.values():
        by_link.setdefault(tag.link, []).append(tag.name)
    for link, names in by_link.items():
        if sources and not any(links.can_be(source, link) for source in sources):
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            known = ", ".join(sorted({repr(source.link) for source in sources}))
            yield f"tags[{names[0]}].link: no source feeds {link!r}{more}; the links of the sources are {known}"
