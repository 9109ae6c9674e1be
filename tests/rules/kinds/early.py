"""What the tests of the early warnings share: a rule's kernel alone, fed with rows whose flags the test chooses."""

from __future__ import annotations

import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from rules.admission import DOUBTFUL, LATE, LIVE
from rules.evaluator import Evaluator
from rules.kinds import Kind, Planned, Said
from rules.machine import NEVER
from rules.rulebook import check_rules, compile_rules
from schemas.quality import Quality
from schemas.registry import Measure, Rule, Tag
from schemas.time import SECOND, seconds
from tests.laws.traces import START, revision

NUMBERS: dict[str, Any] = json.loads((Path(__file__).parent / "numbers.json").read_text("utf-8"))
"""Published and computed figures, each with its source."""

Reading = tuple[float, float, int, int]
"""(second, value, quality, flags)"""
GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)


def good(at: float, value: float) -> Reading:
    return at, value, GOOD, LIVE


class Kernel:
    """The conditions of one tag under one rule."""

    def __init__(self, kind: str, tag: Tag, params: Mapping[str, Any]) -> None:
        of = msgspec.structs.replace(revision(tag), rules=(Rule(id=kind, kind=kind, params=dict(params)),))
        (compiled,) = (r for r in compile_rules(of, 0, 1).rules if r.rule.id == kind)
        self.evaluator = Evaluator(compiled, np.array([NEVER]))

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(w.plan.side for w in self.evaluator.compiled.watched)

    def feed(self, readings: Sequence[Reading], batch: int = 50) -> list[tuple[int, str, int, float]]:
        """(row, side, level, value) of every change of level."""
        return [(row, side, level, value) for row, side, level, value, _ in self.told(readings, batch)]

    def told(
        self, readings: Sequence[Reading], batch: int = 50
    ) -> list[tuple[int, str, int, float, tuple[float, ...]]]:
        """(row, side, level, value, figures) of every change of level; each batch is appended at its first time, so
        that nothing waits for fresher data (LAWS L5)."""
        said: list[tuple[int, str, int, float, tuple[float, ...]]] = []
        count = len(self.evaluator.compiled.kind.figures)
        for begin in range(0, len(readings), batch):
            rows = readings[begin : begin + batch]
            at, value, quality, flags = zip(*rows, strict=True)
            fake: Any = SimpleNamespace(
                index=np.zeros(len(rows), np.int32),
                flags=np.array(flags, np.uint8),
                at=np.array([START + seconds(a) for a in at]),
                value=np.array(value, np.float64),
                quality=np.array(quality, np.int16),
            )
            now_ns = min(fake.at.tolist())
            found = self.evaluator.rows(len(rows), fake, now_ns, now_ns)
            for change in found:
                row, side = begin + int(change["row"]), self.sides[int(change["condition"])]
                figures = tuple(change["figures"][:count].tolist())
                said.append((row, side, int(change["level"]), float(change["value"]), figures))
        return said


def healthy(kind: str, tag: Tag, params: Mapping[str, Any], tags: int, samples: int, seed: int) -> tuple[int, int]:
    """(alarms, judged samples) of so many points whose samples are independent and normal around 0, one a period."""
    many = [msgspec.structs.replace(tag, number=n, name=f"T-{n}") for n in range(1, tags + 1)]
    of = msgspec.structs.replace(revision(*many), rules=(Rule(id=kind, kind=kind, params=dict(params)),))
    (compiled,) = (r for r in compile_rules(of, 0, 1).rules if r.rule.id == kind)
    evaluator, source, alarms = Evaluator(compiled, np.array([NEVER])), np.random.default_rng(seed), 0
    rows: Any = SimpleNamespace(
        index=np.arange(tags, dtype=np.int32),
        flags=np.full(tags, LIVE, np.uint8),
        quality=np.zeros(tags, np.int16),
    )
    for step in range(samples):
        now_ns = START + step * seconds(tag.period_s)
        rows.at, rows.value = np.full(tags, now_ns), source.normal(0.0, 1.0, tags)
        alarms += int((evaluator.rows(tags, rows, now_ns, now_ns)["level"] > 0).sum())
    return alarms, tags * samples


