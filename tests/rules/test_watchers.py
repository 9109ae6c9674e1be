"""A record asks the rules that watch its tags, and dividing rules over their tags changes nothing that is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.bench.rules.plant import START, divided, mix
from rules.engine import Fold
from rules.rulebook import compile_rules
from rules.watchers import Watchers
from schemas.batch import Batch
from schemas.time import SECOND
from tests.laws.settings import traces as laws

TAGS = 100
WHOLE, PARTS = mix(TAGS), divided(mix(TAGS))

rows = st.lists(st.tuples(st.integers(0, TAGS - 1), st.sampled_from((1.0, 5.0, 18.0, 30.0, 60.0))), max_size=12)


@laws(300)
@given(st.lists(st.integers(-1, TAGS - 1), max_size=40), st.integers(0, 40))
def test_the_rules_of_the_rows_are_found_in_their_order(index: list[int], n: int) -> None:
    n = min(n, len(index))
    rules = compile_rules(PARTS, 0, 1).rules
    wanted = [p for p, r in enumerate(rules) if any(j >= 0 and r.first[j + 1] > r.first[j] for j in index[:n])]
    assert Watchers(rules, TAGS).of(n, np.array(index, np.int32)) == wanted


def test_nothing_to_watch_is_nothing_to_ask() -> None:
    assert Watchers((), 0).of(0, np.empty(0, np.int32)) == []
    assert Watchers((), 3).of(2, np.array([0, 2], np.int32)) == []


@laws(60)
@given(st.lists(st.tuples(st.integers(1, 90), rows), min_size=5, max_size=40))
def test_rules_that_are_divided_over_their_tags_say_the_same(steps: list[tuple[int, list[tuple[int, float]]]]) -> None:
    said = []
    for revision in (WHOLE, PARTS):
        fold, now, found = Fold(compile_rules(revision, 0, 1), 0, 1), START, []
        for wait, drawn in steps:
            now += wait * SECOND
            tag = np.array([WHOLE.tags[place].number for place, _ in drawn], np.int32)
            value, n = np.array([value for _, value in drawn], np.float64), len(drawn)
            batch = Batch(tag, np.full(n, now), value, np.zeros(n, np.int16), np.zeros(n, np.int64))
            changes = fold.apply_readings(fold.next_offset, now, batch)
            found.append(
                sorted(
                    (c.rule.split(".")[0], c.subject, str(c.side), c.level, c.onset_ns, c.since_ns, str(c.basis))
                    for c in changes
                    if c.rule != "rule"  # the faults of the rules themselves carry their names
                )
            )
        said.append(found)
    assert said[0] == said[1]
