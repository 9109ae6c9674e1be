"""What a heartbeat may do to the conditions of every kind that hears it: it judges its own link's, all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.evaluator import Evaluator
from rules.kinds import Example, Kind
from schemas.quality import Quality
from schemas.registry import Revision, Rule
from tests.laws.settings import traces as laws
from tests.laws.test_rules_kinds import asks_any_cell, each, values_of
from tests.laws.traces import revision, rulebook
from tests.rules.helpers import Story

LINKS = ("a", "b", "a")
"""Of the three tags: those of the first link do not lie side by side."""

every_listener = each(lambda kind: kind.beat is not None)


def _example(kind: Kind) -> Example:
    """The first that looks at one tag, and in which a heartbeat matters."""
    found = (e for e in kind.examples if len(e.tags) == 1 and asks_any_cell(e))
    return next(e for e in found if kind.name != "limits_by_state" or "warm_up_s" in e.params)


def on_links(kind: Kind) -> Revision:
    """Three tags like the first of the kind's example, over two links, under one rule."""
    example = _example(kind)
    tags = [
        msgspec.structs.replace(
            example.tag,
            number=number,
            name=f"T-{number}",
            link=link,
            enterprise="works",
            hazard_source="",
            equipment="",
        )
        for number, link in enumerate(LINKS, 1)
    ]
    rule = Rule(id=kind.name, kind=kind.name, tags=("T-*",), params=dict(example.params))
    return msgspec.structs.replace(revision(*tags), rules=(rule,))


class Listener:
    """A story of such a rule, whose `beat` can be made to throw after its work."""

    def __init__(self, kind: Kind) -> None:
        self.throws = False
        heard = kind.beat
        assert heard is not None

        def beat(*args: object) -> int:
            changes: int = heard(*args)
            if self.throws:
                raise ArithmeticError("planted")
            return changes

        book = rulebook(on_links(kind))
        planted = [replace(r, kind=replace(r.kind, beat=beat)) if r.rule.id == kind.name else r for r in book.rules]
        self.story = Story()
        self.story.fold = Fold(replace(book, rules=tuple(planted)), 0, 1)
        self.rule: Evaluator = next(e for e in self.story.fold.standing.evaluators if e.id == kind.name)

    def state(self, of: Sequence[bool] | npt.NDArray[np.bool_] | slice = slice(None)) -> list[str]:
        """All that is kept of these conditions; as text, in which one NaN is like another and padding is nothing."""
        held = [self.rule.conditions, self.rule.gates, self.rule.memory]
        return [repr(array[of].tolist()) for array in held]


def stories(kind: Kind) -> st.SearchStrategy[list[tuple[int, int, int, bool]]]:
    """(seconds that pass, what happens, a choice of a value, whether a heartbeat throws)."""
    return st.lists(st.tuples(st.integers(1, 60), st.integers(0, 6), st.integers(0, 99), st.booleans()), min_size=8)


@every_listener
def test_a_heartbeat_touches_its_own_links_conditions_or_none(kind: Kind) -> None:
    values = values_of(_example(kind))

    @laws(150)
    @given(stories(kind))
    def law(steps: list[tuple[int, int, int, bool]]) -> None:
        told, now = Listener(kind), 0
        told.story.beat(now, name="a")
        for wait, what, chosen, throws in steps:
            now += wait
            told.story.tick(now)
            if what < len(LINKS):
                value, quality = values[chosen % len(values)]
                told.story.read(now, value, tag=what + 1, quality=Quality(quality))
                continue
            link = "ab"[what % 2]
            links = told.story.fold.rulebook.links
            others = told.rule.compiled.setup["link"] != links.index(link)
            before, all_before = told.state(others), told.state()
            told.throws = throws
            told.story.beat(now, name=link)
            told.throws = False
            assert told.state(others) == before
            if throws:
                assert told.state() == all_before
            elif (screen := told.rule.screen) is not None:
                settled = screen._calm.copy()
                screen.settle_all(told.rule.conditions)
                assert (screen._calm == settled).all()

    law()
