"""What ingest says of itself in the log: heartbeats of its links, and its standing conditions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from eventlog.port import EventLog, LogUnavailable, NewRecord
from ingest.conditions import DATA_LOSS, UNMAPPED, Standing, Statement, lost, unmapped
from ingest.intake import READINGS, Intake
from ingest.ports import Clock
from schemas import records
from schemas.changes import ConditionChange, ConditionChanges
from schemas.partitioning import partition_of
from schemas.records import Kind, Link, Tick
from schemas.time import SECOND

HEARTBEAT_S = 5.0
BLINK = 3 * SECOND
"""A broker that was away for less than this is not reported as down."""

APPEND_S = 15.0
"""The log's own deadline is shorter; this one stands outside, should that one not fire."""

EVENTS = "events"
_CHANGES_PER_RECORD = 500


class Voice:
    """Appends what is due. Methods answer False when the log could not be reached, and raise nothing for that."""

    def __init__(self, name: str, intake: Intake, log: EventLog, clock: Clock, connected: Callable[[], bool]) -> None:
        self._name = name
        self._intake = intake
        self._log = log
        self._clock = clock
        self._connected = connected
        self._up_ns = 0
        self._standing: dict[tuple[str, str, str], Standing] = {}

    def link_is_up(self) -> bool:
        """Whether the broker is connected, or was a moment ago; to be asked at least every second."""
        now_ns = self._clock.monotonic_ns()
        if self._connected():
            self._up_ns = now_ns
        return self._up_ns > 0 and now_ns - self._up_ns < BLINK

    async def heartbeat(self) -> bool:
        """A link record in every partition that we feed; it shows at the same time that they can be written.

        A link is up while the broker is connected and the last word of the link's gateway is not that it is down.
        """
        by_partition: dict[int, list[NewRecord]] = {}
        up, statuses = self.link_is_up(), self._intake.statuses
        for link, partition in self._intake.directory.heartbeats():
            payload = Link(name=link, up=up and not statuses.is_down(link), by=self._name)
            by_partition.setdefault(partition, []).append(self._record(payload, Kind.LINK))
        if not by_partition:
            by_partition[0] = [self._record(Tick(by=self._name), Kind.TICK)]
        try:
            async with asyncio.timeout(APPEND_S):
                for partition, values in by_partition.items():
                    await self._log.append(READINGS, partition, values)
        except (LogUnavailable, TimeoutError):
            return False
        return True

    async def state_conditions(self) -> bool:
        """Append what changed since it was last said, and what must be said again."""
        due: dict[str, list[tuple[Standing, ConditionChange]]] = {}
        now_ns, at_ns = self._clock.monotonic_ns(), self._clock.now_ns()
        for standing, statement in self._statements(now_ns):
            change = standing.due(statement, now_ns, at_ns)
            if change is not None:
                due.setdefault(standing.park, []).append((standing, change))
        reached = True
        for park, said in due.items():
            try:
                async with asyncio.timeout(APPEND_S):
                    await self._append_changes(park, [change for _, change in said])
            except (LogUnavailable, TimeoutError):
                reached = False
                for standing, _ in said:
                    standing.unsaid()
        return reached

    async def _append_changes(self, park: str, changes: Sequence[ConditionChange]) -> None:
        values = []
        for at in range(0, len(changes), _CHANGES_PER_RECORD):
            payload = ConditionChanges(changes=tuple(changes[at : at + _CHANGES_PER_RECORD]))
            value = records.encode(payload, source=self._name, at_ns=self._clock.now_ns(), subject=park)
            values.append(NewRecord(park.encode(), Kind.CHANGES, value))
        await self._log.append(EVENTS, partition_of(park, await self._log.partitions(EVENTS)), values)

    def _statements(self, now_ns: int) -> Iterator[tuple[Standing, Statement | None]]:
        """Every condition that we may state, with what is true of it now."""
        directory, losses = self._intake.directory, self._intake.gaps.losses(now_ns)
        for source in directory.sources:
            troubles = self._intake.troubles.get(source.name)
            said = {
                UNMAPPED: unmapped(source.name, troubles) if troubles and troubles.standing(now_ns) else None,
                DATA_LOSS: lost(source.name, losses[source.name]) if source.name in losses else None,
            }
            places = directory.places(source)
            for place in places:
                subject = f"{self._name}/{source.name}" + (f"/{place.park}" if len(places) > 1 else "")
                for kind, statement in said.items():
                    key = (kind, source.name, place.park)
                    if key not in self._standing:
                        self._standing[key] = Standing(kind, subject, place, now_ns)
                    yield self._standing[key], statement

    def _record(self, payload: Link | Tick, kind: Kind) -> NewRecord:
        value = records.encode(payload, source=self._name, at_ns=self._clock.now_ns())
        return NewRecord(self._name.encode(), kind, value)
