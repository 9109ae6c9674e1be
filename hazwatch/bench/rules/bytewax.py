"""The same work in Bytewax 0.21: limits with deadband and delays as a stateful map over readings keyed by their tag.

A dataflow of one worker, fed from memory and counting what comes out, so that nothing but its own work is measured.
Bytewax is a tool of the developers: where it is not installed this measurement is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec

from hazwatch.bench.rules.plain import Point, points
from schemas.batch import Batch
from schemas.registry import Tag

AVAILABLE = find_spec("bytewax") is not None
Reading = tuple[str, tuple[int, float, int]]


def prepared(tags: Sequence[Tag], batches: Iterable[Batch]) -> Callable[[], int]:
    """A dataflow over all batches; to call it once runs it and gives how many levels came or went."""
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.testing import TestingSink, TestingSource, run_main

    known = {str(number): point for number, point in points(tags).items()}

    def judge(state: Point | None, reading: tuple[str, tuple[int, float, int]]) -> tuple[Point | None, int]:
        key, (at, value, quality) = reading
        point = state or known[key]
        return point, point.read(at, value) if quality < 64 else 0

    out: list[tuple[str, int]] = []
    flow = Dataflow("limits")
    readings = op.input("in", flow, TestingSource(list(_readings(batches)), batch_size=1_000))
    keyed = op.key_on("tag", readings, lambda reading: reading[0])
    changes = op.stateful_map("limits", keyed, judge)
    op.output("out", op.filter("changes", changes, lambda change: change[1] > 0), TestingSink(out))

    def run() -> int:
        run_main(flow)  # type: ignore[no-untyped-call]
        return sum(count for _, count in out)

    return run


def _readings(batches: Iterable[Batch]) -> Iterable[Reading]:
    for batch in batches:
        names = map(str, batch.tag.tolist())
        yield from zip(
            names,
            zip(batch.event_ns.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True),
            strict=True,
        )
