"""The table of gases: complete, validated, and looked up by CAS number only."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from schemas.gases import TableError, gas, gas_class, gases, is_cas, read_gases
from schemas.tiers import GasClass

TABLE = files("schemas").joinpath("tables/gases.csv").read_text("utf-8")
ORACLE = list(csv.DictReader(Path(__file__).with_name("setpoints_oracle.csv").open(encoding="utf-8")))


def test_carbon_monoxide() -> None:
    co = gas("630-08-0")
    assert co is not None
    assert (co.formula, co.name.zh, co.molar_mass_g_mol, co.oel_mg_m3, co.lel_vol_pct) == (
        "CO",
        "一氧化碳",
        28.01,
        20.0,
        12.5,
    )


def test_lookup_is_by_cas_number_only() -> None:
    assert gas("CO") is None and gas("carbon monoxide") is None and gas("") is None


@pytest.mark.parametrize("row", ORACLE, ids=lambda r: r["cas"])
def test_the_occupational_limit_follows_the_order_mac_twa_stel(row: dict[str, str]) -> None:
    found = gas(row["cas"])
    assert found is not None
    assert found.oel_mg_m3 == (float(row["oel_mg_m3"]) if row["oel_mg_m3"] else None)


@pytest.mark.parametrize(
    ("cas", "expected"),
    [
        ("630-08-0", GasClass.TOXIC),  # both: counts as toxic
        ("7782-50-5", GasClass.TOXIC),
        ("7782-41-4", GasClass.TOXIC),  # no occupational limit, but AEGL-2 of 5 ppm
        ("463-58-1", GasClass.TOXIC),
        ("74-98-6", GasClass.FLAMMABLE),
        ("74-82-8", GasClass.FLAMMABLE),
        ("7782-44-7", GasClass.OXYGEN),
        ("", GasClass.NONE),
        ("50-99-7", GasClass.TOXIC),  # unknown: the cautious side
    ],
)
def test_classes(cas: str, expected: GasClass) -> None:
    assert gas_class(cas) is expected


def test_no_gas_is_without_a_class() -> None:
    assert all(g.gas_class is not GasClass.NONE for g in gases().values())


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("630-08-0", True),
        ("7782-44-7", True),
        ("630-08-1", False),
        ("7732-18-5", True),
        ("0630-08-0", False),
        ("63008-0", False),
        ("CO", False),
        ("６30-08-0", False),
    ],
)
def test_the_check_digit(text: str, good: bool) -> None:
    assert is_cas(text) is good


def test_a_broken_table_reports_all_its_problems() -> None:
    broken = (
        TABLE.replace("630-08-0,CO", "630-08-1,CO")
        .replace("7782-50-5,Cl2,氯,chlorine,70.9", "7782-50-5,Cl2,氯,chlorine,-70.9")
        .replace(
            "H2S,硫化氢,hydrogen sulfide,34.076,1.176,10,,,quoted", "H2S,硫化氢,hydrogen sulfide,34.076,1.176,10,,,"
        )
    )
    with pytest.raises(TableError) as caught:
        read_gases(broken)
    text = str(caught.value)
    assert "630-08-1" in text and "7782-50-5 molar_mass_g_mol" in text and "7783-06-4 oel_source" in text


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(TableError):
        read_gases(TABLE.splitlines()[0])
