"""The grade of a major hazard source, from what it holds and who lives beside it: a pure function of the registry.

Formulas of GB 18218-2018: S = sum of q/Q, and a source with S >= 1 is a major one; R = alpha * sum of beta * q/Q;
grade 1 (一级) from R = 100, 2 from 50, 3 from 10, 4 below. q is the design maximum and Q the threshold, both in tonnes;
alpha is 2.0 from 100 people within 500 m of the boundary, 1.5 from 50, 1.2 from 30, 1.0 from 1, else 0.5.

**Q** is that of table 1 where the substance stands there, else the lowest of its hazard classes (table 2).
**beta** is that of table 3 where the substance stands there, else of its classes (table 4); where it has several, the
highest, which is a choice of ours. Classes that the inventory gives stand before those that we derived.
**Rounding**: none before the comparison. Numbers count as they are written in decimal, so 0.1 + 0.2 is 0.3 and R = 100
is grade 1 whatever a float would make of it.

The tables lie in `schemas/tables/gb18218_*.csv` with a mark beside each figure: `quoted` and `table3` were read in
texts that reproduce the standard, `class` follows from a hazard class that is from memory. A person must compare them
with the standard before relying on a grade; nothing here is an assessment in the sense of the law.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from fractions import Fraction
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from schemas.gases import gas, is_cas
from schemas.problems import Problem
from schemas.registry import HazardSource, Revision, Struct, Substance
from schemas.text import Text

VALID_YEARS = 3
"""Order 40 asks for a new assessment every three years, and whenever process, quantity or surroundings change."""
SOON_DAYS = 90
GRADES = {
    1: Text("一级", "grade 1"),
    2: Text("二级", "grade 2"),
    3: Text("三级", "grade 3"),
    4: Text("四级", "grade 4"),
}
_ALPHAS = ((100, Fraction(2)), (50, Fraction(3, 2)), (30, Fraction(6, 5)), (1, Fraction(1)), (0, Fraction(1, 2)))
_BOUNDS = ((1, 100), (2, 50), (3, 10))


class Entry(Struct, frozen=True, kw_only=True):
    """A row of table 1. `beta` is None where it depends on classes that the inventory must give."""

    row: int
    cas: tuple[str, ...]
    name: Text
    threshold_t: float
    beta: float | None
    beta_source: str


class HazardClass(Struct, frozen=True, kw_only=True):
    """A row of tables 2 and 4."""

    symbol: str
    name: Text
    threshold_t: float
    beta: float


class Share(Struct, frozen=True, kw_only=True):
    """What one substance adds: `ratio` = q/Q to S, `weighted` = beta * q/Q to R / alpha, and its `share` of R (0-1).

    `threshold_from` and `beta_from` name the table, and the class or row that decided.
    """

    name: Text
    cas: str
    q_t: float
    threshold_t: float
    threshold_from: str
    ratio: float
    beta: float
    beta_from: str
    weighted: float
    share: float


class Assessment(Struct, frozen=True, kw_only=True):
    """S, R and what follows. `grade` is 0 where S < 1: no major hazard source."""

    s: float
    r: float
    alpha: float
    population: int
    grade: int
    shares: tuple[Share, ...]

    @property
    def major(self) -> bool:
        return self.s >= 1


def alpha(population: int) -> float:
    """The correction for the people within 500 m. Raises ValueError for a negative number."""
    return float(_alpha(population))


def grade_of(r: float) -> int:
    """The grade 1-4 of R, which counts as it is written in decimal."""
    return _grade(_exact(r))


def assess(inventory: Sequence[Substance], population: int) -> Assessment:
    """S, R and grade. Raises ValueError with every problem of the inventory."""
    faults = [p for index, one in enumerate(inventory, 1) for p in _faults(one, f"inventory[{index}]")]
    if faults:
        raise ValueError("; ".join(map(str, faults)))
    factor = _alpha(population)
    found = [(one, *_threshold(one), *_beta(one)) for one in inventory]
    ratios = [_exact(one.q_t) / _exact(q) for one, q, _, _, _ in found]
    weighted = [ratio * _exact(beta) for ratio, (_, _, _, beta, _) in zip(ratios, found, strict=True)]
    s, weight = sum(ratios, Fraction(0)), sum(weighted, Fraction(0))
    shares = tuple(
        Share(
            name=name_of(one), cas=one.cas, q_t=one.q_t, threshold_t=q, threshold_from=q_from, ratio=float(ratio),
            beta=beta, beta_from=beta_from, weighted=float(part), share=float(part / weight) if weight else 0.0,
        )
        for (one, q, q_from, beta, beta_from), ratio, part in zip(found, ratios, weighted, strict=True)
    )  # fmt: skip
    r = factor * weight
    return Assessment(
        s=float(s), r=float(r), alpha=float(factor), population=population, grade=_grade(r) if s >= 1 else 0,
        shares=shares,
    )  # fmt: skip


def assessment_of(source: HazardSource) -> Assessment | None:
    """The assessment of a hazard source; None without an inventory, or with one that `problems` complains about."""
    if not source.inventory or source.population is None or any(_data_problems(source)):
        return None
    return assess(source.inventory, source.population)


def graded(source: HazardSource) -> HazardSource:
    """The source with its computed grade where none was given."""
    found = None if source.grade else assessment_of(source)
    return source if found is None else msgspec.structs.replace(source, grade=found.grade)


def valid_until(source: HazardSource) -> date | None:
    """The last day on which the assessment counts; None when its day is not known either."""
    if source.valid_until is not None or source.assessed is None:
        return source.valid_until
    return _years_later(source.assessed, VALID_YEARS)


def name_of(one: Substance) -> Text:
    """What people call the substance."""
    entry = _entry(one)
    facts = gas(one.cas)
    if one.name:
        return one.name
    if entry is not None:
        return entry.name
    if facts is not None:
        return facts.name
    plain = one.cas or "+".join(one.classes)
    return Text(plain, plain)


# Checks


def problems(source: HazardSource) -> Iterator[Problem]:
    """What is wrong with the assessment of a source; paths begin with the source."""
    yield from _data_problems(source)
    found = assessment_of(source)
    if found is None or not source.grade:
        return
    path = f"hazard_sources[{source.id}].grade"
    if found.grade and source.grade > found.grade:
        message = f"grade {source.grade} is given, but the inventory makes it {found.grade} ({_numbers(found)})"
        yield Problem.of(path, message, "leave the grade out, or correct the inventory or the population")


def remarks(source: HazardSource) -> Iterator[Problem]:
    """What is allowed but deserves a look."""
    path = f"hazard_sources[{source.id}]"
    found = assessment_of(source)
    if found is None:
        return
    if source.grade and (not found.grade or source.grade < found.grade):
        made = f"grade {found.grade}" if found.grade else "no major hazard source"
        message = (
            f"grade {source.grade} is given, stricter than what the inventory makes it: {made} ({_numbers(found)})"
        )
        yield Problem.of(f"{path}.grade", message, "keep it if it is meant, else leave it out")
    if source.assessed is None:
        yield Problem.of(f"{path}.assessed", "an inventory without the day of its assessment", "write assessed = DATE")
    last = valid_until(source)
    if source.assessed is not None and last is not None and last > _years_later(source.assessed, VALID_YEARS):
        message = f"valid until {last}, more than {VALID_YEARS} years after {source.assessed}"
        yield Problem.of(f"{path}.valid_until", message, "assess it again every three years")


def expiry(revision: Revision, today: date) -> Iterator[Problem]:
    """Assessments that have run out, or will within 90 days of `today`; folds and checks of content read no clock."""
    for source in revision.hazard_sources:
        last = valid_until(source)
        path = f"hazard_sources[{source.id}].valid_until"
        if last is None:
            continue
        days = (last - today).days
        if days < 0:
            yield Problem.of(path, f"its assessment ran out on {last}", "assess it again and write the new day")
        elif days <= SOON_DAYS:
            yield Problem.of(path, f"its assessment runs out on {last}, in {days} days", "assess it again in time")


def _data_problems(source: HazardSource) -> Iterator[Problem]:
    path = f"hazard_sources[{source.id}]"
    for index, one in enumerate(source.inventory, 1):
        yield from _faults(one, f"{path}.inventory[{index}]")
    if source.population is not None and source.population < 0:
        yield Problem.of(f"{path}.population", f"{source.population} people", "0 or more")
    if source.inventory and source.population is None:
        message = "an inventory without the number of people within 500 m"
        yield Problem.of(f"{path}.population", message, "write population = 0 where nobody is")
    if source.assessed is not None and source.valid_until is not None and source.valid_until < source.assessed:
        message = f"valid until {source.valid_until}, before it was assessed ({source.assessed})"
        yield Problem.of(f"{path}.valid_until", message, "correct one of the two days")


def _faults(one: Substance, path: str) -> Iterator[Problem]:
    if not (math.isfinite(one.q_t) and one.q_t > 0):
        yield Problem.of(f"{path}.q_t", f"{one.q_t:g} t is no quantity", "the design maximum in tonnes, above 0")
    if one.cas and not is_cas(one.cas):
        yield Problem.of(f"{path}.cas", f"{one.cas!r} is no CAS number", "three numbers whose check digit fits")
        return
    for symbol in one.classes:
        if symbol not in classes():
            message = f"there is no hazard class {symbol!r}"
            yield Problem.of(f"{path}.classes", message, f"one of {', '.join(classes())}")
    if any(symbol not in classes() for symbol in one.classes):
        return
    if one.row and one.row not in table_1():
        yield Problem.of(f"{path}.row", f"table 1 has no row {one.row}", f"1 to {max(table_1())}")
        return
    rows = _rows_of(one.cas)
    if one.row and rows and one.row not in rows:
        message = f"row {one.row} of table 1 is another substance than {one.cas}"
        yield Problem.of(f"{path}.row", message, f"row {' or '.join(map(str, rows))}, or another CAS number")
        return
    if not one.row and len(rows) > 1:
        listed = "; ".join(f"{r}: {table_1()[r].name.en}, {table_1()[r].threshold_t:g} t" for r in rows)
        yield Problem.of(f"{path}.row", f"{one.cas} has {len(rows)} rows in table 1", f"write row = one of {listed}")
        return
    entry = _entry(one)
    if entry is None and not one.classes:
        message = f"{one.cas or 'the substance'} is not in table 1" if one.cas else "neither cas, row nor classes"
        cure = 'give its hazard classes, such as classes = ["W5.3"]; known are ' + ", ".join(classes())
        yield Problem.of(f"{path}.classes", message, cure)
    elif entry is not None and entry.beta is None and not one.classes:
        message = f"no beta is known for {entry.name.en} (row {entry.row} of table 1)"
        cure = 'give its hazard classes, such as classes = ["J2"]; known are ' + ", ".join(classes())
        yield Problem.of(f"{path}.classes", message, cure)


def _numbers(found: Assessment) -> str:
    return f"S {found.s:.4g}, R {found.r:.4g}"


# Figures


def _entry(one: Substance) -> Entry | None:
    rows = (one.row,) if one.row else _rows_of(one.cas)
    return table_1().get(rows[0]) if len(rows) == 1 else None


def _rows_of(cas: str) -> tuple[int, ...]:
    return tuple(row for row, entry in table_1().items() if cas and cas in entry.cas)


def _threshold(one: Substance) -> tuple[float, str]:
    entry = _entry(one)
    if entry is not None:
        return entry.threshold_t, f"table 1, row {entry.row}"
    least = min((classes()[symbol] for symbol in one.classes), key=lambda c: c.threshold_t)
    return least.threshold_t, f"table 2, {least.symbol}"


def _beta(one: Substance) -> tuple[float, str]:
    entry = _entry(one)
    if entry is not None and entry.beta is not None and (entry.beta_source == "table3" or not one.classes):
        return entry.beta, "table 3" if entry.beta_source == "table3" else "table 4, class from memory"
    most = max((classes()[symbol] for symbol in one.classes), key=lambda c: c.beta)
    return most.beta, f"table 4, {most.symbol}"


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _alpha(population: int) -> Fraction:
    for least, factor in _ALPHAS:
        if population >= least:
            return factor
    raise ValueError(f"{population} people")


def _grade(r: Fraction) -> int:
    return next((grade for grade, least in _BOUNDS if r >= least), 4)


def _years_later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


@cache
def table_1() -> Mapping[int, Entry]:
    """Table 1 by its row numbers."""
    return MappingProxyType(
        {
            int(r["row"]): Entry(
                row=int(r["row"]),
                cas=tuple(r["cas"].split()),
                name=Text(zh=r["name_zh"], en=r["name_en"]),
                threshold_t=float(r["threshold_t"]),
                beta=float(r["beta"]) if r["beta"] else None,
                beta_source=r["beta_source"],
            )
            for r in _read("gb18218_table1.csv")
        }
    )


@cache
def classes() -> Mapping[str, HazardClass]:
    """Hazard classes by their symbols, in the order of the standard."""
    return MappingProxyType(
        {
            r["symbol"]: HazardClass(
                symbol=r["symbol"],
                name=Text(zh=r["name_zh"], en=r["name_en"]),
                threshold_t=float(r["threshold_t"]),
                beta=float(r["beta"]),
            )
            for r in _read("gb18218_classes.csv")
        }
    )


def _read(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files("schemas").joinpath(f"tables/{name}").read_text("utf-8"))))
