"""Kind `limits_by_state`: equal to `limits` where nothing else is asked, against a slow one, and stories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.admission import LATE, LIVE, Admission
from rules.kinds.limits_by_state import KIND, Params, bind
from rules.rulebook import check_rules
from schemas.quality import Quality
from schemas.records import Kind as RecordKind
from schemas.registry import Limits, Measure, Rule, Tag
from schemas.time import HOUR, SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import (
    CLOCKS,
    RANGE_HIGH,
    START,
    Trace,
    Writer,
    fold_entry,
    gas_tag,
    level_tag,
    new_fold,
    revision,
)
from tests.laws.traces import traces as any_traces
from tests.rules.helpers import Story
from tests.rules.kinds.by_state import DETECTOR, MODE, NO_GAS, NONE, RULE, last, levels, story, under
from tests.rules.kinds.groups import Heard, Ladder

# Where nothing else is asked it is `limits`


def told(trace: Trace, rule: str) -> list[tuple[object, ...]]:
    fold = new_fold(trace)
    return [
        (c.cause, c.subject, c.side, c.level, c.level_name, c.basis, c.onset_ns, c.since_ns, c.value, c.quality, c.tier)
        for offset, entry in enumerate(trace.entries)
        if entry.revision is None
        for c in fold_entry(fold, offset, entry)
        if c.rule == rule
    ]


@laws(500)
@given(any_traces(clocks=CLOCKS))
def test_without_more_it_says_what_limits_says(trace: Trace) -> None:
    """Tag by tag, with the limits in the rule instead of the tag list."""
    for tag in trace.revision.tags:
        bare = msgspec.structs.replace(tag, limits=NONE)
        given_here = {k: v for k in Limits.__struct_fields__ if (v := getattr(tag.limits, k)) is not None}
        plain = replace(trace, revision=revision(tag))
        mine = replace(trace, revision=under([bare], **given_here))
        assert told(mine, RULE) == told(plain, "limits")


# The rule against a slow one, with a state, n of m and a warm-up

BASE = Limits(high=50.0, high_high=80.0)
STARTING = Limits(high=70.0, high_high=80.0)
STRICT = Limits(high=50.0, high_high=80.0)
CLEANING = Limits(high=None, high_high=60.0)
STRICTEST_OF_ALL = Limits(high=50.0, high_high=60.0)
ASKED = {
    "high": 50.0, "high_high": 80.0, "state_tag": "MODE", "normal": ["0", "1"], "n": 2, "m": 3, "warm_up_s": 9.0,
    "regimes": ["start-up; state 2; high 70", "cleaning; state 3; high none, high_high 60"],
    "state_age_s": 12.0,
}  # fmt: skip
VALUES: tuple[float, ...] = (
    20.0,
    20.0,
    49.0,
    47.9,
    50.0,
    60.0,
    60.0,
    70.0,
    75.0,
    80.0,
    90.0,
    57.9,
    67.9,
    104.0,
    math.nan,
)
STATES: tuple[float, ...] = (1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 0.0, 7.0, math.nan)
QUALITIES = (Quality.GOOD,) * 8 + (Quality.UNCERTAIN, Quality.BAD, Quality.OVER_RANGE)
WAITS = (0, SECOND, SECOND, SECOND, SECOND, 2 * SECOND, 3 * SECOND, 5 * SECOND, 8 * SECOND, 10 * SECOND, 10 * SECOND)
SHIFTS = (0,) * 12 + (-SECOND, -3 * SECOND, -10 * SECOND)


def written(drawn: bytes, detector: Tag) -> Trace:
    writer = Writer(("ingest",))
    writer.pass_time(0)
    for wait, who, value, quality in zip(drawn[::4], drawn[1::4], drawn[2::4], drawn[3::4], strict=False):
        writer.pass_time(WAITS[wait % len(WAITS)])
        if wait > 245:  # the link is down for a while
            writer.up["ingest"] = not writer.up.get("ingest", True)
        if wait > 235:  # nobody reads for a while
            for _ in range(2):
                writer.pass_time(9 * SECOND)
        if who % 4 == 0:
            number, pool = 2, STATES
        else:
            number, pool = 1, VALUES
        when = writer.now_ns + SHIFTS[who // 4 % len(SHIFTS)]
        writer.read([(number, when, pool[value % len(pool)], QUALITIES[quality % len(QUALITIES)])])
    return Trace(under([detector, MODE], **ASKED), tuple(writer.entries))


@dataclass
class Slow:
    """One detector on the high side, by the words of the kind; `gas` says whether it is one for gas."""

    gas: bool
    state: tuple[float, int] | None = None
    last_live: int | None = None
    silence: int = 0
    beat: int | None = None
    warm: tuple[int, int] | None = None
    hits: dict[int, list[bool]] = field(default_factory=lambda: {0: [], 1: []})
    ladder: Ladder = field(default_factory=Ladder)
    warning: Ladder = field(default_factory=Ladder)

    def beats(self, now: int) -> None:
        """A heartbeat of the link: silence counts from the one before, if that is not too long ago."""
        if self.last_live is not None and self.beat is not None and now - self.beat <= 15 * SECOND:
            self.silence += now - max(self.beat, self.last_live)
        self.beat = now

    def limits(self, now: int) -> Limits:
        if self.state is None or now - self.state[1] > 12 * SECOND:
            return STRICTEST_OF_ALL
        return {0.0: BASE, 1.0: BASE, 2.0: STARTING, 3.0: CLEANING}.get(self.state[0], STRICTEST_OF_ALL)

    def row(self, row: Heard) -> tuple[int | None, int | None]:
        """(level, level of the warm-up), None where that is what was said before."""
        if row.member == 1:
            if row.live:
                self.state = (row.value if row.quality < 64 else math.nan), row.now
            return None, None
        anew = row.live and (self.last_live is None or row.now - self.last_live >= 10 * SECOND)
        if row.live:
            if self.silence >= 6 * SECOND and (self.warm is None or row.now - self.warm[1] >= HOUR):
                self.warm = row.at, row.now
            self.silence, self.last_live = 0, row.now
        warm = self.warm is not None and row.at - self.warm[0] < 9 * SECOND and row.now - self.warm[1] < 9 * SECOND
        usable = row.quality < 128 and not math.isnan(row.value)
        over = self.gas and (row.quality == Quality.OVER_RANGE or (usable and row.value > RANGE_HIGH))
        good = row.live and usable and row.quality < 64 and -1.25 <= row.value <= RANGE_HIGH and not over
        limits = self.limits(row.now)
        steps = [limits.high, limits.high_high]
        hit = [limit is not None and (over or (usable and row.value >= limit)) for limit in steps]
        back = [usable and not over and (limit is None or row.value < limit - 2) for limit in steps]
        standing = self.ladder.stated > 0
        waits = warm and not over and not standing
        if waits and not self.gas:
            level = self.ladder.judged([False, False], [True, True], good and not any(hit))
        else:
            beyond = []
            for k in (0, 1):
                if anew:
                    self.hits[k] = []
                counted = all(hit) if waits else hit[k]
                if (counted if k == 0 else hit[k]) or good:
                    self.hits[k] = [*self.hits[k], counted if k == 0 else hit[k]][-3:]
                enough = sum(self.hits[k]) >= 2
                beyond.append((hit[k] and over) or (enough and (hit[k] or good)))
                back[k] = back[k] and not enough
            if waits and not beyond[1]:
                beyond[0] = False
                good_word = good and not (hit[0] and self.ladder.stated < 0)
            else:
                good_word = good
            level = self.ladder.judged(beyond, back, good_word)
        number = any(hit) and not over
        warning = self.warning.judged([warm, warm and number], [not warm, not (warm and number)], good)
        return level, warning


@laws(800)
@given(st.binary(min_size=120, max_size=400), st.sampled_from([DETECTOR, NO_GAS]))
def test_it_says_what_the_slow_one_says(drawn: bytes, detector: Tag) -> None:
    trace = written(drawn, detector)
    fold, admission = new_fold(trace), Admission(trace.revision.tags)
    slow, wanted, said = Slow(detector is DETECTOR), [], []
    for offset, entry in enumerate(trace.entries):
        for change in fold_entry(fold, offset, entry):
            if change.rule == RULE and change.basis != "restatement" and change.cause is not None:
                said.append((offset, change.side, change.level))
        if entry.kind is RecordKind.LINK:
            slow.beats(fold.now_ns)
        if entry.batch is None:
            continue
        admission.admit(entry.batch, offset, fold.now_ns, entry.append_ns)
        if admission.index[0] < 0:
            continue
        flags = int(admission.flags[0])
        row = Heard(
            int(admission.index[0]), bool(flags & LIVE), bool(flags & LATE), int(admission.at[0]), fold.now_ns,
            float(admission.value[0]), int(admission.quality[0]), (offset, 0),
        )  # fmt: skip
        level, warning = slow.row(row)
        wanted += [(offset, side, v) for side, v in (("high", level), ("fault", warning)) if v is not None]
    assert [(o, str(side), level) for o, side, level in said] == wanted


# Stories


REACTOR = Tag(
    number=1, name="TI-1", enterprise="works", measure=Measure.TEMPERATURE, unit="°C", range_low=0.0, range_high=200.0,
    deadband=2.0,
)  # fmt: skip
BY_STATE = {
    "high": 80.0, "high_high": 90.0, "state_tag": "MODE", "normal": ["1"],
    "regimes": ["开车/start-up; state 2; high 95, high_high 110", "cleaning; state 3; high 60"],
}  # fmt: skip


def reactor(**params: object) -> Story:
    told = story([REACTOR, MODE], **{**BY_STATE, **params})
    told.read(0, 1.0, tag=2)
    told.read(0, 20.0, tag=1)
    return told


def test_the_limit_that_applied_is_told() -> None:
    told = reactor()
    told.read(1, 2.0, tag=2)
    told.read(2, 85.0, tag=1)
    assert levels(told) == []
    told.read(3, 96.0, tag=1)
    assert (last(told).level, last(told).limit, dict(last(told).figures)) == (
        1,
        None,
        {"limit_1": 95.0, "limit_2": 110.0, "regime": 1.0},
    )
    assert last(told).text.zh == "TI-1 温度 96 °C，达到高限 95 °C（工况：开车/start-up）"
    told.read(4, 111.0, tag=1)
    assert last(told).level == 2 and "高高限 110 °C" in last(told).text.zh
    told.pass_time(5, 40)
    assert last(told).basis == "restatement" and dict(last(told).figures) == {
        "limit_1": 95.0,
        "limit_2": 110.0,
        "regime": 1.0,
    }


def test_a_level_that_a_timer_raises_is_told_with_its_own_limit() -> None:
    told = reactor(on_delay_s=3.0)
    told.read(1, 2.0, tag=2)
    told.read(2, 111.0, tag=1)
    told.pass_time(3, 6)
    assert (last(told).level, last(told).basis) == (2, "timer") and "高高限 110 °C" in last(told).text.zh


def test_a_change_of_state_judges_at_the_next_reading() -> None:
    told = reactor()
    told.read(1, 2.0, tag=2)
    told.read(2, 92.0, tag=1)
    told.read(3, 1.0, tag=2)
    assert levels(told) == []
    told.read(4, 92.0, tag=1)
    assert levels(told) == [2]
    told.read(5, 2.0, tag=2)
    told.read(6, 92.0, tag=1)
    assert levels(told) == [2, 0]


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (math.nan, Quality.NO_VALUE),
        (2.0, Quality.BAD),
        (2.0, Quality.UNCERTAIN),
        (7.0, Quality.GOOD),
        (1.5, Quality.GOOD),
    ],
)
def test_a_state_that_is_not_known_brings_the_strictest_limits(value: float, quality: Quality) -> None:
    told = reactor()
    told.read(1, value, tag=2, quality=quality)
    told.read(2, 61.0, tag=1)
    assert levels(told) == [1] and last(told).figures == {"limit_1": 60.0, "limit_2": 90.0, "regime": -1.0}
    assert last(told).text.en.endswith("(state unknown: strictest limits)")


def test_so_does_one_that_is_too_old_or_was_never_heard() -> None:
    told = reactor(state_age_s=20.0)
    told.pass_time(1, 20)
    told.read(20, 61.0, tag=1)
    assert levels(told) == []
    told.read(21, 61.0, tag=1)
    assert levels(told) == [1]
    silent = story([REACTOR, MODE], **BY_STATE)
    silent.read(0, 61.0, tag=1)
    assert last(silent).level == 1


def test_hours_are_those_of_the_event_time_in_the_zone_of_the_site() -> None:
    """Traces begin on Thursday 2026-01-01 at 08:00 in China."""
    told = story([REACTOR], high=80.0, regimes=["morning; 08:00-08:01 thu; high 60"])
    told.read(59, 61.0, event=59)
    assert levels(told) == [] or last(told).level == 1
    assert last(told).figures == {"limit_1": 60.0, "regime": 1.0}
    told.read(62, 61.0, event=59.5)
    told.read(63, 61.0)
    assert last(told).level == 0 and last(told).figures == {"limit_1": 80.0, "regime": 0.0}


def test_a_limit_that_a_regime_takes_away_ends_there() -> None:
    told = story([REACTOR, MODE], **{**BY_STATE, "regimes": ["off; state 2; high none, high_high none"]})
    told.read(0, 1.0, tag=2)
    told.read(0, 85.0, tag=1)
    assert last(told).level == 1
    told.read(1, 2.0, tag=2)
    told.read(2, 95.0, tag=1)
    assert last(told).level == 0


def n_of_m(n: int, m: int, values: str) -> list[int]:
    """A reading a second: x is beyond, . is back, - inside of the deadband, b bad, u uncertain and back."""
    told = story([REACTOR], high=80.0, n=n, m=m)
    told.read(0, 20.0)
    of = {"x": 85.0, ".": 20.0, "-": 79.0, "b": None, "u": 20.0}
    for second, sign in enumerate(values, 1):
        quality = {"b": Quality.BAD, "u": Quality.UNCERTAIN}.get(sign, Quality.GOOD)
        told.read(second, of[sign], quality=quality)
    seen = (c for c in told.said if c.rule == RULE and c.basis not in ("first", "restatement"))
    return [(c.at_ns - START) // SECOND for c in seen]


@pytest.mark.parametrize(
    ("n", "m", "values", "seconds"),
    [
        (3, 5, "x.x.x..", [5, 6]),
        (3, 5, "x...x.x", []),
        (3, 3, "xx.xxx..", [6, 7]),
        (1, 1, "x.", [1, 2]),
        (2, 2, "xbx", [3]),
        (2, 2, "xux", [3]),
        (2, 3, "xx-.", [2, 4]),
        (2, 3, "xx...", [2, 4]),
        (60, 60, "x" * 60, [60]),
    ],
)
def test_n_of_m_readings(n: int, m: int, values: str, seconds: list[int]) -> None:
    assert n_of_m(n, m, values) == seconds


def test_an_on_delay_runs_on_while_n_of_m_holds() -> None:
    told = story([REACTOR], high=80.0, n=2, m=3, on_delay_s=3.0)
    for second, value in enumerate((20.0, 85.0, 85.0, 20.0, 85.0, 85.0)):
        told.read(second, value)
    assert levels(told) == [1] and last(told).at_ns == START + 5 * SECOND


def test_n_of_m_begins_anew_after_a_silence() -> None:
    told = story([REACTOR], high=80.0, n=2, m=3)
    told.read(0, 20.0)
    told.read(1, 85.0)
    told.read(12, 85.0)
    assert levels(told) == []
    told.read(13, 85.0)
    assert levels(told) == [1]


def test_over_range_needs_no_second_reading() -> None:
    told = story([DETECTOR], high=50.0, high_high=80.0, n=3, m=5)
    told.read(0, 20.0)
    told.read(1, None, quality=Quality.OVER_RANGE)
    assert levels(told) == [2]


def test_state_is_small() -> None:
    assert KIND.memory_dtype.itemsize <= 120


# Checks


def problems(tags: Sequence[Tag], **params: object) -> list[str]:
    return [str(p).removeprefix(f"rules[{RULE}].") for p in check_rules(under(tags, **params))]


def test_every_problem_is_told_at_once() -> None:
    assert problems([REACTOR, MODE], **BY_STATE) == []
    said = problems(
        [REACTOR], regimes=["start-up; state 2; high 250", "x", "night; 20:00-06:00; high_high 79"], high=80.0,
        n=3, m=2, warm_up_s=1300.0, utc_offset_h=20.0, on_delay_s=-1.0,
    )  # fmt: skip
    text = "\n".join(said)
    for part in (
        "params.regimes[2]: 'x' is no regime",
        "params.regimes[1]: TI-1: high 250 lies outside of the measuring range",
        "params.regimes[3]: TI-1: high 80 is not below high_high 79",
        "params.state_tag: regimes go by state, but no tag tells it",
        "params.n: 3 of 2 readings",
        "params.warm_up_s: 1300 s is no time to warm up; 0 to 1200 s",
        "params.utc_offset_h: 20 h is no zone",
        "params.on_delay_s: -1 is negative",
    ):
        assert part in text, text


def test_a_state_needs_its_tag_and_its_normal_states() -> None:
    assert "MODE is no tag of this rule in cell 'works'" in problems([REACTOR], **BY_STATE)[0]
    without = {**BY_STATE, "normal": []}
    assert "no state has the normal limits" in problems([REACTOR, MODE], **without)[0]
    assert "'one' is no state" in problems([REACTOR, MODE], **{**BY_STATE, "normal": ["one"]})[0]
    assert "would often be unknown" in problems([REACTOR, MODE], **BY_STATE, state_age_s=2.0)[0]
    assert "TI-1 has no limit here or of its own" in problems([REACTOR])[0]


def test_a_limit_looser_than_the_profile_needs_a_reason() -> None:
    tag = gas_tag(1, limits=NONE, profile="gb50493", limit_reason="", range_high=500.0)
    at_night: dict[str, object] = {"high": 17.0, "high_high": 34.0, "regimes": ["night; 22:00-06:00; high 30"]}
    (alone,) = KIND.check(tag, msgspec.convert(at_night, Params))
    assert alone.path == "params.regimes[1]" and "`reason`" in alone.cure
    assert "looser than profile gb50493" in alone.message
    with_reason = msgspec.convert({**at_night, "reason": "no one is there at night"}, Params)
    assert list(KIND.check(tag, with_reason)) == []


def test_a_tag_that_limits_judges_already_is_refused() -> None:
    tag = msgspec.structs.replace(REACTOR, limits=Limits(high=80.0))
    said = problems([tag], high=70.0)
    assert said == [
        "tags: TI-1 has limits of its own, which rule 'limits' judges already; "
        "take them out of the tag list, or the tag out of that rule"
    ]


def test_without_another_rule_the_tags_own_limits_are_the_normal_ones() -> None:
    """Where no rule of kind limits is asked of the tag."""
    tag = msgspec.structs.replace(REACTOR, limits=Limits(high=80.0))
    elsewhere = Rule(id="limits", kind="limits", tags=("nothing",))
    of = msgspec.structs.replace(revision(tag), rules=(elsewhere, Rule(id=RULE, kind=RULE)))
    params: Mapping[str, object] = {"regimes": ["night; 22:00-06:00; high 60"]}
    bound = bind(msgspec.convert(params, Params), of)
    assert list(KIND.check(tag, bound)) == []
    (planned,) = KIND.plan([tag], bound)
    limits: object = planned.values["limit_1"]
    assert limits[:2] == [80.0, 60.0] and limits[-1] == 60.0  # type: ignore[index]


def test_a_level_with_one_limit_shows_it() -> None:
    (planned,) = KIND.plan([level_tag(2, limits=NONE)], Params(high=50.0))
    assert planned.levels[0] is not None and planned.levels[0].limit == 50.0 and planned.levels[1] is None