def steady(count: int, begin: float, value: float, quality: int = GOOD, flags: int = LIVE) -> list[Reading]:
    """The same reading every 10 s."""
    return [(begin + 10.0 * n, value, quality, flags) for n in range(count)]


def problems(kind: str, tag: Tag, **params: Any) -> list[str]:
    """Which parameters are refused; every problem has a cure."""
    of = msgspec.structs.replace(revision(tag), rules=(Rule(id="r", kind=kind, params=params),))
    found = check_rules(of)
    assert all(p.cure for p in found)
    return [p.path.removeprefix("rules[r].").removeprefix("params.") for p in found]


class SlowBaseline:
    """The baseline of a control chart in plain Python, from the text of `rules.baseline`. Nothing is known of the range
    or the resolution of its tag."""

    def __init__(self, params: Mapping[str, Any], period_s: float) -> None:
        self.every = max(params["decorrelation_s"], period_s)
        self.least_wait = self.every - period_s / 2
        self.given = params.get("sigma") is not None
        self.mean, self.sigma = params.get("mean", 0.0), params.get("sigma", 0.0)
        self.samples_to_learn = params.get("learn_s", 86_400.0) / self.every
        self.slow = self.every / params.get("baseline_s", 259_200.0)
        self.first: list[float] = []
        self.learned = 0
        self.taken: float | None = None

    def residual(self, value: float) -> float | None:
        """z of a sample, None while there is nothing to compare with."""
        return (value - self.mean) / self.sigma if self.given or self.learned >= self.samples_to_learn else None

    def takes(self, at: float) -> bool:
        if self.taken is not None and abs(at - self.taken) < self.least_wait:
            return False
        self.taken = at
        return True

    def learn(self, value: float, calm: bool) -> None:
        if self.given:
            return
        self.learned += 1
        if self.learned <= 32:
            self.first.append(value)
            if self.learned == 32:
                self.mean = median(self.first)
                self.sigma = self._least(1.4826 * median([abs(v - self.mean) for v in self.first]))
            return
        z = (value - self.mean) / self.sigma
        weight = max(1 / min(self.learned, self.samples_to_learn + 1), self.slow)
        before = self.sigma
        if calm:
            self.sigma = self._least(before * math.exp(weight * (min(z * z, 6.25) - 0.97756) / (2 * 0.89994)))
        self.mean += weight * before * max(-2.5, min(2.5, z))

    def _least(self, sigma: float) -> float:
        return max(sigma, 1e-6 * abs(self.mean), 1e-12)


def drifting(seed: int, count: int, period_s: float) -> list[Reading]:
    """A point at 100 with noise that now and then shifts, spikes, misses, repeats and goes wrong."""
    source = random.Random(seed)
    noise = source.choice((0.0, 0.5, 2.0))
    found: list[Reading] = []
    at, mean = 0.0, 100.0
    for _ in range(count):
        if source.random() < 0.02:
            mean = source.choice((100.0, 100.0, 101.0, 98.0, 105.0))
        at += period_s * source.choice((0.3, 0.6, 1.0, 1.0, 1.0, 1.4, -0.3))
        if source.random() < 0.01:
            at = max(0.0, at + source.choice((-60.0, 500.0)) * period_s)
        draw = source.random()
        value = round(mean + source.gauss(0.0, noise), 3)
        if draw > 0.97:
            value = source.choice((math.nan, -math.inf, 1e6, 130.0))
        quality = BAD if draw < 0.02 else UNCERTAIN if draw < 0.04 else GOOD
        found.append((max(0.0, at), value, quality, source.choice((LATE, LIVE | DOUBTFUL)) if draw > 0.99 else LIVE))
    return found


def second_of(at: float) -> int:
    return START + seconds(at)


def in_seconds(ns: int) -> float:
    return ns / SECOND


