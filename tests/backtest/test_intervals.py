"""Sets of time against sets of whole numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.intervals import Interval, common, total, touches, union, within, without
from tests.laws.settings import traces

pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=9)


def moments(of: list[Interval]) -> set[int]:
    """The unit steps that the pairs cover."""
    return {at for begin, end in of for at in range(begin, end)}


@given(pairs, pairs)
@traces(300)
def test_against_sets(first: list[Interval], second: list[Interval]) -> None:
    one, other = union(first), union(second)
    assert moments(one) == moments(first)
    assert total(one) == len(moments(first))
    assert all(a[1] < b[0] for a, b in pairwise(one))
    assert moments(without(one, other)) == moments(first) - moments(second)
    assert moments(within(first, 5, 30)) == moments(first) & set(range(5, 30))
    assert common(one, other) == len(moments(first) & moments(second))
    for begin, end in second:
        assert touches(one, begin, end) is any(a <= end and b >= begin for a, b in first)
