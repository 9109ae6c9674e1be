"""What the documentation tells people to type works: files are written, commands are run, links lead somewhere.

A fence `toml file=NAME` is written to a folder of the page; `sh run` is run there, in the order of the page.
A page that says `<!-- needs: demo -->` runs beside the demo, whose ports stand in for the default ones. Other shell
fences are not run, but must name commands that exist.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hazwatch.cli import COMMANDS
from hazwatch.config.schema import all_schemas
from hazwatch.reference.pages import PAGES
from hazwatch.reference.plots import plots
from tests.parts.net import free_port, wait_until

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
NARRATIVE = [page for page in DOCS if "reference" not in page.parts and "decisions" not in page.parts]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Demo:
    """A running demo: its ports and data."""

    mqtt: int
    console: int
    data: Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    found = Demo(free_port(), free_port(), folder / "data")
    argv = [sys.executable, "-m", "hazwatch", "up", "--demo", "--data", str(found.data)]
    argv += ["--mqtt-port", str(found.mqtt), "--console-port", str(found.console)]
    with (folder / "log").open("w+") as log, subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: "Hazwatch is running" in (folder / "log").read_text(), "the demo runs", within_s=120)
            yield found
        finally:
            process.terminate()
            process.wait(20)


def run(text: str, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"


def play(page: Path, folder: Path, replacements: dict[str, str]) -> int:
    """Write the files and run the commands of a page; returns how many commands ran."""
    count = 0
    for _, words, body in FENCE.findall(page.read_text()):
        if name := re.search(r"file=(\S+)", words):
            target = folder / name[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        elif re.search(r"\brun\b", words):
            for old, new in replacements.items():
                body = body.replace(old, new)
            run(body, folder)
            count += 1
    return count


def marked(page: Path) -> Any:
    """A page that starts the system runs alone."""
    alone = "hazwatch up" in page.read_text() or "<!-- needs: demo -->" in page.read_text()
    return pytest.param(page, marks=pytest.mark.slow if alone else pytest.mark.long)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", [*map(marked, NARRATIVE)], ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_work(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    replacements = {}
    if "<!-- needs: demo -->" in page.read_text():
        found: Demo = request.getfixturevalue("demo")
        (tmp_path / "data").symlink_to(found.data)
        replacements = {"1883": str(found.mqtt), "8080": str(found.console)}
    play(page, tmp_path, replacements)


def test_at_least_the_how_tos_have_commands_that_run() -> None:
    for page in ROOT.glob("docs/howto/*.md"):
        if page.name != "kafka-and-timescaledb.md":
            assert re.search(r"^```sh run", page.read_text(), re.MULTILINE), page.name


@pytest.mark.parametrize("page", NARRATIVE, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    for language, _, body in FENCE.findall(page.read_text()):
        if language == "sh":
            for command in re.findall(r"^\s*hazwatch (\w+)", body, re.MULTILINE):
                assert command in COMMANDS, f"{page.name}: hazwatch {command}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"\w+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_current(name: str) -> None:
    made = PAGES[name]()
    assert (ROOT / "docs" / "reference" / name).read_text() == made, "run: python -m hazwatch.reference docs/reference"


def test_the_plots_are_current() -> None:
    found = {file.name: file.read_text() for file in (ROOT / "docs" / "reference" / "plots").glob("*.svg")}
    assert found == plots(), "run: python -m hazwatch.reference docs/reference"


def test_the_schemas_are_named_in_the_reference() -> None:
    assert {path.name for path in (ROOT / "docs/reference/schema").glob("*.json")} == set(all_schemas())
