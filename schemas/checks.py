"""Whether a revision makes sense: a pure function of its content that finds every problem at once.

`check` returns what must be put right before the revision may be followed, `changed` what a revision may not do to the
one before it (LAWS C3, R1). What is allowed but deserves a look is in `schemas.advice`.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any

from schemas import majorhazard
from schemas.alarms import Change
from schemas.changes import AlarmClass
from schemas.gases import is_cas
from schemas.problems import Problem
from schemas.registry import Measure, Revision, Tag
from schemas.setpoints import PROFILES, SIDES, looser
from schemas.units import fits, unit

MAX_NUMBER = 2**31 - 1
TIERS = (1, 2, 3, 4)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
TAG_NAME = re.compile(r"[^\W_][\w.:-]{0,127}")
_ID_CURE = "use 1 to 64 letters a-z, digits, '-', '_' and '.', beginning with a letter or digit"
_TAG_CURE = "use up to 128 letters, digits, '-', '_', '.' and ':', beginning with a letter or digit"


def check(
    revision: Revision,
    *,
    channels: Collection[str] | None = None,
    recipients: Collection[str] | None = None,
    kinds: Collection[str] | None = None,
) -> tuple[Problem, ...]:
    """Every problem of the revision, in the order of its content.

    `channels`, `recipients` and `kinds` are the names that exist outside of the registry; None leaves them unchecked.
    """
    return (
        *_places(revision),
        *_tags(revision),
        *_cells(revision),
        *_rules(revision, kinds),
        *_routes(revision, channels, recipients),
    )


# Places


def _places(revision: Revision) -> Iterator[Problem]:
    parks = {p.id for p in revision.parks}
    enterprises = {e.id for e in revision.enterprises}
    sources = {s.id for s in revision.hazard_sources}
    if not revision.parks:
        yield Problem.of("parks", "there is no park", "add a [park] with an id and a name")
    yield from _identities("parks", (p.id for p in revision.parks))
    yield from _identities("enterprises", (e.id for e in revision.enterprises))
    yield from _identities("hazard_sources", (s.id for s in revision.hazard_sources))
    yield from _identities("equipment", (e.id for e in revision.equipment))
    for park in revision.parks:
        yield from _position(f"parks[{park.id}]", park.longitude, park.latitude)
    for enterprise in revision.enterprises:
        yield from _reference(f"enterprises[{enterprise.id}].park", enterprise.park, parks, "park")
    for source in revision.hazard_sources:
        path = f"hazard_sources[{source.id}]"
        yield from _reference(f"{path}.enterprise", source.enterprise, enterprises, "enterprise")
        if source.grade not in (0, *TIERS):
            yield Problem.of(
                f"{path}.grade", f"{source.grade} is no grade", "write 1 to 4 (一级 is 1), 0 when it has none"
            )
        yield from majorhazard.problems(source)
    for one in revision.equipment:
        yield from _reference(f"equipment[{one.id}].hazard_source", one.hazard_source, sources, "hazard source")


def _identities(kind: str, ids: Iterable[str]) -> Iterator[Problem]:
    for name, times in Counter(ids).items():
        if not _ID.fullmatch(name):
            yield Problem.of(f"{kind}[{name}].id", f"{name!r} is no id", _ID_CURE)
        if times > 1:
            yield Problem.of(f"{kind}[{name}].id", f"{name!r} stands {times} times", "give each its own id")


def _reference(path: str, name: str, known: Collection[str], what: str) -> Iterator[Problem]:
    if name not in known:
        listed = ", ".join(sorted(known)[:8]) or "none yet"
        yield Problem.of(path, f"there is no {what} {name!r}", f"add it, or write one of: {listed}")


def _position(path: str, longitude: float | None, latitude: float | None) -> Iterator[Problem]:
    if (longitude is None) != (latitude is None):
        yield Problem.of(f"{path}.longitude", "half a position", "give longitude and latitude, or neither")
    if longitude is not None and not -180 <= longitude <= 180:
        yield Problem.of(f"{path}.longitude", f"{longitude:g} is no longitude", "degrees from -180 to 180")
    if latitude is not None and not -90 <= latitude <= 90:
        swapped = longitude is not None and -90 <= longitude <= 90 and -180 <= latitude <= 180
        cure = "longitude and latitude look swapped" if swapped else "degrees from -90 to 90"
        yield Problem.of(f"{path}.latitude", f"{latitude:g} is no latitude", cure)


# Tags


def _tags(revision: Revision) -> Iterator[Problem]:
    places = _Places(revision)
    live = Counter(t.name for t in revision.tags if not t.retired)
    numbers = Counter(t.number for t in revision.tags)
    for tag in revision.tags:
        path = f"tags[{tag.name}]"
        if not 0 < tag.number <= MAX_NUMBER:
            yield Problem.of(
                f"{path}.number", f"{tag.number} is no tag number", f"1 to {MAX_NUMBER}, given by the registry"
            )
        if numbers[tag.number] > 1:
            yield Problem.of(
                f"{path}.number", f"number {tag.number} is given twice", "numbers are never shared or reused"
            )
        if tag.retired:
            continue
        if live[tag.name] > 1:
            yield Problem.of(
                f"{path}.name", f"{tag.name!r} stands {live[tag.name]} times", "give each tag its own name"
            )
        for one in (_named, places.of, _measured, _finite, _ladder, _timing, _thrown_away, looser):
            yield from one(tag)


class _Places:
    """The tree of places, for the check that a tag hangs in one branch."""

    def __init__(self, revision: Revision) -> None:
        self.enterprises = {e.id for e in revision.enterprises}
        self.sources = {s.id: s.enterprise for s in revision.hazard_sources}
        self.equipment = {e.id: e.hazard_source for e in revision.equipment}

    def of(self, tag: Tag) -> Iterator[Problem]:
        path = f"tags[{tag.name}]"
        if tag.enterprise or not (tag.hazard_source or tag.equipment):
            yield from _reference(f"{path}.enterprise", tag.enterprise, self.enterprises, "enterprise")
        if tag.hazard_source:
            yield from _reference(f"{path}.hazard_source", tag.hazard_source, self.sources, "hazard source")
            owner = self.sources.get(tag.hazard_source, tag.enterprise)
            if owner != tag.enterprise:
                message = f"hazard source {tag.hazard_source!r} belongs to {owner!r}, not to {tag.enterprise!r}"
                yield Problem.of(f"{path}.hazard_source", message, "correct one of the two")
        if tag.equipment:
            yield from _reference(f"{path}.equipment", tag.equipment, self.equipment, "equipment")
            source = self.equipment.get(tag.equipment, tag.hazard_source)
            if source != tag.hazard_source:
                message = (
                    f"equipment {tag.equipment!r} belongs to hazard source {source!r}, not to {tag.hazard_source!r}"
                )
                yield Problem.of(f"{path}.equipment", message, "correct one of the two")
        yield from _position(path, tag.longitude, tag.latitude)


def _named(tag: Tag) -> Iterator[Problem]:
    if not TAG_NAME.fullmatch(tag.name):
        yield Problem.of(f"tags[{tag.name}].name", f"{tag.name!r} is no tag name", _TAG_CURE)
    if tag.cell and not _ID.fullmatch(tag.cell):
        yield Problem.of(f"tags[{tag.name}].cell", f"{tag.cell!r} is no cell", _ID_CURE)
    if not tag.link:
        yield Problem.of(f"tags[{tag.name}].link", "no link", "name the supervised path, usually ingest")


def _measured(tag: Tag) -> Iterator[Problem]:
    path = f"tags[{tag.name}]"
    wrong = fits(tag.measure, tag.unit)
    if wrong is not None:
        yield Problem.of(f"{path}.unit", wrong.reason, wrong.cure)
    elif unit(tag.unit).name != tag.unit:
        yield Problem.of(
            f"{path}.unit", f"{tag.unit!r} is not how this unit is written here", f"write {unit(tag.unit).name}"
        )
    if tag.measure is Measure.GAS and not tag.cas:
        yield Problem.of(f"{path}.cas", "a gas tag without a gas", "give its CAS number, such as 630-08-0 for CO")
    if tag.cas and not is_cas(tag.cas):
        yield Problem.of(
            f"{path}.cas", f"{tag.cas!r} is no CAS number", "three numbers whose check digit fits: 630-08-0"
        )
    if tag.profile not in PROFILES:
        yield Problem.of(f"{path}.profile", f"there is no profile {tag.profile!r}", f"one of {', '.join(PROFILES)}")


_NUMBERS = ("range_low", "range_high", "resolution", "height_m", "x_m", "y_m", "deadband", "response_s")
LONGEST_S = 1e9
"""31 years: longer times add up past 64 bits of nanoseconds."""
_TIMES = ("period_s", "lateness_s", "stale_s", "on_delay_s", "off_delay_s")


def _finite(tag: Tag) -> Iterator[Problem]:
    path = f"tags[{tag.name}]"
    given = {name: getattr(tag, name) for name in (*_NUMBERS, *_TIMES)} | {s: getattr(tag.limits, s) for s in SIDES}
    for name, value in given.items():
        if value is not None and not math.isfinite(value):
            yield Problem.of(f"{path}.{name}", f"{value} is not a finite number", "write a number")
    for name in _TIMES:
        if LONGEST_S < given[name] < math.inf:
            message = f"{given[name]:g} s is longer than anything that can be watched"
            yield Problem.of(f"{path}.{name}", message, f"at most {LONGEST_S:g} s")
    if not all(math.isfinite(v) for v in tag.bad_values):
        yield Problem.of(f"{path}.bad_values", "a bad value is not finite", "NaN is always bad; list numbers only")


def _ladder(tag: Tag) -> Iterator[Problem]:
    """Order of range and limits, and room for the deadband between them."""
    path = f"tags[{tag.name}]"
    low, high = tag.range_low, tag.range_high
    if low is not None and high is not None and not low < high:
        yield Problem.of(
            f"{path}.range_high", f"the range {low:g} to {high:g} is empty", "range_low must be below range_high"
        )
        return
    steps = [(s, v) for s in SIDES if (v := getattr(tag.limits, s)) is not None]
    for (name, value), (next_name, next_value) in pairwise(steps):
        if not value < next_value:
            message = f"{name} {value:g} is not below {next_name} {next_value:g}"
            yield Problem.of(f"{path}.{name}", message, "the order is low_low < low < high < high_high")
        elif not tag.deadband < next_value - value:
            message = f"the deadband {tag.deadband:g} is not smaller than the gap between {name} and {next_name}"
            yield Problem.of(f"{path}.deadband", message, f"below {next_value - value:g} {tag.unit}")
    for name, value in steps:
        if (low is not None and value < low) or (high is not None and value > high):
            bounds = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
            yield Problem.of(
                f"{path}.{name}", f"{value:g} lies outside of the range {bounds}", "it could never be reached"
            )
    if tag.deadband < 0:
        yield Problem.of(f"{path}.deadband", f"{tag.deadband:g} is negative", "0 or more")
    if tag.resolution is not None and tag.resolution <= 0:
        yield Problem.of(f"{path}.resolution", f"{tag.resolution:g} is not positive", "leave it empty when unknown")


def _thrown_away(tag: Tag) -> Iterator[Problem]:
    """Numbers that mean "no value" but lie where the tag's own alarms begin: a real one would be thrown away."""
    low, high = tag.range_low, tag.range_high
    for value in tag.bad_values:
        if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
            continue
        for side in SIDES:
            limit = getattr(tag.limits, side)
            if limit is not None and (value >= limit if side.startswith("high") else value <= limit):
                message = f"{value:g} counts as no value, but lies within the range and beyond {side} {limit:g}"
                cure = "take it out: a real reading would be thrown away; have the source send a quality instead"
                yield Problem.of(f"tags[{tag.name}].bad_values", message, cure)
                break


