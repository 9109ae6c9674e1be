"""Exposure limits: where a limit comes from, what may be wrong with it, and the minutes left until it is used up.

A fixed detector measures the air at its place and not what a person breathes: nothing here is a measurement of
exposure, and no kind may say that it is one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from rules.kinds import Level, Planned, Said
from rules.words import name
from schemas.changes import Side
from schemas.gases import gas
from schemas.problems import Problem
from schemas.registry import Measure, Struct, Tag
from schemas.text import Text
from schemas.units import UnitError, conversion


class Warned(Struct, frozen=True, kw_only=True):
    """What every kind that tells minutes left is asked: see each kind's `Params`."""

    warn_min: float = 5.0
    warn_delay_s: float = 10.0


class Dose(Warned, frozen=True, kw_only=True):
    """What every kind with an exposure limit is asked: see each kind's `Params`."""

    limit: float | None = None
    limit_unit: str = ""


LEVELS = (("clear_share", 0.5, 1.0), ("on_delay_s", 0.0, 60.0), ("off_delay_s", 0.0, 3600.0))
WARNING = (("warn_min", 0.0, 15.0), ("warn_delay_s", 0.0, 60.0))
"""What such parameters may be."""


def limit_of(tag: Tag, limit: float | None, unit: str, listed: float | None) -> float | None:
    """The limit in the tag's unit: as given in `unit` ("" is the tag's), else the `listed` one (mg/m3), else None.
    Raises `UnitError`."""
    if limit is None:
        return None if listed is None else conversion("mg/m3", tag.unit, tag.cas)(listed)
    return limit if not unit else conversion(unit, tag.unit, tag.cas)(limit)


def listed(tag: Tag, field: str) -> float | None:
    """A limit of the tag's gas (mg/m3) by the table of gases, None without one."""
    found = gas(tag.cas) if tag.cas else None
    limit: float | None = None if found is None else getattr(found, field)
    return limit


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


def check_dose(
    tag: Tag, dose: Dose, listed: float | None, what: str, most_period_s: float, sums: str, times: float = 1.0
) -> Iterator[Problem]:
    """The limit, called `what` in the table, so many times of which must be within the range; and whether the tag reads
    often enough for what is summed up."""
    problems = list(check_limit(tag, dose.limit, dose.limit_unit, listed, what))
    limit = None if problems else limit_of(tag, dose.limit, dose.limit_unit, listed)
    yield from problems or check_reach(tag, None if limit is None else times * limit)
    yield from check_period(tag, most_period_s, sums)


def check_period(tag: Tag, most_period_s: float, sums: str) -> Iterator[Problem]:
    if tag.period_s > most_period_s:
        message = f"{tag.name} reads every {tag.period_s:g} s, too seldom for {sums}"
        yield Problem.of("tags", message, f"at least every {most_period_s:g} s")


def check_bounds(params: Struct, bounds: Iterable[tuple[str, float, float]]) -> Iterator[Problem]:
    """Parameters that must lie from one number to another."""
    for field, low, high in bounds:
        given = getattr(params, field)
        if not low <= given <= high:
            yield Problem.of(f"params.{field}", f"{given:g} is not possible", f"{low:g} to {high:g}")


# The minutes that are left are a condition of their own on the low side, right after the one whose dose they look at


def ahead(tag: Tag, dose: Warned, levels: tuple[Level, ...], values: Mapping[str, float]) -> Iterator[Planned]:
    """The condition of the minutes left, with `ahead` set in its values; none where no warning is wanted."""
    if dose.warn_min > 0:
        delay_s = dose.warn_delay_s
        yield Planned((tag,), Side.LOW, levels, on_delay_s=delay_s, values={**values, "ahead": 1})


def unit(planned: Planned) -> str:
    return "min" if planned.side is Side.LOW else planned.tags[0].unit


def say_left(said: Said, far: Text, used: Text, near: Text, digits: int = 0) -> Text:
    """What is said of the minutes left: the limit is far, nothing is left, or how many are (a text with {left})."""
    what, told = name(said.tag), near
    if said.level is None or not math.isfinite(said.value):
        told = far
    elif said.value <= 0:
        told = used
    left = f"{math.floor(said.value * 10**digits) / 10**digits:g}" if told is near else ""
    return Text(zh=f"{what.zh}：{told.zh.format(left=left)}", en=f"{what.en}: {told.en.format(left=left)}")


def every_minute(*runs: tuple[int, float]) -> tuple[tuple[float, float], ...]:
    """Readings of a worked example, one a minute: (how many, value) after each other."""
    values = [value for count, value in runs for _ in range(count)]
    return tuple((60.0 * i, value) for i, value in enumerate(values))
