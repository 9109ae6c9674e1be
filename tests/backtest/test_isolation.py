"""A backtest reaches nobody, as a replay does."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

import hazwatch.backtest
from tests.replay.test_isolation import OUT_OF_REACH, reached
from tests.replay.test_isolation import graph as graph

MODULES = sorted(path.stem for path in Path(hazwatch.backtest.__path__[0]).glob("[!_]*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_what_compares_cannot_reach_the_world(graph: grimp.ImportGraph, module: str) -> None:
    found = reached(graph, f"hazwatch.backtest.{module}")
    assert [name for name in found for part in OUT_OF_REACH if name == part or name.startswith(f"{part}.")] == []
