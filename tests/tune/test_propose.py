"""What may be proposed, what is, and that a proposal keeps its promises whatever the readings."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.events import Event
from hazwatch.config.numbers import renumbered
from hazwatch.registry import EMPTY
from hazwatch.revisions.difference import difference
from hazwatch.tune import grid
from hazwatch.tune.choose import Outcome, best, keeping, trade
from hazwatch.tune.gate import Samples, Setting
from hazwatch.tune.measure import Told
from hazwatch.tune.propose import Proposal, propose, proposed
from rules.rulebook import check_rules
from schemas.checks import check
from schemas.registry import Limits, Measure, Rule, Tag
from schemas.time import SECOND
from tests.backtest.stories import START
from tests.composition.helpers import park, tag
from tests.laws.settings import traces
from tests.tune.test_gate import of

RULE = Rule(id="limits", kind="limits")
HOT = msgspec.structs.replace(tag(1, "e.T-1"), range_low=0.0, range_high=100.0, limits=Limits(high=50.0))
GAS = msgspec.structs.replace(
    HOT, measure=Measure.GAS, cas="630-08-0", unit="ppm", limits=Limits(high=17.0, high_high=34.0), off_delay_s=60.0
)


def noisy(*parts: tuple[int, float], sigma: float = 1.0, seed: int = 1) -> Samples:
    """Seconds and mean of each part, with Gaussian noise."""
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(mean, sigma, length) for length, mean in parts])
    return of(values.tolist())


def asked(one: Tag, samples: Samples, **changes: Any) -> Proposal:
    return propose(one, RULE, samples, **{"events": None, "lead_s": 0.0, **changes})


AROUND = ((300, 30.0), (300, 49.0), (300, 30.0), (120, 60.0), (300, 30.0))
"""A quarter of an hour below the limit, five minutes of chattering around it, and one real excursion."""


def test_a_value_that_crosses_its_limit_slowly_needs_no_on_delay() -> None:
    """Up through the limit in five minutes and down again: it chatters on both ways, and nothing of it is false."""
    random = np.random.default_rng(4)
    quiet = np.full(10_000, 30.0)
    ramp = np.concatenate([quiet, np.linspace(45, 55, 300), np.linspace(55, 45, 300), quiet])
    found = asked(HOT, of((ramp + random.normal(0.0, 1.0, len(ramp))).tolist()))
    assert found.now.bursts >= 1
    assert found.proposed.bursts == 0
    assert found.proposed.on_delay_s == 0.0
    assert found.proposed.deadband >= found.noise or found.proposed.off_delay_s > 0
    assert (found.now.sides[0].found, found.proposed.sides[0].found) == (1, 1)
    assert found.noise == pytest.approx(1.0, rel=0.15)
    assert found.why == "it ends the chattering"


def test_a_value_that_lives_near_its_limit_needs_a_delay() -> None:
    """A deadband would turn the chattering into one false alarm that stands for five minutes."""
    found = asked(HOT, noisy(*AROUND))
    assert (found.proposed.bursts, found.proposed.keeps) == (0, True)
    assert 0 < found.proposed.on_delay_s <= 10
    assert found.proposed.in_vain <= found.now.in_vain


def test_nothing_is_proposed_where_nothing_chatters() -> None:
    found = asked(HOT, noisy((300, 30.0), (300, 60.0), (300, 30.0)))
    assert not found.changes
    assert found.proposed == found.now


def test_spikes_need_an_on_delay_and_gas_gets_at_most_three_seconds() -> None:
    """Single readings beyond the limit, 20 s apart: a deadband that is allowed cannot merge them into one alarm."""
    values = [5.0] * 600
    values[100:160:20] = [20.0] * 3
    values[300:400] = [25.0] * 100
    found = asked(msgspec.structs.replace(GAS, off_delay_s=0.0), of(values))
    assert all(outcome.on_delay_s <= 3.0 for outcome in found.trade)
    assert found.proposed.bursts == 0
    slow = asked(msgspec.structs.replace(HOT, response_s=45.0, limits=Limits(high=10.0)), of(values))
    assert max(outcome.on_delay_s for outcome in slow.trade) == 45.0


def test_a_real_excursion_is_never_given_up_and_the_table_says_which_would_be() -> None:
    """The real excursion is 40 s long: no on-delay of more than that is proposed, though the table shows it."""
    found = asked(HOT, noisy((300, 30.0), (200, 49.0), (100, 30.0), (40, 60.0), (300, 30.0)))
    lost = [outcome for outcome in found.trade if not outcome.keeps]
    assert {outcome.on_delay_s for outcome in lost} == {45.0, 60.0, 90.0, 120.0}
    assert found.proposed.keeps


def test_events_say_what_is_real() -> None:
    """With the chattering labelled as the event, the long excursion is the false one."""
    samples = noisy(*AROUND)
    event = Event(START + 300 * SECOND, START + 600 * SECOND, "foam")
    found = asked(HOT, samples, events=[event], lead_s=0.0)
    assert found.window_s is None
    assert (found.now.sides[0].found, found.now.sides[0].missed) == (1, 0)
    assert found.now.sides[0].false == 1


def test_what_a_rule_sets_for_all_is_not_tuned_at_the_tag() -> None:
    rule = Rule(id="limits", kind="limits", params={"deadband": 0.0, "on_delay_s": 0.0})
    found = propose(HOT, rule, noisy(*AROUND), events=None, lead_s=0.0)
    assert found.held == ("deadband", "on_delay_s")
    assert {(one.deadband, one.on_delay_s) for one in found.trade} == {(0.0, 0.0)}


def told(**changes: Any) -> Told:
    counts = {
        "calls": 1,
        "false": 0,
        "bursts": 0,
        "chattering": 0,
        "fleeting": 0,
        "found": 1,
        "missed": 0,
        "reached": 1,
    }
    return Told(**{"side": "high", **counts, "in_vain": 0.0, "far": 0.0, "mar": 0.0, "delay_s": 0.0, **changes})


def outcome(on: float, deadband: float = 0.0, off: float = 0.0, **changes: Any) -> Outcome:
    return Outcome(deadband=deadband, on_delay_s=on, off_delay_s=off, sides=(told(**changes),))


NOW = outcome(0, bursts=2, chattering=20, fleeting=20, false=20)


@pytest.mark.parametrize(
    ("better", "others"),
    [
        (outcome(3), [outcome(5), outcome(10)]),
        (outcome(5), [outcome(0, found=0, missed=1)]),
        (outcome(5), [outcome(0, reached=0)]),
        (outcome(3, fleeting=4), [outcome(0, fleeting=5), outcome(5)]),
        (outcome(5, fleeting=5), [outcome(3, fleeting=7)]),
        (outcome(5), [outcome(0, deadband=2, in_vain=0.2), outcome(3, in_vain=0.01)]),
        (outcome(3, deadband=2), [outcome(3, false=1)]),
        (outcome(3, deadband=2, far=0.1), [outcome(3, far=0.15), outcome(3, deadband=1, far=0.2)]),
        (outcome(3, deadband=9), [outcome(3, off=5)]),
        (NOW, [outcome(0, deadband=1, bursts=2, chattering=20, fleeting=20)]),
    ],
    ids=[
        "delay",
        "keeps",
        "keeps the second level",
        "a tenth",
        "least left",
        "stands longer",
        "fewest false",
        "least time",
        "off-delay",
        "no better",
    ],
)
def test_the_rule_of_choice(better: Outcome, others: list[Outcome]) -> None:
    tried = [NOW, better, *others]
    for order in (tried, tried[::-1]):
        kept = keeping(NOW, order)
        assert best(NOW, kept) == better


def test_the_trade_has_a_row_for_each_on_delay() -> None:
    rows = trade(NOW, [NOW, outcome(3, fleeting=2), outcome(3, deadband=1), outcome(5)])
    assert [(row.on_delay_s, row.deadband) for row in rows] == [(0, 0), (3, 1), (5, 0)]


# Promises

LADDERS = st.lists(st.integers(2, 98), min_size=4, max_size=4, unique=True).map(sorted)


@given(
    LADDERS,
    st.sampled_from([1.0, 10.0, 60.0]),
    st.sampled_from([None, 2.0, 30.0]),
    st.sampled_from([Measure.GAS, Measure.TEMPERATURE]),
    st.floats(0.001, 50.0),
)
@traces(500)
def test_no_setting_of_the_grid_breaks_the_configuration(
    ladder: list[int], period: float, response: float | None, measure: Measure, sigma: float
) -> None:
    low_low, low, high, high_high = map(float, ladder)
    one = msgspec.structs.replace(
        GAS if measure is Measure.GAS else HOT,
        limits=Limits(low_low=low_low, low=low, high=high, high_high=high_high),
        limit_reason="a test",
        deadband=0.1,
        off_delay_s=0.0,
        period_s=period,
        stale_s=86_400.0,
        response_s=response,
    )
    for setting in grid.settings(one, Setting(0.1, 0.0, 0.0), sigma):
        changed = msgspec.structs.replace(one, **setting._asdict())
        assert changed.on_delay_s <= min(
            math.inf if response is None else response, 3.0 if measure is Measure.GAS else 120.0
        )
        assert changed.on_delay_s == 0 or changed.on_delay_s > period
        revision = renumbered(park(changed), EMPTY)
        assert [p for p in check(revision) if "deadband" in p.path or "delay" in p.path] == []
    assert check_rules(revision) == ()


@given(st.integers(0, 2**32 - 1))
@traces(30)
def test_a_proposal_only_touches_deadband_and_delays(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = tuple(
        (int(random.integers(30, 200)), float(random.choice([30.0, 48.0, 49.5, 50.5, 60.0]))) for _ in range(6)
    )
    found = asked(HOT, noisy(*parts, seed=seed))
    assert found.proposed.keeps
    assert (found.proposed.bursts, found.proposed.annoying) <= (found.now.bursts, found.now.annoying)
    before = renumbered(park(HOT), EMPTY)
    after = proposed(before, [found])
    changes = [f.field for entry in difference(before, after, "", "").entries for f in entry.fields]
    assert set(changes) <= {"deadband", "on_delay_s", "off_delay_s"}
    assert bool(changes) == found.changes
