"""Units: a small closed table, and the conversions between them. What is not known is refused, never guessed.

A unit belongs to a dimension. Within a dimension a conversion is exact up to rounding. Gas concentrations cross three
dimensions (share of volume, mass per volume, share of the explosive limit) by facts of the gas, named by its CAS
number; without it the conversion is refused. Gauge, absolute and unstated pressure are kept apart, as are operating and
standard volume flow: nothing in the number says which one it is.

Molar volume: Vm = R T / p, 24.055 L/mol at 20 °C and 101.325 kPa, the reference of Chinese occupational limits.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from schemas.gases import gas
from schemas.registry import Measure

MOLAR_VOLUME_20C = 24.055
"""Litres per mole of an ideal gas at 20 °C and 101.325 kPa."""


class Dimension(StrEnum):
    TEMPERATURE = "temperature"
    PRESSURE = "pressure"
    GAUGE_PRESSURE = "gauge pressure"
    ABSOLUTE_PRESSURE = "absolute pressure"
    LENGTH = "length"
    VOLUME_FLOW = "volume flow"
    STANDARD_VOLUME_FLOW = "standard volume flow"
    MASS_FLOW = "mass flow"
    SPEED = "speed"
    ANGLE = "angle"
    GAS_FRACTION = "share of volume"
    GAS_MASS = "mass per volume"
    GAS_EXPLOSIVE = "share of the explosive limit"
    GAS_PATH = "explosive limit along a path"
    CURRENT = "current"
    RATIO = "ratio"
    COUNT = "count"


class Unit(NamedTuple):
    """A unit: its one spelling, its dimension, and value * scale + offset = value in the dimension's base unit."""

    name: str
    dimension: Dimension
    scale: float = 1.0
    offset: float = 0.0


class Conversion(NamedTuple):
    """value_to = value_from * scale + offset."""

    scale: float
    offset: float = 0.0

    def __call__(self, value: float) -> float:
        return value * self.scale + self.offset


