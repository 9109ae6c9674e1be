"""Tag lists as engineers keep them: CSV from a spreadsheet, in Chinese or English, in the encodings that Excel writes.

Everything wrong is reported at once, by row (as the spreadsheet counts them, headings are row 1) and column. Units are
normalised, empty limits come from the set-point profile, empty deadbands and delays from usual practice. Tags come out
without their number and perhaps without their enterprise: both need the rest of the configuration.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

import msgspec

from hazwatch.config.columns import BY_HEADING, COLUMNS, MEASURES, PASSED_OVER, Column, folded
from schemas.gases import gases, is_cas
from schemas.problems import Problem
from schemas.registry import Limits, Measure, Tag
from schemas.setpoints import DEFAULT_GAS_PROFILE, SIDES, STARTS, default_deadband, default_limits
from schemas.text import Text
from schemas.units import UnitError, unit

replace = msgspec.structs.replace

_NO_PROFILE = frozenset({"none", "无"})
_EMPTY = frozenset({"", "-", "--", "—", "——", "/", "\\", "无", "n/a", "na", "none", "null"})
_EXCEL_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "###")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DAY = re.compile(r"((?:19|20)\d\d)\s*[/.\-年]\s*(\d{1,2})\s*[/.\-月]\s*(\d{1,2})\s*日?(?:\s+0?0:00(?::00)?)?")
"""A day as spreadsheets show it; Excel may add a midnight."""
_SLOW_S = 10.0
_TITLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class TagList:
    """What a file said. `rows` gives the row of each name; tags of rows with problems are left out."""

    tags: tuple[Tag, ...]
    rows: dict[str, int]
    problems: tuple[Problem, ...]
    encoding: str = ""
    delimiter: str = ""


def read_tags(data: bytes, shown: str) -> TagList:
    """The tags in the bytes of a CSV file; `shown` is its name in the problems."""
    text, encoding = _decoded(data)
    if text is None:
        cure = "save it as CSV UTF-8 from the spreadsheet"
        return TagList((), {}, (Problem.of(shown, "neither UTF-8 nor GBK text", cure),))
    try:
        delimiter = _delimiter(text)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        problem = Problem.of(shown, f"no table of cells ({error})", "is a quotation mark left open?")
        return TagList((), {}, (problem,), encoding)
    if not any(cell.strip() for cells in rows for cell in cells):
        return TagList((), {}, (Problem.of(shown, "no headings", "start from `hazwatch tags template`"),), encoding)
    top = _heading_row(rows)
    columns, problems = _headings(rows[top], shown, top + 1)
    tags: list[Tag] = []
    places: dict[str, int] = {}
    for number, cells in enumerate(rows[top + 1 :], top + 2):
        if not any(cell.strip() for cell in cells) or _is_comment(cells):
            continue
        row = _Row(shown, number)
        tag = row.tag(columns, cells)
        problems += row.problems
        if tag is not None and tag.name in places:
            cure = f"row {places[tag.name]} has it already: give each tag its own name"
            problems.append(Problem.of(f"{shown}: row {number}, column name", f"{tag.name!r} stands twice", cure))
        elif tag is not None:
            places[tag.name] = number
            if not row.problems:
                tags.append(tag)
    return TagList(tuple(tags), places, tuple(problems), encoding, delimiter)


def _decoded(data: bytes) -> tuple[str | None, str]:
    """The text and its encoding. GBK is tried last: almost any bytes are GBK."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        tries = ["utf-16"]
    elif data.startswith(b"\xef\xbb\xbf"):
        tries = ["utf-8-sig"]
    else:
        tries = ["utf-8", "gb18030"]
    for encoding in tries:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return None, ""


def _delimiter(text: str) -> str:
    """Whichever of comma, semicolon and tab makes the most known headings near the top."""
    head = text.splitlines(keepends=True)[:_TITLE_ROWS]

    def known(delimiter: str) -> int:
        return (
            max(sum(folded(c) in BY_HEADING for c in cells) for cells in csv.reader(head, delimiter=delimiter))
            if head
            else 0
        )

    return max((",", ";", "\t"), key=known)


def _heading_row(rows: Sequence[Sequence[str]]) -> int:
    """Index of the row with the headings: many sheets have a title or an empty row above them."""
    for index, cells in enumerate(rows[:_TITLE_ROWS]):
        if sum(folded(cell) in BY_HEADING for cell in cells) >= 2:
            return index
    return 0


