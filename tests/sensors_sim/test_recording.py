"""Recordings of scenarios: what is in the files, and that replay and backtest take them as they are."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from hazwatch.backtest.eventfile import read_events
from hazwatch.cli import main
from schemas.time import SECOND
from sensors_sim.faults import Shown
from sensors_sim.recording import Happened, Trips, faults, write
from sensors_sim.scenario import load, plant_of, play
from sensors_sim.sites import DEMO, sites
from sensors_sim.taglist import thinned
from tests.sensors_sim.plants import START_S, scenario

START = ("--start", str(START_S))
HEAD = "time,reactor.FT-101,reactor.FV-101,"


def simulate(*words: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *words])


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_recording_is_what_the_instruments_say(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    ran = simulate("reactor-healthy", "--to", str(file), "--for", "10min", *START)
    assert ran.exit_code == 0, ran.output
    assert f"{file}: 60 rows of 15 tags" in ran.stderr
    assert file.read_text().startswith(HEAD)
    found = rows(file)
    what = load("reactor-healthy")
    built = plant_of(what, 1, START_S)
    expected = list(islice(play(built, what), 60))
    assert [row["time"] for row in found[:2]] == ["2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"]
    said = np.array([[float(row[tag.name]) for tag in built.instruments] for row in found])
    assert said == pytest.approx(np.array([shown.value for _, shown in expected]), abs=1e-6)


def test_the_same_in_parquet_and_to_the_byte_again(tmp_path: Path) -> None:
    one, again, other = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "a.parquet"
    for file in (one, again, other):
        assert simulate("ammonia-healthy", "--to", str(file), "--for", "900", *START).exit_code == 0
    assert one.read_bytes() == again.read_bytes()
    table, found = parquet.read_table(other), rows(one)
    assert table.column_names == list(found[0])
    assert [t.isoformat() for t in table["time"].to_pylist()] == [r["time"].replace("Z", "+00:00") for r in found]
    assert table["ammonia.PT-202"].to_pylist() == [float(row["ammonia.PT-202"]) for row in found]


def test_an_empty_cell_is_no_reading(tmp_path: Path) -> None:
    """Not due, silent, or behind a gateway that is cut off."""
    what = scenario(
        {"kind": "silent", "start_s": 4, "duration_s": 4, "tags": ["lpg.PT-101"]},
        {"kind": "offline", "start_s": 6, "duration_s": 2, "enterprise": "metal"},
    )
    built = plant_of(what, 1, START_S)
    file = tmp_path / "r.csv"
    assert write(file, built.instruments, islice(play(built, what), 12), 0, Trips(built.instruments)) == 12
    found = rows(file)
    assert [second for second, row in enumerate(found) if not row["lpg.PT-101"]] == [4, 5, 6, 7]
    assert [second for second, row in enumerate(found) if not row["metal.CO-101"]] == [6, 7]
    assert [second for second, row in enumerate(found) if row["lpg.TT-101"]] == [0, 5, 10], "it reads every 5 s"


def test_every_so_often(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    assert simulate("reactor-healthy", "--to", str(file), "--for", "1h", "--every", "5min", *START).exit_code == 0
    assert [row["time"][11:19] for row in rows(file)] == [f"00:{minute:02}:00" for minute in range(0, 60, 5)]


def test_what_went_wrong_and_where_it_led_are_events_for_backtest(tmp_path: Path) -> None:
    file, events, trips = tmp_path / "r.csv", tmp_path / "events.csv", tmp_path / "trips.csv"
    words = ("--to", str(file), "--events", str(events), "--trips", str(trips))
    assert simulate("reactor-runaway", *words, "--for", "10h", *START).exit_code == 0
    (fault,) = read_events(events)
    assert (fault.label, fault.start_ns) == ("coolant fails", (START_S + 6 * 3600) * SECOND)
    assert fault.end_ns == (START_S + 10 * 3600) * SECOND, "a recording that ends sooner ends the event"
    led = {event.label: event.start_ns // SECOND - START_S for event in read_events(trips)}
    assert led["reactor.FT-102 low"] < led["reactor.TT-102 high"] < led["reactor.PT-101 high"]
    over = [row for row in rows(file) if float(row["reactor.PT-101"]) >= 270]
    first = next(event for event in read_events(trips) if event.label == "reactor.PT-101 high")
    assert first.start_ns == np.datetime64(over[0]["time"].rstrip("Z"), "ns").astype(int)


def test_a_limit_that_is_crossed_again_within_the_hour_is_one_event() -> None:
    built = plant_of(load("reactor-healthy"), 1, START_S)
    trips = Trips(built.instruments)
    at = [tag.name for tag in built.instruments].index("reactor.PT-101")
    for minute, value in ((0, 200), (1, 270), (2, 260), (60, 275), (61, np.nan), (200, 280), (201, 140)):
        said = Shown.of(np.full(len(built.instruments), np.nan)).value
        said[at] = value
        trips.see(60.0 * minute, said)
    high, low = "reactor.PT-101 high", "reactor.PT-101 low"
    assert trips.found() == [Happened(60, 3600, high), Happened(12000, 12000, high), Happened(12060, 12060, low)]


def test_faults_of_instruments_are_events_too() -> None:
    what = scenario(
        {"kind": "stuck", "start_s": 50, "duration_s": 100, "tags": ["*"], "label": "frozen"},
        {"kind": "silent", "start_s": 10, "duration_s": 10, "tags": ["*"]},
        {"kind": "silent", "start_s": 500, "duration_s": 10, "tags": ["*"]},
    )
    assert faults(what, 1000, 1100) == [Happened(1010, 1020, "silent"), Happened(1050, 1100, "frozen")]


@pytest.mark.long
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_replay_reads_it_with_the_configuration_of_its_site(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"r.{suffix}"
    site = tmp_path / "site"
    assert simulate("ammonia-healthy", "--to", str(file), "--for", "1h", "--site-to", str(site), *START).exit_code == 0
    ran = CliRunner().invoke(main, ["replay", str(file), "--config", str(site / "hazwatch.toml")])
    assert ran.exit_code == 0, ran.output
    assert f"{360 * 14} readings of known tags\n0 transitions" in ran.stderr


@pytest.mark.parametrize(
    ("every", "period_s", "stale_s"), [("60", "60", "180"), ("5min", "300", "900"), ("5", "10", "180")]
)
def test_a_site_beside_a_recording_has_its_periods(tmp_path: Path, every: str, period_s: str, stale_s: str) -> None:
    file, site = tmp_path / "r.csv", tmp_path / "site"
    words = ("--to", str(file), "--for", "1h", "--every", every, "--site-to", str(site), *START)
    assert simulate("reactor-healthy", *words).exit_code == 0
    assert {(row["period_s"], row["stale_s"]) for row in rows(site / "tags.csv")} == {(period_s, stale_s)}
    ran = CliRunner().invoke(main, ["replay", str(file), "--config", str(site / "hazwatch.toml")])
    assert ran.exit_code == 0 and "\n0 transitions" in ran.stderr, ran.output
    assert CliRunner().invoke(main, ["check", str(site / "hazwatch.toml")]).exit_code == 0


def test_only_the_periods_of_a_thinned_tag_list_differ() -> None:
    """Also in the demo, where some read every second and some every ten."""
    tags = sites()[DEMO].tags
    before = list(csv.DictReader(tags.read_text("utf-8-sig").splitlines()))
    after = list(csv.DictReader(thinned(tags, 7.0).decode("utf-8-sig").splitlines()))
    assert len({row["period_s"] for row in before}) > 1
    for was, now in zip(before, after, strict=True):
        period_s, stale_s = float(was["period_s"] or 1), was["stale_s"]
        assert float(now["period_s"] or 1) == max(7.0, period_s)
        assert not stale_s or float(now["stale_s"]) == (max(21.0, float(stale_s)) if period_s < 7 else float(stale_s))
        assert {**was, "period_s": "", "stale_s": ""} == {**now, "period_s": "", "stale_s": ""}


def test_the_units_can_be_silent_for_three_minutes(tmp_path: Path) -> None:
    """So a recording with `--every 60` replays with a site that was copied without it."""
    file = tmp_path / "r.csv"
    assert simulate("ammonia-healthy", "--to", str(file), "--for", "1h", "--every", "60", *START).exit_code == 0
    config = sites()[load("ammonia-healthy").site].folder / "hazwatch.toml"
    ran = CliRunner().invoke(main, ["replay", str(file), "--config", str(config)])
    assert ran.exit_code == 0 and "\n0 transitions" in ran.stderr, ran.output


def test_a_site_is_copied_and_never_over_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "site"
    for _ in range(2):
        assert simulate("reactor-fouling", "--site-to", str(folder)).exit_code == 0
    assert sorted(file.name for file in folder.iterdir()) == ["hazwatch.toml", "tags.csv"]
    (folder / "tags.csv").write_text("mine\n")
    ran = simulate("reactor-fouling", "--site-to", str(folder))
    assert (ran.exit_code, ran.stderr) == (1, f"{folder}/tags.csv: another file lies there; choose another folder\n")
    assert (folder / "tags.csv").read_text() == "mine\n"


def test_without_a_length_a_recording_is_as_long_as_its_scenario(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    assert simulate("message-storm", "--to", str(file), *START).exit_code == 0
    assert len(rows(file)) == load("message-storm").lasts_s


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--every", "60"), 2, "--every, --events and --trips belong to a recording; give --to FILE"),
        (("--events", "e.csv"), 2, "belong to a recording; give --to FILE"),
        (("--to", "r.csv", "--stdout"), 2, "give --to or --stdout, not both"),
        (("--to", "r.xlsx"), 2, "r.xlsx: a recording is a .csv or .parquet file"),
        (("--to", "r.csv", "--for", "a week"), 2, "'a week' is no duration; write seconds, or 15min, 12h, 7d"),
        (("--to", "no/r.csv", "--for", "9"), 1, "no/r.csv"),
        (("--to", "r.csv", "--for", "5", "--start", "1", "--every", "1h"), 1, "no instrument reads within --for"),
    ],
)
def test_wrong_calls(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = simulate("quiet", *words)
    assert ran.exit_code == code
    assert said in ran.stderr
    assert not (tmp_path / "r.csv").exists()


def test_the_list_tells_of_every_scenario() -> None:
    ran = simulate("--list")
    assert ran.exit_code == 0
    assert (
        "chlorine-leak [demo]: Chlorine leaks from the store and spreads downwind (液氯库泄漏，随风扩散)" in ran.stdout
    )
    assert "ammonia-pressure [ammonia-unit]: " in ran.stdout
    assert load("ammonia-pressure").about.en in ran.stdout
