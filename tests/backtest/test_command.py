"""`hazwatch backtest` as people call it: what it prints, what it writes, and what it says of wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hazwatch.backtest.report import Report
from hazwatch.cli import main

SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
files = ["{tags}"]
"""
HEAD = "name,enterprise,measure,unit,range_low,range_high,high,high_high,deadband,on_delay_s,off_delay_s,stale_s\n"
START = 1_767_225_600
"""2026-01-01, midnight UTC."""

ROWS = [
    *((second, 5.0) for second in range(0, 100, 10)),
    *((100 + 8 * k + second, value) for k in range(10) for second, value in ((0, 21.0), (6, 19.5))),  # ten crossings
    (180, 5.0),
    (1000, 25.0),  # three seconds
    (1003, 5.0),
    (5000, 25.0),  # 100 s
    (5100, 5.0),
    (7200, 5.0),
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """OLD has neither deadband nor delay; NEW has 2 and 5 s, and watches B too."""
    monkeypatch.chdir(tmp_path)
    for name, tail in (("old", "0,0,0,36000\n"), ("new", "2,5,0,36000\n")):
        Path(f"{name}.toml").write_text(SITE.format(tags=f"{name}.csv"))
        Path(f"{name}.csv").write_text(HEAD + "A,works,level,m,0,100,20,80," + tail)
    with Path("new.csv").open("a") as tags:
        tags.write("B,works,level,m,0,100,20,80,2,5,0,36000\n")
    Path("recording.csv").write_text("time,A,C\n" + "".join(f"{START + s},{value},1\n" for s, value in ROWS))
    Path("events.csv").write_text(
        f"start,end,label\n{START + 5060},{START + 5200},overflow\n{START + 3000},{START + 3100},unseen\n1,2,long ago\n"
    )
    return tmp_path


def backtest(*words: str) -> Result:
    return CliRunner().invoke(main, ["backtest", *words])


CALL = ("old.toml", "new.toml", "recording.csv")


def told(*words: str) -> Report:
    ran = backtest(*CALL, "--json", *words)
    assert (ran.exit_code, ran.stderr) == (0, "")
    return msgspec.json.decode(ran.stdout, type=Report)


def test_the_report_in_numbers(site: Path) -> None:
    whole = told()
    old, new = whole.measures.old, whole.measures.new
    assert (old.raised, new.raised, whole.measures.difference.raised) == (12, 2, -10)
    assert (old.per_day, new.per_day) == (144.0, 24.0)
    assert (old.chattering, old.chattering_raised) == ({"A limits high": 1}, 10)
    assert (new.chattering, new.chattering_raised) == ({}, 0)
    assert (old.standing_s, new.standing_s) == (10 * 6 + 3 + 100, 75 + 95)
    assert whole.recording.days == pytest.approx(7200 / 86_400)


def test_the_alarms_that_differ(site: Path) -> None:
    whole = told()
    assert [(both.shift_s, both.old_raised, both.new_raised) for both in whole.matched] == [(5.0, 10, 1), (5.0, 1, 1)]
    assert [(one.begin, one.standing_s) for one in whole.missed] == [("2026-01-01T00:16:40.000Z", 3.0)]
    assert whole.fresh == ()


def test_against_events(site: Path) -> None:
    judged = told("--events", "events.csv", "--lead", "100").events
    assert judged is not None
    assert judged.outside == ("long ago (1970-01-01T00:00:01.000Z)",)
    assert [(one.label, one.lead_s) for one in judged.old.events] == [("unseen", None), ("overflow", 60.0)]
    assert [(one.label, one.lead_s) for one in judged.new.events] == [("unseen", None), ("overflow", 55.0)]
    assert (judged.old.false_alarms, judged.new.false_alarms) == (11, 1)
    quiet = 7200 - 200 - 240
    assert judged.new.false_share == pytest.approx(75 / quiet)


def test_json_has_the_names_that_are_promised(site: Path) -> None:
    found = json.loads(backtest(*CALL, "--json").stdout)
    assert list(found) == [
        "format",
        "old",
        "new",
        "recording",
        "position",
        "measures",
        "shifts",
        "matched",
        "missed",
        "new_alarms",
        "missed_by_rule",
        "new_alarms_by_rule",
        "events",
        "notes",
    ]
    assert found["notes"] == ["NEW alone has B", "no such tag in either configuration, passed over: C"]


def test_the_text_says_it_to_people(site: Path) -> None:
    text = backtest(*CALL, "--events", "events.csv").stdout
    rows = [" ".join(line.split()) for line in text.splitlines()]
    for row in (
        "alarms raised 12 2 -10",
        "per day 144.0 24.0 -120.0",
        "tier 3 (yellow) 12 2 -10",
        "flood: 10-min spans over 10 alarms 0.00 % 0.00 % =",
        "chattering: bursts 1 0 -1",
        "raised by both: 2: 0 earlier, 0 unmoved, 2 later in NEW; shift +5 s in the middle, +5 s to +5 s",
        "2026-01-01T00:01:40.000Z A limits high: +5 s, raised 10 -> 1",
        "missed, raised by OLD only: 1 (limits 1)",
        "2026-01-01T00:16:40.000Z A limits high, tier 3, for 3 s, 25 m (limit 20)",
        "new, raised by NEW only: 0",
        "events found 2 2 =",
        "overflow 2026-01-01T01:24:20.000Z 1 min 55 s -5 s",
        "note: events outside the recording, not counted: long ago (1970-01-01T00:00:01.000Z)",
    ):
        assert row in rows, text


def test_the_page_is_written_beside_the_text(site: Path) -> None:
    ran = backtest(*CALL, "--events", "events.csv", "--html", "page.html")
    assert ran.exit_code == 0
    assert "alarms raised" in ran.stdout
    page = (site / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<h3>A</h3>" in page


def test_two_runs_say_the_same(site: Path) -> None:
    first = backtest(*CALL, "--html", "one.html")
    second = backtest(*CALL, "--html", "two.html")
    assert first.stdout == second.stdout
    assert (site / "one.html").read_bytes() == (site / "two.html").read_bytes()


def test_a_configuration_differs_in_nothing_from_itself(site: Path) -> None:
    ran = backtest("old.toml", "old.toml", "recording.csv", "--json")
    whole = msgspec.json.decode(ran.stdout, type=Report)
    assert (whole.missed, whole.fresh, whole.shifts.unmoved) == ((), (), 3)
    assert whole.measures.difference.raised == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "Missing argument 'OLD'"),
        (("old.toml", "new.toml"), 2, "Missing argument 'RECORDING...'"),
        (("old.toml", "nowhere.toml", "recording.csv"), 2, "'nowhere.toml' does not exist"),
        ((*CALL, "--lead", "-1"), 2, "-1.0 is not in the range"),
        ((*CALL, "--position", "desk"), 2, "'desk' is not one of"),
        ((*CALL, "--html", "no/page.html"), 2, "no/page.html cannot be written (there is no folder no; make it first)"),
        (("old.toml", "new.toml", "strange.csv"), 1, "strange.csv: no row names a tag of either configuration"),
        (("old.toml", "new.toml", "bad.csv"), 1, "bad.csv: row 2, column A: 'x' is not a number"),
        ((*CALL, "--time-columns", "When"), 1, "recording.csv: no column 'When'; its columns are time, A, C."),
        ((*CALL, "--events", "bad-events.csv"), 1, "bad-events.csv: row 2: the event ends before it starts"),
        ((*CALL, "--events", "old-events.csv"), 1, "old-events.csv: no event lies in the recording"),
    ],
)
def test_wrong_calls(site: Path, words: tuple[str, ...], code: int, said: str) -> None:
    Path("strange.csv").write_text(f"time,X\n{START},1\n")
    Path("bad.csv").write_text(f"time,A\n{START},x\n")
    Path("bad-events.csv").write_text("start,end,label\n20,10,a\n")
    Path("old-events.csv").write_text("start,end,label\n10,20,a\n")
    ran = backtest(*words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert isinstance(ran.exception, SystemExit)


def test_both_configurations_are_checked_before_anything_is_refused(site: Path) -> None:
    Path("old.csv").write_text(HEAD + "A,works,level,m,0,100,twenty,80,0,0,0,36000\n")
    Path("new.toml").write_text("[park\n")
    ran = backtest(*CALL)
    assert ran.exit_code == 1
    assert "old.toml: 1 problem:" in ran.stderr
    assert "'twenty'" in ran.stderr
    assert "new.toml: 1 problem:" in ran.stderr
