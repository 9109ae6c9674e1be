"""Tags under one rule kind, or under a park's mix of them, and batches of healthy readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from rules.kinds import Example, Kind, kinds
from schemas.batch import Batch
from schemas.registry import Enterprise, Park, Revision, Rule, Tag
from schemas.time import MINUTE, SECOND

Draw = Literal["uniform", "skewed"]
HISTORY = 15 * MINUTE
"""For so long every tag has read before anything is measured, so that the windows of nearly all kinds are full."""
START = 1_767_225_600 * SECOND + HISTORY + MINUTE
"""A shift began a minute before the history: a sum over it is known by then, and no new one begins soon."""
SPARSE, DENSE = 10 * SECOND, 4 * SECOND
"""One reading of each tag in so much of it, and of its last minute, where the tags read more often: any more would take
long, and no window is much fuller by it."""
SKEWED_SHARE, SKEWED_TAGS = 0.8, 0.2
"""In a skewed draw this share of the readings comes from this share of the tags."""
NOISE = 0.01
MIX = {"limits": 1.0, "rate": 0.5, "cusum": 0.5, "stel": 0.4, "twa": 0.4, "forecast": 0.2}
"""Rule kind -> share of the park's tags that it watches."""
MIX_PARAMS = {"rate": {"rise_per_min": 20.0}}
"""For kinds that cannot do without."""


def example_of(kind: Kind) -> Example:
    """The example to multiply: the first one with the fewest tags."""
    return min(kind.examples, key=lambda e: len(e.tags))


def one_kind(kind: Kind, count: int) -> Revision:
    """About `count` tags: the tags of the kind's example again and again, each time in a cell of its own. A kind whose
    parameters name tags, which no other tags can stand in for, has those of its example only."""
    example = example_of(kind)
    rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
    if any(tag.name in str(example.params) for tag in example.tags):
        works = {"enterprise": "works", "hazard_source": "", "equipment": ""}
        return _revision(tuple(msgspec.structs.replace(tag, **works) for tag in example.tags), (rule,))
    tags = (
        msgspec.structs.replace(
            tag, number=1 + n * len(example.tags) + k, name=f"{tag.name}.{n}", cell=f"c{n}", enterprise="works",
            hazard_source="", equipment="",
        )
        for n in range(max(1, count // len(example.tags)))
        for k, tag in enumerate(example.tags)
    )  # fmt: skip
    return _revision(tuple(tags), (rule,))


def mix(count: int) -> Revision:
    """A park: gas points as in the example of `limits`, of which each kind of `MIX` that exists watches its share."""
    (example, *_) = kinds()["limits"].examples
    watched = {name: share for name, share in MIX.items() if name in kinds()}
    tags = []
    for n in range(count):
        place = n / count
        names = "+".join(name for name, share in watched.items() if place < share)
        tags.append(
            msgspec.structs.replace(
                example.tag, number=n + 1, name=f"{names}.{n}", enterprise="works", hazard_source="", equipment=""
            )
        )
    rules = tuple(
        Rule(id=name, kind=name, tags=(f"*{name}*",), params=dict(MIX_PARAMS.get(name, {}))) for name in watched
    )
    return _revision(tuple(tags), rules)


def divided(revision: Revision) -> Revision:
    """The mix with ten rules in the place of each, of a tenth of its tags: as where every enterprise has its own."""
    rules = tuple(
        msgspec.structs.replace(rule, id=name, tags=tuple(f"{given}{digit}" for given in rule.tags))
        for rule in revision.rules
        for digit, name in enumerate([rule.id, *(f"{rule.id}.{digit}" for digit in range(1, 10))])
    )  # the first keeps its name, or the rule that every park has by default would come back
    return msgspec.structs.replace(revision, rules=rules)


def _revision(tags: tuple[Tag, ...], rules: tuple[Rule, ...]) -> Revision:
    works = (Enterprise(id="works", park="park"),)
    return Revision(number=1, parks=(Park(id="park"),), enterprises=works, tags=tags, rules=rules)


def batches(
    tags: Sequence[Tag], base: float, rows: int, how_many: int, draw: Draw, since_ns: int
) -> Iterator[tuple[int, Batch]]:
    """(append time, batch) of readings around `base`, of tags drawn at random, in the order of their times. The tags
    read once in their period on average."""
    source = np.random.default_rng(rows)
    numbers = _numbers(tags)
    step = max(1, round(rows * _period_ns(tags) / len(tags)))
    for run in range(1, how_many + 1):
        now_ns = since_ns + run * step
        value = base + NOISE * source.standard_normal(rows)
        yield now_ns, _batch(_drawn(source, numbers, rows, draw), now_ns, step, value)


def history(tags: Sequence[Tag], base: float) -> Iterator[tuple[int, Batch]]:
    """(append time, batch): every tag once in each batch, up to `START`, always the same time after the one before."""
    source = np.random.default_rng(len(tags))
    numbers = _numbers(tags)
    period = round(_period_ns(tags))
    step, last = max(SPARSE, period), max(DENSE, period)
    whole, minute = HISTORY // step * step, MINUTE // last * last
    for now_ns in (*range(START - whole, START - minute, step), *range(START - minute, START + 1, last)):
        value = base + NOISE * source.standard_normal(len(tags))
        yield now_ns, _batch(numbers, now_ns, last, value)


def _numbers(tags: Sequence[Tag]) -> npt.NDArray[np.int32]:
    return np.array([tag.number for tag in tags], np.int32)


def _period_ns(tags: Sequence[Tag]) -> float:
    return SECOND * sum(tag.period_s for tag in tags) / len(tags)


def _drawn(source: np.random.Generator, numbers: npt.NDArray[np.int32], rows: int, draw: Draw) -> npt.NDArray[np.int32]:
    if draw == "uniform":
        return source.choice(numbers, rows)
    busy = max(1, round(SKEWED_TAGS * len(numbers)))
    often = source.random(rows) < SKEWED_SHARE
    return np.where(often, numbers[source.integers(0, busy, rows)], source.choice(numbers, rows)).astype(np.int32)


def _batch(tag: npt.NDArray[np.int32], now_ns: int, step_ns: int, value: npt.NDArray[np.float64]) -> Batch:
    """Readings that come evenly over the `step_ns` before `now_ns`."""
    n = len(tag)
    event = now_ns - np.arange(n, dtype=np.int64)[::-1] * max(1, step_ns // n)
    return Batch(tag, event, value, np.zeros(n, np.int16), np.zeros(n, np.int64))
