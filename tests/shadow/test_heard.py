"""The same rules say the same: a shadow of the live rules differs in nothing, whatever the readings and the chunks."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.compare import compare
from hazwatch.backtest.story import Span, Story
from hazwatch.config.numbers import renumbered
from hazwatch.registry import EMPTY
from hazwatch.shadow.candidate import NUMBER, STRANGER, Candidate, Follower, candidate
from hazwatch.shadow.heard import Heard
from rules.engine import Fold
from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.batch import encode as encode_batch
from schemas.changes import ConditionChange
from schemas.records import Activate, Kind, Tick, encode
from schemas.registry import Limits, Revision
from schemas.time import DAY, SECOND
from tests.composition.helpers import park, tag
from tests.laws.settings import traces

START = 20_454 * DAY
Rows = list[tuple[float, float]]
A, B = 1, 2


def site(**changes: object) -> Revision:
    """Two tags with two limits; the changes are made to the first."""
    tags = [msgspec.structs.replace(tag(n, f"e.T-{n}"), limits=Limits(high=50.0, high_high=80.0)) for n in (A, B)]
    tags[0] = msgspec.structs.replace(tags[0], **changes)
    return renumbered(park(*tags), EMPTY)


LIVE = site()


def beside(wanted: Revision, live: Revision = LIVE) -> Candidate:
    found, problems = candidate(wanted, live)
    assert found is not None, problems
    return found


Log = list[tuple[int, int, str, bytes]]


def log_of(rows: Rows) -> Log:
    """A record a second: both values, then nothing but ticks for 40 s."""
    out: Log = []
    for second, (a, b) in enumerate(rows):
        at = START + second * SECOND
        out.append((second, at, Kind.READINGS, encode_batch(batch([A, B], [at, at], [a, b]))))
    for second in range(len(rows), len(rows) + 40):
        out.append((second, START + second * SECOND, Kind.TICK, encode(Tick(by="test"))))
    return out


def live_changes(log: Log, revision: Revision = LIVE) -> list[list[ConditionChange]]:
    """What an evaluator says, record by record, from the first record of the log on."""
    fold = Fold(compile_rules(revision, 0, 1), 0, 1)
    return [fold.apply(*record) for record in log]


def candidate_story(revision: Revision, log: Log, start: int, span: Span) -> Story:
    heard, follower = Heard(1), Follower(revision, 0, 1, 1, start)
    for record in log[start:]:
        heard.hear(follower.apply(*record))
    return heard.story(span)


VALUES = st.sampled_from((0.0, 49.0, 50.0, 51.0, 79.0, 80.0, 120.0))
TRACE = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=80)


@given(TRACE, st.integers(1, 7), st.integers(0, 3), st.integers(0, 79))
@traces(300)
def test_a_shadow_of_the_live_rules_differs_in_nothing(rows: Rows, chunk: int, twin: int, begin: int) -> None:
    """Chunks of any size, the copies of a twin that lags, and any beginning of the comparison."""
    log = log_of(rows)
    span = Span(START + min(begin, len(rows)) * SECOND, log[-1][1])
    said = live_changes(log)
    live = Heard(1)
    for at in range(0, len(said), chunk):
        live.hear([change for changes in said[at : at + chunk] for change in changes])
        if twin:
            live.hear([change for changes in said[max(0, at - twin) : at] for change in changes])
    assert live.story(span) == candidate_story(beside(LIVE).revision, log, 0, span)


@given(TRACE, st.integers(0, 79))
@traces(200)
def test_a_shadow_that_begins_in_the_middle_knows_what_stands_after_half_a_minute(rows: Rows, start: int) -> None:
    """Both hear the log from `start` on only: the restatements of 30 s tell what stood before (LAWS C5)."""
    log = log_of([*rows, *[rows[-1]] * 35])
    start = min(start, len(rows))
    span = Span(log[start][1] + 31 * SECOND, log[-1][1])
    live = Heard(1)
    for changes in live_changes(log)[start:]:
        live.hear(changes)
    new = candidate_story(beside(LIVE).revision, log, start, span)
    found = compare(live.story(span).spells, new.spells)
    assert (found.missed, found.new) == ((), ())
    assert [match.shift_s for match in found.matched] == [0.0] * len(found.matched)


def test_what_differs_is_told_with_its_time() -> None:
    """The candidate has its first limit at 40: earlier by 3 s at the first climb, alone with the second."""
    rows = [(0.0, 0.0)] * 5 + [(45.0, 0.0)] * 3 + [(60.0, 0.0)] * 5 + [(0.0, 0.0)] * 100 + [(45.0, 0.0)] * 5
    log = log_of([*rows, (0.0, 0.0)])
    span = Span(START, log[-1][1])
    live = Heard(1)
    for changes in live_changes(log):
        live.hear(changes)
    lower = beside(site(limits=Limits(high=40.0, high_high=80.0)))
    found = compare(live.story(span).spells, candidate_story(lower.revision, log, 0, span).spells)
    assert {match.shift_s for match in found.matched if match.old[0].kind == "limits"} == {-3.0}
    assert [(e.begin_ns - START) // SECOND for e in found.new] == [113]
    assert found.missed == ()


def test_what_stood_before_stands_from_the_beginning() -> None:
    log = log_of([(60.0, 0.0)] * 20)
    live = Heard(1)
    for changes in live_changes(log):
        live.hear(changes)
    span = Span(START + 10 * SECOND, START + 14 * SECOND)
    story = live.story(span)
    assert story.calls == ()
    (spell,) = story.spells
    assert (spell.begin_ns, spell.end_ns, spell.open) == (*span, True)


def test_a_process_s_own_fault_is_no_matter_of_the_rules() -> None:
    (change, *_) = [change for changes in live_changes(log_of([(60.0, 0.0)])) for change in changes if change.level]
    heard = Heard(1)
    heard.hear([msgspec.structs.replace(change, cause=None)])
    assert heard.story(Span(START, START + SECOND)).spells == ()
    heard.hear([change])
    assert len(heard.story(Span(START, START + SECOND)).spells) == 1


def test_numbers_of_the_live_system_are_kept_and_strangers_kept_apart() -> None:
    """Readings come under the live numbers; a new tag, or one in another cell, must not hear those of another."""
    first, second = LIVE.tags
    moved = msgspec.structs.replace(second, cell="kiln")
    fresh = msgspec.structs.replace(tag(3, "e.T-3"), hazard_source="s")
    found = beside(msgspec.structs.replace(LIVE, tags=(fresh, moved, first)))
    numbers = {t.name: t.number for t in found.revision.tags if not t.retired}
    assert numbers["e.T-1"] == A
    assert min(numbers["e.T-2"], numbers["e.T-3"]) > STRANGER
    assert found.revision.number == NUMBER
    assert sorted(found.unheard) == ["e.T-2", "e.T-3"]
    assert "no readings come for" in found.notes[0]


def test_an_activation_meanwhile_is_not_followed() -> None:
    follower = Follower(beside(LIVE).revision, 0, 1, 1, 0)
    follower.apply(0, START, Kind.ACTIVATE, encode(Activate(revision=7, hash="x")))
    at = START + SECOND
    changes = follower.apply(1, at, Kind.READINGS, encode_batch(batch([A], [at], [60.0])))
    assert [(change.subject, change.level) for change in changes if change.rule == "limits"] == [("e.T-1", 1)]


def test_another_unit_cannot_be_judged() -> None:
    found, (problem,) = candidate(site(unit="K"), LIVE)
    assert found is None
    assert problem.path == "tags[e.T-1].unit"
    assert "readings come in degC" in problem.message
