"""MQTT topics: filters, matching and templates. Pure text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

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
    return filled_with(template, dict(enumerate(topic.split("/"), 1)))


def filled_with(template: str, levels: Mapping[int, str]) -> str:
    """The template with `{n}` replaced by level n, missing ones by nothing."""
    return _LEVEL.sub(lambda found: levels.get(int(found[1]), ""), template)


class Backwards:
    """A template over the topics of a filter, read backwards: which texts it can become, and of which levels.

    Levels that the filter itself spells out are known beforehand; `places` are the levels that the template leaves
    open, and `filter` is the narrowest topic filter that takes all its texts.
    """

    def __init__(self, template: str, topic_filter: str) -> None:
        self._known = {n: level for n, level in enumerate(topic_filter.split("/"), 1) if level not in ("+", "#")}
        open_from = topic_filter.count("/") + 1 if topic_filter.endswith("#") else None
        named = {int(n) for n in _LEVEL.findall(template)} - self._known.keys()
        free = {n for n, level in enumerate(topic_filter.split("/"), 1) if level == "+"}
        self.places = frozenset(n for n in named if n in free or (open_from is not None and n >= open_from))
        levels = _LEVEL.sub(self._or_open, template).split("/")
        self.filter = "/".join("+" if _LEVEL.search(level) else level for level in levels)
        self._pattern = re.compile(self._expression(template), re.DOTALL)

    def levels(self, text: str) -> dict[int, str] | None:
        """The levels of the topic that the template was filled with, None when this text is none of its own."""
        found = self._pattern.fullmatch(text)
        return None if found is None else self._known | {n: found[f"l{n}"] for n in self.places}

    def _or_open(self, found: re.Match[str]) -> str:
        n = int(found[1])
        return found[0] if n in self.places else self._known.get(n, "")

    def _expression(self, template: str) -> str:
        words = _LEVEL.split(template)
        parts, seen = [re.escape(words[0])], set()
        for number, text in zip(words[1::2], words[2::2], strict=True):
            n = int(number)
            if n not in self.places:
                parts.append(re.escape(self._known.get(n, "")))
            elif n in seen:
                parts.append(f"(?P=l{n})")
            else:
                parts.append(f"(?P<l{n}>[^/]*)")
                seen.add(n)
            parts.append(re.escape(text))
        return "".join(parts)


def namer(template: str, topic: str) -> Callable[[str], str]:
    """How keys of a message on this topic become names. The topic's text is never a template."""
    parts = [filled(part, topic) for part in template.split("{key}")]
    return lambda key: key.join(parts)