def _timing(tag: Tag) -> Iterator[Problem]:
    path = f"tags[{tag.name}]"
    for name in ("on_delay_s", "off_delay_s", "lateness_s"):
        if getattr(tag, name) < 0:
            yield Problem.of(f"{path}.{name}", f"{getattr(tag, name):g} s is negative", "0 or more")
    if tag.period_s <= 0:
        yield Problem.of(f"{path}.period_s", f"{tag.period_s:g} s is not positive", "the seconds between two readings")
    if tag.stale_s <= tag.period_s:
        message = f"silence of {tag.stale_s:g} s would be a fault, but readings come every {tag.period_s:g} s"
        yield Problem.of(f"{path}.stale_s", message, "three periods or more")
    if tag.response_s is not None and tag.response_s <= 0:
        yield Problem.of(f"{path}.response_s", f"{tag.response_s:g} s is not positive", "leave it empty when unknown")
    elif tag.response_s is not None and tag.on_delay_s > tag.response_s:
        message = f"the alarm waits {tag.on_delay_s:g} s, but people have only {tag.response_s:g} s to respond"
        yield Problem.of(f"{path}.on_delay_s", message, "shorten the delay")
    if tag.calibration_due is not None and not 2000 <= tag.calibration_due.year <= 2100:
        message = f"no calibration ends on {tag.calibration_due}"
        yield Problem.of(f"{path}.calibration_due", message, "the last day, as 2027-03-31; empty when not known")


