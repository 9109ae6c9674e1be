"""What is allowed in a revision but deserves a look: a pure function of its content, beside `schemas.checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas import majorhazard
from schemas.gases import gas
from schemas.problems import Problem
from schemas.registry import Measure, Revision, Tag
from schemas.setpoints import SIDES

LONGEST_GAS_DELAY_S = 3.0


def advice(revision: Revision) -> tuple[Problem, ...]:
    """What an engineer would look at again, in the order of the content.

    Who is told of which alarm is `alerting.routing`'s matter, which rule watches what that of `rules.rulebook`.
    """
    return tuple(_advice(revision))


def _advice(revision: Revision) -> Iterator[Problem]:
    for source in revision.hazard_sources:
        yield from majorhazard.remarks(source)
    spelled = Counter(t.name.casefold() for t in revision.tags if not t.retired)
    for tag in revision.tags:
        if tag.retired:
            continue
        path = f"tags[{tag.name}]"
        if spelled[tag.name.casefold()] > 1:
            yield Problem.of(f"{path}.name", "differs from another name only in capitals", "people will mix them up")
        if tag.measure is Measure.GAS:
            yield from _gas_advice(tag, path)
        if _limited(tag) and not tag.action:
            yield Problem.of(f"{path}.action", "an alarm without an action", "say what the operator does")
    yield from _calibrations(revision)


def _calibrations(revision: Revision) -> Iterator[Problem]:
    """Where days of calibration are kept or asked for, a gas point without one is passed over unseen."""
    gases = [t for t in revision.tags if t.measure is Measure.GAS and not t.retired]
    undated = [t.name for t in gases if t.calibration_due is None]
    asked = any(rule.kind == "calibration_due" for rule in revision.rules)
    if undated and (asked or len(undated) < len(gases)):
        named = ", ".join(undated[:3]) + (f" and {len(undated) - 3} more" if len(undated) > 3 else "")
        message = f"nobody says until when these gas points are calibrated: {named}"
        yield Problem.of("tags.calibration_due", message, "give the last day in column calibration_due")


def _gas_advice(tag: Tag, path: str) -> Iterator[Problem]:
    if not _limited(tag):
        yield Problem.of(
            f"{path}.high", "a gas point without a limit never alarms", "give limits or a profile that has them"
        )
    elif tag.profile == "none" and not tag.limit_reason:
        yield Problem.of(
            f"{path}.profile", "its limits are measured against nothing", "gb50493, or say why in limit_reason"
        )
    if tag.cas and gas(tag.cas) is None:
        yield Problem.of(
            f"{path}.cas", f"{tag.cas} is not in the table of gases", "it counts as toxic; no unit is converted"
        )
    if tag.on_delay_s > LONGEST_GAS_DELAY_S:
        yield Problem.of(f"{path}.on_delay_s", f"a gas alarm waits {tag.on_delay_s:g} s", "3 s or less")
    if tag.range_high is None:
        yield Problem.of(f"{path}.range_high", "without a range nobody knows when it is over range", "give the range")


def _limited(tag: Tag) -> bool:
    return any(getattr(tag.limits, s) is not None for s in SIDES)
