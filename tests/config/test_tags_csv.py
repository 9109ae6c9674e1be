"""Tag lists from spreadsheets: what people really hand in, and the row and column of everything wrong with it."""

from __future__ import annotations

import csv
import io
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.config.columns import BY_HEADING, COLUMNS, folded
from hazwatch.config.tags_csv import harmless, read_tags, template, write_tags
from schemas.registry import Limits, Measure, Tag
from schemas.text import Text

ENGLISH = "name,title_zh,enterprise,measure,cas,unit,range_low,range_high,high,high_high\n"
CHINESE = "序号,位号,名称,企业,类型,CAS号,单位,量程下限,量程上限,高报,高高报,备注\n"


def read(text: str) -> list[str]:
    return [str(p) for p in read_tags(text.encode(), "tags.csv").problems]


def one(text: str) -> Tag:
    found = read_tags(text.encode(), "tags.csv")
    assert found.problems == ()
    (tag,) = found.tags
    return tag


def test_an_english_list() -> None:
    tag = one(ENGLISH + "CO-101,熔炼区一氧化碳,metal,gas,630-08-0,µmol/mol,0,500,10,20\n")
    assert (tag.name, tag.title.zh, tag.enterprise, tag.measure, tag.cas, tag.unit) == (
        "CO-101",
        "熔炼区一氧化碳",
        "metal",
        Measure.GAS,
        "630-08-0",
        "ppm",
    )
    assert tag.limits == Limits(high=10.0, high_high=20.0)
    assert (tag.range_low, tag.range_high, tag.number) == (0.0, 500.0, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_chinese_list_in_every_encoding_that_excel_writes(encoding: str, delimiter: str) -> None:
    text = "示范园区位号表\n" + CHINESE + "1,CO-101,熔炼区一氧化碳,metal,有毒气体,630-08-0,ＰＰＭ,0,500,,,现场已核对\n"
    found = read_tags(text.replace(",", delimiter).replace("\n", "\r\n").encode(encoding), "位号.csv")
    assert found.problems == ()
    (tag,) = found.tags
    assert (tag.name, tag.title.zh, tag.measure, tag.unit) == ("CO-101", "熔炼区一氧化碳", Measure.GAS, "ppm")
    assert found.rows == {"CO-101": 3} and found.delimiter == delimiter


@pytest.mark.parametrize("word", ["none", "None", "无"])
def test_a_gas_may_have_no_profile(word: str) -> None:
    """Where an air quality station measures a gas, the limits of a workplace mean nothing."""
    head = ENGLISH.replace(",high,high_high", ",high,profile")
    tag = one(head + f"CO-101,,city,gas,630-08-0,mg/m3,0,500,10,{word}\n")
    assert (tag.profile, tag.limits) == ("none", Limits(high=10.0))


def test_what_is_left_empty_gets_usual_values() -> None:
    gas = one(ENGLISH + "CO-101,,metal,gas,630-08-0,ppm,0,500,,\n")
    assert gas.profile == "gb50493" and gas.limits == Limits(high=17.18, high_high=34.35)
    assert gas.deadband == pytest.approx(8.585, rel=1e-3) and (gas.on_delay_s, gas.off_delay_s) == (0.0, 60.0)
    pressure = one(ENGLISH + "PT-1,,lpg,压力,,MPa(g),0,2.5,1.6,1.7\n")
    assert pressure.profile == "none" and pressure.limits == Limits(high=1.6, high_high=1.7)
    assert pressure.deadband == 0.05 and (pressure.on_delay_s, pressure.off_delay_s) == (15.0, 15.0)


@pytest.mark.parametrize(
    "cell", ["2027-03-31", "2027/3/31", "2027.03.31", "2027年3月31日", "2027-03-31 00:00:00", "２０２７-3-31"]
)
@pytest.mark.parametrize("heading", ["calibration_due", "检定到期日", "有效期至"])
def test_the_day_on_which_a_calibration_ends(cell: str, heading: str) -> None:
    tag = one(f"name,enterprise,measure,unit,{heading}\nPT-1,lpg,pressure,MPa,{cell}\n")
    assert tag.calibration_due == date(2027, 3, 31)
    again = read_tags(write_tags([tag], chinese=True), "tags.csv")
    assert again.problems == () and again.tags == (tag,)


@pytest.mark.parametrize("cell", ["31/03/2027", "2027-02-30", "2027-13-01", "27-3-31", "next year", "46112"])
def test_a_cell_that_is_no_day_is_named(cell: str) -> None:
    (problem,) = read(f"name,enterprise,measure,unit,calibration_due\nPT-1,lpg,pressure,MPa,{cell}\n")
    assert "row 2, column calibration_due" in problem and "2027-03-31" in problem


def test_zero_is_not_empty() -> None:
    head = "name,enterprise,measure,unit,range_low,range_high,high,deadband,on_delay_s\n"
    tag = one(head + "PT-1,lpg,pressure,MPa,0,2.5,1.6,0,0\n")
    assert (tag.deadband, tag.on_delay_s) == (0.0, 0.0)


def test_a_slow_tag_is_not_called_silent_between_its_readings() -> None:
    slow = one("name,enterprise,measure,unit,period_s\nTT-1,lpg,temperature,C,60\n")
    assert (slow.stale_s, slow.lateness_s) == (180.0, 120.0)
    told = one("name,enterprise,measure,unit,period_s,stale_s\nTT-1,lpg,temperature,C,60,100\n")
    assert told.stale_s == 100.0


def test_ways_to_write_nothing() -> None:
    for nothing in ("-", "—", "/", "无", "N/A", " "):
        tag = one(ENGLISH + f"PT-1,{nothing},lpg,pressure,{nothing},kPa,0,100,{nothing},\n")
        assert tag.limits == Limits() and tag.title == Text() and tag.cas == ""


def test_several_bad_values() -> None:
    assert one("name,enterprise,measure,unit,bad_values\nT,e,temperature,C,-200;9999\n").bad_values == (-200.0, 9999.0)


@pytest.mark.parametrize(
    ("row", "column", "cure"),
    [
        ("CO-101,,metal,gas,CO,ppm,0,500,,", "cas", "630-08-0"),
        ("CO-101,,metal,gas,一氧化碳,ppm,0,500,,", "cas", "630-08-0"),
        ("VC-1,,metal,gas,1975/1/4,ppm,0,500,,", "cas", "date"),
        ("CO-101,,metal,gas,630-08-1,ppm,0,500,,", "cas", "check digit"),
        ("CO-101,,metal,gass,630-08-0,ppm,0,500,,", "measure", "temperature"),
        ("CO-101,,metal,gas,630-08-0,pmm,0,500,,", "unit", "ppm"),
        ("CO-101,,metal,gas,630-08-0,ppm,0,500ppm,,", "range_high", "number alone"),
        ('CO-101,,metal,gas,630-08-0,ppm,0,"1,000",,', "range_high", "number alone"),
        ("CO-101,,metal,gas,630-08-0,ppm,0,inf,,", "range_high", "number alone"),
        ("CO-101,,metal,gas,630-08-0,ppm,0,1_0,,", "range_high", "number alone"),
        ("CO-101,,metal,gas,630-08-0,ppm,0,=A1*2,,", "range_high", "paste"),
        ("CO-101,,metal,gas,630-08-0,ppm,0,#REF!,,", "range_high", "formula"),
        ("#REF!,,metal,gas,630-08-0,ppm,0,500,,", "name", "formula"),
        (",,metal,gas,630-08-0,ppm,0,500,,", "name", "every tag"),
        ("CO-101,,metal,,630-08-0,ppm,0,500,,", "measure", "every tag"),
    ],
)
def test_a_fault_is_named_by_row_and_column_with_a_cure(row: str, column: str, cure: str) -> None:
    (problem,) = read(ENGLISH + "\n" + row + "\n")
    assert problem.startswith(f"tags.csv: row 3, column {column}: ") and cure in problem


def test_all_faults_of_all_rows_at_once() -> None:
    found = read(
        ENGLISH + "A,,e,gass,CO,pmm,x,,,\nB,,e,gas,630-08-0,ppm,0,500,,\nA,,e,gas,630-08-0,ppm,0,500,,\nB,a,b\n"
    )
    assert [p.split(": ")[1] for p in found] == [
        "row 2, column measure",
        "row 2, column cas",
        "row 2, column unit",
        "row 2, column range_low",
        "row 4, column name",
        "row 5, column measure",
        "row 5, column unit",
        "row 5, column name",
    ]


def test_only_sound_rows_become_tags() -> None:
    found = read_tags((ENGLISH + "A,,e,gas,,zzz,0,1,,\nB,,e,gas,630-08-0,ppm,0,500,,\n").encode(), "t")
    assert [t.name for t in found.tags] == ["B"] and found.rows == {"A": 2, "B": 3}


@pytest.mark.parametrize(
    ("headings", "where", "cure"),
    [
        ("name,enterprise,measure,unit,hihg", "row 1, column 5", "did you mean 'high' (高报)"),
        ("name,enterprise,measure,unit,位号", "row 1, column 5", "leave one"),
        ("name,enterprise,measure", "row 1", "headed unit or 单位"),
        ("name,measure,unit", "row 1", "enterprise"),
        ("foo;bar", "row 1, column 1", "passed over"),
    ],
)
def test_headings(headings: str, where: str, cure: str) -> None:
    found = read(headings + "\n")
    assert any(p.startswith(f"tags.csv: {where}: ") and cure in p for p in found), found


def test_headings_may_have_units_in_brackets_and_columns_that_nobody_needs() -> None:
    tag = one("序号,位号,企业,类型,单位,量程上限（MPa）,报警延时(s),#我的列,备注\n1,PT-1,lpg,压力,Mpa,2.5,5,x,y\n")
    assert (tag.range_high, tag.on_delay_s) == (2.5, 5.0)


def test_more_cells_than_headings() -> None:
    (problem,) = read("name,enterprise,measure,unit\nT,e,temperature,C,and more\n")
    assert "row 2: more cells than headings" in problem


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b",,,\n"])
def test_an_empty_file(data: bytes) -> None:
    (problem,) = read_tags(data, "tags.csv").problems
    assert "template" in problem.cure


