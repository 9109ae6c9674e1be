"""The page: everything in one file, without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from hazwatch.backtest import rows
from hazwatch.backtest.compare import Comparison
from hazwatch.backtest.events import Event
from hazwatch.backtest.report import Report, Stood
from hazwatch.backtest.story import Story
from hazwatch.backtest.timeline import Scene, rate_plot, tag_plot, tags_by_difference
from hazwatch.backtest.trace import Trace, Traces

MOST_TAGS = 100
MOST_ROWS = 200

STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1000px; margin: 24px auto;
  padding: 0 16px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 32px; } h3 { font-size: 14px; margin: 20px 0 4px; }
table { border-collapse: collapse; margin: 8px 0; } th, td { padding: 2px 12px 2px 0; text-align: right; }
th { font-weight: 600; border-bottom: 1px solid #999; } td:first-child, th:first-child { text-align: left;
  white-space: pre; } td.word, th.word { text-align: left; } tr:hover td { background: #f3f3f3; }
.note { background: #fff6d6; padding: 4px 8px; } .legend svg { vertical-align: middle; }
svg { max-width: 100%; height: auto; display: block; } .legend svg { display: inline-block; }
text { font: 11px system-ui, sans-serif; fill: #333; } .tick { fill: #666; font-size: 10px; }
.grid { stroke: #e3e3e3; } .event { fill: #9a7fd1; opacity: 0.4; stroke: #7d5fbd; stroke-width: 0.7; }
.band { fill: #7d8b99; stroke: #5b6975; stroke-width: 0.8; }
.values { fill: none; stroke: #5b6975; stroke-width: 1; stroke-linejoin: round; }
.limit-old { stroke: #777; stroke-dasharray: 5 3; } .limit-new { stroke: #222; }
.rate-old { fill: #9aa4ad; } .rate-new { fill: #1b4f72; }
.tier1 { fill: #c1121f; } .tier2 { fill: #e8751a; } .tier3 { fill: #f2c230; } .tier4 { fill: #3a78c2; }
.only { stroke: #000; stroke-width: 1.2; stroke-dasharray: 2 1.5; } .mark { fill: #000; }
.shift { stroke: #000; stroke-width: 1; }
"""

LEGEND = """<p class="legend">
<svg width="14" height="10"><rect class="tier1" width="14" height="9"/></svg> tier 1
<svg width="14" height="10"><rect class="tier2" width="14" height="9"/></svg> tier 2
<svg width="14" height="10"><rect class="tier3" width="14" height="9"/></svg> tier 3
<svg width="14" height="10"><rect class="tier4" width="14" height="9"/></svg> tier 4 &nbsp;
<svg width="18" height="14"><rect class="tier3 only" x="3" y="4" width="14" height="9"/><path class="mark"
d="M0.5 0 L5.5 0 L3 4 Z"/></svg> raised by one of them only &nbsp;
<svg width="18" height="14"><line class="shift" x1="2" y1="2" x2="16" y2="13"/></svg> raised at another time &nbsp;
<svg width="18" height="10"><line class="limit-old" x1="0" y1="5" x2="18" y2="5"/></svg> limit of OLD
<svg width="18" height="10"><line class="limit-new" x1="0" y1="5" x2="18" y2="5"/></svg> limit of NEW &nbsp;
<svg width="14" height="10"><rect class="event" width="14" height="10"/></svg> event. Times are in UTC; point at a mark
to read it.</p>"""


