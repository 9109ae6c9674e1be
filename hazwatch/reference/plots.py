"""A plot of every worked example of a rule kind: what was read, the limits, and what came of it, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from rules.kinds import Example, Kind, kinds
from schemas.quality import Quality

WIDTH, HEIGHT = 680, 190
LEFT, RIGHT, TOP, BOTTOM = 48.0, 650.0, 38.0, 164.0
LABEL_WIDTH, LABEL_ROW = 90.0, 11.0
LEVELS = ("low_low", "low", "high", "high_high")
COLOURS = {"raise": "#c0392b", "rise": "#8e0000", "fall": "#b8860b", "return": "#2e7d32"}
SERIES = ("#1f4e79", "#7f8c8d", "#6a51a3", "#0b7a75")

Scale = Callable[[float], float]
Point = tuple[float, float | None, int]
"""Second, value, quality."""


def plots() -> dict[str, str]:
    """File name -> SVG, for every example of every kind."""
    return {plot_name(kind, n): draw(example) for kind in kinds().values() for n, example in enumerate(kind.examples)}


def plot_name(kind: Kind, number: int) -> str:
    return f"{kind.name}-{number + 1}.svg"


def draw(example: Example) -> str:
    """The example as a drawing that needs nothing else."""
    series = _series(example)
    limits = [(n, v) for n in LEVELS if (v := getattr(example.tag.limits, n)) is not None]
    numbers = [v for points in series.values() for _, v, _ in points if v is not None]
    end = max([1.0, *(p[0] for points in series.values() for p in points), *(e[0] for e in example.case.expect)])
    low, high = min([0.0, *numbers]), max([*numbers, *(v for _, v in limits if _near(v, numbers))], default=1.0)
    x = _scale(0.0, end, LEFT, RIGHT)
    y = _scale(low, high + (0.08 * (high - low) or 1.0), BOTTOM, TOP)
    marks = list(_axes(end, low, high, x, y, example.tag.unit))
    for name, value in limits:
        if _near(value, numbers):
            marks.append(_line(LEFT, y(value), RIGHT, y(value), "#c0392b", ' stroke-dasharray="5 4" opacity="0.6"'))
            marks.append(_text(LEFT + 4, y(value) - 3, f"{name} {value:g}", "#c0392b"))
    for colour, (name, points) in zip(_colours(series), series.items(), strict=True):
        marks += _curve(points, x, y, colour)
        if len(series) > 1:
            last = next((p for p in reversed(points) if p[1] is not None), None)
            if last is not None and last[1] is not None:
                marks.append(_text(min(x(last[0]), RIGHT - 30), y(last[1]) - 4, name, colour))
    before, row = -LABEL_WIDTH, 0
    for at, change, level in example.case.expect:
        colour = COLOURS[change]
        row = (row + 1) % 3 if x(at) - before < LABEL_WIDTH else 0
        before = x(at)
        marks.append(_line(x(at), TOP - 2, x(at), BOTTOM, colour))
        anchor = "end" if x(at) > RIGHT - LABEL_WIDTH else "start"
        marks.append(_text(x(at), TOP - 4 - LABEL_ROW * row, f"{change} ({level})", colour, anchor))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="10">\n<title>{escape(example.case.name)}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(marks) + "\n</svg>\n"
    )


def _series(example: Example) -> dict[str, list[Point]]:
    """What every tag of the case reads."""
    found: dict[str, list[Point]] = {example.case.tag: []}
    for second, *rest in example.case.readings:
        name = example.case.tag
        if isinstance(rest[0], str):
            name, *rest = rest  # type: ignore[assignment]
        quality = Quality[str(rest[1]).upper()] if len(rest) > 1 else Quality.GOOD
        value = float(rest[0]) if rest[0] is not None else None
        found.setdefault(name, []).append((float(second or 0), value, quality))
    return found


def _colours(series: Mapping[str, object]) -> Iterator[str]:
    for n in range(len(series)):
        yield SERIES[n % len(SERIES)]


def _near(value: float, numbers: Sequence[float]) -> bool:
    """Whether a limit belongs onto the paper: one far beyond all readings would flatten them."""
    return not numbers or min(numbers) - abs(value) <= value <= 3 * max(max(numbers), 0.0) + 1e-9


def _scale(low: float, high: float, begin: float, end: float) -> Scale:
    """From a value to a place on the paper."""
    slope = (end - begin) / ((high - low) or 1.0)
    return lambda value: round(begin + slope * (value - low), 1)


def _axes(end: float, low: float, high: float, x: Scale, y: Scale, unit: str) -> Iterator[str]:
    yield _line(LEFT, BOTTOM, RIGHT, BOTTOM, "#999999")
    yield _line(LEFT, TOP, LEFT, BOTTOM, "#999999")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _text(x(share * end), BOTTOM + 14, f"{share * end:g} s", "#666666", "middle")
    for value in (low, (low + high) / 2, high):
        yield _text(LEFT - 4, y(value) + 3, f"{value:.4g}", "#666666", "end")
    yield _text(4, TOP - 4, unit, "#666666")


def _curve(points: Sequence[Point], x: Scale, y: Scale, colour: str) -> Iterator[str]:
    """Good readings as dots with a line, uncertain ones hollow, bad ones as crosses on the axis."""
    told = " ".join(f"{x(at):g},{y(value):g}" for at, value, _ in points if value is not None)
    yield f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="1" opacity="0.5"/>'
    for at, value, quality in points:
        if value is None or quality >= Quality.BAD:
            yield _text(x(at), BOTTOM - 3 if value is None else y(value) + 3, "x", colour, "middle")
        else:
            fill = colour if quality < Quality.UNCERTAIN else "#ffffff"
            yield f'<circle cx="{x(at):g}" cy="{y(value):g}" r="2.2" fill="{fill}" stroke="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, said: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}">{escape(said)}</text>'
