"""Run lengths against published tables, an independent computation, and a seeded Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rules import arl
from tests.rules.kinds.early import NUMBERS

Floats = npt.NDArray[np.float64]
COMPUTED = NUMBERS["computed"]


def fields(name: str) -> list[float]:
    """The numbers in "k=0.5,h=4"."""
    return [float(part.split("=")[1]) for part in name.split(",")]


def compare(of: Callable[[float], float], shifts: list[float], wanted: list[float], rel: float = 1e-4) -> None:
    for shift, run in zip(shifts, wanted, strict=True):
        assert of(shift) == pytest.approx(run, rel=rel, abs=0.0051)


def each(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("name", "row"), table.items(), ids=list(table))


@each(COMPUTED["cusum_two_sided"])
def test_a_two_sided_cusum(name: str, row: dict[str, float]) -> None:
    k, h = fields(name)
    compare(lambda shift: arl.cusum_two_sided(h, k, shift), [float(s) for s in row], list(row.values()))


@each(COMPUTED["cusum_one_sided"])
def test_a_one_sided_cusum(name: str, row: dict[str, float]) -> None:
    k, h = fields(name)
    compare(lambda shift: arl.cusum(h, k, shift), [float(s) for s in row], list(row.values()))


@each(COMPUTED["cusum_one_sided_head_start"])
def test_a_head_start(name: str, row: dict[str, float]) -> None:
    k, h = fields(name)
    compare(lambda shift: arl.cusum(h, k, shift, h / 2), [float(s) for s in row], list(row.values()))


@each(COMPUTED["ewma"])
def test_an_ewma(name: str, row: dict[str, float]) -> None:
    weight, limit = fields(name)
    compare(lambda shift: arl.ewma(weight, limit, shift), [float(s) for s in row], list(row.values()))


@pytest.mark.parametrize(("run", "h"), COMPUTED["h_of_one_sided_arl0_k05"].items())
def test_the_threshold_of_a_wanted_run_length(run: str, h: float) -> None:
    assert arl.cusum_threshold(0.5, float(run)) == pytest.approx(h, abs=5.1e-4)


def test_the_published_tables() -> None:
    """To the digits printed; the older ones were computed less finely."""
    of = NUMBERS["cusum_two_sided_k05_h4"]
    compare(lambda m: arl.cusum_two_sided(4, 0.5, m), of["mu"], of["arl"], 3e-3)
    compare(lambda m: arl.cusum_two_sided(4, 0.5, m, 2.0), of["mu"], of["arl_headstart_h_over_2"], 5e-3)
    of = NUMBERS["cusum_one_sided_k0_h10"]
    compare(lambda m: arl.cusum(10, 0, m), of["mu"], of["arl"])
    of = NUMBERS["cusum_one_sided_k05_h3"]
    compare(lambda m: arl.cusum(3, 0.5, m), of["mu"], of["arl_brook_evans"], 2e-3)
    compare(lambda m: arl.cusum(3, 0.5, m), of["waldmann"]["mu"], of["waldmann"]["arl"], 3e-3)
    of = NUMBERS["cusum_sasqc"]
    assert arl.cusum(of["h"], of["k"], of["mu"]) == pytest.approx(of["one_sided"], abs=2e-6)
    assert arl.cusum_two_sided(of["h"], of["k"], of["mu"]) == pytest.approx(of["two_sided"], abs=2e-6)
    of = NUMBERS["ewma_crowder"]
    compare(lambda m: arl.ewma(0.5, of["c"], m), of["mu"], of["l05"], 3e-3)
    compare(lambda m: arl.ewma(0.05, of["c"], m), of["mu"], of["l005"], 3e-3)
    of = NUMBERS["ewma_lucas_saccucci"]
    compare(lambda m: arl.ewma(0.5, 3.071, m), of["mu"], of["l05_c3071"], 3e-3)
    compare(lambda m: arl.ewma(0.03, 2.437, m), of["mu"], of["l003_c2437"], 3e-3)
    of = NUMBERS["ewma_sasqc"]
    assert arl.ewma(of["l"], of["c"], of["mu"]) == pytest.approx(of["arl"], abs=1e-8)
    of = NUMBERS["shewhart_3sigma"]  # an EWMA of weight 1
    compare(lambda m: arl.ewma(1.0, 3.0, m), of["mu"], of["arl"], 1e-3)


def test_siegmunds_approximation_lies_near() -> None:
    for h, row in COMPUTED["siegmund_k05"].items():
        for shift, run in row.items():
            assert arl.cusum(float(h), 0.5, float(shift)) == pytest.approx(run, rel=0.04)


def test_the_steps_of_the_integral_are_fine_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> list[float]:
        return [arl.cusum(12, 0.5), arl.cusum(60, 0.05), arl.ewma(0.02, 4.4), arl.ewma_one_sided(0.02, 4.4)]

    coarse = both()
    nodes = arl._nodes
    monkeypatch.setattr(arl, "_nodes", lambda low, high, sigmas: nodes(low, high, 2 * sigmas + 20))
    assert coarse == pytest.approx(both(), rel=1e-6)


@pytest.mark.parametrize("run", [50.0, 4321.0, 432_000.0, 1e8])
@pytest.mark.parametrize("size", [0.1, 0.5, 1.0])
def test_a_threshold_gives_the_run_length_back(run: float, size: float) -> None:
    assert arl.cusum(arl.cusum_threshold(size, run), size) == pytest.approx(run, rel=1e-4)
    assert arl.ewma(size, arl.ewma_threshold(size, run, False)) == pytest.approx(run, rel=1e-4)
    assert arl.ewma_one_sided(size, arl.ewma_threshold(size, run, True)) == pytest.approx(run, rel=1e-4)


def test_no_threshold_is_made_up_where_rounding_would_speak() -> None:
    for run in (5.0, 1e10, math.nan):
        with pytest.raises(ValueError, match="outside of"):
            arl.cusum_threshold(0.5, run)


def test_alarms_a_month_become_a_run_length() -> None:
    """One a month with a sample every 10 s: 2.6e5 samples, and h is near 10.6."""
    run = arl.samples_between_alarms(1.0, 10.0)
    assert run == 259_200
    assert arl.cusum_threshold(0.5, run) == pytest.approx(10.6, abs=0.05)


# Monte Carlo


def simulated(chart: Callable[[Floats, Floats], Floats], signals: Callable[[Floats], Any], states: int, runs: int,
              mean: Callable[[int], float], seed: int) -> tuple[float, float]:  # fmt: skip
    """(mean, its standard error) of the run length over many runs at once; `chart` is (states, samples) -> states."""
    source = np.random.default_rng(seed)
    state = np.zeros((states, runs))
    lengths: list[Floats] = []
    step = 0
    while state.shape[1]:
        step += 1
        state = chart(state, source.normal(mean(step), 1.0, state.shape[1]))
        hit = signals(state)
        lengths.append(np.full(int(hit.sum()), float(step)))
        state = state[:, ~hit]
    lengths_all = np.concatenate(lengths)
    return float(lengths_all.mean()), float(lengths_all.std(ddof=1)) / math.sqrt(runs)


def cusum_up(k: float) -> Callable[[Floats, Floats], Floats]:
    return lambda s, z: np.maximum(0.0, s + z - k)


def cusum_both(k: float) -> Callable[[Floats, Floats], Floats]:
    return lambda s, z: np.maximum(0.0, s + np.stack([z, -z]) - k)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_run_lengths_by_monte_carlo(shift: float) -> None:
    cases: list[tuple[float, Callable[[Floats, Floats], Floats], Callable[[Floats], Any], int]] = [
        (arl.cusum(4, 0.5, shift), cusum_up(0.5), lambda s: s[0] > 4, 1),
        (arl.cusum_two_sided(4, 0.5, shift), cusum_both(0.5), lambda s: s.max(0) > 4, 2),
        (arl.ewma(0.1, 2.7, shift), lambda s, z: 0.1 * z + 0.9 * s, lambda s: abs(s[0]) > 2.7 * arl.spread(0.1), 1),
        (arl.ewma_one_sided(0.1, 2.6, shift), lambda s, z: np.maximum(0.0, 0.1 * z + 0.9 * s),
         lambda s: s[0] > 2.6 * arl.spread(0.1), 1),
    ]  # fmt: skip
    for seed, (wanted, chart, signals, states) in enumerate(cases):
        got, error = simulated(chart, signals, states, 4000, lambda step: shift, seed)
        assert abs(got - wanted) < 3 * error


def test_a_slow_drift_is_seen_as_published() -> None:
    """The mean moves by so many sigmas a sample, in the first table from the second sample on."""
    of = NUMBERS["cusum_linear_drift"]
    for delta, wanted in zip(of["delta"], of["arl"], strict=True):
        got, error = simulated(cusum_up(0.25), lambda s: s[0] > 8, 1, 2000, lambda step, d=delta: d * (step - 1), 7)
        assert abs(got - wanted) < 3 * error + 0.005 * wanted
    of = NUMBERS["ewma_linear_drift"]
    for column, (weight, limit) in enumerate(zip(of["lam"], of["c"], strict=True)):
        for delta, row in zip(of["delta"], of["arl"], strict=True):
            c = limit * arl.spread(weight)
            got, error = simulated(
                lambda s, z, w=weight: w * z + (1 - w) * s,
                lambda s, c=c: abs(s[0]) > c,
                1, 2000, lambda step, d=delta: d * step, 8,
            )  # fmt: skip
            assert abs(got - row[column]) < 3 * error + 0.005 * row[column]
