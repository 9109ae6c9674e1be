"""Set-point profiles: the loosest limits that a published practice allows, and the starting values we propose.

A profile gives, for a tag, the highest `high` and `high_high` (and for oxygen the lowest `low`) in the tag's own unit.
They are what empty limits become, and what given limits are measured against. The figures come from the table of gases,
whose source marks say how far each was checked; meeting them proves nothing about meeting a standard.

| profile    | flammable, of LEL | toxic, of the occupational limit (MAC, else PC-TWA, else PC-STEL)         |
|------------|-------------------|---------------------------------------------------------------------------|
| `gb50493`  | 25 / 50 %; beams  | 100 / 200 %; without one 5 / 10 % of the smaller IDLH; oxygen 19.5 / 23.5 |
|            | 1 / 2 LEL·m       |                                                                           |
| `gbz_t223` |                   | half of / all of the MAC or PC-STEL, without either of the excursion limit |
|            |                   | of 3 PC-TWA (pre-alarm, alarm; the third tier is the site's own)           |
| `gb6222`   |                   | carbon monoxide only: 24 / 160 ppm                                        |
| `aq3036`   | 25 / 50 %         | 75 / 200 %; oxygen as above; wind 13.8 m/s                                |
| `none`     |                   |                                                                           |

Beside that `aq3036` asks of a temperature and a pressure two high limits, of a level one high and one low, and of the
second temperature (in °C) at most twice the first. What else it says cannot be checked, for the registry does not hold
it, and a person must: that the first limit is where normal operation ends, that the second pressure is at most 80 % of
the design pressure and below what the relief valve is set to, and that the second temperature lies below flash and
ignition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from schemas.gases import CARBON_MONOXIDE, Gas, gas
from schemas.problems import Problem
from schemas.registry import Limits, Measure, Tag
from schemas.tiers import GasClass
from schemas.units import Dimension, UnitError, conversion, unit

DEFAULT_GAS_PROFILE = "gb50493"
OXYGEN_LOW, OXYGEN_HIGH = 19.5, 23.5
WIND_HIGH_M_S = 13.8
EXCURSION = 3.0
"""Times the PC-TWA: the excursion limit of a gas without MAC and PC-STEL."""
HOTTEST = 2.0
"""The most that the second temperature limit may be, times the first (aq3036)."""
_ASKED = {
    "aq3036": {
        Measure.TEMPERATURE: ("high", "high_high"),
        Measure.PRESSURE: ("high", "high_high"),
        Measure.LEVEL: ("low", "high"),
    }
}
"""Limits that a profile asks for without giving a figure."""
SIDES = ("low_low", "low", "high", "high_high")

Maxima = Callable[[Tag, Gas | None], tuple[Limits, str]]
"""Tag and its gas -> the loosest limits, and the unit they are in. Empty limits where the profile says nothing."""


@dataclass(frozen=True, slots=True)
class Start:
    """A starting deadband (share of the span) and delays in seconds, from common practice in alarm management."""

    deadband_share: float
    on_delay_s: float
    off_delay_s: float


STARTS: dict[Measure, Start] = {
    Measure.GAS: Start(0.02, 0.0, 60.0),
    Measure.FLOW: Start(0.05, 15.0, 15.0),
    Measure.LEVEL: Start(0.05, 60.0, 60.0),
    Measure.PRESSURE: Start(0.02, 15.0, 15.0),
    Measure.TEMPERATURE: Start(0.01, 60.0, 60.0),
}
"""Gas points start without an on-delay: up to 3 s would be tolerable, none is safer."""


def maxima(tag: Tag) -> Limits:
    """The loosest limits that the tag's profile allows, in the tag's unit; empty where it says nothing.

    Figures are rounded to four significant digits, as published tables are. Raises nothing: what cannot be converted to
    the tag's unit has no maxima, and `schemas.checks` complains about the unit.
    """
    limits, its_unit = PROFILES.get(tag.profile, _nothing)(tag, gas(tag.cas))
    try:
        convert = conversion(its_unit, tag.unit, tag.cas)
    except UnitError:
        return Limits()
    return Limits(**{s: _rounded(convert(v)) for s in SIDES if (v := getattr(limits, s)) is not None})


def default_limits(tag: Tag) -> Limits:
    """The tag's limits, each missing one filled in from its profile."""
    most = maxima(tag)
    return Limits(**{s: getattr(most, s) if getattr(tag.limits, s) is None else getattr(tag.limits, s) for s in SIDES})


def default_deadband(tag: Tag) -> float:
    """A starting deadband: the usual share of the span, but less than half of what lies between the limits."""
    start = STARTS.get(tag.measure)
    if start is None or tag.range_low is None or tag.range_high is None:
        return 0.0
    ladder = [v for v in (getattr(tag.limits, s) for s in SIDES) if v is not None]
    if not ladder:
        return 0.0
    inner = [tag.range_low] if tag.limits.low is None and tag.limits.low_low is None else []
    points = inner + ladder
    gaps = [b - a for a, b in pairwise(points) if b > a]
    share = start.deadband_share * (tag.range_high - tag.range_low)
    return _rounded(max(0.0, min([share, *(gap / 2 for gap in gaps)])))


