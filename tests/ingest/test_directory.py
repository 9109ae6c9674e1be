"""Names, units, enterprises and revisions: what ingest writes is what the tag means, or nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Names, Reason, Refused
from ingest.directory import Directory, Target, columns
from schemas.partitioning import partition_of
from schemas.quality import Quality
from schemas.registry import Measure
from schemas.units import UNITS, UnitError, conversion
from tests.ingest.registry import CO, revision, tag

TOPIC = "park/metal/gw1/up"
SOURCE = SourceConfig(name="s", topic="park/+/+/up", format="columnar")
PARTITIONS = 4


def only(found: list[Target] | Refused) -> Target:
    assert isinstance(found, list) and len(found) == 1
    return found[0]


def written(directory: Directory, decoded: Decoded, source: SourceConfig = SOURCE) -> dict[int, tuple[float, int]]:
    """number -> (value, quality) of everything the plan writes."""
    rows: dict[int, tuple[float, int]] = {}
    for part in directory.plan(source, TOPIC, decoded.names).parts:
        found = columns(part, decoded)
        quality = np.zeros(len(found.value), np.int16) if found.quality is None else found.quality
        rows.update({int(n): (float(v), int(q)) for n, v, q in zip(found.number, found.value, quality, strict=True)})
    return rows


def test_a_name_has_a_number_and_a_partition() -> None:
    directory = Directory.of(revision("co-1", tags=(tag(9, "co-9", hazard_source="foundry"),)), [SOURCE], PARTITIONS)
    assert only(directory.resolve(SOURCE, TOPIC, "co-1"))[:2] == (1, partition_of("metal", PARTITIONS))
    assert only(directory.resolve(SOURCE, TOPIC, "co-9"))[:2] == (9, partition_of("foundry", PARTITIONS))


def test_names_come_from_map_template_and_topic() -> None:
    source = replace(SOURCE, tag="{3}.{key}", map={"AI1": "co-1"})
    directory = Directory.of(revision("co-1", "gw1.T2"), [source], PARTITIONS)
    assert only(directory.resolve(source, TOPIC, "AI1")).number == 1
    assert only(directory.resolve(source, TOPIC, "T2")).number == 2
    found = directory.resolve(source, TOPIC, "T3")
    assert isinstance(found, Refused) and found.reason is Reason.UNKNOWN_NAME and found.name == "gw1.T3"


def test_a_retired_tag_is_unknown() -> None:
    directory = Directory.of(revision(tags=(tag(1, "co-1", retired=True), tag(2, "co-1"))), [SOURCE], PARTITIONS)
    assert only(directory.resolve(SOURCE, TOPIC, "co-1")).number == 2


@pytest.mark.parametrize("enterprise", ["chlorine", "{3}", "{1}"])
def test_a_source_writes_no_tag_of_another_enterprise(enterprise: str) -> None:
    source = replace(SOURCE, enterprise=enterprise)
    found = Directory.of(revision("co-1"), [source], PARTITIONS).resolve(source, TOPIC, "co-1")
    assert isinstance(found, Refused) and found.reason is Reason.WRONG_ENTERPRISE


@pytest.mark.parametrize("enterprise", ["metal", "{2}", ""])
def test_a_source_writes_the_tags_of_its_enterprise(enterprise: str) -> None:
    source = replace(SOURCE, enterprise=enterprise)
    assert only(Directory.of(revision("co-1"), [source], PARTITIONS).resolve(source, TOPIC, "co-1")).number == 1


def test_ppm_becomes_mg_m3_by_the_molar_mass() -> None:
    """20 °C: 24.055 L/mol; CO 28.01 g/mol."""
    directory = Directory.of(revision(tags=(tag(1, "co-1", unit="mg/m3"),)), [SOURCE], PARTITIONS)
    decoded = Decoded(Names(("co-1",), ("ppm",)), np.array([34.3]))
    assert written(directory, decoded)[1][0] == pytest.approx(34.3 * 28.01 / 24.055, rel=1e-3)


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.sampled_from(["", CO]), st.floats(0, 1e6))
def test_a_unit_is_converted_or_refused_never_taken_as_it_is(sent: str, wanted: str, cas: str, value: float) -> None:
    measure = Measure.GAS if cas else Measure.OTHER
    directory = Directory.of(revision(tags=(tag(1, "t", unit=wanted, cas=cas, measure=measure),)), [SOURCE], PARTITIONS)
    plan = directory.plan(SOURCE, TOPIC, Names(("t",), (sent,)))
    try:
        rule = conversion(sent, wanted, cas)
    except UnitError:
        assert not plan.parts and plan.refused[0][1].reason is Reason.WRONG_UNIT
        return
    assert not plan.refused
    rows = written(directory, Decoded(Names(("t",), (sent,)), np.array([value])))
    assert rows[1][0] == pytest.approx(rule(value)) and rows[1][1] == Quality.GOOD


def test_an_unknown_unit_is_refused_and_no_unit_is_that_of_the_tag() -> None:
    directory = Directory.of(revision("co-1"), [SOURCE], PARTITIONS)
    found = directory.resolve(SOURCE, TOPIC, "co-1", "furlong")
    assert isinstance(found, Refused) and found.reason is Reason.WRONG_UNIT and "furlong" in found.detail
    assert only(directory.resolve(SOURCE, TOPIC, "co-1"))[2:4] == (1.0, 0.0)


def test_the_unit_is_that_of_the_payload_else_of_the_key_else_of_the_source() -> None:
    source = replace(SOURCE, unit="ppb", units={"co-1": "%VOL"})
    directory = Directory.of(revision("co-1", "co-2"), [source], PARTITIONS)
    assert only(directory.resolve(source, TOPIC, "co-1", "ppm")).scale == 1.0
    assert only(directory.resolve(source, TOPIC, "co-1")).scale == 1e4
    assert only(directory.resolve(source, TOPIC, "co-2")).scale == 1e-3


def test_bad_values_are_those_on_the_wire() -> None:
    tags = (tag(1, "a", bad_values=(-200.0, 9999.0), unit="mg/m3"), tag(2, "b"))
    directory = Directory.of(revision(tags=tags), [SOURCE], PARTITIONS)
    decoded = Decoded(Names(("a", "b", "a"), ("ppm", "", "ppm")), np.array([-200.0, -200.0, 1.0]))
    part = directory.plan(SOURCE, TOPIC, decoded.names).parts[0]
    found = columns(part, decoded)
    assert found.quality is not None and found.quality.tolist() == [Quality.NO_VALUE, Quality.GOOD, Quality.GOOD]
    assert math.isnan(found.value[0]) and found.value[1] == -200.0


def test_no_value_is_bad_but_over_range_stays() -> None:
    names = ("a", "b", "c", "d")
    directory = Directory.of(revision(*names), [SOURCE], PARTITIONS)
    qualities = [Quality.GOOD, Quality.OVER_RANGE, Quality.SENSOR_FAILURE, Quality.FUNCTION_CHECK]
    rows = written(directory, Decoded(Names(names), np.full(4, np.nan), 0, np.array(qualities, np.int16)))
    assert [rows[n][1] for n in (1, 2, 3, 4)] == [
        *(Quality.NO_VALUE, Quality.OVER_RANGE, Quality.SENSOR_FAILURE, Quality.NO_VALUE)
    ]


def test_a_number_that_a_conversion_makes_infinite_is_no_value() -> None:
    directory = Directory.of(revision(tags=(tag(1, "a", unit="ppb"),)), [SOURCE], PARTITIONS)
    with np.errstate(over="ignore"):
        assert written(directory, Decoded(Names(("a",), ("%VOL",)), np.array([1e308])))[1][1] == Quality.NO_VALUE


def test_two_revisions_are_written_under_both_numbers() -> None:
    """LAWS C3: a tag that changes its cell has a new number; until the revision is active both get the reading."""
    old = revision("co-1", "co-2", number=1)
    new = replace(
        old, number=2, tags=(replace(old.tags[0], retired=True), old.tags[1], tag(3, "co-1", hazard_source="foundry"))
    )
    decoded = Decoded(Names(("co-1", "co-2")), np.array([5.0, 6.0]))
    both = Directory.of(new, [SOURCE], PARTITIONS, previous=old)
    assert written(both, decoded) == {1: (5.0, 0), 2: (6.0, 0), 3: (5.0, 0)}
    assert written(Directory.of(new, [SOURCE], PARTITIONS), decoded) == {2: (6.0, 0), 3: (5.0, 0)}
    assert both.revision == 2


def test_heartbeats_go_wherever_the_sources_may_write() -> None:
    tags = tuple(tag(i, f"t{i}", cell=f"cell{i}", enterprise="metal" if i % 2 else "chlorine") for i in range(1, 9))
    everywhere = Directory.of(revision(tags=tags), [SOURCE], 8).heartbeats()
    assert everywhere == sorted({("ingest", partition_of(f"cell{i}", 8)) for i in range(1, 9)})
    restricted = replace(SOURCE, enterprise="metal")
    assert Directory.of(revision(tags=tags), [restricted], 8).heartbeats() == sorted(
        {("ingest", partition_of(f"cell{i}", 8)) for i in range(1, 9, 2)}
    )
    other = replace(SOURCE, link="radio")
    assert Directory.of(revision(tags=tags), [other], 8).heartbeats() == []


@given(st.data())
def test_a_plan_writes_what_its_single_names_would(data: st.DataObject) -> None:
    """The array operations against one name at a time."""
    cells = st.sampled_from(["c1", "c2", "c3"])
    tags = tuple(
        tag(
            i,
            f"t{i}",
            cell=data.draw(cells),
            unit=data.draw(st.sampled_from(["ppm", "mg/m3", "%LEL"])),
            bad_values=data.draw(st.sampled_from([(), (-1.0,), (-1.0, 3.0)])),
        )
        for i in range(1, 6)
    )
    names = st.sampled_from([t.name for t in tags] + ["unknown"])
    keys = tuple(data.draw(st.lists(names, min_size=1, max_size=8, unique=True)))
    units = tuple(data.draw(st.sampled_from(["", "ppm", "mg/m3", "kPa"])) for _ in keys)
    values = data.draw(
        st.lists(st.sampled_from([-1.0, 0.0, 3.0, 41.5, math.nan]), min_size=len(keys), max_size=len(keys))
    )
    directory = Directory.of(revision(tags=tags), [SOURCE], PARTITIONS)
    decoded = Decoded(Names(keys, units), np.array(values))
    expected: dict[int, tuple[float, int]] = {}
    refused = 0
    for key, unit, value in zip(keys, units, values, strict=True):
        found = directory.resolve(SOURCE, TOPIC, key, unit)
        if isinstance(found, Refused):
            refused += 1
            continue
        number, _, scale, offset, bad = only(found)
        missing = math.isnan(value) or value in bad
        expected[number] = (math.nan, Quality.NO_VALUE) if missing else (value * scale + offset, Quality.GOOD)
    rows = written(directory, decoded)
    assert rows.keys() == expected.keys()
    for number, (value, quality) in expected.items():
        assert rows[number][1] == quality
        assert rows[number][0] == pytest.approx(value, nan_ok=True)
    assert len(directory.plan(SOURCE, TOPIC, decoded.names).refused) == refused


def test_problems_of_sources_and_registry() -> None:
    source = replace(SOURCE, enterprise="nobody", link="radio", map={"AI1": "no-such-tag"})
    found = "\n".join(Directory.of(revision("co-1"), [source], PARTITIONS).problems())
    assert "enterprise" in found and "link" in found and "map.AI1" in found


def test_invented_names_do_not_grow_the_memory() -> None:
    directory = Directory.of(revision("co-1"), [SOURCE], PARTITIONS)
    for i in range(2000):
        directory.plan(SOURCE, TOPIC, Names((f"x{i}",)))
        directory.plan(SOURCE, TOPIC, Names(("co-1",)))
    assert len(directory._plans) == 1
