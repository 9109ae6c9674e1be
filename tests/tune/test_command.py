"""`hazwatch tune` as people call it: a tank that foams for five minutes, and overflows once."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hazwatch.cli import main
from hazwatch.config import load_config
from hazwatch.tune.told import Tuning

START = 1_767_225_600
HEAD = "name,title_en,enterprise,measure,unit,range_low,range_high,high,deadband,on_delay_s,off_delay_s,response_s\n"
TANK = "works.L-1,Tank,works,level,%,0,100,80,0,0,0,300\n"
QUIET = "works.T-1,Oven,works,temperature,degC,0,500,400,1,0,0,300\n"
SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
files = ["{tags}"]
[[rule]]
id = "surge"
kind = "deviation"
tags = ["works.T-1"]
params = {{ set_point = 100.0, high = 1.0, deadband = 0.0, on_delay_s = 0.0, off_delay_s = 0.0 }}
"""
PARTS = ((600, 70.0), (300, 79.5), (600, 70.0), (120, 84.0), (600, 70.0))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(SITE.format(tags="tags.csv"))
    Path("tags.csv").write_text(HEAD + TANK + QUIET)
    noise = random.Random(1)
    rows, second = [], 0
    for length, mean in PARTS:
        for _ in range(length):
            oven = 102 if 300 <= second < 330 and second % 3 == 0 else 100
            rows.append(f"{START + second},{noise.gauss(mean, 0.6):.3f},{oven}\n")
            second += 1
    Path("recording.csv").write_text("time,works.L-1,works.T-1\n" + "".join(rows))
    Path("events.csv").write_text(f"start,end,label\n{START + 1500},{START + 1620},overflow\n")
    return tmp_path


def tune(*words: str) -> Result:
    return CliRunner().invoke(main, ["tune", "site.toml", "recording.csv", *words])


def told(*words: str) -> Tuning:
    ran = tune("--json", *words)
    assert (ran.exit_code, ran.stderr) == (0, "")
    return msgspec.json.decode(ran.stdout, type=Tuning)


def test_the_proposal_and_its_proof(site: Path) -> None:
    whole = told()
    (one,) = whole.proposals
    assert (one.tag, one.title.en, one.unit) == ("works.L-1", "Tank", "%")
    assert one.now.bursts >= 1
    assert one.proposed.bursts == 0
    assert 0 < one.proposed.on_delay_s <= 5
    assert one.noise == pytest.approx(0.6, rel=0.1)
    assert whole.backtest is not None
    old, new = whole.backtest.measures.old, whole.backtest.measures.new
    assert old.chattering == {"works.L-1 limits high": one.now.bursts, "works.T-1 surge high": 1}
    assert new.chattering == {"works.T-1 surge high": 1}
    assert new.by_tag["works.L-1"] < old.by_tag["works.L-1"] / 5
    assert (old.by_tag["works.L-1"], new.by_tag["works.L-1"]) == (one.now.sides[0].calls, one.proposed.sides[0].calls)


def test_another_kind_is_said_to_chatter_and_left_alone(site: Path) -> None:
    (left,) = told().left
    assert (left.condition, left.bursts) == ("works.T-1 surge high", 1)
    assert "kind deviation" in left.why


def test_with_events(site: Path) -> None:
    whole = told("--events", "events.csv")
    (one,) = whole.proposals
    assert one.window_s is None
    assert (one.now.sides[0].found, one.proposed.sides[0].found) == (1, 1)
    assert whole.backtest is not None and whole.backtest.events is not None
    assert (whole.backtest.events.old.found, whole.backtest.events.new.found) == (1, 1)
    assert whole.backtest.events.new.false_alarms < whole.backtest.events.old.false_alarms


def test_the_text_says_it_to_people(site: Path) -> None:
    text = tune("--events", "events.csv").stdout
    for words in (
        "works.L-1 (Tank): noise 0.",
        "real is what the labelled events say",
        "proposed: it ends the chattering",
        "name,deadband,on_delay_s,off_delay_s\nworks.L-1,",
        "replayed before (OLD) and after (NEW):",
        "per day",
        "events found: 1 before, 1 after",
        "works.T-1 surge high: 1 bursts; kind deviation has numbers of its own; only limits are tuned",
    ):
        assert words in text, text


@pytest.mark.parametrize("suffix", ["csv", "toml"])
def test_what_is_written_can_be_used(site: Path, suffix: str) -> None:
    """The whole list as CSV replaces the list; the rows as TOML stand for those of the same name."""
    whole = told(f"--{suffix}", f"new.{suffix}")
    (one,) = whole.proposals
    if suffix == "csv":
        Path("new.toml").write_text(SITE.format(tags="new.csv"))
    else:
        Path("rest.csv").write_text(HEAD + QUIET)
        rows = Path("new.toml").read_text().replace("[tags]\n", '[tags]\nfiles = ["rest.csv"]\n')
        Path("new.toml").write_text(
            SITE.replace('[tags]\nfiles = ["{tags}"]\n', rows).replace("{{", "{").replace("}}", "}")
        )
    tags = {tag.name: tag for tag in load_config(Path("new.toml")).revision.tags}
    assert set(tags) == {"works.L-1", "works.T-1"}
    tank = tags["works.L-1"]
    assert (tank.deadband, tank.on_delay_s, tank.off_delay_s) == one.proposed.setting
    assert (tank.limits.high, tank.response_s) == (80.0, 300.0)
    ran = CliRunner().invoke(main, ["diff", "site.toml", "new.toml", "--json"])
    (entry,) = json.loads(ran.stdout)["entries"]
    assert {f["field"] for f in entry["fields"]} <= {"deadband", "on_delay_s", "off_delay_s"}


def test_a_quiet_tag_can_be_asked_for(site: Path) -> None:
    whole = told("--tag", "works.T-1")
    (one,) = whole.proposals
    assert not one.changes
    assert whole.backtest is None


def test_two_runs_say_the_same(site: Path) -> None:
    assert tune().stdout == tune().stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tag", "works.X"), 1, "there is no tag 'works.X'"),
        (("--events", "bad.csv"), 1, "bad.csv: row 2: the event ends before it starts"),
        (("--real", "0"), 2, "0.0 is not in the range"),
        (("--csv", "no/new.csv"), 2, "no/new.csv cannot be written"),
        (("--time-columns", "When"), 1, "no column 'When'"),
    ],
)
def test_wrong_calls(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    Path("bad.csv").write_text("start,end,label\n20,10,a\n")
    ran = tune(*words)
    assert ran.exit_code == code
    assert said in ran.stderr
    assert isinstance(ran.exception, SystemExit)


def test_a_recording_of_strangers(site: Path) -> None:
    Path("recording.csv").write_text(f"time,X\n{START},1\n")
    ran = tune()
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "no row names a tag of the configuration" in ran.stderr
