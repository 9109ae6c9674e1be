"""How the writer is doing: counters that its work loops bump, read by whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from historian.positions import Source


class Metrics(Protocol):
    """Where numbers go. Never blocks, never raises."""

    def stored(self, lane: str, rows: int, duplicates: int, seconds: float) -> None:
        """A transaction was committed, after so long."""
        ...

    def behind(self, source: Source, records: int, age_s: float) -> None:
        """So many records of a partition are not stored yet; the oldest was appended so long ago."""
        ...

    def connected(self, lane: str, up: bool) -> None:
        """A lane has got or lost its connection."""
        ...

    def trouble(self, lane: str, reason: str) -> None:
        """Something went wrong and will be tried again, or is lost (`gap`)."""
        ...


class NoMetrics:
    """`Metrics` for whoever does not count."""

    def stored(self, lane: str, rows: int, duplicates: int, seconds: float) -> None: ...

    def behind(self, source: Source, records: int, age_s: float) -> None: ...

    def connected(self, lane: str, up: bool) -> None: ...

    def trouble(self, lane: str, reason: str) -> None: ...


@dataclass(slots=True)
class SourceProgress:
    """One partition: the next offset to be stored, the log's end when last asked, and what was last stored."""

    next_offset: int = -1
    end: int = -1
    complete_ns: int = 0
    """Everything appended up to here is stored."""

    @property
    def lag(self) -> int:
        """Offsets between what is stored and the log's end; 0 when not known yet."""
        return max(0, self.end - self.next_offset) if self.next_offset >= 0 else 0


@dataclass(slots=True)
class LaneProgress:
    """One lane. `worked_ns` is the monotonic time at which its loop last did something."""

    connected: bool = False
    rows: int = 0
    duplicates: int = 0
    transactions: int = 0
    skipped: int = 0
    gaps: int = 0
    reconnects: int = 0
    worked_ns: int = 0
    trouble: str = ""
    sources: dict[Source, SourceProgress] = field(default_factory=dict)
