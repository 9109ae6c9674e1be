"""The candidate: a configuration as a revision that can follow the live readings, and its fold over one partition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from hazwatch.config.numbers import renumbered
from rules.engine import Fold
from rules.rulebook import compile_rules
from schemas.changes import ConditionChange
from schemas.problems import Problem
from schemas.registry import Revision

replace = msgspec.structs.replace
NUMBER = 2**31 - 1
"""Its revision number: above all that are ever activated, so that the fold follows none of them (LAWS R1)."""
STRANGER = 2**30
"""From here on are the numbers of tags for which no readings can come. The registry gives the low ones."""
SHOWN = 5


class Candidate(NamedTuple):
    """`revision` has the tag numbers under which readings come; `unheard` are its tags for which none can come before
    it is in force; `notes` is what a reader of the report has to know."""

    revision: Revision
    unheard: tuple[str, ...]
    notes: tuple[str, ...]


def candidate(wanted: Revision, live: Revision) -> tuple[Candidate | None, tuple[Problem, ...]]:
    """The wanted revision beside the live one, or why it cannot be judged there."""
    units = {tag.name: tag.unit for tag in live.tags if not tag.retired}
    problems = tuple(
        Problem.of(
            f"tags[{tag.name}].unit",
            f"readings come in {units[tag.name]}, the unit in force, and not in {tag.unit}",
            "keep unit and limits as they are for the shadow, and change them apart",
        )
        for tag in wanted.tags
        if not tag.retired and units.get(tag.name, tag.unit) != tag.unit
    )
    if problems:
        return None, problems
    highest = max((tag.number for tag in live.tags), default=0)
    numbered = renumbered(wanted, live)
    unheard = tuple(tag.name for tag in numbered.tags if tag.number > highest)
    tags = tuple(replace(tag, number=STRANGER + tag.number) if tag.number > highest else tag for tag in numbered.tags)
    revision = replace(numbered, number=NUMBER, tags=tags)
    return Candidate(revision, unheard, tuple(_notes(revision, live, unheard))), ()


def _notes(revision: Revision, live: Revision, unheard: tuple[str, ...]) -> Iterator[str]:
    if unheard:
        yield f"no readings come for {_some(unheard)} before they are in force (new, or in another cell)"
    values = {tag.name: tag.bad_values for tag in live.tags if not tag.retired}
    others = [tag.name for tag in revision.tags if not tag.retired and values.get(tag.name, ()) != tag.bad_values]
    if others := [name for name in others if name in values]:
        yield f"bad_values are taken out at the entry, as in force: {_some(tuple(others))}"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


class Follower:
    """The candidate's fold over one partition of `readings`, from the record at `start` on."""

    def __init__(self, revision: Revision, partition: int, partitions: int, incarnation: int, start: int) -> None:
        self._fold = Fold(compile_rules(revision, partition, partitions), partition, incarnation)
        self._fold.start_at(start)

    @property
    def readings(self) -> int:
        """How many readings were folded."""
        return self._fold.rows_folded

    def apply(self, offset: int, append_ns: int, kind: str, value: bytes) -> list[ConditionChange]:
        """What the candidate says at this record."""
        return self._fold.apply(offset, append_ns, kind, value)

    def jump(self, start: int) -> None:
        """Records up to `start` are gone."""
        self._fold.start_at(start)
