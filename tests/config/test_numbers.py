"""Tag numbers: kept by name and cell, never reused; whatever happens, the next revision may follow the one before."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.config.numbers import numbered, renumbered
from schemas.checks import changed
from schemas.registry import Measure, Park, Revision, Tag


def tag(name: str, cell: str = "c") -> Tag:
    return Tag(number=0, name=name, enterprise="e", measure=Measure.OTHER, unit="1", cell=cell)


def revision(*tags: Tag, number: int = 1, previous: Revision | None = None) -> Revision:
    return Revision(number=number, parks=(Park(id="p"),), tags=numbered(tags, previous))


def numbers(of: Revision) -> dict[str, int]:
    return {t.name: t.number for t in of.tags if not t.retired}


def test_a_first_revision_counts_from_one() -> None:
    assert numbers(revision(tag("B"), tag("A"))) == {"B": 1, "A": 2}


def test_order_and_other_columns_change_no_number() -> None:
    first = revision(tag("A"), tag("B"))
    second = revision(tag("B"), msgspec.structs.replace(tag("A"), unit="%"), number=2, previous=first)
    assert numbers(second) == {"B": 2, "A": 1}


def test_a_tag_that_is_gone_is_retired_and_its_number_never_comes_back() -> None:
    first = revision(tag("A"), tag("B"))
    second = revision(tag("A"), number=2, previous=first)
    third = revision(tag("A"), tag("B"), tag("C"), number=3, previous=second)
    assert numbers(second) == {"A": 1} and numbers(third) == {"A": 1, "B": 3, "C": 4}
    assert [(t.name, t.number) for t in third.tags if t.retired] == [("B", 2)]


def test_a_tag_that_moves_to_another_cell_gets_a_new_number() -> None:
    first = revision(tag("A"), tag("B"))
    second = revision(tag("A", "other"), tag("B"), number=2, previous=first)
    assert numbers(second) == {"A": 3, "B": 2}
    assert [(t.name, t.number, t.cell) for t in second.tags if t.retired] == [("A", 1, "c")]


def test_the_same_content_again_is_the_same_revision() -> None:
    first = revision(tag("A"), tag("B"))
    again = renumbered(revision(tag("A"), tag("B")), first)
    assert again.tags == first.tags and again.number == 2


lists = st.lists(
    st.builds(tag, st.sampled_from("ABCDEF"), st.sampled_from(["c", "d"])), max_size=6, unique_by=lambda t: t.name
)


@given(st.lists(lists, min_size=2, max_size=8))
def test_any_history_is_allowed(history: list[list[Tag]]) -> None:
    before = revision(*history[0])
    seen: dict[int, tuple[str, str]] = {}
    for tags in history[1:]:
        after = renumbered(revision(*tags), before)
        assert changed(before, after) == ()
        assert len({t.number for t in after.tags}) == len(after.tags)
        for one in after.tags:
            assert seen.setdefault(one.number, (one.name, one.cell)) == (one.name, one.cell)
        before = after
