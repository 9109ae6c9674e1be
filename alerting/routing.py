"""Who hears of a transition: the routes of a revision, turned into notices.

Every matching route makes one notice per recipient. Nothing here delays, groups or limits anything. A tier-1 alarm that
matches no route goes to every channel there is, and the book raises a fault: it is never silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from alerting import faults
from alerting.lifecycle import UPWARD
from alerting.message import CHAIN
from schemas.alarms import Alarm, Change, Notice, Transition
from schemas.causes import notice_id
from schemas.changes import AlarmClass, Place
from schemas.problems import Problem
from schemas.registry import Revision, Route
from schemas.tiers import COLOURS

EVERY_CHANNEL = "*"
"""The channel of a notice that no route could place while no route names any channel: all that the dispatcher has."""

DEFAULT_ROUTE = "default"
RESERVED_RULES = frozenset({faults.RULE, CHAIN})
_POSSIBLE_TIERS = {
    AlarmClass.PROCESS: (1, 2, 3, 4),
    AlarmClass.INSTRUMENT: (3, 4),
    AlarmClass.COMMUNICATION: (2,),
    AlarmClass.SYSTEM: (2,),
}


class Routed(NamedTuple):
    """The notices of a transition; `unrouted` when a tier-1 alarm had to go everywhere for want of a route."""

    notices: tuple[Notice, ...] = ()
    unrouted: bool = False


class Router:
    """The routes of one revision."""

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self.routes = tuple(routes)

    def notices(self, transition: Transition) -> Routed:
        """Who hears of it, once per channel and recipient, in the order of the routes."""
        alarm = transition.alarm
        tier = _tier(transition)
        found: dict[tuple[str, str], str] = {}
        for route in self.routes:
            if speaks_of(route, transition.change) and matches(route, alarm, tier):
                for recipient in route.recipients:
                    found.setdefault((route.channel, recipient), route.id)
        unrouted = tier == 1 and transition.change in UPWARD and not found
        if unrouted:
            found = dict.fromkeys(self._everywhere(), DEFAULT_ROUTE)
        return Routed(tuple(_notice(transition, tier, *place, route) for place, route in found.items()), unrouted)

    def _everywhere(self) -> list[tuple[str, str]]:
        places = [(route.channel, recipient) for route in self.routes for recipient in route.recipients]
        return places or [(EVERY_CHANNEL, "")]


def speaks_of(route: Route, change: Change) -> bool:
    """Whether a route takes this change. To be raised again is to be raised."""
    return change in route.on or (change is Change.RERAISE and Change.RAISE in route.on)


def matches(route: Route, alarm: Alarm, tier: int) -> bool:
    """Whether a route's selectors take the alarm. A system alarm without a place concerns every place."""
    if route.tiers and tier not in route.tiers:
        return False
    if route.classes and alarm.alarm_class not in route.classes:
        return False
    if route.route_classes and alarm.route not in route.route_classes:
        return False
    place = alarm.place
    everywhere = alarm.alarm_class is AlarmClass.SYSTEM
    return (
        _takes(route.parks, place.park, everywhere)
        and _takes(route.enterprises, place.enterprise, everywhere)
        and _takes(route.hazard_sources, place.hazard_source, everywhere)
    )


def check(revision: Revision, channels: Iterable[str] | None = None) -> tuple[Problem, ...]:
    """What is wrong with the routes of a revision, and which alarms would reach nobody when they are raised.

    `channels` are the names of the configured channels, None when they are not known.
    """
    known = None if channels is None else set(channels)
    problems = [
        Problem(path=f"rules[{rule.id}]", message="this name is kept for faults of the system", cure="choose another")
        for rule in revision.rules
        if rule.id in RESERVED_RULES
    ]
    problems += [problem for route in revision.routes for problem in _check_route(route, known)]
    for alarm_class, tiers in _POSSIBLE_TIERS.items():
        for tier in tiers:
            unheard = [place for place in _places(revision) if not heard(revision.routes, alarm_class, tier, place)]
            if unheard:
                names = ", ".join(place.hazard_source or place.enterprise for place in unheard)
                problems.append(
                    Problem(
                        path="routes",
                        message=f"a tier {tier} ({COLOURS[tier]}) {alarm_class} alarm of {names} reaches nobody",
                        cure="add a route that takes it, on = raise and rise",
                    )
                )
    return tuple(problems)


