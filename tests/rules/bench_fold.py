"""How long the fold takes for a batch: `python -m tests.rules.bench_fold`.

10 000 gas points with both sides limited, rules `limits`, `stale` and `quality`, batches of decoded readings of random
tags in the order of their times, nothing in alarm (nearly every batch of a healthy plant) or a tenth beyond a limit.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from rules.engine import Fold, warm_up
from rules.rulebook import compile_rules
from rules.snapshot import encode
from schemas.batch import Batch
from schemas.registry import Limits
from schemas.time import MS
from tests.laws.traces import START, gas_tag, revision

TAGS = 10_000


def plant() -> Fold:
    """A fold that has heard from every tag."""
    tags = (gas_tag(n + 1, limits=Limits(low=1.0, high=50.0, high_high=80.0), on_delay_s=2.0) for n in range(TAGS))
    fold = Fold(compile_rules(revision(*tags), 0, 1), 0, 1)
    fold.apply_readings(0, START, readings(np.arange(1, TAGS + 1), START, np.full(TAGS, 20.0)))
    return fold


def readings(tag: npt.NDArray[np.integer], now_ns: int, value: npt.NDArray[np.float64]) -> Batch:
    n = len(tag)
    event = now_ns - np.arange(n)[::-1] * 1000
    return Batch(tag.astype(np.int32), event, value, np.zeros(n, np.int16), np.zeros(n, np.int64))


def measure(fold: Fold, rows: int, share_beyond: float = 0.0, repeats: int = 1000) -> npt.NDArray[np.float64]:
    """Microseconds of each of many batches of that many rows."""
    source = np.random.default_rng(rows)
    found = np.zeros(repeats)
    for run in range(repeats):
        now_ns = fold.now_ns + 2 * MS
        value = np.where(source.random(rows) < share_beyond, 60.0, source.normal(20.0, 1.0, rows))
        batch = readings(source.integers(1, TAGS + 1, rows), now_ns, value)
        begun = time.perf_counter_ns()
        fold.apply_readings(fold.next_offset, now_ns, batch)
        found[run] = (time.perf_counter_ns() - begun) / 1000
    return found


def main() -> None:
    begun = time.perf_counter()
    warm_up()
    print(f"warm-up {time.perf_counter() - begun:.2f} s")
    fold = plant()
    for share in (0.0, 0.1):
        for rows in (1, 10, 100, 500, 2000):
            p50, p99 = np.percentile(measure(fold, rows, share), (50, 99))
            print(
                f"{rows:5d} rows, {share:4.0%} beyond: p50 {p50:7.1f} us, p99 {p99:7.1f} us, {rows / p50:5.1f} M rows/s"
            )
    fold.freeze()
    begun = time.perf_counter()
    frozen = fold.freeze()
    between = time.perf_counter()
    data = encode(frozen)
    took = (between - begun) * 1e3, (time.perf_counter() - between) * 1e3
    print(f"snapshot of {len(data) / 1e6:.1f} MB: frozen in {took[0]:.1f} ms, encoded in {took[1]:.1f} ms")


if __name__ == "__main__":
    main()