def test_bytes_that_are_no_text() -> None:
    (problem,) = read_tags(b"\xff\xfe\x00\xd8\x00", "tags.csv").problems
    assert "UTF-8" in problem.message


def test_a_quotation_mark_left_open() -> None:
    (problem,) = read(ENGLISH + 'CO-101,"' + "x" * 200_000)
    assert "quotation mark" in problem


def test_rows_that_begin_with_a_hash_are_passed_over() -> None:
    assert one("name,enterprise,measure,unit\n# T,e,nonsense,?\n\nT,e,temperature,C\n").name == "T"


@pytest.mark.parametrize("chinese", [False, True])
def test_the_template_reads_as_an_empty_list_and_its_examples_as_tags(chinese: bool) -> None:
    empty = template(chinese=chinese)
    assert empty.startswith(b"\xef\xbb\xbf")
    found = read_tags(empty, "template.csv")
    assert found.problems == () and found.tags == ()
    rows = empty.decode("utf-8-sig").splitlines()
    filled = read_tags("\n".join([rows[0], *(r.removeprefix("# ") for r in rows[2:])]).encode(), "template.csv")
    assert found.problems == () and [t.name for t in filled.tags] == ["CO-101", "PT-201"]


def test_headings_are_unambiguous() -> None:
    spelled = [folded(h) for c in COLUMNS for h in {c.name, c.zh, *c.aliases}]
    assert len(BY_HEADING) == len(set(spelled))
    for column in COLUMNS:
        for heading in (column.name, column.zh, *column.aliases):
            assert BY_HEADING[folded(heading)] is column


