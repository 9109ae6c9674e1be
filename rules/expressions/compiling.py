"""From a tree to a program: types, units, and what can be reckoned beforehand.

Every part is a condition or a number of some quantity (`schemas.quantities`). What is constant is reckoned here, so
the conversion of a limit into the unit of its tag costs nothing later. All faults are found in one go, each with its
column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rules.expressions import machine as ops
from rules.expressions.reading import COMPARISONS, Node, Unreadable
from schemas.quantities import BARE, Meeting, Quantity, common, kind_of, minus, named, of_tag, over, plain, plus, times
from schemas.registry import Tag
from schemas.units import IDENTITY, Conversion, UnitError

Code = tuple[tuple[int, float], ...]
_OPS = {
    "+": ops.ADD, "-": ops.SUB, "*": ops.MUL, "/": ops.DIV, "and": ops.AND, "or": ops.OR, "min": ops.MIN,
    "max": ops.MAX, "mean": ops.MEAN, "<": ops.LT, "<=": ops.LE, ">": ops.GT, ">=": ops.GE, "==": ops.EQ, "!=": ops.NE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Typed:
    """A part: its instructions, its quantity (None for a condition), its value where that is constant."""

    code: Code
    quantity: Quantity | None
    constant: float | None = None

    def converted(self, by: Conversion) -> Typed:
        if by == IDENTITY:
            return self
        if self.constant is not None:
            return _constant(by(self.constant), self.quantity)
        code = self.code
        if by.scale != 1.0:
            code = (*code, (ops.CONST, by.scale), (ops.MUL, 0.0))
        if by.offset != 0.0:
            code = (*code, (ops.CONST, by.offset), (ops.ADD, 0.0))
        return replace(self, code=code)


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of something measured with a constant in the same unit; `rising` when it is true above."""

    column: int
    code: Code
    quantity: Quantity
    limit: float | None
    rising: bool


@dataclass(slots=True)
class Compiler:
    """Compiles expressions over `tags`, whose places are given by `places` in the order in which they first appear."""

    tags: Mapping[str, Tag]
    places: dict[str, int] = field(default_factory=dict)
    problems: list[Unreadable] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)

    def condition(self, node: Node) -> Typed | None:
        """The program of a condition; None when something is wrong with it (`problems`)."""
        found = self._typed(node)
        if found is not None and found.quantity is not None:
            self._wrong(node, f"this is {kind_of(found.quantity)}, not a condition", "compare it, such as {P-1} == 1")
            return None
        return found

    def number(self, node: Node) -> Typed | None:
        found = self._typed(node)
        if found is not None and found.quantity is None:
            self._wrong(node, "this is a condition, not a number", "write what shall be told, such as {TI-1} - {TI-2}")
            return None
        if found is not None and found.constant is not None:
            self._wrong(node, "this never changes", "name a tag")
            return None
        return found

    def _wrong(self, node: Node, reason: str, cure: str) -> None:
        self.problems.append(Unreadable(node.column, reason, cure))

    def _typed(self, node: Node) -> Typed | None:
        try:
            match node.what:
                case "number":
                    return _constant(node.value, node.quantity)
                case "tag":
                    return self._tag(node)
                case "and" | "or" | "not":
                    return self._logic(node)
            if node.what in COMPARISONS:
                return self._comparison(node)
            if node.what == "if":
                return self._if(node)
            return self._arithmetic(node)
        except UnitError as error:
            self._wrong(node, error.reason, error.cure)
            return None

    def _tag(self, node: Node) -> Typed | None:
        tag = self.tags.get(node.tag)
        if tag is None:
            return None  # whoever gave the tags has said so
        place = self.places.setdefault(node.tag, len(self.places))
        return Typed(((ops.TAG, float(place)),), of_tag(tag.unit, tag.cas))

    def _logic(self, node: Node) -> Typed | None:
        parts = [self.condition(part) for part in node.parts]
        known = [p for p in parts if p is not None]
        if len(known) < len(parts):
            return None
        code = tuple(step for p in known for step in p.code)
        return Typed((*code, (ops.NOT if node.what == "not" else _OPS[node.what], 0.0)), None)

    def _numbers(self, nodes: Sequence[Node]) -> list[tuple[Typed, Quantity]] | None:
        """All of them as numbers; None when one is none."""
        found: list[tuple[Typed, Quantity]] = []
        for part in nodes:
            typed = self._typed(part)
            if typed is not None and typed.quantity is None:
                self._wrong(
                    part, "a condition stands where a number belongs", "compare numbers, join conditions with and"
                )
            elif typed is not None and typed.quantity is not None:
                found.append((typed, typed.quantity))
        return found if len(found) == len(nodes) else None

    def _comparison(self, node: Node) -> Typed | None:
        numbers = self._numbers(node.parts)
        if numbers is None:
            return None
        (left, a), (right, b) = numbers
        if left.constant is not None and right.constant is not None:
            raise UnitError("two numbers that never change are compared", "compare a tag")
        met = common(a, b, to_right=left.constant is not None)
        if node.what in ("==", "!=") and (met.result.powers or met.result.percent):
            raise UnitError("measured values are hardly ever equal", "write abs(a - b) < ..., or compare with > and <")
        left, right = left.converted(met.left), right.converted(met.right)
        rising = node.what in (">", ">=", "==") if left.constant is None else node.what in ("<", "<=", "==")
        measured, other = (left, right) if left.constant is None else (right, left)
        self.compared.append(Compared(node.column, measured.code, met.result, other.constant, rising))
        return Typed((*left.code, *right.code, (_OPS[node.what], 0.0)), None)

    def _if(self, node: Node) -> Typed | None:
        condition = self.condition(node.parts[0])
        first, second = (self._typed(part) for part in node.parts[1:])
        if condition is None or first is None or second is None:
            return None
        if first.quantity is None or second.quantity is None:
            if first.quantity is not second.quantity:
                raise UnitError("one of the two is a condition, the other a number", "give two of one kind")
            return Typed((*condition.code, *first.code, *second.code, (ops.IF, 0.0)), None)
        met = common(first.quantity, second.quantity, to_right=first.constant is not None and second.constant is None)
        first, second = first.converted(met.left), second.converted(met.right)
        return Typed((*condition.code, *first.code, *second.code, (ops.IF, 0.0)), met.result)

    def _arithmetic(self, node: Node) -> Typed | None:
        numbers = self._numbers(node.parts)
        if numbers is None:
            return None
        (first, a), *more = numbers
        if node.what in ("neg", "abs"):
            result = plain(a, "the opposite" if node.what == "neg" else "abs")
            return _done(
                Typed((*first.code, (ops.NEG if node.what == "neg" else ops.ABS, 0.0)), result), [first], node.what
            )
        if node.what in ("min", "max", "mean"):
            return self._chosen(node.what, numbers)
        ((second, b),) = more
        if node.what in ("*", "/"):
            if node.what == "/" and second.constant == 0.0:
                raise UnitError("it divides by zero", "divide by something else")
            met = Meeting(times(a, b) if node.what == "*" else over(a, b))
        else:
            met = (plus if node.what == "+" else minus)(
                a, b, to_right=first.constant is not None and second.constant is None
            )
        parts = [first.converted(met.left), second.converted(met.right)]
        return _done(Typed((*parts[0].code, *parts[1].code, (_OPS[node.what], 0.0)), met.result), parts, node.what)

    def _chosen(self, what: str, numbers: Sequence[tuple[Typed, Quantity]]) -> Typed:
        """min, max, mean: in the unit of the first that is measured."""
        lead = next((q for typed, q in numbers if typed.constant is None), numbers[0][1])
        parts = []
        for typed, quantity in numbers:
            met = common(lead, quantity)
            lead = met.result
            parts.append(typed.converted(met.right))
        code = tuple(step for p in parts for step in p.code)
        return _done(Typed((*code, (_OPS[what], float(len(parts)))), lead), parts, what)


