"""The historian: consumes `readings`, `backfill`, `alarms`, the receipts in `events` and `registry` into PostgreSQL.

Nothing waits for it. With PostgreSQL stopped, slow, full or gone it holds a few batches in memory and tries again; the
log keeps the rest. Rows and the position in the log are written in one transaction, so nothing is lost or doubled by a
crash on either side.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from eventlog.port import EventLog, LogError
from historian.alarms import AlarmsSink
from historian.config import HistorianConfig
from historian.errors import HistoryUnavailable
from historian.lane import Clock, Lane, LaneLimits
from historian.line import Line
from historian.migrate import migrate
from historian.partitions import HOUR_US, Partitions
from historian.policies import set_policies
from historian.positions import Source
from historian.progress import LaneProgress, Metrics, NoMetrics
from historian.readings import ReadingsSink
from historian.storage import Storage, StorageKind
from historian.together import together
from historian.upkeep import Upkeep

log = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 5.0)
_MIGRATE_S = 900.0
_LAG_S = 2.0

READING_LANES = ("readings", "backfill")
"""A lane each: declared history never holds up what is live."""

ALARM_TOPICS = ("alarms", "events", "registry")
_ALARM_LIMITS = LaneLimits(rows=500, delay_s=0.05, linger_s=0.15)


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """What the writer is doing. `storage` is None until the tables are there; `trouble` is "" when all is well."""

    storage: Storage | None
    lanes: dict[str, LaneProgress]
    trouble: str

    @property
    def rows(self) -> int:
        """Readings stored since the start."""
        return sum(self.lanes[name].rows for name in READING_LANES if name in self.lanes)

    @property
    def lag(self) -> int:
        """Offsets of all partitions that are not stored yet."""
        return sum(source.lag for lane in self.lanes.values() for source in lane.sources.values())

    @property
    def complete_ns(self) -> int:
        """Everything that was appended to `readings` up to here is stored; 0 when not known yet."""
        if "readings" not in self.lanes:
            return 0
        return min((s.complete_ns for s in self.lanes["readings"].sources.values()), default=0)


class Writer:
    """`run` is the service.

    `partitions` names the partitions of each topic that this writer takes (default: all); several writers share the
    work that way. Two on one partition do no harm but waste work: positions are fenced.
    """

    def __init__(
        self,
        event_log: EventLog,
        url: str,
        config: HistorianConfig,
        clock: Clock,
        metrics: Metrics | None = None,
        *,
        partitions: Sequence[int] | None = None,
    ) -> None:
        self._log = event_log
        self._url = url
        self._config = config
        self._clock = clock
        self._metrics = metrics or NoMetrics()
        self._partitions = partitions
        self._storage: Storage | None = None
        self._lanes: dict[str, Lane[Any, Any]] = {}
        self._upkeep: Upkeep | None = None
        self._trouble = "not started"

    def status(self) -> WriterStatus:
        """A view of the counters, which go on moving."""
        troubles = [
            self._trouble,
            *(f"{name}: {lane.progress.trouble}" for name, lane in self._lanes.items() if lane.progress.trouble),
        ]
        if self._upkeep and self._upkeep.trouble:
            troubles.append(f"upkeep: {self._upkeep.trouble}")
        lanes = {name: lane.progress for name, lane in self._lanes.items()}
        return WriterStatus(self._storage, lanes, "; ".join(t for t in troubles if t))

    async def run(self) -> None:
        """Bring the tables up to date, then store until cancelled. Raises `HistoryRefused` when a person must act."""
        storage = await self._prepared()
        sources = await self._sources()
        self._storage, self._trouble = storage, ""
        log.info("history on %s", storage)
        reading_limits = LaneLimits(self._config.batch_rows, self._config.batch_delay_s, self._config.batch_delay_s / 2)
        for topic in READING_LANES:
            width_us = self._config.partition_hours * HOUR_US
            partitions = Partitions("readings", width_us) if storage.kind is StorageKind.NATIVE else None
            sink = ReadingsSink(partitions, lambda: self._clock.now_ns() // 1000)
            self._lane(topic, [s for s in sources if s.topic == topic], sink, reading_limits)
        self._lane("alarms", [s for s in sources if s.topic in ALARM_TOPICS], AlarmsSink(), _ALARM_LIMITS)
        self._upkeep = Upkeep(storage, self._config, self._connect, self._clock, self._metrics)
        works = {f"historian {name}": lane.run() for name, lane in self._lanes.items()}
        await together({**works, "historian upkeep": self._upkeep.run(), "historian lag": self._watch_lag()})

    def _lane(self, name: str, sources: list[Source], sink: Any, limits: LaneLimits) -> None:
        if sources:
            self._lanes[name] = Lane(name, self._log, sources, sink, limits, self._connect, self._clock, self._metrics)

    async def _connect(self, name: str) -> Line:
        return await Line.open(self._url, self._config.stalled_s, name)

    async def _prepared(self) -> Storage:
        """The tables, as soon as PostgreSQL can be reached."""
        attempt = 0
        while True:
            try:
                line = await self._connect("migration")
                try:
                    return await line.run(self._migrated(line), _MIGRATE_S)
                finally:
                    await line.close()
            except (psycopg.Error, HistoryUnavailable, OSError) as error:
                await self._pause("preparing the database", error, attempt)
                attempt += 1

    async def _migrated(self, line: Line) -> Storage:
        storage = await migrate(line.conn)
        if storage.kind is StorageKind.TIMESCALE:
            await set_policies(line.conn, self._config)
        return storage

    async def _sources(self) -> list[Source]:
        """The partitions of the log that are ours."""
        attempt = 0
        while True:
            try:
                return [
                    Source(topic, partition)
                    for topic in (*READING_LANES, *ALARM_TOPICS)
                    for partition in range(await self._log.partitions(topic))
                    if self._partitions is None or partition in self._partitions
                ]
            except LogError as error:
                await self._pause("asking the log for its topics", error, attempt)
                attempt += 1

    async def _pause(self, what: str, error: Exception, attempt: int) -> None:
        self._trouble = f"{what}: {error}"
        self._metrics.trouble("start", type(error).__name__)
        pause = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)] * random.uniform(0.5, 1.5)
        log.error("%s: %s; trying again in %.1f s", what, error, pause)
        await asyncio.sleep(pause)

    async def _watch_lag(self) -> None:
        """Ask the log for its ends, whatever the database does."""
        while True:
            for lane in self._lanes.values():
                for source, progress in lane.progress.sources.items():
                    try:
                        progress.end = (await self._log.bounds(*source)).end
                    except LogError:
                        continue
                    known = progress.lag and progress.complete_ns  # nothing is known before the first commit
                    age_s = (self._clock.now_ns() - progress.complete_ns) / 1e9 if known else 0.0
                    self._metrics.behind(source, progress.lag, max(0.0, age_s))
            await asyncio.sleep(_LAG_S)
