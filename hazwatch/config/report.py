"""What `check` and `tags import` say: for people as lines, for machines as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hazwatch.config.model import Config
from schemas.problems import Problem
from schemas.registry import Tag

SHOWN_PLACES = 3


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def counts(config: Config) -> dict[str, int]:
    """How many of each thing a configuration has."""
    revision = config.revision
    return {
        "parks": len(revision.parks),
        "enterprises": len(revision.enterprises),
        "hazard_sources": len(revision.hazard_sources),
        "equipment": len(revision.equipment),
        "tags": len(revision.tags),
        "rules": len(revision.rules),
        "rule_cases": sum(len(rule.case) for rule in revision.rules),
        "sources": len(config.sources),
        "channels": len(config.channels),
        "contacts": len(config.contacts),
        "routes": len(revision.routes),
    }


def summary(config: Config) -> list[str]:
    """The counts as two lines for people."""
    revision = config.revision
    places = ", ".join(
        (
            plural(len(revision.parks), "park"),
            plural(len(revision.enterprises), "enterprise"),
            plural(len(revision.hazard_sources), "hazard source"),
            f"{plural(len(revision.tags), 'tag')} ({measures(revision.tags)})",
        )
    )
    ways = ", ".join(
        (
            plural(len(config.sources), "source"),
            plural(len(config.channels), "channel"),
            plural(len(config.contacts), "contact"),
            plural(len(revision.routes), "route"),
            plural(len(revision.rules), "rule of its own", "rules of its own"),
        )
    )
    return [places, ways]


def measures(tags: Iterable[Tag]) -> str:
    """How many tags there are of each measure, the most frequent first."""
    found = Counter(tag.measure.value for tag in tags)
    return ", ".join(f"{count} {name}" for name, count in found.most_common()) or "none"


def gathered(advice: Sequence[Problem]) -> list[str]:
    """Advice with equal words told once, with how many places it concerns and the first few of them."""
    places: dict[str, list[str]] = {}
    for one in advice:
        places.setdefault(f"{one.message}; {one.cure}" if one.cure else one.message, []).append(one.path)
    return [
        f"{text} ({'; '.join(found[:SHOWN_PLACES])}{_more(len(found) - SHOWN_PLACES)})"
        for text, found in places.items()
    ]


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def as_json(value: dict[str, Any]) -> str:
    """Indented JSON; problems as objects with path, message and cure."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def listed(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": p.path, "message": p.message, "cure": p.cure} for p in problems]
