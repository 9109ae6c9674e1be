"""Members of groups that come and go by a revision: what the others said stays (LAWS R1). Kinds come from the scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.figures import mask_after, place_after
from rules.kinds import Example, Kind, kinds
from schemas.quality import Quality
from schemas.registry import Limits, Measure, Revision, Rule, Tag
from tests.laws.settings import traces as laws
from tests.laws.traces import gas_tag, revision
from tests.rules.helpers import Story
from tests.rules.kinds.groups import group, last, under

WIND = {Measure.WIND_SPEED: 3.0, Measure.WIND_DIRECTION: 270.0}
STEADY, LOUD, QUIET, BAD = range(4)


GROUPS = [kind for kind in kinds().values() if kind.moved is not None]
every_group = pytest.mark.parametrize("kind", GROUPS, ids=[k.name for k in GROUPS])


def test_the_scan_finds_the_groups() -> None:
    assert {k.name for k in GROUPS} >= {"vote", "zone", "risk", "dispersion", "mixture"}


def quiet(tag: Tag) -> float:
    low = tag.limits.low is not None or tag.limits.low_low is not None
    return WIND.get(tag.measure, ((tag.range_low or 0.0) + (tag.range_high or 0.0)) / 2 if low else 0.0)


def loud(tag: Tag) -> float:
    high = tag.limits.high_high if tag.limits.high_high is not None else tag.limits.high
    if high is not None:
        return 1.05 * high
    return (tag.range_low if tag.limits.low is not None else tag.range_high) or 0.0


def revised(kind: Kind, example: Example, tags: Sequence[Tag], number: int) -> Revision:
    """No delays, so that a level can be compared at once."""
    params = dict(example.params)
    params |= {name: 0.0 for name in ("on_delay_s", "off_delay_s") if name in kind.params.__struct_fields__}
    rule = Rule(id=kind.name, kind=kind.name, params=params)
    return msgspec.structs.replace(revision(*tags, number=number), rules=(rule,))


@dataclass(frozen=True)
class Drawn:
    """Steps are (tag's place among `before`, what it reads, seconds); the step number `at` is the first after the
    revision. `leaves` never reads but quietly; `witness` is one of those that stay."""

    example: Example
    before: list[Tag]
    after: list[Tag]
    leaves: Tag | None
    joins: Tag | None
    witness: Tag
    steps: list[tuple[int, int, float]]
    at: int
    ends: list[bool]


def drawn(kind: Kind) -> st.SearchStrategy[Drawn]:
    @st.composite
    def draw_one(draw: st.DrawFn) -> Drawn:
        example = draw(st.sampled_from(kind.examples))
        # twice the members, so that some can go; the first one names the condition and stays
        members = [t for t in example.tags if t.measure not in WIND]
        tags = [*members, *(msgspec.structs.replace(t, name=f"{t.name}x") for t in members)]
        tags += [t for t in example.tags if t.measure in WIND]
        before = [
            msgspec.structs.replace(t, number=10 * n, enterprise="works", hazard_source="", equipment="")
            for n, t in enumerate(tags, 1)
        ]
        count = 2 * len(members)
        leaves = draw(st.none() | st.sampled_from(before[1:count]))
        joins = None
        if leaves is None or draw(st.booleans()):
            like = leaves or draw(st.sampled_from(before[1:count]))
            near = draw(st.sampled_from(before))
            joins = msgspec.structs.replace(like, number=near.number + 5, name="NEW")
        after = [t for t in before if t is not leaves] + ([joins] if joins else [])
        witness = draw(st.sampled_from([t for t in before[:count] if t is not leaves]))
        steps = draw(
            st.lists(
                st.tuples(
                    st.integers(0, len(before) - 1),
                    st.sampled_from([LOUD, LOUD, QUIET, BAD]),
                    st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 10.0]),
                ),
                min_size=1,
                max_size=30,
            )
        )
        ends = draw(st.lists(st.booleans(), min_size=len(after), max_size=len(after)))
        return Drawn(example, before, after, leaves, joins, witness, steps, draw(st.integers(0, len(steps))), ends)

    return draw_one()


def read(story: Story, second: float, tag: Tag, what: int) -> None:
    if what == BAD:
        story.read(second, None, tag=tag.number, quality=Quality.SENSOR_FAILURE)
    else:
        story.read(second, loud(tag) if what == LOUD else quiet(tag), tag=tag.number)


def state(story: Story, kind: Kind) -> Mapping[tuple[str, str], tuple[int, float]]:
    """(level, value) of every condition of the kind."""
    found = next(e for e in story.fold.standing.evaluators if e.id == kind.name)
    return {
        w.key: (max(0, int(found.conditions[c]["stated"])), found.value(c) or 0.0)
        for c, w in enumerate(found.compiled.watched)
    }


def waited(second: float, *stories: Story) -> None:
    """A record brings a partition's clock forward by 10 s at most: without a tick first, a record more in one of the
    stories, such as the revision, would set their clocks apart."""
    for story in stories:
        story.tick(second)


def begun(stories: Sequence[Story], case: Drawn) -> None:
    for story in stories:
        for tag in case.before:
            story.read(0, quiet(tag), tag=tag.number)


@every_group
def test_members_that_come_and_go_lower_nothing(kind: Kind) -> None:
    """The level is at least that of the group as it was, where the one that leaves goes on reading quietly. What stands
    stands right after the revision as well.

    A bad reading alone changes no level: the next usable one of any member judges. So the old group may rise sooner, at
    a reading of the one that leaves, which the new group does not get. That is permitted and nothing else: at every
    step a witness among those that stay reads quietly in both groups, just before the one that leaves does in the old
    one, so that both are judged equally often. Where none leaves there is no witness, and all may be bad.
    """

    @laws(150)
    @given(drawn(kind))
    def law(case: Drawn) -> None:
        kept = Story(of=revised(kind, case.example, case.before, 1))
        changed = Story(of=revised(kind, case.example, case.before, 1))
        begun((kept, changed), case)
        now = 0.0
        for n, (place, what, wait) in enumerate([*case.steps, (0, BAD, 0.0)]):
            now += wait
            waited(now, kept, changed)
            if n == case.at:
                stood = state(changed, kind)
                said = changed.activate(now, revised(kind, case.example, case.after, 2))
                assert not [c for c in said if c.rule == kind.name and c.basis == "retired"]
                stands = state(changed, kind)
                for key in stood.keys() & stands.keys():
                    assert stands[key][0] >= stood[key][0], (key, "at the revision")
            tag = case.before[place]
            if tag is not case.leaves:
                read(kept, now, tag, what)
                read(changed, now, tag, what)
            if case.leaves is not None:
                read(kept, now, case.witness, QUIET)
                read(changed, now, case.witness, QUIET)
                read(kept, now, case.leaves, QUIET)
                if n < case.at:
                    read(changed, now, case.leaves, QUIET)
            was, levels = state(kept, kind), state(changed, kind)
            for key in was.keys() & levels.keys():
                assert levels[key][0] >= was[key][0], (key, n)

    law()


@every_group
def test_a_changed_group_becomes_one_that_never_changed(kind: Kind) -> None:
    @laws(100)
    @given(drawn(kind))
    def law(case: Drawn) -> None:
        changed = Story(of=revised(kind, case.example, case.before, 1))
        twin = Story(of=revised(kind, case.example, case.after, 2))
        begun((changed,), case)
        for tag in case.before:
            if tag is not case.leaves:
                twin.read(0, quiet(tag), tag=tag.number)
        now = 0.0
        for n, (place, what, wait) in enumerate([*case.steps, (0, QUIET, 0.0)]):
            now += wait
            waited(now, changed, twin)
            if n == case.at:
                changed.activate(now, revised(kind, case.example, case.after, 2))
            tag = case.before[place]
            if tag is not case.leaves or n < case.at:
                read(changed, now, tag, what)
            if tag is not case.leaves:
                read(twin, now, tag, what)
        for ends in (case.ends, [True] * len(case.ends), [False] * len(case.ends)):
            now += 400.0  # what voted before votes no more
            for _ in range(3):
                now += 11.0
                for tag, is_loud in zip(case.after, ends, strict=True):
                    for story in (changed, twin):
                        read(story, now, tag, LOUD if is_loud and tag.measure not in WIND else QUIET)
            mine, its = state(changed, kind), state(twin, kind)
            assert mine.keys() == its.keys()
            for key in mine:
                assert mine[key][1] == pytest.approx(its[key][1], rel=1e-9, nan_ok=True)
                if len(set(ends)) == 1:
                    assert mine[key][0] == its[key][0]

    law()


# Stories


def test_a_fourth_detector_does_not_end_a_vote() -> None:
    told = Story(of=under("vote", group(3), {"m": 2}))
    for tag in (1, 2, 3):
        told.read(0, 20.0, tag=tag)
    told.read(1, 90.0, tag=1)
    told.read(2, 90.0, tag=2)
    assert last(told, "vote").level == 2
    told.activate(3, msgspec.structs.replace(under("vote", group(4), {"m": 2}), number=2))
    told.read(4, 0.0, tag=3)
    assert last(told, "vote").level == 2
    told.read(70, 20.0, tag=1)
    assert last(told, "vote").level == 0


def test_a_vote_that_a_bad_member_makes_enough_waits_for_a_reading_of_those_that_stayed() -> None:
    """Found by the law above: the old group rises at a reading of the detector that the new one has no more."""
    kept, changed = (Story(of=under("vote", group(6), {"m": 2})) for _ in range(2))
    for told in (kept, changed):
        for tag in range(1, 7):
            told.read(0, 0.0, tag=tag)
    without = [t for t in group(6) if t.number != 3]
    changed.activate(0, msgspec.structs.replace(under("vote", without, {"m": 2}), number=2))
    for told in (kept, changed):
        told.read(1, 90.0, tag=1)
        told.read(1, None, tag=2, quality=Quality.SENSOR_FAILURE)
        assert last(told, "vote").level == 0, "a bad reading alone changes no level"
    kept.read(1, 0.0, tag=3)
    changed.read(1, 0.0, tag=4)
    for told in (kept, changed):
        assert last(told, "vote").level == 2


def test_what_stands_stays_when_all_that_are_left_are_bad() -> None:
    told = Story(of=under("vote", group(4), {"m": 2}))
    for tag in (1, 2, 3, 4):
        told.read(0, 20.0, tag=tag)
    told.read(1, 90.0, tag=1)
    told.read(1, 90.0, tag=2)
    without = [t for t in group(4) if t.number != 3]
    told.activate(2, msgspec.structs.replace(under("vote", without, {"m": 2}), number=2))
    for second in range(2, 90):
        for tag in (1, 2, 4):
            told.read(second, None, tag=tag, quality=Quality.SENSOR_FAILURE)
    assert last(told, "vote").level == 2


def test_a_new_detector_is_silent_only_when_its_time_is_over() -> None:
    told = Story(of=under("vote", group(2), {"m": 2}))
    tags = group(3)
    for second in range(30):
        for tag in (1, 2):
            told.read(second, 20.0, tag=tag)
    told.activate(30, msgspec.structs.replace(under("vote", tags, {"m": 2}), number=2))
    told.read(31, 60.0, tag=1)
    assert last(told, "vote").level == 0, "2oo3 with a third that was not heard yet needs two"
    told.read(31, 20.0, tag=1)
    for second in range(32, 120):
        for tag in (1, 2):
            told.read(second, 20.0, tag=tag)
    told.read(120, 60.0, tag=1)
    assert last(told, "vote").level == 1, "the third one is silent, so one of two is enough"


def test_a_risk_keeps_what_a_silent_detector_said_last() -> None:
    tags = [gas_tag(n, deadband=2.0) for n in (1, 2, 3)]
    told = Story(of=under("risk", tags[:2], {"off_delay_s": 0.0}))
    for tag in (1, 2):
        told.read(0, 0.0, tag=tag)
    told.read(1, 90.0, tag=2)
    assert last(told, "risk").level == 4
    told.activate(2, msgspec.structs.replace(under("risk", tags, {"off_delay_s": 0.0}), number=2))
    for second in range(3, 40):
        told.read(second, 0.0, tag=1)
    assert last(told, "risk").level == 4


def test_a_new_gas_point_does_not_make_up_for_those_that_are_missing() -> None:
    level = Tag(
        number=9, name="LT", enterprise="works", measure=Measure.LEVEL, unit="m", range_low=0.0, range_high=10.0,
        limits=Limits(high=8.0, high_high=9.0),
    )  # fmt: skip
    first = level, gas_tag(10)
    told = Story(of=under("risk", list(first), {"off_delay_s": 0.0}))
    told.read(0, 5.0, tag=9)
    told.read(0, 0.0, tag=10)
    for second in range(1, 30):
        told.read(second, 5.0, tag=9)
    assert last(told, "risk").level == 2, "no gas point works"
    told.activate(30, msgspec.structs.replace(under("risk", [*first, gas_tag(11)], {"off_delay_s": 0.0}), number=2))
    told.read(30, 5.0, tag=9)
    told.read(31, 5.0, tag=9)
    assert last(told, "risk").level == 2


def test_a_detector_that_is_replaced_does_not_keep_a_screening_up() -> None:
    wind = [Tag(number=n, name=m.value, enterprise="works", measure=m, unit=u)
            for n, m, u in ((21, Measure.WIND_SPEED, "m/s"), (22, Measure.WIND_DIRECTION, "deg"))]  # fmt: skip
    tags = [gas_tag(n, deadband=2.0, x_m=10.0 * n, y_m=0.0) for n in (1, 2, 3)]
    told = Story(of=under("dispersion", [*tags[:2], *wind], {}))
    told.read(0, 20.0, tag=1)
    told.read(1, 90.0, tag=2)
    assert last(told, "dispersion").level == 1
    told.activate(2, msgspec.structs.replace(under("dispersion", [tags[0], tags[2], *wind], {}), number=2))
    told.read(3, 20.0, tag=1)
    assert last(told, "dispersion").level == 0


def test_a_vote_that_is_said_again_names_the_same_detectors() -> None:
    """Places shift when a detector goes; the figures of what stands shift with them."""
    told = Story(of=under("vote", group(4), {"m": 2}))
    for tag in (1, 2, 3, 4):
        told.read(0, 20.0, tag=tag)
    told.read(1, 60.0, tag=3)
    told.read(2, 60.0, tag=4)
    assert last(told, "vote").figures["members"] == 0b1100
    tags = [t for t in group(4) if t.number != 2]
    told.activate(3, msgspec.structs.replace(under("vote", tags, {"m": 2}), number=2))
    told.pass_time(4, 40, beats=False)
    again = last(told, "vote")
    assert again.basis == "restatement" and again.figures["members"] == 0b110
    assert "CO-3, CO-4 voted" in again.text.en


def test_figures_move_with_the_tags() -> None:
    places, nan = (0, 3, -1, 1), float("nan")
    assert [mask_after(mask, places) for mask in (0b1010, 0b0101)] == [0b1010, 0b0001]
    assert place_after(3.0, places) == 1.0
    np.testing.assert_equal([place_after(2.0, places), place_after(nan, places), mask_after(nan, places)], [nan] * 3)


def test_a_ring_of_members_says_so() -> None:
    """A kind that forgot `moved` would lose its members' words with every revision. What belongs to a model (`stamp`)
    is no group: its model names its inputs."""
    for kind in kinds().values():
        names = (kind.window_dtype.names or ()) if kind.window_dtype is not None else ()
        assert (kind.moved is not None) == ("number" in names and "stamp" not in names), kind.name
