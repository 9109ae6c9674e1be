"""A healthy plant: the same seed and start give the same stream, and a quiet day is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from hazwatch.replay.feed import Instant
from hazwatch.replay.runner import Replay
from schemas.batch import batch
from schemas.time import DAY, SECOND
from sensors_sim.plant import Plant
from sensors_sim.scenario import load, play
from tests.sensors_sim.plants import START_S, demo, messages, plant

SECONDS = 300


def stream(name: str, seed: int = 1) -> list[tuple[str, bytes]]:
    return [(message.topic, message.payload) for _, message in messages(name, SECONDS, seed)]


@pytest.mark.parametrize("name", ["quiet", "gentle", "gateway-offline"])
def test_same_seed_same_bytes(name: str) -> None:
    assert stream(name) == stream(name)


def test_another_seed_is_another_plant() -> None:
    one, other = stream("quiet", 1), stream("quiet", 2)
    assert [topic for topic, _ in one] == [topic for topic, _ in other]
    assert not set(one) & set(other)


def test_another_start_is_another_hour_of_the_day() -> None:
    morning, evening = plant(), plant(start_s=START_S + 12 * 3600)
    assert not np.allclose(morning.step(), evening.step())


def test_noise_remembers_and_values_stay_where_they_belong() -> None:
    """Process data at a second are never white: neighbours are much closer than strangers. A gas detector at zero may
    read a little less, as far as a 4-20 mA signal goes (NAMUR NE 43)."""
    built = plant()
    values = np.array([built.step() for _ in range(600)])
    inside = np.array([tag.measure not in ("wind_speed", "wind_direction") for tag in built.instruments])
    low = np.array([tag.range_low for tag in built.instruments])
    high = np.array([tag.range_high for tag in built.instruments])
    assert ((values >= low - 0.0125 * (high - low)) & (values <= high))[:, inside].all()
    neighbours = np.abs(np.diff(values, axis=0))[:, inside].mean(0)
    strangers = np.abs(values[300:] - values[:300])[:, inside].mean(0)
    assert (neighbours < 0.6 * strangers).mean() > 0.95


def test_wind_is_believable() -> None:
    built = plant()
    seen = []
    for _ in range(3600):
        built.step()
        seen.append((built.wind.speed_ms, built.wind.direction_deg))
    speed, direction = np.array(seen).T
    assert speed.min() > 0 and 1 < speed.mean() < 5 and speed.max() < 8
    assert ((direction >= 0) & (direction < 360)).all()
    assert len(np.unique(direction.round())) > 10


def _day(built: Plant) -> Iterator[Instant]:
    """A day as the gateways send it: every instrument at its own period."""
    numbers = {tag.name: tag.number for tag in demo().tags}
    number = np.array([numbers[tag.name] for tag in built.instruments], np.int32)
    every = np.array([max(1, round(tag.period_s)) for tag in built.instruments])
    moments = play(built, load("quiet"))
    for second in range(DAY // SECOND):
        now_s, moment = next(moments)
        due = second % every == 0
        at_ns = round(now_s) * SECOND
        yield Instant(at_ns, batch(number[due], np.full(due.sum(), at_ns), moment.value[due]))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_quiet_day_is_quiet() -> None:
    """86 400 s of some 200 instruments through both folds: not one alarm."""
    played = Replay(demo()).play(_day(plant()))
    found = Counter((one.transition.alarm.subject, one.transition.alarm.rule) for one in played)
    assert found == {}
