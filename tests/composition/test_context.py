"""How a role gets hold of the log that its configuration names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from eventlog.port import TopicMissing
from hazwatch.cli import main
from hazwatch.config import load_config
from hazwatch.context import open_log
from hazwatch.datadir import DataDir

PARK = '[park]\nid = "p"\nname = "Park"\n'


async def test_an_embedded_log_keeps_the_partitions_that_it_was_made_with(tmp_path: Path) -> None:
    """Unless another number is given, which is refused: readings would change their partition."""
    data, file = DataDir(tmp_path / "data"), tmp_path / "hazwatch.toml"
    for log, partitions in ("readings_partitions = 4", 4), ("", 4):
        file.write_text(f"{PARK}[log]\n{log}\n")
        async with open_log(load_config(file), data, writer=True) as opened:
            assert await opened.partitions("readings") == partitions
    file.write_text(f"{PARK}[log]\nreadings_partitions = 2\n")
    with pytest.raises(TopicMissing, match="has 4 partitions but 2 are configured"):
        async with open_log(load_config(file), data, writer=True):
            pass


async def test_a_restored_log_is_told_so(tmp_path: Path) -> None:
    data, file = DataDir(tmp_path / "data"), tmp_path / "hazwatch.toml"
    file.write_text(PARK)
    async with open_log(load_config(file), data, writer=True) as opened:
        before = await opened.incarnation()
    said = CliRunner().invoke(main, ["topics", "restored", "--data", str(data.root)])
    assert (said.exit_code, said.output) == (0, f"{data.log} is incarnation {before + 1} now\n")
    async with open_log(load_config(file), data, writer=True) as opened:
        assert await opened.incarnation() == before + 1
        busy = await asyncio.to_thread(CliRunner().invoke, main, ["topics", "restored", "--data", str(data.root)])
        assert busy.exit_code == 1
        assert "already written by process" in busy.output
    nowhere = CliRunner().invoke(main, ["topics", "restored", "--data", str(tmp_path / "nowhere")])
    assert nowhere.exit_code == 1
    assert "there is no data directory" in nowhere.output
