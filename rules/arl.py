"""How long a control chart runs before it signals: average run lengths, and the threshold for a wanted one.

A chart looks at independent samples of a standard normal signal that is off target by `shift` (in sigma). Its average
run length L(u), from the state u on, solves an integral equation over the states that do not signal:

- CUSUM, S = max(0, S + z - k), signal at S > h:
  L(u) = 1 + L(0) Phi(k - u) + integral_0^h L(x) phi(x + k - u) dx
- EWMA, Z = w z + (1 - w) Z, signal at |Z| > c with c = L sqrt(w / (2 - w)):
  L(u) = 1 + 1/w integral_-c^c L(x) phi((x - (1 - w) u) / w) dx
- the same on one side, Z = max(0, ...): the part below 0 is gathered there, as in the CUSUM.

Each is turned into linear equations at Gauss-Legendre nodes (Nystrom), which for so smooth a kernel leaves no error
that matters. Thresholds are found at compile time, not while readings come.

Sources: Page 1954; Goel and Wu 1971; Lucas and Crosier 1982 (head start, two sides); Crowder 1987.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MONTH_S = 30 * 86_400.0
SHORTEST, LONGEST = 10.0, 1e9
"""Run lengths (samples) that a threshold is sought for; beyond, rounding would speak."""

Floats = npt.NDArray[np.float64]


_gauss_legendre = lru_cache(maxsize=64)(np.polynomial.legendre.leggauss)


def _nodes(low: float, high: float, sigmas: float) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights over an interval that is so many standard deviations of the kernel wide."""
    x, w = _gauss_legendre(24 + 16 * math.ceil(sigmas / 4))
    half = (high - low) / 2
    return low + half * (1 + x), half * w


def _density(x: Floats) -> Floats:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _below(x: Floats) -> Floats:
    """The standard normal distribution function."""
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()])


def _from_barrier(kernel: Callable[[Floats, Floats], Floats], below: Callable[[Floats], Floats], top: float,
                  sigmas: float, start: float) -> float:  # fmt: skip
    """Solve L(u) = 1 + L(0) below(u) + integral_0^top L(x) kernel(x, u) dx, and give L(start)."""
    x, w = _nodes(0.0, top, sigmas)
    u = np.append(x, 0.0)
    system = np.eye(len(u))
    system[:, :-1] -= kernel(x[None, :], u[:, None]) * w[None, :]
    system[:, -1] -= below(u)
    run = np.linalg.solve(system, np.ones(len(u)))
    if start == 0:
        return float(run[-1])
    at = np.array([start])
    return float(1 + run[-1] * below(at)[0] + np.sum(run[:-1] * w * kernel(x, at)))


def cusum(h: float, k: float, shift: float = 0.0, start: float = 0.0) -> float:
    """Of a one-sided CUSUM; `start` is its head start."""
    k = k - shift
    return _from_barrier(lambda x, u: _density(x + k - u), lambda u: _below(k - u), h, h, start)


def cusum_two_sided(h: float, k: float, shift: float = 0.0, start: float = 0.0) -> float:
    """Of two CUSUMs that look at either side, each from the same head start."""
    up, down = cusum(h, k, shift), cusum(h, k, -shift)
    if start == 0:
        return up * down / (up + down)
    up_ahead, down_ahead = cusum(h, k, shift, start), cusum(h, k, -shift, start)
    return (up_ahead * down + down_ahead * up - up * down) / (up + down)


def ewma(weight: float, limit: float, shift: float = 0.0) -> float:
    """Of a two-sided EWMA from 0; `limit` is L, in sigmas of Z."""
    c = limit * spread(weight)
    x, w = _nodes(-c, c, 2 * c / weight)
    u = np.append(x, 0.0)
    kernel = _density((x[None, :] - (1 - weight) * u[:, None]) / weight - shift) * w[None, :] / weight
    inside = np.linalg.solve(np.eye(len(x)) - kernel[:-1], np.ones(len(x)))
    return float(1 + kernel[-1] @ inside)


def ewma_one_sided(weight: float, limit: float, shift: float = 0.0) -> float:
    """Of an EWMA that looks at one side and never goes below 0, from 0."""
    c = limit * spread(weight)

    def density(x: Floats, u: Floats) -> Floats:
        return _density((x - (1 - weight) * u) / weight - shift) / weight

    def below(u: Floats) -> Floats:
        return _below(-(1 - weight) * u / weight - shift)

    return _from_barrier(density, below, c, c / weight, 0.0)


def spread(weight: float) -> float:
    """The standard deviation of an EWMA that has run for long, in sigmas of a sample."""
    return math.sqrt(weight / (2 - weight))


@lru_cache(maxsize=1024)
def cusum_threshold(k: float, run: float) -> float:
    """h of a one-sided CUSUM that in control runs for `run` samples on average."""
    return _threshold(lambda h: cusum(h, k), run)


@lru_cache(maxsize=1024)
def ewma_threshold(weight: float, run: float, one_sided: bool) -> float:
    """L of an EWMA that in control runs for `run` samples on average."""
    return _threshold((lambda x: ewma_one_sided(weight, x)) if one_sided else (lambda x: ewma(weight, x)), run)


def _threshold(run_of: Callable[[float], float], run: float) -> float:
    """Where the growing `run_of` reaches `run`, to 1e-6: its logarithm bends little, so a chord comes close at once."""
    if not SHORTEST <= run <= LONGEST:
        raise ValueError(f"a run length of {run:g} samples lies outside of {SHORTEST:g} to {LONGEST:g}")

    def over(x: float) -> float:
        return math.log(run_of(x) / run)

    low, high = 0.0, 1.0
    at_low, at_high = over(0.01), over(high)
    while at_high < 0:
        low, at_low, high = high, at_high, 1.5 * high
        at_high = over(high)
    while high - low > 1e-6:
        chord = (high - low) * at_low / (at_low - at_high)
        for x in (low + chord - 2e-7, low + chord + 2e-7, (low + high) / 2):
            if low < x < high:
                at = over(x)
                low, at_low, high, at_high = (x, at, high, at_high) if at < 0 else (low, at_low, x, at)
    return (low + high) / 2


def samples_between_alarms(per_month: float, every_s: float) -> float:
    """The run length that gives so many false alarms in 30 days, with a sample every so many seconds."""
    return MONTH_S / every_s / per_month
