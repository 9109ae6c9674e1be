"""Whether a changed field makes the system less strict: quieter, later, or told to fewer people.

The question is always what becomes of an alarm that was raised before. A deadband or an off-delay only holds an alarm
longer, so it is neither. What cannot be told is said to be so: `UNCLEAR` is for a person to judge, and asks for the
same consent as `LESS`. The judgement of each field is a design choice of this project.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Any

from schemas.changes import Side


class Strictness(StrEnum):
    """What a change does to the alarms that there were."""

    LESS = "less_strict"
    UNCLEAR = "unclear"
    STRICTER = "stricter"
    NEUTRAL = "neutral"


ORDER = tuple(Strictness)
"""The one that deserves most attention first."""

RISKY = frozenset({Strictness.LESS, Strictness.UNCLEAR})

Judge = Callable[[Any, Any], Strictness]
"""(old, new) -> what the change does."""


def worst(found: Iterable[Strictness]) -> Strictness:
    """The one of them that deserves most attention; neutral when there is none."""
    return min(found, key=ORDER.index, default=Strictness.NEUTRAL)


def neutral(old: object, new: object) -> Strictness:
    """Nothing becomes of alarms."""
    return Strictness.NEUTRAL


def unclear(old: object, new: object) -> Strictness:
    """It may go either way."""
    return Strictness.UNCLEAR


def greater_is_less(old: float | None, new: float | None) -> Strictness:
    """A delay, or a bound that is crossed from below. None is no bound at all."""
    return _by_order(old, new, 1)


def smaller_is_less(old: float | None, new: float | None) -> Strictness:
    """A bound that is crossed from above, or how early a warning comes. None is no bound at all."""
    return _by_order(old, new, -1)


def limit(side: Side) -> Judge:
    """A limit of that side; of a fault there is no saying."""
    return {Side.HIGH: greater_is_less, Side.LOW: smaller_is_less}.get(side, unclear)


def where_given(judge: Judge) -> Judge:
    """For a number whose None means "as the tag says": the effect on each tag is judged elsewhere."""
    return lambda old, new: Strictness.NEUTRAL if old is None or new is None else judge(old, new)


def unless_given(judge: Judge) -> Judge:
    """For a number whose None means "as the tag says", where no effect on each tag shows which of the two is wider."""
    return lambda old, new: Strictness.UNCLEAR if old is None or new is None else judge(old, new)


def more_is_less(old: Collection[Any], new: Collection[Any]) -> Strictness:
    """A list of what is passed over."""
    return fewer_is_less(new, old)


def fewer_is_less(old: Collection[Any], new: Collection[Any]) -> Strictness:
    """A list of who or what is covered."""
    if set(old) - set(new):
        return Strictness.LESS
    return Strictness.STRICTER if set(new) - set(old) else Strictness.NEUTRAL


def selector(old: Collection[Any], new: Collection[Any]) -> Strictness:
    """A list of what is covered that means everything when it is empty."""
    if not old or not new:
        return Strictness.LESS if new else Strictness.STRICTER if old else Strictness.NEUTRAL
    return fewer_is_less(old, new)


def _by_order(old: float | None, new: float | None, sign: int) -> Strictness:
    if old == new:
        return Strictness.NEUTRAL
    if new is None:
        return Strictness.LESS
    if old is None:
        return Strictness.STRICTER
    return Strictness.LESS if sign * (new - old) > 0 else Strictness.STRICTER
