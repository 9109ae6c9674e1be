"""Change of state: the kind against a slow reference, stories, checks, words."""

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
from rules.kinds.change import KIND, Params, names_of, say
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

TAG = Tag(number=1, name="P-1", enterprise="works", measure=Measure.STATE, unit="")
NAMES = ("0=stopped/停止", "1=running/运行", "2=starting", "3=tripped/跳闸")
PUMP = Params(states=NAMES, normal=("running", "starting"), critical=("跳闸",))


def under(params: Params, tag: Tag = TAG) -> Revision:
    rule = Rule(id="change", kind="change", params=msgspec.to_builtins(params))
    return msgspec.structs.replace(revision(tag), rules=(rule,))


def told(changes: Sequence[ConditionChange]) -> list[int]:
    """The levels that the rule said, without restatements and first words of normal."""
    shown = (c for c in changes if c.rule == "change" and c.basis != "restatement")
    return [c.level for c in shown if c.level or c.basis != "first"]


# Against a slow reference


@dataclass
class Slow:
    """Sets of numbers; two levels that stand or not; no delays."""

    known: set[float]
    normal: set[float]
    alarm: set[float]
    critical: set[float]
    standing: set[int] = field(default_factory=set)
    newest: int = 0

    def read(self, event: int, value: float, quality: int) -> int:
        late, self.newest = event < self.newest, max(event, self.newest)
        if quality >= 128 or not math.isfinite(value):
            return self.level
        hit = set()
        if value in self.critical:
            hit = {1, 2} if self.normal or self.alarm else {2}
        elif value in self.alarm or (self.normal and value not in self.normal):
            hit = {1}
        self.standing |= hit
        if value in self.known and quality < 64 and not late:
            self.standing &= hit
        return self.level

    @property
    def level(self) -> int:
        return max(self.standing, default=0)


ANY = {float(n) for n in range(63)}
RULES = [
    (PUMP, Slow({0, 1, 2, 3}, {1, 2}, set(), {3})),
    (Params(states=NAMES, normal=("1",)), Slow({0, 1, 2, 3}, {1}, set(), set())),
    (Params(alarm=("2", "62"), critical=("3", "0")), Slow(ANY, set(), {2, 62}, {3, 0})),
    (Params(critical=("3",)), Slow(ANY, set(), set(), {3})),
    (Params(normal=("0", "1"), alarm=("2",), critical=("3", "61")), Slow(ANY, {0, 1}, {2}, {3, 61})),
]
VALUES = (*[0.0, 1.0, 2.0, 3.0] * 3, 61.0, 62.0, 63.0, 64.0, -1.0, 0.5, math.nextafter(3.0, 4.0), -0.0, 1e300, math.nan,
          math.inf)  # fmt: skip


