"""The alarm book, told as stories of the control room."""

from __future__ import annotations

import pytest

from alerting.book import ActivationNeeded, Book
from alerting.faults import RULE
from schemas.alarms import Change, CommandKind, Outcome, State
from schemas.changes import AlarmClass, Basis, Side
from schemas.records import Activate, Kind, Link, Tick, encode
from schemas.time import SECOND
from tests.alerting.bench import DUTY, START, Desk, change, own_change, revision


def test_a_leak_is_raised_rises_is_acknowledged_and_ends() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    first = desk.alarm
    assert (first.state, first.level, first.tier, first.revision) == (State.UNACKNOWLEDGED, 1, 2, 1)
    desk.say(change(2, 11), after_s=5)
    risen = desk.alarm
    assert (risen.episode, risen.level_name, risen.tier, risen.revision) == (first.episode, "high_high", 1, 2)
    answer = desk.acknowledge(risen, comment="on my way")
    assert (answer.outcome, answer.revision) == (Outcome.APPLIED, 3)
    assert (desk.alarm.state, desk.alarm.acknowledged_by, desk.alarm.comment) == (
        State.ACKNOWLEDGED,
        "wang",
        "on my way",
    )
    desk.say(change(1, 12), after_s=5)
    assert (desk.last.change, desk.alarm.state, desk.alarm.peak_tier) == (Change.FALL, State.ACKNOWLEDGED, 1)
    desk.say(change(0, 13), after_s=5)
    assert (desk.last.change, desk.alarm.state, desk.alarm.tier) == (Change.RETURN, State.NORMAL, 0)
    assert desk.alarm.peak_level_name == "high_high"
    assert not list(desk.book.alarms())
    assert desk.said() == ["raise", "rise", "acknowledge", "fall", "return"]


def test_a_rise_takes_the_acknowledgement_away() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    desk.acknowledge(desk.alarm)
    desk.say(change(2, 11))
    assert (desk.alarm.state, desk.alarm.acknowledged_by, desk.alarm.acknowledged_ns) == (State.UNACKNOWLEDGED, "", 0)


def test_a_returned_alarm_waits_for_its_acknowledgement_and_may_come_back_in_the_same_episode() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    episode = desk.alarm.episode
    desk.say(change(0, 11), after_s=30)
    assert desk.alarm.state is State.RETURNED_UNACKNOWLEDGED
    desk.say(change(1, 12), after_s=30)
    assert (desk.last.change, desk.alarm.episode, desk.alarm.state) == (
        Change.RERAISE,
        episode,
        State.UNACKNOWLEDGED,
    )
    desk.say(change(0, 13))
    desk.acknowledge(desk.alarm)
    assert (desk.alarm.state, list(desk.book.alarms())) == (State.NORMAL, [])
    desk.say(change(1, 14))
    assert (desk.last.change, desk.alarm.revision) == (Change.RAISE, 1)
    assert desk.alarm.episode != episode


def test_copies_collapse_whichever_way_they_come() -> None:
    desk = Desk()
    desk.say(change(1, 10), change(2, 11))
    desk.say(change(1, 10))
    desk.say(change(2, 11))
    desk.say(change(0, 12))
    desk.say(change(2, 11))
    assert desk.said() == ["raise", "rise", "return"]


def test_two_levels_in_one_row_are_one_rise() -> None:
    desk = Desk()
    desk.say(change(2, 10, row=3))
    assert (desk.said(), desk.alarm.level) == (["raise"], 2)


def test_a_restatement_of_the_same_level_says_nothing_and_of_a_higher_one_raises() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    assert desk.say(change(1, 40, -1, basis=Basis.RESTATEMENT, value=31.0), after_s=30).transitions == ()
    desk.say(change(2, 70, -1, basis=Basis.RESTATEMENT), after_s=30)
    assert desk.said() == ["raise", "rise"]
    assert desk.alarm.peak_value == 45.0


def test_a_lost_raise_is_healed_by_the_restatement() -> None:
    desk = Desk()
    desk.say(change(1, 40, -1, basis=Basis.RESTATEMENT))
    assert desk.said() == ["raise"]


@pytest.mark.parametrize("basis", [Basis.RESTATEMENT, Basis.TIMER, Basis.LATE, Basis.LINK])
def test_nothing_but_a_good_reading_lowers_a_process_alarm(basis: Basis) -> None:
    desk = Desk()
    desk.say(change(2, 10))
    desk.say(change(1, 11, basis=basis), change(0, 12, basis=basis))
    assert desk.said() == ["raise"]
    desk.say(change(0, 13))
    assert desk.said() == ["raise", "return"]


def test_an_instrument_fault_may_end_by_a_timer() -> None:
    desk = Desk()
    desk.say(change(1, 10, side=Side.FAULT, alarm_class=AlarmClass.INSTRUMENT, tier=3))
    desk.say(change(0, 11, -1, side=Side.FAULT, alarm_class=AlarmClass.INSTRUMENT, basis=Basis.TIMER))
    assert desk.said() == ["raise", "return"]


