"""The page is complete in itself, well formed, and shows what differs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from hazwatch.backtest.events import Event
from hazwatch.backtest.html import MOST_TAGS, page
from hazwatch.backtest.report import Names, judgements, report
from hazwatch.backtest.story import Spell, Story
from hazwatch.backtest.svg import time_ticks, value_ticks
from hazwatch.backtest.trace import Traces
from schemas.time import DAY, SECOND
from tests.backtest.stories import START, call, instants, span, spell, story
from tests.replay.recordings import tag

NAMES = Names(old="old.toml", new="new<&>.toml", files=("recording.csv",))
EVENT = Event(START + 5000 * SECOND, START + 6000 * SECOND, "<b>trip</b>")


def made(old: Story, new: Story, events: Sequence[Event] = (), traces: Sequence[Traces] = ()) -> str:
    judged = judgements(old, new, events, [], 1000 * SECOND) if events else None
    whole, comparison = report(NAMES, old, new, position="park", events=judged, notes=["a < b"])
    return page(whole, comparison, (old, new), traces, events)


def drawings(text: str) -> list[ElementTree.Element]:
    """The plots, without the small ones of the legend."""
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg viewBox.*?</svg>", text, re.DOTALL)]


def marks(text: str, kind: str) -> int:
    return sum(kind in element.get("class", "").split() for svg in drawings(text) for element in svg.iter())


def told(*spells: Spell) -> Story:
    return story(10_000, *spells, calls=[call(7, one.condition.subject) for one in spells])


def test_nothing_comes_from_elsewhere_and_nothing_is_run() -> None:
    text = made(told(spell(10, 500)), told(spell(60, 500)), [EVENT])
    assert not re.search(r"https?:|//[a-z]|\bsrc=|<script|<link|@import|url\(|\bon\w+=", text)
    assert "default-src 'none'" in text


def test_names_are_words_and_no_markup() -> None:
    text = made(told(spell(10, 500, "<i>A")), told(), [EVENT])
    assert "new&lt;&amp;&gt;.toml" in text
    assert "<i>" not in text
    assert "<b>trip" not in text
    assert "a &lt; b" in text
    assert len(drawings(text)) == 2  # each of them could be parsed


def test_missed_and_new_alarms_are_marked() -> None:
    text = made(told(spell(10, 900), spell(2000, 2600)), told(spell(10, 900), spell(4000, 4600), spell(8000, 8100)))
    assert (marks(text, "only"), marks(text, "mark"), marks(text, "shift")) == (3, 3, 0)
    assert "missed: OLD only" in text
    assert "new: NEW only" in text


def test_a_shift_is_a_line_from_one_to_the_other() -> None:
    text = made(told(spell(100, 900)), told(spell(400, 900)))
    assert (marks(text, "only"), marks(text, "shift")) == (0, 1)
    assert "+300 s in NEW" in text


def test_values_limits_and_events_are_drawn() -> None:
    traces = Traces([tag("A", 1)])
    for instant in instants(*((100.0 * i, 1, 5.0 + i % 7) for i in range(100))):
        traces.add(instant)
    text = made(told(spell(100, 900)), told(spell(400, 900)), [EVENT], [traces])
    assert marks(text, "values") == 1
    assert marks(text, "event") == 2  # in both plots
    assert (marks(text, "limit-old"), marks(text, "limit-new")) == (2, 1)  # one is the flood's


def test_where_nothing_was_measured_the_values_are_broken() -> None:
    traces = Traces([tag("A", 1)])
    for instant in instants(*((20.0 * i, 1, 5.0) for i in [*range(100), *range(300, 400)])):
        traces.add(instant)
    assert marks(made(told(spell(100, 900)), told(), traces=[traces]), "values") == 2


def test_a_thousand_alarms_in_one_place_are_one_mark() -> None:
    many = [spell(i / 100, i / 100 + 0.005) for i in range(1000)]
    text = made(told(*many), told(*many))
    assert marks(text, "tier2") < 6
    assert "1000 alarms from 2026-01-01T00:00:00.000Z, tier 2" in text


def test_those_tags_are_drawn_that_differ_most() -> None:
    alike = [spell(10, 20, f"T{i:03}") for i in range(MOST_TAGS + 5)]
    text = made(told(*alike), told(*alike, spell(30, 40, "ZZ")))
    assert re.findall(r"<h3>(.*?)</h3>", text)[0] == "ZZ"
    assert len(re.findall("<h3>", text)) == MOST_TAGS
    assert "6 more tags had alarms" in text


def test_two_that_say_nothing_have_a_page() -> None:
    assert "No alarm was raised by either" in made(told(), told())


@pytest.mark.parametrize("seconds", [0, 0.5, 7, 61, 3600, 86_400, 90 * 86_400, 3000 * 86_400])
def test_times_on_the_axis_are_few_and_round(seconds: float) -> None:
    ticks = list(time_ticks(span(seconds)))
    assert 1 <= len(ticks) <= 12
    assert all(span(seconds).begin_ns <= at <= span(seconds).end_ns for at, _ in ticks)
    if seconds > 20 * 86_400:
        assert all(at % DAY == 0 for at, _ in ticks)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 12), (-200, 0.5), (3, 3), (0.01, 0.013), (0, 1e6)])
def test_values_on_the_axis_are_few_and_within(low: float, high: float) -> None:
    ticks = value_ticks(low, high)
    assert 1 <= len(ticks) <= 6
    assert all(low <= value <= high for value in ticks)
