"""A tag list by itself: what can be checked of it without the configuration that it belongs to."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from hazwatch.config.numbers import numbered
from hazwatch.config.paths import Places, Row
from hazwatch.config.tags_csv import TagList
from schemas.checks import check
from schemas.registry import Enterprise, Equipment, HazardSource, Park, Revision, Tag

_SOMEWHERE = "somewhere"


def judged(found: TagList, shown: str) -> TagList:
    """The list with the problems of its tags added. The places that it names are taken to exist."""
    tags = [msgspec.structs.replace(tag, enterprise=tag.enterprise or _SOMEWHERE) for tag in found.tags]
    places = Places(shown, {name: Row(shown, row) for name, row in found.rows.items()}, {})
    problems = [p for p in check(_revision(tags)) if p.path.startswith("tags[")]
    return replace(found, problems=(*found.problems, *map(places.of, problems)))


def _revision(tags: list[Tag]) -> Revision:
    """The least revision in which these tags can stand."""
    return Revision(
        number=1,
        parks=(Park(id=_SOMEWHERE),),
        enterprises=tuple(Enterprise(id=e, park=_SOMEWHERE) for e in dict.fromkeys(t.enterprise for t in tags)),
        hazard_sources=tuple(
            HazardSource(id=source, enterprise=enterprise)
            for source, enterprise in {t.hazard_source: t.enterprise for t in tags if t.hazard_source}.items()
        ),
        equipment=tuple(
            Equipment(id=equipment, hazard_source=source)
            for equipment, source in {t.equipment: t.hazard_source for t in tags if t.equipment}.items()
        ),
        tags=numbered(tags),
    )