class SlowChart(ABC):
    """One side of a control chart in plain Python: `sample` judges a residual towards its side, and leaves `value` and
    `verdict` ("beyond", "clear" or "")."""

    def __init__(self, sign: float, params: Mapping[str, Any], period_s: float) -> None:
        self.sign, self.baseline = sign, SlowBaseline(params, period_s)
        self.run = 30 * 86400 / self.baseline.every / params["alarms_per_month"]
        self.value, self.verdict = math.nan, ""
        self.level, self.stated = 0, False

    @abstractmethod
    def sample(self, z: float) -> None: ...

    def read(self, reading: Reading) -> tuple[int, float] | None:
        """(level, value) when this reading changes the level."""
        at, value, quality, flags = reading
        if not flags & LIVE:
            return None
        usable = quality < UNCERTAIN and math.isfinite(value)
        if usable and self.baseline.takes(at):
            calm = self.level == 0
            residual = self.baseline.residual(value)
            if residual is not None:
                self.sample(self.sign * residual)
            self.baseline.learn(value, calm and self.verdict != "beyond")
        level = self.level
        if usable and self.verdict:
            level = 1 if self.verdict == "beyond" else 0
        if level == self.level and (self.stated or not usable):
            return None
        self.level, self.stated = level, True
        return level, self.value


def agrees(kernel: Kernel, readings: Sequence[Reading], references: Mapping[str, SlowChart]) -> None:
    """The kernel says of each side what its slow reference says."""
    got = kernel.feed(readings)
    for side in kernel.sides:
        wanted = [(row, *said) for row, reading in enumerate(readings) if (said := references[side].read(reading))]
        mine = [(row, level, value) for row, of, level, value in got if of == side]
        assert [w[:2] for w in wanted] == [g[:2] for g in mine]
        np.testing.assert_allclose([g[2] for g in mine], [w[2] for w in wanted], rtol=1e-6, atol=1e-9)


# What must hold of every chart, with a baseline of 100 and 1 that is given, or learned from 1000 s

POINT = Tag(number=1, name="P-1", enterprise="works", measure=Measure.PRESSURE, unit="kPa", period_s=10.0)
GIVEN = {"mean": 100.0, "sigma": 1.0}
LEARNED = {"learn_s": 1000.0, "baseline_s": 4000.0}


def keeps_the_chosen_rate(kind: str, asked: Mapping[str, Any], share: float) -> None:
    """Ten false alarms a month of 300 points over seven days; `share` of them more or less with a learned baseline."""
    tag = msgspec.structs.replace(POINT, period_s=60.0)
    learning = 0 if "sigma" in asked else 1440
    alarms, _ = healthy(kind, tag, {"alarms_per_month": 10.0, **asked}, 300, learning + 7 * 1440, 2)
    wanted = 300 * 10.0 * 7 / 30
    assert abs(alarms - wanted) < 3 * math.sqrt(wanted) + share * wanted


def bad_data_neither_raises_nor_clears(kind: str) -> None:
    for quality, flags in ((BAD, LIVE), (UNCERTAIN, LIVE), (GOOD, LATE)):
        kernel = Kernel(kind, POINT, {**GIVEN, "decorrelation_s": 10.0})
        kernel.feed(steady(5, 0.0, 100.0))
        assert kernel.feed(steady(100, 100.0, 110.0, quality, flags)) == []
        assert [said[1:3] for said in kernel.feed(steady(10, 2000.0, 110.0))] == [("high", 1)]
        assert kernel.feed([*steady(100, 3000.0, 100.0, quality, flags), (5000.0, math.nan, GOOD, LIVE)]) == []
        assert [said[1:3] for said in kernel.feed(steady(100, 3000.0, 100.0))] == [("high", 0)]


def says_nothing_while_it_learns(kind: str) -> None:
    kernel = Kernel(kind, POINT, {**LEARNED, "decorrelation_s": 10.0})
    said = kernel.feed(steady(100, 0.0, 100.0))
    assert [s[:3] for s in said] == [(0, "high", 0), (0, "low", 0)]
    assert all(math.isnan(s[3]) for s in said)
    assert [s[:3] for s in kernel.feed(steady(1, 1000.0, 101.0))] == [(0, "high", 1)]


def words_of(kind: Kind, planned: Planned, value: float, raised: bool = True) -> tuple[str, str]:
    """What it says of the first level, or of normal, in Chinese and in English."""
    text = kind.say(Said(planned, planned.levels[0] if raised else None, value, GOOD, 0.0))
    return text.zh, text.en
