"""How bad a value is by the limits of its tag: 0 to 1, never less for a worse value.

0 up to the share `near` of the way from rest to the first limit, then up to 0.2 just before it; 0.5 at it, 0.8 at the
second, 1 at the end of the range, straight lines between. Rest is the middle between the innermost low and high limits,
else the end of the range (without a range 0 for a high limit above it). The numbers are project defaults.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel
from rules.kinds.limits import lowest
from rules.kinds.quality import highest
from schemas.gases import gas_class
from schemas.registry import Measure, Tag
from schemas.tiers import GasClass

BEFORE, AT_FIRST, AT_SECOND = 0.2, 0.5, 0.8

EACH = (
    "toxic", "gas", "rest_low", "rest_high", "high_1", "high_2", "low_1", "low_2", "deadband", "range_low",
    "range_high", "top", "bottom", "highest",
)  # fmt: skip
"""The numbers that a judgement of a tag's values needs (`numbers_of`)."""


@kernel
def severity(x, near, rest, first, second, end):  # type: ignore[no-untyped-def]
    """0 to 1 for x towards the limits, which lie above rest; NaN where there is no limit, inf where there is no end."""
    if not x >= first and not x >= second:
        limit = first if first == first else second
        begin = rest + near * (limit - rest)
        if not limit > begin or not x > begin:
            return 0.0
        return BEFORE * (x - begin) / (limit - begin)
    if x >= second:
        at, low, high, until = second, AT_SECOND, 1.0, end
    elif second == second:
        at, low, high, until = first, AT_FIRST, AT_SECOND, second
    else:
        at, low, high, until = first, AT_FIRST, AT_SECOND, end
    if not until > at or until - at == np.inf:
        return low
    return low + (high - low) * min(1.0, (x - at) / (until - at))


def numbers_of(tag: Tag) -> dict[str, float]:
    """The numbers of one point by the names of `EACH`."""
    limits = {f: _or(getattr(tag.limits, f), math.nan) for f in ("high", "high_high", "low", "low_low")}
    highs = [v for v in (tag.limits.high, tag.limits.high_high) if v is not None]
    lows = [v for v in (tag.limits.low, tag.limits.low_low) if v is not None]
    low, high = tag.range_low, tag.range_high
    middle = (max(lows) + min(highs)) / 2 if lows and highs else None
    # without a range a limit above 0 is approached from 0, one below it only reached
    rest_high = _or(middle, _or(low, min([0.0, *highs])))
    rest_low = _or(middle, _or(high, max([math.inf, *lows])))
    return {
        "toxic": float(tag.measure is Measure.GAS and gas_class(tag.cas) is GasClass.TOXIC),
        "gas": float(tag.measure is Measure.GAS),
        "rest_low": rest_low if math.isfinite(rest_low) else max(lows, default=0.0),
        "rest_high": rest_high,
        "high_1": limits["high"],
        "high_2": limits["high_high"],
        "low_1": limits["low"],
        "low_2": limits["low_low"],
        "deadband": tag.deadband,
        "range_low": lowest(tag),
        "range_high": _or(high, math.inf),
        "top": _or(high, math.inf),
        "bottom": _or(low, -math.inf),
        "highest": highest(tag),
    }


def _or(value: float | None, other: float) -> float:
    return other if value is None else value
