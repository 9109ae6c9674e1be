"""Whether a person's command applies to an alarm as it stands, and what to tell them if it does not (LAWS B1)."""

from __future__ import annotations

from typing import NamedTuple

from alerting.conditions import Condition
from schemas.alarms import Alarm, Command, CommandKind, Outcome, State
from schemas.text import Text

UNKNOWN_ALARM = Text("没有这个报警", "there is no such alarm")
ENDED = Text("该报警已经结束，无需处理", "this occurrence of the alarm has ended; there is nothing left to do")
NEW_OCCURRENCE = Text(
    "该报警已重新触发，请查看当前报警后再操作",
    "the alarm has occurred anew; look at the present occurrence and try again",
)
UNKNOWN_REVISION = Text(
    "该报警没有这个修订号，请刷新后重试", "the alarm has no such revision yet; refresh and try again"
)
WORSE = Text(
    "您看到之后报警已升级或再次触发，请查看后重新操作",
    "the alarm has risen or been raised again since you saw it; look at it and try again",
)
NOT_UNCONFIRMED = Text(
    "只有未得到确认更新（unconfirmed）的报警才能手动关闭；该报警由现场数据解除",
    "only an unconfirmed alarm may be closed by hand; this one ends when the readings return to normal",
)
NOT_IN_THIS_VERSION = {
    CommandKind.RESET: Text("本版本不支持锁存报警的复位", "latched alarms and their reset are not in this version"),
    CommandKind.SHELVE: Text("本版本不支持搁置报警", "shelving is not in this version; the alarm stays on the list"),
    CommandKind.UNSHELVE: Text("本版本不支持搁置报警", "shelving is not in this version"),
    CommandKind.SUPPRESS: Text("本版本不支持按设计抑制", "suppression by design is not in this version"),
    CommandKind.UNSUPPRESS: Text("本版本不支持按设计抑制", "suppression by design is not in this version"),
    CommandKind.OUT_OF_SERVICE: Text("本版本不支持停用报警", "taking an alarm out of service is not in this version"),
    CommandKind.RETURN_TO_SERVICE: Text(
        "本版本不支持停用报警", "taking an alarm out of service is not in this version"
    ),
}


class Decision(NamedTuple):
    """`outcome` APPLIED means that the book carries the command out."""

    outcome: Outcome
    reason: Text = Text()


def decide(command: Command, condition: Condition | None) -> Decision:
    """What becomes of a command that was not heard before."""
    if command.kind in NOT_IN_THIS_VERSION:
        return Decision(Outcome.REFUSED, NOT_IN_THIS_VERSION[command.kind])
    if condition is None:
        return Decision(Outcome.UNKNOWN, UNKNOWN_ALARM)
    alarm = condition.alarm
    if alarm is None:
        return Decision(Outcome.UNKNOWN, ENDED if condition.ended == command.episode else UNKNOWN_ALARM)
    if command.episode != alarm.episode:
        return Decision(Outcome.STALE, NEW_OCCURRENCE)
    if command.revision > alarm.revision:
        return Decision(Outcome.UNKNOWN, UNKNOWN_REVISION)
    if command.revision < condition.attention:
        return Decision(Outcome.STALE, WORSE)
    if command.kind is CommandKind.CLOSE:
        return Decision(Outcome.APPLIED) if alarm.unconfirmed else Decision(Outcome.REFUSED, NOT_UNCONFIRMED)
    if alarm.state is State.ACKNOWLEDGED:
        return Decision(Outcome.REPEATED, _already_acknowledged(alarm))
    return Decision(Outcome.APPLIED)


def repeated(first: Outcome) -> Text:
    """What a command is told whose id was answered before."""
    return Text(f"该命令已处理过，结果：{first}", f"this command was answered before: {first}")


def _already_acknowledged(alarm: Alarm) -> Text:
    return Text(f"{alarm.acknowledged_by}已确认该报警", f"already acknowledged by {alarm.acknowledged_by}")
