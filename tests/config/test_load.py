"""A configuration file with its tag lists: read whole, checked whole, refused with everything that is wrong."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

import hazwatch
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.registry import EMPTY, content_hash
from schemas.checks import changed
from schemas.registry import Limits
from schemas.text import Text

DEMO = Path(hazwatch.__file__).parent / "demo" / "hazwatch.toml"

SMALL = """
[park]
id = "demo"
name = { zh = "示范园区", en = "Demo park" }

[[enterprise]]
id = "metal"
park = "demo"

[[hazard_source]]
id = "foundry"
enterprise = "metal"
grade = 3

[[equipment]]
id = "furnace-1"
hazard_source = "foundry"

[tags]
files = ["tags.csv"]

[[source]]
name = "gw"
topic = "park/metal/+/up"
format = "columnar"
enterprise = "metal"

[[channel]]
name = "duty"
kind = "webhook"
url = "https://duty.example.cn/hook"
secret_file = "secrets/duty"

[[contact]]
id = "officer"

[[route]]
id = "all"
channel = "duty"
recipients = ["officer"]
"""
TAGS = """name,equipment,measure,cas,unit,range_low,range_high,action_zh
CO-101,furnace-1,gas,630-08-0,µmol/mol,0,500,撤离
"""
PRESSURE = "PT-1,furnace-1,pressure,,MPa(g),0,2.5,\n"


def write(folder: Path, text: str = SMALL, tags: str = TAGS) -> Path:
    (folder / "tags.csv").write_text(tags, encoding="utf-8")
    file = folder / "hazwatch.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(file: Path) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        load_config(file)
    return [str(p) for p in caught.value.problems]


@pytest.fixture(scope="module")
def demo() -> Config:
    return load_config(DEMO)


def test_a_small_configuration(tmp_path: Path) -> None:
    config = load_config(write(tmp_path))
    (tag,) = config.revision.tags
    assert (tag.number, tag.name, tag.enterprise, tag.hazard_source, tag.unit) == (
        1,
        "CO-101",
        "metal",
        "foundry",
        "ppm",
    )
    assert tag.limits == Limits(high=17.18, high_high=34.35) and tag.profile == "gb50493"
    assert config.revision.parks[0].name == Text("示范园区", "Demo park")
    assert config.sources[0].enterprise == "metal" and config.log.kind == "embedded"
    assert [c.id for c in config.contacts] == ["officer"]
    assert config.tag_files == (tmp_path / "tags.csv",)
    secret = str(tmp_path / "secrets" / "duty")
    assert msgspec.structs.asdict(config.channels[0])["secret_file"] == secret
    assert [str(a) for a in config.advice] == [
        f"hazwatch.toml: [[channel]][1].secret_file: {secret} is not there; make it before the start"
    ]


def test_everything_wrong_at_once_with_its_place(tmp_path: Path) -> None:
    text = (
        SMALL.replace('format = "columnar"', 'format = "colunar"')
        .replace('kind = "webhook"', 'kind = "webhok"')
        .replace("grade = 3", "grade = 7")
        .replace('channel = "duty"\n', 'channel = "fax"\n')
        .replace('recipients = ["officer"]', 'recipients = ["nobody"]')
        + "\n[mqtt]\nport = 99999\nhots = 'x'\n[log]\nkind = 'kafka'\n[historian]\nraw_retention_days = 3\n"
        + "[console]\ntelemetry_hz = 500.0\n[databse]\nurl = ''\n[[rule]]\nid = 'r'\nkind = 'limits'\ntags = []\n"
    )
    tags = TAGS + "CO-102,furnace-9,gas,630-08-0,ppm,0,500,\nCO-103,furnace-1,gas,CO,ppm,0,500,\n"
    found = refused(write(tmp_path, text, tags))
    expected = [
        "hazwatch.toml: [databse]: there is no 'databse' here",
        "hazwatch.toml: [mqtt].hots: there is no 'hots' here; did you mean 'host'?",
        "hazwatch.toml: [[channel]][1].kind: 'webhok' is no kind of channel",
        "tags.csv: row 4, column cas: 'CO' is no CAS number; the CAS number of CO (carbon monoxide) is 630-08-0",
        "hazwatch.toml: [[hazard_source]][1].grade: 7 is no grade",
        "tags.csv: row 3, column equipment (CO-102): there is no equipment 'furnace-9'",
        "hazwatch.toml: [[rule]][1].tags: asked of no tag",
        "hazwatch.toml: [[route]][1].channel: there is no channel 'fax'",
        "hazwatch.toml: [[route]][1].recipients: there is no contact 'nobody'",
        "hazwatch.toml: [mqtt].port: is 99999",
        "hazwatch.toml: [[source]][1].format: is 'colunar'",
        "hazwatch.toml: [log].bootstrap: kafka without an address",
        "hazwatch.toml: [historian].raw_retention_days: 3 days is less",
        "hazwatch.toml: [console].telemetry_hz: 500.0 is outside",
    ]
    for place in expected:
        assert any(p.startswith(place) for p in found), (place, found)
    assert len(found) == len(expected)


def test_what_is_written_but_broken_is_not_called_missing(tmp_path: Path) -> None:
    text = SMALL.replace('enterprise = "metal"\ngrade', 'enterprise = "metal"\nxgrade')
    assert refused(write(tmp_path, text)) == [
        "hazwatch.toml: [[hazard_source]][1].xgrade: there is no 'xgrade' here; did you mean 'grade'?"
    ]
    text = SMALL.replace('park = "demo"', "park = 3")
    assert refused(write(tmp_path, text)) == [
        "hazwatch.toml: [[enterprise]][1].park: this is a whole number; expected text in quotes"
    ]
    case = (
        '\n[[rule]]\nid = "limits"\nkind = "limits"\n[[rule.case]]\nname = "a"\ntag = "CO-101"\nreadings = [[0, 1.0]]\n'
    )
    found = refused(write(tmp_path, SMALL + case, TAGS.replace("630-08-0", "CO")))
    assert len(found) == 1 and found[0].startswith("tags.csv: row 2, column cas")


def test_rules_are_compiled_against_the_tags(tmp_path: Path) -> None:
    bad = """
    [[rule]]
    id = "mine"
    kind = "limts"
    [[rule]]
    id = "limits"
    kind = "limits"
    params = { dedband = 1.0 }
    """
    found = refused(write(tmp_path, SMALL + bad))
    assert any(p.startswith("hazwatch.toml: [[rule]][1].kind: there is no rule kind 'limts'") for p in found)
    assert any(p.startswith("hazwatch.toml: [[rule]][2].params") and "dedband" in p for p in found)
    assert load_config(write(tmp_path, SMALL + bad), rules=False).revision.rules[0].id == "mine"


def test_a_looser_limit_needs_a_reason(tmp_path: Path) -> None:
    loose = TAGS.replace("action_zh", "high,high_high,limit_reason").replace("撤离", "24,160,")
    found = refused(write(tmp_path, tags=loose))
    assert [p.split(": 24")[0].split(": 160")[0] for p in found] == [
        "tags.csv: row 2, column high (CO-101)",
        "tags.csv: row 2, column high_high (CO-101)",
    ]
    assert load_config(write(tmp_path, tags=loose.replace("24,160,", "24,160,GB 6222 的做法")))


def test_sources_and_registry_know_each_other(tmp_path: Path) -> None:
    found = refused(
        write(tmp_path, SMALL.replace('format = "columnar"', 'format = "columnar"\nmap = { a = "CO-999" }'))
    )
    assert found == ["hazwatch.toml: [[source]][1].map.a: no tag is called 'CO-999'"]


def test_a_tag_whose_link_no_source_can_be_is_told_by_its_row(tmp_path: Path) -> None:
    """Every gateway is a link of its own; one row names a gateway that no topic can."""
    text = SMALL.replace('enterprise = "metal"\n\n[[channel]]', 'enterprise = "metal"\nlink = "gw-{3}"\n\n[[channel]]')
    header, row = TAGS.splitlines()
    good = f"{header},link\n{row},gw-1\n{row.replace('CO-101', 'CO-102')},gw-2\n"
    assert {tag.link for tag in load_config(write(tmp_path, text, good)).revision.tags} == {"gw-1", "gw-2"}
    (found,) = refused(write(tmp_path, text, good.replace("gw-2", "gw/2")))
    assert found.startswith("tags.csv: row 3, column link (CO-102): no source feeds 'gw/2'")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[park\n", "hazwatch.toml: "),
        ("", "hazwatch.toml: parks: there is no park"),
        ("[tags]\nfiles = ['gone.csv']\n[park]\nid='a'\n", "hazwatch.toml: [tags].files: 'gone.csv' cannot be read"),
        ("[park]\nid='a'\nlongitude = nan\n", "hazwatch.toml: park.longitude: nan is not a finite number"),
        ("park = 3", "hazwatch.toml: [[park]]: expected tables"),
        ("[park]\nid='a'\n[[channel]]\nname='x'\n", "hazwatch.toml: [[channel]][1].kind: '' is no kind of channel"),
        ("[park]\nid='a'\n[mqtt]\nport='x'\n", "hazwatch.toml: [mqtt].port: this is text in quotes"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, where: str) -> None:
    found = refused(write(tmp_path, text))
    assert found[0].startswith(where), found


def test_two_tag_lists_and_a_name_in_both(tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(TAGS.replace("CO-101", "CO-102"), encoding="utf-8")
    file = write(tmp_path, SMALL.replace('["tags.csv"]', '["tags.csv", "more.csv"]'))
    assert [(t.name, t.number) for t in load_config(file).revision.tags] == [("CO-101", 1), ("CO-102", 2)]
    (tmp_path / "more.csv").write_text(TAGS, encoding="utf-8")
    assert all("'CO-101' stands 2 times" in p for p in refused(file))


def test_no_secret_is_shown(tmp_path: Path) -> None:
    text = SMALL + '\n[historian]\nurl = "postgresql://u:geheim@db/x"\n[mqtt]\nusername = "u"\npassword_file = "pw"\n'
    (tmp_path / "pw").write_text("geheim2")
    shown = repr(load_config(write(tmp_path, text)))
    assert "geheim" not in shown


def test_numbers_follow_the_registry_that_runs(tmp_path: Path) -> None:
    first = load_config(write(tmp_path)).numbered(EMPTY)
    more = TAGS.replace("CO-101", "CO-100").splitlines()[1]
    second = load_config(write(tmp_path, tags=TAGS.splitlines()[0] + f"\n{more}\n" + TAGS.splitlines()[1])).numbered(
        first
    )
    assert {t.name: t.number for t in second.tags} == {"CO-100": 2, "CO-101": 1}
    assert changed(first, second) == () and (first.number, second.number) == (1, 2)


# The demo park


def test_the_demo_is_sound_and_needs_no_advice(demo: Config) -> None:
    assert demo.advice == ()
    assert 190 <= len(demo.revision.tags) <= 210
    assert {e.id for e in demo.revision.enterprises} == {"metal", "chlorine", "lpg"}


def test_reading_it_twice_gives_the_same_revision(demo: Config) -> None:
    assert content_hash(load_config(DEMO, rules=False).revision) == content_hash(demo.revision)


def test_the_demo_knows_the_reading_published_by_hand(demo: Config) -> None:
    from ingest.directory import Directory, Target

    directory = Directory.of(demo.revision, demo.sources, 4)
    source = directory.source_of("park/metal/manual/CO-101")
    assert source is not None
    targets = directory.resolve(source, "park/metal/manual/CO-101", "")
    tag = next(t for t in demo.revision.tags if t.name == "metal.CO-101")
    assert isinstance(targets, list) and isinstance(targets[0], Target) and targets[0].number == tag.number
    assert tag.limits.high_high == 34.35 and tag.on_delay_s == 0.0 and tag.unit == "ppm"
    for enterprise in ("metal", "chlorine", "lpg"):
        assert directory.source_of(f"park/{enterprise}/gw1/up") is not None
        kept = directory.source_of(f"park/{enterprise}/gw1/backfill")
        assert kept is not None and kept.history


def test_every_demo_tag_has_a_place_on_the_plan_and_texts_in_both_languages(demo: Config) -> None:
    for tag in demo.revision.tags:
        assert tag.x_m is not None and tag.y_m is not None and 0 <= tag.x_m <= 2000 and 0 <= tag.y_m <= 2000
        assert tag.longitude is not None and tag.latitude is not None
        assert tag.title.zh and tag.title.en and tag.range_low is not None and tag.range_high is not None
        if tag.limits != Limits():
            assert tag.action.zh and tag.action.en and tag.cause.zh and tag.consequence.en and tag.response_s


# What deserves a look


def remarks(file: Path) -> list[str]:
    return [str(a) for a in load_config(file).advice if "make it before" not in a.cure]


ROUTED = 'channel = "duty"\nrec'


def test_urgent_alarms_that_reach_nobody_are_a_problem(tmp_path: Path) -> None:
    assert refused(write(tmp_path, SMALL.replace(ROUTED, 'channel = "duty"\ntiers = [1]\nrec'))) == [
        "hazwatch.toml: routes: a tier 2 (orange) process alarm of foundry reaches nobody (rule limits); add a route "
        "that takes it, on = raise and rise; a channel of kind console_log says that the screen is enough"
    ]
    found = refused(write(tmp_path, SMALL.replace(ROUTED, 'channel = "duty"\non = ["raise"]\nrec')))
    assert [p.split(" process")[0] for p in found] == [
        "hazwatch.toml: routes: a tier 1 (red)",
        "hazwatch.toml: routes: a tier 2 (orange)",
    ]


def test_lesser_alarms_that_reach_nobody_deserve_a_look(tmp_path: Path) -> None:
    found = remarks(write(tmp_path, SMALL.replace(ROUTED, 'channel = "duty"\ntiers = [1, 2]\nrec')))
    assert len(found) == 1 and found[0].startswith(
        "hazwatch.toml: routes: a tier 3 (yellow) instrument alarm of foundry reaches nobody (rule quality, stale)"
    )
    found = remarks(write(tmp_path, SMALL[: SMALL.index("[[route]]")]))
    assert len(found) == 1 and found[0].startswith("hazwatch.toml: routes: there is no route, so nobody is told")


def test_a_tier_of_a_rules_own_needs_a_route_too(tmp_path: Path) -> None:
    """A route by route class takes what carries the class, and nothing else."""
    text = SMALL.replace(ROUTED, 'channel = "duty"\nclasses = ["instrument", "system", "communication"]\nrec')
    text += (
        '[[route]]\nid = "gas"\nchannel = "duty"\nroute_classes = ["gas"]\n[[rule]]\nid = "limits"\nkind = "limits"\n'
    )
    assert len(refused(write(tmp_path, text))) == 2
    assert remarks(write(tmp_path, text + 'route = "gas"\n')) == []


def test_tags_whose_silence_nobody_notices(tmp_path: Path) -> None:
    text = SMALL + '[[rule]]\nid = "stale"\nkind = "stale"\nmeasures = ["pressure"]\n'
    assert refused(write(tmp_path, text, TAGS + PRESSURE)) == [
        "tags.csv: row 2 (CO-101): no rule notices when it falls silent; let a rule of kind stale cover it"
    ]
    assert refused(write(tmp_path, text.replace("stale", "quality"), TAGS + PRESSURE)) == [
        "tags.csv: row 2 (CO-101): no rule notices when its data is bad; let a rule of kind quality cover it"
    ]
    assert remarks(write(tmp_path, text.replace("pressure", "gas"), TAGS + PRESSURE)) == [
        "tags.csv: row 3 (PT-1): no rule notices when it falls silent; let a rule of kind stale cover it"
    ]


def test_rules_are_judged_beside_what_is_wrong_with_tags(tmp_path: Path) -> None:
    """A tag with a fault does not hide those of rules that look at others; a rule that looks at it waits."""
    rules = """
    [[rule]]
    id = "ahead"
    kind = "forecast"
    tags = ["PT-1"]
    params = { horizon_s = -1 }
    [[rule]]
    id = "limits"
    kind = "limits"
    params = { deadband = -1.0 }
    """
    found = refused(write(tmp_path, SMALL + rules, TAGS.replace("µmol/mol", "pmm") + PRESSURE))
    assert [p.split(": ")[1] for p in found] == ["row 2, column unit", "[[rule]][1].params.horizon_s"]


def test_a_configuration_that_can_receive_nothing(tmp_path: Path) -> None:
    text = SMALL[: SMALL.index("[[source]]")] + SMALL[SMALL.index("[[channel]]") :]
    assert remarks(write(tmp_path, text)) == [
        "hazwatch.toml: [[source]]: there is no source; nothing can be received before there is one"
    ]


def test_names_that_stand_twice(tmp_path: Path) -> None:
    text = SMALL + '[[contact]]\nid = "officer"\n[[channel]]\nname = "duty"\nkind = "console_log"\n'
    text += '[[route]]\nid = "all"\nchannel = "duty"\n[[source]]\nname = "gw"\ntopic = "x/y"\nformat = "columnar"\n'
    found = refused(write(tmp_path, text))
    assert [p.split(": ")[1] for p in found] == [
        "[[route]][1].id",
        "[[contact]][1]",
        "[[channel]][1].name",
        "[[source]][1]",
    ]


@pytest.mark.long
def test_twenty_thousand_tags_are_read_in_seconds(tmp_path: Path) -> None:
    rows = [f"CO-{n},furnace-1,gas,630-08-0,ppm,0,500,撤离" for n in range(20_000)]
    file = write(tmp_path, tags=TAGS.splitlines()[0] + "\n" + "\n".join(rows) + "\n")
    started = time.process_time()
    assert len(load_config(file, rules=False).revision.tags) == 20_000
    assert time.process_time() - started < 20
