"""What judges rules beside a living system cannot reach it: by imports, and by what it is given."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

from hazwatch.shadow.seek import ReadOnly
from tests.composition.helpers import small_log
from tests.replay.test_isolation import OUT_OF_REACH, reached
from tests.replay.test_isolation import graph as graph

ROOT = Path(__file__).parents[2] / "hazwatch"
PURE = [
    "hazwatch.shadow.heard",
    "hazwatch.shadow.candidate",
    "hazwatch.shadow.tell",
    *(
        f"hazwatch.revisions.{file.stem}"
        for file in sorted((ROOT / "revisions").glob("[!_]*.py"))
        if file.stem != "force"
    ),
    *(f"hazwatch.tune.{file.stem}" for file in sorted((ROOT / "tune").glob("[!_]*.py"))),
]


@pytest.mark.parametrize("module", PURE)
def test_the_core_cannot_reach_the_world(graph: grimp.ImportGraph, module: str) -> None:
    found = reached(graph, module)
    assert [name for name in found for part in OUT_OF_REACH if name == part or name.startswith(f"{part}.")] == []


async def test_the_shadow_is_given_a_log_that_it_cannot_write(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        given = ReadOnly(log)
        assert (await given.bounds("readings", 0)).end == 0
        assert await given.read("readings", 0, 0) == []
        assert not hasattr(given, "append")
