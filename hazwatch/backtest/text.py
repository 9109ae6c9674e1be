"""A backtest as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hazwatch.backtest import rows
from hazwatch.backtest.report import Both, Report, Stood

LISTED = 20
"""So many alarms of a list; `--json` has all of them."""


def lines(whole: Report) -> Iterator[str]:
    """The report, line by line."""
    recording = whole.recording
    yield f"OLD {whole.old}"
    yield f"NEW {whole.new}"
    yield f"{', '.join(recording.files)}: {recording.begin} to {recording.end}, {_days(recording.days)}"
    yield from (f"note: {note}" for note in whole.notes)
    yield ""
    yield from _table(list(rows.load_rows(whole.measures)))
    if len(positions := list(rows.position_rows(whole.measures))) > 1:
        yield from ("", f"time in flood by {whole.position.replace('_', ' ')}", *_table(positions))
    if tags := list(rows.tag_rows(whole.measures)):
        yield from ("", "alarms raised by tag", *_table(tags))
        if (left := len(whole.measures.difference.by_tag) - len(tags)) > 0:
            yield f"... and {left} more tags"
    yield from ("", f"raised by both: {len(whole.matched)}: {rows.shift_words(whole)}")
    changed = [said for both in sorted(whole.matched, key=lambda both: -abs(both.shift_s)) if (said := _both(both))]
    yield from _listed(changed)
    yield from ("", f"missed, raised by OLD only: {len(whole.missed)}{_by_rule(whole.missed_by_rule)}")
    yield from _listed(list(map(_stood, _urgent_first(whole.missed))))
    yield from ("", f"new, raised by NEW only: {len(whole.fresh)}{_by_rule(whole.fresh_by_rule)}")
    yield from _listed(list(map(_stood, _urgent_first(whole.fresh))))
    yield from _events(whole)


def _events(whole: Report) -> Iterator[str]:
    judged = whole.events
    if judged is None:
        return
    window = rows.duration(judged.lead_window_s)
    yield from ("", f"against {rows.events(judged)}, from {window} before the start (process alarms)")
    yield from _table(list(rows.event_rows(judged)))
    yield from ("", "lead time by event")
    head = ("", "", "OLD", "NEW", "")
    yield from _columns([head, *list(rows.finding_rows(judged))[:LISTED]], left=2)
    if (left := len(judged.old.events) - LISTED) > 0:
        yield f"... and {left} more"


def _table(body: Sequence[rows.Row]) -> Iterator[str]:
    return _columns([("", "OLD", "NEW", "NEW-OLD"), *body], left=1)


def _columns(table: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Columns side by side; the first `left` are set left, the others right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _listed(items: Sequence[str]) -> Iterator[str]:
    yield from (f"  {item}" for item in items[:LISTED])
    if len(items) > LISTED:
        yield f"  ... and {len(items) - LISTED} more; --json has all"


def _urgent_first(stood: Sequence[Stood]) -> list[Stood]:
    return sorted(stood, key=lambda one: (one.tier, one.begin))


def _stood(one: Stood) -> str:
    value = "" if one.value is None else f", {one.value:g} {one.unit}".rstrip()
    limit = "" if one.limit is None else f" (limit {one.limit:g})"
    stood = "to the end" if one.open else f"for {rows.duration(one.standing_s)}"
    stood += f", raised {one.raised} times" if one.raised > 1 else ""
    return f"{one.begin}  {one.tag} {one.rule} {one.level}, tier {one.tier}, {stood}{value}{limit}"


def _both(both: Both) -> str:
    """What is another in NEW; empty when nothing is."""
    pairs = (("rule", both.rule, both.new_rule), ("tier", both.old_tier, both.new_tier),
             ("raised", both.old_raised, both.new_raised))  # fmt: skip
    changes = [f"{both.shift_s:+g} s"] if both.shift_s else []
    changes += [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
    said = f"{both.old_begin}  {both.tag} {both.rule} {both.side}: "
    return said + ", ".join(changes) if changes else ""


def _by_rule(found: dict[str, int]) -> str:
    return f" ({', '.join(f'{rule} {count}' for rule, count in found.items())})" if found else ""


def _days(days: float) -> str:
    return rows.duration(days * 86_400)
