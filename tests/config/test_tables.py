"""TOML tables to structs: unknown keys refused with the likely meaning, every problem found with its path."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from hazwatch.config.tables import Tables, read_toml
from schemas.registry import HazardSource, Park, Route, Rule
from schemas.text import Text


class Door(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: int = 1
    host: str
    share: float = 0.5
    tiers: tuple[int, ...] = ()
    open: bool = True


def problems(text: str, kind: type[msgspec.Struct], name: str) -> list[str]:
    tables = Tables("h.toml")
    tables.many(tomllib.loads(text)[name], kind, name)
    return [str(p) for p in tables.problems]


def test_good_tables_become_structs() -> None:
    text = """
    [[park]]
    id = "demo"
    name = { zh = "示范", en = "Demo" }
    longitude = 119
    """
    tables = Tables("h.toml")
    assert tables.many(tomllib.loads(text)["park"], Park, "park") == (
        Park(id="demo", name=Text("示范", "Demo"), longitude=119.0),
    )
    assert not tables.problems


def test_a_single_table_and_a_single_text_are_enough() -> None:
    tables = Tables("h.toml")
    made = tables.many({"id": "demo", "name": "Demo"}, Park, "park")
    assert made == (Park(id="demo", name=Text("Demo", "Demo")),)


def test_every_problem_with_its_path() -> None:
    text = """
    [[door]]
    prot = 3
    port = "x"
    tiers = [1, "two"]
    share = true
    [[door]]
    host = 5
    [[door]]
    host = "good"
    colour = "red"
    """
    assert problems(text, Door, "door") == [
        "h.toml: [[door]][1].prot: there is no 'prot' here; did you mean 'port'?",
        "h.toml: [[door]][1].port: this is text in quotes; expected a whole number",
        "h.toml: [[door]][1]: host is missing; add it",
        "h.toml: [[door]][1].share: this is true or false; expected a number",
        "h.toml: [[door]][1].tiers[2]: this is text in quotes; expected a whole number",
        "h.toml: [[door]][2].host: this is a whole number; expected text in quotes",
        "h.toml: [[door]][3].colour: there is no 'colour' here; known are host, open, port, share, tiers",
    ]


def test_problems_of_tables_inside_of_tables() -> None:
    text = """
    [[rule]]
    id = "limits"
    kind = "limits"
    [[rule.case]]
    name = "a"
    tag = "CO-101"
    readings = [[0.0, 1.0], [1.0, true]]
    [[rule.case]]
    nam = "b"
    """
    assert problems(text, Rule, "rule") == [
        "h.toml: [[rule]][1].case[1].readings[2][2]: this is true or false; expected a number or text in quotes",
        "h.toml: [[rule]][1].case[2].nam: there is no 'nam' here; did you mean 'name'?",
        "h.toml: [[rule]][1].case[2]: name is missing; add it",
        "h.toml: [[rule]][1].case[2]: tag is missing; add it",
        "h.toml: [[rule]][1].case[2]: readings is missing; add it",
    ]


def test_things_that_are_no_tables() -> None:
    assert "expected tables" in problems("park = 3", Park, "park")[0]
    assert "expected a table" in problems("park = [3]", Park, "park")[0]
    assert "expected a table" in problems("[[park]]\nid = 'a'\nname = 3", Park, "park")[0]
    assert "expected tables" in problems("[[rule]]\nid = 'a'\nkind = 'b'\ncase = 3", Rule, "rule")[0]


@pytest.mark.parametrize("kind", [Park, HazardSource, Rule, Route, Door])
def test_every_field_is_known_and_anything_else_is_not(kind: type[msgspec.Struct]) -> None:
    tables = Tables("h.toml")
    tables.keys(dict.fromkeys(kind.__struct_fields__, 1), kind.__struct_fields__, "x")
    assert not tables.problems
    tables.keys({"zzz": 1}, kind.__struct_fields__, "x")
    assert len(tables.problems) == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    assert "cannot be read" in str(read_toml(file, "h.toml")[1][0])
    file.write_bytes("[park]\nname = '园区'".encode("gbk"))
    assert "not UTF-8" in str(read_toml(file, "h.toml")[1][0])
    file.write_text("a = " + "[" * 50_000)
    assert "brackets" in str(read_toml(file, "h.toml")[1][0])
    file.write_text("[park]\nid = \n")
    assert "line 2" in str(read_toml(file, "h.toml")[1][0])
    file.write_bytes(b"\xef\xbb\xbf[park]\r\nid = 'a'\r\n")
    assert read_toml(file, "h.toml") == ({"park": {"id": "a"}}, [])


def test_numbers_are_finite_wherever_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text("a = nan\n[park]\nlongitude = inf\n[[rule]]\nparams = { x = [1.0, -inf] }\n")
    assert [p.path for p in read_toml(file, "h.toml")[1]] == [
        "h.toml: a",
        "h.toml: park.longitude",
        "h.toml: rule[1].params.x[2]",
    ]
