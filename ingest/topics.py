"""MQTT topics: filters, matching and templates. Pure text."""

from __future__ import annotations

import re
from collections.abc import Callable

_LEVEL = re.compile(r"\{([1-9][0-9]?)\}")


def filter_fault(topic_filter: str) -> str:
    """Why this is no topic filter for readings, empty when it is one."""
    if not topic_filter or "\x00" in topic_filter or len(topic_filter.encode()) > 65535:
        return "a filter has 1 to 65535 bytes and no NUL"
    if topic_filter.startswith(("$SYS", "$share/")):
        return "neither the broker's own topics nor shared subscriptions (they break the order of a sensor) are read"
    levels = topic_filter.split("/")
    for index, level in enumerate(levels):
        if "#" in level and (level != "#" or index != len(levels) - 1):
            return "'#' stands alone, as the last level"
        if "+" in level and level != "+":
            return "'+' stands alone on its level"
    return ""


def matches(topic_filter: str, topic: str) -> bool:
    """Whether the filter takes the topic; a wildcard on the first level takes no topic that begins with `$`."""
    if topic.startswith("$") and not topic_filter.startswith("$"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for index, want in enumerate(wanted):
        if want == "#":
            return True
        if index >= len(levels) or (want != "+" and want != levels[index]):
            return False
    return len(wanted) == len(levels)


def overlap(one: str, other: str) -> bool:
    """Whether some topic is taken by both filters."""
    left, right = one.split("/"), other.split("/")
    for a, b in zip(left, right, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    if len(left) == len(right):
        return True
    longer = max(left, right, key=len)
    return len(longer) == min(len(left), len(right)) + 1 and longer[-1] == "#"


def filled(template: str, topic: str) -> str:
    """The template with `{1}`, `{2}` ... replaced by the levels of the topic, missing ones by nothing."""
    levels = topic.split("/")
    return _LEVEL.sub(lambda found: levels[int(found[1]) - 1] if int(found[1]) <= len(levels) else "", template)


def namer(template: str, topic: str) -> Callable[[str], str]:
    """How keys of a message on this topic become names. The topic's text is never a template."""
    parts = [filled(part, topic) for part in template.split("{key}")]
    return lambda key: key.join(parts)