class UnitError(ValueError):
    """A unit is unknown, or two units cannot be converted. `reason` says what is wrong, `cure` what to do."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"{reason}; {cure}")
        self.reason = reason
        self.cure = cure


IDENTITY = Conversion(1.0, 0.0)

_D = Dimension
UNITS: dict[str, Unit] = {
    u.name: u
    for u in (
        Unit("°C", _D.TEMPERATURE),
        Unit("K", _D.TEMPERATURE, 1.0, -273.15),
        *(
            Unit(name + suffix, dimension, scale)
            for dimension, suffix in (
                (_D.PRESSURE, ""),
                (_D.GAUGE_PRESSURE, "(g)"),
                (_D.ABSOLUTE_PRESSURE, "(a)"),
            )
            for name, scale in (("Pa", 1.0), ("kPa", 1e3), ("MPa", 1e6), ("bar", 1e5))
        ),
        Unit("m", _D.LENGTH),
        Unit("cm", _D.LENGTH, 1e-2),
        Unit("mm", _D.LENGTH, 1e-3),
        Unit("m3/h", _D.VOLUME_FLOW),
        Unit("L/min", _D.VOLUME_FLOW, 0.06),
        Unit("m3/s", _D.VOLUME_FLOW, 3600.0),
        Unit("Nm3/h", _D.STANDARD_VOLUME_FLOW),
        Unit("kg/s", _D.MASS_FLOW),
        Unit("kg/h", _D.MASS_FLOW, 1 / 3600),
        Unit("t/h", _D.MASS_FLOW, 1 / 3.6),
        Unit("m/s", _D.SPEED),
        Unit("mm/s", _D.SPEED, 1e-3),
        Unit("km/h", _D.SPEED, 1 / 3.6),
        Unit("deg", _D.ANGLE),
        Unit("ppm", _D.GAS_FRACTION),
        Unit("ppb", _D.GAS_FRACTION, 1e-3),
        Unit("%VOL", _D.GAS_FRACTION, 1e4),
        Unit("mg/m3", _D.GAS_MASS),
        Unit("ug/m3", _D.GAS_MASS, 1e-3),
        Unit("g/m3", _D.GAS_MASS, 1e3),
        Unit("%LEL", _D.GAS_EXPLOSIVE),
        Unit("LEL·m", _D.GAS_PATH),
        Unit("mA", _D.CURRENT),
        Unit("A", _D.CURRENT, 1e3),
        Unit("%", _D.RATIO),
        Unit("1", _D.COUNT),
    )
}

_ALIASES: dict[str, str] = {
    "umol/mol": "ppm",
    "ppmv": "ppm",
    "nmol/mol": "ppb",
    "ppbv": "ppb",
    "vol%": "%VOL",
    "%v/v": "%VOL",
    "%(v/v)": "%VOL",
    "%bdv": "%VOL",
    "lel": "%LEL",
    "lel%": "%LEL",
    "%lfl": "%LEL",
    "lel.m": "LEL·m",
    "lel*m": "LEL·m",
    "lel⋅m": "LEL·m",
    "lelm": "LEL·m",
    "c": "°C",
    "degc": "°C",
    "celsius": "°C",
    "摄氏度": "°C",
    "kelvin": "K",
    "pag": "Pa(g)",
    "kpag": "kPa(g)",
    "mpag": "MPa(g)",
    "barg": "bar(g)",
    "paa": "Pa(a)",
    "kpaa": "kPa(a)",
    "mpaa": "MPa(a)",
    "bara": "bar(a)",
    "米": "m",
    "毫米": "mm",
    "厘米": "cm",
    "lpm": "L/min",
    "nm3/hr": "Nm3/h",
    "m3/hr": "m3/h",
    "m^3/h": "m3/h",
    "mg/m^3": "mg/m3",
    "ug/m^3": "ug/m3",
    "g/m^3": "g/m3",
    "°": "deg",
    "degree": "deg",
    "degrees": "deg",
    "度": "deg",
    "%rh": "%",
    "percent": "%",
    "count": "1",
    "bool": "1",
    "个": "1",
}
_NOT_ACCEPTED = {
    "mPa": "write MPa for megapascal (mPa is a thousandth of a pascal)",
    "mbar": "write the value in kPa (1 mbar is 0.1 kPa)",
    "mg/Nm3": "mg per standard cubic metre is at 0 °C: convert it at the source and write mg/m3",
}
_HINT = "write one of " + ", ".join(UNITS)


def _folded(text: str) -> str:
    """The spelling without case, width, spaces, superscripts and kinds of mu."""
    return unicodedata.normalize("NFKC", text).casefold().replace("μ", "u").replace(" ", "")


_BY_FOLDED = {_folded(name): name for name in UNITS} | {_folded(a): name for a, name in _ALIASES.items()}

_CONCENTRATIONS = frozenset({_D.GAS_FRACTION, _D.GAS_MASS, _D.GAS_EXPLOSIVE})
UNITS_OF: dict[Measure, frozenset[Dimension]] = {
    Measure.GAS: _CONCENTRATIONS | {_D.GAS_PATH},
    Measure.TEMPERATURE: frozenset({_D.TEMPERATURE}),
    Measure.PRESSURE: frozenset({_D.PRESSURE, _D.GAUGE_PRESSURE, _D.ABSOLUTE_PRESSURE}),
    Measure.LEVEL: frozenset({_D.LENGTH, _D.RATIO}),
    Measure.FLOW: frozenset({_D.VOLUME_FLOW, _D.STANDARD_VOLUME_FLOW, _D.MASS_FLOW}),
    Measure.WIND_SPEED: frozenset({_D.SPEED}),
    Measure.WIND_DIRECTION: frozenset({_D.ANGLE}),
    Measure.HUMIDITY: frozenset({_D.RATIO}),
    Measure.CURRENT: frozenset({_D.CURRENT}),
    Measure.STATE: frozenset({_D.COUNT}),
    Measure.OTHER: frozenset(Dimension),
}
"""Which dimensions a measure may have."""


@lru_cache(maxsize=1024)
def unit(text: str) -> Unit:
    """The unit that people mean by this spelling. Raises `UnitError`."""
    exact = UNITS.get(text)
    if exact is not None:
        return exact
    if text.strip() in _NOT_ACCEPTED:
        raise UnitError(f"unit {text!r} is not accepted", _NOT_ACCEPTED[text.strip()])
    name = _BY_FOLDED.get(_folded(text))
    if name is None:
        raise UnitError(f"unit {text!r} is unknown", _HINT)
    return UNITS[name]


def fits(measure: Measure, name: str) -> UnitError | None:
    """Why a tag of this measure cannot have this unit, None when it can. Raises nothing."""
    try:
        found = unit(name)
    except UnitError as error:
        return error
    if found.dimension in UNITS_OF[measure]:
        return None
    if measure is Measure.GAS and found.dimension is Dimension.RATIO:
        return UnitError("% says nothing about a gas", "write %VOL (share of volume) or %LEL (of the explosive limit)")
    allowed = [u.name for u in UNITS.values() if u.dimension in UNITS_OF[measure]]
    return UnitError(f"{found.name} is not a unit of {measure.value}", "write one of " + ", ".join(allowed))


def conversion(
    from_unit: str, to_unit: str, cas: str = "", temperature_c: float = 20.0, pressure_kpa: float = 101.325
) -> Conversion:
    """How a number in `from_unit` becomes one in `to_unit`. Raises `UnitError`, which names both and the cure.

    For gases `cas` names the gas; temperature and pressure are those that a mass concentration refers to.
    """
    source, target = unit(from_unit), unit(to_unit)
    if source is target:
        return IDENTITY
    if source.dimension is target.dimension:
        return Conversion(source.scale / target.scale, (source.offset - target.offset) / target.scale)
    if source.dimension in _CONCENTRATIONS and target.dimension in _CONCENTRATIONS:
        per_source = _ppm(source, target, source.dimension, cas, temperature_c, pressure_kpa)
        per_target = _ppm(source, target, target.dimension, cas, temperature_c, pressure_kpa)
        return Conversion(source.scale * per_source / (target.scale * per_target))
    raise _refused(source, target, _cure(source, target))


def molar_volume(temperature_c: float = 20.0, pressure_kpa: float = 101.325) -> float:
    """Litres per mole of an ideal gas."""
    return MOLAR_VOLUME_20C * ((temperature_c + 273.15) / 293.15) * (101.325 / pressure_kpa)


def _ppm(
    source: Unit, target: Unit, dimension: Dimension, cas: str, temperature_c: float, pressure_kpa: float
) -> float:
    """How many ppm one base unit of this dimension is."""
    if dimension is Dimension.GAS_FRACTION:
        return 1.0
    if not cas:
        raise _refused(source, target, "give the gas by its CAS number in the column cas")
    facts = gas(cas)
    if facts is None:
        raise _refused(source, target, f"gas {cas} is not in the table of gases: send the value in {target.name}")
    if dimension is Dimension.GAS_MASS:
        return molar_volume(temperature_c, pressure_kpa) / facts.molar_mass_g_mol
    if facts.lel_vol_pct is None:
        raise _refused(source, target, f"{facts.name.en} ({cas}) has no lower explosive limit: use ppm or mg/m3")
    return facts.lel_vol_pct * 100.0


def _refused(source: Unit, target: Unit, cure: str) -> UnitError:
    return UnitError(f"{source.name} cannot be converted to {target.name}", cure)


_CURES = {
    frozenset({_D.PRESSURE, _D.GAUGE_PRESSURE}): "say which pressure it is on both sides, such as kPa(g)",
    frozenset({_D.PRESSURE, _D.ABSOLUTE_PRESSURE}): "say which pressure it is on both sides, such as kPa(a)",
    frozenset({_D.GAUGE_PRESSURE, _D.ABSOLUTE_PRESSURE}): "the air pressure at the place is not known: use one of both",
    frozenset({_D.LENGTH, _D.RATIO}): "the height of the vessel is not known: use the unit of the transmitter",
    frozenset({_D.VOLUME_FLOW, _D.MASS_FLOW}): "the density is not known: use the unit of the transmitter",
    frozenset({_D.VOLUME_FLOW, _D.STANDARD_VOLUME_FLOW}): "pressure and temperature are not known: use one of both",
    **{
        frozenset(
            {_D.GAS_PATH, other}
        ): "a beam sees concentration times length, and the length of the cloud is not known"
        for other in _CONCENTRATIONS
    },
    frozenset({_D.RATIO, _D.GAS_FRACTION}): "write %VOL if the share of volume is meant",
    frozenset({_D.RATIO, _D.GAS_EXPLOSIVE}): "write %LEL if the share of the explosive limit is meant",
}


def _cure(source: Unit, target: Unit) -> str:
    cure = _CURES.get(frozenset({source.dimension, target.dimension}))
    return cure or f"one is {source.dimension.value}, the other {target.dimension.value}: give the tag its own unit"
