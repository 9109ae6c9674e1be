"""The house rules are enforced: each forbidden import, planted in a copy, is refused by import-linter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "eventlog", "ingest", "rules", "alerting", "historian", "console", "sensors_sim", "hazwatch")
PLANTS = [
    ("schemas/planted.py", "import rules"),
    ("schemas/planted.py", "import asyncio"),
    ("schemas/planted.py", "import time"),
    ("rules/planted.py", "import eventlog.port"),
    ("rules/planted.py", "import alerting"),
    ("rules/planted.py", "import psycopg"),
    ("rules/planted.py", "import random"),
    ("rules/planted.py", "import logging"),
    ("alerting/planted.py", "import psycopg"),
    ("alerting/planted.py", "import rules"),
    ("alerting/planted.py", "import historian"),
    ("eventlog/planted.py", "import ingest"),
    ("ingest/planted.py", "import historian"),
    ("ingest/planted.py", "import hazwatch"),
    ("historian/planted.py", "import console"),
    ("console/planted.py", "import historian"),
    ("sensors_sim/planted.py", "import ingest"),
    ("sensors_sim/planted.py", "import eventlog.port"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(
            ROOT / room, copy / room, ignore=shutil.ignore_patterns("web", "static", "__pycache__", "*.nbi", "*.nbc")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.slow
def test_the_house_as_it_stands_is_accepted(house: Path) -> None:
    result = lint(house)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("place", "line"), PLANTS)
def test_a_planted_import_is_refused(house: Path, place: str, line: str) -> None:
    planted = house / place
    planted.write_text(f"{line}\n")
    try:
        result = lint(house)
    finally:
        planted.unlink()
    assert result.returncode != 0, f"{place}: {line!r} was accepted"
    assert "planted" in result.stdout
