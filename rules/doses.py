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

import numpy as np

from rules.admission import lateness_s
from rules.compiling import kernel
from rules.kinds.limits import lowest
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Tag
from schemas.time import MS

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
    """The concentration that a reading counts as; NaN for none. Below zero is a fault of the zero point, not a gas; an
    infinite number is one above the range."""
    if q == OVER_RANGE and over != 0.0:
        return top
    if q >= FIRST_BAD or not v > -np.inf:
        return np.nan
    return min(max(v, 0.0), top)


@kernel
def is_good(v, q, low, high):  # type: ignore[no-untyped-def]
    """Whether a reading may lower a level: good, and within the measuring range."""
    return q < FIRST_UNCERTAIN and v >= low and v <= high and v - v == 0.0


@kernel
def heard(v, q, live, p):  # type: ignore[no-untyped-def]
    """(concentration, is it one, is it good) of a reading; `p` has the fields of `SCALE`."""
    concentration = counted(v, q, p["top"], p["over"])
    return concentration, concentration == concentration, live and is_good(v, q, p["low"], p["high"])


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
