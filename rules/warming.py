"""Detectors that had no power and warm up: for how long, and what people are told meanwhile (`limits_by_state`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rules.compiling import kernel
from rules.kinds import Level, Said
from rules.words import name, quantity
from schemas.changes import AlarmClass
from schemas.gases import gas_class
from schemas.registry import Limits, Measure, Tag
from schemas.text import Text
from schemas.tiers import EARLY, GasClass, tier_of
from schemas.time import HOUR

LONGEST_WARM_UP_S = 1200.0
AGAIN = HOUR
"""A detector that comes and goes must not warm up for ever: within this time there is no second warm-up."""
WARMS = (
    Level("warm_up", Text(zh="预热", en="warming up"), early=True),
    Level("warm_up_beyond", Text(zh="预热中超限", en="beyond a limit while warming up"), early=True),
)


@kernel
def warming(p, own, live, at, now):  # type: ignore[no-untyped-def]
    """Whether the detector warms up at this reading; the first one after a silence begins it."""
    if live and own["down"] != 0:
        own["down"] = 0
        if own["warm_now"] == 0 or now - own["warm_now"] >= AGAIN:
            own["warm_at"] = at
            own["warm_now"] = now
    if own["warm_now"] == 0:
        return False
    return now - own["warm_now"] < p["warm_up"] and at - own["warm_at"] < p["warm_up"]


def lowered(tag: Tag, by_place: Sequence[Limits], grade: int) -> int:
    """The tier of the most urgent level that waits, or one less: orange for gas, if that level is no milder."""
    if tag.measure is Measure.GAS:  # only its first level waits
        return max(2, tier_of(AlarmClass.PROCESS, 1, gas_class(tag.cas), grade))
    second = any(limits.high_high is not None or limits.low_low is not None for limits in by_place)
    return min(EARLY, 1 + tier_of(AlarmClass.PROCESS, 2 if second else 1, GasClass.NONE, grade))


def say(said: Said) -> Text:
    """Such as "CO-1 一氧化碳：预热中，60 ppm 已超限"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：预热结束", en=f"{what.en}: warm-up is over")
    if said.level is WARMS[0] or math.isnan(said.value):
        waits = Text(zh="限值报警推迟", en="limits wait")
        if said.tag.measure is Measure.GAS:
            waits = Text(
                zh="一级报警推迟（二级和超量程照常）", en="the first level waits (the second and over range do not)"
            )
        return Text(
            zh=f"{what.zh}：断电后预热，{waits.zh}", en=f"{what.en}: warming up after a loss of power, {waits.en}"
        )
    value = quantity(said.value, said.tag.unit)
    return Text(zh=f"{what.zh}：预热中，{value} 已超限", en=f"{what.en}: warming up, {value} is beyond a limit")
