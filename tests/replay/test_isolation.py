"""A replay reaches nobody and writes no log, by construction: the code that plays a file cannot even name them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grimp
import pytest

from eventlog.open import open_embedded_writer
from eventlog.port import NewRecord, topic_specs
from schemas.records import Kind, Tick, encode

ROOMS = ("schemas", "eventlog", "ingest", "rules", "alerting", "historian", "console", "sensors_sim", "hazwatch")
OUT_OF_REACH = (
    "eventlog",
    "ingest",
    "historian",
    "console",
    "sensors_sim",
    "alerting.dispatch",
    "alerting.channels",
    "hazwatch.roles",
    "hazwatch.context",
    "aiohttp",
    "aiokafka",
    "paho",
    "psycopg",
    "sqlite3",
    "socket",
    "asyncio",
    "subprocess",
)
SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
files = ["tags.csv"]
"""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, include_external_packages=True, cache_dir=None)


def reached(graph: grimp.ImportGraph, module: str) -> set[str]:
    """All that `module` imports, directly or not, of ours and of others."""
    return set(graph.find_upstream_modules(module))


@pytest.mark.parametrize("module", ["hazwatch.replay.runner", "hazwatch.replay.feed", "hazwatch.replay.line"])
def test_what_plays_a_recording_cannot_reach_the_world(graph: grimp.ImportGraph, module: str) -> None:
    found = [
        name for name in reached(graph, module) for part in OUT_OF_REACH if name == part or name.startswith(f"{part}.")
    ]
    assert found == []


def test_the_same_look_sees_the_world_where_it_is(graph: grimp.ImportGraph) -> None:
    """The refold of a live log does reach a log, so the test above would notice."""
    assert {"eventlog.port", "asyncio"} <= reached(graph, "hazwatch.replay.refold")


@pytest.mark.slow
async def test_a_replay_beside_a_live_log_leaves_it_as_it_is(tmp_path: Path) -> None:
    """While a writer has the log open: the records stay what they were, for a file and for the log itself."""
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "tags.csv").write_text(
        "name,enterprise,measure,unit,range_low,range_high,high\nA,works,level,m,0,10,8\n"
    )
    (tmp_path / "recording.csv").write_text("time,A\n1767225600,1\n1767225700,9\n1767225800,9\n")
    specs = topic_specs(2)
    data = tmp_path / "data"
    data.mkdir()
    async with open_embedded_writer(data / "log", specs) as log:
        tick = [NewRecord(b"", Kind.TICK, encode(Tick(by="test")))]
        for topic, partition in (("readings", 0), ("readings", 1), ("events", 0)):
            await log.append(topic, partition, tick * 5)
        before = [await log.read(s.name, p, 0) for s in specs for p in range(s.partitions)]
        for words in (["recording.csv"], ["--log", "data"]):
            assert await hazwatch(tmp_path, "replay", "--config", "site.toml", "--out", "out.jsonl", *words) == 0
        assert [await log.read(s.name, p, 0) for s in specs for p in range(s.partitions)] == before
        assert sum(map(len, before)) == 15


async def hazwatch(folder: Path, *words: str) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "hazwatch", *words, cwd=folder)
    return await process.wait()
