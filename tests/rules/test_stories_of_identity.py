"""Stories of identity, copies and poison: C1-C7 of LAWS.md."""

from __future__ import annotations

from schemas.causes import Cause
from schemas.changes import Basis
from schemas.quality import Quality
from schemas.records import Kind
from schemas.time import SECOND
from tests.laws.traces import START, gas_tag, revision
from tests.rules.helpers import Story, seen


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
