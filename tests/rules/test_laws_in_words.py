"""Each rule of LAWS.md as a short story: T1-T5, L1-L5, C1-C7, R1-R2."""

from __future__ import annotations

import msgspec
import pytest

from rules.engine import ActivationNeeded, Fold, OutOfOrder
from rules.rulebook import compile_rules
from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis
from schemas.quality import Quality
from schemas.records import Activate, Kind, encode
from schemas.registry import Enterprise, Limits, Park, Revision
from schemas.time import HOUR, SECOND
from tests.laws.traces import START, gas_tag, level_tag, revision
from tests.rules.helpers import Story, at, levels_of, seen

HOUR_S = 3600


# Time


def test_t1_now_grows_by_bounded_differences() -> None:
    story = Story()
    story.tick(0)
    story.tick(1)
    story.tick(1 - HOUR_S)
    assert story.fold.now_ns == START + SECOND
    story.tick(2 - HOUR_S)
    assert story.fold.now_ns == START + 2 * SECOND
    story.tick(2)
    assert story.fold.now_ns == START + 12 * SECOND


def test_t1_a_step_back_is_a_clock_condition_that_ends_after_60_s() -> None:
    story = Story()
    story.tick(0)
    raised = story.tick(-100)
    assert seen(raised, "clock") == [("clock", "fault", 1, "self")]
    assert raised[0].alarm_class is AlarmClass.SYSTEM
    story.pass_time(-99, -41)
    assert seen(story.tick(-40), "clock") == [("clock", "fault", 0, "timer")]


def test_t1_a_step_forward_needs_the_same_process_on_both_sides() -> None:
    jumped, outage = Story(), Story()
    jumped.tick(0, "a")
    assert seen(jumped.tick(HOUR_S, "a"), "clock") == [("clock", "fault", 1, "self")]
    outage.tick(0, "a")
    assert not seen(outage.tick(HOUR_S, "b"), "clock")


def test_t1_a_replay_goes_by_the_recording_without_bounds_or_links() -> None:
    story = Story(gas_tag(on_delay_s=600.0), replay=True)
    story.read(0, 20.0)
    story.read(10, 60.0)
    raised = story.read(HOUR_S, 60.0)
    assert story.fold.now_ns == START + HOUR
    assert ("limits", "high", 1, "timer") in seen(raised)
    assert ("stale", "fault", 1, "link") in seen(raised), "silence is judged at every record"
    assert ("stale", "fault", 0, "reading") in seen(raised)
    assert not [c for c in story.said if c.rule == "link"]


def test_t3_timers_fire_as_row_minus_one_in_the_order_due_rule_subject() -> None:
    story = Story(gas_tag(1, on_delay_s=3.0), gas_tag(2, on_delay_s=2.0), gas_tag(3, on_delay_s=3.0))
    for tag in (1, 2, 3):
        story.read(0, 20.0, tag=tag)
    story.rows(1, [(3, 1, 60.0), (1, 1, 60.0), (2, 1, 60.0)])
    fired = story.tick(10)
    assert [(c.subject, c.basis) for c in fired] == [("CO-2", "timer"), ("CO-1", "timer"), ("CO-3", "timer")]
    assert {c.cause for c in fired} == {Cause(1, 4, -1)}


def test_t3_timers_fire_before_the_record_is_applied() -> None:
    story = Story(gas_tag(on_delay_s=3.0))
    story.read(0, 20.0)
    story.read(1, 60.0)
    assert seen(story.read(5, 20.0)) == [("limits", "high", 1, "timer"), ("limits", "high", 0, "reading")]


def test_t4_an_on_delay_ends_by_event_time_or_now_whichever_is_first() -> None:
    by_event, by_now = Story(gas_tag(on_delay_s=3.0)), Story(gas_tag(on_delay_s=3.0))
    by_event.read(0, 20.0)
    raised = by_event.rows(10, [(1, 4, 60.0), (1, 7, 60.0)])
    assert seen(raised) == [("limits", "high", 1, "reading")]
    assert at(raised[0]) == 4
    by_now.read(0, 20.0)
    by_now.read(1, 60.0)
    assert not seen(by_now.tick(3.9))
    assert seen(by_now.tick(4)) == [("limits", "high", 1, "timer")]


