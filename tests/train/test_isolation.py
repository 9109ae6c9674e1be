"""scipy teaches and never judges: only the room of training imports it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "eventlog", "ingest", "rules", "alerting", "historian", "console", "sensors_sim", "hazwatch")


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_only_training_imports_scipy() -> None:
    users = {
        file.relative_to(ROOT).parent.as_posix()
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        if "node_modules" not in file.parts and "scipy" in imported(file)
    }
    assert users == {"hazwatch/train"}
