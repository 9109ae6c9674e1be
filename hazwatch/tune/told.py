"""Proposals as text for a terminal, and as rows of a tag list to paste."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from hazwatch.backtest.report import Report
from hazwatch.backtest.rows import count, duration, load_rows, percent, rate, shift_words
from hazwatch.tune.choose import Outcome
from hazwatch.tune.propose import Left, Proposal

FORMAT = 1
MARKS = {"proposed": "->", "now": "=", "misses": "!"}
_ROWS = ("alarms raised", "per day", "chattering: bursts", "alarms in bursts", "events missed", "median lead time")


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """All that `--json` writes. `backtest` is the proof: the configuration before (OLD) and with all proposals (NEW),
    replayed over the same recordings; None when nothing is proposed."""

    format: int = FORMAT
    config: str
    files: tuple[str, ...]
    proposals: tuple[Proposal, ...]
    left: tuple[Left, ...]
    backtest: Report | None
    notes: tuple[str, ...] = ()


def lines(whole: Tuning) -> Iterator[str]:
    """The tuning, line by line."""
    yield f"{whole.config} over {', '.join(whole.files)}"
    yield from (f"note: {note}" for note in whole.notes)
    if not whole.proposals:
        yield "no limit chatters"
    for proposal in whole.proposals:
        yield from _proposal(proposal)
    for left in whole.left:
        yield from ("", f"{left.condition}: {left.bursts} bursts; {left.why}")
    if rows := list(csv_rows(whole.proposals)):
        yield from ("", "these columns in the tag list:", *rows)
    if whole.backtest is not None:
        yield from ("", "replayed before (OLD) and after (NEW):", *_proof(whole.backtest))


def csv_rows(proposals: Sequence[Proposal]) -> Iterator[str]:
    """The columns of a tag list that change, with their headings; nothing when none do."""
    changed = [one for one in proposals if one.changes]
    if changed:
        yield "name,deadband,on_delay_s,off_delay_s"
        for one in changed:
            setting = one.proposed.setting
            yield f"{one.tag},{setting.deadband:g},{setting.on_delay_s:g},{setting.off_delay_s:g}"


def _proposal(one: Proposal) -> Iterator[str]:
    title = one.title.en or one.title.zh
    yield ""
    yield f"{one.tag}{f' ({title})' if title else ''}: noise {one.noise:.3g} {one.unit}, {duration(one.days * 86_400)}"
    if one.window_s is None:
        yield "  real is what the labelled events say"
    else:
        yield f"  real is what is beyond the limit for more than half of {one.window_s:g} s (no events were given)"
    if one.held:
        yield f"  a rule sets {', '.join(one.held)} for all its tags; change it there"
    many = len(one.now.sides) > 1
    head = ["", "deadband", "on-delay", "off-delay"]
    for side in one.now.sides:
        at = f"{side.side} " if many else ""
        head += [f"{at}{name}" for name in ("per day", "false", "bursts", "fleeting", "missed", "FAR", "MAR", "delay")]
    shown = {outcome.setting: outcome for outcome in (one.now, one.proposed, *one.trade)}
    ordered = sorted(shown.values(), key=lambda outcome: (outcome.on_delay_s, outcome.off_delay_s, outcome.deadband))
    body = [_row(one, outcome) for outcome in ordered]
    table = [head, *body]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    yield f"  {MARKS['now']} now  {MARKS['proposed']} proposed: {one.why}"
    if any(not outcome.keeps for outcome in ordered):
        yield f"  {MARKS['misses']} misses a real excursion that is found now, so it is not proposed"


def _row(one: Proposal, outcome: Outcome) -> list[str]:
    marks = [
        MARKS["now"] if outcome.setting == one.now.setting else "",
        MARKS["proposed"] if one.changes and outcome.setting == one.proposed.setting else "",
        "" if outcome.keeps else MARKS["misses"],
    ]
    row = ["".join(marks), f"{outcome.deadband:g}", f"{outcome.on_delay_s:g} s", f"{outcome.off_delay_s:g} s"]
    for side in outcome.sides:
        per_day = rate(side.calls / one.days) if one.days else "-"
        delay = "-" if side.delay_s is None else f"{side.delay_s:.1f} s"
        row += [per_day, count(side.false), count(side.bursts), count(side.fleeting), count(side.missed)]
        row += [percent(side.far), percent(side.mar), delay]
    return row


def _proof(report: Report) -> Iterator[str]:
    table = [("", "OLD", "NEW", "NEW-OLD"), *(r for r in load_rows(report.measures) if r[0].strip() in _ROWS)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *cells in table:
        said = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield f"  {name.ljust(widths[0])}  {said}"
    yield f"  raised by both: {len(report.matched)}: {shift_words(report)}"
    yield f"  raised no more: {len(report.missed)}, new: {len(report.fresh)}"
    if (judged := report.events) is not None:
        yield f"  events found: {judged.old.found} before, {judged.new.found} after"
