"""One extension is one file: laws, checks, help and reference find it without another edit.

The project is copied, a file of each family is put into its folder, and everything that people use finds it there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
PLANTED = Path(__file__).parent / "planted"
ROOMS = ("schemas", "eventlog", "ingest", "rules", "alerting", "historian", "console", "sensors_sim", "hazwatch")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "node_modules", "static", "web", ".hypothesis", "kafka_jars")


@dataclass(frozen=True)
class Family:
    """Where its members live, the planted one, and the suites that must take it up by themselves."""

    file: str
    planted: str
    suites: tuple[str, ...]

    @property
    def member(self) -> str:
        return Path(self.file).stem


FAMILIES = (
    Family(
        "rules/kinds/parity.py",
        "parity.py.txt",
        ("tests/rules/test_kinds.py", "tests/laws/test_rules_kinds.py", "tests/replay/test_time.py"),
    ),
    Family("ingest/formats/semicolons.py", "semicolons.py.txt", ("tests/ingest/test_formats.py",)),
    Family("alerting/channels/spool.py", "spool.py.txt", ("tests/alerting/test_channels.py",)),
    Family("sensors_sim/faults/flicker.py", "flicker.py.txt", ("tests/sensors_sim/test_faults.py",)),
    Family("sensors_sim/scenarios/needle.toml", "needle.toml", ("tests/sensors_sim/test_scenarios.py",)),
)
SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
files = ["tags.csv"]
[[source]]
name = "line"
topic = "line"
format = "semicolons"
[[channel]]
name = "files"
kind = "spool"
folder = "alarms"
[[route]]
id = "all"
channel = "files"
[[rule]]
id = "odd"
kind = "parity"
[[rule.case]]
name = "three is odd"
tag = "N"
readings = [[0, 2], [1, 3]]
expect = [[1, "raise", "odd"]]
"""


@dataclass(frozen=True)
class House:
    """A copy of the project."""

    root: Path

    def run(self, *argv: str, within_s: float = 240.0) -> subprocess.CompletedProcess[str]:
        """Python on the copy. Without compilers: what is compiled is the same function."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "NUMBA_DISABLE_JIT": "1", "HAZWATCH_LAWS": "0.05"}
        return subprocess.run(
            [sys.executable, *argv],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("house")
    for folder in (*ROOMS, "tests", "deploy"):
        shutil.copytree(ROOT / folder, root / folder, ignore=NOT_COPIED)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, root)
    for family in FAMILIES:
        assert not (root / family.file).exists()
        shutil.copy(PLANTED / family.planted, root / family.file)
    return House(root)


@dataclass(frozen=True)
class Outcome:
    """What became of the tests: suite -> names of those that passed; and of those that did not."""

    passed: dict[str, set[str]]
    failed: list[str]


@pytest.fixture(scope="module")
def outcome(house: House) -> Outcome:
    """All tests of the families' suites that speak of a planted member, run in one go."""
    report = house.root / "report.xml"
    words = " or ".join(family.member for family in FAMILIES)
    suites = [suite for family in FAMILIES for suite in family.suites]
    quiet = ("-W", "ignore:overflow encountered:RuntimeWarning")  # hashes wrap; compiled code does so silently
    ran = house.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *quiet, f"--junitxml={report}", "-k", words, *suites
    )
    assert report.exists(), ran.stdout + ran.stderr
    passed: dict[str, set[str]] = {suite: set() for suite in suites}
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        suite = case.attrib["classname"].replace(".", "/") + ".py"
        if len(case):
            failed.append(f"{suite}::{case.attrib['name']}: {case[0].attrib.get('message')}")
        else:
            passed.setdefault(suite, set()).add(case.attrib["name"])
    return Outcome(passed, failed)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.member)
def test_the_laws_of_its_family_hold_for_it(outcome: Outcome, family: Family) -> None:
    assert outcome.failed == []
    for suite in family.suites:
        assert any(family.member in name for name in outcome.passed[suite]), f"{suite} does not know {family.member}"


def test_help_lists_it(house: House) -> None:
    check, simulate = (house.run("-m", "hazwatch", command, "--help") for command in ("check", "simulate"))
    assert check.returncode == simulate.returncode == 0, check.stderr + simulate.stderr
    for line in ("parity       Odd values", "semicolons  Pairs behind semicolons", "spool        spool folder"):
        assert " ".join(line.split()) in {" ".join(shown.split()) for shown in check.stdout.splitlines()}
    assert "needle: A needle in the pressure" in simulate.stdout
    assert "flicker" in simulate.stdout.partition("Kinds of effects:")[2]


def test_the_reference_describes_it(house: House) -> None:
    ran = house.run("-m", "hazwatch.reference", "pages")
    assert ran.returncode == 0, ran.stderr
    page = {file.name: file.read_text("utf-8") for file in (house.root / "pages").glob("*.md")}
    assert "## `parity` — 奇偶 / Odd values" in page["rules.md"]
    assert "odd is an alarm, even ends it" in page["rules.md"]
    assert "## `semicolons` — 分号文本 / Pairs behind semicolons" in page["formats.md"]
    assert "co=3.5;lel=-1" in page["formats.md"]
    assert "## `spool` — 假脱机文件夹 / spool folder" in page["channels.md"]
    assert "| `folder` | text | required |" in page["channels.md"]
    for name in ("parity", "semicolons", "spool", "needle", "flicker"):
        assert name in page["commands.md"]


def test_a_configuration_can_use_it(house: House) -> None:
    (house.root / "site.toml").write_text(SITE)
    (house.root / "tags.csv").write_text("name,enterprise,measure,unit,range_low,range_high\nN,works,other,1,0,10\n")
    ran = house.run("-m", "hazwatch", "check", "site.toml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 rule case, 1 as expected" in ran.stdout


def test_the_simulator_plays_it(house: House) -> None:
    ran = house.run("-m", "hazwatch", "simulate", "needle", "--stdout", "--for", "7", "--start", "1767225600")
    assert ran.returncode == 0, ran.stderr
    pressures = [line for line in ran.stdout.splitlines() if line.startswith("park/lpg/gw1/up ")]
    assert len(pressures) == 7
    assert [second for second, line in enumerate(pressures) if '"values":[2.4,' in line] == [5]


def test_contributing_names_the_file_of_every_family() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for family in FAMILIES:
        folder, suffix = str(Path(family.file).parent), Path(family.file).suffix
        assert f"`{folder}/<name>{suffix}`" in text
