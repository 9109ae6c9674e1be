"""The registry as the screen needs it: the revision in force, followed in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from console.wire import PlainText, plain
from eventlog.port import Record
from schemas.records import Activate, Kind, RecordError, decode
from schemas.registry import Revision, Tag
from schemas.time import MS

log = logging.getLogger(__name__)


class RegistryView:
    """The newest revision that every partition follows; until one is, the newest there is."""

    def __init__(self) -> None:
        self._revisions: dict[int, Revision] = {}
        self._activated = 0
        self.current = Revision(number=0, parks=())
        self.by_name: dict[str, Tag] = {}
        self.encoded = b""
        self._take(self.current)

    def apply(self, records: Sequence[Record]) -> bool:
        """Fold records of `registry`; True when another revision is in force now."""
        for record in records:
            try:
                if record.kind == Kind.REVISION:
                    revision = decode(record.kind, record.value)
                    assert isinstance(revision, Revision)
                    self._revisions.setdefault(revision.number, revision)  # the first of a number counts, everywhere
                elif record.kind == Kind.ACTIVATED:
                    activated = decode(record.kind, record.value)
                    assert isinstance(activated, Activate)
                    self._activated = max(self._activated, activated.revision)
            except RecordError as error:
                log.error("registry, offset %d is passed over: %s", record.offset, error)
        number = self._activated or max(self._revisions, default=0)
        if number == self.current.number or number not in self._revisions:
            return False
        self._take(self._revisions[number])
        self._revisions = {n: r for n, r in self._revisions.items() if n >= number}
        return True

    def _take(self, revision: Revision) -> None:
        self.current = revision
        self.by_name = {tag.name: tag for tag in revision.tags if not tag.retired}
        self.encoded = msgspec.json.encode(_document(revision))


class WireTag(msgspec.Struct, frozen=True, rename="camel"):
    """A tag as the screen knows it. Limits in the tag's unit, null where there is none."""

    number: int
    name: str
    title: PlainText
    enterprise: str
    hazard_source: str
    equipment: str
    measure: str
    unit: str
    range_low: float | None
    range_high: float | None
    resolution: float | None
    period: float
    stale: float
    limits: tuple[float | None, float | None, float | None, float | None]


class WirePlace(msgspec.Struct, frozen=True):
    id: str
    name: PlainText
    parent: str


class WireRegistry(msgspec.Struct, frozen=True, rename="camel"):
    """`GET /api/tags`."""

    revision: int
    made: int
    parks: list[WirePlace]
    enterprises: list[WirePlace]
    hazard_sources: list[WirePlace]
    equipment: list[WirePlace]
    tags: list[WireTag]


def wire_tag(tag: Tag) -> WireTag:
    limits = tag.limits
    return WireTag(
        number=tag.number,
        name=tag.name,
        title=plain(tag.title),
        enterprise=tag.enterprise,
        hazard_source=tag.hazard_source,
        equipment=tag.equipment,
        measure=str(tag.measure),
        unit=tag.unit,
        range_low=tag.range_low,
        range_high=tag.range_high,
        resolution=tag.resolution,
        period=tag.period_s,
        stale=tag.stale_s,
        limits=(limits.low_low, limits.low, limits.high, limits.high_high),
    )


def _document(revision: Revision) -> WireRegistry:
    return WireRegistry(
        revision=revision.number,
        made=revision.made_ns // MS,
        parks=[WirePlace(p.id, plain(p.name), "") for p in revision.parks],
        enterprises=[WirePlace(e.id, plain(e.name), e.park) for e in revision.enterprises],
        hazard_sources=[WirePlace(h.id, plain(h.name), h.enterprise) for h in revision.hazard_sources],
        equipment=[WirePlace(e.id, plain(e.name), e.hazard_source) for e in revision.equipment],
        tags=[wire_tag(tag) for tag in revision.tags if not tag.retired],
    )
