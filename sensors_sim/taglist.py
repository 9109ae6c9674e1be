"""The plant's instruments, read from the same spreadsheet that the enterprise hands in."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the physics needs to know of one measuring point; limits and range in `unit`."""

    name: str
    enterprise: str
    measure: str
    cas: str
    unit: str
    range_low: float
    range_high: float
    resolution: float
    low: float | None
    high: float | None
    x_m: float
    y_m: float
    period_s: float
    low_low: float | None = None
    high_high: float | None = None


NEEDED = ("name", "enterprise", "measure", "unit")


def read_instruments(file: Path) -> list[Instrument]:
    """The instruments of a tag list, in file order. Raises ValueError with every row that cannot be read."""
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    except UnicodeDecodeError:
        raise ValueError(f"{file}: not UTF-8. {_CURE}") from None
    missing = [column for column in NEEDED if rows and column not in rows[0]]
    if missing or not rows:
        what = f"no column {', '.join(missing)}" if missing else "no rows"
        raise ValueError(f"{file}: {what}. {_CURE}")
    out, problems = [], []
    for number, row in enumerate(rows, start=2):
        try:
            out.append(_instrument(row))
        except ValueError as error:
            problems.append(f"{file}: row {number}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return out


_CURE = "The plant reads what `hazwatch tags import FILE --out tags.csv` writes"


def _instrument(row: dict[str, str]) -> Instrument:
    def number(column: str) -> float | None:
        text = (row.get(column) or "").strip()
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"column {column}: {text!r} is not a number") from None

    low, high = number("range_low"), number("range_high")
    span = (100.0 if high is None else high) - (low or 0.0)
    return Instrument(
        name=row["name"].strip(),
        enterprise=row["enterprise"].strip(),
        measure=row["measure"].strip(),
        cas=(row.get("cas") or "").strip(),
        unit=row["unit"].strip(),
        range_low=low or 0.0,
        range_high=100.0 if high is None else high,
        resolution=number("resolution") or span / 10_000,
        low=number("low"),
        high=number("high"),
        x_m=number("x_m") or 0.0,
        y_m=number("y_m") or 0.0,
        period_s=number("period_s") or 1.0,
        low_low=number("low_low"),
        high_high=number("high_high"),
    )


def thinned(file: Path, every_s: float) -> bytes:
    """The tag list for a recording that has only one moment in `every_s`: whoever reads more often has that period, and
    is silent after three of them at the soonest."""
    rows = csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))
    fields = [*(rows.fieldnames or ())]
    fields += [name for name in ("period_s",) if name not in fields]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        if float(row.get("period_s") or 1.0) < every_s:
            row["period_s"] = f"{every_s:g}"
            if float(row.get("stale_s") or 3 * every_s) < 3 * every_s:
                row["stale_s"] = f"{3 * every_s:g}"
        writer.writerow(row)
    return out.getvalue().encode("utf-8-sig")
