"""Stories of time: T1-T5 of LAWS.md."""

from __future__ import annotations

from schemas.causes import Cause
from schemas.changes import AlarmClass
from schemas.quality import Quality
from schemas.registry import Enterprise, Park, Revision
from schemas.time import HOUR, SECOND
from tests.laws.traces import START, gas_tag
from tests.rules.helpers import Story, at, levels_of, seen

HOUR_S = 3600


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


def test_a_raise_that_bad_data_completed_says_that_there_is_no_value() -> None:
    story = Story(gas_tag(on_delay_s=3.0))
    story.read(0, 20.0)
    story.read(1, 60.0)
    story.read(2, None, quality=Quality.BAD)
    raised = story.tick(4)[0]
    assert raised.value is None
    assert raised.text.en == "CO-1 carbon monoxide: level 1 limit 50 ppm in alarm, no valid value at present"


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
