"""`python -m hazwatch.reference DIR` writes the reference pages, the plots of the rule kinds and the JSON Schemas."""

from __future__ import annotations

import sys
from pathlib import Path

from hazwatch.config.schema import all_schemas
from hazwatch.reference.pages import PAGES
from hazwatch.reference.plots import plots
from schemas.jsonschema import write as write_schemas


def write(folder: Path) -> None:
    """Write every page and plot into `folder`; plots of kinds that are gone are removed."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")
    drawn = plots()
    for stale in {file.name for file in (folder / "plots").glob("*.svg")} - set(drawn):
        (folder / "plots" / stale).unlink()
    for name, svg in drawn.items():
        (folder / "plots" / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    write_schemas(all_schemas(), Path(sys.argv[1]) / "schema")
