"""What the kinds that judge an instrument share: the readings that they look at, and what their checks say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rules.admission import LATE, lateness_s
from rules.compiling import kernel
from schemas.problems import Problem
from schemas.quality import FIRST_UNCERTAIN
from schemas.registry import Tag
from schemas.time import SECOND, seconds

QUIET = 60 * SECOND
"""A fault ends after this long without cause (law 7)."""


@kernel
def is_judged(j, flags, v, q):  # type: ignore[no-untyped-def]
    """Whether an instrument is judged by a reading of tag j: good, a number, in order. Others are passed over."""
    return j >= 0 and (flags & LATE) == 0 and q < FIRST_UNCERTAIN and v - v == 0.0


def span(tag: Tag) -> float:
    """The width of the measuring range, 0 when it is not known."""
    return 0.0 if tag.range_low is None or tag.range_high is None else tag.range_high - tag.range_low


def hole(tag: Tag) -> int:
    """A hole (ns) between readings that are no neighbours any more."""
    return seconds(max(lateness_s(tag), 3 * tag.period_s))


def check_length(tag: Tag, field: str, given: float, readings: int, purpose: str, usual: float) -> Iterator[Problem]:
    """A time (s) must hold so many readings of the tag."""
    shortest = readings * tag.period_s
    if not (math.isfinite(given) and given >= shortest):
        message = f"{tag.name} reads every {tag.period_s:g} s, so {given:g} s are too few readings to {purpose}"
        yield Problem.of(f"params.{field}", message, f"{shortest:g} s or more; {usual:g} s is usual")


def check_share(field: str, given: float, most: float, usual: float) -> Iterator[Problem]:
    """A share of the span."""
    if not 0 <= given <= most:
        yield Problem.of(f"params.{field}", f"{given:g} is no share of the span", f"0 to {most:g}; {usual:g} is usual")
