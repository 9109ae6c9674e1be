"""Expressions as people would reckon them: trees that can be written down and worked out by hand.

Each `Part` has its text and a function that works it out in exact numbers, in base units, from what the tags read; None
is unknown, and a pair is a number of which only the least and the most are known. Nothing here is shared with
`rules.expressions` or `schemas.quantities`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from schemas.registry import Measure, Tag

Look = Callable[[str], float | None]
"""What a tag reads, in its own unit; None where that is unknown."""
OR, AND, NOT, COMPARE, SUM, PRODUCT, NEG, ATOM = range(8)


class Close(Exception):
    """Two numbers are so close that rounding decides."""


class Part(NamedTuple):
    """`strength` is how strongly its outermost operator binds; `out` works it out."""

    text: str
    strength: int
    out: Callable[[Look], Any]

    def within(self, strength: int) -> str:
        return self.text if self.strength >= strength else f"({self.text})"


TAGS: dict[str, tuple[str, Measure, Fraction, Fraction]] = {
    "TI-1": ("°C", Measure.TEMPERATURE, Fraction(1), Fraction(0)),
    "TI-2": ("°C", Measure.TEMPERATURE, Fraction(1), Fraction(0)),
    "TI-3.K": ("K", Measure.TEMPERATURE, Fraction(1), Fraction("-273.15")),
    "PT-1": ("kPa", Measure.PRESSURE, Fraction(1000), Fraction(0)),
    "PT-2": ("MPa", Measure.PRESSURE, Fraction(10**6), Fraction(0)),
    "PG-1": ("kPa(g)", Measure.PRESSURE, Fraction(1000), Fraction(0)),
    "PG_2:x": ("MPa(g)", Measure.PRESSURE, Fraction(10**6), Fraction(0)),
    "N-1": ("1", Measure.STATE, Fraction(1), Fraction(0)),
    "N-2": ("1", Measure.STATE, Fraction(1), Fraction(0)),
}
"""Unit, measure, and how the unit becomes the base unit."""
OF = {
    "point": ("TI-1", "TI-2", "TI-3.K"),
    "pressure": ("PT-1", "PT-2"),
    "gauge": ("PG-1", "PG_2:x"),
    "number": ("N-1", "N-2"),
}
LITERALS = {
    "point": (("degC", Fraction(1)), ("°C", Fraction(1)), ("℃", Fraction(1))),
    "difference": (("K", Fraction(1)),),
    "pressure": (("Pa", Fraction(1)), ("kPa", Fraction(1000)), ("MPa", Fraction(10**6)), ("bar", Fraction(10**5))),
    "gauge": (("kPa(g)", Fraction(1000)), ("MPa(g)", Fraction(10**6)), ("barg", Fraction(10**5))),
    "number": (("", Fraction(1)),),
}
NUMBERS = ("0", "0.1", "0.5", "1", "2", "3.7", "20", "25.", "50", ".25", "1e2", "101.3", "300")
READ = (-5.0, 0.0, 0.1, 0.5, 1.0, 2.0, 3.7, 20.0, 25.0, 50.0, 99.9, 100.0, 101.3, 300.0)


def tags() -> dict[str, Tag]:
    return {
        name: Tag(number=n, name=name, enterprise="works", measure=measure, unit=unit)
        for n, (name, (unit, measure, *_)) in enumerate(TAGS.items(), 1)
    }


def tag(name: str, scale: Fraction = Fraction(1), offset: Fraction = Fraction(0)) -> Part:
    def out(look: Look) -> Fraction | None:
        read = look(name)
        return None if read is None else Fraction(read) * scale + offset

    return Part(f"{{{name}}}", ATOM, out)


def literal(number: str, unit: str = "", scale: Fraction = Fraction(1)) -> Part:
    value = Fraction(float(number)) * scale
    return Part(f"{number} {unit}".strip(), ATOM, lambda look: value)


Bounds = tuple[Fraction | None, Fraction | None]
"""The least and the most that a number can be, None without an end."""


def bounds(found: Fraction | Bounds | None) -> Bounds:
    if isinstance(found, tuple):
        return found
    return found, found


def number(low: Fraction | None, high: Fraction | None) -> Fraction | Bounds | None:
    return low if low == high else (low, high)


def outermost(pick: Callable[..., Fraction], ends: list[Fraction | None], *, one_is_enough: bool) -> Fraction | None:
    """The end of what is picked: of those that have an end, or of all where one without makes it endless."""
    there = [end for end in ends if end is not None]
    return pick(there) if there and (one_is_enough or len(there) == len(ends)) else None


def chosen(name: str, values: list[Fraction | Bounds | None]) -> Fraction | Bounds | None:
    """min, max: one value is enough to be at most, at least, that."""
    pick = min if name == "min" else max
    lows, highs = [bounds(v)[0] for v in values], [bounds(v)[1] for v in values]
    return number(
        outermost(pick, lows, one_is_enough=name == "max"), outermost(pick, highs, one_is_enough=name == "min")
    )


def together(
    sign: str, x: Fraction | Bounds | None, y: Fraction | Bounds | None, work: Callable[[Fraction, Fraction], Fraction]
) -> Fraction | Bounds | None:
    """A sum, difference, product or quotient of which not all is known."""
    (x_low, x_high), (y_low, y_high) = bounds(x), bounds(y)
    if sign in "+-":
        if sign == "-":
            y_low, y_high = y_high, y_low
        low = None if x_low is None or y_low is None else work(x_low, y_low)
        return number(low, None if x_high is None or y_high is None else work(x_high, y_high))
    if sign == "*" and isinstance(x, Fraction):
        x, y = y, x
    if not isinstance(y, Fraction) or y == 0:
        return None
    low, high = (None if end is None else work(end, y) for end in bounds(x))
    return number(low, high) if y > 0 else number(high, low)


def joined(sign: str, a: Part, b: Part) -> Part:
    """A sum, difference, product or quotient."""
    strength = SUM if sign in "+-" else PRODUCT
    work = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign]

    def out(look: Look) -> Fraction | Bounds | None:
        x, y = a.out(look), b.out(look)
        if not isinstance(x, Fraction) or not isinstance(y, Fraction):
            return together(sign, x, y, work)
        if sign == "/" and y == 0:
            return None
        found: Fraction = work(x, y)
        return found

    return Part(f"{a.within(strength)} {sign} {b.within(strength + 1)}", strength, out)


def called(name: str, *parts: Part) -> Part:
    def out(look: Look) -> Any:
        values = [p.out(look) for p in parts]
        if name == "if":
            return None if values[0] is None else values[1] if values[0] else values[2]
        if name in ("min", "max"):
            return chosen(name, values)
        if name == "abs":
            return abs(values[0]) if isinstance(values[0], Fraction) else None
        ends = zip(*map(bounds, values), strict=True)
        return number(*(None if None in end else sum(end) / len(end) for end in ends))

    return Part(f"{name}({', '.join(p.text for p in parts)})", ATOM, out)


def opposite(a: Part) -> Part:
    def out(look: Look) -> Fraction | Bounds | None:
        low, high = bounds(a.out(look))
        return number(None if high is None else -high, None if low is None else -low)

    return Part(f"-{a.within(NEG)}", NEG, out)


def compared(sign: str, a: Part, b: Part) -> Part:
    """Numbers as close as rounding goes are refused, unless one tag and one literal are just the same. Of numbers that
    are known by their ends it is what all pairs between them would say."""
    work = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
    exact = {a.text[:1], b.text[:1]} <= set("{0123456789.") and a.strength == b.strength == ATOM

    def out(look: Look) -> bool | None:
        ends = [bounds(a.out(look)), bounds(b.out(look))]
        there = [[end for end in pair if end is not None] for pair in ends]
        pairs = [(x, y) for x in there[0] for y in there[1] if not (exact and x == y)]
        if any(abs(x - y) <= Fraction(1, 10**9) * (abs(x) + abs(y) + (0 if exact else 1000)) for x, y in pairs):
            raise Close
        (x_low, x_high), (y_low, y_high) = ends
        far = 1 + sum(map(abs, there[0] + there[1]))
        xs = [-far if x_low is None else x_low, far if x_high is None else x_high]
        ys = [-far if y_low is None else y_low, far if y_high is None else y_high]
        said = {bool(work[sign](x, y)) for x in xs for y in ys}
        if sign in ("==", "!=") and xs[0] < ys[1] and ys[0] < xs[1]:
            return None  # they may meet in between
        return said.pop() if len(said) == 1 else None

    return Part(f"{a.within(SUM)} {sign} {b.within(SUM)}", COMPARE, out)


def both(sign: str, a: Part, b: Part) -> Part:
    """`and`, `or` after Kleene: what decides alone decides."""
    decides = sign == "or"

    def out(look: Look) -> bool | None:
        values = (a.out(look), b.out(look))
        if decides in values:
            return decides
        return None if None in values else not decides

    strength = OR if decides else AND
    return Part(f"{a.within(strength)} {sign} {b.within(strength + 1)}", strength, out)


def inverse(a: Part) -> Part:
    return Part(f"not {a.within(NOT)}", NOT, lambda look: None if (x := a.out(look)) is None else not x)


# Random ones, of each kind


@st.composite
def numbers(draw: st.DrawFn, kind: str, depth: int, measured: bool = True) -> Part:
    """A number of this kind; with a tag in it if it must be `measured`."""

    def one(of: str, tagged: bool = measured) -> Part:
        return draw(numbers(of, depth - 1, tagged))

    if depth <= 0 or (depth < 3 and draw(st.integers(0, 3)) == 0):
        if kind == "difference" and measured:
            return joined("-", one("point"), one("point", False))
        if measured or (kind in OF and draw(st.booleans())):
            name = draw(st.sampled_from(OF[kind]))
            return tag(name, *TAGS[name][2:])
        unit, scale = draw(st.sampled_from(LITERALS[kind]))
        return literal(draw(st.sampled_from(NUMBERS)), unit, scale)
    sign = draw(st.sampled_from("+-"))
    choice = draw(st.integers(0, 6))
    if choice == 0:
        return called("if", draw(conditions(depth - 1)), one(kind), one(kind, False))
    if choice == 1:
        names = ["min", "max", "mean"]
        more = [one(kind, False) for _ in range(draw(st.integers(1, 2)))]
        return called(draw(st.sampled_from(names)), one(kind), *more)
    if kind == "point":
        if choice == 2:
            return joined("+", one("difference"), one("point", False))
        return joined(sign, one("point"), one("difference", False))
    if kind == "gauge":
        if choice == 2:
            return joined("*", one("gauge"), one("number", False))
        return joined(sign, one("gauge"), one("pressure", False))
    if choice == 2:
        return opposite(one(kind)) if draw(st.booleans()) else called("abs", one(kind))
    if choice == 3:
        return joined("*", one("number", False), one(kind))
    if choice == 4:
        return joined("/", one(kind), tag(draw(st.sampled_from(OF["number"]))))
    if choice == 5:
        if kind == "difference":
            return joined("-", one("point"), one("point", False))
        if kind == "pressure":
            return joined("-", one("gauge"), one("gauge", False))
        pair = draw(st.sampled_from(["pressure", "difference", "gauge"]))
        return joined("/", one(pair), one(pair, True))
    return joined(sign, one(kind), one(kind, False))


@st.composite
def conditions(draw: st.DrawFn, depth: int) -> Part:
    choice = draw(st.integers(0, 6)) if depth > 0 else 0
    if choice == 1:
        return inverse(draw(conditions(depth - 1)))
    if choice == 2:
        return called("if", *(draw(conditions(depth - 1)) for _ in range(3)))
    if choice in (3, 4):
        return both("and" if choice == 3 else "or", draw(conditions(depth - 1)), draw(conditions(depth - 1)))
    kind = draw(st.sampled_from(["point", "difference", "pressure", "gauge", "number"]))
    signs = ["<", "<=", ">", ">="] + (["==", "!="] if kind == "number" else [])
    pair = [draw(numbers(kind, depth)), draw(numbers(kind, depth, False))]
    first, second = draw(st.permutations(pair))
    return compared(draw(st.sampled_from(signs)), first, second)
