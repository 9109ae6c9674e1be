"""Doses: concentration times time, from readings that come irregularly, sometimes late, sometimes not at all.

A reading holds until the next one, but no longer than the tag's gap: what lies behind it is missing, not zero. Time is
counted in whole milliseconds along the event times of a tag. Where they stand or go back, and that lasts for a gap, the
clock of the partition counts instead; and where they jump ahead by more than a gap, no more counts than that clock
confirms. So a detector with a broken clock still adds to its dose, and a clock that is set does not lose it. Of
readings at one instant the highest counts.

`STATE` are the fields that every kind with a dose keeps; `advance` moves them to the next reading. A kind puts fields
of its own before them: numba takes a record that only goes on after another one's fields for a kind of that one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rules.admission import lateness_s
from rules.compiling import kernel
from rules.kinds.limits import lowest
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Measure, Tag
from schemas.time import MS
from schemas.units import UnitError, conversion

OVER_RANGE = int(Quality.OVER_RANGE)
MOST = 1000.0
"""A number above so many times the limit counts as that: a spoilt number must not fill a shift."""

MINUTE_MS = 60_000

STATE = [
    ("value", "f8"),  # what is judged and told
    ("dose", "f8"),  # concentration times milliseconds, so far
    ("held", "f8"),  # the concentration of the last reading
    ("at", "i8"),  # its event time
    ("moved", "i8"),  # `now` when event time moved on last
    ("clock", "i8"),  # milliseconds so far,
    ("covered", "i8"),  # of which with a reading,
    ("good", "i8"),  # of which with a good one
    ("held_good", "i4"),
    ("seen", "i4"),
]
SCALE = [
    ("top", "f8"),  # what an over-range reading counts as, and the most that any counts as
    ("low", "f8"),  # the measuring range
    ("high", "f8"),
    ("over", "f8"),  # 1 where the end of the range is known
    ("hold", "i8"),  # ms that a reading holds at most
]


@kernel
def counted(v, q, top, over):  # type: ignore[no-untyped-def]
    """The concentration that a reading counts as; NaN for none. Below zero is a fault of the zero point, not a gas."""
    if q == OVER_RANGE and over != 0.0:
        return top
    if q >= FIRST_BAD or v - v != 0.0:
        return np.nan
    return min(max(v, 0.0), top)


@kernel
def is_good(v, q, low, high):  # type: ignore[no-untyped-def]
    """Whether a reading may lower a level: good, and within the measuring range."""
    return q < FIRST_UNCERTAIN and v >= low and v <= high and v - v == 0.0


@kernel
def advance(s, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Hold the last reading of `s` until this one; returns the milliseconds that passed, 0 when time did not move."""
    if s["seen"] == 0:
        s["seen"] = 1
        s["at"] = at
        s["moved"] = now
        s["held"] = concentration
        s["held_good"] = 1 if good else 0
        return np.int64(0)
    dt = at - s["at"]
    spent = now - s["moved"]
    hold = p["hold"] * MS
    if dt > hold or (dt <= 0 and spent >= hold):
        dt = spent if dt <= 0 else min(dt, max(hold, spent))
        s["at"] = at - dt // MS * MS
    passed = dt // MS
    if passed <= 0:
        s["held"] = max(s["held"], concentration)
        if not good:
            s["held_good"] = 0
        return np.int64(0)
    s["at"] += passed * MS
    s["moved"] = now
    held = min(passed, p["hold"])
    s["dose"] += s["held"] * held
    s["clock"] += passed
    s["covered"] += held
    if s["held_good"] != 0:
        s["good"] += held
    s["held"] = concentration
    s["held_good"] = 1 if good else 0
    return passed


def scale(tag: Tag, limit: float, hold_s: float) -> dict[str, float]:
    """The numbers of `SCALE`; a reading holds for the tag's gap, at most `hold_s`."""
    known = tag.range_high is not None
    return {
        "top": MOST * limit if tag.range_high is None else tag.range_high,
        "low": lowest(tag),
        "high": math.inf if tag.range_high is None else tag.range_high,
        "over": float(known),
        "hold": round(min(lateness_s(tag), hold_s) * 1000),
    }


def limit_of(tag: Tag, limit: float | None, unit: str, listed: float | None) -> float | None:
    """The limit in the tag's unit: as given in `unit` ("" is the tag's), else the `listed` one (mg/m3), else None.
    Raises `UnitError`."""
    if limit is None:
        return None if listed is None else conversion("mg/m3", tag.unit, tag.cas)(listed)
    return limit if not unit else conversion(unit, tag.unit, tag.cas)(limit)


def check_limit(
    tag: Tag, limit: float | None, unit: str, listed: float | None, what: str, place: str = "params.limit"
) -> Iterator[Problem]:
    """What is wrong with the limit that `limit_of` would give; `place` is where the rule may give it."""
    if tag.measure is not Measure.GAS:
        yield Problem.of("tags", f"{tag.name} measures no gas", 'ask only gas points: measures = ["gas"]')
        return
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        yield Problem.of(place, f"{limit:g} is no limit", "a number above 0")
        return
    if limit is None and unit:
        yield Problem.of(f"{place}_unit", "a unit without a limit", f"give {place} too")
    try:
        found = limit_of(tag, limit, unit, listed)
    except UnitError as error:
        yield Problem.of(place, f"{tag.name}: {error.reason}", error.cure)
        return
    if found is None:
        message = f"{tag.name}: the table of gases has no {what} of {tag.cas or 'a gas without CAS number'}"
        yield Problem.of(place, message, f"give it in {place}, or leave the tag out")


def check_reach(tag: Tag, limit: float | None) -> Iterator[Problem]:
    """A mean can only be above a limit that lies within the measuring range."""
    if limit is not None and tag.range_high is not None and limit >= tag.range_high:
        message = f"{tag.name}: the limit {limit:.5g} {tag.unit} is not below the end of the range {tag.range_high:g}"
        yield Problem.of("params.limit", message, "it would never be reached: use a detector with a wider range")
