"""Quantities: what a number is a number of, and what becomes of it in arithmetic.

A unit of the closed table (`schemas.units`) has a dimension; a quantity has the powers of base dimensions that a
product or a quotient of such numbers has, so length / (length / time) is a time. What the table keeps apart stays
apart:

- **Points and differences.** A temperature, a gauge and an absolute pressure are counted from an origin. Two of the
  same origin may be compared, and their difference is a plain difference (K, Pa), which is something else; a point
  plus a difference is a point; a sum of two points is nothing. A number in °C is a point, one in K that people write
  is a difference. A product with a temperature is refused, as its value hangs on the origin; a gauge or absolute
  pressure may be multiplied by a plain number (80 % of the design pressure).
- **Shares.** % is a plain number in hundredths, yet never meets a number without a unit: `level > 80` and `level > 0.8`
  cannot be told apart.
- **Gases.** ppm, mg/m3 and %LEL meet by the facts of the gas (CAS number) that one side names, at 20 °C and 101.325
  kPa.

Numbers keep the unit they came in: `value * scale + offset` is the value in coherent base units, and what must be
converted so that two meet is given as a `Conversion` of each side, mostly of a constant. Errors are `UnitError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from schemas.units import IDENTITY, UNITS, Conversion, Dimension, Unit, UnitError, conversion, unit

Powers = tuple[tuple[str, int], ...]
"""(base, exponent) in the order of the bases' names, without zeros."""

