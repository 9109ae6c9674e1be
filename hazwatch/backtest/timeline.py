"""The plots of a backtest: alarms in ten minutes, and for each tag its values, both timelines and where they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hazwatch.backtest.compare import Comparison, Match
from hazwatch.backtest.events import Event, inside
from hazwatch.backtest.measures import FLOOD_MOST, FLOOD_SPAN, spans
from hazwatch.backtest.story import Call, Span, Spell, Story
from hazwatch.backtest.svg import Scale, drawing, line, path, rect, time_axis, value_ticks, words
from hazwatch.backtest.trace import Trace
from schemas.time import to_iso

WIDTH, LEFT, RIGHT = 1000.0, 150.0, 985.0
LANE, PAIR = 9.0, 30.0
VALUES = 70.0
LEAST = 1.5
"""So wide at least is a spell, however short, so that it can be seen."""

DENSE = 0.8
"""From this share of bins with values on, values are drawn as a band."""

Rows = dict[tuple[str, str], list[Spell]]
"""Spells by rule and side."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What every plot of a page shares: the spells by tag, rule and side, and by tag what was matched. `alone` are the
    spells that only one of the two has."""

    span: Span
    events: Sequence[Event]
    old: dict[str, Rows]
    new: dict[str, Rows]
    matched: dict[str, list[Match]]
    alone: frozenset[Spell]

    @classmethod
    def of(cls, told: tuple[Story, Story], comparison: Comparison, events: Sequence[Event]) -> Scene:
        matched: dict[str, list[Match]] = defaultdict(list)
        for match in comparison.matched:
            matched[match.old[0].condition.subject].append(match)
        alone = frozenset(one for episode in (*comparison.missed, *comparison.new) for one in episode.spells)
        old, new = map(_rows, told)
        return cls(told[0].span, inside(events, told[0].span), old, new, dict(matched), alone)

    @property
    def x(self) -> Scale:
        return Scale(self.span.begin_ns, self.span.end_ns, LEFT, RIGHT)

    def background(self, top: float, bottom: float) -> Iterator[str]:
        """The events as bands, and the axis of the time."""
        for event in self.events:
            x = self.x(max(event.start_ns, self.span.begin_ns))
            width = self.x(min(event.end_ns, self.span.end_ns)) - x
            tip = f"{event.label}: {to_iso(event.start_ns)} to {to_iso(event.end_ns)}"
            yield rect(x, top, max(width, LEAST), bottom - top, "event", tip)
        yield from time_axis(self.span, self.x, top, bottom)


def rate_plot(scene: Scene, old: Story, new: Story, position: str) -> str:
    """The alarms of each ten minutes, those of the position that had most; the line is the flood's."""
    counts = [_busiest(story.calls, position) for story in (old, new)]
    most = max([FLOOD_MOST + 2, *(n for found in counts for n in found.values())])
    top, bottom = 6.0, 126.0
    y = Scale(0, most, bottom, top)
    marks = list(scene.background(top, bottom))
    for value in value_ticks(0, most):
        marks += [
            line(LEFT, y(value), RIGHT, y(value), "grid"),
            words(LEFT - 6, y(value) + 4, f"{value:g}", "tick", "end"),
        ]
    marks.append(line(LEFT, y(FLOOD_MOST), RIGHT, y(FLOOD_MOST), "limit-old", "more than 10 in 10 minutes is a flood"))
    wide = max(1.0, (scene.x(scene.span.begin_ns + FLOOD_SPAN) - LEFT) / 2 - 0.5)
    for found, kind, shift in zip(counts, ("rate-old", "rate-new"), (0.0, wide), strict=True):
        columns: dict[int, int] = {}
        for slot, n in found.items():
            x = round(scene.x(max(slot * FLOOD_SPAN, scene.span.begin_ns)))
            columns[x] = max(columns.get(x, 0), n)
        marks += [
            rect(x + shift, y(n), min(wide, RIGHT - x - shift), bottom - y(n), kind, f"{n} alarms")
            for x, n in sorted(columns.items())
        ]
    return drawing(WIDTH, bottom + 18, "alarms in ten minutes over time", marks)


def tag_plot(scene: Scene, tag: str, trace: Trace | None) -> str:
    """One tag: its values with the limits that were crossed, and for each rule and side what OLD and NEW said."""
    before, after = scene.old.get(tag, {}), scene.new.get(tag, {})
    rows = sorted(before.keys() | after.keys())
    top = 4.0
    values = VALUES + 6 if trace is not None else 0.0
    bottom = top + values + PAIR * len(rows)
    marks = list(scene.background(top, bottom))
    if trace is not None:
        marks += _values(scene, trace, top, top + VALUES, before, after)
    for i, row in enumerate(rows):
        y = top + values + PAIR * i
        marks.append(words(LEFT - 36, y + 19, " ".join(row), "label", "end"))
        marks += [words(LEFT - 6, y + 12, "OLD", "tick", "end"), words(LEFT - 6, y + 24, "NEW", "tick", "end")]
        marks += _lane(scene, before.get(row, []), y + 4, "missed: OLD only")
        marks += _lane(scene, after.get(row, []), y + 16, "new: NEW only")
    places = {row: top + values + PAIR * i for i, row in enumerate(rows)}
    marks += _shifts(scene, scene.matched.get(tag, []), places)
    return drawing(WIDTH, bottom + 18, f"alarms of {tag} over time", marks)


