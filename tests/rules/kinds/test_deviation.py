"""Deviation from a set-point or a partner: the kind against a slow reference, stories, checks, words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.kinds import Said
from rules.kinds.deviation import KIND, Params, say
from rules.rulebook import check_rules, compile_rules
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Measure, Revision, Rule, Tag
from schemas.time import MS, SECOND
from tests.laws.settings import PATIENCE_S
from tests.laws.settings import traces as laws
from tests.laws.traces import START, revision
from tests.rules.helpers import Story

pytestmark = pytest.mark.timeout(PATIENCE_S)

TAG = Tag(
    number=1, name="T-1", enterprise="works", measure=Measure.TEMPERATURE, unit="degC", range_low=0.0, range_high=200.0,
    stale_s=30.0,
)  # fmt: skip
PARTNER = msgspec.structs.replace(TAG, number=2, name="T-1.SP", range_high=300.0, stale_s=15.0)
BOTH = (TAG, PARTNER)


def under(params: Params, *tags: Tag) -> Revision:
    rule = Rule(id="deviation", kind="deviation", params=msgspec.to_builtins(params))
    return msgspec.structs.replace(revision(*tags), rules=(rule,))


def told(changes: Sequence[ConditionChange]) -> list[tuple[str, int]]:
    """(side, level) of the rule's changes, without restatements and first words of normal."""
    return [
        (str(c.side), c.level)
        for c in changes
        if c.rule == "deviation" and c.basis != "restatement" and (c.level or c.basis != "first")
    ]


# Against a slow reference


@dataclass
class Slow:
    """Both sides and levels as sets of what stands, for rules without delays; readings come in order."""

    params: Params
    standing: set[str] = field(default_factory=set)
    partner: tuple[int, float, int] | None = None

    def read(self, second_ns: int, number: int, value: float, quality: int) -> None:
        if number == 2:
            self.partner = (second_ns, value, quality)
            return
        pairs = [(value, quality, 200.0)]
        reference = self.params.set_point
        if self.params.partner:
            if self.partner is None or second_ns - self.partner[0] > 15 * SECOND:
                return
            reference = self.partner[1]
            pairs.append((self.partner[1], self.partner[2], 300.0))
        if any(q >= 128 or not math.isfinite(v) for v, q, _ in pairs):
            return
        assert reference is not None
        sure = all(q < 64 and -0.0125 * top <= v <= top for v, q, top in pairs)
        for name in ("high", "high_high", "low", "low_low"):
            distance = getattr(self.params, name)
            far = value - reference if name.startswith("high") else reference - value
            if far >= distance:
                self.standing.add(name)
            elif sure and far < distance - (self.params.deadband or 0):
                self.standing.discard(name)

    @property
    def levels(self) -> dict[str, int]:
        return {side: 2 * (f"{side}_{side}" in self.standing) or int(side in self.standing) for side in ("high", "low")}


LIMITS = {"high": 8.0, "high_high": 16.0, "low": 4.0, "low_low": 12.0, "deadband": 1.0}
EDGES = [s * d for d in (8.0, 16.0, 4.0, 12.0, 7.0, 15.0, 3.0, 11.0) for s in (1, -1)]
OFFSETS = [n for e in EDGES for n in (math.nextafter(e, -99.0), e, math.nextafter(e, 99.0))] + [0.0, 1.0, -1.0] * 6
ODD = ((math.nan, 0), (math.inf, 0), (100.0, 128), (250.0, 0), (-20.0, 0), (320.0, 0))
GAPS = (SECOND, SECOND, SECOND, 500 * MS, 15 * SECOND, 15 * SECOND + 1, 40 * SECOND)


