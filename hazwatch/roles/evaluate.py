"""The role evaluate: an evaluator per partition of `readings`."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hazwatch.context import Context
from hazwatch.evaluator import Evaluator
from hazwatch.kernels import compile_kernels
from hazwatch.lag import LagWatch
from hazwatch.metrics import Metrics
from hazwatch.snapshots import SnapshotFolder
from rules.engine import warm_up
from schemas.changes import ConditionChange

log = logging.getLogger(__name__)


class EvaluateMetrics:
    """The evaluators' counters among the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def folded(self, partition: int, records: int, readings: int) -> None:
        label = str(partition)
        self._metrics.count("hazwatch_folded_records_total", records, fold="rules", partition=label)
        self._metrics.count("hazwatch_folded_readings_total", readings, partition=label)

    def changed(self, changes: Sequence[ConditionChange]) -> None:
        for (alarm_class, basis), amount in Counter((str(c.alarm_class), str(c.basis)) for c in changes).items():
            self._metrics.count("hazwatch_condition_changes_total", amount, alarm_class=alarm_class, basis=basis)


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """An evaluator per partition, compiled before anything is read so that no alarm waits for a compiler."""
    await asyncio.to_thread(compile_kernels)
    for kind, why in (await asyncio.to_thread(warm_up)).items():
        log.error("the kernel of rule kind %s does not work; its rules fail until that is mended: %s", kind, why)
    meter = EvaluateMetrics(context.metrics)
    folder = context.data.snapshots / "evaluate" / context.name
    evaluators = [
        Evaluator(
            context.log,
            context.registry,
            SnapshotFolder(folder / str(partition)),
            partition,
            name=context.name,
            clock=context.clock,
            failpoint=context.failpoint,
            meter=meter,
            faults=context.faults,
        )
        for partition in range(await context.log.partitions("readings"))
    ]
    watch = LagWatch(context.log, [e.backlog for e in evaluators], context.metrics, context.faults)
    out = {f"evaluate/{partition}": evaluator.run() for partition, evaluator in enumerate(evaluators)}
    return {**out, "evaluate lag": watch.run()}
