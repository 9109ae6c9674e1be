"""Which deadbands and delays may be proposed for a tag. Limits are never among them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise, product

from hazwatch.tune.gate import Setting
from rules.kinds.limits import lowest
from schemas.advice import LONGEST_GAS_DELAY_S
from schemas.registry import Measure, Tag
from schemas.setpoints import SIDES, default_deadband

ON_S = (0.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
OFF_S = (0.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
PERIODS = (1.5, 2.5, 3.5, 5.5, 10.5)
SLOW_S = 5.0
"""Delays of tags with a longer period, in periods: an on-delay that ends before the next reading only delays."""
SIGMAS = (1.0, 2.0, 3.0, 4.0, 6.0)
"""Deadbands in standard deviations of the noise; twice that is what gas points start with."""


def settings(tag: Tag, now: Setting, sigma: float, *, fixed: Iterable[str] = ()) -> list[Setting]:
    """The settings to try, the present one first; what is `fixed` (by the names of `Setting`) stays as it is."""
    held = set(fixed)
    deadbands = [now.deadband] if "deadband" in held else _deadbands(tag, now.deadband, sigma)
    ons = [now.on_delay_s] if "on_delay_s" in held else _on_delays(tag, now.on_delay_s)
    offs = [now.off_delay_s] if "off_delay_s" in held else _off_delays(tag, now.off_delay_s)
    found = [Setting(*one) for one in product(deadbands, ons, offs)]
    return [now, *(one for one in found if one != now)]


def longest_on_delay(tag: Tag) -> float:
    """No alarm waits longer than people have to respond, and none of a gas point longer than 3 s."""
    response = math.inf if tag.response_s is None else tag.response_s
    return min(response, LONGEST_GAS_DELAY_S if tag.measure is Measure.GAS else ON_S[-1])


def _on_delays(tag: Tag, now: float) -> list[float]:
    most = longest_on_delay(tag)
    tried = (*ON_S, *_slow(tag))
    useful = {delay for delay in tried if delay <= most and (delay == 0 or delay > tag.period_s)}
    return sorted(useful | ({now} if now <= most else set()))


def _off_delays(tag: Tag, now: float) -> list[float]:
    useful = {delay for delay in (*OFF_S, *_slow(tag)) if delay == 0 or delay >= tag.period_s}
    return sorted(useful | {now})


def _slow(tag: Tag) -> list[float]:
    return [_rounded(periods * tag.period_s) for periods in PERIODS] if tag.period_s > SLOW_S else []


def _deadbands(tag: Tag, now: float, sigma: float) -> list[float]:
    """Those that leave room between the levels, and let every level end inside of the measuring range."""
    ladder = [v for v in (getattr(tag.limits, side) for side in SIDES) if v is not None]
    most = min((b - a for a, b in pairwise(ladder)), default=math.inf)
    for side in ("high", "high_high"):
        if (limit := getattr(tag.limits, side)) is not None:
            most = min(most, limit - lowest(tag))
    for side in ("low", "low_low"):
        if (limit := getattr(tag.limits, side)) is not None and tag.range_high is not None:
            most = min(most, tag.range_high - limit)
    tried = {0.0, _rounded(default_deadband(tag)), *(_rounded(factor * sigma) for factor in SIGMAS)}
    return sorted({deadband for deadband in tried if deadband < most} | {now})


def _rounded(value: float) -> float:
    """Two significant digits, as people write them."""
    return float(f"{value:.2g}")