def readings(drawn: bytes) -> Iterator[tuple[int, int, float, int]]:
    """(ns, tag, value, quality): set-points of 0 or 100, and values at the edges of the levels around them."""
    at, base = 0, 0.0
    for gap, what, which in zip(drawn[::3], drawn[1::3], drawn[2::3], strict=False):
        at += GAPS[gap % len(GAPS)]
        quality = (0, 0, 0, 0, 0, 0, 64, 128)[what % 8]
        if what // 8 % 4 == 0:
            base = (100.0, 100.0, 100.0, 0.0, 250.0, math.nan)[which % 6]
            yield at, 2, base, quality
        elif what // 32 == 7:
            yield (at, 1, *ODD[which % len(ODD)])
        else:
            yield at, 1, (100.0 if math.isnan(base) else base) + OFFSETS[which % len(OFFSETS)], quality


@pytest.mark.parametrize("params", [Params(set_point=100.0, **LIMITS), Params(partner="{tag}.SP", **LIMITS)],
                         ids=["set-point", "partner"])  # fmt: skip
def test_the_kind_says_what_the_slow_reference_says(params: Params) -> None:
    book = compile_rules(under(params, *(BOTH if params.partner else (TAG,))), 0, 1)

    @laws(600)
    @given(st.binary(min_size=240, max_size=480))
    def law(drawn: bytes) -> None:
        fold, slow, levels = Fold(book, 0, 1), Slow(params), {"high": 0, "low": 0}
        for at, number, value, quality in readings(drawn):
            now = START + at
            for change in fold.apply_readings(fold.next_offset, now, batch([number], [now], [value], [quality])):
                if change.rule == "deviation":
                    levels[change.side] = change.level
            slow.read(at, number, value, quality)
            assert levels == slow.levels, f"at {at / SECOND} s"

    law()


# Stories


def test_the_difference_is_what_is_told() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0, low=10.0), *BOTH))
    story.read(0, 100.0, tag=2)
    story.read(1, 100.0)
    (up,) = (c for c in story.read(2, 112.5) if c.rule == "deviation")
    assert (up.value, up.limit, up.unit, up.level_name, up.tag) == (12.5, 10.0, "degC", "high", 1)
    story.pass_time(3, 40)
    again = [c for c in story.said if c.rule == "deviation" and c.basis == "restatement"]
    assert again and again[0].value == 12.5
    (down,) = (c for c in story.read(41, 99.0, tag=2) + story.read(41, 85.0) if c.rule == "deviation" and c.level)
    assert (down.side, down.value, down.limit) == ("low", -14.0, -10.0)


def test_without_a_partner_nothing_is_said() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0), *BOTH))
    for second in range(60):
        story.read(second, 190.0)
    assert [c for c in story.said if c.rule == "deviation"] == []


def test_a_partner_of_an_hour_ago_is_not_fresh_however_soon_it_comes() -> None:
    """A gateway that empties its store sends an hour of one tag, then an hour of the other."""
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0), *BOTH))
    story.rows(3600, [(2, float(s), 50.0) for s in range(100)])
    story.rows(3600, [(1, 3000.0 + s, 190.0) for s in range(100)])
    assert told(story.said) == []


def test_a_partner_that_came_long_ago_is_not_fresh_whatever_the_tag_says_of_its_time() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0, partner_age_s=30.0), *BOTH))
    story.read(0, 100.0, tag=2)
    story.pass_time(1, 30)
    assert told(story.read(30, 120.0, event=20)) == [("high", 1)]
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0, partner_age_s=30.0), *BOTH))
    story.read(0, 100.0, tag=2)
    story.pass_time(1, 31)
    assert told(story.read(31, 120.0, event=20)) == []


def test_a_longer_age_may_be_allowed() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0, partner_age_s=600.0), *BOTH))
    story.read(0, 100.0, tag=2)
    assert told(story.read(500, 120.0)) == [("high", 1)] and told(story.read(601, 90.0)) == []