def test_the_milder_twin_ahead_does_not_hide_what_the_other_says_of_the_same_row() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    desk.say(change(2, 10))
    desk.say(change(1, 10))
    assert desk.said() == ["raise", "rise"]


def test_a_subject_that_moved_to_another_partition_is_not_silenced_by_its_old_causes() -> None:
    desk = Desk()
    desk.say(change(1, 5_000_000, partition=0))
    desk.say(change(0, 5_000_001, partition=0))
    desk.say(change(1, 3, partition=1))
    assert desk.said() == ["raise", "return", "reraise"]


def test_an_alarm_that_nobody_restates_is_marked_and_only_a_person_closes_it() -> None:
    desk = Desk()
    desk.say(change(1, 10, partition=2))
    alarm = desk.alarm
    assert desk.order(CommandKind.CLOSE, alarm).outcome is Outcome.REFUSED
    desk.wait(89)
    assert desk.said() == ["raise"]
    desk.wait(1)
    assert desk.said() == ["raise", "unconfirmed", "raise"]
    marked, fault = desk.transitions[1].alarm, desk.alarm
    assert marked.unconfirmed
    assert marked.state is State.UNACKNOWLEDGED
    assert (fault.rule, fault.subject) == (RULE, "events/0:unconfirmed:readings/2")
    desk.wait(3600)
    assert desk.said() == ["raise", "unconfirmed", "raise"]
    assert desk.order(CommandKind.CLOSE, marked, comment="walked there").outcome is Outcome.APPLIED
    closed, ended = desk.transitions[-2:]
    assert (closed.change, closed.alarm.state, closed.actor) == (Change.CLOSE, State.NORMAL, "wang")
    assert (ended.change, ended.alarm.rule) == (Change.RETURN, RULE)


def test_restated_every_30_s_it_stays_confirmed_and_a_late_restatement_confirms_it_again() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    for n in range(20):
        desk.wait(30)
        desk.say(change(1, 100 + n, -1, basis=Basis.RESTATEMENT))
    assert desk.said() == ["raise"]
    desk.wait(90)
    desk.say(change(1, 200, -1, basis=Basis.RESTATEMENT))
    assert desk.said() == ["raise", "unconfirmed", "raise", "confirmed", "return"]


def test_in_a_replay_nobody_is_missed_and_nobody_is_told() -> None:
    """The recording has no restatements, and its gaps say nothing about an evaluator."""
    book = Book(0, 1, recorded=True)
    book.start_at(0, revision(DUTY))
    desk = Desk(book)
    desk.say(change(2, 10))
    desk.tick(after_s=3600)
    assert (desk.said(), desk.notices) == (["raise"], [])


def test_a_copy_from_a_zombie_confirms_nothing() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    desk.wait(80)
    desk.say(change(1, 10))
    desk.wait(10)
    assert desk.said()[:2] == ["raise", "unconfirmed"]


def test_an_outage_of_an_hour_marks_nothing_at_once() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    desk.tick(after_s=3600)
    assert desk.said() == ["raise"]


def test_a_process_of_its_own_is_heard_by_its_place_in_events_and_missed_like_the_rest() -> None:
    desk = Desk()
    desk.say(own_change(1))
    desk.say(own_change(1), after_s=30)
    desk.wait(90)
    assert desk.said() == ["raise", "unconfirmed", "raise"]
    assert desk.alarm.subject == "events/0:unconfirmed:processes"
    desk.say(own_change(0))
    assert desk.said()[3:] == ["return", "return"]


def test_a_command_is_judged_by_the_revision_that_the_person_saw() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    seen = desk.alarm
    desk.say(change(2, 11))
    stale = desk.acknowledge(seen)
    assert (stale.outcome, stale.revision) == (Outcome.STALE, 2)
    assert stale.reason.zh
    assert stale.reason.en
    seen = desk.alarm
    desk.say(change(1, 12))
    assert desk.acknowledge(seen).outcome is Outcome.APPLIED, "a fall does not invalidate an acknowledgement"


def test_a_repeated_command_does_nothing_and_says_so() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    alarm = desk.alarm
    assert desk.acknowledge(alarm, id="x").outcome is Outcome.APPLIED
    assert desk.acknowledge(alarm, id="x").outcome is Outcome.REPEATED
    other = desk.acknowledge(alarm, id="y", actor="li")
    assert (other.outcome, "wang" in other.reason.en) == (Outcome.REPEATED, True)
    assert desk.said() == ["raise", "acknowledge"]


