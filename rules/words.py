"""How the rules speak: numbers, names and ages as a duty officer reads them."""

from __future__ import annotations

import math

from schemas.gases import gas
from schemas.registry import Measure, Tag
from schemas.text import Text

MEASURES = {
    Measure.GAS: Text(zh="气体浓度", en="gas"),
    Measure.TEMPERATURE: Text(zh="温度", en="temperature"),
    Measure.PRESSURE: Text(zh="压力", en="pressure"),
    Measure.LEVEL: Text(zh="液位", en="level"),
    Measure.FLOW: Text(zh="流量", en="flow"),
    Measure.WIND_SPEED: Text(zh="风速", en="wind speed"),
    Measure.WIND_DIRECTION: Text(zh="风向", en="wind direction"),
    Measure.HUMIDITY: Text(zh="湿度", en="humidity"),
    Measure.CURRENT: Text(zh="电流", en="current"),
    Measure.STATE: Text(zh="状态", en="state"),
    Measure.OTHER: Text(zh="测量值", en="value"),
}


def number(value: float) -> str:
    """At most five significant digits, without an exponent where people would not write one."""
    if not math.isfinite(value):
        return "?"
    if value == 0 or 1e-4 <= abs(value) < 1e9:
        text = f"{value:.{max(0, 4 - math.floor(math.log10(abs(value))))}f}" if value else "0"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.5g}"


def quantity(value: float, unit: str) -> str:
    return f"{number(value)} {unit}" if unit else number(value)


def name(tag: Tag) -> Text:
    """What is measured: the tag's title, else its gas or measure with the tag's name."""
    if tag.title.zh and tag.title.en:
        return tag.title
    found = gas(tag.cas) if tag.cas else None
    what = found.name if found is not None else MEASURES[tag.measure]
    return Text(zh=tag.title.zh or f"{tag.name} {what.zh}", en=tag.title.en or f"{tag.name} {what.en}")


def at_limit(what: Text, how: Text, title: Text, limit: float, value: float, unit: str) -> Text:
    """What is so far from 0 that it has reached a limit on that side, or stands in alarm although it is back."""
    said = quantity(abs(limit), unit)
    if value >= limit if limit > 0 else value <= limit:
        return Text(zh=f"{what.zh} {how.zh}，达到{title.zh} {said}", en=f"{what.en} {how.en}, at {title.en} {said}")
    return Text(
        zh=f"{what.zh} {how.zh}，{title.zh} {said} 报警仍未解除",
        en=f"{what.en} {how.en}, {title.en} {said} still in alarm",
    )


def duration(seconds: float) -> Text:
    """A length of time, rounded to what matters."""
    if seconds < 120:
        return Text(zh=f"{seconds:.0f} 秒", en=f"{seconds:.0f} s")
    if seconds < 7200:
        return Text(zh=f"{seconds / 60:.0f} 分钟", en=f"{seconds / 60:.0f} min")
    return Text(zh=f"{seconds / 3600:.0f} 小时", en=f"{seconds / 3600:.0f} h")


def aged(text: Text, age_s: float) -> Text:
    """The text with the age of its reading, when that is worth telling (LAWS L5)."""
    if age_s <= 0:
        return text
    old = duration(age_s)
    return Text(zh=f"{text.zh}（数据是 {old.zh}前的）", en=f"{text.en} (reading is {old.en} old)")