def test_t4_silence_and_bad_data_complete_a_raise_and_good_data_stops_it() -> None:
    for quality, raised in ((Quality.BAD, True), (Quality.UNCERTAIN, True), (Quality.GOOD, False)):
        story = Story(gas_tag(on_delay_s=3.0))
        story.read(0, 20.0)
        story.read(1, 60.0)
        story.read(2, 20.0, quality=quality)
        assert bool(levels_of([c for c in story.tick(4) if c.level])) is raised, quality


def test_t4_a_late_reading_may_start_an_on_delay_but_never_stops_one() -> None:
    story = Story(gas_tag(on_delay_s=3.0))
    story.read(0, 20.0)
    story.read(10, 20.0)
    story.read(11, 60.0, event=9)
    story.read(12, 20.0, event=9.5)
    raised = story.tick(14)
    assert seen(raised) == [("limits", "high", 1, "timer")]
    assert at(raised[0]) == 9


def test_t4_an_off_delay_ends_only_at_a_good_reading() -> None:
    story = Story(gas_tag(off_delay_s=5.0))
    story.read(0, 60.0)
    story.read(1, 20.0)
    story.read(4, 20.0)
    assert not seen(story.pass_time(5, 9), "limits"), "never by timer"
    story.read(9.5, 20.0, quality=Quality.BAD)
    assert not seen(story.read(10, 20.0)), "bad data restarts it"
    assert not seen(story.read(14, 20.0))
    assert seen(story.read(15, 20.0)) == [("limits", "high", 0, "reading")]


def test_t4_missing_data_restarts_an_off_delay() -> None:
    story = Story(gas_tag(off_delay_s=5.0))
    story.read(0, 60.0)
    story.read(1, 20.0)
    story.pass_time(2, 20)
    assert not seen(story.read(21, 20.0), "limits")
    assert seen(story.read(26, 20.0), "limits") == [("limits", "high", 0, "reading")]


def test_t5_silence_counts_only_between_up_heartbeats_and_is_judged_at_one() -> None:
    story = Story(gas_tag(stale_s=30.0))
    story.beat(0)
    story.read(0, 20.0)
    assert not seen(story.pass_time(1, 29), "stale")
    raised = story.beat(30)
    assert seen(raised, "stale") == [("stale", "fault", 1, "link")]
    assert raised[0].cause is not None and raised[0].cause.row == 0
    assert at(raised[0]) == 0, "since the last reading"
    assert seen(story.read(31, None, quality=Quality.BAD), "stale") == [("stale", "fault", 0, "reading")]


def test_t5_a_dead_link_is_one_fault_and_not_a_thousand() -> None:
    story = Story(gas_tag(1, stale_s=10.0), gas_tag(2, stale_s=10.0))
    story.beat(0)
    story.read(0, 20.0)
    story.read(0, 20.0, tag=2)
    story.pass_time(1, 60, beats=False)
    assert seen(c for c in story.said if c.level) == [("link", "fault", 1, "timer")]
    fault = next(c for c in story.said if c.rule == "link" and c.level)
    assert fault.alarm_class is AlarmClass.COMMUNICATION
    assert fault.subject == "link/ingest/0@park"
    assert seen(story.beat(61)) == [("link", "fault", 0, "link")]
    assert not seen(story.beat(66), "stale"), "the time without link does not count"
    assert len(seen(story.beat(71), "stale")) == 2


def test_t5_a_fault_of_a_partition_is_told_to_every_park_in_it() -> None:
    parks = (Park(id="east"), Park(id="west"))
    works = (Enterprise(id="works", park="east"), Enterprise(id="mill", park="west"))
    tags = (gas_tag(1), gas_tag(2, enterprise="mill"), gas_tag(3, enterprise="mill", link="mill-gw"))
    story = Story(of=Revision(number=1, parks=parks, enterprises=works, tags=tags))
    story.tick(0)
    faults = [c for c in story.pass_time(1, 16, beats=False) if c.level]
    assert [(c.subject, c.place.park) for c in faults] == [
        ("link/ingest/0@east", "east"),
        ("link/ingest/0@west", "west"),
        ("link/mill-gw/0@west", "west"),
    ]


