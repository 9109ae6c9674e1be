"""Two levels on one side with a deadband, and delays that a rule takes from its tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypedDict

from rules.compiling import kernel
from schemas.problems import Problem
from schemas.registry import Struct, Tag

TWO = [
    ("limit_1", "f8"),  # NaN where there is none
    ("limit_2", "f8"),
    ("deadband", "f8"),
]


@kernel
def crossed(p, x):  # type: ignore[no-untyped-def]
    """Masks of the levels that x has reached, and of those that it is back from, past the deadband too."""
    beyond, clear = 0, 0
    if x >= p["limit_1"]:
        beyond = 1
    elif not x >= p["limit_1"] - p["deadband"]:
        clear = 1
    if x >= p["limit_2"]:
        beyond |= 2
    elif not x >= p["limit_2"] - p["deadband"]:
        clear |= 2
    return beyond, clear


class Delays(TypedDict):
    on_delay_s: float
    off_delay_s: float


def delays(tag: Tag, on_delay_s: float | None, off_delay_s: float | None) -> Delays:
    """The delays of a condition: the rule's, or the tag's own where it has none."""
    return {
        "on_delay_s": tag.on_delay_s if on_delay_s is None else on_delay_s,
        "off_delay_s": tag.off_delay_s if off_delay_s is None else off_delay_s,
    }


def check_lengths(params: Struct, fields: Sequence[str]) -> Iterator[Problem]:
    """Lengths of time, and deadbands, that may be left out."""
    for field in fields:
        given = getattr(params, field)
        if given is not None and not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is out of bounds", "0 or more")
