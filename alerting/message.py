"""The message that a duty officer reads: what, where, how bad, since when, what to do. In Chinese and in English."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from alerting.sending import Delivery
from schemas.alarms import Alarm, Change, State
from schemas.changes import AlarmClass, Place
from schemas.quality import Quality
from schemas.text import Text
from schemas.time import in_zone

Language = Literal["zh", "en"]

CHAIN = "chain"
"""The kind of a chain fault: the way of alarms itself is broken, and the dispatcher says so without the log."""

_COLOURS = {1: Text("红色", "red"), 2: Text("橙色", "orange"), 3: Text("黄色", "yellow"), 4: Text("蓝色", "blue")}
_CHANGES = {
    Change.RAISE: Text("报警", "ALARM"),
    Change.RISE: Text("报警升级", "ALARM RISES"),
    Change.FALL: Text("报警降级", "alarm falls"),
    Change.RETURN: Text("恢复正常", "back to normal"),
    Change.RERAISE: Text("再次报警", "ALARM AGAIN"),
    Change.ACKNOWLEDGE: Text("已确认", "acknowledged"),
    Change.UNCONFIRMED: Text("报警失去更新", "alarm no longer confirmed"),
    Change.CONFIRMED: Text("报警恢复更新", "alarm confirmed again"),
    Change.CLOSE: Text("手动关闭", "closed by hand"),
    Change.RETIRE: Text("测点停用", "point retired"),
}
_STATES = {
    State.NORMAL: Text("正常", "normal"),
    State.UNACKNOWLEDGED: Text("未确认", "not acknowledged"),
    State.ACKNOWLEDGED: Text("已确认", "acknowledged"),
    State.RETURNED_UNACKNOWLEDGED: Text("已恢复未确认", "returned, not acknowledged"),
}
_LEVELS = {
    "low_low": Text("低低限", "low-low"),
    "low": Text("低限", "low"),
    "high": Text("高限", "high"),
    "high_high": Text("高高限", "high-high"),
    "normal": Text("正常", "normal"),
    "fault": Text("故障", "fault"),
}
_CLASSES = {
    AlarmClass.PROCESS: Text("工艺", "process"),
    AlarmClass.INSTRUMENT: Text("仪表", "instrument"),
    AlarmClass.COMMUNICATION: Text("通信", "communication"),
    AlarmClass.SYSTEM: Text("系统", "system"),
}
_NO_VALUE = {
    Quality.OVER_RANGE: Text("超量程", "over range"),
    Quality.UNDER_RANGE: Text("低于量程", "under range"),
}

NO_DIMENSION = "1"
"""The unit of what has none: a count, an index."""
_NUMBER = re.compile(r"\d+(?:\.(\d+))?")

FACTS = (
    "id",
    "alarm",
    "episode",
    "revision",
    "title",
    "message",
    "what",
    "where",
    "park",
    "enterprise",
    "hazard_source",
    "equipment",
    "subject",
    "value",
    "limit",
    "unit",
    "tier",
    "colour",
    "level",
    "class",
    "time",
    "since",
    "state",
    "change",
    "action",
    "cause",
    "consequence",
    "link",
    "remark",
    "name",
    "phone",
    "email",
    "address",
)
"""The names that a template may use."""


class Message(NamedTuple):
    """`title` is one line; `body` several, the title's facts included."""

    title: str
    body: str


def say(text: Text, language: Language) -> str:
    """The text in the language, else in the other one."""
    return (text.zh or text.en) if language == "zh" else (text.en or text.zh)


def message(delivery: Delivery, language: Language, link: str = "") -> Message:
    """The message of a delivery."""
    facts = _describe(delivery, language, link)
    return Message(facts["title"], facts["message"])


def facts(delivery: Delivery, language: Language, channel: str, link: str = "") -> dict[str, str]:
    """Every fact of `FACTS` in words, for templates. What is not known is empty."""
    contact = delivery.contact
    told = _describe(delivery, language, link)
    told["name"] = contact.name if contact else ""
    told["phone"] = contact.phone if contact else ""
    told["email"] = contact.email if contact else ""
    told["address"] = contact.address(channel) if contact else ""
    return told


def number(value: float) -> str:
    """A number as people write it: at most six digits that count, no exponent for ordinary sizes."""
    text = f"{value:.6g}"
    return text if "e" not in text else f"{value:.0f}" if 1e6 <= abs(value) < 1e12 else text


def local_time(ns: int) -> str:
    """Wall time in China: `2026-01-31 12:00:00`."""
    return f"{in_zone(ns):%Y-%m-%d %H:%M:%S}"


def place_names(place: Place, language: Language) -> str:
    """Park, enterprise, hazard source and equipment by the names people know, ids where there are none."""
    steps = (
        (place.park_name, place.park),
        (place.enterprise_name, place.enterprise),
        (place.hazard_source_name, place.hazard_source),
        (place.equipment_name, place.equipment),
    )
    return " / ".join(say(name, language) or id for name, id in steps if name or id)


