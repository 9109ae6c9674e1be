"""What the fold has to say of itself: dead links, a broken clock, records and rules that had to be skipped.

Few of these stand at any time, so they are plain Python. Each is said once per park that has tags in the partition,
because `events` is keyed by park; the partition is part of the subject (LAWS T5).

| rule     | class         | raised by                                | ends                                     |
|----------|---------------|------------------------------------------|------------------------------------------|
| `link`   | communication | no `up` heartbeat for 15 s of `now` (T5) | at an `up` heartbeat                     |
| `clock`  | system        | a step of the log's clock (T1)           | after 60 s of `now` without another step |
| `record` | system        | a record that had to be skipped (C7)     | 10 min of `now` after the last skip      |
| `rule`   | system        | a rule that threw and was skipped (C7)   | 10 min of `now` after the last skip      |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rules.machine import NEVER, UNKNOWN
from rules.speech import NORMAL
from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis, ConditionChange, Place, Side
from schemas.registry import Struct
from schemas.text import Text
from schemas.tiers import GasClass, tier_of
from schemas.time import MINUTE, SECOND

HEARTBEAT_LIMIT = 15 * SECOND
CLOCK, LINK, RECORD, RULE = "clock", "link", "record", "rule"
CLASSES = {
    CLOCK: AlarmClass.SYSTEM,
    LINK: AlarmClass.COMMUNICATION,
    RECORD: AlarmClass.SYSTEM,
    RULE: AlarmClass.SYSTEM,
}
LASTS = {CLOCK: 60 * SECOND, RECORD: 10 * MINUTE, RULE: 10 * MINUTE}
LEVEL = "fault"


class Fault(Struct, frozen=True, kw_only=True):
    """The state of one fault: about `name` (a link, a rule, else empty). `due` is when a timer next concerns it."""

    rule: str
    name: str
    stated: int = UNKNOWN
    due: int = NEVER
    onset_ns: int = 0
    detail: Text = Text()

    def ended(self) -> Fault:
        """The same fault, stated normal."""
        return Fault(rule=self.rule, name=self.name, stated=0)


class Here(NamedTuple):
    """Where the fold stands: the record at hand and the row that a change of it would have."""

    incarnation: int
    offset: int
    row: int
    append_ns: int
    now_ns: int
    partition: int
    revision: int

    @property
    def cause(self) -> Cause:
        return Cause(self.incarnation, self.offset, self.row)

    def at_row(self, row: int) -> Cause:
        return Cause(self.incarnation, self.offset, row)


class Faults:
    """All faults of a partition, by (rule, name)."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Fault] = {}
        self.due = NEVER

    def put_back(self, faults: Iterable[Fault]) -> None:
        """Take these as what is known (from a snapshot)."""
        self.known = {(f.rule, f.name): f for f in faults}
        self.due = min((f.due for f in self.known.values()), default=NEVER)

    def watch(self, rule: str, name: str, due: int) -> None:
        """Begin to watch; without history a fault is unknown until `due` (LAWS C6)."""
        self._put(self.known.get((rule, name)) or Fault(rule=rule, name=name, due=due))

    def _put(self, fault: Fault) -> None:
        self.known[fault.rule, fault.name] = fault
        self.due = min(self.due, fault.due)

    def trip(self, rule: str, name: str, detail: Text, here: Here) -> Fault | None:
        """There is cause for the fault; returns it when that is a change."""
        before = self.known.get((rule, name)) or Fault(rule=rule, name=name)
        raised = before.stated <= 0
        after = Fault(
            rule=rule,
            name=name,
            stated=1,
            due=here.now_ns + LASTS[rule] if rule in LASTS else NEVER,
            onset_ns=here.append_ns if raised else before.onset_ns,
            detail=detail,
        )
        self._put(after)
        return after if raised else None

    def heartbeat(self, name: str, here: Here) -> Fault | None:
        """The link `name` is up; returns its fault when that is a change."""
        before = self.known.get((LINK, name)) or Fault(rule=LINK, name=name)
        after = Fault(rule=LINK, name=name, stated=0, due=here.now_ns + HEARTBEAT_LIMIT)
        self._put(after)
        return after if before.stated != 0 else None

    def fire(self, here: Here) -> list[tuple[int, Fault]]:
        """Faults that a timer changes, with the time at which each fell due (LAWS T3)."""
        if here.now_ns < self.due:
            return []
        found = []
        for fault in sorted(self.known.values(), key=lambda f: (f.due, f.rule, f.name)):
            if fault.due <= here.now_ns:
                found.append((fault.due, self._expired(fault, here)))
        self.due = min((f.due for f in self.known.values()), default=NEVER)
        return found

    def _expired(self, fault: Fault, here: Here) -> Fault:
        if fault.rule == LINK:
            after = Fault(rule=LINK, name=fault.name, stated=1, onset_ns=here.append_ns)
        else:
            after = Fault(rule=fault.rule, name=fault.name, stated=0)
        self.known[fault.rule, fault.name] = after
        return after

    def active(self) -> Iterator[Fault]:
        return (f for _, f in sorted(self.known.items()) if f.stated > 0)

    def forget(self, rule: str, name: str) -> Fault | None:
        """Stop watching; returns the fault if its last word was not "normal"."""
        fault = self.known.pop((rule, name), None)
        return fault if fault is not None and fault.stated != 0 else None


