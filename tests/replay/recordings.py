"""Small registries and recordings for the tests of replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from hazwatch.replay.feed import Feed, Instant, Tally
from hazwatch.replay.line import Happened, Line, line_of
from hazwatch.replay.runner import Replay
from hazwatch.replay.times import Shape
from schemas.registry import Enterprise, Limits, Measure, Park, Revision, Tag

UCI = Path(__file__).parent / "data" / "AirQualityUCI.csv.xz"
UCI_SHAPE = Shape(("Date", "Time"), "%d/%m/%Y %H:%M:%S")
CO, BENZENE, SENSOR = "CO_GT", "C6H6_GT", "PT08_S1_CO"


def tag(name: str, number: int, **changed: object) -> Tag:
    """A CO detector with limits 20 and 40, no delays, read every second."""
    plain = Tag(
        number=number,
        name=name,
        enterprise="works",
        measure=Measure.GAS,
        cas="630-08-0",
        unit="mg/m3",
        range_low=0.0,
        range_high=500.0,
        limits=Limits(high=20.0, high_high=40.0),
    )
    return msgspec.structs.replace(plain, **changed)


def revision(*tags: Tag) -> Revision:
    return Revision(
        number=1, parks=(Park(id="park"),), enterprises=(Enterprise(id="works", park="park"),), tags=tuple(tags)
    )


def city() -> Revision:
    """Three columns of the hourly air-quality recording: CO has a limit at 10 mg/m3, nothing has a delay."""
    hourly = {"period_s": 3600.0, "stale_s": 3 * 3600.0, "bad_values": (-200.0,)}
    return revision(
        tag(CO, 1, limits=Limits(high=10.0), **hourly),
        tag(BENZENE, 2, cas="71-43-2", unit="ug/m3", limits=Limits(high=100.0), **hourly),
        tag(SENSOR, 3, measure=Measure.OTHER, cas="", unit="1", range_high=5000.0, limits=Limits(), **hourly),
    )


def instants(
    files: Path | Sequence[Path], of: Revision, shape: Shape | None = None, tally: Tally | None = None
) -> list[Instant]:
    paths = [files] if isinstance(files, Path) else files
    return list(Feed(paths, shape or Shape(), of.tags, tally or Tally()).instants())


def played(recording: Iterable[Instant], of: Revision) -> list[Happened]:
    return list(Replay(of).play(recording))


def lines(recording: Iterable[Instant], of: Revision) -> list[Line]:
    return [line_of(one) for one in played(recording, of)]


def in_bytes(recording: Iterable[Instant], of: Revision) -> bytes:
    """What `hazwatch replay` writes."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines(recording, of))
