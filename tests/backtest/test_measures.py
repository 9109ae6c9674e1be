"""The measures by numbers that can be counted on the fingers."""

from __future__ import annotations

import pytest

from hazwatch.backtest.measures import Load, chattering, difference, load
from hazwatch.backtest.story import Story
from schemas.changes import Place
from schemas.time import HOUR, SECOND
from tests.backtest.stories import START, call, replayed, spell, story
from tests.replay.recordings import revision, tag

DAY_S = 86_400.0
TEN_MIN = 600.0


def measured(seconds: float, *seconds_of_calls: float) -> Load:
    return load(story(seconds, calls=[call(at) for at in seconds_of_calls]))


def test_alarms_are_counted_by_tier_rule_and_tag_and_per_day() -> None:
    calls = [call(1, "A", tier=2), call(2, "A", tier=1), call(3, "B", tier=2)]
    found = load(story(2 * DAY_S, calls=calls))
    assert (found.raised, found.per_day) == (3, 1.5)
    assert found.by_tier == {"1": 1, "2": 2}
    assert found.by_tag == {"A": 2, "B": 1}
    assert found.by_rule == {"limits": 3}


def test_of_less_than_an_hour_there_is_no_number_per_day() -> None:
    assert measured(HOUR / SECOND - 1, 5.0).per_day is None
    assert measured(HOUR / SECOND, 5.0).per_day == 24.0


@pytest.mark.parametrize(("alarms", "share"), [(10, 0.0), (11, 1 / 6)])
def test_more_than_ten_in_ten_minutes_are_a_flood(alarms: int, share: float) -> None:
    """An hour less a second has six spans of ten minutes."""
    found = measured(3599, *(TEN_MIN + i for i in range(alarms)))
    assert found.flood == {"park": pytest.approx(share)}
    assert found.most_in_span == {"park": alarms}


def test_eleven_across_the_edge_of_two_spans_are_none() -> None:
    found = measured(3599, *(TEN_MIN - 5 + i for i in range(11)))
    assert (found.flood["park"], found.most_in_span["park"]) == (0.0, 6)


def test_each_operator_position_has_its_own_flood() -> None:
    places = [Place(park="park", enterprise=name) for name in ("east", "west")]
    calls = [call(i, place=places[i % 2]) for i in range(13)]
    both = story(3599, calls=calls)
    assert load(both).flood == {"park": pytest.approx(1 / 6)}
    assert load(both, "enterprise").flood == {"east": 0.0, "west": 0.0}
    assert load(both, "enterprise").most_in_span == {"east": 7, "west": 6}
    assert load(both, "hazard_source").most_in_span == {"-": 13}


def bursts(*seconds: float) -> list[int]:
    """How many alarms each burst of the condition has."""
    found = chattering([call(at) for at in seconds])
    return [len(run) for runs in found.values() for run in runs]


@pytest.mark.parametrize(
    ("seconds", "sizes"),
    [
        ((0, 30), []),
        ((0, 30, 60), [3]),
        ((0, 30, 61), []),
        ((0, 20, 40, 100), [3]),
        ((0, 20, 40, 60, 80), [5]),
        ((0, 1, 2, 500, 501, 502, 900), [3, 3]),
    ],
)
def test_three_raises_within_a_minute_are_chattering(seconds: tuple[float, ...], sizes: list[int]) -> None:
    assert bursts(*seconds) == sizes


def test_a_climb_through_levels_is_no_chattering() -> None:
    climb = [call(i, levels=range(i, i + 1)) for i in (1, 2, 3, 4)]
    assert chattering(climb) == {}


def test_a_level_that_is_crossed_again_and_again_is() -> None:
    """From normal to high-high crosses both; the call is counted once."""
    found = chattering([call(0, levels=range(1, 3)), call(9, levels=range(2, 3)), call(18, levels=range(1, 3))])
    assert [[(at - START) // SECOND for at in run] for runs in found.values() for run in runs] == [[0, 9, 18]]


def test_two_conditions_do_not_chatter_together() -> None:
    assert chattering([call(0, "A"), call(1, "B"), call(2, "A")]) == {}


def test_a_deadband_ends_chattering() -> None:
    """Six crossings of 20 in fifty seconds, down to 19.5 between them."""
    rows = [(5.0 * i, 1, 21.0 if i % 2 else 19.5) for i in range(12)]
    plain, banded = (load(replayed(revision(tag("A", 1, stale_s=1e6, deadband=band)), *rows)) for band in (0.0, 2.0))
    assert plain.chattering == {"A limits high": 1}
    assert (plain.raised, plain.chattering_raised) == (6, 6)
    assert (banded.raised, banded.chattering, banded.chattering_raised) == (1, {}, 0)
    change = difference(plain, banded)
    assert (change.raised, change.chattering, change.chattering_raised) == (-5, {"A limits high": -1}, -6)


def test_standing_time() -> None:
    found = load(story(4 * DAY_S, spell(0, 100), spell(50, 150, "B"), spell(DAY_S, 2 * DAY_S + 1)))
    assert found.standing_s == 200 + DAY_S + 1
    assert found.standing_by_tag == {"A": 100 + DAY_S + 1, "B": 100}
    assert (found.longest_s, found.over_24_h) == (DAY_S + 1, 1)
    assert found.standing_share == pytest.approx((150 + DAY_S + 1) / (4 * DAY_S))


def test_of_one_instant_nothing_is_divided_by_nothing() -> None:
    found = load(story(0, spell(0, 0), calls=[call(0)]))
    assert (found.standing_share, found.per_day, found.flood) == (0.0, None, {"park": 0.0})


def test_nothing_said_is_nothing_measured() -> None:
    quiet = load(story(DAY_S))
    assert (quiet.raised, quiet.per_day, quiet.standing_s, quiet.flood) == (0, 0.0, 0.0, {})


def test_a_difference_has_what_either_has() -> None:
    old: Story = story(DAY_S, spell(0, 60), calls=[call(0), call(9, "B", tier=1)])
    new: Story = story(DAY_S, spell(0, 20), calls=[call(0), call(5), call(9, "C", tier=3)])
    change = difference(load(old), load(new))
    assert (change.raised, change.per_day, change.standing_s) == (1, 1.0, -40.0)
    assert change.by_tag == {"A": 1, "B": -1, "C": 1}
    assert change.by_tier == {"1": -1, "2": 1, "3": 1}