def _headings(cells: Sequence[str], shown: str, number: int) -> tuple[list[Column | None], list[Problem]]:
    problems: list[Problem] = []
    columns: list[Column | None] = []
    for place, cell in enumerate(cells, 1):
        key = folded(cell)
        column = BY_HEADING.get(key)
        columns.append(column)
        where = f"{shown}: row {number}, column {place}"
        if column is None and key not in PASSED_OVER and not cell.lstrip().startswith("#"):
            close = get_close_matches(key, BY_HEADING, n=1, cutoff=0.6)
            meant = f"did you mean {BY_HEADING[close[0]].name!r} ({BY_HEADING[close[0]].zh})? " if close else ""
            problems.append(
                Problem.of(where, f"heading {cell!r} is unknown", f"{meant}a heading that begins with # is passed over")
            )
        elif column is not None and column in columns[:-1]:
            problems.append(
                Problem.of(where, f"heading {cell!r} stands for {column.name!r} again", "leave one of them")
            )
    given = {column.name for column in columns if column is not None}
    problems += [
        Problem.of(
            f"{shown}: row {number}", f"no column {need!r}", f"add a column headed {need} or {BY_HEADING[need].zh}"
        )
        for need in ("name", "measure", "unit")
        if need not in given
    ]
    if not given & {"enterprise", "hazard_source", "equipment"}:
        cure = "add a column enterprise, hazard_source or equipment"
        problems.append(Problem.of(f"{shown}: row {number}", "nothing says where the tags belong", cure))
    return columns, problems


def _is_comment(cells: Sequence[str]) -> bool:
    first = next((cell.strip() for cell in cells if cell.strip()), "")
    return first.startswith("#") and not first.startswith(_EXCEL_ERRORS)


class _Row:
    """One row on its way to a tag; collects its own problems."""

    def __init__(self, shown: str, number: int) -> None:
        self._where = f"{shown}: row {number}"
        self.problems: list[Problem] = []

    def refuse(self, column: str, message: str, cure: str) -> None:
        self.problems.append(Problem.of(f"{self._where}, column {column}", message, cure))

    def tag(self, columns: Sequence[Column | None], cells: Sequence[str]) -> Tag | None:
        """The tag with its defaults, None when it has no name; problems say whether it can be used."""
        if any(cell.strip() for cell in cells[len(columns) :]):
            self.problems.append(
                Problem.of(self._where, "more cells than headings", "is a separator inside of a text? put it in quotes")
            )
        found: dict[str, Any] = {}
        for column, cell in zip(columns, cells, strict=False):
            if column is not None and column.name not in found:
                value = self._value(column, cell)
                if value is not None:
                    found[column.name] = value
        for need in ("name", "measure", "unit"):
            if need not in found and not any(p.path.endswith(f", column {need}") for p in self.problems):
                self.refuse(need, "empty", "every tag needs one")
        if "name" not in found:
            return None
        return _with_defaults(_tag(found), found)

    def _value(self, column: Column, cell: str) -> object:
        text = unicodedata.normalize("NFKC", cell).strip() if column.kind != "text" else cell.strip()
        quoted = len(text) > 1 and text[0] == "'" and text[1] in "=+-@"
        if quoted:
            text = text[1:]
        if text.startswith(_EXCEL_ERRORS):
            self.refuse(column.name, f"{text} is an error of the spreadsheet", "correct its formula there")
            return None
        if text.startswith("=") and not quoted:
            self.refuse(column.name, "a formula", "paste the value instead")
            return None
        if column.name == "profile" and text.casefold() in _NO_PROFILE:
            return "none"  # an empty cell is the profile of the measure, this is none at all
        if text.casefold() in _EMPTY:
            return None
        return _READERS[column.kind](self, column.name, text)

    def text(self, column: str, text: str) -> str | None:
        if column == "cas" and not is_cas(text):
            self.refuse(column, f"{text!r} is no CAS number", _meant_gas(text))
            return None
        return text

    def number(self, column: str, text: str) -> float | None:
        if _NUMBER.fullmatch(text):
            return float(text)
        cure = "write the number alone, with a point for decimals"
        self.refuse(column, f"{text!r} is not a number", cure)
        return None

    def numbers(self, column: str, text: str) -> tuple[float, ...] | None:
        parts = [self.number(column, part) for part in re.split(r"[;|\s]+", text) if part]
        return tuple(part for part in parts if part is not None)

    def measure(self, column: str, text: str) -> Measure | None:
        found = MEASURES.get(text.casefold().replace(" ", "_"))
        if found is None:
            self.refuse(column, f"{text!r} is no measure", f"one of {', '.join(Measure)}")
        return found

    def unit(self, column: str, text: str) -> str | None:
        try:
            return unit(text).name
        except UnitError as error:
            self.refuse(column, error.reason, error.cure)
            return None

    def day(self, column: str, text: str) -> date | None:
        found = _DAY.fullmatch(text)
        if found is not None:
            try:
                return date(*map(int, found.groups()))
            except ValueError:
                pass
        self.refuse(column, f"{text!r} is no day", "year, month and day: 2027-03-31")
        return None