def _describe(delivery: Delivery, language: Language, link: str) -> dict[str, str]:
    notice, alarm = delivery.notice, delivery.notice.alarm
    tier = notice.tier or alarm.tier or alarm.peak_tier
    told = {
        "id": notice.id,
        "alarm": alarm.id,
        "episode": alarm.episode,
        "revision": str(alarm.revision),
        "what": _what(alarm, language),
        "where": place_names(alarm.place, language),
        "park": say(alarm.place.park_name, language) or alarm.place.park,
        "enterprise": say(alarm.place.enterprise_name, language) or alarm.place.enterprise,
        "hazard_source": say(alarm.place.hazard_source_name, language) or alarm.place.hazard_source,
        "equipment": say(alarm.place.equipment_name, language) or alarm.place.equipment,
        "subject": alarm.subject,
        "value": _value(alarm, language),
        "limit": "" if alarm.limit is None else number(alarm.limit),
        "unit": "" if alarm.unit == NO_DIMENSION else alarm.unit,
        "tier": str(tier),
        "colour": say(_COLOURS.get(tier, Text()), language),
        "level": say(_LEVELS.get(alarm.level_name, Text(alarm.level_name, alarm.level_name)), language),
        "class": say(_CLASSES[alarm.alarm_class], language),
        "time": local_time(alarm.changed_ns or notice.due_ns),
        "since": local_time(alarm.onset_ns) if alarm.onset_ns else "",
        "state": say(_STATES.get(alarm.state, Text(alarm.state, alarm.state)), language),
        "change": say(_CHANGES[notice.reason], language),
        "action": say(alarm.guidance.action, language),
        "cause": say(alarm.guidance.cause, language),
        "consequence": say(alarm.guidance.consequence, language),
        "link": link,
        "remark": say(delivery.remark, language),
    }
    told["title"] = _title(told, alarm, notice.drill, language)
    told["message"] = _body(told, alarm, language)
    return told


def _what(alarm: Alarm, language: Language) -> str:
    """The alarm's own text, else what is measured, else the subject."""
    return say(alarm.text, language) or say(alarm.place.tag_title, language) or alarm.subject


def _value(alarm: Alarm, language: Language) -> str:
    if alarm.value is not None:
        return number(alarm.value)
    for quality, text in _NO_VALUE.items():
        if alarm.quality == quality:
            return say(text, language)
    return ""


def _title(told: dict[str, str], alarm: Alarm, drill: bool, language: Language) -> str:
    measured = _measured(told, alarm, language)
    if language == "zh":
        head = f"【{'演练·' if drill else ''}{told['colour']}{told['tier']}级】"
        name = "报警链路故障" if alarm.kind == CHAIN else told["change"]
        return f"{head}{name}：{told['what']}" + (f"，{measured}" if measured else "")
    head = f"[{'DRILL ' if drill else ''}{told['colour'].upper()} tier {told['tier']}]"
    name = "ALARM CHAIN FAULT" if alarm.kind == CHAIN else told["change"]
    return f"{head} {name}: {told['what']}" + (f", {measured}" if measured else "")


def _measured(told: dict[str, str], alarm: Alarm, language: Language) -> str:
    """The value against its limit, each with its unit, without what the alarm's own text says already."""
    said = _says(told["what"], alarm.value) or (alarm.value is None and told["value"] in told["what"])
    if told["value"] and said and (alarm.limit is None or _says(told["what"], alarm.limit)):
        return ""
    unit = f" {told['unit']}" if told["unit"] else ""
    value = "" if not told["value"] or said else told["value"] + (unit if alarm.value is not None else "")
    limit = f"{told['limit']}{unit}" if told["limit"] else ""
    if not limit or alarm.alarm_class is not AlarmClass.PROCESS:
        return value
    named = alarm.level > 0 and alarm.level_name in _LEVELS
    if language == "zh":
        name = told["level"] if named else "限值"
        return f"{value}（{name} {limit}）" if value else f"{name} {limit}"
    name = f"{told['level']} limit" if named else "limit"
    return f"{value} ({name} {limit})" if value else f"{name} {limit}"


def _says(text: str, value: float | None) -> bool:
    """Whether the text has the number, rounded as it may be there; a small whole number may also be a name's."""
    if value is None:
        return False
    size = abs(value)
    return any(
        float(found[0]) == (round(size, len(found[1])) if found[1] else size) for found in _NUMBER.finditer(text)
    )


def _body(told: dict[str, str], alarm: Alarm, language: Language) -> str:
    peak = _peak(told, alarm, language)
    labels = (
        (Text("位置", "Where"), told["where"]),
        (Text("起始", "Since"), told["since"]),
        (Text("时间", "Time"), told["time"]),
        (Text("峰值", "Peak"), peak),
        (Text("状态", "State"), _state(told, alarm, language)),
        (Text("原因", "Cause"), told["cause"]),
        (Text("后果", "Consequence"), told["consequence"]),
        (Text("处置", "Do"), told["action"]),
        (Text("说明", "Note"), told["remark"]),
        (Text("查看", "See"), told["link"]),
    )
    colon = "：" if language == "zh" else ": "
    lines = [f"{say(label, language)}{colon}{value}" for label, value in labels if value]
    return "\n".join([told["title"], *lines])


def _peak(told: dict[str, str], alarm: Alarm, language: Language) -> str:
    """The worst value, where it is not the one of now."""
    if alarm.peak_value is None or alarm.peak_value == alarm.value or alarm.alarm_class is not AlarmClass.PROCESS:
        return ""
    return number(alarm.peak_value) + (f" {told['unit']}" if told["unit"] else "")


def _state(told: dict[str, str], alarm: Alarm, language: Language) -> str:
    if not alarm.acknowledged_by:
        return told["state"]
    by = f"{alarm.acknowledged_by} {local_time(alarm.acknowledged_ns)}"
    return f"{told['state']}（{by}）" if language == "zh" else f"{told['state']} ({by})"