def test_t5_down_heartbeats_are_no_sign_of_life() -> None:
    story = Story()
    story.beat(0)
    for second in range(1, 20):
        story.beat(second, up=False)
    assert seen(c for c in story.said if c.level) == [("link", "fault", 1, "timer")]


# Late, future, repeated


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


# Identity and copies


def test_c1_one_change_per_condition_and_row_states_the_resulting_level() -> None:
    story = Story()
    story.read(0, 20.0)
    raised = story.read(1, 90.0)
    assert seen(raised) == [("limits", "high", 2, "reading")]
    assert raised[0].cause == Cause(1, 1, 0)
    assert seen(story.read(2, 20.0, event=2)) == [("limits", "high", 0, "reading")]


def test_c1_a_timer_and_a_restatement_in_the_same_row_are_one_change() -> None:
    story = Story(gas_tag(on_delay_s=3.0))
    story.read(0, 90.0)
    said = story.tick(40)
    assert not [c for c in said if c.rule == "limits"][1:]


def test_c2_the_cause_is_incarnation_offset_and_row() -> None:
    story = Story(incarnation=9)
    story.fold.start_at(1000)
    story.read(0, 20.0)
    raised = story.rows(1, [(1, 0.5, 20.0), (1, 0.6, 60.0)])
    assert raised[0].cause == Cause(9, 1001, 1)


def test_c3_a_retired_tag_ends_its_conditions() -> None:
    story = Story(gas_tag(1), gas_tag(2))
    story.read(0, 90.0)
    story.read(0, 90.0, tag=2)
    retired = revision(gas_tag(1), gas_tag(2, retired=True), number=2)
    ended = story.activate(1, retired)
    assert [(c.rule, c.subject, c.level, c.basis, c.cause) for c in ended] == [
        ("limits", "CO-2", 0, Basis.RETIRED, Cause(1, 2, 0))
    ]
    assert "retired" in ended[0].text.en
    assert not seen(story.read(2, 20.0, tag=2)), "its number is ignored from now on"
    assert seen(story.read(2, 20.0)) == [("limits", "high", 0, "reading")], "the other went on"


def test_c3_numbers_that_the_revision_lacks_are_ignored() -> None:
    story = Story()
    assert not story.read(0, 99.0, tag=77)


