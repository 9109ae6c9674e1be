"""Stories for the tests: made by hand, or by a replay of a few rows."""

from __future__ import annotations

from collections.abc import Sequence

from hazwatch.backtest.story import Call, Condition, Gatherer, Span, Spell, Story
from hazwatch.replay.feed import Instant
from hazwatch.replay.runner import Replay
from schemas.batch import batch
from schemas.changes import AlarmClass, Place
from schemas.registry import Revision
from schemas.time import DAY, SECOND

START = 20_454 * DAY
"""2026-01-01, midnight UTC."""

WORKS = Place(park="park", enterprise="works", hazard_source="store")


def call(
    second: float, subject: str = "A", *, levels: range = range(1, 2), tier: int = 2, place: Place = WORKS
) -> Call:
    return Call(START + round(second * SECOND), Condition("limits", subject, "high"), tier, levels, place)


def spell(
    begin: float,
    end: float,
    subject: str = "A",
    *,
    rule: str = "limits",
    kind: str = "limits",
    tier: int = 2,
    alarm_class: AlarmClass = AlarmClass.PROCESS,
) -> Spell:
    return Spell(
        condition=Condition(rule, subject, "high"),
        kind=kind,
        alarm_class=alarm_class,
        begin_ns=START + round(begin * SECOND),
        end_ns=START + round(end * SECOND),
        tier=tier,
        level=1,
        level_name="high",
        value=25.0,
        limit=20.0,
        unit="mg/m3",
    )


def span(seconds: float) -> Span:
    return Span(START, START + round(seconds * SECOND))


def story(seconds: float, *spells: Spell, calls: Sequence[Call] = ()) -> Story:
    return Story(tuple(calls), tuple(spells), span(seconds))


def instants(*rows: tuple[float, int, float]) -> list[Instant]:
    """Instants of (second, tag number, value), a row each."""
    made = []
    for second, number, value in rows:
        at = START + round(second * SECOND)
        made.append(Instant(at, batch([number], [at], [value], [0])))
    return made


def replayed(revision: Revision, *rows: tuple[float, int, float]) -> Story:
    """What the configuration says over the rows."""
    recording = instants(*rows)
    gatherer = Gatherer()
    for one in Replay(revision).play(recording):
        gatherer.hear(one)
    return gatherer.story(Span(recording[0].append_ns, max(recording[-1].append_ns, gatherer.last_ns)))
