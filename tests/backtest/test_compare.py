"""Which alarm of OLD is which of NEW. Times are seconds."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.compare import Comparison, Episode, compare
from hazwatch.backtest.story import Spell
from schemas.time import SECOND
from tests.backtest.stories import replayed, spell
from tests.laws.settings import traces
from tests.replay.recordings import revision, tag


def sizes(found: Comparison) -> tuple[int, int, int]:
    return len(found.matched), len(found.missed), len(found.new)


def test_a_later_raise_is_the_same_alarm_with_a_shift() -> None:
    found = compare([spell(10, 50)], [spell(17, 50)])
    assert sizes(found) == (1, 0, 0)
    assert found.matched[0].shift_s == 7.0


def test_an_earlier_raise_has_a_negative_shift() -> None:
    assert compare([spell(10, 50)], [spell(4, 12)]).matched[0].shift_s == -6.0


def test_what_does_not_overlap_is_missed_and_new() -> None:
    found = compare([spell(10, 50)], [spell(50, 60)])
    assert sizes(found) == (0, 1, 1)
    assert (found.missed, found.new) == ((Episode((spell(10, 50),)),), (Episode((spell(50, 60),)),))


def test_one_long_alarm_answers_to_many_short_ones() -> None:
    old = [spell(0, 5), spell(80, 90), spell(200, 205)]
    found = compare(old, [spell(2, 95)])
    assert sizes(found) == (1, 1, 0)
    assert (found.matched[0].old, found.matched[0].shift_s) == (tuple(old[:2]), 2.0)


def test_what_chatters_is_one_alarm() -> None:
    """It comes again after a minute at most; NEW raises it in a pause of OLD."""
    old = [spell(0, 5), spell(65, 70), spell(131, 140)]
    found = compare(old, [spell(20, 30)])
    assert sizes(found) == (1, 1, 0)
    assert (found.matched[0].old, found.matched[0].shift_s) == (tuple(old[:2]), 20.0)
    assert found.missed == (Episode((old[2],)),)


def test_the_worst_of_an_episode_stands_for_it() -> None:
    found = compare([spell(0, 5, tier=3), spell(9, 12, tier=1), spell(15, 20, tier=1)], [])
    assert (sizes(found), found.missed[0].worst.begin_ns) == ((0, 1, 0), spell(9, 12).begin_ns)


def test_short_ones_that_begin_together_are_one() -> None:
    assert sizes(compare([spell(5, 5)], [spell(5, 9)])) == (1, 0, 0)
    assert sizes(compare([spell(5, 9)], [spell(5, 5)])) == (1, 0, 0)
    assert sizes(compare([spell(1, 9)], [spell(5, 5)])) == (1, 0, 0)


def test_tags_and_sides_are_never_mixed() -> None:
    assert sizes(compare([spell(0, 9, "A")], [spell(0, 9, "B")])) == (0, 1, 1)


def test_a_rule_with_a_new_name_is_no_other_rule() -> None:
    found = compare([spell(0, 9, rule="limits")], [spell(2, 9, rule="co-limits")])
    assert sizes(found) == (1, 0, 0)
    assert found.matched[0].new[0].condition.rule == "co-limits"


def test_the_same_name_goes_first() -> None:
    """The second rule of the kind is one alarm more, whenever it comes."""
    found = compare([spell(0, 9)], [spell(1, 9), spell(0, 9, rule="strict")])
    assert sizes(found) == (1, 0, 1)
    assert found.new[0].worst.condition.rule == "strict"


def test_another_kind_is_another_alarm() -> None:
    assert sizes(compare([spell(0, 9)], [spell(0, 9, rule="early", kind="forecast")])) == (0, 1, 1)


def test_tiers_of_a_match_are_the_most_urgent() -> None:
    found = compare([spell(0, 5, tier=3), spell(6, 9, tier=2)], [spell(0, 9, tier=4)])
    assert found.matched[0].tiers == (2, 4)


def test_a_delay_seen_through_the_replay() -> None:
    """The first excursion is shorter than NEW's delay of 5 s, the second longer."""
    rows = [(0, 1, 5), (1, 1, 25), (4, 1, 5), (110, 1, 25), (120, 1, 25), (121, 1, 5)]
    old, new = (replayed(revision(tag("A", 1, stale_s=1e6, on_delay_s=delay)), *rows).spells for delay in (0.0, 5.0))
    found = compare(old, new)
    assert sizes(found) == (1, 1, 0)
    assert found.matched[0].shift_s == 5.0
    assert (found.missed[0].worst.length_ns, found.missed[0].worst.value) == (3_000_000_000, 25.0)


edges = st.lists(st.integers(0, 60), min_size=0, max_size=16, unique=True).map(sorted)


def timeline(at: list[int]) -> list[Spell]:
    """Spells of one condition, one after the other, in steps of 25 s: pauses of one or two steps are none."""
    return [spell(25 * begin, 25 * end) for begin, end in list(pairwise(at))[::2]]


def joined(spells: list[Spell]) -> list[list[Spell]]:
    out: list[list[Spell]] = []
    for one in spells:
        if out and one.begin_ns - out[-1][-1].end_ns <= 60 * SECOND:
            out[-1].append(one)
        else:
            out.append([one])
    return out


@given(edges, edges)
@traces(300)
def test_nothing_is_lost_and_missed_is_what_overlaps_nothing(first: list[int], second: list[int]) -> None:
    old, new = timeline(first), timeline(second)
    found = compare(old, new)

    def alone(episode: list[Spell], others: list[list[Spell]]) -> bool:
        begin, end = episode[0].begin_ns, episode[-1].end_ns
        return not any(begin < other[-1].end_ns and other[0].begin_ns < end for other in others)

    assert [list(e.spells) for e in found.missed] == [one for one in joined(old) if alone(one, joined(new))]
    assert [list(e.spells) for e in found.new] == [one for one in joined(new) if alone(one, joined(old))]
    for spells, episodes, side in ((old, found.missed, "old"), (new, found.new, "new")):
        kept = [*(s for e in episodes for s in e.spells), *(s for m in found.matched for s in getattr(m, side))]
        assert sorted(kept, key=lambda s: s.begin_ns) == spells
    swapped = compare(new, old)
    assert (swapped.missed, swapped.new) == (found.new, found.missed)
    assert sorted(m.shift_s for m in swapped.matched) == sorted(-m.shift_s for m in found.matched)


@given(edges)
@traces(50)
def test_a_configuration_differs_in_nothing_from_itself(at: list[int]) -> None:
    found = compare(timeline(at), timeline(at))
    assert (found.missed, found.new) == ((), ())
    assert all(match.shift_s == 0 for match in found.matched)