def test_commands_on_what_is_not_there_are_answered() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    alarm = desk.alarm
    desk.say(change(0, 11))
    desk.acknowledge(desk.alarm)
    assert desk.acknowledge(alarm).outcome is Outcome.UNKNOWN
    assert "ended" in desk.answers[-1].reason.en
    desk.say(change(1, 12))
    assert desk.acknowledge(alarm).outcome is Outcome.STALE
    assert desk.acknowledge(desk.alarm, revision=7).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "kind", [kind for kind in CommandKind if kind not in (CommandKind.ACKNOWLEDGE, CommandKind.CLOSE)]
)
def test_what_this_version_cannot_do_is_refused_in_both_languages(kind: CommandKind) -> None:
    desk = Desk()
    desk.say(change(1, 10))
    before = desk.book.snapshot()
    answer = desk.order(kind, desk.alarm)
    assert answer.outcome is Outcome.REFUSED
    assert answer.reason.zh
    assert "not in this version" in answer.reason.en
    assert desk.said() == ["raise"]
    assert before != desk.book.snapshot()


def test_a_record_that_cannot_be_read_is_skipped_and_stands_as_a_fault_for_ten_minutes() -> None:
    desk = Desk()
    desk.raw(Kind.CHANGES, b'{"specversion":"1.0","data":{"changes":[{}]}}')
    desk.raw("hazwatch.future.v9", b"{}")
    desk.raw(Kind.LINK, encode(Link(name="gw", up=True)))
    desk.raw(Kind.ACTIVATE, b"{}")
    assert desk.said() == ["raise"]
    assert desk.alarm.subject == "events/0:unreadable"
    assert "events/0 @0" in desk.alarm.text.en
    desk.say(change(1, 10))
    assert desk.said() == ["raise", "raise"]
    desk.wait(599)
    assert "return" not in desk.said()
    desk.wait(1)
    assert (desk.last.change, desk.alarm.subject) == (Change.RETURN, "events/0:unreadable")


def test_a_change_that_throws_takes_no_other_with_it() -> None:
    desk = Desk()
    desk.say(change(1, 10, subject="A"), own_change(-1), change(1, 10, row=1, subject="B"))
    assert [t.alarm.subject for t in desk.transitions] == ["A", "events/0:unreadable", "B"]


def test_a_raised_change_without_a_tier_is_taken_as_the_most_urgent() -> None:
    desk = Desk()
    desk.say(change(1, 10, tier=0))
    assert desk.alarm.tier == 1


def test_a_new_tier_at_the_same_level_is_a_rise() -> None:
    desk = Desk()
    desk.say(change(1, 10, tier=3))
    desk.acknowledge(desk.alarm)
    desk.say(change(1, 11, -1, basis=Basis.RESTATEMENT, tier=1))
    assert (desk.last.change, desk.alarm.tier, desk.alarm.state) == (Change.RISE, 1, State.UNACKNOWLEDGED)


def test_a_retired_tag_ends_its_alarm_but_not_unseen() -> None:
    desk = Desk()
    desk.say(change(1, 10))
    desk.say(change(0, 11, basis=Basis.RETIRED))
    assert (desk.last.change, desk.alarm.state) == (Change.RETIRE, State.RETURNED_UNACKNOWLEDGED)


def test_a_clock_set_back_is_told() -> None:
    desk = Desk()
    desk.tick()
    desk.tick(after_s=-3600)
    assert (desk.said(), desk.alarm.subject) == (["raise"], "events/0:clock")
    desk.wait(60)
    assert desk.said() == ["raise", "return"]


def test_a_transition_carries_its_place_in_events_and_the_book_its_time() -> None:
    desk = Desk()
    desk.tick()
    desk.say(change(1, 10), after_s=2)
    assert (desk.last.offset, desk.last.partition, desk.last.at_ns) == (1, 0, START + 3 * SECOND)
    assert (desk.alarm.onset_ns, desk.alarm.raised_ns) == (START, START + 3 * SECOND)
    assert desk.book.now_ns == START + 3 * SECOND


def test_an_activation_goes_its_own_way_and_older_ones_change_nothing() -> None:
    desk = Desk(Book(0, 1))
    activate = encode(Activate(revision=3, hash="h"))
    with pytest.raises(ActivationNeeded, match="revision 3 is needed") as needed:
        desk.book.apply(0, START, Kind.ACTIVATE, activate)
    assert (needed.value.revision, desk.book.next_offset) == (3, 0)
    desk.activate(revision(DUTY, number=3))
    desk.activate(revision(number=2))
    assert desk.book.revision == 3
    desk.say(change(1, 10))
    assert [(n.channel, n.recipient, n.route) for n in desk.notices] == [("hook", "officer", "duty")]


def test_a_record_applied_twice_does_nothing_the_second_time() -> None:
    book = Book(0, 1)
    tick = (0, START, Kind.TICK, encode(Tick(by="x")))
    book.apply(*tick)
    before = book.snapshot()
    book.apply(*tick)
    assert book.snapshot() == before
