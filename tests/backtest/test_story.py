"""Calls and spells of small replays: the tag A has limits 20 and 40 mg/m3 and no delays."""

from __future__ import annotations

from hazwatch.backtest.story import Story
from schemas.time import SECOND
from tests.backtest.stories import START, replayed
from tests.replay.recordings import revision, tag

PARK = revision(tag("A", 1, stale_s=1e6))


def calls(story: Story) -> list[tuple[int, int, list[int]]]:
    return [((c.at_ns - START) // SECOND, c.tier, list(c.crossed)) for c in story.calls]


def spells(story: Story) -> list[tuple[int, int, int, str, float | None, bool]]:
    return [
        ((s.begin_ns - START) // SECOND, (s.end_ns - START) // SECOND, s.tier, s.level_name, s.value, s.open)
        for s in story.spells
    ]


def test_every_raise_begins_a_spell_though_nobody_acknowledges() -> None:
    story = replayed(PARK, (0, 1, 5), (1, 1, 25), (3, 1, 5), (4, 1, 30), (9, 1, 5))
    assert spells(story) == [(1, 3, 2, "high", 25.0, False), (4, 9, 2, "high", 30.0, False)]
    assert calls(story) == [(1, 2, [1]), (4, 2, [1])]


def test_a_rise_calls_again_and_is_the_same_spell_at_its_worst() -> None:
    story = replayed(PARK, (0, 1, 5), (1, 1, 25), (2, 1, 45), (3, 1, 50), (5, 1, 30), (6, 1, 5))
    assert spells(story) == [(1, 6, 1, "high_high", 45.0, False)]
    assert calls(story) == [(1, 2, [1]), (2, 1, [2])]


def test_a_leap_crosses_both_levels_in_one_call() -> None:
    assert calls(replayed(PARK, (0, 1, 5), (1, 1, 45), (2, 1, 5))) == [(1, 1, [1, 2])]


def test_what_stands_at_the_end_stands_to_the_end() -> None:
    story = replayed(PARK, (0, 1, 5), (1, 1, 25), (7, 1, 25))
    assert spells(story) == [(1, 7, 2, "high", 25.0, True)]


def test_a_delay_that_runs_out_behind_the_recording_makes_it_longer() -> None:
    story = replayed(revision(tag("A", 1, on_delay_s=10.0, stale_s=1e6)), (0, 1, 5), (1, 1, 25))
    assert story.span.length_ns == 11 * SECOND
    assert spells(story) == [(11, 11, 2, "high", 25.0, True)]


def test_where_it_is_is_known() -> None:
    (call,) = replayed(PARK, (0, 1, 5), (1, 1, 25)).calls
    assert (call.place.park, call.place.enterprise) == ("park", "works")
