"""From a change in numbers to a `ConditionChange` that carries all that the book and people need (LAWS R2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rules.kinds import Level, Said
from rules.machine import BASES, FRESH
from rules.rulebook import CompiledRule, Watched
from rules.words import aged, name, number
from schemas.causes import Cause
from schemas.changes import Basis, ConditionChange
from schemas.text import Text
from schemas.tiers import tier_of
from schemas.time import SECOND

NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Moment:
    """The numbers of one change: what the kernels leave behind, or the tag's last reading for a timer.

    `at_ns` is the effective event time of the reading, `received_ns` the append time of its record, `append_ns` that of
    the record which made the change.
    """

    cause: Cause
    level: int
    basis: int
    onset_ns: int
    since_ns: int
    doubtful: bool
    at_ns: int
    received_ns: int
    append_ns: int
    value: float
    quality: int
    figures: Sequence[float] = ()


def change(compiled: CompiledRule, watched: Watched, moment: Moment, revision: int, partition: int) -> ConditionChange:
    """The change in words. Never fails: what a kind cannot say is said plainly."""
    rule, kind, tag = compiled.rule, compiled.kind, watched.tag
    level = level_of(watched, moment.level)
    tier = 0
    if moment.level > 0:
        early = level is not None and level.early
        own = rule.tier or (level.tier if level is not None else 0)
        tier = own or tier_of(kind.alarm_class, moment.level, watched.gas, watched.place.grade, early=early)
    finite = math.isfinite(moment.value)
    figures = {n: float(f) for n, f in zip(kind.figures, moment.figures, strict=False) if math.isfinite(f)}
    return ConditionChange(
        rule=rule.id,
        kind=rule.kind,
        subject=watched.subject,
        side=watched.plan.side,
        level=moment.level,
        level_name=level.name if level else NORMAL,
        tier=tier,
        alarm_class=kind.alarm_class,
        basis=BASES[moment.basis],
        cause=moment.cause,
        tag=tag.number,
        partition=partition,
        onset_ns=moment.onset_ns,
        since_ns=moment.since_ns,
        doubtful=moment.doubtful,
        event_ns=moment.at_ns,
        at_ns=moment.append_ns,
        received_ns=moment.received_ns,
        value=moment.value if finite else None,
        limit=level.limit if level else None,
        unit=kind.unit(watched.plan),
        quality=moment.quality,
        gas=tag.cas,
        figures=figures,
        text=_text(compiled, watched, moment, level, figures),
        place=watched.place,
        guidance=watched.guidance,
        route=rule.route,
        registry_revision=revision,
    )


def level_of(watched: Watched, level: int) -> Level | None:
    """What the level is called; None for normal. A level that a revision took away is called by the one below."""
    known = [found for found in watched.plan.levels[:level] if found is not None]
    if level <= 0:
        return None
    return known[-1] if known else next(found for found in watched.plan.levels if found is not None)


def _text(
    compiled: CompiledRule, watched: Watched, moment: Moment, level: Level | None, figures: Mapping[str, float]
) -> Text:
    if moment.basis == BASES.index(Basis.RETIRED):
        what = name(watched.tag)
        return Text(zh=f"{what.zh}：测点已停用，报警结束", en=f"{what.en}: tag retired, alarm ended")
    age_ns = moment.append_ns - moment.at_ns
    old = level is not None and watched.plan.holds and moment.at_ns > 0 and age_ns > FRESH
    age_s = age_ns / SECOND if old else 0.0
    said = Said(watched.plan, level, moment.value, moment.quality, age_s, figures)
    try:
        spoken = compiled.kind.say(said)
        if level is not None and compiled.rule.text:
            spoken = _own_words(compiled.rule.text, spoken, said, compiled.kind.unit(watched.plan))
        return aged(spoken, age_s)
    except Exception:  # words must never cost an alarm
        what = name(watched.tag)
        title = level.title if level else Text(zh="恢复正常", en="back to normal")
        return Text(zh=f"{what.zh} {title.zh}", en=f"{what.en} {title.en}")


def _own_words(template: Text, spoken: Text, said: Said, unit: str) -> Text:
    """The rule's own text; `{tag}`, `{value}`, `{unit}`, `{limit}` and `{text}` (what the kind says) are filled in."""
    what = name(said.tag)
    limit = "" if said.level is None or said.level.limit is None else number(said.level.limit)
    common = {"value": number(said.value), "unit": unit, "limit": limit}
    return Text(
        zh=_filled(template.zh, {**common, "tag": what.zh, "text": spoken.zh}) or spoken.zh,
        en=_filled(template.en, {**common, "tag": what.en, "text": spoken.en}) or spoken.en,
    )


def _filled(template: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        template = template.replace(f"{{{key}}}", value)
    return template