def reaches_nobody(routes: Sequence[Route], revision: Revision) -> bool:
    """Whether some tier-1 process alarm of the revision has no route."""
    return any(not heard(routes, AlarmClass.PROCESS, 1, place) for place in _places(revision))


def _tier(transition: Transition) -> int:
    """The tier by which a transition is routed: that of now when it calls for attention, else the episode's worst,
    so that whoever was alarmed also hears of the end."""
    alarm = transition.alarm
    return alarm.tier if transition.change in UPWARD else alarm.peak_tier


def _takes(selected: tuple[str, ...], value: str, everywhere: bool) -> bool:
    return not selected or value in selected or (everywhere and not value)


def _notice(transition: Transition, tier: int, channel: str, recipient: str, route: str) -> Notice:
    alarm = transition.alarm
    return Notice(
        id=notice_id(alarm.episode, alarm.revision, channel, recipient),
        channel=channel,
        recipient=recipient,
        reason=transition.change,
        tier=tier,
        due_ns=transition.at_ns,
        alarm=alarm,
        route=route,
    )


def _places(revision: Revision) -> list[Place]:
    """Where tags are, as their alarms would name it; without tags, the enterprises."""
    park_of = {enterprise.id: enterprise.park for enterprise in revision.enterprises}
    places = {(tag.enterprise, tag.hazard_source): None for tag in revision.tags if not tag.retired}
    if not places:
        places = {(enterprise.id, ""): None for enterprise in revision.enterprises}
    return [
        Place(park=park_of.get(enterprise, ""), enterprise=enterprise, hazard_source=source)
        for enterprise, source in places
    ]


def heard(routes: Sequence[Route], alarm_class: AlarmClass, tier: int, place: Place, route_class: str = "") -> bool:
    """Whether a route takes such an alarm wherever in the place it is, when it is raised and when it rises to it."""
    everywhere = alarm_class is AlarmClass.SYSTEM

    def taken(change: Change) -> bool:
        return any(
            speaks_of(route, change)
            and (not route.tiers or tier in route.tiers)
            and (not route.classes or alarm_class in route.classes)
            and (not route.route_classes or route_class in route.route_classes)
            and _takes(route.parks, place.park, everywhere)
            and _takes(route.enterprises, place.enterprise, everywhere)
            and _takes(route.hazard_sources, place.hazard_source, everywhere)
            for route in routes
        )

    return taken(Change.RAISE) and taken(Change.RISE)


def _check_route(route: Route, channels: set[str] | None) -> Iterable[Problem]:
    path = f"routes[{route.id}]"
    for wrong in sorted(set(route.on) - set(Change)):
        yield Problem(path=f"{path}.on", message=f"{wrong!r} is no change", cure=f"use {', '.join(Change)}")
    for tier in sorted(set(route.tiers) - {1, 2, 3, 4}):
        yield Problem(path=f"{path}.tiers", message=f"{tier} is no tier", cure="tiers are 1 (red) to 4 (blue)")
    for wrong in sorted(set(route.classes) - set(AlarmClass)):
        yield Problem(
            path=f"{path}.classes", message=f"{wrong!r} is no class of alarm", cure=f"use {', '.join(AlarmClass)}"
        )
    if not route.recipients:
        yield Problem(path=f"{path}.recipients", message="the route has no recipient", cure='leave it out, or use [""]')
    if channels is not None and route.channel not in channels:
        yield Problem(
            path=f"{path}.channel",
            message=f"there is no channel {route.channel!r}",
            cure=f"configured are {', '.join(sorted(channels)) or 'none'}",
        )