def _cells(revision: Revision) -> Iterator[Problem]:
    """A cell lies in one park; one that holds several enterprises must have been named on purpose."""
    park_of = {e.id: e.park for e in revision.enterprises}
    cells: dict[str, list[Tag]] = defaultdict(list)
    for tag in revision.tags:
        if not tag.retired:
            cells[tag.cell_key].append(tag)
    for cell, tags in cells.items():
        enterprises = sorted({t.enterprise for t in tags})
        parks = {park_of.get(t.enterprise) for t in tags}
        accidental = next((t for t in tags if not t.cell), None)
        if len(enterprises) < 2:
            continue
        if len(parks) > 1:
            message = f"cell {cell!r} crosses parks (enterprises {', '.join(enterprises)})"
            yield Problem.of(
                f"tags[{tags[0].name}].cell", message, "a cell lies in one park: copy the tag to each cell"
            )
        elif accidental is not None:
            message = f"cell {cell!r} holds tags of several enterprises ({', '.join(enterprises)})"
            cure = "copy the tag to each cell that needs it, or name the cell of every tag in it"
            yield Problem.of(f"tags[{accidental.name}].cell", message, cure)


# Rules and routes


def _rules(revision: Revision, kinds: Collection[str] | None) -> Iterator[Problem]:
    names = {t.name for t in revision.tags if not t.retired}
    yield from _identities("rules", (r.id for r in revision.rules))
    for rule in revision.rules:
        path = f"rules[{rule.id}]"
        if kinds is not None:
            yield from _reference(f"{path}.kind", rule.kind, kinds, "rule kind")
        if not rule.tags:
            yield Problem.of(f"{path}.tags", "asked of no tag", 'write ["*"] for all, or leave it out')
        for name, value in rule.params.items():
            if isinstance(value, float) and not math.isfinite(value):
                yield Problem.of(f"{path}.params.{name}", f"{value} is not a finite number", "write a number")
        for number, case in enumerate(rule.case, 1):
            yield from _reference(f"{path}.case[{number}].tag", case.tag, names, "tag")