def _constant(value: float, quantity: Quantity | None) -> Typed:
    if not math.isfinite(value):
        raise UnitError("a constant comes out beyond all numbers", "write smaller ones")
    return Typed(((ops.CONST, value),), quantity, value)


def _done(made: Typed, parts: Sequence[Typed], what: str) -> Typed:
    """The part itself, or its value where all of its parts are constant."""
    values = [p.constant for p in parts if p.constant is not None]
    if len(values) < len(parts):
        return made
    match what:
        case "neg":
            value = -values[0]
        case "abs":
            value = abs(values[0])
        case "+":
            value = values[0] + values[1]
        case "-":
            value = values[0] - values[1]
        case "*":
            value = values[0] * values[1]
        case "/":
            value = values[0] / values[1]
        case "min":
            value = min(values)
        case "max":
            value = max(values)
        case _:
            value = sum(values) / len(values)
    return _constant(value, made.quantity)


def depth(code: Code) -> int:
    """The most numbers that lie on the stack while it runs."""
    most = now = 0
    for op, operand in code:
        now += _effect(op, operand)
        most = max(most, now)
    return most


def _effect(op: int, operand: float) -> int:
    if op in (ops.CONST, ops.TAG):
        return 1
    if op in (ops.NEG, ops.ABS, ops.NOT):
        return 0
    if op == ops.IF:
        return -2
    return 1 - int(operand) if op in (ops.MIN, ops.MAX, ops.MEAN) else -1


def told(value: Typed) -> tuple[Code, str, Conversion]:
    """The program of a number in the unit in which people are told it, that unit, and the conversion to it."""
    name, conversion = named(value.quantity or BARE)
    return value.converted(conversion).code, name, conversion


def contradictions(raised: Sequence[Compared], cleared: Sequence[Compared]) -> Iterator[Unreadable]:
    """Where the end of an alarm lies on the wrong side of its beginning, as far as one comparison each can show."""
    if len(raised) != 1 or len(cleared) != 1:
        return
    (up,), (down,) = raised, cleared
    if up.code != down.code or up.limit is None or down.limit is None:
        return
    if up.rising is down.rising:
        yield Unreadable(down.column, "the alarm would end where it begins", "turn the comparison around")
    elif (down.limit > up.limit) if up.rising else (down.limit < up.limit):
        yield Unreadable(
            down.column,
            f"the end at {down.limit:g} lies beyond the beginning at {up.limit:g}",
            "leave room between the two on the quiet side",
        )
