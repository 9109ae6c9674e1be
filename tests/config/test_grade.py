"""`hazwatch grade` and the assessments in `hazwatch check`, from a file to what people read."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from hazwatch.cli import main
from hazwatch.config import load_config

FILE = """
[park]
id = "p"
[[enterprise]]
id = "e"
park = "p"
[[hazard_source]]
id = "store"
enterprise = "e"
name = { zh = "液氯库", en = "Chlorine store" }
population = 65
assessed = 2025-01-31
assessor = "Institute"
[[hazard_source.inventory]]
cas = "7782-50-5"
q_t = 60
[[hazard_source.inventory]]
cas = "7664-41-7"
q_t = 40.0
[[hazard_source.inventory]]
cas = "67-56-1"
q_t = 800
[[hazard_source]]
id = "shed"
enterprise = "e"
grade = 4
"""


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def write(folder: Path, text: str) -> Path:
    file = folder / "hazwatch.toml"
    file.write_text(text, "utf-8")
    return file


def test_the_computed_grade_is_what_the_folds_see(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, FILE))
    assert [s.grade for s in config.revision.hazard_sources] == [2, 4]


def test_grade_says_what_it_rests_on(tmp_path: Path) -> None:
    result = run("grade", write(tmp_path, FILE), "--today", "2027-12-31")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "store (液氯库, Chlorine store): 二级 / grade 2"
    assert "S = 17.6, R = 86.4 = 1.5 x 57.6 (alpha 1.5 for 65 people" in lines[1]
    assert lines[2].split()[:3] == ["83.3%", "氯", "chlorine:"] and "beta 4 (table 3)" in lines[2]
    assert "counts until 2028-01-31, 31 days left" in lines[5]
    assert "grade 4 as given; without an inventory" in lines[6]


def test_grade_as_json(tmp_path: Path) -> None:
    result = run("grade", "--json", write(tmp_path, FILE), "--today", "2028-02-01")
    store, shed = json.loads(result.stdout)["hazard_sources"]
    assert (store["grade"], store["computed"]["r"], store["days_left"]) == (2, 86.4, -1)
    assert [s["cas"] for s in store["computed"]["shares"]] == ["7782-50-5", "7664-41-7", "67-56-1"]
    assert shed["computed"] is None and shed["grade"] == 4


def test_a_milder_grade_is_refused_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, FILE.replace("population = 65", "population = 65\ngrade = 3"))
    for command in ("check", "grade"):
        result = run(command, file)
        assert result.exit_code == 1
        assert "hazwatch.toml: [[hazard_source]][1].grade: grade 3 is given, but the inventory makes" in result.stderr


def test_an_unknown_substance_is_refused_with_its_place_and_cure(tmp_path: Path) -> None:
    result = run("check", write(tmp_path, FILE.replace("67-56-1", "64-19-7")))
    assert result.exit_code == 1
    assert "[[hazard_source]][1].inventory[3].classes: 64-19-7 is not in table 1; give its hazard" in result.stderr


def test_check_tells_an_assessment_that_ran_out(tmp_path: Path) -> None:
    file = write(tmp_path, FILE)
    assert "ran out" not in run("check", file, "--today", "2025-06-01").stdout
    result = run("check", file, "--today", "2028-02-01")
    assert result.exit_code == 0 and "its assessment ran out on 2028-01-31" in result.stdout
    assert run("check", "--strict", file, "--today", "2028-02-01").exit_code == 1