def _routes(
    revision: Revision, channels: Collection[str] | None, recipients: Collection[str] | None
) -> Iterator[Problem]:
    known: tuple[tuple[str, str, Collection[Any]], ...] = (
        ("tiers", "tier", TIERS),
        ("classes", "alarm class", set(AlarmClass)),
        ("on", "kind of change", set(Change)),
        ("parks", "park", {p.id for p in revision.parks}),
        ("enterprises", "enterprise", {e.id for e in revision.enterprises}),
        ("hazard_sources", "hazard source", {s.id for s in revision.hazard_sources}),
    )
    yield from _identities("routes", (r.id for r in revision.routes))
    for route in revision.routes:
        path = f"routes[{route.id}]"
        if channels is not None:
            yield from _reference(f"{path}.channel", route.channel, channels, "channel")
        for field, what, names in known:
            for value in getattr(route, field):
                if value not in names:
                    listed = ", ".join(sorted(map(str, names))) or "none yet"
                    yield Problem.of(f"{path}.{field}", f"there is no {what} {value!r}", f"one of: {listed}")
        if not route.recipients or not route.on:
            yield Problem.of(
                path, "it reaches nobody", 'leave recipients out for the channel itself, on for ["raise", "rise"]'
            )
        for name in route.recipients:
            if name and recipients is not None:
                yield from _reference(f"{path}.recipients", name, recipients, "contact")


# From one revision to the next


def changed(old: Revision, new: Revision) -> tuple[Problem, ...]:
    """What `new` may not do to `old`: numbers are never reused, moved to another cell, or forgotten."""
    return tuple(_changed(old, new))


def _changed(old: Revision, new: Revision) -> Iterator[Problem]:
    before = {t.number: t for t in old.tags}
    now = {t.number: t for t in new.tags}
    if new.number <= old.number:
        yield Problem.of("number", f"revision {new.number} does not follow {old.number}", "revision numbers only rise")
    for number, tag in before.items():
        after = now.get(number)
        path = f"tags[{tag.name}]"
        if after is None:
            yield Problem.of(f"{path}.number", f"number {number} has vanished", "keep the tag and mark it retired")
        elif after.name != tag.name:
            message = f"number {number} belonged to {tag.name!r} and cannot go to {after.name!r}"
            yield Problem.of(f"tags[{after.name}].number", message, "give the new tag a new number")
        elif tag.retired and not after.retired:
            yield Problem.of(f"{path}.retired", f"number {number} is retired for good", "give the tag a new number")
        elif after.cell_key != tag.cell_key and not after.retired:
            message = f"it moves from cell {tag.cell_key!r} to {after.cell_key!r}"
            yield Problem.of(f"{path}.cell", message, "retire the number and give the tag a new one")
    highest = max(before, default=0)
    for number, tag in now.items():
        if number not in before and number <= highest:
            message = f"number {number} is new but not above {highest}, the highest ever given"
            yield Problem.of(f"tags[{tag.name}].number", message, "new tags get higher numbers")
