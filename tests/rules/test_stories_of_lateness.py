"""Stories of late, future and repeated readings: L1-L5 of LAWS.md."""

from __future__ import annotations

from schemas.quality import Quality
from schemas.time import SECOND
from tests.laws.traces import START, gas_tag
from tests.rules.helpers import Story, at, levels_of, seen

HOUR_S = 3600


def test_l1_late_readings_raise_and_never_clear_and_history_does_nothing() -> None:
    story = Story()
    story.read(0, 20.0)
    story.read(20, 20.0)
    assert seen(story.read(21, 60.0, event=10)) == [("limits", "high", 1, "late")]
    assert not seen(story.read(21, 20.0, event=11))
    assert not seen(story.read(22, 90.0, event=9.9)), "older than lateness: history"
    assert seen(story.read(23, 20.0)) == [("limits", "high", 0, "reading")]


def test_l1_a_slow_tag_may_be_two_periods_late() -> None:
    story = Story(gas_tag(period_s=25.0, stale_s=300.0))
    story.read(0, 20.0)
    story.read(100, 20.0)
    assert not seen(story.read(101, 60.0, event=49.9))
    assert seen(story.read(102, 60.0, event=50)) == [("limits", "high", 1, "late")]


def test_l2_after_a_silence_any_time_is_believed() -> None:
    """One gateway that reboots in 2024 is not history for ever."""
    story = Story()
    story.read(0, 20.0)
    assert not seen(story.read(1, 60.0, event=-HOUR_S))
    for second in range(2, 10):
        assert not seen(story.read(second, 60.0 + second / 10, event=second - HOUR_S))
    story.read(10, 62.0, event=10 - HOUR_S)
    assert levels_of([c for c in story.tick(15) if c.level]) == [1], "after the hold of L5"


def test_l2_a_newer_sequence_is_never_late_and_an_older_one_never_in_order() -> None:
    boot = 7 << 32
    story = Story()
    story.read(0, 20.0, seq=boot + 1)
    assert seen(story.read(1, 60.0, event=-50, seq=boot + 2)) == [("limits", "high", 1, "reading")]
    assert not seen(story.read(2, 20.0, event=2, seq=boot + 1)), "a straggler clears nothing"
    assert seen(story.read(3, 20.0, event=3, seq=boot + 3)) == [("limits", "high", 0, "reading")]


def test_l2_a_gateway_that_lost_its_boot_number_is_heard_again() -> None:
    story = Story()
    story.read(0, 20.0, seq=(7 << 32) + 1)
    for second in range(1, 11):
        story.read(second, 60.0 + second / 10, event=second - HOUR_S, seq=(3 << 32) + second)
    story.tick(15)
    assert levels_of(story.said)[-1] == 1


def test_l2_a_counter_that_began_again_within_one_boot_is_believed_after_300_s() -> None:
    """Until then its readings may raise, as stragglers may, so nothing is silent."""
    boot = 7 << 32
    story = Story()
    story.read(0, 20.0, seq=boot + 5000)
    assert seen(story.read(1, 60.0, seq=boot + 1)) == [("limits", "high", 1, "late")]
    for second in range(2, 300, 9):
        assert not seen(story.read(second, 20.0 + second / 100, seq=boot + second), "limits")
    story.tick(299)
    assert seen(story.read(301, 20.0, seq=boot + 301), "limits") == [("limits", "high", 0, "reading")]
    assert seen(story.read(302, 60.0, seq=boot + 302), "limits") == [("limits", "high", 1, "reading")]


def test_l3_an_impossible_time_is_replaced_and_moves_nobodys_newest_time() -> None:
    story = Story()
    story.read(0, 20.0)
    raised = story.read(1, 60.0, event=HOUR_S)
    assert seen(raised) == [("limits", "high", 1, "reading")]
    assert at(raised[0]) == 1 and raised[0].doubtful
    assert seen(story.read(2, 20.0)) == [("limits", "high", 0, "reading")]
    assert seen(story.read(3, 60.0, event=-START / SECOND)) == [("limits", "high", 1, "reading")]


def test_l3_five_seconds_ahead_is_believed() -> None:
    story = Story()
    assert not [c for c in story.read(0, 20.0, event=5) if c.doubtful]
    assert not [c for c in story.read(1, 60.0, event=6) if c.doubtful]
    assert [c for c in story.read(2, 90.0, event=7.1) if c.doubtful]


def test_l4_the_second_copy_is_dropped_the_third_is_a_standing_clock() -> None:
    story = Story()
    story.read(0, 20.0)
    assert seen(story.read(1, 60.0)) == [("limits", "high", 1, "reading")]
    assert seen(story.read(2, 20.0)) == [("limits", "high", 0, "reading")]
    assert not seen(story.read(3, 60.0, event=1)), "a copy of what was evaluated"
    assert seen(story.read(4, 60.0, event=1)) == [("limits", "high", 1, "late")]


def test_l4_a_different_value_at_the_same_time_is_live() -> None:
    story = Story()
    story.read(0, 20.0)
    assert seen(story.read(1, 60.0, event=0)) == [("limits", "high", 1, "reading")]


def test_l4_a_copy_is_known_for_60_s_of_now() -> None:
    for outage_s, episodes in ((59, []), (61, [1])):
        story = Story()
        story.read(0, 60.0)
        story.read(1, 20.0)
        story.pass_time(2, outage_s)
        story.read(outage_s, 60.0, event=0)
        told = [c for c in story.tick(outage_s + 6) if c.level]
        assert levels_of(told) == episodes, "after a longer outage one false episode is accepted"


def test_l5_an_old_raise_waits_for_a_fresh_reading() -> None:
    backlog = Story()
    backlog.read(0, 20.0, event=-200)
    assert not seen(backlog.read(1, 60.0, event=-100))
    assert not seen(backlog.read(2, 20.0, event=2)), "over before it could be told"
    assert not seen(backlog.tick(7))
    true_still = Story()
    true_still.read(0, 20.0, event=-200)
    true_still.read(1, 60.0, event=-100)
    raised = true_still.read(2, 60.0, event=2)
    assert seen(raised) == [("limits", "high", 1, "reading")]
    assert at(raised[0]) == -100


def test_l5_but_no_longer_than_5_s_and_it_states_its_age() -> None:
    story = Story()
    story.read(0, 20.0, event=-200)
    story.read(1, 60.0, event=-100)
    story.read(2, None, quality=Quality.BAD)
    assert not seen(story.tick(5.9), "limits")
    raised = story.tick(6)
    assert seen(raised, "limits") == [("limits", "high", 1, "timer")]
    assert at(raised[0]) == -100
    silent = Story()
    silent.read(0, 20.0, event=-200)
    silent.read(1, 60.0, event=-100)
    told = silent.tick(6)[0]
    assert told.text.zh == "CO-1 一氧化碳 60 ppm，达到一级报警值 50 ppm（数据是 106 秒前的）"
    assert told.text.en == "CO-1 carbon monoxide 60 ppm, at or above level 1 limit 50 ppm (reading is 106 s old)"


def test_l5_a_clock_that_is_always_behind_is_held_only_once() -> None:
    story = Story()
    for second in range(6):
        story.read(second, 60.0 + second, event=second - 300)
    assert levels_of(story.said) == [1]
    assert seen(story.read(7, 20.0, event=-293)) == [("limits", "high", 0, "reading")]
    assert seen(story.read(8, 90.0, event=-292)) == [("limits", "high", 2, "reading")]
