"""The whole of a backtest as one value: what `--json` writes, and what the text and the page are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

import msgspec

from hazwatch.backtest.compare import Comparison, Episode, Match, compare
from hazwatch.backtest.events import Event, Judgement, judge, judge_rules
from hazwatch.backtest.measures import Load, difference, load
from hazwatch.backtest.story import Story
from schemas.time import DAY, SECOND, to_iso

FORMAT = 1


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[str, ...]
    begin: str
    end: str
    days: float


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of both, and NEW less OLD."""

    old: Load
    new: Load
    difference: Load


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that only one of them raised, `raised` times with no more than a minute between them; `standing_s` is
    the time without these pauses. Level, tier, value and limit are those of the worst."""

    tag: str
    rule: str
    side: str
    alarm_class: str
    tier: int
    level: str
    begin: str
    end: str
    raised: int
    standing_s: float
    open: bool
    value: float | None
    limit: float | None
    unit: str


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that both raised; `shift_s` is how much later NEW did. `raised` is how often each did meanwhile."""

    tag: str
    rule: str
    new_rule: str
    side: str
    old_begin: str
    new_begin: str
    shift_s: float
    old_raised: int
    new_raised: int
    old_tier: int
    new_tier: int


class Shifts(msgspec.Struct, frozen=True, kw_only=True):
    """How the matched alarms moved. None where nothing was matched."""

    earlier: int
    unmoved: int
    later: int
    least_s: float | None
    median_s: float | None
    most_s: float | None
    more_urgent: int
    less_urgent: int


class Judgements(msgspec.Struct, frozen=True, kw_only=True):
    """All process alarms of each against the events, and each rule alone."""

    lead_window_s: float
    outside: tuple[str, ...]
    old: Judgement
    new: Judgement
    old_rules: dict[str, Judgement]
    new_rules: dict[str, Judgement]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    old: str
    new: str
    recording: Recording
    position: str
    measures: Sides
    shifts: Shifts
    matched: tuple[Both, ...]
    missed: tuple[Stood, ...]
    fresh: tuple[Stood, ...] = msgspec.field(name="new_alarms")
    missed_by_rule: dict[str, int]
    fresh_by_rule: dict[str, int] = msgspec.field(name="new_alarms_by_rule")
    events: Judgements | None = None
    notes: tuple[str, ...] = ()


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What the two configurations and the recordings are called."""

    old: str
    new: str
    files: tuple[str, ...]


def report(
    names: Names,
    old: Story,
    new: Story,
    *,
    position: str,
    events: Judgements | None = None,
    notes: Sequence[str] = (),
) -> tuple[Report, Comparison]:
    """Everything there is to say of two stories over one recording, and the comparison that the page draws."""
    before, after = load(old, position), load(new, position)
    found = compare(old.spells, new.spells)
    span = old.span
    whole = Report(
        old=names.old,
        new=names.new,
        recording=Recording(
            files=names.files, begin=to_iso(span.begin_ns), end=to_iso(span.end_ns), days=span.length_ns / DAY
        ),
        position=position,
        measures=Sides(old=before, new=after, difference=difference(before, after)),
        shifts=_shifts(found.matched),
        matched=tuple(map(_both, found.matched)),
        missed=tuple(map(_stood, found.missed)),
        fresh=tuple(map(_stood, found.new)),
        missed_by_rule=_by_rule(found.missed),
        fresh_by_rule=_by_rule(found.new),
        events=events,
        notes=tuple(notes),
    )
    return whole, found


def judgements(old: Story, new: Story, events: Sequence[Event], outside: Sequence[Event], lead_ns: int) -> Judgements:
    """Both stories against the events; `outside` are those of which the recording holds nothing."""
    return Judgements(
        lead_window_s=lead_ns / SECOND,
        outside=tuple(f"{event.label} ({to_iso(event.start_ns)})" for event in outside),
        old=judge(old, events, lead_ns),
        new=judge(new, events, lead_ns),
        old_rules=judge_rules(old, events, lead_ns),
        new_rules=judge_rules(new, events, lead_ns),
    )


def _shifts(matched: Sequence[Match]) -> Shifts:
    moved = [match.shift_s for match in matched]
    tiers = [match.tiers for match in matched]
    return Shifts(
        earlier=sum(shift < 0 for shift in moved),
        unmoved=moved.count(0.0),
        later=sum(shift > 0 for shift in moved),
        least_s=min(moved, default=None),
        median_s=median(moved) if moved else None,
        most_s=max(moved, default=None),
        more_urgent=sum(new < old for old, new in tiers),
        less_urgent=sum(new > old for old, new in tiers),
    )


def _both(match: Match) -> Both:
    old, new = match.old[0], match.new[0]
    return Both(
        tag=old.condition.subject,
        rule=old.condition.rule,
        new_rule=new.condition.rule,
        side=old.condition.side,
        old_begin=to_iso(old.begin_ns),
        new_begin=to_iso(new.begin_ns),
        shift_s=match.shift_s,
        old_raised=len(match.old),
        new_raised=len(match.new),
        old_tier=match.tiers[0],
        new_tier=match.tiers[1],
    )


def _stood(episode: Episode) -> Stood:
    spell = episode.worst
    return Stood(
        tag=spell.condition.subject,
        rule=spell.condition.rule,
        side=spell.condition.side,
        alarm_class=str(spell.alarm_class),
        tier=spell.tier,
        level=spell.level_name,
        begin=to_iso(episode.begin_ns),
        end=to_iso(episode.end_ns),
        raised=len(episode.spells),
        standing_s=sum(one.length_ns for one in episode.spells) / SECOND,
        open=episode.spells[-1].open,
        value=spell.value,
        limit=spell.limit,
        unit=spell.unit,
    )


def _by_rule(episodes: Sequence[Episode]) -> dict[str, int]:
    return dict(sorted(Counter(episode.worst.condition.rule for episode in episodes).items()))
