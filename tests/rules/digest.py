"""The digest of everything the fold says over fixed traces; run as a module under `NUMBA_DISABLE_JIT=1` too."""

from __future__ import annotations

import random
from hashlib import sha256

import msgspec
import numpy as np

from schemas.registry import Revision
from tests.laws.traces import (
    CLOCKS,
    DEADBANDS,
    LINKS,
    OFF_DELAYS,
    ON_DELAYS,
    STEP_BYTES,
    Trace,
    Writer,
    fold_all,
    gas_tag,
    level_tag,
    revision,
    steps_of,
    tuned,
    write,
)

TRACES = 40


def trace(number: int) -> Trace:
    """A wild trace that depends on its number alone."""
    source = random.Random(number)

    def tuning() -> tuple[float, float, float]:
        return source.choice(DEADBANDS), source.choice(ON_DELAYS), source.choice(OFF_DELAYS)

    first: Revision = revision(tuned(gas_tag(), tuning()), tuned(level_tag(), tuning()))
    writer = Writer(LINKS)
    write(writer, first, steps_of(source.randbytes(STEP_BYTES * 40)), source.sample(CLOCKS, len(CLOCKS)), wild=True)
    return Trace(first, tuple(writer.entries))


def digest() -> str:
    with np.errstate(over="ignore", invalid="ignore"):  # hashes wrap around, and infinity less itself is no number
        said = [fold_all(trace(number)) for number in range(TRACES)]
    assert sum(map(len, said)) > 10 * TRACES
    return sha256(msgspec.json.encode(said)).hexdigest()


if __name__ == "__main__":
    print(digest())
