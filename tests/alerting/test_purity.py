"""The pure part of the alarm room: no clock, no chance, no world. Every module directly in `alerting/` is pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import alerting

FORBIDDEN = {
    "asyncio", "threading", "multiprocessing", "subprocess", "socket", "time", "random", "logging", "uuid", "secrets",
    "datetime", "os", "pathlib", "aiohttp", "aiokafka", "sqlite3", "psycopg", "eventlog", "hazwatch",
}  # fmt: skip
MODULES = sorted(Path(alerting.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_of_the_book_imports_nothing_of_the_world(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] not in FORBIDDEN, name
            assert not name.startswith(("alerting.dispatch", "alerting.channels")), name
