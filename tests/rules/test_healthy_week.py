"""Seven healthy days with all that a network does to readings: no process rule says a word, and no instrument's.

The demo plant every 10 s; 1 % of the readings come twice, 1 % late, 0.1 % without a value; the fold is restarted from
its snapshot every hour, and the links beat. Process kinds whose false-alarm rate is chosen are held to that rate by
their own tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from rules.engine import Fold
from rules.kinds import kinds
from rules.rulebook import compile_rules
from schemas.batch import Batch
from schemas.changes import AlarmClass
from schemas.quality import Quality
from schemas.records import Kind as RecordKind
from schemas.records import Link, encode
from schemas.registry import Measure, Revision, Rule
from schemas.time import HOUR, SECOND, in_zone
from sensors_sim.plant import Plant
from tests.sensors_sim.plants import START_S, demo, plant

DAYS, STEP_S = 7, 10
COPIES, LATE, MALFORMED = 0.01, 0.01, 0.001
NOISY = (Measure.GAS, Measure.TEMPERATURE, Measure.PRESSURE, Measure.LEVEL)

CO = ("metal.CO-*",)
RULES: dict[str, tuple[Rule, ...]] = {
    "limits": (),
    "rate": (Rule(id="rate", kind="rate", measures=NOISY, params={"rise_per_min": 10.0, "percent_of_range": True}),),
    "forecast": (Rule(id="forecast", kind="forecast", measures=NOISY),),
    "deviation": (
        Rule(
            id="deviation",
            kind="deviation",
            tags=("metal.CO-101", "metal.CO-102"),
            params={"partner": "metal.CO-102", "high": 10.0, "low": 10.0},
        ),
    ),
    "expression": (
        Rule(
            id="expression",
            kind="expression",
            params={
                "expr": "{lpg.PT-101} > 1.5 MPa(g) or {lpg.TT-101} - {lpg.AT-101} > 30 K",
                "clear": "{lpg.PT-101} < 1.4 MPa(g)",
            },
        ),
    ),
    "limits_by_state": (
        Rule(
            id="limits_by_state",
            kind="limits_by_state",
            tags=("metal.AT-301",),
            params={
                "high": 45.0,
                "low": -20.0,
                "n": 2,
                "m": 3,
                "regimes": ["night; 20:00-06:00; high 40"],
                "warm_up_s": 60.0,
            },
        ),
    ),
    "stel": (Rule(id="stel", kind="stel", tags=CO),),
    "twa": (Rule(id="twa", kind="twa", tags=CO),),
    "excursion": (Rule(id="excursion", kind="excursion", tags=CO, params={"limit": 17.0}),),
    "stay_time": (Rule(id="stay_time", kind="stay_time", tags=("metal.CO-10*",)),),
    "mixture": (Rule(id="mixture", kind="mixture", tags=("metal.CO-115", "metal.CO-116")),),
    "vote": (Rule(id="vote", kind="vote", tags=CO),),
    "zone": (Rule(id="zone", kind="zone", tags=CO),),
    "risk": (Rule(id="risk", kind="risk"),),
    "dispersion": (Rule(id="dispersion", kind="dispersion", tags=("metal.*", "chlorine.*")),),
}
"""Process kind -> the rules under which it watches the week; `limits` is there by default."""
FAULTS: dict[str, tuple[Rule, ...]] = {
    "stale": (),
    "spike": (Rule(id="spike", kind="spike"),),
    "noise": (Rule(id="noise", kind="noise"),),
    "stuck": (Rule(id="stuck", kind="stuck"),),
    "clock_skew": (Rule(id="clock_skew", kind="clock_skew"),),
    "gap": (Rule(id="gap", kind="gap"),),
    "drift": (Rule(id="drift", kind="drift", measures=(Measure.GAS,), params={"nights": 3}),),
    "calibration_due": (Rule(id="calibration_due", kind="calibration_due"),),
}
"""The same for kinds that judge instruments and ways; `stale` is there by default."""
OF_VALUES = {"quality", "range"}
"""Kinds that tell a reading without a value, of which the week has some."""
CHOSEN_RATE = {"cusum", "ewma", "anomaly"}
"""Kinds that may be wrong as often as they were told to be."""
OF_STATES = {"change", "sequence"}
"""Kinds that look at states and at the order of events, which noise does not touch."""


def revision() -> Revision:
    """The demo park, read every 10 s, under every process kind."""
    other_gas = {"metal.CO-116": "7664-41-7"}  # ammonia: a mixture needs two
    tags = tuple(
        msgspec.structs.replace(
            t,
            period_s=max(t.period_s, float(STEP_S)),
            cas=other_gas.get(t.name, t.cas),
            calibration_due=in_zone((START_S + 60 * 86_400) * SECOND).date(),
        )
        for t in demo().tags
    )
    rules = tuple(rule for asked in (RULES, FAULTS) for name in asked for rule in asked[name])
    return msgspec.structs.replace(demo(), tags=tags, rules=rules)


def week(built: Plant, of: Revision) -> Iterator[tuple[int, Batch]]:
    """(append time, readings) as they come."""
    numbers = {tag.name: tag.number for tag in of.tags}
    number = np.array([numbers[tag.name] for tag in built.instruments], np.int32)
    resolution = np.array([tag.resolution for tag in built.instruments])
    source = np.random.default_rng(7)
    held: list[tuple[int, int, float]] = []
    for _ in range(DAYS * 86_400 // STEP_S):
        at_ns = round(built.time_s) * SECOND
        value = np.round(built.step() / resolution) * resolution
        built.index += STEP_S - 1
        luck = source.random(len(number))
        late = luck < LATE
        malformed = (luck >= LATE) & (luck < LATE + MALFORMED)
        twice = luck >= 1 - COPIES
        quality = np.where(malformed, Quality.NO_VALUE, Quality.GOOD).astype(np.int16)
        value[malformed] = np.nan
        now = np.concatenate([np.flatnonzero(~late), np.flatnonzero(twice)])
        old = np.array(held, dtype=[("tag", "i4"), ("at", "i8"), ("value", "f8")])
        tag = np.concatenate([number[now], old["tag"]]).astype(np.int32)
        event = np.concatenate([np.full(len(now), at_ns), old["at"]])
        yield (
            at_ns,
            Batch(
                tag,
                event,
                np.concatenate([value[now], old["value"]]),
                np.concatenate([quality[now], np.zeros(len(old), np.int16)]),
                np.zeros(len(tag), np.int64),
            ),
        )
        held = [(int(number[i]), at_ns, float(value[i])) for i in np.flatnonzero(late)]


def test_every_process_kind_is_watched() -> None:
    process = {name for name, kind in kinds().items() if kind.alarm_class is AlarmClass.PROCESS}
    assert process == set(RULES) | CHOSEN_RATE | OF_STATES


def test_every_instrument_kind_is_watched() -> None:
    others = {name for name, kind in kinds().items() if kind.alarm_class is not AlarmClass.PROCESS}
    assert others == set(FAULTS) | OF_VALUES


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_healthy_week_raises_no_alarm() -> None:
    of = revision()
    book = compile_rules(of, 0, 1)
    fold = Fold(book, 0, 1)
    found: Counter[tuple[str, str]] = Counter()
    watched = {rule.rule.kind for rule in book.rules if rule.watched}
    assert watched >= set(RULES) | set(FAULTS)
    beats = [encode(Link(name=link, up=True)) for link in book.links]
    restart_ns = START_S * SECOND + HOUR
    for now_ns, readings in week(plant(), of):
        if now_ns >= restart_ns:
            fold, restart_ns = Fold.restore(fold.snapshot(), book), restart_ns + HOUR
        changes = [c for beat in beats for c in fold.apply(fold.next_offset, now_ns, RecordKind.LINK, beat)]
        for change in (*changes, *fold.apply_readings(fold.next_offset, now_ns, readings)):
            if change.level and (change.alarm_class is AlarmClass.PROCESS or change.rule in FAULTS):
                found[change.rule, change.subject] += 1
    assert found == {}
