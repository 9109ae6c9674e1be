"""A difference as lines for people, in English or in Chinese; what is less strict stands first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hazwatch.revisions.difference import Difference, Entry, FieldChange
from hazwatch.revisions.effect import Effect
from hazwatch.revisions.strictness import Strictness
from schemas.text import Text

LISTED = 40
"""So many lines of one strictness; JSON has all of them."""
NAMED = 5

HEADINGS = {
    Strictness.LESS: Text(zh="变宽（更危险的方向）", en="less strict (the dangerous direction)"),
    Strictness.UNCLEAR: Text(zh="方向不明，请逐条确认", en="cannot be told, look at each"),
    Strictness.STRICTER: Text(zh="变严", en="stricter"),
    Strictness.NEUTRAL: Text(zh="其他", en="other"),
}
_WHAT = {
    "tag": Text(zh="位号", en="tag"),
    "rule": Text(zh="规则", en="rule"),
    "route": Text(zh="路由", en="route"),
    "model": Text(zh="模型", en="model"),
    "park": Text(zh="园区", en="park"),
    "enterprise": Text(zh="企业", en="enterprise"),
    "hazard_source": Text(zh="重大危险源", en="hazard source"),
    "equipment": Text(zh="设备", en="equipment"),
}
_CHANGE = {"added": Text(zh="新增", en="added"), "removed": Text(zh="删除", en="removed")}
_SIDE = {
    "high": Text(zh="高侧", en="high side"),
    "low": Text(zh="低侧", en="low side"),
    "fault": Text(zh="故障", en="fault"),
}
_SAME = Text(zh="没有变化", en="nothing changes")
_NONE = Text(zh="无", en="none")
_YES, _NO = Text(zh="是", en="yes"), Text(zh="否", en="no")


def lines(whole: Difference, *, chinese: bool = False) -> Iterator[str]:
    """The difference, line by line."""
    say = _zh if chinese else _en
    if whole.empty:
        yield say(_SAME)
        return
    for strictness in Strictness:
        found = [*_entry_lines(whole.entries, strictness, chinese), *_effect_lines(whole.effects, strictness, chinese)]
        if not found:
            continue
        yield f"{say(HEADINGS[strictness])}: {len(found)}"
        yield from (f"  {line}" for line in found[:LISTED])
        if (left := len(found) - LISTED) > 0:
            more = f"……另有 {left} 条，见 --json" if chinese else f"... and {left} more; --json has all"
            yield f"  {more}"


def summary(whole: Difference, *, chinese: bool = False) -> str:
    """How many there are of each strictness, in one line."""
    say = _zh if chinese else _en
    if whole.empty:
        return say(_SAME)
    short = {
        Strictness.LESS: Text(zh="变宽", en="less strict"),
        Strictness.UNCLEAR: Text(zh="方向不明", en="cannot be told"),
        Strictness.STRICTER: Text(zh="变严", en="stricter"),
        Strictness.NEUTRAL: Text(zh="其他", en="other"),
    }
    return ", ".join(f"{count} {say(short[strictness])}" for strictness, count in whole.counts.items())


def _entry_lines(entries: Sequence[Entry], strictness: Strictness, chinese: bool) -> Iterator[str]:
    say = _zh if chinese else _en
    for entry in entries:
        title = say(entry.title)
        named = f"（{title}）" if chinese and title else f" ({title})" if title else ""
        what = f"{say(_WHAT[entry.what])} {entry.id}{named}"
        if entry.change != "changed":
            if entry.strictness is strictness:
                yield f"{what}{'：' if chinese else ': '}{say(_CHANGE[entry.change])}"
            continue
        for change in entry.fields:
            if change.strictness is strictness:
                yield f"{what}{'：' if chinese else ': '}{_field(change, chinese)}"


def _field(change: FieldChange, chinese: bool) -> str:
    say = _zh if chinese else _en
    old, new = (_value(value, say) for value in (change.old, change.new))
    if _is_number(change.old):
        old = f"{old} {change.old_unit}".rstrip()
    if _is_number(change.new):
        new = f"{new} {change.unit}".rstrip()
    return f"{say(change.title)} {old} -> {new}"


def _effect_lines(effects: Sequence[Effect], strictness: Strictness, chinese: bool) -> Iterator[str]:
    say = _zh if chinese else _en
    for effect in effects:
        if effect.strictness is not strictness:
            continue
        if not effect.rule:
            yield say(effect.title)
            continue
        parts = [f"{say(_WHAT['rule'])} {effect.rule}", say(_SIDE[effect.side])]
        if effect.level:
            parts.append(effect.level)
        moved = say(effect.title)
        if effect.old is not None or effect.new is not None:
            old, new = (_value(value, say) for value in (effect.old, effect.new))
            moved += f" {old} -> {new} {effect.unit}".rstrip()
        yield f"{', '.join(parts)}{'：' if chinese else ': '}{moved} ({_some(effect.subjects, chinese)})"


def _some(names: Sequence[str], chinese: bool) -> str:
    left = len(names) - NAMED
    more = (f" 等 {len(names)} 个" if chinese else f" and {left} more") if left > 0 else ""
    return ", ".join(names[:NAMED]) + more


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Any, say: Any) -> str:
    """A value as people write it."""
    if value is None or value == "" or (isinstance(value, list | tuple | dict) and not value):
        return str(say(_NONE))
    if isinstance(value, bool):
        return str(say(_YES if value else _NO))
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, dict) and value.keys() <= {"zh", "en"}:
        return f'"{say(Text(zh=value.get("zh", ""), en=value.get("en", "")))}"'
    if isinstance(value, list | tuple) and not any(isinstance(item, dict | list | tuple) for item in value):
        return ", ".join(_value(item, say) for item in value)
    if isinstance(value, list | tuple):
        return str(len(value))
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_value(item, say)}" for name, item in value.items())
    return str(value)


def _zh(text: Text) -> str:
    return text.zh or text.en


def _en(text: Text) -> str:
    return text.en or text.zh
