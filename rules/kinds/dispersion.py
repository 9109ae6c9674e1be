"""Dispersion: where a gas release probably goes, how far, and where it may come from. A screening, never a conclusion.

One condition for each gas of a cell, one level: a warning that begins when a detector reaches its first limit (times
`start`) and ends when none is above limit and deadband. It adds to the detectors' own alarms and takes nothing away.
While it stands, a Gaussian plume (`rules.plume`, EPA's ISC3 curves) is judged anew at most every `every_s`:

- **Wind** is the mean of the last minute of the cell's wind speed and direction. Below 1 m/s (calm), or with either
  bad or silent for its `stale_s`, there is no direction: the zones are circles, for 1 m/s.
- **Stability class** from wind and time of day (Pasquill), the most stable that the table allows: D by day; by night F
  below 3 m/s, E below 5, else D. Day is six hours around solar noon to each side, by the time of the record.
- **Source** where three detectors or more see the gas (a quarter of their first limit) and the wind has a direction:
  the place that fits all detectors best, those that see nothing included. Else it is taken to be `assume_m` upwind of
  the strongest detector, and the words say that it was not located.
- **Zones** downwind on the ground: AEGL-1, -2 and -3 for 60 minutes; for a flammable gas, or one without AEGL, 10, 25
  and 50 % of the lower explosive limit, halved because peaks are about twice the mean. A figure that the table of gases
  lacks has no zone.

**Limits of validity**: flat ground, steady release, 100 m to 10 km, gas about as heavy as air. A gas of more than 1.2
times the density of air is marked: near the source it slumps, and far away the numbers are too long. A detector over
its range counts as the end of it. Readings that come late, and bad ones, do not enter; uncertain ones may raise.
The value is the release rate (g/s); all parameters are design defaults of this project.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import tell
from rules.kinds import Example, Kind, Level, Planned, samples_only
from rules.kinds.limits import lowest
from rules.machine import LATE_READING, READING, step
from rules.plume import CLASSES
from rules.releases import FIGURES, MEMORY, MOST, OVER, PARAMS, SAMPLE, feel, hear, judge
from rules.screening import say, zones_of
from schemas.changes import AlarmClass, Side
from schemas.gases import Gas, gas
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.tiers import GasClass
from schemas.time import seconds
from schemas.units import UnitError, conversion

METRES_PER_DEGREE = 111_320.0
NOON_UTC_H = 4.0
"""Solar noon at 120 degrees east, for detectors without a longitude."""


class Params(Struct, frozen=True, kw_only=True):
    """`start`: the share of its first limit at which a detector begins the screening. `every_s` (s): how often it is
    judged anew.

    `stability`: the class, or auto. `assume_m` (m): the distance of a source that cannot be located. `margin_m` (m):
    how far beyond the detectors it is looked for. `height_m` (m): the height of the release; `initial_m` (m): its width
    at the source.
    """

    start: float = 1.0
    every_s: float = 10.0
    stability: Literal["auto", "A", "B", "C", "D", "E", "F"] = "auto"
    assume_m: float = 20.0
    margin_m: float = 150.0
    height_m: float = 0.0
    initial_m: float = 1.0


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        v, q = value[i], quality[i]
        live = (flags[i] & LIVE) != 0
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            s = memory.slot[k]
            if s >= p["members"]:
                if live and q < FIRST_UNCERTAIN and v - v == 0.0:
                    feel(p, own, s == p["speed_at"], v, now)
                    if own["up"] > 0 and now - own["judged"] >= p["every"]:
                        judge(p, memory, c, now, append)
                continue
            if q != OVER and (q >= FIRST_BAD or v != v):
                continue
            lowers = hear(p, memory, c, s, v, q, live, at[i], now)
            if own["up"] == 0 and conditions[c]["quiet"] != 0:
                continue
            if own["up"] > 0 and (conditions[c]["level"] <= 0 or now - own["judged"] >= p["every"]):
                judge(p, memory, c, now, append)
            if own["up"] == 0:
                own["value"] = 0.0
                for figure in range(8):
                    own["figures"][figure] = np.nan
            before = m
            m = step(
                c, conditions, gates, setup, 1 if own["up"] > 0 else 0, 1 if own["up"] == 0 else 0, lowers, flags[i],
                basis, at[i], now, append, i, own["value"], q, out, due, m,
            )  # fmt: skip
            m = tell(out, before, m, own["figures"])
    return m


# Plans

LEVEL = Level("screening", Text(zh="扩散筛查", en="plume screening"), early=True)
_WIND = (Measure.WIND_SPEED, Measure.WIND_DIRECTION)


def groups(tags: Sequence[Tag]) -> dict[str, list[Tag]]:
    """The detectors of each gas that can disperse: those with a first limit."""
    found: dict[str, list[Tag]] = defaultdict(list)
    for tag in tags:
        if _disperses(tag):
            found[tag.cas].append(tag)
    return found


def _disperses(tag: Tag) -> bool:
    facts = gas(tag.cas)
    return tag.measure is Measure.GAS and (facts is None or facts.gas_class is not GasClass.OXYGEN)


def _limit(tag: Tag) -> float | None:
    return tag.limits.high if tag.limits.high is not None else tag.limits.high_high


def places(tags: Sequence[Tag]) -> list[tuple[float, float]] | None:
    """Metres east and north of the first tag; None where they lack coordinates of one kind."""
    first = tags[0]
    flat = [(t.x_m, t.y_m) for t in tags]
    if all(x is not None and y is not None for x, y in flat):
        return [(x - (first.x_m or 0.0), y - (first.y_m or 0.0)) for x, y in flat if x is not None and y is not None]
    round_ = [(t.longitude, t.latitude) for t in tags]
    if all(lon is not None and lat is not None for lon, lat in round_):
        lon_0, lat_0 = first.longitude or 0.0, first.latitude or 0.0
        across = METRES_PER_DEGREE * math.cos(math.radians(lat_0))
        return [
            ((lon - lon_0) * across, (lat - lat_0) * METRES_PER_DEGREE)
            for lon, lat in round_
            if lon is not None and lat is not None
        ]
    return None


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    """A condition for each gas; it has the place of its first detector."""
    speed = next((t for t in tags if t.measure is Measure.WIND_SPEED), None)
    direction = next((t for t in tags if t.measure is Measure.WIND_DIRECTION), None)
    if speed is None or direction is None:
        return
    for cas, found in groups(tags).items():
        detectors = found[:MOST]
        facts, where = gas(cas), places(detectors)
        if facts is None or where is None:
            continue
        yield Planned(
            tags=(*detectors, speed, direction),
            side=Side.HIGH,
            levels=(LEVEL,),
            values=_values(detectors, where, facts, speed, direction, params),
            samples=len(detectors),
        )


def _values(
    detectors: Sequence[Tag],
    where: Sequence[tuple[float, float]],
    facts: Gas,
    speed: Tag,
    direction: Tag,
    params: Params,
) -> Mapping[str, Any]:
    to_mg = conversion("ppm", "mg/m3", facts.cas)
    longitude = detectors[0].longitude
    noon_h = NOON_UTC_H if longitude is None else (12.0 - longitude / 15.0) % 24.0
    each: dict[str, list[Any]] = {
        "number": [t.number for t in detectors],
        "stale": [seconds(t.stale_s) for t in detectors],
        "east": [east for east, _ in where],
        "north": [north for _, north in where],
        "height": [params.height_m if t.height_m is None else t.height_m for t in detectors],
        "scale": [conversion(t.unit, "mg/m3", t.cas)(1.0) / 1000.0 for t in detectors],
        "limit": [_limit(t) or math.inf for t in detectors],
        "deadband": [t.deadband for t in detectors],
        "range_low": [lowest(t) for t in detectors],
        "range_high": [math.inf if t.range_high is None else t.range_high for t in detectors],
    }
    return {
        "members": len(detectors),
        "speed_at": len(detectors),
        "stability": CLASSES.find(params.stability) if params.stability != "auto" else -1,
        "every": seconds(params.every_s),
        "solar_noon": seconds(noon_h * 3600.0),
        "speed_scale": conversion(speed.unit, "m/s")(1.0),
        "speed_stale": seconds(speed.stale_s),
        "direction_stale": seconds(direction.stale_s),
        "start": params.start,
        "assume": params.assume_m,
        "margin": params.margin_m,
        "release": params.height_m,
        "initial": params.initial_m,
        "zones": [math.nan if ppm is None else to_mg(ppm) / 1000.0 for _, ppm in zones_of(facts)],
        **{name: [*values, *[0] * (MOST - len(values))] for name, values in each.items()},
    }


# Checks


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    for field, least, most in (
        ("start", 0.1, 10.0), ("every_s", 1.0, 600.0), ("assume_m", 1.0, 1000.0), ("margin_m", 10.0, 2000.0),
        ("height_m", 0.0, 200.0), ("initial_m", 0.1, 50.0),
    ):  # fmt: skip
        given = getattr(params, field)
        if not least <= given <= most:
            yield Problem.of(f"params.{field}", f"{given:g} is out of bounds", f"{least:g} to {most:g}")
    if not _disperses(tag):
        if tag.measure is Measure.WIND_DIRECTION and tag.unit != "deg":
            yield Problem.of("tags", f"{tag.name}: the direction is in {tag.unit}", "degrees: unit deg")
        return
    facts, limit = gas(tag.cas), _limit(tag)
    if facts is None:
        yield Problem.of("tags", f"{tag.name}: {tag.cas} is not in the table of gases", "name only gases that are")
        return
    if limit is None or limit <= 0:
        yield Problem.of("tags", f"{tag.name} has no limit at which a release begins", "give it a high limit above 0")
    try:
        conversion(tag.unit, "mg/m3", tag.cas)
    except UnitError as error:
        yield Problem.of("tags", f"{tag.name}: {error.reason}", error.cure)
    if all(ppm is None for _, ppm in zones_of(facts)):
        message = f"{tag.name}: the table of gases has neither AEGL nor an explosive limit of {facts.name.en}"
        yield Problem.of("tags", message, "name only gases with such figures: no zone could be drawn")


def check_cell(tags: Sequence[Tag], params: Params) -> Iterable[Problem]:
    """A cell without a gas that disperses is passed over."""
    cell = tags[0].cell_key
    found = groups(tags)
    for detectors in found.values():
        listed = ", ".join(t.name for t in detectors[:5])
        if places(detectors) is None:
            message = f"detectors of cell {cell!r} lack coordinates of one kind: {listed}"
            yield Problem.of("tags", message, "give all x_m and y_m, or all longitude and latitude")
        if len(detectors) > MOST:
            message = f"cell {cell!r} has {len(detectors)} detectors of one gas, more than the {MOST} of a screening"
            yield Problem.of("tags", message, "name fewer")
    missing = [m.value for m in _WIND if not any(t.measure is m for t in tags)]
    if found and missing:
        message = f"cell {cell!r} has gas detectors, but among the tags no {' and no '.join(missing)}"
        yield Problem.of("tags", message, "name the wind too; wind of another cell is copied to this one")


def _detector(number: int, cas: str, x_m: float, y_m: float, **more: object) -> Tag:
    given = {
        "number": number, "name": f"GD-{number}", "enterprise": "e", "measure": Measure.GAS, "cas": cas, "unit": "ppm",
        "range_low": 0.0, "range_high": 100.0, "limits": Limits(high=7.0, high_high=14.0), "deadband": 1.0,
        "x_m": x_m, "y_m": y_m, "height_m": 1.5, **more,
    }  # fmt: skip
    return Tag(**given)  # type: ignore[arg-type]


_SPEED = Tag(
    number=8, name="WS", enterprise="e", measure=Measure.WIND_SPEED, unit="m/s", range_low=0.0, range_high=40.0
)
_DIRECTION = Tag(
    number=9, name="WD", enterprise="e", measure=Measure.WIND_DIRECTION, unit="deg", range_low=0.0, range_high=360.0
)
_H2S = tuple(_detector(n, "7783-06-4", x, y) for n, (x, y) in enumerate(((0, 0), (30, 20), (30, -20), (60, 0)), 1))
_METHANE = _detector(1, "74-82-8", 0.0, 0.0, unit="%LEL", limits=Limits(high=25.0, high_high=50.0), deadband=2.0)

KIND = Kind(
    name="dispersion",
    title=Text(zh="扩散筛查", en="Plume screening"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    check_cell=check_cell,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    moved=samples_only,
    unit=lambda planned: "g/s",
    figures=FIGURES,
    source="Gaussian plume, Pasquill-Gifford sigmas of EPA's ISC3 fits; zones by AEGL (60 min) or LEL; the search for "
    "the source and all defaults are those of this project.",
    examples=(
        Example(
            _H2S[0],
            RuleCase(
                name="four detectors, a west wind of 3 m/s: the source is looked for upwind of them",
                tag="GD-1",
                readings=(
                    (0, "WS", 3.0), (0, "WD", 270.0),
                    (0, 0.0), (0, "GD-2", 0.0), (0, "GD-3", 0.0), (0, "GD-4", 0.0),
                    (1, 20.0), (1, "GD-2", 2.0), (1, "GD-3", 2.0), (1, "GD-4", 6.0),
                    (20, "WS", 3.0), (20, "WD", 270.0), (21, 25.0), (22, 6.5), (23, 5.0),
                ),
                expect=((1, "raise", "screening"), (23, "return", "normal")),
            ),
            others=(*_H2S[1:], _SPEED, _DIRECTION),
        ),
        Example(
            _H2S[0],
            RuleCase(
                name="calm: no direction, so the zones are circles around the strongest detector",
                tag="GD-1",
                readings=(
                    (0, "WS", 0.4), (0, "WD", 270.0), (0, 0.0), (0, "GD-2", 0.0),
                    (1, "GD-2", 9.0), (2, "GD-2", None, "SENSOR_FAILURE"), (3, 0.0), (4, "GD-2", 0.0),
                ),
                expect=((1, "raise", "screening"), (4, "return", "normal")),
            ),
            others=(_H2S[1], _SPEED, _DIRECTION),
        ),
        Example(
            _METHANE,
            RuleCase(
                name="a flammable gas over range, with a wind vane that has failed",
                tag="GD-1",
                readings=(
                    (0, "WS", 2.0), (0, "WD", None, "BAD"), (0, 0.0), (5, None, "OVER_RANGE"), (6, 20.0),
                ),
                expect=((5, "raise", "screening"), (6, "return", "normal")),
            ),
            others=(_SPEED, _DIRECTION),
        ),
    ),
)  # fmt: skip