def looser(tag: Tag) -> Iterator[Problem]:
    """The limits of the tag that are looser than its profile; none when the tag gives a reason."""
    if tag.limit_reason:
        return
    most = maxima(tag)
    for side in SIDES:
        bound, given = getattr(most, side), getattr(tag.limits, side)
        if bound is None:
            continue
        path = f"tags[{tag.name}].{side}"
        cure = "give the reason in limit_reason if it must stay so"
        if given is None:
            yield Problem.of(path, f"no limit, while profile {tag.profile} has {bound:g} {tag.unit}", cure)
        elif side.startswith("high") and _rounded(given) > bound:
            message = f"{given:g} {tag.unit} is looser than profile {tag.profile} has it (at most {bound:g})"
            yield Problem.of(path, message, f"lower it, or {cure}")
        elif side.startswith("low") and _rounded(given) < bound:
            message = f"{given:g} {tag.unit} is looser than profile {tag.profile} has it (at least {bound:g})"
            yield Problem.of(path, message, f"raise it, or {cure}")
    yield from _process(tag)


def _process(tag: Tag) -> Iterator[Problem]:
    """What a profile asks of a process value, for whose limits it has no figures."""
    for side in _ASKED.get(tag.profile, {}).get(tag.measure, ()):
        if getattr(tag.limits, side) is None:
            message = f"no limit, while profile {tag.profile} asks for one"
            yield Problem.of(f"tags[{tag.name}].{side}", message, "give one, or the reason in limit_reason")
    first, second = tag.limits.high, tag.limits.high_high
    if tag.profile != "aq3036" or tag.measure is not Measure.TEMPERATURE or first is None or second is None:
        return
    try:
        celsius = conversion(tag.unit, "°C")
    except UnitError:
        return
    if celsius(first) > 0 and _rounded(celsius(second)) > _rounded(HOTTEST * celsius(first)):
        message = f"{second:g} {tag.unit} is more than {HOTTEST:g} times high ({first:g}), the most that aq3036 has"
        yield Problem.of(f"tags[{tag.name}].high_high", message, "lower it, or give the reason in limit_reason")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _is_explosive(tag: Tag, facts: Gas) -> bool:
    """Whether the point watches for explosion rather than poisoning: by its unit, else by what the gas does."""
    try:
        in_lel = unit(tag.unit).dimension is Dimension.GAS_EXPLOSIVE
    except UnitError:
        return False
    return facts.lel_vol_pct is not None and (in_lel or facts.gas_class is GasClass.FLAMMABLE)


def _is_beam(tag: Tag) -> bool:
    """Whether it is a line-type detector, by its unit."""
    try:
        return tag.measure is Measure.GAS and unit(tag.unit).dimension is Dimension.GAS_PATH
    except UnitError:
        return False


_EMPTY = (Limits(), "1")


def _nothing(tag: Tag, facts: Gas | None) -> tuple[Limits, str]:
    return _EMPTY


def _oel_shares(tag: Tag, facts: Gas | None, first: float, second: float) -> tuple[Limits, str]:
    """Oxygen, explosive points, and toxic points at these shares of their occupational limit."""
    if facts is None or tag.measure is not Measure.GAS:
        return _EMPTY
    if facts.gas_class is GasClass.OXYGEN:
        return Limits(low=OXYGEN_LOW, high=OXYGEN_HIGH), "%VOL"
    if _is_explosive(tag, facts):
        return Limits(high=25.0, high_high=50.0), "%LEL"
    if facts.oel_mg_m3 is not None:
        return Limits(high=first * facts.oel_mg_m3, high_high=second * facts.oel_mg_m3), "mg/m3"
    idlh_ppm = _smaller_idlh_ppm(facts)
    return _EMPTY if idlh_ppm is None else (Limits(high=0.05 * idlh_ppm, high_high=0.10 * idlh_ppm), "ppm")


def _smaller_idlh_ppm(facts: Gas) -> float | None:
    figures = [] if facts.idlh_ppm is None else [facts.idlh_ppm]
    if facts.idlh_quoted_mg_m3 is not None:
        figures.append(conversion("mg/m3", "ppm", facts.cas)(facts.idlh_quoted_mg_m3))
    return min(figures, default=None)


def _gb50493(tag: Tag, facts: Gas | None) -> tuple[Limits, str]:
    if facts is not None and facts.lel_vol_pct is not None and _is_beam(tag):
        return Limits(high=1.0, high_high=2.0), "LEL·m"
    return _oel_shares(tag, facts, 1.0, 2.0)


def _gbz_t223(tag: Tag, facts: Gas | None) -> tuple[Limits, str]:
    if facts is None or tag.measure is not Measure.GAS or facts.gas_class is not GasClass.TOXIC:
        return _EMPTY
    limit = facts.mac_mg_m3 if facts.mac_mg_m3 is not None else facts.pc_stel_mg_m3
    if limit is None and facts.pc_twa_mg_m3 is not None:
        limit = EXCURSION * facts.pc_twa_mg_m3
    return _EMPTY if limit is None else (Limits(high=limit / 2, high_high=limit), "mg/m3")


def _gb6222(tag: Tag, facts: Gas | None) -> tuple[Limits, str]:
    if tag.measure is not Measure.GAS or tag.cas != CARBON_MONOXIDE:
        return _EMPTY
    return Limits(high=24.0, high_high=160.0), "ppm"


def _aq3036(tag: Tag, facts: Gas | None) -> tuple[Limits, str]:
    if tag.measure is Measure.WIND_SPEED:
        return Limits(high=WIND_HIGH_M_S), "m/s"
    return _oel_shares(tag, facts, 0.75, 2.0)


PROFILES: dict[str, Maxima] = {
    "gb50493": _gb50493,
    "gbz_t223": _gbz_t223,
    "gb6222": _gb6222,
    "aq3036": _aq3036,
    "none": _nothing,
}
