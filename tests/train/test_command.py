"""`train`, `check` and `replay` alone lead from a healthy period to a warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hazwatch.cli import main
from tests.train.plants import CONFIG, Fault, plant, write

MINUTES = 3000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guessed configuration and the model of its healthy period."""
    found = tmp_path_factory.mktemp("train")
    write(found / "healthy.csv", plant(MINUTES, 1))
    write(found / "weeks.csv", plant(1440, 2, Fault("P-1", 700, 0.2, 100), begin=MINUTES), MINUTES)
    assert hazwatch("replay", found / "healthy.csv", "--guess", "--out", found / "hazwatch.toml").exit_code == 0
    done = train(found, "healthy.csv", "--name", "unit", "--add")
    assert done.exit_code == 0, done.output
    assert "7 inputs, 3000 complete steps of 60 s" in done.output and "model and rule added" in done.output
    return found


def hazwatch(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def train(folder: Path, recording: str, *more: str) -> Result:
    return hazwatch("train", folder / recording, "--config", folder / "hazwatch.toml", *more)


def test_check_and_replay(folder: Path) -> None:
    assert hazwatch("check", folder / "hazwatch.toml").exit_code == 0
    out = folder / "said.jsonl"
    done = hazwatch("replay", folder / "weeks.csv", "--config", folder / "hazwatch.toml", "--out", out)
    assert done.exit_code == 0, done.output
    said = [line for line in map(json.loads, out.read_text().splitlines()) if line["rule"] == "unit-anomaly"]
    # the fault begins at minute 700 of the weeks, 61:40 h after the beginning
    assert said[0]["change"] == "raise" and "2026-01-03T13:40" <= said[0]["at"] <= "2026-01-03T15:20"


def test_without_add_the_rule_is_printed(folder: Path) -> None:
    done = train(folder, "healthy.csv", "--name", "another", "--tags", "[FPT]-*", "--without", "T-2")
    assert done.exit_code == 0, done.output
    assert '[[model]]\nfile = "another.model.toml"' in done.output
    assert 'tags = ["F-1", "P-1", "T-1"]\nparams = { model = "another" }' in done.output
    assert "another" not in (folder / "hazwatch.toml").read_text()


def test_training_again_leaves_the_rule_as_it_is(folder: Path) -> None:
    before = (folder / "hazwatch.toml").read_text()
    done = train(folder, "healthy.csv", "--name", "unit", "--add")
    assert "has a rule 'unit-anomaly' already" in done.output
    assert (folder / "hazwatch.toml").read_text() == before


def test_part_of_a_recording(folder: Path) -> None:
    words = "--from", "2026-01-01T12:00:00Z", "--to", "2026-01-02T12:00:00Z", "--out", str(folder / "part.toml")
    done = train(folder, "healthy.csv", *words)
    assert (
        "1440 complete steps" in done.output and "2026-01-01T12:00:00.000Z to 2026-01-02T12:00:00.000Z" in done.output
    )


@pytest.mark.parametrize(
    ("words", "code", "wanted"),
    [
        (("--cell", "nowhere"), 1, "no tag of cell 'nowhere'"),
        (("--tags", "X*"), 1, "no tag is like X*"),
        (("--name", "a b"), 2, "use up to 64 letters"),
        (("--from", "yesterday"), 2, "--from 'yesterday'"),
        (("--to", "2026-01-01T00:30:00Z"), 1, "50 good readings or more"),
        (("--time-columns", "when"), 1, "no column 'when'"),
    ],
)
def test_problems(folder: Path, words: tuple[str, ...], code: int, wanted: str) -> None:
    done = train(folder, "healthy.csv", *words)
    assert done.exit_code == code and wanted in done.output


def test_several_cells_need_a_choice(tmp_path: Path) -> None:
    write(tmp_path / "healthy.csv", plant(200, 1))
    rows = CONFIG.replace("period_s,stale_s", "period_s,stale_s,cell").replace("60,600", "60,600,", 3)
    (tmp_path / "hazwatch.toml").write_text(rows.replace(",60,600\n", ",60,600,west\n"), "utf-8")
    done = train(tmp_path, "healthy.csv")
    assert done.exit_code == 1 and "2 cells" in done.output and "--cell" in done.output and "west" in done.output


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, "cannot be read"),
        ("name = 3\n", "it is not a model"),
        ("[[", "it is not a model"),
        ("name = " + "[" * 50_000, "it is not a model"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, text: str | None, wanted: str) -> None:
    (tmp_path / "hazwatch.toml").write_text(f'{CONFIG}\n[[model]]\nfile = "works.model.toml"\n', "utf-8")
    if text is not None:
        (tmp_path / "works.model.toml").write_text(text, "utf-8")
    done = hazwatch("check", tmp_path / "hazwatch.toml")
    assert done.exit_code == 1 and wanted in done.output and "[[model]][1].file" in done.output


def test_two_models_of_one_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "unit.model.toml").write_text((folder / "unit.model.toml").read_text(), "utf-8")
    twice = '[[model]]\nfile = "unit.model.toml"\n' * 2
    (tmp_path / "hazwatch.toml").write_text(f"{CONFIG}\n{twice}", "utf-8")
    done = hazwatch("check", tmp_path / "hazwatch.toml")
    assert done.exit_code == 1 and "2 models are called 'unit'" in done.output
