"""What the tests of the instrument faults share: a fold to drive, random traces, and a week of a healthy plant."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from rules.admission import lateness_s
from rules.engine import Fold
from rules.kinds import kinds
from rules.rulebook import compile_rules
from schemas.batch import Batch, batch
from schemas.changes import Basis, ConditionChange
from schemas.problems import Problem
from schemas.quality import Quality
from schemas.registry import Limits, Measure, Revision, Rule, Tag
from schemas.time import SECOND, seconds
from sensors_sim.plant import Plant
from sensors_sim.taglist import Instrument
from tests.laws.traces import START, revision

Params = Mapping[str, bool | int | float | str | list[str]]
NO_PARAMS: Params = MappingProxyType({})
Told = list[tuple[int, int]]
"""(number of the reading, level)"""
Values = npt.NDArray[np.float64]


class Reading(NamedTuple):
    """Seconds since the start at which it was appended, and at which it was made."""

    now: float
    event: float
    value: float
    quality: int = Quality.GOOD


def under(kind: str, params: Params, *tags: Tag) -> Revision:
    """The tags under one rule of a kind (and the default rules, which go on beside it)."""
    return msgspec.structs.replace(revision(*tags), rules=(Rule(id=kind, kind=kind, params=dict(params)),))


def new_fold(kind: str, tag: Tag, params: Params) -> Fold:
    return Fold(compile_rules(under(kind, params, tag), 0, 1), 0, 1)


def changes(kind: str, tag: Tag, params: Params, readings: Sequence[Reading]) -> Iterator[tuple[int, ConditionChange]]:
    """What the fold says of the kind, a record for each reading."""
    fold = new_fold(kind, tag, params)
    for number, r in enumerate(readings):
        rows = batch([tag.number], [START + seconds(r.event)], [r.value], [r.quality])
        for change in fold.apply_readings(number, START + seconds(r.now), rows):
            if change.rule == kind and change.basis is not Basis.RESTATEMENT:
                yield number, change


def told(kind: str, tag: Tag, params: Params, readings: Sequence[Reading]) -> Told:
    """The changes of level in short, without the first word that all is normal."""
    said = [(number, change.level) for number, change in changes(kind, tag, params, readings)]
    return said[1:] if said and said[0][1] == 0 else said


def in_order(tag: Tag, readings: Sequence[Reading]) -> Iterator[tuple[int, Reading]]:
    """The live readings with their numbers (LAWS L1, L2), for traces whose event times run at most 10 s behind."""
    newest = live = -math.inf
    for number, r in enumerate(readings):
        if r.event >= newest or r.now - live >= lateness_s(tag):
            newest, live = r.event, r.now
            yield number, r


def traces(values: Sequence[float], steps: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 0.5, 2.0, 7.5, 30.0),
           least: int = 120, most: int = 900) -> st.SearchStrategy[list[Reading]]:  # fmt: skip
    """Readings of these values at such steps of time; one in eight bad, uncertain, no number, or late."""

    def read(data: bytes) -> list[Reading]:
        now, found = 0.0, []
        for place in range(0, len(data) - 2, 3):
            time, chosen, fate = data[place : place + 3]
            now += steps[time * len(steps) // 256]
            value = values[chosen % len(values)]
            match fate:
                case 1 | 2 | 3:
                    found.append(Reading(now, now, value, (Quality.BAD, Quality.UNCERTAIN, Quality.STALE)[fate - 1]))
                case 4:
                    found.append(Reading(now, now, math.nan, Quality.NO_VALUE))
                case 5:
                    found.append(Reading(now, now, (math.nan, math.inf)[time % 2]))
                case _ if fate < 32:
                    found.append(Reading(now, now - 3.25, value))
                case _:
                    found.append(Reading(now, now, value))
        return found

    return st.binary(min_size=least, max_size=most).map(read)


def problems(kind: str, tag: Tag, params: Params) -> list[Problem]:
    """What `check` says of the parameters with one tag."""
    found = kinds()[kind]
    return list(found.check(tag, msgspec.convert(dict(params), found.params)))


# A healthy plant

PLACES: tuple[Instrument, ...] = tuple(
    Instrument(name, "works", measure, cas, unit, low, high, step, lower, upper, 0.0, 0.0, 1.0)
    for name, measure, cas, unit, low, high, step, lower, upper in (
        ("CO-1", "gas", "630-08-0", "ppm", 0.0, 500.0, 1.0, None, 17.2),
        ("CH4-1", "gas", "74-82-8", "%LEL", 0.0, 100.0, 0.1, None, 25.0),
        ("CL2-1", "gas", "7782-50-5", "ppm", 0.0, 10.0, 0.01, None, 0.34),
        ("O2-1", "gas", "7782-44-7", "%VOL", 0.0, 30.0, 0.1, 19.5, 23.5),
        ("T-1", "temperature", "", "degC", 0.0, 200.0, 0.1, 20.0, 120.0),
        ("T-2", "temperature", "", "degC", -50.0, 50.0, 0.01, None, 10.0),
        ("P-1", "pressure", "", "MPa(g)", 0.0, 2.5, 0.001, 0.2, 1.6),
        ("L-1", "level", "", "%", 0.0, 100.0, 0.1, 20.0, 85.0),
        ("F-1", "flow", "", "m3/h", 0.0, 100.0, 0.1, None, None),
        ("H-1", "humidity", "", "%RH", 0.0, 100.0, 0.1, None, None),
        ("I-1", "current", "", "mA", 4.0, 20.0, 0.01, None, None),
        ("WS-1", "wind_speed", "", "m/s", 0.0, 60.0, 0.1, None, None),
        ("WD-1", "wind_direction", "", "deg", 0.0, 360.0, 1.0, None, None),
    )
)


def healthy_tags(period_s: float, places: Sequence[Instrument] = PLACES) -> tuple[Tag, ...]:
    """The registry's side of the healthy plant."""
    return tuple(
        Tag(
            number=number,
            name=place.name,
            enterprise="works",
            measure=Measure(place.measure),
            cas=place.cas,
            unit=place.unit,
            range_low=place.range_low,
            range_high=place.range_high,
            resolution=place.resolution,
            period_s=period_s,
            stale_s=5 * period_s,
            limits=Limits(low=place.low, high=place.high),
        )
        for number, place in enumerate(places, 1)
    )


