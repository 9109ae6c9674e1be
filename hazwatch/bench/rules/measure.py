"""How many readings per second one core carries: each rule kind alone, the filter before them, and a park's mix."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from hazwatch.bench.rules import bytewax, plain
from hazwatch.bench.rules.plant import START, Draw, batches, divided, example_of, history, mix, one_kind
from rules.admission import Admission
from rules.engine import Fold
from rules.evaluator import Evaluator
from rules.kinds import Kind, kinds
from rules.rulebook import compile_rules
from rules.snapshot import encode
from schemas.batch import Batch
from schemas.nowclock import NowClock
from schemas.registry import Revision, Tag

T = TypeVar("T")
LEAST_RUNS = 5
PLAIN, BYTEWAX = "limits in plain Python", "limits in Bytewax"
MIX_NAME, FILTER = "park mix, whole fold", "filter for copies and late readings"
SINGLES = "park mix as 60 rules, a record per reading"
SINGLES_TAGS = range(100, 10_001)
"""With fewer some of the rules would have none, with more the same figure takes long to get."""
BYTEWAX_ROWS = 100_000
"""Readings of its one measurement: it has no batches, and takes them from memory as fast as it can."""


class Case(msgspec.Struct, frozen=True):
    """One measurement. `bytes_per_tag` is the state that the rule (or the filter) keeps for a tag it watches."""

    what: str
    tags: int
    rows: int
    draw: str
    readings_per_s: float
    bytes_per_tag: float


class SnapshotCase(msgspec.Struct, frozen=True):
    """Seconds for the snapshot of a park's mix, and for a fold restored from it; its size."""

    tags: int
    snapshot_s: float
    restore_s: float
    megabytes: float