def test_a_bad_partner_ends_nothing_and_raises_nothing() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0), *BOTH))
    story.read(0, 100.0, tag=2)
    assert told(story.read(1, 120.0)) == [("high", 1)]
    story.read(2, 120.0, tag=2, quality=Quality.BAD)
    assert told(story.read(3, 120.0)) == []
    story.read(4, 120.0, tag=2)
    assert told(story.read(5, 120.0)) == [("high", 0)]
    story.read(6, None, tag=2)
    assert told(story.read(7, 199.0)) == []


def test_uncertain_raises_and_never_clears() -> None:
    story = Story(of=under(Params(partner="{tag}.SP", high=10.0), *BOTH))
    story.read(0, 100.0, tag=2, quality=Quality.UNCERTAIN)
    assert told(story.read(1, 120.0)) == [("high", 1)]
    assert told(story.read(2, 100.0)) == []
    story.read(3, 100.0, tag=2)
    assert told(story.read(4, 100.0, quality=Quality.UNCERTAIN)) == []
    assert told(story.read(5, 100.0)) == [("high", 0)]


def test_late_readings_raise_against_a_set_point_only() -> None:
    fixed = Story(of=under(Params(set_point=100.0, high=10.0), TAG))
    fixed.read(10, 100.0)
    assert told(fixed.read(11, 120.0, event=8)) == [("high", 1)]
    assert told(fixed.read(12, 90.0, event=9)) == [] and told(fixed.read(12, 90.0)) == [("high", 0)]
    follows = Story(of=under(Params(partner="{tag}.SP", high=10.0), *BOTH))
    follows.read(9, 100.0, tag=2)
    follows.read(10, 100.0)
    assert told(follows.read(11, 120.0, event=8)) == []
    follows.read(11, 50.0, tag=2, event=7)
    assert told(follows.read(12, 100.0)) == []


def test_delays_and_silence() -> None:
    tag = msgspec.structs.replace(TAG, on_delay_s=3.0, off_delay_s=2.0)
    story = Story(of=under(Params(set_point=100.0, high=10.0), tag))
    story.read(0, 100.0)
    assert told(story.read(1, 120.0)) == [] and told(story.tick(3)) == [] and told(story.tick(4)) == [("high", 1)]
    assert told(story.read(5, 100.0)) == [] and told(story.read(7, 100.0)) == [("high", 0)]


def test_a_partner_is_not_judged_itself() -> None:
    plans = list(KIND.plan(BOTH, Params(partner="T-1.SP", high=1.0, low_low=2.0)))
    assert [(p.tags[0].name, p.tags[1].name, str(p.side)) for p in plans] == [
        ("T-1", "T-1.SP", "high"), ("T-1", "T-1.SP", "low"),
    ]  # fmt: skip
    assert [level and level.name for level in plans[1].levels] == [None, "low_low"]


# Checks and words


def problems(params: Params, *tags: Tag) -> list[str]:
    rules = (Rule(id="r", kind="deviation", params=msgspec.to_builtins(params)),)
    return [str(p) for p in check_rules(msgspec.structs.replace(revision(*(tags or (TAG,))), rules=rules))]


def test_sound_parameters_have_no_problems() -> None:
    assert problems(Params(set_point=100.0, **LIMITS)) == []
    assert problems(Params(partner="{tag}.SP", **LIMITS), *BOTH) == []


