"""Kind `sequence`: against every chain there is, and the stories of order, clocks and late readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given

from rules.rulebook import check_rules
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Tag
from schemas.time import seconds
from tests.laws.settings import traces as laws
from tests.laws.traces import RANGE_HIGH, Trace, fold_all, gas_tag, level_tag
from tests.rules.helpers import Story
from tests.rules.kinds import groups
from tests.rules.kinds.groups import LEVELS, Heard, Ladder, bad, group, heard, placed, traces, under

# The slow reference: all that ever happened is kept, and every chain of it is looked at


class SlowSequence:
    """`steps` are (member, level) of CO detectors on the high side."""

    def __init__(self, steps: Sequence[tuple[int, int]], within_s: float) -> None:
        self.steps, self.within = steps, seconds(within_s)
        self.happened: list[list[int]] = [[] for _ in steps]
        self.inside = [False for _ in steps]
        self.ladder = Ladder(on=[False])

    def row(self, row: Heard) -> int | None:
        number = row.value == row.value
        usable = number and row.quality < 128
        over = row.quality == Quality.OVER_RANGE or (usable and row.value > RANGE_HIGH)
        good = row.live and row.quality < 64 and number and -0.0125 * RANGE_HIGH <= row.value <= RANGE_HIGH
        complete = False
        mine = [k for k, (member, _) in enumerate(self.steps) if member == row.member]
        for k in mine:
            limit = LEVELS[self.steps[k][1]]
            if good and row.value < limit - 2:
                self.inside[k] = False
            if (over or (usable and row.value >= limit)) and not self.inside[k]:
                self.inside[k] = row.live
                self.happened[k].append(row.at)
                complete = complete or any(True for _ in self.chains(k, row.at))
        if not mine or not (usable or over):
            return None
        return self.ladder.judged([complete], [not self.inside[-1]], good)

    def chains(self, k: int, at: int) -> Iterator[list[int]]:
        """Every chain of all steps with step k at `at`."""

        def begun(step: int, chain: list[int]) -> Iterator[list[int]]:
            if step == len(self.steps):
                yield chain
                return
            for time in [at] if step == k else self.happened[step]:
                if not chain or 0 <= time - chain[-1] <= self.within:
                    yield from begun(step + 1, [*chain, time])

        return begun(0, [])


def in_order(trace: Trace) -> Trace:
    """The same with true clocks: every reading is of the moment at which it comes."""
    for entry in trace.entries:
        if entry.batch is not None:
            entry.batch.event_ns[:] = entry.append_ns
    return trace


STEPS = {
    ("CO-1", "CO-2"): [(0, 1), (1, 1)],
    ("CO-1", "CO-2:high_high", "CO-3"): [(0, 1), (1, 2), (2, 1)],
    ("CO-2", "CO-2:high_high", "CO-1"): [(1, 1), (1, 2), (0, 1)],
}


@pytest.mark.parametrize("order", STEPS)
def test_it_finds_every_chain_that_there_is(order: tuple[str, ...]) -> None:
    of = under("sequence", group(3), {"order": list(order), "within_s": 8.0})

    @laws(80)
    @given(traces(of))
    def law(drawn: Trace) -> None:
        rows, said = heard(in_order(drawn), "sequence")
        slow = SlowSequence(STEPS[order], 8.0)
        wanted = [(row.place, level) for row in rows if (level := slow.row(row)) is not None]
        assert list(placed(said)) == wanted

    law()


@laws(80)
@given(traces(under("sequence", group(3), {"order": ["CO-1", "CO-2:high_high", "CO-3"], "within_s": 8.0})))
def test_it_finds_no_chain_that_there_is_not(trace: Trace) -> None:
    """With late readings and clocks that differ an older chain may be missed, but never invented."""
    rows, said = heard(trace, "sequence")
    at_row = {row.place: row for row in rows}
    raised = {place for place, level in placed(said) if level}
    slow, complete = SlowSequence([(0, 1), (1, 2), (2, 1)], 8.0), set()
    for place, row in at_row.items():
        before = [len(h) for h in slow.happened]
        slow.row(row)
        for k, count in enumerate(before):
            if any(any(True for _ in slow.chains(k, t)) for t in slow.happened[k][count:]):
                complete.add(place)
    assert raised <= complete


@laws(60)
@given(traces(under("sequence", group(3), {"order": ["CO-1", "CO-2"]})))
def test_the_tags_own_limits_stay_as_they_are(trace: Trace) -> None:
    plain = replace(trace, revision=msgspec.structs.replace(trace.revision, rules=()))
    assert [c for c in fold_all(trace) if c.rule != "sequence" and c.subject != "sequence"] == fold_all(plain)


# Stories


def story(*order: str, tags: Sequence[Tag] = (), **params: object) -> Story:
    return groups.story("sequence", list(tags) or group(3), order=list(order), **params)


def last(told: Story) -> ConditionChange:
    return groups.last(told, "sequence")


def seen(told: Story) -> list[tuple[int, float | None]]:
    """(level, seconds) of every change that is no first word."""
    return [(c.level, c.value) for c in told.said if c.rule == "sequence" and c.basis not in ("first", "restatement")]


@pytest.mark.parametrize(("gap", "raised"), [(0.0, True), (8.0, True), (8.001, False)])
def test_the_second_within_the_time_of_the_first(gap: float, raised: bool) -> None:
    told = story("CO-1", "CO-2", within_s=8.0)
    told.read(10, 60.0, tag=1)
    told.read(10 + gap, 60.0, tag=2)
    assert seen(told) == ([(1, gap)] if raised else [])


def test_what_lasts_is_no_new_step_and_what_comes_again_is() -> None:
    told = story("CO-1", "CO-2", within_s=8.0)
    for second in range(1, 30):
        told.read(second, 60.0, tag=1)
    told.read(30, 60.0, tag=2)
    assert seen(told) == []  # the first happened 29 s ago, though it still lasts
    told.read(31, 49.0, tag=1)  # inside of the deadband
    told.read(32, 60.0, tag=1)
    told.read(33, 20.0, tag=2)
    told.read(34, 60.0, tag=2)
    assert seen(told) == []
    told.read(35, 20.0, tag=1)
    told.read(36, 60.0, tag=1)
    told.read(37, 20.0, tag=2)
    told.read(38, 60.0, tag=2)
    assert seen(told) == [(1, 2.0)]


def test_a_newer_cause_that_leads_nowhere_does_not_undo_an_older_one() -> None:
    told = story("CO-1", "CO-2", "CO-3", within_s=15.0)
    told.read(1, 60.0, tag=1)
    told.read(10, 60.0, tag=2)
    told.read(15, 20.0, tag=1)
    told.read(16, 60.0, tag=1)
    told.read(22, 60.0, tag=3)
    assert seen(told) == [(1, 12.0)]
    assert last(told).text.zh.endswith("先后发生，最长间隔 12 秒（设定 15 秒内）")


def test_event_times_put_the_steps_in_order() -> None:
    told = story("CO-1", "CO-2", within_s=8.0)
    told.read(10, 60.0, tag=2, event=9)
    told.read(12, 60.0, tag=1, event=7)  # came last, was first
    assert seen(told) == [(1, 2.0)]
    told = story("CO-1", "CO-2", within_s=8.0)
    told.read(10, 60.0, tag=1, event=9)
    told.read(12, 60.0, tag=2, event=7)
    assert seen(told) == []


def test_a_late_reading_may_be_the_missing_step() -> None:
    told = story("CO-1", "CO-2", within_s=8.0)
    told.read(10, 20.0, tag=1)
    told.read(11, 60.0, tag=2)
    told.read(12, 60.0, tag=1, event=9)
    assert seen(told) == [(1, 2.0)] and last(told).basis == "late"


def test_a_clock_that_is_an_hour_off_counts_at_arrival() -> None:
    told = story("CO-1", "CO-2", within_s=8.0)
    told.read(20, 60.0, tag=1, event=20 - 3600)
    told.read(25, 60.0, tag=2)
    assert seen(told) == [(1, 5.0)]


def test_bad_data_is_no_step_and_ends_nothing() -> None:
    told = story("CO-1", "CO-2")
    told.read(1, 60.0, tag=1)
    told.read(2, 60.0, tag=2, quality=Quality.BAD)
    assert seen(told) == []
    told.read(3, 60.0, tag=2)
    bad(told, 4, 2)
    told.read(5, 20.0, tag=1)
    told.read(6, 20.0, tag=2, quality=Quality.UNCERTAIN)
    assert seen(told) == [(1, 2.0)]
    told.read(7, 20.0, tag=2)
    assert [level for level, _ in seen(told)] == [1, 0]


def test_over_range_and_the_low_side_are_steps() -> None:
    told = story("L-2:low", "CO-1:high_high", tags=[gas_tag(1), level_tag(2, link="ingest")])
    told.read(1, 10.0, tag=2)
    told.read(3, None, tag=1, quality=Quality.OVER_RANGE)
    assert seen(told) == [(1, 2.0)]
    assert (last(told).subject, last(told).side, last(told).unit, last(told).limit) == ("L-2", "high", "s", 60.0)


def test_a_revision_with_other_steps_begins_anew() -> None:
    told = story("CO-1", "CO-2")
    told.read(1, 60.0, tag=1)
    changed = under("sequence", group(3), {"order": ["CO-1:high_high", "CO-2"]})
    told.activate(2, msgspec.structs.replace(changed, number=2))
    told.read(3, 60.0, tag=2)
    assert seen(told) == []
    told.read(4, 90.0, tag=1)
    told.read(5, 20.0, tag=2)
    told.read(6, 60.0, tag=2)
    assert seen(told) == [(1, 2.0)]


def test_the_words() -> None:
    told = story("CO-1", "CO-2:high_high")
    told.read(1, 60.0, tag=1)
    told.read(13, 90.0, tag=2)
    steps = "CO-1 一氧化碳 一级报警值 → CO-2 一氧化碳 二级报警值"
    assert last(told).text.zh == f"{steps}：先后发生，间隔 12 秒（设定 60 秒内）"
    assert last(told).text.en.endswith("level 2 limit: one after the other, 12 s apart (within 60 s)")
    told.read(14, 20.0, tag=2)
    assert last(told).text.zh == f"{steps}：已恢复正常"


def problems(tags: Sequence[Tag], **params: object) -> list[str]:
    return [str(p).removeprefix("rules[sequence].") for p in check_rules(under("sequence", list(tags), params))]


def test_every_problem_is_told_at_once() -> None:
    assert problems(group(3), order=["CO-1", "CO-2"]) == []
    assert problems(group(3)) == ["params.order: 0 steps make no sequence; 2 to 6 steps"]
    said = problems(group(3), order=["CO-1:low", "CO-2:top", "CO-9"], within_s=2.0, off_delay_s=-1.0)
    assert [line.split(":")[0] for line in said] == [
        "params.order[1]",
        "params.order[2]",
        "params.within_s",
        "params.off_delay_s",
        "params.within_s",
        "params.order",
    ]
    assert "CO-1 has no low limit" in said[0] and "there is no limit 'top'" in said[1]
    assert "CO-9 is no tag of this rule in cell 'works'" in said[-1]
    assert "nan is no length of time" in problems(group(2), order=["CO-1", "CO-2"], within_s=float("nan"))[0]


def test_steps_in_two_cells_are_told_and_other_cells_are_none_of_its_business() -> None:
    tags = [*group(2), gas_tag(3, cell="elsewhere")]
    assert problems(tags, order=["CO-1", "CO-2"]) == []
    said = problems(tags, order=["CO-1", "CO-3"])
    assert len(said) == 2 and "CO-3 is no tag of this rule in cell 'works'" in said[0]