def page(
    whole: Report,
    comparison: Comparison,
    told: tuple[Story, Story],
    traces: Sequence[Traces],
    events: Sequence[Event],
    *,
    title: str = "Backtest",
) -> str:
    """The page of a report. `traces` are asked in their order for the values of a tag."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}: {escape(whole.old)} and {escape(whole.new)}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            *_body(whole, comparison, told, traces, events),
            "</body></html>",
            "",
        ]
    )


def _body(
    whole: Report,
    comparison: Comparison,
    told: tuple[Story, Story],
    traces: Sequence[Traces],
    events: Sequence[Event],
) -> Iterator[str]:
    recording = whole.recording
    scene = Scene.of(told, comparison, events)
    yield f"<p>OLD {escape(whole.old)}<br>NEW {escape(whole.new)}</p>"
    files = escape(", ".join(recording.files))
    yield f"<p>{files}: {recording.begin} to {recording.end}, {rows.duration(recording.days * 86_400)}</p>"
    yield from (f'<p class="note">{escape(note)}</p>' for note in whole.notes)
    yield "<h2>Alarms</h2>"
    yield from _table(("", "OLD", "NEW", "NEW-OLD"), rows.load_rows(whole.measures))
    yield from _events(whole)
    yield "<h2>Alarms in ten minutes</h2>"
    by = whole.position.replace("_", " ")
    yield f"<p>Those of the {by} that had most. Grey: OLD, blue: NEW; over the dashed line it is a flood.</p>"
    yield rate_plot(scene, *told, whole.position)
    if len(positions := list(rows.position_rows(whole.measures))) > 1:
        yield f"<p>Share of time in flood by {by}:</p>"
        yield from _table(("", "OLD", "NEW", "NEW-OLD"), positions)
    yield from _timelines(scene, comparison, told, traces)
    yield f"<h2>Raised by both: {len(whole.matched)}</h2><p>{escape(rows.shift_words(whole))}</p>"
    yield f"<h2>Missed, raised by OLD only: {len(whole.missed)}</h2>"
    yield from _stood(whole.missed)
    yield f"<h2>New, raised by NEW only: {len(whole.fresh)}</h2>"
    yield from _stood(whole.fresh)


def _events(whole: Report) -> Iterator[str]:
    judged = whole.events
    if judged is None:
        return
    window = rows.duration(judged.lead_window_s)
    yield "<h2>Against the labelled events</h2>"
    yield f"<p>{rows.events(judged)}; process alarms count from {window} before the start.</p>"
    yield from _table(("", "OLD", "NEW", "NEW-OLD"), rows.event_rows(judged))
    findings = list(rows.finding_rows(judged))
    yield from _table(("lead time", "start", "OLD", "NEW", "NEW-OLD"), findings[:MOST_ROWS])
    yield from _left(len(findings))


def _timelines(
    scene: Scene, comparison: Comparison, told: tuple[Story, Story], traces: Sequence[Traces]
) -> Iterator[str]:
    tags = tags_by_difference(comparison, *told)
    yield "<h2>Timeline of each tag</h2>"
    yield LEGEND if tags else "<p>No alarm was raised by either.</p>"
    for tag in tags[:MOST_TAGS]:
        yield f"<h3>{escape(tag)}</h3>"
        yield tag_plot(scene, tag, _trace(traces, tag))
    if len(tags) > MOST_TAGS:
        yield f"<p>{len(tags) - MOST_TAGS} more tags had alarms; those drawn are the ones that differ most.</p>"


def _trace(traces: Sequence[Traces], tag: str) -> Trace | None:
    return next((found for one in traces if (found := one.of(tag)) is not None), None)


def _stood(stood: Sequence[Stood]) -> Iterator[str]:
    if not stood:
        return
    head = ("from", "tag", "rule", "level", "tier", "raised", "stood", "value", "limit", "unit")
    yield from _table(head, map(_cells, sorted(stood, key=lambda one: (one.tier, one.begin))[:MOST_ROWS]))
    yield from _left(len(stood))


def _cells(one: Stood) -> tuple[str, ...]:
    stood = "to the end" if one.open else rows.duration(one.standing_s)
    value, limit = rows.count(one.value), rows.count(one.limit)
    return one.begin, one.tag, one.rule, one.level, str(one.tier), str(one.raised), stood, value, limit, one.unit


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"
    for row in body:
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
    yield "</table>"


def _left(count: int) -> Iterator[str]:
    if count > MOST_ROWS:
        yield f"<p>... and {count - MOST_ROWS} more; the JSON report has all.</p>"
