"""`hazwatch replay` as people call it: a process of its own, its exit codes, and what it says on which stream."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from hazwatch.cli import main
from hazwatch.replay.line import Line
from tests.replay.recordings import UCI

SITE = """
[park]
id = "park"
[[enterprise]]
id = "city"
park = "park"
[tags]
files = ["tags.csv"]
"""
TAGS = """name,enterprise,measure,cas,unit,range_low,range_high,high,bad_values,deadband,on_delay_s,off_delay_s,period_s
CO_GT,city,gas,630-08-0,mg/m3,0,50,10,-200,0,0,0,3600
"""
START = 1_767_225_600


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "tags.csv").write_text(TAGS)
    return tmp_path


def replay(site: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hazwatch", "replay", "--config", "site.toml", *map(str, words)]
    return subprocess.run(argv, cwd=site, capture_output=True, text=True, timeout=120, check=False)


UCI_WORDS = (UCI, "--time-columns", "Date, Time", "--time-format", "%d/%m/%Y %H:%M:%S")


@pytest.mark.long
def test_the_air_quality_year(site: Path) -> None:
    once = replay(site, *UCI_WORDS, "--out", "one.jsonl")
    again = replay(site, *UCI_WORDS)
    assert once.returncode == again.returncode == 0, once.stderr + again.stderr
    assert (site / "one.jsonl").read_text() == again.stdout
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert all(set(line) == set(Line.__struct_fields__) for line in lines)
    assert [line["value"] for line in lines if line["rule"] == "limits" and "raise" in line["change"]] == [
        10.2,
        10.2,
        10.1,
    ]
    assert once.stderr.count("PT08_S1_CO: no such tag in the configuration; its rows are passed over\n") == 1
    assert "bad: CO_GT 1683\n" in once.stderr
    assert f"{len(lines)} transitions\n" in once.stderr


@pytest.mark.slow
def test_at_a_speed_it_keeps_pace_and_writes_as_it_goes(site: Path) -> None:
    """Six recorded seconds at three times the pace; the first line is there before the end."""
    rows = "".join(f"{START + s},{30 if s >= 1 else 5}\n" for s in range(7))
    (site / "recording.csv").write_text("time,CO_GT\n" + rows)
    argv = [sys.executable, "-m", "hazwatch", "replay", "recording.csv", "--config", "site.toml", "--speed", "3"]
    began = time.monotonic()
    with subprocess.Popen(argv, cwd=site, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = msgspec.json.decode(process.stdout.readline(), type=Line)
        assert process.wait(60) == 0
        took = time.monotonic() - began
    assert first.change == "raise"
    assert took >= 6 / 3, "unpaced, it ends within the second that a start takes"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give recordings, or --log or --history with a data directory"),
        (("recording.csv", "--log", "."), 2, "give recordings, or --log or --history with a data directory"),
        (("recording.csv", "--speed", "fast"), 2, "--speed 'fast' is neither a positive number nor max"),
        (("recording.csv", "--speed", "0"), 2, "--speed '0' is neither a positive number nor max"),
        (("nowhere.csv",), 2, "'nowhere.csv' does not exist"),
        (("--log", "nowhere"), 1, "nowhere: there is no log here; give the --data directory of a hazwatch"),
        (("strange.csv",), 1, "strange.csv: no row names a tag of the configuration"),
        (("bad.csv",), 1, "bad.csv: row 2, column CO_GT: 'x' is not a number"),
        (("recording.csv", "--out", "no/out.jsonl"), 2, "no/out.jsonl cannot be written (No such file or directory)"),
    ],
)
def test_wrong_calls(site: Path, words: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    (site / "recording.csv").write_text(f"time,CO_GT\n{START},1\n")
    (site / "strange.csv").write_text(f"time,X\n{START},1\n")
    (site / "bad.csv").write_text(f"time,CO_GT\n{START},x\n")
    ran = CliRunner().invoke(main, ["replay", "--config", "site.toml", *words])
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert isinstance(ran.exception, SystemExit)
    assert not (site / "nowhere").exists()


def test_a_broken_configuration(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    (site / "site.toml").write_text("[park\n")
    ran = CliRunner().invoke(main, ["replay", "--config", "site.toml", str(UCI)])
    assert ran.exit_code == 1
    assert "site.toml" in ran.stderr
    assert isinstance(ran.exception, SystemExit)
