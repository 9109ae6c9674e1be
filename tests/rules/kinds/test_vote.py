"""Kind `vote`: against a slow reference, and the stories that a vote must not get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from rules.kinds.vote import KIND, Params
from rules.reliability import failure_on_demand
from rules.rulebook import check_rules
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Limits, Measure, Tag
from schemas.time import SECOND
from tests.laws.settings import PATIENCE_S
from tests.laws.settings import traces as laws
from tests.laws.traces import HIGH, START, Trace, fold_all, gas_tag
from tests.rules.helpers import Story, at
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


class SlowVote(SlowGroup):
    def __init__(self, count: int, m: int, window_s: float) -> None:
        super().__init__(count, window_s)
        self.m = m
        self.ladder = Ladder()

    def row(self, row: Heard) -> tuple[int, int, set[int], set[int]] | None:
        """(level, votes, who voted, who is bad) where the level changes."""
        judged, good = self.takes(row)
        if not judged:
            return None
        beyond, clear, told = [], [], []
        for k in (1, 2):
            voters = self.voters(k, row.now)
            lost = self.sick() - voters
            needed = max(1, self.m - len(lost))
            able = len(lost) < len(self.members)
            beyond.append(able and len(voters) >= needed)
            clear.append(able and len(self.inside(k, row.now)) < needed)
            told.append((voters, lost))
        level = self.ladder.judged(beyond, clear, good)
        voters, lost = told[1 if beyond[1] else 0]
        return None if level is None else (level, len(voters), voters, lost)


@pytest.mark.parametrize(("m", "n"), [(1, 2), (2, 2), (2, 3), (3, 5)])
def test_it_says_what_the_slow_reference_says(m: int, n: int) -> None:
    window_s = 20.0
    of = under("vote", group(n), {"m": m, "window_s": window_s})

    @laws(250)
    @given(traces(of))
    def law(trace: Trace) -> None:
        rows, said = heard(trace, "vote")
        slow = SlowVote(n, m, window_s)
        wanted = [(row.place, *told) for row in rows if (told := slow.row(row)) is not None]
        assert list(placed(said)) == [(place, level) for place, level, *_ in wanted]
        for change, (_, _, votes, voters, lost) in zip(said, wanted, strict=True):
            assert change.value == votes
            assert (masked(change, "members"), masked(change, "bad")) == (voters, lost)

    law()


@laws(60)
@given(traces(under("vote", group(3), {})))
def test_the_members_own_limits_stay_as_they_are(trace: Trace) -> None:
    """No vote suppresses or delays another alarm: without the rule everything else is the same."""
    plain = replace(trace, revision=msgspec.structs.replace(trace.revision, rules=()))
    assert [c for c in fold_all(trace) if c.rule != "vote" and c.subject != "vote"] == fold_all(plain)


# Stories


def votes(told: Story) -> list[tuple[int, int]]:
    return counts(told, "vote")


def story(count: int, tags: Sequence[Tag] = (), **params: object) -> Story:
    return groups.story("vote", list(tags) or group(count), **params)


def last(told: Story) -> ConditionChange:
    return groups.last(told, "vote")


@pytest.mark.parametrize(
    ("m", "n", "lost", "silent_votes", "votes_needed"),
    [(2, 3, 1, 0, 1), (2, 2, 1, 0, 1), (3, 3, 1, 1, 2), (3, 3, 2, 0, 1), (2, 4, 1, 0, 1), (3, 4, 1, 1, 2)],
)  # fmt: skip
def test_degradation(m: int, n: int, lost: int, silent_votes: int, votes_needed: int) -> None:
    """2oo3 with one bad is 1oo2, 2oo2 is 1oo1, 3oo3 with two is 1oo1, 2oo4 is 1oo3."""
    told = story(n, m=m)
    for tag in range(n - lost + 1, n + 1):
        bad(told, 1, tag)
    all_at(told, 2, *[60.0] * silent_votes, *[20.0] * (n - lost - silent_votes))
    assert votes(told) == []
    all_at(told, 3, *[60.0] * votes_needed)
    assert votes(told) == [(1, votes_needed)]
    assert f"降级为 {max(1, m - lost)}oo{n - lost}" in last(told).text.zh


def test_bad_data_alone_says_nothing_and_with_all_bad_nothing_ends() -> None:
    told = story(2)
    told.read(1, 60.0, tag=1)
    bad(told, 2, 2)
    assert votes(told) == []  # 1oo1 now, but bad data never raises
    told.read(3, 60.0, tag=1)
    assert votes(told) == [(1, 1)]
    bad(told, 4, 1)
    bad(told, 100, 2)
    bad(told, 100, 1)
    told.pass_time(101, 200)
    assert votes(told) == [(1, 1)]
    told.read(201, 20.0, tag=2)
    assert votes(told) == [(1, 1), (0, 0)]


def test_a_bad_member_that_has_voted_counts_once() -> None:
    """Its vote stands, and it does not also lower what is needed: one detector alone cannot make 2oo3."""
    told = story(3)
    told.read(1, 60.0, tag=1)
    bad(told, 2, 1)
    all_at(told, 3, None, 20.0, 20.0)
    assert votes(told) == []
    told.read(4, 60.0, tag=2)
    assert votes(told) == [(1, 2)]


@pytest.mark.parametrize(("behind", "raised"), [(60, True), (61, False)])
def test_a_vote_counts_for_the_window(behind: int, raised: bool) -> None:
    told = story(3, tags=group(3, stale_s=1000.0))
    told.read(1, 60.0, tag=1)
    told.read(2, 20.0, tag=1)
    for second in range(3, behind + 1):
        told.read(second, 20.0, tag=3)
    told.read(1 + behind, 60.0, tag=2)
    assert bool(votes(told)) is raised


def test_clocks_an_hour_apart_agree_all_the_same() -> None:
    told = story(2)
    for second in (10, 11, 12):
        told.read(second, 60.0, tag=1, event=second - 3600)
        told.read(second, 60.0, tag=2, event=second + 3600)
    assert votes(told)[0] == (1, 2)
    assert last(told).subject == "CO-1"


def test_a_backlog_brings_together_only_what_was_together() -> None:
    """One batch with 10 min of readings: the first member at its limit at the beginning, the second at the end."""
    told = story(2, tags=group(2, stale_s=1000.0))
    told.tick(600)
    early = [(1, float(s), 60.0 if s < 20 else 20.0) for s in range(1, 600)]
    late = [(2, float(s), 60.0 if s > 580 else 20.0) for s in range(1, 600)]
    told.rows(601, sorted([*early, *late], key=lambda r: r[1]))
    assert votes(told) == []


def test_after_a_start_or_an_outage_nobody_is_taken_for_dead() -> None:
    told = Story(of=under("vote", group(3), {}))
    told.read(0, 60.0, tag=1)
    told.read(1, 60.0, tag=1)
    assert votes(told) == [] and not [c for c in told.said if c.rule == "vote" and c.level]
    all_at(told, 2, 20.0, 20.0, 20.0)
    told.read(900, 60.0, tag=1)
    told.read(901, 60.0, tag=1)
    assert votes(told) == []


def test_a_member_that_is_silent_while_others_are_heard_is_bad() -> None:
    told = story(3)  # stale_s is 15
    for second in range(1, 20):
        all_at(told, second, 60.0 if second > 2 else 20.0, 20.0)
    assert votes(told) == [(1, 1)]
    assert 15 <= at(last(told)) <= 17
    assert "CO-3 无效" in last(told).text.zh and "bad: CO-3" in last(told).text.en
    told.read(20, 20.0, tag=3)
    assert votes(told) == [(1, 1), (0, 1)]  # two votes are needed again


def test_a_late_reading_adds_its_vote_and_never_takes_one() -> None:
    told = story(2)
    told.read(10, 60.0, tag=1)
    told.read(12, 20.0, tag=2)
    told.read(13, 60.0, tag=2, event=8)
    assert votes(told) == [(1, 2)]
    assert last(told).basis == "late"
    told.read(14, 10.0, tag=1, event=9)
    assert votes(told) == [(1, 2)]


def test_inside_of_the_deadband_nothing_ends() -> None:
    told = story(2, window_s=10.0)
    all_at(told, 1, 60.0, 60.0)
    for second in range(2, 40):
        all_at(told, second, 49.0, 48.5)
    assert votes(told) == [(1, 2)]
    assert last(told).value is not None
    told.read(40, 47.9, tag=1)
    assert votes(told)[1:] == [(0, 0)]


def test_over_range_votes_at_both_levels() -> None:
    told = story(2)
    told.read(1, None, tag=1, quality=Quality.OVER_RANGE)
    told.read(2, 120.0, tag=2)
    assert votes(told) == [(2, 2)]


def test_a_member_without_a_second_limit_takes_no_part_in_that_vote() -> None:
    tags = [*group(2), gas_tag(3, limits=Limits(high=HIGH), deadband=2.0)]
    told = story(3, tags=tags, m=2)
    told.read(1, 90.0, tag=3)
    told.read(2, 90.0, tag=1)
    assert votes(told) == [(1, 2)]
    told.read(3, 90.0, tag=2)
    assert votes(told) == [(1, 2), (2, 2)]
    assert last(told).text.en == "2oo2 vote on the level 2 limit: CO-1, CO-2 voted"


def test_a_revision_that_puts_another_tag_into_a_place_takes_no_vote_along() -> None:
    tags = group(2)
    told = story(2, tags=tags)
    told.read(1, 60.0, tag=2)
    retired = msgspec.structs.replace(tags[1], retired=True)
    new = msgspec.structs.replace(gas_tag(3), deadband=2.0)
    told.activate(2, msgspec.structs.replace(under("vote", [tags[0], retired, new], {}), number=2))
    told.read(3, 60.0, tag=1)
    assert votes(told) == []
    told.read(4, 60.0, tag=3)
    assert votes(told) == [(1, 2)]


def test_delays_apply_to_the_result_of_the_vote() -> None:
    told = story(2, on_delay_s=3.0, off_delay_s=4.0, window_s=5.0)
    for second in range(1, 5):
        all_at(told, second, 60.0, 60.0)
    assert votes(told) == [(1, 2)] and at(last(told)) == 1
    for second in range(5, 20):
        all_at(told, second, 20.0, 20.0)
    assert votes(told) == [(1, 2), (0, 0)]
    assert (last(told).at_ns - START) / SECOND == 14  # votes lapse after second 9, and 4 s more


# Words and checks


def test_the_words() -> None:
    told = story(3)
    all_at(told, 1, 60.0, 60.0)
    assert last(told).text.zh == "2oo3 一级报警值表决：CO-1、CO-2 已投票"
    assert last(told).text.en == "2oo3 vote on the level 1 limit: CO-1, CO-2 voted"
    assert (last(told).limit, last(told).unit, last(told).level_name) == (2.0, "1", "high")
    bad(told, 2, 3)
    told.read(3, 90.0, tag=1)
    assert last(told).text.zh == "2oo3 二级报警值表决（降级为 1oo2）：CO-1 已投票；CO-3 无效"
    assert last(told).text.en == "2oo3 vote on the level 2 limit (now 1oo2): CO-1 voted; bad: CO-3"
    assert last(told).value == 1.0
    assert last(told).figures == {"members": 0b001, "bad": 0b100}
    for second in range(4, 70):
        all_at(told, second, 20.0, 20.0)
    assert last(told).text.zh == "CO-1、CO-2、CO-3 2oo3 表决：已恢复正常"


def test_a_standing_vote_without_votes_says_so() -> None:
    told = story(2, window_s=5.0)
    all_at(told, 1, 60.0, 60.0)
    for second in range(2, 40):
        all_at(told, second, 49.0, 49.0)
        told.tick(second)
    assert (last(told).basis, last(told).level) == ("restatement", 1)
    assert last(told).text.zh == "2oo2 一级报警值表决：目前无人投票，仍未解除"


def problems(tags: Sequence[Tag], **params: object) -> list[str]:
    return [str(p).removeprefix("rules[vote].") for p in check_rules(under("vote", list(tags), params))]


def test_every_problem_is_told_at_once() -> None:
    assert problems(group(3)) == []
    plain = Tag(number=1, name="T-1", enterprise="works", measure=Measure.TEMPERATURE, unit="degC", period_s=30.0)
    said = problems([plain, *group(3)[1:]], m=0, n=5, silent_s=2.0, on_delay_s=-1.0, off_delay_s=float("nan"))
    assert list(dict.fromkeys(line.split(":")[0] for line in said)) == [
        "params.m",
        "tags",
        "params.window_s",
        "params.silent_s",
        "params.on_delay_s",
        "params.off_delay_s",
        "params.n",
    ]
    assert "T-1 has no limit on the high side" in said[1]
    assert said[2].endswith("three periods or more: 90")
    assert "0oo5 needs 5 tags of cell 'works', but there are 3" in said[-1]


def test_groups_that_can_never_agree_are_told() -> None:
    assert "4 votes are needed, but cell 'works' has 3" in problems(group(3), m=4)[0]
    assert "4 of 3 can never be reached" in problems(group(3), m=4, n=3)[0]
    assert "more than the 16 that can vote" in problems(group(17))[0]
    assert problems(group(3), side="low")[0].startswith("tags: CO-1 has no limit on the low side")
    assert "Invalid enum value" in problems(group(3), side="up")[0]


def test_a_cell_with_a_single_tag_has_no_vote_unless_their_number_is_given() -> None:
    tags = [*group(3)[:2], gas_tag(3, cell="elsewhere")]
    assert problems(tags) == []
    assert "cell 'elsewhere', but there are 1: CO-3" in problems(tags, n=2)[0]
    assert list(KIND.plan(tags[2:], Params())) == []


@pytest.mark.parametrize(
    ("m", "n", "beta", "pfd"),
    [
        (1, 1, 0.0, 4.38e-3),
        (1, 2, 0.0, 2.558e-5),
        (2, 2, 0.0, 8.76e-3),
        (2, 3, 0.0, 7.674e-5),
        (2, 3, 0.1, 5.00157e-4),
        (1, 3, 0.0, 0.00876**3 / 4),
        (2, 4, 0.0, 0.00876**3),
        (3, 4, 0.0, 2 * 0.00876**2),
    ],
)
def test_what_a_choice_of_vote_costs(m: int, n: int, beta: float, pfd: float) -> None:
    """A rate of 1e-6/h, tested once a year: the common cause governs 2oo3."""
    assert failure_on_demand(m, n, 1e-6, 8760.0, beta) == pytest.approx(pfd, rel=1e-3)


def test_no_vote_of_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="3 of 2 is no vote"):
        failure_on_demand(3, 2, 1e-6, 8760.0)
