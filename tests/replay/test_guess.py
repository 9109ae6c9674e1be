"""A recording that nobody has described gets a configuration that passes the checks and can be replayed at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.cli import main
from hazwatch.config import load_config
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.guess import guess, measure_of, no_values
from hazwatch.replay.times import Shape
from schemas.checks import TAG_NAME
from schemas.registry import Measure, Revision
from tests.laws.settings import traces
from tests.replay.recordings import UCI, UCI_SHAPE

START_S = 1_767_225_600


def configured(folder: Path, text: str) -> Revision:
    file = folder / "guessed.toml"
    file.write_text(text)
    return load_config(file).revision


@pytest.mark.long
def test_the_air_quality_year(tmp_path: Path) -> None:
    """-200 is no value there, readings come every hour, and what is unusual is rare."""
    of = configured(tmp_path, guess([UCI], UCI_SHAPE))
    tags = {tag.name: tag for tag in of.tags}
    assert tags["CO_GT"].bad_values == (-200.0,)
    assert {tag.period_s for tag in of.tags} == {3600.0}
    assert tags["T"].bad_values == (-200.0,)
    limits = tags["CO_GT"].limits
    assert limits.high is not None and 8 < limits.high < 20
    words = ["--config", str(tmp_path / "guessed.toml"), "--time-columns", "Date,Time"]
    words += ["--time-format", "%d/%m/%Y %H:%M:%S", "--out", str(tmp_path / "out.jsonl")]
    done = CliRunner().invoke(main, ["replay", str(UCI), *words])
    assert done.exit_code == 0, done.output
    raised = [line for line in (tmp_path / "out.jsonl").read_text().splitlines() if '"rule":"limits"' in line]
    assert 0 < len(raised) < 300


def test_names_say_what_is_measured() -> None:
    some = np.array([1.5, 2.25, 3.125])
    assert measure_of("反应釜温度", some) == (Measure.TEMPERATURE, "degC")
    assert measure_of("TI-101", some) == (Measure.TEMPERATURE, "degC")
    assert measure_of("Tank level 3", some) == (Measure.LEVEL, "m")
    assert measure_of("PI_204", some)[0] is Measure.PRESSURE
    assert measure_of("MV101", np.array([0.0, 1.0, 2.0, 1.0]))[0] is Measure.STATE
    assert measure_of("xmeas_1", some) == (Measure.OTHER, "1")


def test_numbers_that_mean_no_value() -> None:
    source = np.random.default_rng(1)
    normal = source.normal(20, 1, 1000).round(2)
    assert no_values(np.concatenate([normal, [-200.0] * 5])) == [-200.0]
    assert sorted(no_values(np.concatenate([normal, [-9999.0] * 5, [9999.0] * 3]))) == [-9999.0, 9999.0]
    assert no_values(normal) == []
    assert no_values(np.zeros(50)) == []
    pump = np.where(source.random(1000) < 0.3, 0.0, source.normal(98, 1, 1000).round(2))
    assert no_values(pump) == [], "a pump that stands still says 0"


def test_a_number_that_never_moved_has_a_range_around_it(tmp_path: Path) -> None:
    """Also one whose mean is not quite itself, as with three times 0.7."""
    file = tmp_path / "r.csv"
    file.write_text("time,A\n" + "".join(f"{START_S + i},0.7\n" for i in range(50)))
    (tag,) = configured(tmp_path, guess([file], Shape())).tags
    assert tag.range_low is not None and tag.range_high is not None
    assert tag.range_low < 0.7 < tag.range_high


@traces(60)
@given(
    st.dictionaries(
        st.text("aAbT温度.-_:1 #'*[", min_size=1, max_size=12),
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([0.5, 1.0, 60.0, 3600.0]),
)
def test_whatever_is_recorded_the_checks_accept_the_guess(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, list[float]], period_s: float
) -> None:
    folder = tmp_path_factory.mktemp("guess")
    rows = [f"{START_S + i * period_s},{name.strip()},{v}" for name, vs in columns.items() for i, v in enumerate(vs)]
    (folder / "r.csv").write_text("time,tag,value\n" + "\n".join(rows) + "\n", encoding="utf-8")
    try:
        text = guess([folder / "r.csv"], Shape())
    except RecordingError:
        return  # names of blanks, or a header that only looks like one
    of = configured(folder, text)
    names = {name.strip() for name in columns}
    assert {tag.name for tag in of.tags} == {name for name in names if TAG_NAME.fullmatch(name)}


def test_the_call(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("time,A\n" + "".join(f"{START_S + i},{i % 7}.5\n" for i in range(100)))
    done = CliRunner().invoke(main, ["replay", str(file), "--guess", "--out", str(tmp_path / "c.toml")])
    assert done.exit_code == 0, done.output
    assert [tag.name for tag in load_config(tmp_path / "c.toml").revision.tags] == ["A"]
    neither = CliRunner().invoke(main, ["replay", str(file)])
    assert neither.exit_code == 2 and "give --config FILE, or --guess" in neither.output
    file.write_text("time,A\n")
    empty = CliRunner().invoke(main, ["replay", str(file), "--guess"])
    assert empty.exit_code == 1 and "there are no readings to guess from" in empty.output
