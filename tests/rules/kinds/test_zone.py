"""Kind `zone`: against a slow reference, positions, shares, words and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from rules.kinds.zone import KIND, Params, distance_m, positions
from rules.rulebook import check_rules
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Limits, Tag
from tests.laws.settings import PATIENCE_S
from tests.laws.settings import traces as laws
from tests.laws.traces import HIGH, Trace, fold_all, gas_tag
from tests.rules.helpers import Story
from tests.rules.kinds import groups
from tests.rules.kinds.groups import (
    Heard,
    Ladder,
    SlowGroup,
    all_at,
    bad,
    counts,
    group,
    heard,
    masked,
    placed,
    traces,
    under,
)

pytestmark = pytest.mark.timeout(PATIENCE_S)

PLACES = (0, 0, 1, 2, 3)
"""The posts of five detectors."""


def zoned(*posts: int) -> list[Tag]:
    """Detectors at posts 10 m apart, in their order."""
    return [
        msgspec.structs.replace(t, x_m=10.0 * post, y_m=0.0) for t, post in zip(group(len(posts)), posts, strict=True)
    ]


class SlowZone(SlowGroup):
    def __init__(self, k1: int, k2: int, share: float, one: bool, window_s: float) -> None:
        super().__init__(len(PLACES), window_s)
        self.k1, self.k2, self.share, self.one = k1, k2, share, one
        self.ladder = Ladder()

    def row(self, row: Heard) -> tuple[int, int, set[int], set[int], set[int]] | None:
        """(level, positions in alarm, its detectors, bad ones, those at their second limit) where the level changes."""
        judged, good = self.takes(row)
        if not judged:
            return None
        lost = self.sick() - self.voters(1, row.now)
        working = self.posts(set(range(len(PLACES))) - lost)

        def spread(members: set[int], k: int) -> bool:
            count = self.posts(members)
            return k > 0 and count >= k and count >= self.share * working

        voters, inside = self.voters(1, row.now), self.inside(1, row.now)
        beyond = [spread(voters, self.k1), spread(voters, self.k2) or (self.one and bool(self.voters(2, row.now)))]
        clear = [
            not spread(inside, self.k1),
            not spread(inside, self.k2) and not (self.one and self.inside(2, row.now)),
        ]
        level = self.ladder.judged(beyond, clear, good)
        second = self.voters(2, row.now) if self.one else set()
        return None if level is None else (level, self.posts(voters), voters, lost, second)

    def posts(self, members: set[int]) -> int:
        return len({PLACES[n] for n in members})


@pytest.mark.parametrize(
    ("k1", "k2", "share", "one"), [(2, 3, 0.0, True), (1, 3, 0.5, False), (2, 0, 0.75, True), (3, 4, 0.25, False)]
)
def test_it_says_what_the_slow_reference_says(k1: int, k2: int, share: float, one: bool) -> None:
    params = {"k1": k1, "k2": k2, "share": share, "one_is_enough": one, "window_s": 20.0}
    of = under("zone", zoned(*PLACES), params)

    @laws(250)
    @given(traces(of))
    def law(trace: Trace) -> None:
        rows, said = heard(trace, "zone")
        slow = SlowZone(k1, k2, share, one, 20.0)
        wanted = [(row.place, *told) for row in rows if (told := slow.row(row)) is not None]
        assert list(placed(said)) == [(place, level) for place, level, *_ in wanted]
        for change, (_, _, count, *members) in zip(said, wanted, strict=True):
            assert change.value == count
            assert [masked(change, figure) for figure in ("members", "bad", "second")] == members

    law()


@laws(60)
@given(traces(under("zone", zoned(*PLACES), {})))
def test_the_detectors_own_limits_stay_as_they_are(trace: Trace) -> None:
    plain = replace(trace, revision=msgspec.structs.replace(trace.revision, rules=()))
    assert [c for c in fold_all(trace) if c.rule != "zone" and c.subject != "zone"] == fold_all(plain)


# Stories


def seen(told: Story) -> list[tuple[int, int]]:
    return counts(told, "zone")


def story(*posts: int, **params: object) -> Story:
    return groups.story("zone", zoned(*posts), **params)


def last(told: Story) -> ConditionChange:
    return groups.last(told, "zone")


def test_positions_are_counted_and_not_detectors() -> None:
    told = story(0, 0, 1, 2)
    all_at(told, 1, 60.0, 60.0)
    assert seen(told) == []
    told.read(2, 60.0, tag=3)
    assert seen(told) == [(1, 2)]
    told.read(3, 60.0, tag=4)
    assert seen(told) == [(1, 2), (2, 3)]


def test_one_detector_at_its_second_limit_is_level_2_unless_told_otherwise() -> None:
    told = story(0, 1, 2)
    told.read(1, 90.0, tag=2)
    assert seen(told) == [(2, 1)]
    told = story(0, 1, 2, one_is_enough=False)
    told.read(1, 90.0, tag=2)
    assert seen(told) == []


def test_dead_detectors_do_not_hide_a_spread_and_do_not_lower_k() -> None:
    told = story(0, 1, 2, 3, k1=1, k2=2, share=0.5)
    told.read(1, 60.0, tag=1)
    assert seen(told) == []  # one of four
    bad(told, 2, 3)
    bad(told, 2, 4)
    assert seen(told) == []  # bad data says nothing
    told.read(3, 60.0, tag=1)
    assert seen(told) == [(1, 1)]  # one of two
    assert last(told).text.zh == "区域一级报警：CO-1 共 1 处报警（可用 2 处）"
    told.read(4, 20.0, tag=3)
    told.read(5, 20.0, tag=4)
    assert seen(told) == [(1, 1), (0, 1)]
    told = story(0, 1, 2)
    bad(told, 1, 2)
    bad(told, 1, 3)
    told.read(2, 60.0, tag=1)
    assert seen(told) == []  # two posts are two posts


def test_a_post_works_while_one_of_its_heads_does() -> None:
    told = story(0, 0, 1, k1=1, share=0.6)
    bad(told, 1, 1)
    told.read(2, 60.0, tag=3)
    assert seen(told) == []  # one of two
    bad(told, 3, 2)
    told.read(4, 60.0, tag=3)
    assert seen(told) == [(1, 1)]


def test_over_range_late_and_uncertain_detectors_count() -> None:
    told = story(0, 1, 2, one_is_enough=False)
    told.read(10, None, tag=1, quality=Quality.OVER_RANGE)
    told.read(11, 60.0, tag=2, quality=Quality.UNCERTAIN)
    told.read(12, 20.0, tag=3)
    told.read(13, 60.0, tag=3, event=8)
    assert seen(told) == [(1, 2), (2, 3)]
    assert last(told).basis == "late"


def test_nothing_ends_by_bad_data_or_inside_of_a_deadband() -> None:
    told = story(0, 1, window_s=10.0)
    all_at(told, 1, 60.0, 60.0)
    for second in range(2, 30):
        all_at(told, second, 49.0)
        told.read(second, 49.0 if second % 2 else 48.0, tag=2)
    bad(told, 31, 1)
    assert seen(told) == [(1, 2)]
    all_at(told, 32, 20.0, 20.0)
    assert seen(told)[1:] == [(0, 0)]


def test_the_words() -> None:
    told = story(0, 0, 1, 2, 3, 4, k2=4)
    all_at(told, 1, None, 60.0, 60.0)
    assert last(told).text.zh == "区域一级报警：CO-2、CO-3 共 2 处报警（可用 5 处）"
    assert last(told).text.en == "zone level 1: CO-2, CO-3: 2 of 5 working positions in alarm"
    assert (last(told).limit, last(told).unit, last(told).level_name) == (2.0, "1", "zone_1")
    all_at(told, 2, 60.0, None, None, 60.0, 60.0)
    assert last(told).text.zh == "区域二级报警：CO-1、CO-3、CO-4等 共 4 处报警（可用 5 处）"
    assert last(told).text.en == "zone level 2: CO-1, CO-3, CO-4 and others: 4 of 5 working positions in alarm"
    for second in range(3, 70):
        all_at(told, second, *[20.0] * 6)
    assert last(told).text.zh == "CO-1、CO-2、CO-3 等 6 点 区域报警：已恢复正常"
    told.read(70, 90.0, tag=5)
    assert last(told).text.zh == "区域二级报警：CO-5 达到第二级限值，共 1 处报警（可用 5 处）"
    assert last(told).text.en == "zone level 2: CO-5 at the second limit, 1 of 5 working positions in alarm"


def test_a_standing_alarm_without_new_ones_says_so() -> None:
    told = story(0, 1, window_s=5.0)
    all_at(told, 1, 60.0, 60.0)
    for second in range(2, 40):
        all_at(told, second, 49.0, 49.0)
        told.tick(second)
    assert last(told).text.zh == "区域一级报警：目前没有新的报警，仍未解除"


# Positions and checks


def test_distances() -> None:
    here = gas_tag(1, x_m=0.0, y_m=0.0)
    assert distance_m(here, gas_tag(2, x_m=3.0, y_m=4.0)) == 5.0
    high = msgspec.structs.replace(here, height_m=12.0)
    assert distance_m(high, gas_tag(2, x_m=3.0, y_m=4.0, height_m=0.0)) == 13.0
    assert distance_m(here, gas_tag(2)) == float("inf")
    east = gas_tag(2, longitude=119.001, latitude=31.0)
    assert distance_m(gas_tag(1, longitude=119.0, latitude=31.0), east) == pytest.approx(95.42, abs=0.1)
    assert distance_m(here, east) == float("inf")


def test_positions() -> None:
    assert positions(zoned(0, 1, 0, 2, 1), 1.0) == [0, 1, 0, 2, 1]
    assert positions(zoned(0, 1, 2), 10.0) == [0, 0, 1]
    assert positions(group(3), 100.0) == [0, 1, 2]


def problems(tags: Sequence[Tag], **params: object) -> list[str]:
    return [str(p).removeprefix("rules[zone].") for p in check_rules(under("zone", list(tags), params))]


def test_every_problem_is_told_at_once() -> None:
    assert problems(zoned(0, 1, 2)) == []
    said = problems(
        zoned(0, 0, 1), k1=4, k2=2, share=1.5, apart_m=-1.0, window_s=2.0, silent_s=float("inf"), off_delay_s=-1.0
    )
    assert list(dict.fromkeys(line.split(":")[0] for line in said)) == [
        "params.k2",
        "params.share",
        "params.apart_m",
        "params.window_s",
        "params.silent_s",
        "params.off_delay_s",
        "params.k1",
    ]
    assert any("4 positions are needed, but cell 'works' has 2" in line for line in said)
    assert "params.k1: 0 positions would always be there" in problems(zoned(0, 1, 2), k1=0)[0]
    assert "more than the 48 of a zone" in problems(zoned(*range(49)))[0]


def test_a_second_level_out_of_reach_is_told_unless_one_detector_is_enough() -> None:
    assert problems(zoned(0, 1)) == []
    assert "3 positions are needed, but cell 'works' has 2" in problems(zoned(0, 1), one_is_enough=False)[0]
    low = [msgspec.structs.replace(t, limits=Limits(high=HIGH)) for t in zoned(0, 1)]
    (plan,) = KIND.plan(low, Params())
    assert [level and level.name for level in plan.levels] == ["zone_1", None]


def test_a_cell_with_a_single_tag_is_no_zone() -> None:
    assert problems([*zoned(0, 1), gas_tag(3, cell="elsewhere")]) == []
