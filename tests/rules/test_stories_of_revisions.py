"""Stories of revisions, and of what a change carries: R1 and R2 of LAWS.md."""

from __future__ import annotations

import msgspec
import pytest

from rules.engine import ActivationNeeded, Fold, OutOfOrder
from rules.rulebook import compile_rules
from schemas.quality import Quality
from schemas.records import Activate, Kind, encode
from schemas.registry import Limits
from schemas.time import SECOND
from tests.laws.traces import START, gas_tag, level_tag, revision
from tests.rules.helpers import Story, at, seen


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
