"""Grades of major hazard sources: worked cases, boundaries, an independent computation, and what a check says."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas.advice import advice
from schemas.checks import check
from schemas.gases import is_cas
from schemas.majorhazard import (
    alpha,
    assess,
    assessment_of,
    classes,
    expiry,
    grade_of,
    graded,
    table_1,
    valid_until,
)
from schemas.registry import Enterprise, HazardSource, Park, Revision, Substance

CHLORINE, AMMONIA, METHANOL, LPG = "7782-50-5", "7664-41-7", "67-56-1", "68476-85-7"
STORE = (
    Substance(cas=CHLORINE, q_t=60.0),
    Substance(cas=AMMONIA, q_t=40.0),
    Substance(cas=METHANOL, q_t=800.0),
)
DAY = date(2025, 1, 31)


def source(**fields: object) -> HazardSource:
    given_ = {"id": "store", "enterprise": "e", "inventory": STORE, "population": 65, "assessed": DAY, **fields}
    return HazardSource(**given_)  # type: ignore[arg-type]


def of(*sources: HazardSource) -> Revision:
    return Revision(
        number=1, parks=(Park(id="p"),), enterprises=(Enterprise(id="e", park="p"),), hazard_sources=sources
    )


def told(found: object) -> list[str]:
    return [str(p) for p in found if "hazard_sources" in str(p)]  # type: ignore[attr-defined]


# Worked cases


def test_chlorine_ammonia_and_methanol_with_65_people_are_grade_2() -> None:
    found = assess(STORE, 65)
    assert (found.s, found.r, found.alpha, found.grade, found.major) == (17.6, 86.4, 1.5, 2, True)
    assert [(s.threshold_t, s.ratio, s.beta, s.weighted) for s in found.shares] == [
        (5.0, 12.0, 4.0, 48.0),
        (10.0, 4.0, 2.0, 8.0),
        (500.0, 1.6, 1.0, 1.6),
    ]
    assert sum(s.share for s in found.shares) == pytest.approx(1)


def test_hydrogen_sulfide_phosgene_and_the_like_with_102_people_are_grade_2() -> None:
    """q 2, 2, 1 t over Q 5, 1, 5 t with beta 5, 20, 4: hydrogen sulfide, phosphine, a gas of class J1."""
    found = assess(
        (
            Substance(cas="7783-06-4", q_t=2.0),
            Substance(cas="7803-51-2", q_t=2.0),
            Substance(classes=("J1",), q_t=1.0),
        ),
        102,
    )
    assert (found.s, found.r, found.grade) == (2.6, 85.6, 2)


def test_lpg_and_ammonia_with_few_people_are_grade_4() -> None:
    found = assess((Substance(cas=LPG, q_t=45.0), Substance(cas=AMMONIA, q_t=8.0)), 29)
    assert (found.s, found.r, found.grade) == (1.7, 2.95, 4)


def test_below_one_it_is_no_major_hazard_source() -> None:
    found = assess((Substance(cas=CHLORINE, q_t=4.99),), 500)
    assert found.s < 1 and not found.major and found.grade == 0 and found.r > 7
    assert assess((Substance(cas=CHLORINE, q_t=5.0),), 500).grade == 4


# Boundaries


@pytest.mark.parametrize(
    ("people", "factor"),
    [(0, 0.5), (1, 1.0), (29, 1.0), (30, 1.2), (49, 1.2), (50, 1.5), (99, 1.5), (100, 2.0), (10_000, 2.0)],
)
def test_alpha(people: int, factor: float) -> None:
    assert alpha(people) == factor


@pytest.mark.parametrize(
    ("r", "grade"), [(100.0, 1), (99.99, 2), (50.0, 2), (49.99, 3), (10.0, 3), (9.99, 4), (0.5, 4), (1e6, 1)]
)
def test_grade_at_its_boundaries(r: float, grade: int) -> None:
    assert grade_of(r) == grade


def test_a_tenth_added_ten_times_is_one() -> None:
    """In floats S would be 0.9999999999999999 and no major hazard source."""
    tenth = Substance(cas=CHLORINE, q_t=0.5)
    found = assess((tenth,) * 10, 0)
    assert found.s == 1.0 and found.major and found.grade == 4


def test_r_of_exactly_100_is_grade_1() -> None:
    """alpha 1.2 x beta 4 x q / 5 t = 100 at q = 104 1/6 t: from below and from above."""
    assert assess((Substance(cas=CHLORINE, q_t=104.1666),), 30).grade == 2
    assert assess((Substance(cas=CHLORINE, q_t=104.1667),), 30).grade == 1
    assert assess((Substance(cas=AMMONIA, q_t=250.0),), 100).r == 100.0
    assert assess((Substance(cas=AMMONIA, q_t=250.0),), 100).grade == 1


# Which figures


def test_of_several_classes_the_lowest_threshold_and_the_highest_beta_count() -> None:
    (share,) = assess((Substance(classes=("J3", "W2"), q_t=20.0),), 10).shares
    assert (share.threshold_t, share.threshold_from, share.beta, share.beta_from) == (
        10.0,
        "table 2, W2",
        2.0,
        "table 4, J3",
    )


def test_table_1_stands_before_classes_and_table_3_before_table_4() -> None:
    (chlorine,) = assess((Substance(cas=CHLORINE, classes=("W11",), q_t=5.0),), 10).shares
    assert (chlorine.threshold_t, chlorine.beta, chlorine.beta_from) == (5.0, 4.0, "table 3")
    (methanol,) = assess((Substance(cas=METHANOL, classes=("W5.1",), q_t=500.0),), 10).shares
    assert (methanol.threshold_t, methanol.beta, methanol.beta_from) == (500.0, 1.5, "table 4, W5.1")


def test_a_row_chooses_among_several() -> None:
    strict = assess((Substance(cas="9004-70-0", row=37, classes=("W1.1",), q_t=1.0),), 0)
    loose = assess((Substance(row=41, classes=("W10",), q_t=1.0),), 0)
    assert (strict.s, loose.s) == (1.0, 0.02)


def test_the_tables_are_whole() -> None:
    assert list(table_1()) == list(range(1, 86)) and len(classes()) == 24
    for entry in table_1().values():
        assert all(is_cas(cas) for cas in entry.cas) and entry.name.zh and entry.name.en and entry.threshold_t > 0
        assert (entry.beta is None) == (entry.beta_source == "") and entry.beta_source in ("", "table3", "class")
    assert sum(e.beta_source == "table3" for e in table_1().values()) == 14
    assert min(c.beta for c in classes().values()) == 1.0 and classes()["J1"].beta == 4.0


# An independent computation

_FOLDER = Path(schemas.__file__).parent / "tables"


def slow(inventory: list[tuple[str, Decimal]], people: int) -> tuple[Decimal, Decimal]:
    with (_FOLDER / "gb18218_table1.csv").open(encoding="utf-8") as file:
        rows = {cas: r for r in csv.DictReader(file) for cas in r["cas"].split()}
    s = sum((q / Decimal(rows[cas]["threshold_t"]) for cas, q in inventory), Decimal(0))
    r = sum((Decimal(rows[cas]["beta"]) * q / Decimal(rows[cas]["threshold_t"]) for cas, q in inventory), Decimal(0))
    a = "0.5" if people == 0 else "1" if people < 30 else "1.2" if people < 50 else "1.5" if people < 100 else "2"
    return s, r * Decimal(a)


KNOWN = [e.cas[0] for e in table_1().values() if e.beta is not None]
INVENTORIES = st.lists(st.tuples(st.sampled_from(KNOWN), st.decimals("0.01", "5000", places=2)), min_size=1, max_size=6)


@given(INVENTORIES, st.integers(0, 200))
def test_s_and_r_are_those_of_plain_decimals(inventory: list[tuple[str, Decimal]], people: int) -> None:
    found = assess([Substance(cas=cas, q_t=float(q)) for cas, q in inventory], people)
    s, r = slow(inventory, people)
    assert found.s == pytest.approx(float(s)) and found.r == pytest.approx(float(r))
    wanted = 0 if s < 1 else 1 if r >= 100 else 2 if r >= 50 else 3 if r >= 10 else 4
    assert found.grade == wanted


@given(INVENTORIES, st.integers(0, 200), st.integers(0, 200), st.decimals("0.01", "5000", places=2))
def test_more_of_anything_never_makes_it_milder(
    inventory: list[tuple[str, Decimal]], people: int, more_people: int, more: Decimal
) -> None:
    plain = [Substance(cas=cas, q_t=float(q)) for cas, q in inventory]
    fuller = [*plain[:-1], msgspec.structs.replace(plain[-1], q_t=float(inventory[-1][1] + more))]
    before, after = assess(plain, people), assess(fuller, people + more_people)
    assert after.s > before.s and after.r > before.r
    assert (before.grade or 5) >= (after.grade or 5)


# What a check says


def test_the_grade_is_computed_where_none_is_given() -> None:
    assert graded(source()).grade == 2
    assert graded(source(grade=1)).grade == 1
    assert graded(source(population=None)).grade == 0


def test_a_milder_grade_is_a_problem_and_a_stricter_one_advice() -> None:
    (milder,) = told(check(of(source(grade=3))))
    assert milder.startswith(
        "hazard_sources[store].grade: grade 3 is given, but the inventory makes it 2 (S 17.6, R 86"
    )
    (stricter,) = told(advice(of(source(grade=1))))
    assert "stricter than what the inventory makes it: grade 2" in stricter
    assert not told(check(of(source(grade=1)))) and not told(check(of(source(grade=2))))
    assert not told(advice(of(source(grade=2))))
    small = source(grade=4, inventory=(Substance(cas=CHLORINE, q_t=1.0),))
    assert not told(check(of(small))) and "no major hazard source" in told(advice(of(small)))[0]


@pytest.mark.parametrize(
    ("one", "place", "words"),
    [
        (Substance(cas="64-19-7", q_t=1.0), "classes", "64-19-7 is not in table 1; give its hazard classes"),
        (Substance(q_t=1.0), "classes", "neither cas, row nor classes"),
        (Substance(cas="7726-95-6", q_t=1.0), "classes", "no beta is known for bromine"),
        (Substance(classes=("W5.9",), q_t=1.0), "classes", "there is no hazard class 'W5.9'; one of J1"),
        (Substance(cas="6484-52-2", q_t=1.0), "row", "6484-52-2 has 2 rows in table 1; write row = one of 43"),
        (Substance(cas=CHLORINE, row=1, q_t=1.0), "row", "row 1 of table 1 is another substance than 7782-50-5"),
        (Substance(row=86, q_t=1.0), "row", "table 1 has no row 86"),
        (Substance(cas="7782-50-6", q_t=1.0), "cas", "no CAS number"),
        (Substance(cas=CHLORINE, q_t=0.0), "q_t", "0 t is no quantity"),
        (Substance(cas=CHLORINE, q_t=float("nan")), "q_t", "nan t is no quantity"),
    ],
)
def test_what_is_wrong_in_an_inventory_is_told_with_its_place(one: Substance, place: str, words: str) -> None:
    bad = source(inventory=(STORE[0], one))
    (problem,) = told(check(of(bad)))
    assert problem.startswith(f"hazard_sources[store].inventory[2].{place}: ") and words in problem
    assert assessment_of(bad) is None
    with pytest.raises(ValueError, match=r"inventory\[2\]"):
        assess(bad.inventory, 1)


def test_people_and_days_are_checked() -> None:
    assert "write population = 0" in told(check(of(source(population=None))))[0]
    assert "-1 people" in told(check(of(source(population=-1))))[0]
    backwards = source(valid_until=date(2025, 1, 30))
    assert "before it was assessed" in told(check(of(backwards)))[0]
    assert "without the day" in told(advice(of(source(assessed=None))))[0]
    assert "more than 3 years" in told(advice(of(source(valid_until=date(2028, 2, 1)))))[0]


def test_an_assessment_counts_for_three_years() -> None:
    assert valid_until(source()) == date(2028, 1, 31)
    assert valid_until(source(assessed=date(2024, 2, 29))) == date(2027, 2, 28)
    assert valid_until(source(assessed=None)) is None
    assert not list(expiry(of(source()), date(2027, 11, 1)))
    assert "in 90 days" in str(*expiry(of(source()), date(2027, 11, 2)))
    assert "in 0 days" in str(*expiry(of(source()), date(2028, 1, 31)))
    assert "ran out on 2028-01-31" in str(*expiry(of(source()), date(2028, 2, 1)))


def test_a_source_without_an_inventory_travels_as_before() -> None:
    plain = HazardSource(id="store", enterprise="e", grade=3)
    assert msgspec.json.encode(plain) == b'{"id":"store","enterprise":"e","grade":3}'
    full = source()
    assert msgspec.json.decode(msgspec.json.encode(full), type=HazardSource) == full
