"""Chain faults: the way of alarms itself is broken. When to say so, and in which words. Pure.

The faults are about what makes alarms possible, so they cannot be alarms of the book: with the log gone there is no
book. Each is said at most once in ten minutes, and its end once.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from alerting.message import CHAIN
from schemas.alarms import Alarm, Change, Notice, State
from schemas.causes import Cause, alarm_id, episode_id, notice_id
from schemas.changes import AlarmClass, Guidance, Side
from schemas.registry import Struct
from schemas.text import Text
from schemas.time import MINUTE, SECOND

SAID_AGAIN_NS = 10 * MINUTE


class ChainFault(StrEnum):
    """What can be broken."""

    LOG = "log"  # the durable log does not answer
    INGEST = "ingest"  # neither readings nor link heartbeats arrive
    EVALUATOR = "evaluator"  # nobody evaluates


LIMITS_S = {ChainFault.LOG: 20.0, ChainFault.INGEST: 30.0, ChainFault.EVALUATOR: 30.0}
"""So long a part may be silent. The log's is shorter, so that people know within 30 s."""

_TEXTS = {
    ChainFault.LOG: Text("日志（Kafka/本地日志）不可达，报警无法传递", "the log cannot be reached: no alarm can pass"),
    ChainFault.INGEST: Text("没有收到任何数据与心跳，现场报警可能无法到达", "no readings and no heartbeats arrive"),
    ChainFault.EVALUATOR: Text("规则评估已停止，超限不会产生报警", "nobody evaluates the readings: no alarm can arise"),
}
_ACTION = Text(
    "立即以现场仪表和独立的气体报警系统为准，并通知系统维护人员",
    "Rely on the local instruments and the independent gas alarms, and call whoever maintains the system.",
)
_ENDED = Text("报警链路已恢复", "the alarm chain works again")


class ChainNews(Struct, frozen=True, kw_only=True):
    """A fault that people must hear of now, or its end."""

    fault: ChainFault
    raised: bool
    silent_s: float
    since_ns: int


class ChainWatch:
    """Decides when to speak. Wall time goes into the messages, monotonic time into the decisions."""

    def __init__(self, limits_s: Mapping[ChainFault, float] | None = None) -> None:
        self._limits_s = dict(LIMITS_S) | dict(limits_s or {})
        self._said_ns: dict[ChainFault, int] = {}
        self._standing: dict[ChainFault, int] = {}

    def look(self, silent_s: Mapping[ChainFault, float], monotonic_ns: int, wall_ns: int) -> list[ChainNews]:
        """What to say, given for how long each part has been silent (0: it is not)."""
        news = []
        for fault, limit_s in self._limits_s.items():
            silent = silent_s.get(fault, 0.0)
            if silent >= limit_s:
                since = self._standing.setdefault(fault, wall_ns - round(silent * SECOND))
                if fault not in self._said_ns or monotonic_ns - self._said_ns[fault] >= SAID_AGAIN_NS:
                    self._said_ns[fault] = monotonic_ns
                    news.append(ChainNews(fault=fault, raised=True, silent_s=silent, since_ns=since))
            elif fault in self._standing:
                since = self._standing.pop(fault)
                news.append(ChainNews(fault=fault, raised=False, silent_s=silent, since_ns=since))
        return news


def chain_notice(news: ChainNews, process: str, at_ns: int, channel: str) -> Notice:
    """The news as a notice of tier 1; it stands in no log."""
    subject = f"{process}:{news.fault}"
    onset = Cause(0, news.since_ns, 0)
    text = _TEXTS[news.fault]
    said = Text(f"{text.zh}（已{news.silent_s:.0f}秒）", f"{text.en} (for {news.silent_s:.0f} s)")
    alarm = Alarm(
        id=alarm_id(CHAIN, subject, Side.FAULT),
        episode=episode_id(CHAIN, subject, Side.FAULT, onset),
        revision=at_ns,
        rule=CHAIN,
        kind=CHAIN,
        subject=subject,
        side=Side.FAULT,
        alarm_class=AlarmClass.SYSTEM,
        state=State.UNACKNOWLEDGED if news.raised else State.NORMAL,
        level=1 if news.raised else 0,
        level_name="fault" if news.raised else "normal",
        tier=1 if news.raised else 0,
        peak_level=1,
        peak_level_name="fault",
        peak_tier=1,
        onset_ns=news.since_ns,
        raised_ns=at_ns,
        changed_ns=at_ns,
        text=said if news.raised else Text(f"{_ENDED.zh}：{news.fault}", f"{_ENDED.en}: {news.fault}"),
        guidance=Guidance(action=_ACTION if news.raised else Text()),
        onset_cause=onset,
    )
    return Notice(
        id=notice_id(alarm.episode, at_ns, channel, ""),
        channel=channel,
        recipient="",
        reason=Change.RAISE if news.raised else Change.RETURN,
        tier=1,
        due_ns=at_ns,
        alarm=alarm,
        route=CHAIN,
    )
