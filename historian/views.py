"""What the reader answers with: frozen values, times in ns since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.alarms import Alarm, Transition
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN


class Level(StrEnum):
    """What a trend was made from."""

    RAW = "raw"
    MINUTES = "1m"
    HOURS = "1h"


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a trend, from `at_ns` on.

    `low` and `high` are over what is not bad (an over-range value shows), `mean` and `last` over what is good; None
    where there was nothing of the kind. `quality` is the worst in the bucket; from rollups only its class is known.
    """

    at_ns: int
    low: float | None
    high: float | None
    mean: float | None
    last: float | None
    count: int
    good: int
    bad: int
    quality: int


@dataclass(frozen=True, slots=True)
class Trend:
    """Steps in order; empty ones are left out."""

    level: Level
    width_ns: int
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class LastValue:
    """The newest reading of a tag."""

    tag: int
    at_ns: int
    value: float
    quality: int


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms are meant; what is empty matches all. `tiers` are those of an episode's worst moment."""

    start_ns: int = 0
    alarm: str = ""
    tag: int | None = None
    park: str = ""
    enterprise: str = ""
    hazard_source: str = ""
    tiers: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    listed_only: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: what comes after this entry in the list (newest first)."""

    at_ns: int
    episode: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Sending:
    """A notice with one of its receipts; `kind` is "" while there is none."""

    notice: str
    revision: int
    channel: str
    recipient: str
    reason: str
    tier: int
    due_ns: int
    kind: str
    attempt: int
    at_ns: int
    detail: str


@dataclass(frozen=True, slots=True)
class Episode:
    """One occurrence of an alarm, whole."""

    alarm: Alarm
    transitions: tuple[Transition, ...]
    sendings: tuple[Sending, ...]


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """Episodes of one class and worst tier; `listed` are those not yet normal."""

    alarm_class: str
    tier: int
    episodes: int
    listed: int


@dataclass(frozen=True, slots=True)
class HistoryGap:
    """A part of the log that is not in the history."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int
    reason: str
    detail: str
    noticed_ns: int


def class_quality(count: int, good: int, bad: int) -> int:
    """The class of the worst quality in a rollup bucket, as its lowest number: bad, uncertain or good."""
    if bad:
        return FIRST_BAD
    return FIRST_UNCERTAIN if good < count else 0
