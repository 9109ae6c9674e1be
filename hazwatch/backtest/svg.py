"""Just enough of SVG for the plots of the page: marks, scales and axes, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from hazwatch.backtest.story import Span
from schemas.time import DAY, HOUR, MINUTE, SECOND

STEPS = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 7, 14, 28, 56, 112, 364, 728, 3640)),
)
MOST_TICKS = 10


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to a place on the paper."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.begin + self.end) / 2
        share = (value - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 2)


def drawing(width: float, height: float, title: str, marks: Sequence[str]) -> str:
    """A plot that shrinks with the page; `title` is what a screen reader says."""
    body = "\n".join(marks)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(title)}">\n{body}\n</svg>'
    )


def rect(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> str:
    """A box of CSS class `kind`."""
    inner = f"><title>{escape(tip)}</title></rect>" if tip else "/>"
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{max(width, 0):g}" height="{height:g}"{inner}'


def line(x1: float, y1: float, x2: float, y2: float, kind: str, tip: str = "") -> str:
    inner = f"><title>{escape(tip)}</title></line>" if tip else "/>"
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"{inner}'


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """A line through points."""
    steps = " ".join(f"{'L' if i else 'M'}{x:g} {y:g}" for i, (x, y) in enumerate(points))
    return f'<path class="{kind}" d="{steps}{" Z" if closed else ""}"/>'


def words(x: float, y: float, said: str, kind: str = "label", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(said)}</text>'


def time_axis(span: Span, scale: Scale, top: float, bottom: float) -> Iterator[str]:
    """Lines at round times (UTC) with their words under them."""
    for at_ns, said in time_ticks(span):
        x = scale(at_ns)
        yield line(x, top, x, bottom, "grid")
        yield words(x, bottom + 12, said, "tick", "middle")


def time_ticks(span: Span) -> Iterator[tuple[int, str]]:
    """At most ten round times within the span; a day begins with its date."""
    step = next((step for step in STEPS if span.length_ns / step <= MOST_TICKS), STEPS[-1])
    at_ns = -(-span.begin_ns // step) * step
    while at_ns <= span.end_ns:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
        form = "%Y-%m-%d" if at_ns % DAY == 0 else "%H:%M" if step >= MINUTE else "%H:%M:%S"
        yield at_ns, f"{moment:{form}}"
        at_ns += step


def value_ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers between them."""
    spread = high - low
    if not (0 < spread < math.inf):
        return [low]
    size: float = 10.0 ** math.floor(math.log10(spread / 2))
    step = next((m * size for m in (1.0, 2.0, 5.0) if spread / (m * size) <= 5), 10 * size)
    first = math.ceil(low / step)
    return [float(f"{k * step:.9g}") for k in range(first, math.floor(high / step) + 1)] or [low]
