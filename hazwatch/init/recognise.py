"""What stands in each cell: the entries of the library that names, titles and gases speak for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hazwatch.init.notes import Note
from rules.library import Entry, library, plain, told
from schemas.gases import gas
from schemas.registry import Measure, Revision, Tag
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class Recognised:
    """An entry in a cell and what spoke for it."""

    entry: Entry
    why: Text


@dataclass(frozen=True, slots=True)
class Cell:
    """The tags of a cell and the entries that apply to them: processes, then the equipment that these use, then what
    belongs to every plant."""

    name: str
    tags: tuple[Tag, ...]
    found: tuple[Recognised, ...]

    @property
    def ranks(self) -> tuple[tuple[Entry, ...], ...]:
        used = {name for one in library().values() for name in one.uses}
        here = [one.entry for one in self.found]
        equipment = [e.id for e in here if e.id in used] + [name for e in here for name in e.uses]
        return (
            tuple(e for e in here if e.id not in used),
            tuple(library()[name] for name in dict.fromkeys(equipment)),
            tuple(e for e in library().values() if e.always),
        )


class UnknownProcess(ValueError):
    """A process was named that the library does not have, or a cell that the tag list does not have."""


def recognise(revision: Revision, given: Sequence[str] = ()) -> list[Cell]:
    """The cells in the order of the list. `given` are ids of entries, for all cells or, as `id@cell`, for one; in these
    cells nothing else is looked for. Raises `UnknownProcess`."""
    cells: dict[str, list[Tag]] = {}
    for tag in revision.tags:
        cells.setdefault(tag.cell_key, []).append(tag)
    wanted = _given(given, cells)
    names = _names(revision)
    return [Cell(name, tuple(tags), tuple(_found(name, tags, wanted, names))) for name, tags in cells.items()]


def undecided(cells: Sequence[Cell]) -> Iterator[Note]:
    """Cells whose gases speak for a process that nothing else speaks for."""
    for cell in cells:
        if cell.found:
            continue
        here = {tag.cas for tag in cell.tags if tag.measure is Measure.GAS}
        likely = [e for e in library().values() if here & set(e.gases) and not e.always]
        if likely:
            ids = ", ".join(e.id for e in likely)
            yield Note(
                cell.name,
                Text(
                    f"看不出是什么装置，只用了通用规则；按气体可能是 {ids}，用 --process 指定",
                    "nothing says what stands here, so only the rules for any plant apply; by its gases it may be "
                    f"{ids}: say so with --process",
                ),
            )


def _given(given: Sequence[str], cells: Mapping[str, Sequence[Tag]]) -> dict[str, list[Entry]]:
    wanted: dict[str, list[Entry]] = {}
    for text in given:
        name, _, place = text.partition("@")
        entry = library().get(name)
        if entry is None or entry.always:
            known = ", ".join(e.id for e in library().values() if not e.always)
            raise UnknownProcess(f"there is no process {name!r}; one of: {known}")
        if place and place not in cells:
            raise UnknownProcess(f"there is no cell {place!r}; one of: {', '.join(cells)}")
        for cell in [place] if place else cells:
            if entry not in wanted.setdefault(cell, []):
                wanted[cell].append(entry)
    return wanted


def _names(revision: Revision) -> dict[str, str]:
    """What the places of each tag are called, by its name."""
    called = {e.id: f"{e.id} {e.name.zh} {e.name.en}" for e in revision.enterprises}
    called |= {s.id: f"{s.id} {s.name.zh} {s.name.en}" for s in revision.hazard_sources}
    equipment = {q.id: f"{q.name.zh} {q.name.en}" for q in revision.equipment}
    return {
        t.name: " ".join(
            (called.get(t.enterprise, ""), called.get(t.hazard_source, ""), equipment.get(t.equipment, ""))
        )
        for t in revision.tags
    }


def _found(
    cell: str, tags: Sequence[Tag], wanted: Mapping[str, Sequence[Entry]], names: Mapping[str, str]
) -> Iterator[Recognised]:
    if cell in wanted:
        for entry in wanted[cell]:
            yield Recognised(entry, Text("由 --process 指定", "said with --process"))
        return
    gases = {tag.cas for tag in tags if tag.measure is Measure.GAS}
    for entry in library().values():
        word = None if entry.always else _word(entry, tags, names)
        if word is None:
            continue
        if gases:
            common = [cas for cas in entry.gases if cas in gases]
            if entry.gases and not common:
                continue
            measured = [one.name for cas in common[:3] if (one := gas(cas)) is not None]
        else:
            measured = [e.name for e in entry.expect if e.need == "must" and any(map(e.fits, tags))][:3]
            if not measured:
                continue
        yield Recognised(entry, _why(word, measured))


def _word(entry: Entry, tags: Sequence[Tag], names: Mapping[str, str]) -> str | None:
    """The first word of the entry that something in the cell is called by."""
    for tag in tags:
        text = f"{plain(names[tag.name])} {told(tag)}"
        for word in entry.words:
            if found := re.search(word, text, re.IGNORECASE):
                return found[0]
    return None


def _why(word: str, measured: Sequence[Text]) -> Text:
    if not measured:
        return Text(f"名称中有“{word}”", f"its names say {word!r}")
    zh, en = "、".join(m.zh for m in measured), ", ".join(m.en for m in measured)
    return Text(f"名称中有“{word}”，并测量{zh}", f"its names say {word!r}, and {en} is measured")