def measured(
    plan: Mapping[int, Sequence[str]], row_counts: Sequence[int], draws: Sequence[Draw], least_rows: int
) -> Iterator[Case]:
    """Every combination of the plan (number of tags -> kinds), plain Python beside `limits`; then the mix, the filter,
    and the mix as many rules over single readings."""
    for count, names in plan.items():
        for name in names:
            kind = kinds()[name]
            revision = one_kind(kind, count)
            yield from _kind(kind, revision, row_counts, draws, least_rows)
            if name == "limits":
                yield from _plain(revision, row_counts, draws, max(1, least_rows // 10))
                yield from _bytewax(revision, draws)
        yield from _mix(count, row_counts, draws, least_rows)
        if count in SINGLES_TAGS:
            yield from _singles(count, draws, max(1, least_rows // 100))


def snapshots(count: int) -> SnapshotCase:
    """Of the mix over so many tags, every tag having read."""
    fold, _ = warmed(mix(count), _base(kinds()["limits"]), times=1)
    encode(fold.freeze())
    begun = time.perf_counter()
    data = encode(fold.freeze())  # as a process does it, which writes these bytes where they lie
    taken = time.perf_counter()
    read = bytearray(data)  # as a file is read
    between = time.perf_counter()
    Fold.restore(read, fold.rulebook)
    return SnapshotCase(count, taken - begun, time.perf_counter() - between, len(data) / 1e6)


def _kind(
    kind: Kind, revision: Revision, row_counts: Sequence[int], draws: Sequence[Draw], least: int
) -> Iterator[Case]:
    base = _base(kind)
    fold, tags = warmed(revision, base)
    evaluator = next(e for e in fold.standing.evaluators if e.id == kind.name)
    for draw in draws:
        for rows in row_counts:
            speed = _kernel_speed(fold, evaluator, tags, base, rows, draw, least)
            yield Case(kind.name, len(tags), rows, draw, speed, _bytes(evaluator) / len(tags))


def _kernel_speed(
    fold: Fold, evaluator: Evaluator, tags: Sequence[Tag], base: float, rows: int, draw: Draw, least: int
) -> float:
    """Of the rule alone, over rows that are admitted already."""
    took = counted = 0
    admission = fold.standing.admission
    for run, (now_ns, batch) in enumerate(batches(tags, base, rows, _runs(least, rows), draw, fold.now_ns)):
        fold.clock.advance(now_ns, "")
        _admit(admission, batch, now_ns, run)
        begun = time.perf_counter_ns()
        evaluator.rows(rows, admission, now_ns, now_ns)
        if run:  # the first batch makes room
            took += time.perf_counter_ns() - begun
            counted += rows
    return counted / took * 1e9


def _admit(admission: Admission, batch: Batch, now_ns: int, offset: int = 0) -> None:
    """Readings that no rule sees would make any rule look fast."""
    admitted = admission.admit(batch, offset, now_ns, now_ns)
    if admitted < 0.99 * len(batch):
        raise RuntimeError(f"only {admitted} of {len(batch)} readings were admitted: this measures nothing")


def _plain(revision: Revision, row_counts: Sequence[int], draws: Sequence[Draw], least: int) -> Iterator[Case]:
    base = _base(kinds()["limits"])
    known = plain.points(revision.tags)
    for draw in draws:
        for rows in row_counts:
            runs = _runs(least, rows)
            given = [batch for _, batch in batches(revision.tags, base, rows, runs, draw, START)]
            speed = _timed(lambda batch: plain.fold(known, batch), given, rows)
            yield Case(PLAIN, len(revision.tags), rows, draw, speed, 0.0)


def _bytewax(revision: Revision, draws: Sequence[Draw]) -> Iterator[Case]:
    base = _base(kinds()["limits"])
    for draw in draws if bytewax.AVAILABLE else ():
        given = [batch for _, batch in batches(revision.tags, base, BYTEWAX_ROWS, 1, draw, START)]
        run = bytewax.prepared(revision.tags, given)
        begun = time.perf_counter_ns()
        run()
        took = time.perf_counter_ns() - begun
        yield Case(BYTEWAX, len(revision.tags), BYTEWAX_ROWS, draw, BYTEWAX_ROWS / took * 1e9, 0.0)


def _mix(count: int, row_counts: Sequence[int], draws: Sequence[Draw], least: int) -> Iterator[Case]:
    """The whole fold over the mix, and the filter for copies and late readings alone."""
    base = _base(kinds()["limits"])
    fold, tags = warmed(mix(count), base)
    state = sum(_bytes(e) for e in fold.standing.evaluators)
    filters = Admission(fold.rulebook.tags)
    kept = filters.state.nbytes + filters.memory.nbytes
    for draw in draws:
        for rows in row_counts:
            runs = _runs(least, rows)
            given = list(batches(tags, base, rows, runs, draw, fold.now_ns))
            speed = _timed(lambda one: _apply(fold, *one), given, rows)
            yield Case(MIX_NAME, count, rows, draw, speed, state / count)
            speed = _timed(lambda one: _admit(filters, one[1], one[0]), given, rows)
            yield Case(FILTER, count, rows, draw, speed, kept / count)


def _singles(count: int, draws: Sequence[Draw], least: int) -> Iterator[Case]:
    """What a record costs, with many rules of which few concern it."""
    base = _base(kinds()["limits"])
    fold, tags = warmed(divided(mix(count)), base)
    state = sum(_bytes(e) for e in fold.standing.evaluators)
    for draw in draws:
        given = list(batches(tags, base, 1, _runs(least, 1), draw, fold.now_ns))
        yield Case(SINGLES, count, 1, draw, _timed(lambda one: _apply(fold, *one), given, 1), state / count)


def _apply(fold: Fold, now_ns: int, batch: Batch) -> None:
    """What is said takes far longer than what is judged, and a healthy plant says next to nothing."""
    changes = fold.apply_readings(fold.next_offset, now_ns, batch)
    if len(changes) > max(10, len(batch) // 50):
        raise RuntimeError(f"{len(batch)} readings made {len(changes)} changes: this is no healthy plant")


def _timed(work: Callable[[T], object], given: Sequence[T], rows: int) -> float:
    """Readings per second over all that is given but the first, which makes room."""
    work(given[0])
    begun = time.perf_counter_ns()
    for one in given[1:]:
        work(one)
    return (len(given) - 1) * rows / (time.perf_counter_ns() - begun) * 1e9


def warmed(revision: Revision, base: float, times: int | None = None) -> tuple[Fold, tuple[Tag, ...]]:
    """A fold that has heard from every tag for a while, or so many times."""
    fold = Fold(compile_rules(revision, 0, 1), 0, 1)
    fold.clock = NowClock(recorded=True)  # a batch may hold minutes of a plant, and `now` must follow
    for offset, (now_ns, batch) in enumerate(islice(history(revision.tags, base), times)):
        fold.apply_readings(offset, now_ns, batch)
    return fold, revision.tags


def _base(kind: Kind) -> float:
    """A healthy value: the first number of the kind's example."""
    (first, *_) = example_of(kind).case.readings
    return next(float(n) for n in first[1:] if isinstance(n, int | float))


def _bytes(evaluator: Evaluator) -> int:
    return sum(array.nbytes for array in evaluator.arrays)


def _runs(least: int, rows: int) -> int:
    """Batches of one measurement, the first of which is not counted."""
    return max(LEAST_RUNS, least // rows) + 1