def tags_by_difference(comparison: Comparison, old: Story, new: Story) -> list[str]:
    """All tags that had an alarm, those first in which the two differ most."""
    differences: dict[str, int] = defaultdict(int)
    raised: dict[str, int] = defaultdict(int)
    for episode in (*comparison.missed, *comparison.new):
        differences[episode.worst.condition.subject] += 1
    for match in comparison.matched:
        differences[match.old[0].condition.subject] += match.shift_s != 0 or match.tiers[0] != match.tiers[1]
    for spell in (*old.spells, *new.spells):
        raised[spell.condition.subject] += 1
    return sorted(raised, key=lambda tag: (-differences[tag], -raised[tag], tag))


def _rows(story: Story) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for spell in story.spells:
        rows = found.setdefault(spell.condition.subject, {})
        rows.setdefault((spell.condition.rule, spell.condition.side), []).append(spell)
    return found


def _values(
    scene: Scene,
    trace: Trace,
    top: float,
    bottom: float,
    before: Rows,
    after: Rows,
) -> Iterator[str]:
    """The lowest and the highest value of each bin, as a band or a line that is broken where nothing was measured."""
    limits = [sorted(_limits(found)) for found in (before, after)]
    low = min([float(trace.low.min()), *limits[0], *limits[1]])
    high = max([float(trace.high.max()), *limits[0], *limits[1]])
    y = Scale(low, high, bottom, top + 4)
    for value in value_ticks(low, high):
        yield words(LEFT - 6, y(value) + 4, f"{value:g}", "tick", "end")
    for found, kind, name in zip(limits, ("limit-old", "limit-new"), ("OLD", "NEW"), strict=True):
        for value in found:
            yield line(LEFT, y(value), RIGHT, y(value), kind, f"limit {value:g} in {name}")
    for first, last in _unbroken(trace):
        x = [scene.x(int(at) + trace.width_ns // 2) for at in trace.begin_ns[first:last]]
        low_y, high_y = (list(map(y, ends[first:last].tolist())) for ends in (trace.low, trace.high))
        if _dense(trace):
            edge = [*zip(x, high_y, strict=True), *reversed(list(zip(x, low_y, strict=True)))]
            yield path(edge, "band", closed=True)
        else:
            yield path([at for ends in zip(x, low_y, high_y, strict=True) for at in _upright(*ends)], "values")


def _upright(x: float, low: float, high: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """A bin as a stroke that is not lost when all its values are the same."""
    return (x, low), (x + 0.5 if low == high else x, high)


def _dense(trace: Trace) -> bool:
    """Whether nearly every bin has values; between rare ones a band would show what nobody measured."""
    steps = np.diff(trace.begin_ns)
    return len(steps) > 0 and float((steps == trace.width_ns).mean()) >= DENSE


def _unbroken(trace: Trace) -> Iterator[tuple[int, int]]:
    """Stretches of bins between which no more is missing than usually."""
    steps = np.diff(trace.begin_ns)
    usual = 3 * max(int(np.median(steps)) if len(steps) else 0, trace.width_ns)
    edges = [0, *(np.flatnonzero(steps > usual) + 1).tolist(), len(trace.begin_ns)]
    yield from pairwise(edges)


def _limits(found: Rows) -> set[float]:
    """The limits that were crossed; those of rules that judge no value of the tag itself stay out."""
    return {s.limit for spells in found.values() for s in spells if s.limit is not None and s.kind == "limits"}


def _lane(scene: Scene, spells: Sequence[Spell], y: float, why: str) -> Iterator[str]:
    """Spells as boxes. What would lie in one place of the paper is drawn once, the most urgent tier on top."""
    boxes: list[tuple[float, float, int, bool, list[Spell]]] = []
    for spell in spells:
        x = scene.x(spell.begin_ns)
        end = max(scene.x(spell.end_ns), x + LEAST)
        only = spell in scene.alone
        if boxes and x <= boxes[-1][1] + 0.5 and boxes[-1][3] is only and boxes[-1][2] == spell.tier:
            boxes[-1] = (boxes[-1][0], end, spell.tier, only, [*boxes[-1][4][:9], spell, *boxes[-1][4][9:]])
        else:
            boxes.append((x, end, spell.tier, only, [spell]))
    for x, end, tier, only, held in sorted(boxes, key=lambda box: -box[2]):
        tip = _tip(held) + (f" - {why}" if only else "")
        yield rect(x, y, end - x, LANE, f"tier{tier}{' only' if only and end - x > 4 else ''}", tip)
        if only:
            yield path([(x - 2.5, y - 4), (x + 2.5, y - 4), (x, y)], "mark", closed=True)


def _tip(spells: Sequence[Spell]) -> str:
    first = spells[0]
    if len(spells) > 1:
        return f"{len(spells)} alarms from {to_iso(first.begin_ns)}, tier {first.tier}"
    value = "" if first.value is None else f", {first.value:g} {first.unit}"
    end = "the end" if first.open else to_iso(first.end_ns)
    return f"{first.condition} {first.level_name}, tier {first.tier}: {to_iso(first.begin_ns)} to {end}{value}"


def _shifts(scene: Scene, matches: Sequence[Match], places: dict[tuple[str, str], float]) -> Iterator[str]:
    """A line from where OLD raised an alarm to where NEW did, when that can be seen."""
    for match in matches:
        old, new = match.old[0], match.new[0]
        a, b = scene.x(old.begin_ns), scene.x(new.begin_ns)
        if abs(a - b) >= 1:
            y1 = places[old.condition.rule, old.condition.side] + 4
            y2 = places[new.condition.rule, new.condition.side] + 16 + LANE
            yield line(a, y1, b, y2, "shift", f"{match.shift_s:+g} s in NEW")


def _busiest(calls: Sequence[Call], position: str) -> dict[int, int]:
    most: dict[int, int] = defaultdict(int)
    for found in spans(calls, position).values():
        for slot, n in found.items():
            most[slot] = max(most[slot], n)
    return dict(most)