def change(fault: Fault, place: Place, here: Here, basis: Basis) -> ConditionChange:
    """The fault in words, for one park."""
    level = max(fault.stated, 0)
    alarm_class = CLASSES[fault.rule]
    return ConditionChange(
        rule=fault.rule,
        kind=fault.rule,
        subject=subject(fault, place, here.partition),
        side=Side.FAULT,
        level=level,
        level_name=LEVEL if level else NORMAL,
        tier=tier_of(alarm_class, level, GasClass.NONE, 0),
        alarm_class=alarm_class,
        basis=basis,
        cause=here.cause,
        partition=here.partition,
        onset_ns=fault.onset_ns or here.append_ns,
        since_ns=fault.onset_ns,
        event_ns=here.append_ns,
        at_ns=here.append_ns,
        received_ns=here.append_ns,
        text=_said(fault, here.partition, level),
        place=place,
        registry_revision=here.revision,
    )


def subject(fault: Fault, place: Place, partition: int) -> str:
    """Such as `link/foundry-gw/3@demo`: what, which partition, which park."""
    middle = f"/{fault.name}" if fault.name else ""
    return f"{fault.rule}{middle}/{partition}@{place.park}"


def _said(fault: Fault, partition: int, level: int) -> Text:
    what = {
        LINK: Text(zh=f"链路 {fault.name}（分区 {partition}）", en=f"link {fault.name} (partition {partition})"),
        CLOCK: Text(zh=f"日志时钟（分区 {partition}）", en=f"clock of the log (partition {partition})"),
        RECORD: Text(zh=f"记录（分区 {partition}）", en=f"records (partition {partition})"),
        RULE: Text(zh=f"规则 {fault.name}（分区 {partition}）", en=f"rule {fault.name} (partition {partition})"),
    }[fault.rule]
    if not level:
        return Text(zh=f"{what.zh} 恢复正常", en=f"{what.en}: back to normal")
    if fault.rule == LINK:
        return Text(
            zh=f"{what.zh} 离线或没有心跳已超过 15 秒：它的测点不再送来数据",
            en=f"{what.en}: down, or without a heartbeat, for more than 15 s, its tags send no data",
        )
    return Text(zh=f"{what.zh}：{fault.detail.zh}", en=f"{what.en}: {fault.detail.en}")


def skipped(offset: int, why: str) -> Text:
    """What is said of a record that had to be skipped."""
    return Text(
        zh=f"位置 {offset} 的记录无法读取，已跳过：{why}",
        en=f"record at {offset} cannot be read and was skipped: {why}",
    )


def failed(offset: int, why: str) -> Text:
    """What is said of a rule that threw."""
    return Text(
        zh=f"在位置 {offset} 出错，已跳过该记录的判断：{why}",
        en=f"failed at {offset} and was skipped for that record: {why}",
    )


CLOCK_BACK = Text(zh="时间向后跳变", en="it was set back")
CLOCK_FORWARD = Text(zh="时间向前跳变超过 10 秒", en="it was set forward by more than 10 s")
