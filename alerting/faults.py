"""The book's own faults: what the second fold has to say about itself, as condition changes like any other.

They are functions of the partition's prefix, so every copy of the book raises the same ones; nobody restates them.
"""

from __future__ import annotations

from enum import StrEnum

from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis, ConditionChange, Guidance, Place, Side
from schemas.text import Text
from schemas.tiers import GasClass, tier_of

RULE = "book"
"""The rule name of the book's own faults; no rule of a registry may bear it."""


class Fault(StrEnum):
    POISON = "unreadable"  # a record of `events` that could not be read or applied was skipped
    CLOCK = "clock"  # the log's clock was set back or forward
    UNCONFIRMED = "unconfirmed"  # alarms of one partition of `readings` are no longer restated
    UNROUTED = "unrouted"  # a tier-1 alarm that no route leads anywhere
    CHANNEL = "channel"  # a channel that does not deliver


_NAMES = {
    Fault.POISON: Text("事件记录无法读取", "unreadable event record"),
    Fault.CLOCK: Text("日志时钟异常", "clock of the log stepped"),
    Fault.UNCONFIRMED: Text("报警失去更新", "alarms no longer confirmed"),
    Fault.UNROUTED: Text("一级报警没有通知路由", "tier-1 alarm without a route"),
    Fault.CHANNEL: Text("通知通道故障", "notification channel does not deliver"),
}
_ACTIONS = {
    Fault.POISON: Text(
        "检查写入 events 的程序版本是否一致", "Check that every process that writes `events` has the same version."
    ),
    Fault.CLOCK: Text("检查服务器时钟同步（chrony/NTP）", "Check the clock synchronisation of the log's machine."),
    Fault.UNCONFIRMED: Text(
        "检查规则评估进程是否运行；现场确认后可手动关闭未确认的报警",
        "Check that the evaluator runs; unconfirmed alarms may be closed by hand once the site is known to be safe.",
    ),
    Fault.UNROUTED: Text("为一级报警配置通知路由", "Configure a route that takes tier-1 alarms."),
    Fault.CHANNEL: Text(
        "检查该通道的地址、凭据与网络，必要时电话通知值班人员",
        "Check the channel's address, credentials and network; call the duty officer by phone meanwhile.",
    ),
}


def fault_change(
    fault: Fault,
    partition: int,
    key: str,
    *,
    raised: bool,
    cause: Cause,
    at_ns: int,
    detail: str = "",
    place: Place | None = None,
) -> ConditionChange:
    """The fault as a condition change. `key` tells apart several of a kind (a channel's name, a partition)."""
    name = _NAMES[fault]
    about = f"{key} {detail}".strip()
    level = 1 if raised else 0
    return ConditionChange(
        rule=RULE,
        kind=RULE,
        subject=f"events/{partition}:{fault}" + (f":{key}" if key else ""),
        side=Side.FAULT,
        level=level,
        level_name="fault" if raised else "normal",
        tier=tier_of(AlarmClass.SYSTEM, level, GasClass.NONE, 0),
        alarm_class=AlarmClass.SYSTEM,
        basis=Basis.SELF,
        cause=cause,
        onset_ns=at_ns,
        since_ns=at_ns,
        at_ns=at_ns,
        text=Text(f"{name.zh}：{about}", f"{name.en}: {about}") if raised and about else name if raised else Text(),
        place=place or Place(),
        guidance=Guidance(action=_ACTIONS[fault]),
    )
