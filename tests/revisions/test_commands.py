"""`hazwatch diff` and `hazwatch apply` as people call them, with a real log behind them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from eventlog.open import open_embedded_writer
from eventlog.port import EventLog, topic_specs
from hazwatch.cli import main
from hazwatch.commands.apply import Applied
from hazwatch.registry import RegistryView
from hazwatch.revisions.difference import Difference
from schemas.records import Activate, Kind
from tests.composition.helpers import payloads
from tests.journeys.processes import command, environment

SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
list = \"\"\"
name,title_zh,title_en,enterprise,measure,unit,range_low,range_high,high,deadband,on_delay_s,off_delay_s
A,罐区液位,Tank level,works,level,m,0,100,{high},0,{delay},0
\"\"\"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three configurations of one tag: `site`, one with a lower limit, one with a longer delay as well."""
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(SITE.format(high=20, delay=0))
    Path("tight.toml").write_text(SITE.format(high=15, delay=0))
    Path("loose.toml").write_text(SITE.format(high=15, delay=5))
    (tmp_path / "data").mkdir()
    return tmp_path


def hazwatch(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


async def called(*words: str) -> Result:
    """The same beside a running loop."""
    return await asyncio.to_thread(hazwatch, *words)


@asynccontextmanager
async def log_of(site: Path) -> AsyncIterator[EventLog]:
    async with open_embedded_writer(site / "data" / "log", topic_specs(2)) as log:
        yield log


async def number_in_force(log: EventLog) -> int:
    view = RegistryView(log)
    await view.catch_up()
    return view.current.number


LESS = "less strict (the dangerous direction): 1\n  tag A (Tank level): on-delay 0 s -> 5 s\n"
STRICTER = "stricter: 1\n  tag A (Tank level): high limit 20 m -> 15 m\n"


def test_diff_of_two_files(site: Path) -> None:
    ran = hazwatch("diff", "site.toml", "loose.toml")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == f"OLD site.toml\nNEW loose.toml\n{LESS}{STRICTER}"


@pytest.mark.parametrize(
    ("words", "code"),
    [(("site.toml", "loose.toml"), 1), (("site.toml", "tight.toml"), 0), (("site.toml", "site.toml"), 0)],
)
def test_diff_strict_is_a_gate(site: Path, words: tuple[str, ...], code: int) -> None:
    assert hazwatch("diff", "--strict", *words).exit_code == code


def test_diff_as_json(site: Path) -> None:
    ran = hazwatch("diff", "site.toml", "loose.toml", "--json")
    found = msgspec.json.decode(ran.stdout, type=Difference)
    assert {str(k): v for k, v in found.counts.items()} == {"less_strict": 1, "stricter": 1}
    plain = json.loads(ran.stdout)
    assert list(plain) == ["format", "old", "new", "entries", "effects", "counts"]
    assert [f["title"]["zh"] for f in plain["entries"][0]["fields"]] == ["高限", "报警延时"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "Missing argument"),
        (("site.toml", "tight.toml", "loose.toml"), 2, "give OLD and NEW, or NEW alone"),
        (("site.toml", "nowhere.toml"), 2, "'nowhere.toml' does not exist"),
        (("bad.toml", "worse.toml"), 1, "worse.toml: 1 problem"),
        (("site.toml", "--data", "elsewhere"), 1, "there is no data directory"),
    ],
)
def test_wrong_calls(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    Path("bad.toml").write_text("[park\n")
    Path("worse.toml").write_text(SITE.format(high="twenty", delay=0))
    ran = hazwatch("diff", *words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert ("bad.toml: 1 problem" in ran.stderr) == (words[:1] == ("bad.toml",))


async def test_apply_shows_asks_and_tells_where(site: Path) -> None:
    async with log_of(site) as log:
        first = await called("apply", "--config", "site.toml")
        assert (first.exit_code, first.stderr) == (0, "")
        summary, done, where = first.stdout.splitlines()
        assert summary == "1 stricter, 2 other"
        assert done == f"revision 1 is in force: {summary}"
        assert where.startswith("from readings/0 offset 0, readings/1 offset 0, ")

        tight = await called("apply", "--config", "tight.toml")
        assert tight.exit_code == 0
        assert tight.stdout.startswith(STRICTER)

        refused = await called("apply", "--config", "loose.toml")
        assert refused.exit_code == 1
        assert refused.stdout == LESS
        assert "nothing was put into force" in refused.stderr and "--accept-less-strict" in refused.stderr
        assert await number_in_force(log) == 2

        shown = await called("diff", "loose.toml")
        assert shown.stdout == f"OLD revision 2, in force\nNEW loose.toml\n{LESS}"

        accepted = await called("apply", "--config", "loose.toml", "--accept-less-strict", "--json")
        assert accepted.exit_code == 0
        said = msgspec.json.decode(accepted.stdout, type=Applied)
        assert (said.before, said.revision, said.difference.risky) == (2, 3, True)
        topics = [(place.topic, place.partition) for place in said.positions]
        assert topics == [("readings", 0), ("readings", 1), ("backfill", 0), ("backfill", 1), ("events", 0)]
        for place in said.positions:
            (record, *_) = await log.read(place.topic, place.partition, place.offset, max_records=1)
            assert (record.kind, record.offset) == (Kind.ACTIVATE, place.offset)
        activations = await payloads(log, "events", Kind.ACTIVATE)
        assert [a.revision for a in activations if isinstance(a, Activate)] == [1, 2, 3]

        again = await called("apply", "--config", "loose.toml")
        assert (again.exit_code, again.stdout) == (0, "nothing has changed; revision 3 stays in force\n")


@pytest.mark.parametrize(("answer", "code", "number"), [("y", 0, 2), ("n", 1, 1)])
async def test_apply_asks_a_person(site: Path, answer: str, code: int, number: int) -> None:
    async with log_of(site) as log:
        assert (await called("apply", "--config", "site.toml")).exit_code == 0
        master, slave = pty.openpty()
        argv = command("apply", "--config", "loose.toml")
        process = subprocess.Popen(argv, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        os.write(master, f"{answer}\n".encode())
        output, errors = await asyncio.to_thread(process.communicate, timeout=60)
        os.close(master)
        os.close(slave)
        assert process.returncode == code, errors
        assert output.decode().startswith(LESS)
        assert await number_in_force(log) == number


async def test_what_was_not_shown_is_not_put_into_force(site: Path) -> None:
    """Somebody else applies while a person still reads."""
    async with log_of(site) as log:
        assert (await called("apply", "--config", "site.toml")).exit_code == 0
        master, slave = pty.openpty()
        argv = command("apply", "--config", "loose.toml")
        with subprocess.Popen(
            argv, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as process:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
            assert (await called("apply", "--config", "tight.toml")).exit_code == 0
            os.write(master, b"y\n")
            _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        os.close(master)
        os.close(slave)
        assert process.returncode == 1
        assert "revision 2 came into force meanwhile" in errors.decode()
        assert await number_in_force(log) == 2