@pytest.mark.parametrize(
    ("params", "part"),
    [
        (Params(high=1.0), "params: what to compare with is not clear; set either set_point or partner"),
        (Params(high=1.0, set_point=1.0, partner="x"), "set either set_point or partner"),
        (Params(set_point=1.0), "no deviation is set"),
        (Params(set_point=50.0, low=-1.0), "params.low: -1 is no distance"),
        (Params(set_point=50.0, high=2.0, high_high=2.0), "params.high_high: 2 is not further than high 2; above 2"),
        (Params(set_point=50.0, high=2.0, deadband=2.0), "the deadband 2 is as wide as the deviation 2"),
        (Params(set_point=50.0, high=2.0, on_delay_s=-1.0), "params.on_delay_s: -1 is out of bounds"),
        (Params(set_point=50.0, high=2.0, off_delay_s=1e9), ""),
        (Params(set_point=250.0, high=2.0), "params.set_point: 250 is outside of the range of T-1"),
        (Params(set_point=190.0, high=20.0), "params.high: T-1: 190 +20 is outside of the range; it would never be"),
        (Params(set_point=10.0, low=20.0), "params.low: T-1: 10 -20 is outside of the range"),
        (Params(partner="T-9", low=20.0), "T-1 has no partner T-9 among the rule's tags in cell works; add it"),
        (Params(partner="{tag}", low=20.0), "cell works holds T-1, which is its own partner"),
    ],
)
def test_what_cannot_work_is_told(params: Params, part: str) -> None:
    assert any(part in p for p in problems(params)) or not part


def test_infinite_and_missing_numbers_are_told() -> None:
    told_of = [str(p) for p in KIND.check(TAG, Params(set_point=math.nan, high=math.inf, deadband=math.nan))]
    assert len(told_of) == 3


def test_partners_in_other_units_cells_and_paces_are_told() -> None:
    params = Params(partner="T-1.SP", high=1.0, partner_age_s=5.0)
    other = msgspec.structs.replace(PARTNER, unit="K", period_s=10.0)
    assert [p.split(": ", 1)[1].split(",")[0] for p in problems(params, TAG, other)] == [
        "T-1 is in degC", "T-1.SP reads every 10 s and would seldom be fresh; three periods or more",
    ]  # fmt: skip
    away = msgspec.structs.replace(PARTNER, cell="elsewhere")
    assert any("both must lie in one cell" in p for p in problems(Params(partner="T-1.SP", high=1.0), TAG, away))
    assert any("which is its own partner" in p or "nothing to compare" in p for p in
               problems(Params(partner="T-1.SP", high=1.0), TAG, away))  # fmt: skip


def test_a_state_has_no_difference() -> None:
    tag = msgspec.structs.replace(TAG, measure=Measure.STATE)
    assert any("of which a difference says nothing" in p for p in problems(Params(set_point=1.0, high=1.0), tag))


@pytest.mark.parametrize(
    ("level", "value", "en", "zh"),
    [
        (1, 12.0, "T-1 temperature is 12 degC above set-point 100 degC, at deviation limit 8 degC",
         "T-1 温度 比设定值 100 degC 高 12 degC，达到偏差高限 8 degC"),
        (1, 7.5, "T-1 temperature is 7.5 degC above set-point 100 degC, deviation limit 8 degC still in alarm",
         "T-1 温度 比设定值 100 degC 高 7.5 degC，偏差高限 8 degC 报警仍未解除"),
        (0, -2.0, "T-1 temperature is 2 degC below set-point 100 degC, back to normal",
         "T-1 温度 比设定值 100 degC 低 2 degC，已恢复正常"),
        (0, math.nan, "T-1 temperature deviation from set-point 100 degC not known, back to normal",
         "T-1 温度 与设定值 100 degC 的偏差未知，已恢复正常"),
    ],
)  # fmt: skip
def test_words(level: int, value: float, en: str, zh: str) -> None:
    planned = next(iter(KIND.plan([TAG], Params(set_point=100.0, **LIMITS))))
    said = say(Said(planned, planned.levels[level - 1] if level else None, value, 0, 0.0))
    assert (said.en, said.zh) == (en, zh)


def test_words_of_a_partner() -> None:
    planned = list(KIND.plan(BOTH, Params(partner="T-1.SP", **LIMITS)))[1]
    said = say(Said(planned, planned.levels[1], -13.0, 0, 0.0))
    assert said.en == "T-1 temperature is 13 degC below T-1.SP temperature, at second deviation limit 12 degC"
    assert said.zh == "T-1 温度 比T-1.SP 温度 低 13 degC，达到偏差低低限 12 degC"
