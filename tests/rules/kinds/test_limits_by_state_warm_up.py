"""Kind `limits_by_state`: stories of detectors that had no power and warm up."""

from __future__ import annotations

import msgspec
import pytest

from schemas.quality import Quality
from schemas.registry import HazardSource, Measure
from tests.rules.helpers import Story
from tests.rules.kinds.by_state import DETECTOR, NO_GAS, last, levels, story, under

WARM = {"high": 50.0, "high_high": 80.0, "warm_up_s": 60.0}


def powered_up(at: int = 20, **params: object) -> Story:
    """Silent from second 1 on while the link is up, and heard again."""
    told = story([DETECTOR], **{**WARM, **params})
    told.read(1, 20.0)
    told.pass_time(2, at)
    return told


def test_a_reading_beyond_in_the_warm_up_is_told_and_an_alarm_when_it_lasts() -> None:
    told = powered_up()
    told.read(21, 10.0)
    assert levels(told, "fault") == [1] and (last(told, "fault").level_name, last(told, "fault").tier) == ("warm_up", 3)
    told.read(22, 60.0)
    assert levels(told) == [] and levels(told, "fault") == [1, 2]
    assert last(told, "fault").text.zh == "CO-1 一氧化碳：预热中，60 ppm 已超限" and last(told, "fault").tier == 2
    for second in range(27, 81, 5):
        told.read(second, 60.0)
    assert levels(told) == []
    told.read(82, 60.0)
    assert levels(told) == [1] and levels(told, "fault") == [1, 2, 0]


def test_the_second_level_of_a_gas_point_waits_for_no_warm_up() -> None:
    """Chlorine at many times its limit after a minute of silence is an alarm, whatever the silence was."""
    told = powered_up()
    told.read(21, 90.0)
    assert levels(told) == [2] and (last(told).tier, last(told).level_name) == (1, "high_high")
    told.read(22, 60.0)
    assert levels(told) == [2, 1]  # what stands falls as ever
    told.read(23, 20.0)
    assert levels(told) == [2, 1, 0]
    told.read(24, 60.0)
    assert levels(told) == [2, 1, 0] and last(told, "fault").level == 2


def test_a_lack_of_oxygen_waits_for_no_warm_up_either() -> None:
    oxygen = msgspec.structs.replace(DETECTOR, cas="7782-44-7", unit="%VOL", range_high=25.0, deadband=0.1)
    told = story([oxygen], low=19.5, low_low=18.0, warm_up_s=60.0)
    told.read(1, 20.9)
    told.pass_time(2, 20)
    told.read(21, 19.0)
    assert levels(told, "low") == [] and last(told, "fault").tier == 2
    told.read(22, 17.0)
    assert levels(told, "low") == [2] and last(told, "low").tier == 1


def test_all_levels_of_another_point_wait() -> None:
    told = story([NO_GAS], **WARM)
    told.read(1, 20.0)
    told.pass_time(2, 20)
    told.read(21, 90.0)
    assert levels(told) == [] and (last(told, "fault").level, last(told, "fault").tier) == (2, 3)
    told.pass_time(22, 81)
    told.read(82, 90.0)
    assert levels(told) == [2]


def test_n_of_m_readings_of_gas_count_towards_the_second_level_in_the_warm_up() -> None:
    told = powered_up(n=2, m=3)
    for second, value in ((21, 60.0), (22, 90.0), (23, 60.0), (24, 60.0)):
        told.read(second, value)
    assert levels(told) == []
    told.read(25, 90.0)
    told.read(26, 90.0)
    assert levels(told) == [2]
    told.read(27, 60.0)
    told.read(28, 60.0)
    assert levels(told) == [2, 1]


def test_an_on_delay_of_the_second_level_runs_in_the_warm_up_and_ends_with_it() -> None:
    told = powered_up(on_delay_s=3.0)
    told.read(21, 90.0)
    told.read(22, 60.0)
    told.pass_time(23, 30)
    assert levels(told) == []
    told.read(31, 90.0)
    told.pass_time(32, 35)
    assert levels(told) == [2]


@pytest.mark.parametrize(
    ("cas", "measure", "grade", "limits", "tier"),
    [
        ("7782-50-5", Measure.GAS, 0, {"high": 50.0, "high_high": 80.0}, 2),
        ("7782-50-5", Measure.GAS, 1, {"high": 50.0, "high_high": 80.0}, 2),
        ("7782-50-5", Measure.GAS, 0, {"high": 50.0}, 2),
        ("1333-74-0", Measure.GAS, 0, {"high": 50.0, "high_high": 80.0}, 3),
        ("1333-74-0", Measure.GAS, 2, {"high": 50.0, "high_high": 80.0}, 2),
        ("", Measure.OTHER, 0, {"high": 50.0, "high_high": 80.0}, 3),
        ("", Measure.OTHER, 1, {"high": 50.0, "high_high": 80.0}, 2),
        ("", Measure.OTHER, 0, {"high": 50.0}, 3),
    ],
)
def test_the_warning_has_the_tier_of_the_level_that_waits_or_one_less(
    cas: str, measure: Measure, grade: int, limits: dict[str, object], tier: int
) -> None:
    tag = msgspec.structs.replace(DETECTOR, cas=cas, measure=measure, hazard_source="store")
    of = msgspec.structs.replace(
        under([tag], **limits, warm_up_s=60.0),
        hazard_sources=(HazardSource(id="store", enterprise="works", grade=grade),),
    )
    told = Story(of=of)
    told.beat(0)
    told.read(1, 20.0)
    told.pass_time(2, 20)
    told.read(21, 60.0)
    assert (last(told, "fault").level, last(told, "fault").tier) == (2, tier)


def test_over_range_in_the_warm_up_is_an_alarm_at_once() -> None:
    told = powered_up()
    told.read(21, None, quality=Quality.OVER_RANGE)
    assert levels(told) == [2]
    told = powered_up()
    told.read(21, 101.0)
    assert levels(told) == [2]


def test_what_stood_before_the_silence_is_no_matter_of_the_warm_up() -> None:
    told = story([DETECTOR], **WARM)
    told.read(1, 60.0)
    told.pass_time(2, 20)
    told.read(21, 90.0)
    assert levels(told) == [2] and last(told, "fault").level == 2  # the first level was the first word


def test_there_is_no_warm_up_after_a_fault_of_the_link_or_at_the_first_start() -> None:
    told = story([DETECTOR], **WARM)
    told.read(1, 20.0)
    for second in range(2, 40):
        told.tick(second)
    told.beat(40)
    told.read(41, 90.0)
    assert last(told).level == 2
    first = story([DETECTOR], **WARM)
    first.pass_time(1, 40)
    first.read(41, 90.0)
    assert last(first).level == 2


def test_a_detector_that_comes_and_goes_does_not_warm_up_for_ever() -> None:
    told = powered_up(at=20, warm_up_s=10.0)
    told.read(21, 20.0)
    told.pass_time(22, 50)
    told.read(51, 60.0)
    assert levels(told) == [1]


def test_it_may_warm_up_again_after_an_hour() -> None:
    told = powered_up(at=20, warm_up_s=10.0)
    told.read(21, 20.0)
    told.pass_time(22, 3700)
    told.read(3701, 60.0)
    assert levels(told) == [] and last(told, "fault").level == 2
