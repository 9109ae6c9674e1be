"""A small registry for the tests of ingest."""

from __future__ import annotations

from typing import Any

from schemas.registry import Enterprise, HazardSource, Measure, Park, Revision, Tag
from schemas.text import Text

CO = "630-08-0"


def tag(number: int, name: str, **fields: Any) -> Tag:
    """A CO detector in ppm, unless `fields` say otherwise."""
    known: dict[str, Any] = {"enterprise": "metal", "measure": Measure.GAS, "cas": CO, "unit": "ppm"}
    return Tag(number=number, name=name, **{**known, **fields})


def revision(*names: str, number: int = 1, tags: tuple[Tag, ...] = ()) -> Revision:
    """A park with two enterprises; the names become detectors of `metal` numbered from 1."""
    return Revision(
        number=number,
        parks=(Park(id="demo", name=Text(zh="示范园区", en="Demo park")),),
        enterprises=(Enterprise(id="metal", park="demo"), Enterprise(id="chlorine", park="demo")),
        hazard_sources=(HazardSource(id="foundry", enterprise="metal"),),
        tags=tuple(tag(i, name) for i, name in enumerate(names, 1)) + tags,
    )
