"""`hazwatch init` as people call it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hazwatch
from hazwatch.cli import main
from hazwatch.config import load_config
from rules.library import library, samples
from schemas.registry import Limits, Tag
from schemas.text import Text
from tests.init.test_library_laws import tag_list
from tests.laws.settings import traces

DEMO = Path(hazwatch.__file__).parent / "demo" / "tags.csv"
HEAD = "name,title_zh,enterprise,hazard_source,measure,cas,unit,range_low,range_high,high,low\n"
CHLORINE = (
    HEAD
    + "CL2-1,,works,chlorine-store,gas,7782-50-5,ppm,0,10,,\n"
    + "CL2-2,,works,chlorine-store,gas,7782-50-5,ppm,0,10,,\n"
    + "PT-1,,works,chlorine-store,pressure,,MPa(g),0,1.6,0.8,\n"
)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def proposal(folder: Path, tags: str | bytes, *arguments: object) -> tuple[Path, Result]:
    """What is proposed for this list, in a file that has passed `check`."""
    source, out = folder / "tags.csv", folder / "hazwatch.toml"
    source.write_bytes(tags if isinstance(tags, bytes) else tags.encode())
    out.unlink(missing_ok=True)
    result = run("init", source, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    checked = run("check", out)
    assert checked.exit_code == 0, checked.output
    return out, result


def rules_of(file: Path) -> dict[str, dict[str, Any]]:
    return {rule["id"]: rule for rule in tomllib.loads(file.read_text("utf-8"))["rule"]}


def test_the_demo_park_is_recognised_place_by_place(tmp_path: Path) -> None:
    out, result = proposal(tmp_path, DEMO.read_bytes())
    text = out.read_text("utf-8")
    for cell, entry in (
        ("foundry", "co_in_metal_plants"),
        ("blast-furnace-area", "blast_furnace_gas"),
        ("gas-holder-area", "co_in_metal_plants"),
        ("chlorine-store", "chlorine_store"),
        ("vaporiser-room", "chlorine_store"),
        ("tank-farm", "lpg_storage"),
        ("loading-station", "lpg_storage"),
    ):
        assert f"#   cell {cell}: {entry} (" in text
    assert "201 tags, " in result.stderr and "could not be decided" in result.stderr
    assert len(load_config(out).revision.tags) == 201


def test_the_same_list_gives_the_same_text_on_the_terminal_and_again(tmp_path: Path) -> None:
    """And what was proposed is a list that leads to the same proposal."""
    out, _ = proposal(tmp_path, DEMO.read_bytes())
    text = out.read_text("utf-8")
    assert run("init", tmp_path / "tags.csv").stdout == text
    again, _ = proposal(tmp_path, tomllib.loads(text)["tags"]["list"])
    assert again.read_text("utf-8") == text


def test_a_chlorine_store_with_what_it_lacks(tmp_path: Path) -> None:
    out, result = proposal(tmp_path, CHLORINE)
    rules = rules_of(out)
    vote = rules["chlorine-store.leak-confirmed"]
    assert (vote["kind"], vote["tags"], vote["params"], vote["tier"]) == ("vote", ["CL2-1", "CL2-2"], {"m": 2}, 1)
    assert "chlorine-store.leak-spreads" not in rules, "a zone wants three positions"
    text = out.read_text("utf-8")
    reason = "# chlorine_store: two detectors within a minute confirm it and call for the emergency plan"
    assert text.index(reason) < text.index('id = "chlorine-store.leak-confirmed"')
    assert "cell chlorine-store: chlorine_store without wind direction: the cloud creeps downwind" in result.stderr
    assert "chlorine_store without emergency scrubber" in result.stderr
    tags = {tag.name: tag for tag in load_config(out).revision.tags}
    assert tags["CL2-1"].limits.high == pytest.approx(0.3393, rel=1e-3), "the profile's limit"
    assert tags["CL2-1"].action.zh and tags["CL2-1"].action.en and tags["CL2-1"].response_s == 60


def test_wind_that_another_cell_has(tmp_path: Path) -> None:
    _, result = proposal(tmp_path, CHLORINE + "WD-1,,works,gate,wind_direction,,deg,0,360,,\n")
    assert "without wind direction (another cell has it: copy it to this one)" in result.stderr


def test_what_stands_there_may_be_said(tmp_path: Path) -> None:
    anonymous = CHLORINE.replace("chlorine-store", "area-7")
    out, result = proposal(tmp_path, anonymous)
    assert "by its gases it may be chlorination, chlorine_store, electrolysis: say so with --process" in result.stderr
    assert "any-plant.spread-toxic" in rules_of(out)
    out, result = proposal(tmp_path, anonymous, "--process", "chlorine_store@area-7")
    assert "chlorine-store.leak-confirmed" in rules_of(out) and "it may be" not in result.stderr
    out, _ = proposal(tmp_path, CHLORINE, "--process", "chlorination")
    rules = rules_of(out)
    assert "chlorination.leak-confirmed" in rules and "chlorine-store.leak-confirmed" not in rules


def test_equipment_comes_with_the_process_that_uses_it(tmp_path: Path) -> None:
    tags = HEAD + (
        "TT-1,反应釜温度,works,硝化车间,temperature,,°C,0,150,80,\n"
        "FT-1,夹套冷却水流量,works,硝化车间,flow,,m3/h,0,60,,20\n"
        "NO2-1,硝化釜二氧化氮,works,硝化车间,gas,10102-44-0,ppm,0,20,,\n"
    )
    out, result = proposal(tmp_path, tags)
    rules = rules_of(out)
    order = rules["exothermic-reactor.cooling-then-heat"]["params"]["order"]
    assert order == ["FT-1:low", "TT-1"] and rules["exothermic-reactor.temperature-runaway"]["tags"] == ["TT-1"]
    assert "nitration wants at least 2 of nitrogen oxide detectors, there is 1" in result.stderr
    assert "exothermic_reactor without pressure of the reaction" in result.stderr


def test_a_sequence_for_each_piece_of_equipment(tmp_path: Path) -> None:
    rows = "".join(
        f"{kind}-{n},,lpg,,sphere-{n},{measure},,{unit},0,{top},{high},\n"
        for n in (1, 2)
        for kind, measure, unit, top, high in (("LT", "level", "m", 12, 9), ("PT", "pressure", "MPa(g)", 2.5, 1.5))
    )
    out, result = proposal(tmp_path, HEAD.replace("hazard_source", "hazard_source,equipment") + rows)
    orders = {
        r["params"]["order"][0]: r["params"]["order"][1] for r in rules_of(out).values() if r["kind"] == "sequence"
    }
    assert orders == {"LT-1": "PT-1", "LT-2": "PT-2"}
    assert "their equipment has no hazard source" in result.stderr


def test_chinese_lists_in_gbk_with_names_instead_of_ids(tmp_path: Path) -> None:
    tags = (
        "位号,名称,企业,重大危险源,类型,CAS号,单位,量程下限,量程上限\n"
        "CL2-1,液氯库东,示范氯碱,液氯库,气体,7782-50-5,ppm,0,10\n"
        "CL2-2,液氯库西,示范氯碱,液氯库,气体,7782-50-5,ppm,0,10\n"
    )
    out, result = proposal(tmp_path, tags.encode("gbk"), "--chinese")
    config = load_config(out)
    assert [(e.id, e.name) for e in config.revision.enterprises] == [("enterprise-1", Text("示范氯碱", "示范氯碱"))]
    assert [(s.id, s.name.zh) for s in config.revision.hazard_sources] == [("hazard-source-1", "液氯库")]
    assert "单元 hazard-source-1：液氯储存与汽化应有风向，没有找到" in result.stderr
    text = out.read_text("utf-8")
    assert "# chlorine_store: 两个探测器在一分钟内报警即确认，启动预案；单个报警照常立即发出" in text
    assert "不表明符合任何标准" in text and "Proposed by" not in text


def test_gas_in_a_pipe_is_not_measured_against_the_air_of_a_workplace(tmp_path: Path) -> None:
    tags = HEAD + (
        "CO-1,焦炉煤气加压站,works,coke,gas,630-08-0,ppm,0,500,,\n"
        "OA-1,电捕前煤气含氧,works,coke,gas,7782-44-7,%VOL,0,5,1.0,\n"
    )
    out, _ = proposal(tmp_path, tags)
    (oxygen,) = (t for t in load_config(out).revision.tags if t.name == "OA-1")
    assert oxygen.profile == "none" and oxygen.limits == Limits(high=1.0) and oxygen.limit_reason
    assert "coke-oven-gas.oxygen-rises" in rules_of(out)


def test_wind_gets_the_limit_of_its_profile_and_strangers_are_told(tmp_path: Path) -> None:
    tags = CHLORINE + "WS-1,,works,chlorine-store,wind_speed,,m/s,0,60,,\nRH-1,,works,chlorine-store,humidity,,%,,,,\n"
    out, result = proposal(tmp_path, tags + "TT-9,,works,chlorine-store,temperature,,°C,0,100,,\n")
    of = {t.name: t for t in load_config(out).revision.tags}
    assert of["WS-1"].limits == Limits(high=13.8) and of["WS-1"].profile == "aq3036"
    assert "the library has no rule for these (RH-1)" in result.stderr
    assert "no limit low, high, and no profile gives one (TT-9)" in result.stderr


def test_more_detectors_than_can_vote_are_told(tmp_path: Path) -> None:
    rows = "".join(f"CL2-{n},,works,chlorine-store,gas,7782-50-5,ppm,0,10,,\n" for n in range(20))
    out, result = proposal(tmp_path, HEAD + rows)
    assert "chlorine-store.leak-confirmed" not in rules_of(out)
    assert (
        "chlorine_store: leak-confirmed is not proposed: 20 tags of cell 'chlorine-store' are more than"
        in result.stderr
    )


def test_texts_that_a_file_could_stumble_over(tmp_path: Path) -> None:
    tags = CHLORINE.replace("CL2-1,,", "CL2-1,\"a '''quoted''' title\nof \"\"two\"\" lines \\ \",")
    out, _ = proposal(tmp_path, tags.replace("works", '"Müller\'s ""works"""'))
    revision = load_config(out).revision
    assert revision.tags[0].title.zh == "a '''quoted''' title\nof \"two\" lines \\"
    assert revision.enterprises[0].name.zh == 'Müller\'s "works"'


