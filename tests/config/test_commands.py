"""`hazwatch check` and `hazwatch tags` as people and scripts call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hazwatch
from hazwatch.cli import main
from hazwatch.config.report import gathered
from hazwatch.config.tags_csv import read_tags
from schemas.problems import Problem
from tests.config.test_load import SMALL, TAGS, write

DEMO = Path(hazwatch.__file__).parent / "demo"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


CASE = """
[[rule]]
id = "limits"
kind = "limits"
[[rule.case]]
name = "a leak"
tag = "CO-101"
readings = [[0, 3.0], [1, 40.0]]
expect = [[1, "raise", "high_high"]]
"""


def test_the_demo_is_sound_and_its_cases_hold() -> None:
    result = run("check", DEMO / "hazwatch.toml")
    assert result.exit_code == 0
    assert "201 tags" in result.stdout and "3 rule cases, 3 as expected" in result.stdout
    assert "is sound" in result.stdout and not result.stderr


def test_a_sound_configuration_with_remarks(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL + CASE)
    result = run("check", file)
    assert result.exit_code == 0 and "1 remark" in result.stdout and "make it before the start" in result.stdout
    assert run("check", "--strict", file).exit_code == 1


def test_a_case_that_does_not_hold(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL + CASE.replace('"high_high"', '"high"'))
    result = run("check", file)
    assert result.exit_code == 1
    assert "hazwatch.toml: [[rule]][1].case[a leak]: expected raise (high) at second 1" in result.stderr
    assert "is sound" not in result.stdout


CONTRADICTIONS = """
[[rule]]
id = "confirmed"
kind = "vote"
tags = ["CO-101", "CO-201"]
[[rule]]
id = "limits"
kind = "limits"
params = { on_delay_s = 600.0 }
[[rule]]
id = "stale"
kind = "stale"
tags = ["CO-101", "CO-2O1"]
[[rule]]
id = "ahead"
kind = "forecast"
tags = ["TT-1"]
[[rule.case]]
name = "of another tag"
tag = "CO-101"
readings = [[0, 3.0]]
"""


def test_contradictions_are_told_all_at_once_with_place_and_cure(tmp_path: Path) -> None:
    tags = (
        "name,enterprise,measure,cas,unit,range_low,range_high,cell,response_s\n"
        "CO-101,metal,gas,630-08-0,ppm,0,500,,120\n"
        "CO-201,metal,gas,630-08-0,ppm,0,500,hall,120\n"
        "TT-1,metal,temperature,,°C,0,100,,\n"
    )
    result = run("check", write(tmp_path, SMALL + CONTRADICTIONS, tags))
    assert result.exit_code == 1
    for told in (
        "[[rule]][1].tags: kind vote looks at one cell at a time, but these lie in 2: CO-101 in 'metal'; CO-201 in",
        "[[rule]][2].params.on_delay_s: the alarm waits 600 s, but for CO-101 people have only 120 s; 120 s or less",
        "[[rule]][3].tags: there is no tag 'CO-2O1'; did you mean 'CO-201'?",
        "tags.csv: row 3 (CO-201): no rule notices when it falls silent; let a rule of kind stale cover it",
        "[[rule]][4]: it watches nothing: TT-1 has nothing for kind forecast",
        "[[rule]][4].case[1].tag: the rule is not asked of 'CO-101', so the case proves nothing",
    ):
        assert told in result.stderr, told
    assert result.stderr.startswith("7 problems:"), "both gas points are too late, and nothing is told twice"


def test_problems_for_people_and_for_machines(tmp_path: Path) -> None:
    file = write(tmp_path, SMALL.replace("grade = 3", "grade = 9"), TAGS.replace("µmol/mol", "pmm"))
    result = run("check", file)
    assert result.exit_code == 1 and result.stderr.startswith("2 problems:")
    assert "tags.csv: row 2, column unit: unit 'pmm' is unknown" in result.stderr
    told = json.loads(run("check", "--json", file).stdout)
    assert told["ok"] is False
    assert [p["path"] for p in told["problems"]] == [
        "tags.csv: row 2, column unit",
        "hazwatch.toml: [[hazard_source]][1].grade",
    ]


def test_a_sound_configuration_for_machines(tmp_path: Path) -> None:
    told = json.loads(run("check", "--json", write(tmp_path, SMALL + CASE)).stdout)
    assert told["ok"] is True and told["problems"] == [] and len(told["advice"]) == 1
    assert told["counts"]["tags"] == 1 and told["counts"]["rule_cases"] == 1
    assert told["cases"] == [{"rule": "limits", "name": "a leak", "ok": True}]


@pytest.mark.parametrize(
    "arguments",
    [("check",), ("check", "no-such-file"), ("tags", "import"), ("tags", "import", "no-such-file"), ("chek",)],
)
def test_a_wrong_call(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_reading_a_tag_list(tmp_path: Path) -> None:
    file = tmp_path / "位号.csv"
    file.write_bytes("位号,企业,类型,CAS号,单位,量程上限\nCO-101,metal,气体,630-08-0,umol/mol,500\n".encode("gbk"))
    out = tmp_path / "tags.csv"
    result = run("tags", "import", file, "--out", out)
    assert result.exit_code == 0 and "1 tag (1 gas), gb18030" in result.stdout
    (tag,) = read_tags(out.read_bytes(), "tags.csv").tags
    assert (tag.unit, tag.limits.high, tag.profile) == ("ppm", 17.18, "gb50493")
    assert "is sound" in run("tags", "import", file).stdout


def test_the_problems_of_a_tag_list_go_beyond_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text(
        "name,equipment,measure,cas,unit,range_low,range_high,high,high_high\n"
        "CO-101,f,gas,630-08-0,ppm,0,500,100,200\n"
        "PT-1,f,pressure,,MPa(g),0,2.5,2.0,1.6\n"
        "TT-1,f,temperature,,ppm,0,100,,\n"
        "TT-2,f,temperature,,C,0,x,,\n"
    )
    result = run("tags", "import", file, "--out", tmp_path / "out.csv")
    assert result.exit_code == 1 and not (tmp_path / "out.csv").exists()
    for place in (
        "tags.csv: row 2, column high (CO-101): 100 ppm is looser",
        "tags.csv: row 2, column high_high (CO-101)",
        "tags.csv: row 3, column high (PT-1): high 2 is not below high_high 1.6",
        "tags.csv: row 4, column unit (TT-1): ppm is not a unit of temperature",
        "tags.csv: row 5, column range_high: 'x' is not a number",
    ):
        assert place in result.stderr
    told = json.loads(run("tags", "import", "--json", file).stdout)
    assert told["counts"] == {"rows": 4, "tags": 3, "problems": 5} and told["encoding"] == "utf-8"


@pytest.mark.parametrize("command", [("template",), ("import", "--template")])
def test_an_empty_list(command: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "tags.csv"
    assert run("tags", *command, "--chinese", "--out", out).exit_code == 0
    assert out.read_text("utf-8-sig").startswith("位号,名称")
    found = read_tags(out.read_bytes(), "tags.csv")
    assert found.problems == () and found.tags == ()
    assert run("tags", *command).stdout.removeprefix("\ufeff").startswith("name,title_zh")
    assert run("tags", *command, "--out", tmp_path / "no" / "where.csv").exit_code == 2


def test_equal_advice_is_told_once() -> None:
    advice = [Problem.of(f"row {n}", "an alarm without an action", "say what to do") for n in range(5)]
    advice.insert(1, Problem.of("x", "something else"))
    assert gathered(advice) == [
        "an alarm without an action; say what to do (row 0; row 1; row 2 and 2 more)",
        "something else (x)",
    ]
