"""The measures as rows of words (name, OLD, NEW, difference), for the text and for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from hazwatch.backtest.events import Judgement
from hazwatch.backtest.measures import Load
from hazwatch.backtest.report import Judgements, Report, Sides
from schemas.tiers import COLOURS

Row = tuple[str, str, str, str]
NOTHING = "-"
MOST_TAGS = 20


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:g}"


def rate(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.2f} %"


def duration(seconds: float | None) -> str:
    """As people say it: `45 s`, `2 min 30 s`, `3 h 20 min`, `2 d 4 h`; `-` when there is none."""
    if seconds is None:
        return NOTHING
    sign, left = "-" if seconds < 0 else "", abs(seconds)
    for name, length, lower, size in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= length:
            whole, rest = divmod(round(left / size) * size, length)
            return f"{sign}{whole:g} {name}" + (f" {rest // size:g} {lower}" if rest >= size else "")
    return f"{sign}{left:.3g} s"


def signed(say: Callable[[float | None], str], value: float | None) -> str:
    """A difference: with its sign, and `=` when there is none."""
    if value is None:
        return NOTHING
    said = say(abs(value))
    if value == 0 or said == say(0.0):
        return "="
    return f"{'+' if value > 0 else '-'}{said}"


def events(judged: Judgements) -> str:
    """How many there are."""
    many = len(judged.old.events)
    return f"{many} event{'' if many == 1 else 's'}"


def load_rows(sides: Sides) -> Iterator[Row]:
    """Alarms raised, flood, chattering and standing time."""
    yield _row("alarms raised", count, sides, lambda load: load.raised)
    yield _row("  per day", rate, sides, lambda load: load.per_day)
    for tier in _keys(sides, lambda load: load.by_tier):
        name = f"  tier {tier} ({COLOURS.get(int(tier), '?')})"
        yield _row(name, count, sides, _entry(lambda load: load.by_tier, tier))
    for rule in _keys(sides, lambda load: load.by_rule):
        yield _row(f"  rule {rule}", count, sides, _entry(lambda load: load.by_rule, rule))
    yield _worst("flood: 10-min spans over 10 alarms", percent, sides, lambda load: load.flood)
    yield _worst("  most alarms in 10 min", count, sides, lambda load: load.most_in_span)
    yield _row("chattering: bursts", count, sides, lambda load: sum(load.chattering.values()))
    yield _row("  conditions that chatter", count, sides, lambda load: len(load.chattering))
    yield _row("  alarms in bursts", count, sides, lambda load: load.chattering_raised)
    yield _row("standing, all together", duration, sides, lambda load: load.standing_s)
    yield _row("  the longest", duration, sides, lambda load: load.longest_s)
    yield _row("  longer than 24 h", count, sides, lambda load: load.over_24_h)
    yield _row("  share of time with any", percent, sides, lambda load: load.standing_share)


def position_rows(sides: Sides) -> Iterator[Row]:
    """The share of time in flood for each operator position."""
    for where in _keys(sides, lambda load: load.flood):
        yield _row(where, percent, sides, _entry(lambda load: load.flood, where))


def tag_rows(sides: Sides, most: int = MOST_TAGS) -> Iterator[Row]:
    """Alarms raised by tag, those first in which OLD and NEW differ most; at most so many."""
    change = sides.difference.by_tag
    tags = sorted(change, key=lambda tag: (-abs(change[tag]), -sides.old.by_tag.get(tag, 0), tag))
    for tag in tags[:most]:
        yield _row(tag, count, sides, _entry(lambda load: load.by_tag, tag))


def event_rows(judged: Judgements) -> Iterator[Row]:
    """Found, missed, lead time and what was for nothing."""
    yield from _judgement_rows("", judged.old, judged.new)
    if len(judged.old_rules | judged.new_rules) > 1:
        for rule in sorted(judged.old_rules | judged.new_rules):
            yield f"rule {rule}", "", "", ""
            yield from _judgement_rows("  ", judged.old_rules.get(rule), judged.new_rules.get(rule))


def finding_rows(judged: Judgements) -> Iterator[tuple[str, str, str, str, str]]:
    """Each event: label, start, and the lead time of both."""
    for old, new in zip(judged.old.events, judged.new.events, strict=True):
        shift = None if old.lead_s is None or new.lead_s is None else new.lead_s - old.lead_s
        yield old.label, old.start, _lead(old.lead_s), _lead(new.lead_s), signed(duration, shift)


def shift_words(whole: Report) -> str:
    """How the matched alarms moved, in a sentence."""
    shifts = whole.shifts
    if shifts.median_s is None or shifts.least_s is None or shifts.most_s is None:
        return "none"
    moved = f"{shifts.earlier} earlier, {shifts.unmoved} unmoved, {shifts.later} later in NEW"
    if shifts.earlier or shifts.later:
        moved += f"; shift {_s(shifts.median_s)} in the middle, {_s(shifts.least_s)} to {_s(shifts.most_s)}"
    if shifts.more_urgent or shifts.less_urgent:
        moved += f"; {shifts.more_urgent} more urgent, {shifts.less_urgent} less urgent in NEW"
    return moved


def _s(seconds: float) -> str:
    return f"{seconds:+g} s"


def _lead(seconds: float | None) -> str:
    return "missed" if seconds is None else duration(seconds)


def _judgement_rows(indent: str, old: Judgement | None, new: Judgement | None) -> Iterator[Row]:
    pairs: tuple[tuple[str, Callable[[float | None], str], Callable[[Judgement], float | None]], ...] = (
        ("events found", count, lambda one: one.found),
        ("events missed", count, lambda one: one.missed),
        ("median lead time", duration, lambda one: one.median_lead_s),
        ("false-alarm share of quiet time", percent, lambda one: one.false_share),
        ("alarms that met no event", count, lambda one: one.false_alarms),
    )
    for name, say, of in pairs:
        a, b = (None if one is None else of(one) for one in (old, new))
        change = None if a is None or b is None else b - a
        yield f"{indent}{name}", say(a), say(b), signed(say, change)


def _row(
    name: str, say: Callable[[float | None], str], sides: Sides, of: Callable[[Load], float | None]
) -> tuple[str, str, str, str]:
    old, new = of(sides.old), of(sides.new)
    change = None if old is None or new is None else new - old
    return name, say(old), say(new), signed(say, change)


def _worst(
    name: str, say: Callable[[float | None], str], sides: Sides, of: Callable[[Load], Mapping[str, float]]
) -> Row:
    """The position that it is worst for."""
    return _row(name, say, sides, lambda load: max(of(load).values(), default=0))


def _entry(of: Callable[[Load], Mapping[str, float]], key: str) -> Callable[[Load], float]:
    """What stands under a key, 0 where nothing does."""
    return lambda load: of(load).get(key, 0)


def _keys(sides: Sides, of: Callable[[Load], Mapping[str, object]]) -> list[str]:
    return sorted(of(sides.old).keys() | of(sides.new).keys())
