"""The one table that maps a level, what is measured, and the grade of the hazard source to a tier.

Tier 1-4 is red, orange, yellow, blue: urgency. The table is a project default, not a regulation; a rule may set its own
tier. A hazard source of grade 1 or 2 (一级, 二级) moves a process alarm up by one tier, never past 1. An early warning,
given before any limit was crossed, is yellow whatever it is about: the alarm itself must stand out from it. The levels
of a risk index are colours by themselves, and stand outside of this table: the grade is in the index already.
"""

from __future__ import annotations

from enum import StrEnum

from schemas.changes import AlarmClass


class GasClass(StrEnum):
    """What a gas does to people; a gas that is both counts as toxic."""

    TOXIC = "toxic"
    FLAMMABLE = "flammable"
    OXYGEN = "oxygen"
    NONE = "none"


COLOURS = {1: "red", 2: "orange", 3: "yellow", 4: "blue"}
_PROCESS = {
    (GasClass.TOXIC, 1): 2,
    (GasClass.TOXIC, 2): 1,
    (GasClass.OXYGEN, 1): 2,
    (GasClass.OXYGEN, 2): 1,
    (GasClass.FLAMMABLE, 1): 3,
    (GasClass.FLAMMABLE, 2): 1,
    (GasClass.NONE, 1): 3,
    (GasClass.NONE, 2): 2,
}


EARLY = 3


def tier_of(alarm_class: AlarmClass, level: int, gas: GasClass, grade: int, *, early: bool = False) -> int:
    """The tier of `level` (0 normal -> 0; levels past 2 count as 2). `grade` is 1-4 by GB 18218, 0 without one."""
    if level <= 0:
        return 0
    if early:
        return EARLY
    if alarm_class is AlarmClass.PROCESS:
        tier = _PROCESS[gas, min(level, 2)]
        return max(1, tier - 1) if grade in (1, 2) else tier
    if alarm_class is AlarmClass.INSTRUMENT:
        return 4 if gas is GasClass.NONE else 3
    return 2
