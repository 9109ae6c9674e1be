"""Who would hear of the alarms that the rules of a revision can raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from alerting.routing import heard
from rules.rulebook import Rulebook
from schemas.changes import AlarmClass, Place
from schemas.problems import Problem
from schemas.registry import Revision
from schemas.tiers import COLOURS, GasClass, tier_of

URGENT = 2
"""Tiers up to this one must reach somebody; less urgent ones may stay on the screen, which is told."""
_CURE = "add a route that takes it, on = raise and rise; a channel of kind console_log says that the screen is enough"


class _Alarm(NamedTuple):
    """What a route looks at, apart from the place."""

    tier: int
    alarm_class: AlarmClass
    route: str


def unheard(revision: Revision, book: Rulebook) -> Iterator[tuple[bool, Problem]]:
    """The alarms that would reach nobody, each with whether that is a problem or only deserves a look.

    What is asked is whether an alarm of a tier that the rules of this revision can give reaches somebody when it is
    raised and when it rises to it, at every place where it can happen.
    """
    if not revision.routes:
        cure = "add a [[channel]] and a [[route]]; the console shows alarms all the same"
        yield False, Problem.of("routes", "there is no route, so nobody is told of any alarm", cure)
        return
    for alarm, places in sorted(_possible(revision, book).items()):
        silent = [
            place for place in places if not heard(revision.routes, alarm.alarm_class, alarm.tier, place, alarm.route)
        ]
        if not silent:
            continue
        where = ", ".join(dict.fromkeys(p.hazard_source or p.enterprise or p.park for p in silent))
        routed = f" of route class {alarm.route!r}" if alarm.route else ""
        rules = ", ".join(sorted({rule for place in silent for rule in places[place]}))
        message = (
            f"a tier {alarm.tier} ({COLOURS[alarm.tier]}) {alarm.alarm_class} alarm{routed} of {where} reaches nobody"
        )
        if rules:
            message += f" (rule {rules})"
        yield bool(rules) and alarm.tier <= URGENT, Problem.of("routes", message, _CURE)


def _possible(revision: Revision, book: Rulebook) -> dict[_Alarm, dict[Place, set[str]]]:
    """Alarm -> place -> the rules that can raise it; no rule for those of the links and of the program itself."""
    found: dict[_Alarm, dict[Place, set[str]]] = {}
    for compiled in book.rules:
        for watched in compiled.watched:
            place = Place(
                park=watched.place.park, enterprise=watched.place.enterprise, hazard_source=watched.place.hazard_source
            )
            for number, level in enumerate(watched.plan.levels, 1):
                if level is None:
                    continue
                own = compiled.rule.tier or level.tier
                tier = own or tier_of(
                    compiled.kind.alarm_class, number, watched.gas, watched.place.grade, early=level.early
                )
                alarm = _Alarm(tier, compiled.kind.alarm_class, compiled.rule.route)
                found.setdefault(alarm, {}).setdefault(place, set()).add(compiled.rule.id)
    for park in revision.parks:
        for alarm_class in (AlarmClass.COMMUNICATION, AlarmClass.SYSTEM):
            tier = tier_of(alarm_class, 1, GasClass.NONE, 0)
            found.setdefault(_Alarm(tier, alarm_class, ""), {}).setdefault(Place(park=park.id), set())
    return found