# Refusals


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    out, _ = proposal(tmp_path, CHLORINE)
    out.write_text("mine")
    result = run("init", tmp_path / "tags.csv", "--out", out)
    assert result.exit_code == 2 and "exists and is not replaced" in result.stderr and out.read_text() == "mine"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("chlorine", "there is no process 'chlorine'; one of: alkylation, "),
        ("any_plant", "there is no process 'any_plant'"),
        ("chlorine_store@here", "there is no cell 'here'; one of: chlorine-store"),
    ],
)
def test_a_process_or_cell_that_is_unknown(named: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(CHLORINE)
    result = run("init", tmp_path / "tags.csv", "--process", named)
    assert result.exit_code == 2 and told in result.stderr and not result.stdout


def test_what_is_wrong_with_the_list_is_told_by_row_and_nothing_is_written(tmp_path: Path) -> None:
    bad = CHLORINE.replace("ppm,0,10,,", "pmm,0,10,,", 1).replace("0.8,", "2.8,")
    (tmp_path / "tags.csv").write_text(bad)
    result = run("init", tmp_path / "tags.csv", "--out", tmp_path / "out.toml")
    assert result.exit_code == 1 and not (tmp_path / "out.toml").exists()
    assert "tags.csv: row 2, column unit: unit 'pmm' is unknown" in result.stderr
    assert "tags.csv: row 4, column high (PT-1): 2.8 lies outside of the range 0 to 1.6" in result.stderr


def test_a_list_without_tags(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(HEAD)
    result = run("init", tmp_path / "tags.csv")
    assert result.exit_code == 1 and "there is no tag in it" in result.stderr


def test_a_hazard_source_of_two_owners(tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text(CHLORINE.replace("PT-1,,works", "PT-1,,others"))
    result = run("init", tmp_path / "tags.csv")
    assert result.exit_code == 1 and "belongs to" in result.stderr


def test_the_processes_are_listed() -> None:
    result = run("init", "--list")
    assert result.exit_code == 0
    for entry in library().values():
        assert (entry.id in result.stdout) is not entry.always


EXAMPLES = [
    tag
    for entry in library().values()
    for tag in samples(entry, "works", "area")
    if (expected := entry.answer(tag)) is not None and expected.profile != "none"  # gas in a pipe needs its process
]


@settings(traces(20), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    chosen=st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=25, unique_by=lambda t: t.name),
    cells=st.lists(st.sampled_from(["reactor hall", "LPG-1", "coke", "nitration", "x"]), min_size=25, max_size=25),
    limits=st.booleans(),
)
def test_whatever_is_on_the_list_the_proposal_passes_check(
    chosen: list[Tag], cells: list[str], limits: bool, tmp_path: Path
) -> None:
    tags = [
        msgspec.structs.replace(tag, hazard_source=cell, limits=tag.limits if limits or tag.cas else Limits())
        for tag, cell in zip(chosen, cells, strict=False)
    ]
    proposal(tmp_path, tag_list(tags))


@pytest.mark.parametrize(
    ("title", "limits"),
    [
        ("加氢车间一层环境氧气", (19.5, 23.5)),
        ("加氢厂房氧含量", (19.5, 23.5)),
        ("加氢釜旁氧气", (19.5, 23.5)),
        ("加氢釜气相氧含量", (None, None)),
        ("循环氢氧含量", (None, None)),
    ],
)
def test_what_people_breathe_keeps_its_limits(
    tmp_path: Path, title: str, limits: tuple[float | None, float | None]
) -> None:
    """Oxygen in hydrogen is judged otherwise than oxygen in a room, and only words tell them apart."""
    tags = (
        HEAD
        + "H2-1,加氢釜顶可燃气体,works,hydrogenation,gas,1333-74-0,%LEL,0,100,,\n"
        + f"O2-1,{title},works,hydrogenation,gas,7782-44-7,%VOL,0,30,,\n"
    )
    out, _ = proposal(tmp_path, tags)
    (oxygen,) = (tag for tag in load_config(out).revision.tags if tag.name == "O2-1")
    assert (oxygen.limits.low, oxygen.limits.high) == limits