def readings(drawn: bytes) -> Iterator[tuple[int, int, float, int]]:
    """(now, event, value, quality): in order, now and then a late one; no two of the same time."""
    now = 0
    for n, (gap, what, which) in enumerate(zip(drawn[::3], drawn[1::3], drawn[2::3], strict=False)):
        now += (SECOND, 500 * MS, 3 * SECOND)[gap % 3]
        shift = (0, 0, 0, 0, 700 * MS, 4 * SECOND)[gap // 3 % 6]
        quality = (0, 0, 0, 0, 1, 64, 68, 128)[what % 8]
        yield START + now, START + now - shift + n, VALUES[which % len(VALUES)], quality


@pytest.mark.parametrize("number", range(len(RULES)))
def test_the_kind_says_what_the_slow_reference_says(number: int) -> None:
    params, reference = RULES[number]
    book = compile_rules(under(params), 0, 1)

    @laws(250)
    @given(st.binary(min_size=240, max_size=480))
    def law(drawn: bytes) -> None:
        fold, level = Fold(book, 0, 1), 0
        slow = Slow(reference.known, reference.normal, reference.alarm, reference.critical)
        for now, event, value, quality in readings(drawn):
            for change in fold.apply_readings(fold.next_offset, now, batch([1], [event], [value], [quality])):
                level = change.level if change.rule == "change" else level
            assert level == slow.read(event, value, quality)

    law()


# Stories


def test_travel_is_ridden_out_by_the_on_delay_and_chatter_by_the_off_delay() -> None:
    story = Story(of=under(Params(states=NAMES, normal=("running",), on_delay_s=5.0, off_delay_s=3.0)))
    for at, value in ((0, 1.0), (1, 2.0), (4, 1.0), (10, 2.0)):
        assert told(story.read(at, value)) == []
    assert told(story.tick(15)) == [1]
    assert told(story.read(16, 1.0)) == [] and told(story.read(17, 0.0)) == [] and told(story.read(18, 1.0)) == []
    assert told(story.read(21, 1.0)) == [0]


def test_bad_uncertain_and_late_readings() -> None:
    story = Story(of=under(PUMP))
    story.read(0, 1.0)
    assert told(story.read(1, 3.0, quality=Quality.BAD)) == [] and told(story.read(2, None)) == []
    assert told(story.read(3, 3.0, quality=Quality.UNCERTAIN)) == [2]
    assert told(story.read(4, 1.0, quality=Quality.STALE)) == [] and told(story.read(5, None)) == []
    assert told(story.read(6, 1.0)) == [0]
    assert told(story.read(7, 0.0, event=5)) == [1] and told(story.read(8, 1.0, event=4)) == []
    assert told(story.read(9, 1.0)) == [0]


def test_an_unknown_state_is_no_first_word_and_stops_no_delay() -> None:
    story = Story(of=under(Params(states=NAMES, alarm=("stopped",), on_delay_s=5.0)))
    assert [c for c in story.read(0, 9.0) if c.rule == "change"] == []
    assert [c.level for c in story.read(1, 1.0) if c.rule == "change"] == [0]
    assert told(story.read(2, 0.0) + story.read(3, 9.0)) == []
    assert told(story.read(6, 9.0) + story.tick(7)) == [1]


def test_a_critical_state_is_an_alarm_state_too() -> None:
    """What falls from critical to alarm does not begin a new on-delay."""
    story = Story(of=under(Params(alarm=("1",), critical=("2",), on_delay_s=5.0)))
    story.read(0, 0.0)
    story.read(1, 2.0)
    assert told(story.tick(6)) == [2] and told(story.read(7, 1.0)) == [1] and told(story.read(8, 0.0)) == [0]


def test_what_is_told() -> None:
    story = Story(of=under(PUMP))
    story.read(0, 1.0)
    (up,) = (c for c in story.read(1, 3.0) if c.rule == "change")
    assert (up.level_name, up.value, up.limit, up.unit) == ("critical", 3.0, None, "")
    assert up.text.en == "P-1 state is tripped: critical state"


def test_names_may_be_in_either_language_or_numbers() -> None:
    for written in ("3", "tripped", "跳闸", " 3 "):
        (planned,) = KIND.plan([TAG], Params(states=NAMES, alarm=(written,)))
        assert planned.values["alarm"] == 0b1000 and planned.values["known"] == 0b1111
    assert names_of(PUMP)[2].zh == "starting"


# Checks and words


def problems(params: Params, tag: Tag = TAG) -> list[str]:
    rules = (Rule(id="r", kind="change", params=msgspec.to_builtins(params)),)
    return [str(p) for p in check_rules(msgspec.structs.replace(revision(tag), rules=rules))]


def test_sound_parameters_have_no_problems() -> None:
    assert [problems(params) for params, _ in RULES] == [[]] * len(RULES)


@pytest.mark.parametrize(
    ("params", "part"),
    [
        (Params(), "params: no state is an alarm; set normal, alarm or critical"),
        (Params(alarm=("63",)), "params.alarm: there is no state '63'; 0 to 62"),
        (Params(alarm=("-1",)), "there is no state '-1'"),
        (
            Params(states=NAMES, critical=("gone",)),
            "there is no state 'gone'; one of: 0 stopped, 1 running, 2 starting",
        ),
        (Params(states=NAMES, critical=("4",)), "there is no state '4'"),
        (Params(states=("x=stopped",), alarm=("1",)), "params.states: 'x=stopped' is not a state with a name; write"),
        (Params(states=("1",), alarm=("1",)), "'1' is not a state with a name"),
        (Params(states=("1=a", "1=b", "2=c"), alarm=("c",)), "params.states: a number is named twice; one name each"),
        (Params(states=("1=a", "2=a"), alarm=("1",)), "a name means two states"),
        (Params(states=("1=2", "2=b"), alarm=("1",)), "or is a number"),
        (Params(normal=("1",), critical=("1", "2")), "params.critical: state 1 is in normal too"),
        (Params(alarm=("1", "2"), critical=("2",)), "params.critical: state 2 is in alarm too"),
        (Params(states=NAMES, alarm=("0", "1", "2"), critical=("3",)), "every known state is an alarm; it would never"),
        (Params(alarm=("1",), on_delay_s=math.nan), "params.on_delay_s: nan is out of bounds"),
        (Params(alarm=("1",), off_delay_s=-1.0), "params.off_delay_s: -1 is out of bounds"),
    ],
)
def test_what_cannot_work_is_told(params: Params, part: str) -> None:
    found = [str(p) for p in KIND.check(TAG, params)]
    assert any(part in p for p in found), found


def test_a_measured_quantity_has_no_states() -> None:
    tag = msgspec.structs.replace(TAG, measure=Measure.LEVEL)
    assert any("P-1 measures level, which has no states; narrow" in p for p in problems(PUMP, tag))


@pytest.mark.parametrize(
    ("level", "value", "en", "zh"),
    [
        (1, 0.0, "P-1 state is stopped: alarm state", "P-1 状态 为“停止”，属异常状态"),
        (2, 3.0, "P-1 state is tripped: critical state", "P-1 状态 为“跳闸”，属危险状态"),
        (1, 7.0, "P-1 state is 7: alarm state", "P-1 状态 为“7”，属异常状态"),
        (2, 0.0, "P-1 state is stopped, critical state still in alarm", "P-1 状态 为“停止”，危险状态报警仍未解除"),
        (1, 1.0, "P-1 state is running, alarm state still in alarm", "P-1 状态 为“运行”，异常状态报警仍未解除"),
        (1, math.nan, "P-1 state has no valid value, alarm state still in alarm",
         "P-1 状态 没有有效数值，异常状态报警仍未解除"),
        (0, 1.0, "P-1 state is running, back to normal", "P-1 状态 为“运行”，已恢复正常"),
    ],
)  # fmt: skip
def test_words(level: int, value: float, en: str, zh: str) -> None:
    (planned,) = KIND.plan([TAG], PUMP)
    said = say(Said(planned, planned.levels[level - 1] if level else None, value, 0, 0.0))
    assert (said.en, said.zh) == (en, zh)


def test_words_without_names() -> None:
    (planned,) = KIND.plan([TAG], Params(alarm=("2",)))
    assert say(Said(planned, planned.levels[0], 2.0, 0, 0.0)).en == "P-1 state is 2: alarm state"
    assert say(Said(planned, planned.levels[0], math.inf, 0, 0.0)).en == "P-1 state is ?, alarm state still in alarm"
