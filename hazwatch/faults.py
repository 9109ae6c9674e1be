"""What a process has to say about itself: standing conditions of class "system" without a cause (LAWS C2).

A role says `stand` while something is wrong with it and `end` when it is over; once a second what is new goes to
`events`, and what stands is said again every 30 s, so that the book notices when its speaker has died. A condition that
an earlier life of this process may have left behind is said to be over once, a minute after the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from eventlog.port import EventLog, LogUnavailable, NewRecord
from hazwatch.clock import Clock
from hazwatch.metrics import Metrics
from hazwatch.registry import RegistryView
from schemas.changes import AlarmClass, Basis, ConditionChange, ConditionChanges, Guidance, Place, Side
from schemas.partitioning import partition_of
from schemas.records import Kind, encode
from schemas.registry import Park
from schemas.text import Text
from schemas.tiers import GasClass, tier_of
from schemas.time import MINUTE, SECOND

log = logging.getLogger(__name__)
RULE = "process"
"""The rule name of what processes say of themselves."""

LOOK_S = 1.0
RESTATED = 30 * SECOND
SETTLED = MINUTE
REMEMBERED_S = 600.0
"""How long what happened once (a gap, a refused snapshot) stands, so that people see it."""


class Fault(StrEnum):
    """What can be wrong with a process."""

    LATE = "late"
    REVISION = "revision"
    GAP = "gap"
    SNAPSHOT = "snapshot"
    UNWRITTEN = "unwritten"
    HISTORY = "history"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Words:
    """How a fault is put to people."""

    name: Text
    action: Text


WORDS = {
    Fault.LATE: Words(
        Text("处理滞后，报警可能延迟", "behind the log: alarms may be late"),
        Text("检查该进程的负载与日志所在磁盘或网络", "Check the load of this process, and the log's disk or network."),
    ),
    Fault.REVISION: Words(
        Text("缺少已启用的配置版本", "a revision that was activated is missing"),
        Text(
            "检查 registry 主题；用 hazwatch apply 重新启用配置", "Check topic registry; apply the configuration again."
        ),
    ),
    Fault.GAP: Words(
        Text("日志保留期已过，部分记录未经判断", "retention passed unread records: they were not evaluated"),
        Text(
            "在现场核对这段时间的情况；增大日志保留时间或容量",
            "Check on site what happened meanwhile; give the log more time or space.",
        ),
    ),
    Fault.SNAPSHOT: Words(
        Text("快照不可用，正从日志重新计算", "no snapshot fits the log: folding it again from its start"),
        Text(
            "若日志由备份恢复，请确认已提升其代号；否则只需等待重新计算完成",
            "If the log was restored from a backup, see that its incarnation was raised; else wait until it is done.",
        ),
    ),
    Fault.UNWRITTEN: Words(
        Text("快照无法写入", "snapshots cannot be written"),
        Text("检查数据目录所在磁盘", "Check the disk of the data directory."),
    ),
    Fault.HISTORY: Words(
        Text("历史数据未能保存，报警不受影响", "the history is not being stored; alarms are not affected"),
        Text("检查数据库", "Check the database."),
    ),
    Fault.DISK: Words(
        Text("磁盘空间不足", "the disk is nearly full"),
        Text("清理磁盘或扩容", "Free space, or give the machine a larger disk."),
    ),
}


class _Standing:
    """One fault, and what was said of it last."""

    __slots__ = ("began_ns", "detail", "level", "said_level", "said_ns", "until_ns")

    def __init__(self) -> None:
        self.level = 0
        self.detail = Text()
        self.began_ns = 0
        self.until_ns = 0
        self.said_level: int | None = None
        self.said_ns = 0


class Faults:
    """The faults of one process. All methods but `run` return at once and may be called from the loop only."""

    def __init__(
        self, name: str, source: EventLog, registry: RegistryView, clock: Clock, metrics: Metrics | None = None
    ) -> None:
        self._name = name
        self._log = source
        self._registry = registry
        self._clock = clock
        self._metrics = metrics
        self._started_ns = clock.monotonic_ns()
        self._known: dict[tuple[Fault, str], _Standing] = {}

    def watch(self, fault: Fault, key: str = "") -> None:
        """This process may raise that fault: if an earlier life of it did, it is said to be over."""
        self._known.setdefault((fault, key), _Standing())

    def stand(self, fault: Fault, key: str = "", detail: Text | str = "", *, for_s: float = 0.0) -> None:
        """The fault stands, until `end` or, with `for_s`, so long after the last call."""
        one = self._known.setdefault((fault, key), _Standing())
        now = self._clock.monotonic_ns()
        if not one.level:
            one.level, one.began_ns = 1, now
            log.error("fault %s %s stands: %s", fault, key, detail if isinstance(detail, str) else detail.en)
        one.detail = Text(detail, detail) if isinstance(detail, str) else detail
        one.until_ns = now + round(for_s * SECOND) if for_s else 0

    def end(self, fault: Fault, key: str = "") -> None:
        """The fault is over; nothing if it did not stand."""
        one = self._known.setdefault((fault, key), _Standing())
        if one.level:
            log.warning("fault %s %s is over", fault, key)
        one.level, one.until_ns = 0, 0

    def standing(self) -> list[tuple[Fault, str, Text]]:
        """What stands now: fault, key, detail."""
        return [(fault, key, one.detail) for (fault, key), one in self._known.items() if one.level]

    async def run(self) -> None:
        """Say what is due, for ever. What the log does not take is said again."""
        while True:
            await self._speak()
            if self._metrics is not None:
                counts = Counter((str(fault),) for fault, _, _ in self.standing())
                self._metrics.replace_gauges("hazwatch_faults", counts.items())
            await asyncio.sleep(LOOK_S)

    async def _speak(self) -> None:
        now = self._clock.monotonic_ns()
        due = []
        for (fault, key), one in self._known.items():
            if one.until_ns and now >= one.until_ns:
                self.end(fault, key)
            if self._is_due(one, now):
                due.append((fault, key, one))
        if not due:
            return
        parks = self._registry.newest.parks
        try:
            partitions = await self._log.partitions("events")
            for park in parks or (Park(id="", name=Text()),):
                changes = tuple(self._change(fault, key, one, park, len(parks) > 1) for fault, key, one in due)
                value = encode(ConditionChanges(changes=changes), source=self._name, at_ns=self._clock.now_ns())
                record = NewRecord(park.id.encode(), Kind.CHANGES, value)
                await self._log.append("events", partition_of(park.id, partitions), [record])
        except LogUnavailable:
            return
        for _, _, one in due:
            one.said_level, one.said_ns = one.level, now

    def _is_due(self, one: _Standing, now: int) -> bool:
        if one.said_level is None and not one.level:
            return now - self._started_ns >= SETTLED
        return one.level != one.said_level or bool(one.level and now - one.said_ns >= RESTATED)

    def _change(self, fault: Fault, key: str, one: _Standing, park: Park, several: bool) -> ConditionChange:
        at_ns = self._clock.now_ns()
        since_ns = at_ns - (self._clock.monotonic_ns() - one.began_ns) if one.level else 0
        words, detail = WORDS[fault], one.detail
        about = Text(f"{key} {detail.zh}".strip(), f"{key} {detail.en}".strip())
        text = words.name
        if one.level and about:
            text = Text(f"{words.name.zh}：{about.zh}", f"{words.name.en}: {about.en}")
        subject = f"{self._name}:{fault}" + (f":{key}" if key else "") + (f"/{park.id}" if several else "")
        return ConditionChange(
            rule=RULE,
            kind=RULE,
            subject=subject,
            side=Side.FAULT,
            level=one.level,
            level_name="fault" if one.level else "normal",
            tier=tier_of(AlarmClass.SYSTEM, one.level, GasClass.NONE, 0),
            alarm_class=AlarmClass.SYSTEM,
            basis=Basis.SELF,
            cause=None,
            onset_ns=since_ns,
            since_ns=since_ns,
            at_ns=at_ns,
            received_ns=at_ns,
            text=text if one.level else Text(),
            place=Place(park=park.id, park_name=park.name),
            guidance=Guidance(action=words.action),
        )