@pytest.mark.parametrize("evil", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_written_as_a_formula(evil: str) -> None:
    assert harmless(evil) == "'" + evil
    data = write_tags(
        [Tag(number=0, name="T", title=Text(evil, evil), enterprise="e", measure=Measure.OTHER, unit="1")]
    )
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        assert not any(cell[:1] in ("=", "+", "@", "\t", "\r") for cell in row)


@pytest.mark.parametrize("number", ["-20", "+5", "-0.5", "-1e-3"])
def test_numbers_stay_numbers(number: str) -> None:
    assert harmless(number) == number


numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: v + 0.0)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=2, max_size=20
)


@given(
    st.builds(
        Tag,
        number=st.just(0),
        name=st.from_regex(r"[A-Z]{2}-[0-9]{3}", fullmatch=True),
        title=st.builds(Text, texts, texts),
        enterprise=st.just("e"),
        measure=st.just(Measure.TEMPERATURE),
        unit=st.just("°C"),
        limits=st.builds(Limits, low=st.none() | numbers, high=st.none() | numbers),
        range_low=st.none() | numbers,
        deadband=numbers,
        on_delay_s=numbers,
        off_delay_s=numbers,
        lateness_s=numbers,
        stale_s=numbers,
        bad_values=st.lists(numbers, max_size=3).map(tuple),
        x_m=st.none() | numbers,
        calibration_due=st.none() | st.dates(date(1900, 1, 1), date(2099, 12, 31)),
    )
)
def test_what_is_written_reads_back_the_same(tag: Tag) -> None:
    for chinese in (False, True):
        found = read_tags(write_tags([tag], chinese=chinese), "t")
        assert found.problems == ()
        (back,) = found.tags
        plain = [getattr(tag.title, x).strip() for x in ("zh", "en")]
        if any(
            t.startswith(("'", "=", "#")) or t.casefold() in ("na", "n/a", "none", "null", "--", "——") for t in plain
        ):
            back = msgspec.structs.replace(back, title=tag.title)
        assert back == tag


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_make_it_throw(data: bytes) -> None:
    read_tags(data, "tags.csv")
    read_tags((ENGLISH + "A,").encode() + data, "tags.csv")
