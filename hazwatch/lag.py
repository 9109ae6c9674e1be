"""How far the folds are behind the log, as metrics and as a fault that people hear of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from eventlog.port import EventLog, LogUnavailable
from hazwatch.clock import Clock
from hazwatch.faults import Fault, Faults
from hazwatch.metrics import Metrics
from schemas.text import Text
from schemas.time import SECOND

LOOK_S = 1.0
LATE_S = 5.0
"""A record that a fold of the alarm path has not seen for so long is a fault (RELIABILITY K7)."""

MOST_LOOKS = 600


class Backlog:
    """One fold's place in its partition. The fold says where it is, `look` says where the log ends.

    How late it is counts by our own monotonic clock, from the first look that saw the log go on beyond the fold: the
    log's clock may stand anywhere.
    """

    def __init__(self, stage: str, topic: str, partition: int, clock: Clock) -> None:
        self.stage = stage
        self.topic = topic
        self.partition = partition
        self._clock = clock
        self._next_offset: int | None = None
        self._append_ns = 0
        self._end = 0
        self._looks: deque[tuple[int, int]] = deque(maxlen=MOST_LOOKS)
        self._away_ns: int | None = None

    def reached(self, next_offset: int, append_ns: int = 0) -> None:
        """The fold has folded everything before `next_offset`; the last record was appended then, if it is known."""
        self._next_offset = next_offset
        self._append_ns = append_ns or self._append_ns

    def reachable(self, up: bool) -> None:
        """The log answered the fold, or did not."""
        self._away_ns = None if up else self._away_ns or self._clock.monotonic_ns()

    def look(self, end: int) -> None:
        """The log ends at `end` now."""
        self._end = end
        self._looks.append((end, self._clock.monotonic_ns()))

    @property
    def records(self) -> int:
        """Records that are not folded; 0 before the fold has begun."""
        return 0 if self._next_offset is None else max(0, self._end - self._next_offset)

    @property
    def age_s(self) -> float:
        """The age of the last record that was folded while others wait behind it, by the log's clock; else 0."""
        if not self.records or not self._append_ns:
            return 0.0
        return max(0, self._clock.now_ns() - self._append_ns) / SECOND

    @property
    def late_s(self) -> float:
        """For how long there has been a record that the fold has not folded."""
        if self._next_offset is None:
            return 0.0
        while self._looks and self._looks[0][0] <= self._next_offset:
            self._looks.popleft()
        return (self._clock.monotonic_ns() - self._looks[0][1]) / SECOND if self._looks else 0.0

    @property
    def away_s(self) -> float:
        """For how long the log has not answered the fold."""
        return 0.0 if self._away_ns is None else (self._clock.monotonic_ns() - self._away_ns) / SECOND


class LagWatch:
    """Looks at the ends of the partitions beside the folds, so that a stuck fold cannot hide its own delay."""

    def __init__(
        self, source: EventLog, backlogs: Sequence[Backlog], metrics: Metrics, faults: Faults, *, look_s: float = LOOK_S
    ) -> None:
        self._log = source
        self._backlogs = backlogs
        self._metrics = metrics
        self._faults = faults
        self._look_s = look_s
        for one in backlogs:
            faults.watch(Fault.LATE, f"{one.topic}/{one.partition}")

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """Look once. A log that does not answer changes nothing but the age of what waits."""
        for one in self._backlogs:
            with suppress(LogUnavailable):
                one.look((await self._log.bounds(one.topic, one.partition)).end)
            self._report(one)

    def _report(self, one: Backlog) -> None:
        labels = {"stage": one.stage, "partition": str(one.partition)}
        self._metrics.gauge("hazwatch_lag_records", one.records, **labels)
        self._metrics.gauge("hazwatch_oldest_unprocessed_seconds", one.age_s, **labels)
        self._metrics.gauge("hazwatch_log_away_seconds", one.away_s, **labels)
        key = f"{one.topic}/{one.partition}"
        if one.late_s > LATE_S:
            said = f"{one.records} records, {one.late_s:.0f} s"
            self._faults.stand(Fault.LATE, key, Text(said, said))
        elif one.late_s < 1.0:
            self._faults.end(Fault.LATE, key)