def test_c5_active_conditions_are_said_again_every_30_s() -> None:
    story = Story()
    story.beat(0)
    story.read(0, 90.0)
    said = story.pass_time(1, 90)
    again = [c for c in said if c.basis is Basis.RESTATEMENT and c.rule == "limits"]
    assert [(c.at_ns - START) // SECOND for c in again] == [30, 60, 90]
    assert {(c.level, c.onset_ns, c.value) for c in again} == {(2, START, 90.0)}
    assert {c.cause.row for c in again if c.cause} == {-1}


def test_c6_the_first_good_reading_states_the_level_normal_included() -> None:
    story = Story()
    assert not seen(story.read(0, None, quality=Quality.BAD), "limits", first=True)
    assert seen(story.read(1, 20.0), "limits", first=True) == [("limits", "high", 0, "first")]
    assert not seen(story.read(2, 20.0), "limits", first=True)


def test_c6_normal_is_not_said_while_an_on_delay_runs() -> None:
    story = Story(gas_tag(on_delay_s=3.0))
    assert not seen(story.read(0, 60.0), "limits", first=True)
    assert seen(story.read(3, 60.0), "limits", first=True) == [("limits", "high", 1, "timer")]


def test_c7_a_record_that_cannot_be_read_is_skipped_and_stands_for_10_min() -> None:
    story = Story()
    story.read(0, 20.0)
    fault = story.poison(1)
    assert seen(fault) == [("record", "fault", 1, "self")]
    assert "1" in fault[0].text.en and fault[0].cause == Cause(1, 1, 0)
    assert not seen(story.poison(2)), "said once, then restated"
    assert seen(story.read(3, 60.0), "limits") == [("limits", "high", 1, "reading")]
    story.pass_time(4, 601)
    assert seen(story.tick(602), "record") == [("record", "fault", 0, "timer")]


def test_c7_a_foreign_record_is_skipped_too() -> None:
    fold = Story().fold
    for offset, kind in enumerate((Kind.CHANGES, "somebody.elses.v1", Kind.TICK)):
        fold.apply(offset, START, kind, b"{}")
    assert fold.next_offset == 3


# Revisions


def test_r1_an_activation_asks_for_its_revision_and_changes_nothing_until_then() -> None:
    story = Story()
    story.read(0, 20.0)
    before = story.fold.snapshot()
    record = encode(Activate(revision=2, hash="x"))
    with pytest.raises(ActivationNeeded) as needed:
        story.fold.apply(1, START + SECOND, Kind.ACTIVATE, record)
    assert (needed.value.revision, needed.value.hash) == (2, "x")
    assert story.fold.snapshot() == before
    book = compile_rules(revision(gas_tag(limits=Limits(high=30.0)), number=2), 0, 1)
    story.fold.activate(1, START + SECOND, book, record)
    assert seen(story.read(2, 40.0)) == [("limits", "high", 1, "reading")]
    assert not story.fold.apply(3, START + 3 * SECOND, Kind.ACTIVATE, record), "a copy of it changes nothing"


def test_r1_revision_numbers_only_rise() -> None:
    """A fold that starts in the middle of a log with the newest revision meets older activations again."""
    story = Story(of=revision(gas_tag(), number=5))
    assert not story.activate(0, revision(gas_tag(limits=Limits(high=99.0)), number=4))
    assert not story.fold.apply(1, START, Kind.ACTIVATE, encode(Activate(revision=3, hash="")))
    assert story.fold.rulebook.revision == 5
    assert story.read(1, 60.0)[0].level == 1


def test_a_revision_keeps_the_level_until_the_next_row_speaks() -> None:
    story = Story()
    story.read(0, 60.0)
    assert not seen(story.activate(1, revision(gas_tag(limits=Limits(high=70.0, high_high=80.0)), number=2)), "limits")
    assert not seen(story.read(2, 60.0, quality=Quality.UNCERTAIN), "limits")
    assert seen(story.read(3, 60.0), "limits") == [("limits", "high", 0, "reading")]


def test_a_level_that_a_revision_takes_away_ends_at_the_next_good_row() -> None:
    story = Story()
    story.read(0, 90.0)
    story.activate(1, revision(gas_tag(limits=Limits(high=50.0)), number=2))
    assert seen(story.read(2, 90.0), "limits") == [("limits", "high", 1, "reading")]


def test_a_side_that_a_revision_takes_away_is_ended() -> None:
    story = Story(level_tag(1, link="ingest"))
    story.read(0, 3.0)
    ended = story.activate(1, revision(level_tag(1, link="ingest", limits=Limits(high=50.0)), number=2))
    assert seen(ended) == [("limits", "low", 0, "retired")]


def test_an_on_delay_runs_on_over_a_revision() -> None:
    story = Story(gas_tag(on_delay_s=10.0))
    story.read(0, 20.0)
    story.read(1, 60.0)
    story.activate(5, revision(gas_tag(on_delay_s=10.0), gas_tag(2), number=2))
    raised = story.tick(11)
    assert seen(raised) == [("limits", "high", 1, "timer")]
    assert at(raised[0]) == 1


def test_r2_a_change_carries_all_that_the_book_needs() -> None:
    tag = gas_tag(
        title=msgspec.convert({"zh": "1#炉 CO", "en": "CO furnace 1"}, type(gas_tag().title)), response_s=60.0
    )
    story = Story(tag)
    story.read(0, 20.0)
    change = story.read(1, 90.0)[0]
    assert (change.level_name, change.tier, change.limit, change.value, change.unit) == (
        "high_high",
        1,
        80.0,
        90.0,
        "ppm",
    )
    assert change.text.zh == "1#炉 CO 90 ppm，达到二级报警值 80 ppm"
    assert change.text.en == "CO furnace 1 90 ppm, at or above level 2 limit 80 ppm"
    assert change.place.park == "park" and change.guidance.response_s == 60.0
    assert change.since_ns == change.onset_ns == change.event_ns == START + SECOND


def test_records_must_come_in_order() -> None:
    story = Story()
    story.tick(0)
    with pytest.raises(OutOfOrder):
        story.fold.apply(0, START, Kind.TICK, b"{}")


def test_a_rulebook_of_another_partition_is_refused() -> None:
    with pytest.raises(ValueError, match="partition"):
        Fold(compile_rules(revision(gas_tag()), 0, 1), 1, 1)
