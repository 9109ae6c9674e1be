"""The library by itself: every entry reads, speaks both languages, and asks its kinds for what they can do."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest

from rules.kinds import kinds
from rules.library import Entry, LibraryError, Proposal, library, places, read_entry, samples
from schemas.text import Text

every_entry = pytest.mark.parametrize("entry", library().values(), ids=list(library()))

SUPERVISED = {
    "phosgenation": 1,
    "electrolysis": 2,
    "chlorination": 3,
    "nitration": 4,
    "ammonia_synthesis": 5,
    "cracking": 6,
    "fluorination": 7,
    "hydrogenation": 8,
    "diazotization": 9,
    "oxidation": 10,
    "peroxidation": 11,
    "amination": 12,
    "sulfonation": 13,
    "polymerization": 14,
    "alkylation": 15,
    "coal_chemicals": 16,
    "calcium_carbide": 17,
    "azo_coupling": 18,
}


def test_what_the_library_holds() -> None:
    assert {e.id: e.supervised for e in library().values() if e.supervised} == SUPERVISED
    assert {
        "tank_farm",
        "chlorine_store",
        "ammonia_refrigeration",
        "lpg_storage",
        "coke_oven_gas",
        "blast_furnace_gas",
        "co_in_metal_plants",
    } <= set(library())
    assert [e.id for e in library().values() if e.always] == [list(library())[-1]]
    assert set(library()) == {f.name[:-5] for f in files("rules.library").iterdir() if f.name.endswith(".toml")}


@every_entry
def test_every_entry_tells_of_hazards_and_of_accidents_that_its_measurements_show(entry: Entry) -> None:
    assert entry.hazards and entry.accident and entry.source
    assert not entry.supervised or len(entry.key_parameters) >= 3
    assert set(entry.uses) <= set(library())


@every_entry
def test_every_rule_validates_against_its_kind(entry: Entry) -> None:
    for rule in entry.rule:
        assert rule.kind in kinds(), rule.id
        msgspec.convert(rule.params, kinds()[rule.kind].params)


@every_entry
def test_every_example_answers_to_its_own_expectation(entry: Entry) -> None:
    found = [entry.answer(tag) for tag in samples(entry, "works", "area")]
    wanted = [one for one in entry.expect for _ in range(one.example.count)]
    assert [f and f.id for f in found] == [w.id for w in wanted]
    for tag, one in zip(samples(entry, "works", "area"), wanted, strict=True):
        have = {s for s in ("low_low", "low", "high", "high_high") if getattr(tag.limits, s) is not None}
        assert tag.cas or one.profile or set(one.limits) <= have, one.id


@every_entry
def test_no_words_of_conformity(entry: Entry) -> None:
    """A library that nobody compared with the standards must not claim to meet one."""
    text = files("rules.library").joinpath(f"{entry.id}.toml").read_text("utf-8").casefold()
    for word in ("符合", "满足gb", "complies", "compliant", "conform", "in accordance with"):
        assert word not in text


def test_the_names_that_parameters_hold() -> None:
    rule = Proposal(
        id="r", kind="sequence", of=("a",), params={"order": ["{b}:low", "{a}"], "n": 1}, why=Text(zh="因", en="why")
    )
    assert places(rule) == ("b", "a")


GOOD = """
name = { zh = "甲", en = "A" }
about = { zh = "甲", en = "A" }
words = ["a"]
basis = "memory"
source = "nobody"
[[expect]]
id = "gas"
name = { zh = "气", en = "gas" }
measure = "gas"
why = { zh = "因", en = "why" }
cause = { zh = "因", en = "cause" }
consequence = { zh = "果", en = "consequence" }
action = { zh = "行", en = "action" }
example = { name = "G-1", zh = "气", en = "gas", cas = "630-08-0", unit = "ppm" }
[[rule]]
id = "r"
kind = "zone"
of = ["gas"]
why = { zh = "因", en = "why" }
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('words = ["a"]', 'words = ["("]', "no regular expression"),
        ('words = ["a"]', "", "without words"),
        ('en = "A" }\nabout', 'en = "" }\nabout', "name lacks a language"),
        ('action = { zh = "行", en = "action" }', "", "expect 'gas' action lacks a language"),
        ('of = ["gas"]', 'of = ["gaz"]', "names 'gaz', which is not expected"),
        ('of = ["gas"]', "of = []", "names nothing that is measured"),
        ('kind = "zone"', 'kind = "zone"\nparams = { order = ["{x}"] }', "names 'x'"),
        ('cas = "630-08-0", unit', 'cas = "", unit', "needs a CAS number"),
        ('unit = "ppm"', 'unit = "m"', "is not a unit of gas"),
        ('words = ["a"]', 'words = ["a"]\ngases = ["1-1-1"]', "1-1-1 is not in the table"),
        ('measure = "gas"', 'measure = "gas"\nlimits = ["hi"]', "limits are"),
        ('measure = "gas"', 'measure = "gas"\nprofile = "x"', "no profile 'x'"),
        ('measure = "gas"', 'measure = "gas"\nleast = 2', "fewer than the least"),
        ('basis = "memory"', 'basis = "guess"', "Invalid enum value"),
        ('basis = "memory"', "basis = memory", "Invalid value"),
        ('source = "nobody"', 'source = "nobody"\nsources = 1', "unknown field"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told(old: str, new: str, told: str) -> None:
    assert read_entry("a", GOOD).id == "a"
    assert GOOD.replace(old, new) != GOOD
    with pytest.raises(LibraryError) as caught:
        read_entry("a", GOOD.replace(old, new))
    assert told in str(caught.value) and str(caught.value).startswith("a.toml: ")
