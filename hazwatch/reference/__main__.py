"""`python -m hazwatch.reference DIR` writes the reference pages and the JSON Schemas."""

from __future__ import annotations

import sys
from pathlib import Path

from hazwatch.config.schema import all_schemas
from hazwatch.reference.pages import PAGES
from schemas.jsonschema import write as write_schemas


def write(folder: Path) -> None:
    """Write every page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    write_schemas(all_schemas(), Path(sys.argv[1]) / "schema")
