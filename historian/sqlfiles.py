"""The SQL of the historian lives in .sql files: migrations, and queries under `-- name --` headings."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def package_text(path: str) -> LiteralString:
    """The text of a file of this package, `queries/trend.sql`: written by us, hence safe to execute as it is."""
    found = resources.files("historian")
    for part in path.split("/"):
        found = found / part
    text: LiteralString = found.read_text(encoding="utf-8")
    return text


@cache
def queries(name: str) -> dict[str, LiteralString]:
    """The statements of `queries/<name>.sql` by their headings. Raises ValueError when a heading comes twice."""
    parts: list[LiteralString] = _HEADING.split(package_text(f"queries/{name}.sql"))
    found: dict[str, LiteralString] = {}
    for heading, statement in zip(parts[1::2], parts[2::2], strict=True):
        if heading in found:
            raise ValueError(f"queries/{name}.sql has two statements called {heading}")
        found[heading] = statement.strip()
    return found
