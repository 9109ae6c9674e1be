"""What the console asks of the rest of the house. `hazwatch` implements these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from schemas.alarms import Alarm, Transition
from schemas.text import Text


class Clock(Protocol):
    """Time at the edge."""

    def now_ns(self) -> int:
        """Wall time, ns UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Time for deadlines."""
        ...


class HistoryUnavailable(Exception):
    """The database did not answer; what is in memory is all there is now."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One step of a trend: bounds and last of the good and uncertain values in it; None where there was none."""

    at_ns: int
    low: float | None
    high: float | None
    last: float | None
    quality: int


class History(Protocol):
    """The historian as the console sees it. Both may raise `HistoryUnavailable`, and answer within 10 s or raise it."""

    async def trend(self, tag: int, start_ns: int, end_ns: int, points: int) -> Sequence[TrendPoint]:
        """At most about `points` steps in [start, end), oldest first; steps without data are left out."""
        ...

    async def journal(
        self, *, before_ns: int, limit: int, alarm: str = "", enterprise: str = ""
    ) -> Sequence[Transition]:
        """Transitions older than `before_ns`, newest first."""
        ...


class Meter(Protocol):
    """Where the console counts. Never blocks, never raises."""

    def screens(self, count: int) -> None:
        """So many screens are connected now."""
        ...

    def frame(self, kind: str, screens: int) -> None:
        """A frame (`snap`, `d`, `hb`) went to so many screens."""
        ...


class PartState(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of the system is, in words for the screen."""

    name: str
    state: PartState
    detail: Text


class Health(Protocol):
    """What the composition knows of its parts. Never blocks, never raises."""

    def parts(self) -> Sequence[Part]: ...


@dataclass(frozen=True, slots=True)
class BookStart:
    """The alarms of one events partition as a snapshot of the book states them."""

    next_offset: int
    alarms: tuple[Alarm, ...]


class ReadBookSnapshot(Protocol):
    """Reads a record of `state`. Raises ValueError for one that is damaged or of another format."""

    def __call__(self, data: bytes) -> BookStart: ...
