"""A proposal for each tag that chatters: what is tried, what is proposed, and the revision that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hazwatch.backtest.events import Event
from hazwatch.backtest.intervals import Interval, union
from hazwatch.backtest.measures import chattering
from hazwatch.backtest.story import Story
from hazwatch.tune import grid
from hazwatch.tune.choose import Outcome, best, keeping, trade
from hazwatch.tune.gate import Samples, Setting
from hazwatch.tune.measure import FLEETING, Side, told
from hazwatch.tune.real import excursions, noise
from rules.admission import lateness_s
from rules.rulebook import matches, rules_of
from schemas.registry import Measure, Revision, Rule, Tag
from schemas.text import Text
from schemas.time import SECOND, seconds

FEW = 3
"""So many fleeting alarms of a tag are looked at, though they do not chatter."""
REAL_S = 60.0
GAS_REAL_S = 6.0
"""Windows of what is real without labels; a puff of gas is real at once."""
FIELDS = Setting._fields
_SIDES = (("high", 1.0, ("high", "high_high")), ("low", -1.0, ("low", "low_low")))


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed for a tag. `now` and `proposed` are the same when nothing better is allowed, and `why` says
    that; `trade` has the best setting for each on-delay. `noise` and deadbands are in `unit`, `window_s` is None where
    labelled events say what was real; `held` are the fields that a rule sets for all its tags."""

    tag: str
    title: Text
    unit: str
    days: float
    noise: float
    window_s: float | None
    held: tuple[str, ...]
    now: Outcome
    proposed: Outcome
    why: str
    trade: tuple[Outcome, ...]

    @property
    def changes(self) -> bool:
        return self.now.setting != self.proposed.setting


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that chatters and is not tuned here, with the reason."""

    condition: str
    bursts: int
    why: str


def restless(story: Story, revision: Revision) -> tuple[list[Tag], list[Left]]:
    """The tags whose limits chatter or call in vain, the worst first; and other conditions that chatter."""
    tags = {tag.name: tag for tag in revision.tags if not tag.retired}
    kinds = {rule.id: rule.kind for rule in rules_of(revision)}
    bursts = {condition: len(found) for condition, found in chattering(story.calls).items()}
    weight: dict[str, int] = {}
    left = []
    for condition, count in bursts.items():
        if kinds.get(condition.rule) == "limits" and condition.subject in tags:
            weight[condition.subject] = weight.get(condition.subject, 0) + 1000 * count
        else:
            kind = kinds.get(condition.rule, condition.rule)
            why = f"kind {kind} has numbers of its own; only limits are tuned"
            left.append(Left(condition=str(condition), bursts=count, why=why))
    fleeting: dict[str, int] = {}
    for spell in story.spells:
        if spell.kind == "limits" and not spell.open and spell.length_ns < FLEETING:
            fleeting[spell.condition.subject] = fleeting.get(spell.condition.subject, 0) + 1
    for subject, count in fleeting.items():
        if subject in tags and (count >= FEW or subject in weight):
            weight[subject] = weight.get(subject, 0) + count
    order = sorted(weight, key=lambda subject: (-weight[subject], subject))
    return [tags[subject] for subject in order], left


def propose(
    tag: Tag,
    rule: Rule,
    samples: Samples,
    *,
    events: Sequence[Event] | None,
    lead_s: float,
    real_s: float | None = None,
) -> Proposal:
    """Try the grid on the readings of a tag. `events` say what was real; None leaves it to the readings."""
    held = tuple(name for name in FIELDS if rule.params.get(name) is not None)
    now = Setting(*(_number(rule.params.get(name), getattr(tag, name)) for name in FIELDS))
    sigma = noise(samples)
    window_s = None if events is not None else real_s or (GAS_REAL_S if tag.measure is Measure.GAS else REAL_S)
    sides = tuple(_sides(tag, samples, events, window_s))
    gap_ns = seconds(lateness_s(tag))
    lead_ns = seconds(lead_s if window_s is None else window_s)  # the beginning is known no better than by its window
    tried = [
        Outcome(
            deadband=setting.deadband,
            on_delay_s=setting.on_delay_s,
            off_delay_s=setting.off_delay_s,
            sides=tuple(told(samples, side, setting, gap_ns, lead_ns) for side in sides),
        )
        for setting in grid.settings(tag, now, sigma, fixed=held)
    ]
    tried = keeping(tried[0], tried)
    found = best(tried[0], tried)
    return Proposal(
        tag=tag.name,
        title=tag.title,
        unit=tag.unit,
        days=int(samples.at[-1] - samples.at[0]) / SECOND / 86_400,
        noise=sigma,
        window_s=window_s,
        held=held,
        now=tried[0],
        proposed=found,
        why=_why(tried[0], found),
        trade=tuple(trade(tried[0], tried)),
    )


def _why(now: Outcome, found: Outcome) -> str:
    if found.setting == now.setting:
        return "no deadband or delay that is allowed does better; look at the limit, the instrument or the process"
    if found.bursts:
        return "it still chatters; look at the limit, the instrument or the process as well"
    return "it ends the chattering" if now.bursts else "it leaves fewer fleeting alarms"


def _sides(tag: Tag, samples: Samples, events: Sequence[Event] | None, window_s: float | None) -> Iterator[Side]:
    for name, sign, levels in _SIDES:
        limits = tuple(v for level in levels if (v := getattr(tag.limits, level)) is not None)
        if limits:
            real = _real(samples, limits[0], sign, events, window_s)
            yield Side(name, sign, limits, tuple(real))


def _real(
    samples: Samples, limit: float, sign: float, events: Sequence[Event] | None, window_s: float | None
) -> list[Interval]:
    if events is None:
        return excursions(samples, limit, sign, seconds(window_s or REAL_S))
    begin, end = int(samples.at[0]), int(samples.at[-1])
    return union((event.start_ns, event.end_ns) for event in events if event.start_ns <= end and event.end_ns >= begin)


def _number(given: Any, otherwise: float) -> float:
    return float(otherwise if given is None else given)


def limiting(tag: Tag, revision: Revision) -> list[Rule]:
    """The rules of kind limits that are asked of a tag."""
    return [rule for rule in rules_of(revision) if rule.kind == "limits" and matches(rule, tag)]


def proposed(revision: Revision, proposals: Iterable[Proposal]) -> Revision:
    """The revision with the proposals in it: deadbands and delays of tags, and nothing else."""
    found: Mapping[str, Setting] = {one.tag: one.proposed.setting for one in proposals if one.changes}
    tags = tuple(
        msgspec.structs.replace(tag, **found[tag.name]._asdict()) if tag.name in found and not tag.retired else tag
        for tag in revision.tags
    )
    return msgspec.structs.replace(revision, tags=tags)