class _Coarse(Plant):
    """The plant, one long step at a time: the noise forgets in 20 s, so from a minute on it is white."""

    def __init__(self, every_s: int, seed: int) -> None:
        super().__init__(PLACES, seed, START / SECOND)
        self.every_s = every_s

    def step(self) -> Values:
        values = super().step()
        if self.every_s >= 60:
            rng = np.random.default_rng([self._seed, self.index])
            self._memory = rng.standard_normal(len(PLACES))
        self.index += self.every_s - 1
        return values


@cache
def healthy(every_s: int, duration_s: int, seed: int = 7) -> Values:
    """Values of all places at every step, shape (steps, places), not to be written to. They are what the instruments
    show: rounded to their resolution."""
    plant = _Coarse(every_s, seed)
    values = np.array([plant.step() for _ in range(duration_s // every_s)])
    resolution = np.array([place.resolution for place in PLACES])
    rounded: Values = np.round(values / resolution) * resolution
    rounded.flags.writeable = False
    return rounded


def raised_by(kind: str, every_s: int, values: Values, params: Params = NO_PARAMS) -> list[ConditionChange]:
    """What the kind raises over such values of all places: a record every step, with every tag in it."""
    tags = healthy_tags(every_s)
    fold = Fold(compile_rules(under(kind, params, *tags), 0, 1), 0, 1)
    numbers = np.arange(1, len(tags) + 1, dtype=np.int32)
    good, no_sequence = np.zeros(len(tags), np.int16), np.zeros(len(tags), np.int64)
    found = []
    for number, row in enumerate(values):
        now = START + number * every_s * SECOND
        rows = Batch(numbers, np.full(len(tags), now), row, good, no_sequence)
        changes = fold.apply_readings(number, now, rows)
        found += [c for c in changes if c.rule == kind and c.level and c.basis is not Basis.RESTATEMENT]
    return found


def names(raised: Sequence[ConditionChange]) -> set[str]:
    return {c.subject for c in raised}


def every_place(*but: str) -> set[str]:
    return {place.name for place in PLACES} - set(but)


SPANS: Values = np.array([place.range_high - place.range_low for place in PLACES])
