"""From the words of the registry to places in the files: `tags[CO-101].high` -> `tags.csv: row 12, column high`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.problems import Problem

_PATH = re.compile(r"(\w+)\[(.*?)\](?:\.(.+))?")
_KINDS = {
    "parks": "park",
    "enterprises": "enterprise",
    "hazard_sources": "hazard_source",
    "equipment": "equipment",
    "rules": "rule",
    "routes": "route",
}


class Row(NamedTuple):
    """Where a tag stands."""

    file: str
    number: int


class Places:
    """Knows where each part of a revision was written."""

    def __init__(self, file: str, rows: Mapping[str, Row], order: Mapping[str, Sequence[str]]) -> None:
        """`rows` by name of tag, `order` gives the names in each array of tables (`rule`, `channel` ...)."""
        self._file = file
        self._rows = rows
        self._order = order

    def of(self, problem: Problem) -> Problem:
        """The problem with its place in the files; one whose place is not known stays with the file."""
        return Problem.of(self._place(problem.path), problem.message, problem.cure)

    def _place(self, path: str) -> str:
        found = _PATH.fullmatch(path)
        if found is None:
            return f"{self._file}: {path}"
        kind, name, field = found.groups()
        if kind == "tags":
            row = self._rows.get(name)
            column = f", column {field}" if field else ""
            return (
                f"{self._file}: tag {name}{column}" if row is None else f"{row.file}: row {row.number}{column} ({name})"
            )
        table = _KINDS.get(kind, kind)
        names = self._order.get(table, ())
        index = names.index(name) + 1 if name in names else 0
        heading = f"[[{table}]][{index}]" if index else f"[[{table}]] {name}"
        return f"{self._file}: {heading}{'.' + field if field else ''}"