_D = Dimension
_PRESSURE: Powers = (("kg", 1), ("m", -1), ("s", -2))
_FLOW: Powers = (("m", 3), ("s", -1))
_COHERENT: dict[Dimension, tuple[Powers, float]] = {
    _D.TEMPERATURE: ((("K", 1),), 1.0),
    _D.PRESSURE: (_PRESSURE, 1.0),
    _D.GAUGE_PRESSURE: (_PRESSURE, 1.0),
    _D.ABSOLUTE_PRESSURE: (_PRESSURE, 1.0),
    _D.LENGTH: ((("m", 1),), 1.0),
    _D.VOLUME_FLOW: (_FLOW, 1 / 3600),
    _D.STANDARD_VOLUME_FLOW: ((("Nm3", 1), ("s", -1)), 1 / 3600),
    _D.MASS_FLOW: ((("kg", 1), ("s", -1)), 1.0),
    _D.SPEED: ((("m", 1), ("s", -1)), 1.0),
    _D.ANGLE: ((("deg", 1),), 1.0),
    _D.GAS_FRACTION: ((("ppm", 1),), 1.0),
    _D.GAS_MASS: ((("kg", 1), ("m", -3)), 1e-6),
    _D.GAS_EXPLOSIVE: ((("%LEL", 1),), 1.0),
    _D.GAS_PATH: ((("LEL·m", 1),), 1.0),
    _D.CURRENT: ((("mA", 1),), 1.0),
    _D.RATIO: ((), 0.01),
    _D.COUNT: ((), 1.0),
}
"""Powers of each dimension, and the factor from its base unit to the coherent one."""
_ORIGINS = (_D.TEMPERATURE, _D.GAUGE_PRESSURE, _D.ABSOLUTE_PRESSURE)
_GASES = {
    _COHERENT[dimension][0]: name
    for dimension, name in ((_D.GAS_FRACTION, "ppm"), (_D.GAS_MASS, "mg/m3"), (_D.GAS_EXPLOSIVE, "%LEL"))
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """`origin` is the dimension whose origin a point is counted from, None for a difference or a plain quantity;
    `bare` says that the number was written without a unit."""

    powers: Powers = ()
    scale: float = 1.0
    offset: float = 0.0
    origin: Dimension | None = None
    cas: str = ""
    percent: bool = False
    bare: bool = False


BARE = Quantity(bare=True)
"""Of a number that was written without a unit."""
_MORE: Mapping[str, Quantity] = MappingProxyType(
    {
        "s": Quantity((("s", 1),)),
        "min": Quantity((("s", 1),), 60.0),
        "h": Quantity((("s", 1),), 3600.0),
        "m2": Quantity((("m", 2),)),
        "m3": Quantity((("m", 3),)),
        "kg": Quantity((("kg", 1),)),
        "t": Quantity((("kg", 1),), 1000.0),
    }
)
"""Units that no tag has, but products and quotients of tags do."""


def of_tag(name: str, cas: str = "") -> Quantity:
    """What a tag in this unit reads. Raises `UnitError`."""
    found = unit(name)
    gas = cas if _COHERENT[found.dimension][0] in _GASES else ""
    return replace(_of(found), cas=gas)


def written(name: str) -> Quantity:
    """What a number with this unit behind it is. Raises `UnitError`."""
    if name in _MORE:
        return _MORE[name]
    found = unit(name)
    if found.name == "K":
        return Quantity((("K", 1),))
    return _of(found)


def _of(found: Unit) -> Quantity:
    powers, factor = _COHERENT[found.dimension]
    origin = found.dimension if found.dimension in _ORIGINS else None
    scale, offset = found.scale * factor, found.offset * factor
    return Quantity(powers, scale, offset, origin, percent=found.dimension is _D.RATIO)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What comes of two numbers, and how each is converted before."""

    result: Quantity
    left: Conversion = IDENTITY
    right: Conversion = IDENTITY


def common(a: Quantity, b: Quantity, *, to_right: bool = False) -> Meeting:
    """Two numbers that are compared, or of which one is chosen; in the unit of `a`, or of `b` with `to_right`."""
    factor, cas = _met(a, b)
    if a.origin is not b.origin:
        raise _apart(a, b)
    result = replace(b if to_right else a, cas=cas, bare=a.bare and b.bare)
    if to_right:
        return Meeting(result, left=_moved(a, b, 1 / factor))
    return Meeting(result, right=_moved(b, a, factor))


def plus(a: Quantity, b: Quantity, *, to_right: bool = False) -> Meeting:
    """A sum: of two differences, or of a point and a difference."""
    if a.origin is None and b.origin is None:
        return common(a, b, to_right=to_right)
    factor, _ = _met(a, b)
    if a.origin is not None and b.origin is not None:
        raise UnitError(f"the sum of {kind_of(a)} and {kind_of(b)} is nothing", "write mean(...), or subtract them")
    if a.origin is not None:
        return Meeting(a, right=Conversion(b.scale / a.scale * factor))
    return Meeting(b, left=Conversion(a.scale / b.scale / factor))


def minus(a: Quantity, b: Quantity, *, to_right: bool = False) -> Meeting:
    """A difference: of two points of one origin it is no point."""
    if a.origin is None and b.origin is None:
        return common(a, b, to_right=to_right)
    if a.origin is not None and b.origin is None:
        factor, _ = _met(a, b)
        return Meeting(a, right=Conversion(b.scale / a.scale * factor))
    if a.origin is None:
        _met(a, b)
        raise UnitError(f"{kind_of(b)} cannot be taken from {kind_of(a)}", "turn the two around")
    met = common(a, b, to_right=to_right)
    return replace(met, result=replace(met.result, origin=None, offset=0.0))


def times(a: Quantity, b: Quantity) -> Quantity:
    for one, other in ((a, b), (b, a)):
        _scalable(one)
        if one.origin is not None and not other.powers and other.origin is None:
            return replace(one, scale=a.scale * b.scale)
    return _combined(a, b, 1)


def over(a: Quantity, b: Quantity) -> Quantity:
    _scalable(a)
    _scalable(b)
    if a.origin is not None and not b.powers:
        return replace(a, scale=a.scale / b.scale)
    if a.powers != b.powers and a.powers in _GASES and b.powers in _GASES:
        raise UnitError(f"{kind_of(a)} is divided by {kind_of(b)}", "use tags of one unit")
    return _combined(a, b, -1)


def plain(a: Quantity, what: str) -> Quantity:
    """What `-x` and `abs(x)` are allowed of: anything but a point."""
    if a.origin is not None:
        raise UnitError(f"{what} of {kind_of(a)} means nothing", "subtract another one first")
    return a


def _scalable(a: Quantity) -> None:
    if a.origin is _D.TEMPERATURE:
        cure = "take a difference first; the absolute temperature is {tag} - (0 degC - 273.15 K)"
        raise UnitError("a product or quotient of a temperature depends on where zero lies", cure)


def _combined(a: Quantity, b: Quantity, sign: int) -> Quantity:
    powers = dict(a.powers)
    for base, exponent in b.powers:
        powers[base] = powers.get(base, 0) + sign * exponent
    left = tuple(sorted((base, exponent) for base, exponent in powers.items() if exponent))
    scale = a.scale * b.scale if sign > 0 else a.scale / b.scale
    cas = a.cas if not b.powers else b.cas if not a.powers and sign > 0 else ""
    percent = not left and not a.powers and (a.percent or (b.percent and sign > 0))
    return Quantity(left, scale, cas=cas, percent=percent, bare=a.bare and b.bare)


def _met(a: Quantity, b: Quantity) -> tuple[float, str]:
    """The factor that brings base units of `b` to those of `a`, and the gas of both. Raises `UnitError`."""
    if a.powers == b.powers:
        if (a.percent and b.bare) or (b.percent and a.bare):
            raise UnitError("a number without a unit stands beside a %", "write the unit, such as 80 %")
        return 1.0, a.cas if a.cas == b.cas or not b.cas else b.cas if not a.cas else ""
    if a.powers in _GASES and b.powers in _GASES:
        if a.cas and b.cas and a.cas != b.cas:
            raise UnitError(
                f"{kind_of(a)} of {a.cas} meets {kind_of(b)} of {b.cas}", "compare gases in one unit, such as %LEL"
            )
        cas = a.cas or b.cas
        to, source = _GASES[a.powers], _GASES[b.powers]
        return conversion(source, to, cas).scale * _of(UNITS[to]).scale / _of(UNITS[source]).scale, cas
    raise _apart(a, b)


def _moved(source: Quantity, to: Quantity, factor: float) -> Conversion:
    if source.scale == to.scale and source.offset == to.offset and factor == 1.0:
        return IDENTITY
    return Conversion(source.scale / to.scale * factor, (source.offset * factor - to.offset) / to.scale)


def _apart(a: Quantity, b: Quantity) -> UnitError:
    return UnitError(f"{kind_of(a)} meets {kind_of(b)}", _cure(a, b))


def _cure(a: Quantity, b: Quantity) -> str:
    if a.powers == b.powers and a.powers == (("K", 1),):
        return "a difference is written in K, a temperature in degC"
    if a.powers == b.powers:
        return "say which pressure it is, such as MPa(g); the difference of two is written in MPa"
    if a.bare or b.bare:
        name, _ = named(b if a.bare else a)
        return f"write the unit behind the number, such as {name}"
    return "compare, add and subtract only what is of one kind"


def kind_of(a: Quantity) -> str:
    """Such as "a temperature", for messages."""
    if not a.powers:
        return "a share in %" if a.percent else "a number without a unit"
    if a.origin is not None:
        return f"{'an' if a.origin is _D.ABSOLUTE_PRESSURE else 'a'} {a.origin.value}"
    if a.powers == (("K", 1),):
        return "a difference of temperatures"
    if a.powers == (("s", 1),):
        return "a time"
    known = (d for d, (powers, _) in _COHERENT.items() if powers == a.powers)
    dimension = next(known, None)
    return f"a {dimension.value}" if dimension is not None else f"a quantity in {_spelled(a.powers)}"


def named(a: Quantity) -> tuple[str, Conversion]:
    """The unit in which people are told such a number (of the tables, else base units), and the conversion to it."""
    if a.powers == (("K", 1),) and a.origin is None:
        return "K", Conversion(a.scale)
    same = (a.powers, a.origin, a.percent)
    fitting = [(name, q) for name, q in _known() if (q.powers, q.origin, q.percent) == same]
    for name, q in fitting:
        if q.scale == a.scale and q.offset == a.offset:
            return name, IDENTITY
    if fitting and fitting[0][0] != "1":
        name, q = fitting[0]
        return name, _moved(a, q, 1.0)
    return _spelled(a.powers), Conversion(a.scale, a.offset)


def _known() -> list[tuple[str, Quantity]]:
    return [*((name, _of(u)) for name, u in UNITS.items()), *_MORE.items()]


def _spelled(powers: Powers) -> str:
    """Such as kg/m/s2."""
    above = [f"{base}{exponent if exponent > 1 else ''}" for base, exponent in powers if exponent > 0]
    below = [f"/{base}{-exponent if exponent < -1 else ''}" for base, exponent in powers if exponent < 0]
    return "·".join(above) + "".join(below) if above else "1" + "".join(below)
