"""Alarms against events that somebody has labelled: which were found, how long before, and how much was for nothing.

The window of an event begins some time before its start (how long ahead an alarm still is a warning of it) and ends
with it. An alarm that stands at any moment of a window has found the event. What lies in no window is quiet time.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import msgspec

from hazwatch.backtest.intervals import total, touches, union, within, without
from hazwatch.backtest.story import Span, Spell, Story
from schemas.changes import AlarmClass
from schemas.time import SECOND, to_iso


class Event(msgspec.Struct, frozen=True):
    """Something that happened at the plant, by the word of a person."""

    start_ns: int
    end_ns: int
    label: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event. `lead_s` is how long before its start the first alarm stood, at most the whole of the
    window before it, and negative when the alarm came after the start; `alarm` is that alarm."""

    label: str
    start: str
    found: bool
    lead_s: float | None = None
    alarm: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """`false_share` is the share of the quiet time in which an alarm stood (None when there was no quiet time),
    `false_alarms` how many never touched a window, `median_lead_s` over the events that were found."""

    found: int
    missed: int
    median_lead_s: float | None
    false_share: float | None
    false_alarms: int
    quiet_s: float
    events: tuple[Finding, ...]


def inside(events: Sequence[Event], span: Span) -> list[Event]:
    """The events of which the recording holds anything."""
    return [event for event in events if event.start_ns <= span.end_ns and event.end_ns >= span.begin_ns]


def judge(story: Story, events: Sequence[Event], lead_ns: int) -> Judgement:
    """The process alarms of a story together; faults of instruments and links are no warning of the plant."""
    return judged([s for s in story.spells if s.alarm_class is AlarmClass.PROCESS], story.span, events, lead_ns)


def judge_rules(story: Story, events: Sequence[Event], lead_ns: int) -> dict[str, Judgement]:
    """Each rule alone, whatever its class."""
    rules = sorted({spell.condition.rule for spell in story.spells})
    return {
        rule: judged([s for s in story.spells if s.condition.rule == rule], story.span, events, lead_ns)
        for rule in rules
    }


def judged(spells: Sequence[Spell], span: Span, events: Sequence[Event], lead_ns: int) -> Judgement:
    """These alarms against these events."""
    findings = tuple(_finding(event, spells, lead_ns) for event in events)
    whole = union((event.start_ns - lead_ns, event.end_ns) for event in events)
    windows = within(whole, *span)
    quiet_ns = span.length_ns - total(windows)
    standing = union((spell.begin_ns, spell.end_ns) for spell in spells)
    leads = [finding.lead_s for finding in findings if finding.lead_s is not None]
    return Judgement(
        found=sum(finding.found for finding in findings),
        missed=sum(not finding.found for finding in findings),
        median_lead_s=median(leads) if leads else None,
        false_share=total(without(standing, windows)) / quiet_ns if quiet_ns > 0 else None,
        false_alarms=sum(not touches(whole, spell.begin_ns, spell.end_ns) for spell in spells),
        quiet_s=quiet_ns / SECOND,
        events=findings,
    )


def _finding(event: Event, spells: Sequence[Spell], lead_ns: int) -> Finding:
    found = [spell for spell in spells if _overlaps(spell, event, lead_ns)]
    if not found:
        return Finding(label=event.label, start=to_iso(event.start_ns), found=False)
    first = min(found, key=lambda spell: spell.begin_ns)
    stood_ns = max(first.begin_ns, event.start_ns - lead_ns)
    return Finding(
        label=event.label,
        start=to_iso(event.start_ns),
        found=True,
        lead_s=(event.start_ns - stood_ns) / SECOND,
        alarm=str(first.condition),
    )


def _overlaps(spell: Spell, event: Event, lead_ns: int) -> bool:
    return spell.begin_ns <= event.end_ns and spell.end_ns >= event.start_ns - lead_ns
