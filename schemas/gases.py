"""Facts about gases, looked up by CAS number and by nothing else: names are spelled in too many ways.

The table is `schemas/tables/gases.csv`. Every figure stands beside a mark of where it was read; blank means "not
asserted", never zero. The marks:

| mark             | meaning                                                                                   |
|------------------|-------------------------------------------------------------------------------------------|
| `aloha`          | the NOAA/CAMEO chemical library of ALOHA (IDLH are NIOSH's, AEGL are for 60 minutes)        |
| `quoted`         | a published table that quotes GB/T 50493-2019 or GBZ 2.1-2019, not the standard itself      |
| `amendment-2022` | as amended in November 2022, from a secondary text                                         |
| `gbz2-2002`      | the row of the 2002 edition; that it is unchanged is from memory                           |
| `memory`         | from memory: a person must check it against the standard before relying on it              |
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from schemas.registry import Struct
from schemas.text import Text
from schemas.tiers import GasClass

OXYGEN = "7782-44-7"
CARBON_MONOXIDE = "630-08-0"
SOURCES = frozenset({"aloha", "quoted", "amendment-2022", "gbz2-2002", "memory"})


class Gas(Struct, frozen=True, kw_only=True):
    """What is known of a gas. Occupational limits (MAC, PC-TWA, PC-STEL) in mg/m3 at 20 °C, explosive limits in %VOL.

    `idlh_quoted_mg_m3` is the older figure that is printed together with GB/T 50493; it is up to six times higher
    than NIOSH's present one (`idlh_ppm`), so whoever needs an IDLH takes the smaller.
    """

    cas: str
    formula: str
    name: Text
    molar_mass_g_mol: float
    vapour_density_air: float | None = None
    mac_mg_m3: float | None = None
    pc_twa_mg_m3: float | None = None
    pc_stel_mg_m3: float | None = None
    oel_source: str = ""
    lel_vol_pct: float | None = None
    uel_vol_pct: float | None = None
    lel_source: str = ""
    idlh_ppm: float | None = None
    idlh_source: str = ""
    idlh_quoted_mg_m3: float | None = None
    idlh_quoted_source: str = ""
    aegl1_60min_ppm: float | None = None
    aegl2_60min_ppm: float | None = None
    aegl3_60min_ppm: float | None = None
    aegl_source: str = ""
    note: str = ""

    @property
    def oel_mg_m3(self) -> float | None:
        """The occupational limit that counts: MAC, else PC-TWA, else PC-STEL (the order of GB/T 50493)."""
        return next((v for v in (self.mac_mg_m3, self.pc_twa_mg_m3, self.pc_stel_mg_m3) if v is not None), None)

    @property
    def gas_class(self) -> GasClass:
        """Toxic when it has an occupational limit, or when AEGL-2 lies below a tenth of the explosive limit."""
        if self.cas == OXYGEN:
            return GasClass.OXYGEN
        lel_ppm = math.inf if self.lel_vol_pct is None else self.lel_vol_pct * 10_000
        harmful = self.aegl2_60min_ppm is not None and self.aegl2_60min_ppm < lel_ppm / 10
        if self.oel_mg_m3 is not None or harmful:
            return GasClass.TOXIC
        return GasClass.NONE if self.lel_vol_pct is None else GasClass.FLAMMABLE


class TableError(ValueError):
    """A table that comes with the program is not what it should be: all problems, a line each."""


def is_cas(text: str) -> bool:
    """Whether this is a well-formed CAS number: 2-7 digits, 2 digits, and a check digit that fits."""
    parts = text.split("-")
    if len(parts) != 3 or not all(p.isascii() and p.isdigit() for p in parts):
        return False
    if not 2 <= len(parts[0]) <= 7 or len(parts[1]) != 2 or len(parts[2]) != 1 or parts[0].startswith("0"):
        return False
    digits = parts[0] + parts[1]
    return sum(i * int(d) for i, d in enumerate(reversed(digits), 1)) % 10 == int(parts[2])


def gas(cas: str) -> Gas | None:
    """The gas of this CAS number, None when it is not in the table."""
    return gases().get(cas)


def gas_class(cas: str) -> GasClass:
    """What this gas does to people; an unknown gas counts as toxic (the cautious side), no gas ("") as none."""
    if not cas:
        return GasClass.NONE
    found = gas(cas)
    return GasClass.TOXIC if found is None else found.gas_class


@cache
def gases() -> Mapping[str, Gas]:
    """The whole table by CAS number, read and validated once."""
    text = files("schemas").joinpath("tables/gases.csv").read_text("utf-8")
    return MappingProxyType(read_gases(text))


def read_gases(text: str) -> dict[str, Gas]:
    """The table in this CSV text. Raises `TableError` with every problem."""
    problems: list[str] = []
    found: dict[str, Gas] = {}
    for line, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
        try:
            one = _gas(row)
        except (ValueError, KeyError) as error:
            problems.append(f"line {line}: {error}")
            continue
        problems += (f"line {line}: {p}" for p in _faults(one))
        if one.cas in found:
            problems.append(f"line {line}: {one.cas} stands twice")
        found[one.cas] = one
    if problems or not found:
        raise TableError("gases.csv: " + "; ".join(problems or ["no rows"]))
    return found


def _gas(row: Mapping[str, str]) -> Gas:
    numbers = {k: float(row[k]) for k in Gas.__struct_fields__ if k.endswith(_NUMERIC) and row[k] != ""}
    words = {k: row[k] for k in Gas.__struct_fields__ if k in _WORDS}
    return Gas(name=Text(zh=row["name_zh"], en=row["name_en"]), **words, **numbers)  # type: ignore[arg-type]


_NUMERIC = ("_g_mol", "_air", "_mg_m3", "_pct", "_ppm")
_WORDS = {"cas", "formula", "oel_source", "lel_source", "idlh_source", "idlh_quoted_source", "aegl_source", "note"}


def _faults(one: Gas) -> Iterable[str]:
    if not is_cas(one.cas):
        yield f"{one.cas!r} is not a CAS number"
    if not one.formula or not one.name.zh or not one.name.en:
        yield f"{one.cas} lacks a formula or a name"
    for field in one.__struct_fields__:
        value = getattr(one, field)
        if isinstance(value, float) and not (math.isfinite(value) and value > 0):
            yield f"{one.cas} {field} is {value}, not a positive number"
    for source, figures in _FIGURES.items():
        mark = getattr(one, source)
        given = any(getattr(one, f) is not None for f in figures)
        if given != bool(mark) or (mark and mark not in SOURCES):
            yield f"{one.cas} {source} {mark!r} does not fit the figures beside it"
    if one.lel_vol_pct is not None and one.uel_vol_pct is not None and one.lel_vol_pct >= one.uel_vol_pct:
        yield f"{one.cas} lower explosive limit is not below the upper"


_FIGURES = {
    "oel_source": ("mac_mg_m3", "pc_twa_mg_m3", "pc_stel_mg_m3"),
    "lel_source": ("lel_vol_pct", "uel_vol_pct"),
    "idlh_source": ("idlh_ppm",),
    "idlh_quoted_source": ("idlh_quoted_mg_m3",),
    "aegl_source": ("aegl1_60min_ppm", "aegl2_60min_ppm", "aegl3_60min_ppm"),
}
