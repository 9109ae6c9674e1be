"""The conditions that ingest states of itself: data that belongs to no tag, and messages that were lost. Pure.

Each is one standing condition per source, stated when it changes and every 30 s while it lasts (LAWS C2, C5). A
condition that a process before us may have left behind is stated as over once, when nothing speaks for it after a
minute, so that it does not stay on the list unconfirmed.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from ingest.gaps import Loss
from ingest.troubles import Troubles
from schemas.changes import AlarmClass, Basis, ConditionChange, Guidance, Place, Side
from schemas.text import Text
from schemas.tiers import GasClass, tier_of
from schemas.time import MINUTE, SECOND

RESTATED = 30 * SECOND
SETTLED = 1 * MINUTE
_SHOWN = 5

UNMAPPED = "unmapped"
DATA_LOSS = "data_loss"
_CLASSES = {UNMAPPED: AlarmClass.SYSTEM, DATA_LOSS: AlarmClass.COMMUNICATION}
_GUIDANCE = {
    UNMAPPED: Guidance(
        cause=Text(
            zh="网关发送了注册表中没有的名称、错误的单位或无法解析的数据",
            en="Unknown names, wrong units or payloads that cannot be read",
        ),
        consequence=Text(zh="这些读数没有经过任何报警判断", en="No alarm rule has seen these readings"),
        action=Text(
            zh="查看死信，登记测点或修正网关；确认无关的名称写入 ignore",
            en="Read the dead letters; register the tags, mend the gateway, or list the names in ignore",
        ),
    ),
    DATA_LOSS: Guidance(
        cause=Text(zh="网关的连续序号出现跳变", en="The gapless numbers of a gateway have jumped"),
        consequence=Text(zh="这段时间内的读数未经判断", en="Readings of this time were not evaluated"),
        action=Text(
            zh="检查网关与消息服务器；要求网关补传",
            en="Check gateway and broker; have the gateway send its buffer again",
        ),
    ),
}


class Statement(NamedTuple):
    """What is true of a source now, and since when on the monotonic clock."""

    text: Text
    since_ns: int
    value: float | None = None


class Standing:
    """One condition of one source at one place, and when it was last stated. Times are monotonic, `at_ns` is not."""

    def __init__(self, kind: str, subject: str, place: Place, started_ns: int) -> None:
        self._kind = kind
        self._subject = subject
        self._place = place
        self._started_ns = started_ns
        self._level: int | None = None
        self._said_ns = 0

    @property
    def park(self) -> str:
        return self._place.park

    def due(self, now: Statement | None, now_ns: int, at_ns: int) -> ConditionChange | None:
        """What is to be stated, if anything."""
        level = 0 if now is None else 1
        if level == self._level and not (level and now_ns - self._said_ns >= RESTATED):
            return None
        if self._level is None and level == 0 and now_ns - self._started_ns < SETTLED:
            return None
        self._level, self._said_ns = level, now_ns
        return self._change(now, at_ns - (now_ns - now.since_ns) if now else 0, at_ns)

    def unsaid(self) -> None:
        """It could not be appended: it will be said again."""
        self._level = None

    def _change(self, now: Statement | None, since_ns: int, at_ns: int) -> ConditionChange:
        alarm_class, level = _CLASSES[self._kind], 0 if now is None else 1
        return ConditionChange(
            rule=self._kind,
            kind=self._kind,
            subject=self._subject,
            side=Side.FAULT,
            level=level,
            level_name="fault" if level else "",
            tier=tier_of(alarm_class, level, GasClass.NONE, 0),
            alarm_class=alarm_class,
            basis=Basis.SELF,
            cause=None,
            onset_ns=since_ns,
            since_ns=since_ns,
            at_ns=at_ns,
            received_ns=at_ns,
            value=now.value if now else None,
            text=now.text if now else _OVER[self._kind],
            place=self._place,
            guidance=_GUIDANCE[self._kind],
        )


_OVER = {
    UNMAPPED: Text(zh="数据源的数据均可对应", en="All data of the source belongs to tags again"),
    DATA_LOSS: Text(zh="数据源不再缺少消息", en="The source lacks no messages any more"),
}


def unmapped(source: str, troubles: Troubles) -> Statement:
    """The statement about data that belongs to no tag, with the last values: a detector over its limit is in there."""
    newest = list(islice(reversed(troubles.last_values.items()), _SHOWN))
    shown = ", ".join(name if value is None else f"{name} = {value:g}" for name, value in newest)
    names = f"{len(troubles.last_values)}{'+' if troubles.more_names else ''}"
    shown = shown or "-"
    reasons = ", ".join(f"{reason.value} {count}" for reason, count in troubles.counts.most_common())
    return Statement(
        Text(
            zh=f"数据源 {source} 有无法使用的数据（{reasons}）；名称 {names} 个，最近的值：{shown}",
            en=f"Source {source} sends data that cannot be used ({reasons}); {names} names, last values: {shown}",
        ),
        troubles.since_ns,
        next((value for _, value in newest if value is not None), None),
    )


def lost(source: str, loss: Loss) -> Statement:
    """The statement about messages that did not come."""
    gap = loss.example
    numbers = f"{gap.first}-{gap.last}"
    return Statement(
        Text(
            zh=f"数据源 {source} 缺少 {loss.messages} 条消息，例如网关 {loss.gateway} 的序号 {numbers}",
            en=f"Source {source} lacks {loss.messages} messages, such as seq {numbers} of {loss.gateway}",
        ),
        loss.since_ns,
        float(loss.messages),
    )
