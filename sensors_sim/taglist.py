"""The plant's instruments, read from the same spreadsheet that the enterprise hands in."""

from __future__ import annotations

import csv
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


def read_instruments(file: Path) -> list[Instrument]:
    """The instruments of a tag list, in file order. Raises ValueError naming the row that cannot be read."""
    out = []
    with file.open(encoding="utf-8-sig", newline="") as text:
        for number, row in enumerate(csv.DictReader(text), start=2):
            try:
                out.append(_instrument(row))
            except (KeyError, ValueError) as error:
                raise ValueError(f"{file}: row {number}: {error}") from None
    return out


def _instrument(row: dict[str, str]) -> Instrument:
    def number(column: str) -> float | None:
        text = (row.get(column) or "").strip()
        return float(text) if text else None

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
    )