_READERS: dict[str, Callable[[_Row, str, str], object]] = {
    "text": _Row.text,
    "number": _Row.number,
    "numbers": _Row.numbers,
    "measure": _Row.measure,
    "unit": _Row.unit,
    "day": _Row.day,
}


def _meant_gas(text: str) -> str:
    """The cure for a cell that is no CAS number: the number of the gas that was probably meant."""
    for one in gases().values():
        if text.casefold() in (one.formula.casefold(), one.name.en.casefold(), one.name.zh):
            return f"the CAS number of {one.formula} ({one.name.en}) is {one.cas}"
    if re.fullmatch(r"(19|20)\d\d[/.\-年]\d{1,2}[/.\-月]\d{1,2}日?|\d{1,2}/\d{1,2}/\d{2,4}", text):
        return "the spreadsheet took it for a date: format the column as text and write it again"
    return "three numbers whose check digit fits, such as 630-08-0 for CO"


def _tag(found: dict[str, Any]) -> Tag:
    texts = {
        field: Text(found.get(f"{field}_zh", ""), found.get(f"{field}_en", ""))
        for field in ("title", "cause", "consequence", "action")
    }
    plain = {c.name: found[c.name] for c in COLUMNS if c.name in found and c.name in Tag.__struct_fields__}
    limits = Limits(**{side: found[side] for side in SIDES if side in found})
    return Tag(
        **{"number": 0, "enterprise": "", "measure": Measure.OTHER, "unit": "1", "limits": limits, **texts, **plain}
    )


def _with_defaults(tag: Tag, found: dict[str, Any]) -> Tag:
    """What the row left empty: profile, limits, deadband, delays, and times that fit a slow tag."""
    if tag.measure is Measure.GAS and "profile" not in found:
        tag = replace(tag, profile=DEFAULT_GAS_PROFILE)
    tag = replace(tag, limits=default_limits(tag))
    start = STARTS.get(tag.measure)
    empty: dict[str, Any] = {}
    if "deadband" not in found:
        empty["deadband"] = default_deadband(tag)
    if start is not None:
        empty |= {name: getattr(start, name) for name in ("on_delay_s", "off_delay_s") if name not in found}
    if tag.period_s > _SLOW_S:
        if "stale_s" not in found:
            empty["stale_s"] = 3 * tag.period_s
        if "lateness_s" not in found:
            empty["lateness_s"] = 2 * tag.period_s
    return replace(tag, **empty)


# Writing


def write_tags(tags: Sequence[Tag], *, chinese: bool = False) -> bytes:
    """The tags as a CSV file that Excel opens correctly (UTF-8 with BOM) and that reads back as the same tags."""
    return _written([[_cell(tag, column.name) for column in COLUMNS] for tag in tags], chinese=chinese)


def template(*, chinese: bool = False) -> bytes:
    """An empty tag list: headings, a row that explains them, and examples; rows that begin with # are passed over."""
    explained = [column.help for column in COLUMNS]
    explained[0] = f"# {explained[0]}"
    return _written([explained, *_examples()], chinese=chinese)


def _examples() -> Iterator[list[str]]:
    examples = (
        ("# CO-101", "熔炼区一氧化碳", "CO at the furnace", "metal", "gas", "630-08-0", "ppm", "0", "500"),
        ("# PT-201", "储罐压力", "Tank pressure", "lpg", "pressure", "", "MPa(g)", "0", "2.5"),
    )
    names = ("name", "title_zh", "title_en", "enterprise", "measure", "cas", "unit", "range_low", "range_high")
    for example in examples:
        cells = dict(zip(names, example, strict=True))
        yield [cells.get(column.name, "") for column in COLUMNS]


def _written(rows: Sequence[Sequence[str]], *, chinese: bool) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.zh if chinese else column.name for column in COLUMNS])
    writer.writerows([[harmless(cell) for cell in row] for row in rows])
    return out.getvalue().encode("utf-8-sig")


def harmless(cell: str) -> str:
    """The cell such that no spreadsheet takes it for a formula: text that begins like one gets an apostrophe."""
    if cell and cell[0] in "=+-@\t\r" and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def _cell(tag: Tag, column: str) -> str:
    if column.endswith(("_zh", "_en")):
        field, _, language = column.rpartition("_")
        return str(getattr(getattr(tag, field), language))
    value = getattr(tag.limits, column) if column in SIDES else getattr(tag, column)
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ";".join(map(_shortest, value))
    return _shortest(value) if isinstance(value, float) else str(value)


def _shortest(value: float) -> str:
    return repr(value).removesuffix(".0")
