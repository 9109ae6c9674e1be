"""The language of kind `expression` against trees worked out by hand; what it refuses, and where it says so."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.expressions.compiling import Compiler, Typed, depth
from rules.expressions.machine import MOST_STACK, number
from rules.expressions.reading import MOST_NODES, Unreadable, read
from schemas.registry import Tag
from tests.laws.settings import traces as laws
from tests.rules.kinds import formulas
from tests.rules.kinds.formulas import Close, Look, Part


def compiled(text: str, known: dict[str, Tag] | None = None) -> tuple[Compiler, Typed]:
    compiler = Compiler(formulas.tags() if known is None else known)
    found = compiler.condition(read(text))
    assert found is not None, [str(p) for p in compiler.problems]
    return compiler, found


def worked_out(compiler: Compiler, made: Typed, values: dict[str, float], trust: dict[str, int], least: int) -> float:
    ops = np.array([op for op, _ in made.code], np.int8)
    operands = np.array([operand for _, operand in made.code])
    read_values = np.array([values[name] for name in compiler.places])
    trusted = np.array([trust[name] for name in compiler.places], np.int8)
    low, high = np.empty(MOST_STACK), np.empty(MOST_STACK)
    found: float = number(ops, operands, 0, len(ops), read_values, trusted, least, low, high)
    return found


one = st.tuples(st.sampled_from([*formulas.READ, *formulas.READ, math.nan]), st.sampled_from([2, 2, 2, 1, 0]))
readings = st.fixed_dictionaries(dict.fromkeys(formulas.TAGS, one))


@laws(2000)
@given(formulas.conditions(3), readings, st.integers(1, 2))
def test_every_expression_comes_out_as_by_hand(tree: Part, of: dict[str, tuple[float, int]], least: int) -> None:
    try:
        compiler, made = compiled(tree.text)
    except Unreadable as wrong:
        assert "deep" in wrong.reason or "more than" in wrong.reason
        assume(False)
    assume(depth(made.code) <= MOST_STACK)
    values, trust = {n: v for n, (v, _) in of.items()}, {n: t for n, (_, t) in of.items()}
    look: Look = lambda name: values[name] if trust[name] >= least and math.isfinite(values[name]) else None  # noqa: E731
    try:
        wanted = tree.out(look)
    except Close:
        assume(False)
    got = worked_out(compiler, made, values, trust, least)
    assert (None if math.isnan(got) else bool(got)) is wanted


@laws(500)
@given(st.text(max_size=60) | st.text("{}()+-*/<>=!. ,TIabdeghklmnorsxy012_'\"%", max_size=60))
def test_any_text_is_read_or_refused_with_its_column(text: str) -> None:
    try:
        tree = read(text)
    except Unreadable as wrong:
        assert 1 <= wrong.column <= len(text) + 1 and wrong.reason and wrong.cure
        return
    compiler = Compiler(formulas.tags())
    compiler.condition(tree)
    assert all(1 <= wrong.column <= len(text) for wrong in compiler.problems)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "there is nothing"),
        ("   ", 1, "there is nothing"),
        ("{TI-1} >", 9, "it ends too early"),
        ("{TI-1} > 80 degC )", 18, "')' does not belong here"),
        ("({TI-1} > 80 degC", 18, ") for the bracket of column 1"),
        ("{TI-1} {TI-2}", 8, "does not belong here"),
        ("TI_1 > 80 degC", 1, "a tag stands in braces: {TI_1}"),
        ("__import__('os').system('rm')", 1, "__import__ is no word"),
        ("{TI-1}.__class__ > 1", 7, "'.' is no sign"),
        ("lambda: 1", 1, "lambda is no word"),
        ("{N-1} = 1", 7, "write =="),
        ("{N-1} == 1 && {N-2} == 1", 12, "write and"),
        ("1 < {N-1} < 3", 11, "join two with and"),
        ("{TI-1} > 80 degX", 13, "unit 'degX' is unknown"),
        ("{PT-1} > 5 mPa", 12, "write MPa"),
        ("min({TI-1}) > 80 degC", 1, "min with 1 values; give it 2 to 16"),
        ("if({N-1} == 1, 2) > 3", 1, "if with 2 values; give it 3"),
        ("max > 3", 5, "( after max"),
        ("{N-1} > 1e999", 9, "too large"),
        ("{N-1} > " + "9" * 400, 9, "too large"),
        ("(" * 5000 + "1" + ")" * 5000, 1001, "10001 characters are too many"),
        ("(" * 400 + "{N-1} > 1" + ")" * 400, 25, "nested more than 24 deep"),
        ("-" * 400 + "{N-1} > 1", 25, "nested more than 24 deep"),
        ("not " * 200 + "{N-1} > 1", 97, "nested more than 24 deep"),
        ("+".join(["{a}"] * 200), 240, f"more than {MOST_NODES}"),
        ("x" * 900, 1, "xxx... is no word"),
    ],
)
def test_what_cannot_be_read_is_told_with_column_and_cure(text: str, column: int, said: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert caught.value.column == column and said in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{TI-1}", ["column 1: this is a temperature, not a condition"]),
        ("{TI-1} and {N-1} == 1", ["column 1: this is a temperature, not a condition"]),
        ("({N-1} > 1) + 2 > 3", ["column 8: a condition stands where a number belongs"]),
        ("{TI-1} - {TI-2} > 15 degC", ["column 17: a difference of temperatures meets a temperature"]),
        ("{TI-1} > 80 K", ["column 8: a temperature meets a difference of temperatures"]),
        ("{TI-1} + {TI-2} > 80 degC", ["column 8: the sum of"]),
        ("{PT-1} > 0.5 MPa(g)", ["column 8: a pressure meets a gauge pressure"]),
        (
            "{PT-1} > 5",
            ["column 8: a pressure meets a number without a unit; write the unit behind the number, such as"],
        ),
        ("{TI-1} == 80 degC", ["column 8: measured values are hardly ever equal"]),
        ("1 < 2", ["column 3: two numbers that never change"]),
        ("{N-1} / 0 > 1", ["column 7: it divides by zero"]),
        ("{N-1} / (2 - 2) > 1", ["column 7: it divides by zero"]),
        ("{N-1} > 1e200 * 1e200", ["column 15: a constant comes out beyond"]),
        ("if({N-1} > 1, {N-2} > 1, 3)", ["column 1: one of the two is a condition"]),
        ("{TI-1} > 80 K and {PT-1} > 5 and {N-1}", ["column 8", "column 26", "column 34"]),
    ],
)
def test_every_fault_of_type_and_unit_is_told_at_once(text: str, said: list[str]) -> None:
    compiler = Compiler(formulas.tags())
    assert compiler.condition(read(text)) is None
    found = [str(wrong) for wrong in compiler.problems]
    assert len(found) == len(said) and all(f.startswith(s) for f, s in zip(found, said, strict=True)), found


DEAD_OR_NOT = [
    ("max({TI-1}, {TI-2}) > 80 degC", "{TI-1} > 80 degC or {TI-2} > 80 degC"),
    ("80 degC <= max({TI-1}, {TI-2})", "80 degC <= {TI-1} or 80 degC <= {TI-2}"),
    ("max({TI-1}, {TI-2}) < 80 degC", "{TI-1} < 80 degC and {TI-2} < 80 degC"),
    ("min({TI-1}, {TI-2}) <= 80 degC", "{TI-1} <= 80 degC or {TI-2} <= 80 degC"),
    ("min({TI-1}, {TI-2}) > 80 degC", "{TI-1} > 80 degC and {TI-2} > 80 degC"),
    (
        "max(min({TI-1}, {TI-2}), {TI-3.K}) > 80 degC",
        "{TI-1} > 80 degC and {TI-2} > 80 degC or {TI-3.K} > 80 degC",
    ),
    ("max({TI-1}, {TI-2}) > {TI-3.K} + 5 K", "{TI-1} > {TI-3.K} + 5 K or {TI-2} > {TI-3.K} + 5 K"),
    ("{TI-1} > max({TI-2}, {TI-3.K})", "{TI-1} > {TI-2} and {TI-1} > {TI-3.K}"),
    ("{TI-1} < max({TI-2}, {TI-3.K})", "{TI-1} < {TI-2} or {TI-1} < {TI-3.K}"),
    ("max({PT-1}, {PT-2}) >= 0.5 MPa", "{PT-1} >= 0.5 MPa or {PT-2} >= 0.5 MPa"),
]


@pytest.mark.parametrize(("short", "long"), DEAD_OR_NOT)
def test_the_largest_and_the_smallest_decide_as_early_as_comparisons_one_by_one(short: str, long: str) -> None:
    """Each tag dead, low or high, in all ways."""
    (compiler, made), (other, spelled) = compiled(short), compiled(long)
    told = 0
    for reads in product((None, 20.0, 90.0, 400.0, 600.0), repeat=len(compiler.places)):
        by_name = dict(zip(sorted(compiler.places), reads, strict=True))
        values = {n: math.nan if v is None else v for n, v in by_name.items()}
        trust = {n: 0 if v is None else 2 for n, v in by_name.items()}
        got = worked_out(compiler, made, values, trust, 2)
        wanted = worked_out(other, spelled, values, trust, 2)
        assert got == wanted or (math.isnan(got) and math.isnan(wanted)), by_name
        told += None in reads and not math.isnan(got)
    assert told > 0


def test_constants_are_reckoned_beforehand() -> None:
    _, made = compiled("{PT-1} >= 80 % * (0.2 MPa + 4 bar) - 0.05 MPa")
    assert [op for op, _ in made.code] == [1, 0, 15]
    assert made.code[1][1] == pytest.approx(430.0)


@pytest.mark.parametrize(("text", "limit"), [("{PT-1} >= 0.5 MPa", 500.0), ("0.3 bar <= {PT-1}", 30.0)])
def test_a_limit_in_another_unit_is_reached_exactly(text: str, limit: float) -> None:
    compiler, made = compiled(text)
    for value, reached in ((math.nextafter(limit, 0.0), 0.0), (limit, 1.0)):
        assert worked_out(compiler, made, {"PT-1": value}, {"PT-1": 2}, 2) == reached


def test_wide_signs_of_a_chinese_keyboard_are_read() -> None:
    assert read("｛TI-1｝　＞　80　℃　and　（{N-1}　＜　1）") == read("{TI-1} > 80 ℃ and ({N-1} < 1)")
    assert read("{N-1} ≥ 1").what == ">="
