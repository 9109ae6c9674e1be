"""Metrics: every one is moved by somebody, series are found again, `promtool` has nothing to say; lag; quiet logs."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from hazwatch.faults import Fault, Faults
from hazwatch.lag import LATE_S, Backlog, LagWatch
from hazwatch.logs import RateLimit
from hazwatch.metrics import EVERY_ROLE, METRICS, Metrics
from hazwatch.registry import RegistryView
from tests.composition.helpers import StoppedClock, reading, small_log

ROOT = Path(__file__).parents[2]
SOURCES = "\n".join(
    file.read_text()
    for room in ("ingest", "hazwatch", "console", "historian", "alerting")
    for file in (ROOT / room).rglob("*.py")
    if file.name != "metrics.py"
)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_moved_by_somebody(name: str) -> None:
    assert f'"{name}"' in SOURCES


def test_every_metric_that_somebody_moves_is_known() -> None:
    moved = set(re.findall(r'\.(?:count|gauge|observe|replace_gauges|when_scraped)\(\s*"(hazwatch_\w+)"', SOURCES))
    assert moved
    assert moved <= set(METRICS)


def test_a_misspelt_label_is_an_error() -> None:
    with pytest.raises(KeyError):
        Metrics(frozenset({"alarm"})).count("hazwatch_transitions_total", wrong="raise")


def test_replaced_series_go_and_others_stay() -> None:
    metrics = Metrics(frozenset({"alarm"}))
    metrics.replace_gauges("hazwatch_outbox_notices", [(("sms",), 2.0), (("hook",), 1.0)], partition="0")
    metrics.replace_gauges("hazwatch_outbox_notices", [(("sms",), 5.0)], partition="1")
    metrics.replace_gauges("hazwatch_outbox_notices", [(("hook",), 3.0)], partition="0")
    said = [line for line in generate_latest(metrics.registry).decode().splitlines() if "outbox_notices{" in line]
    assert sorted(said) == [
        'hazwatch_outbox_notices{channel="hook",partition="0"} 3.0',
        'hazwatch_outbox_notices{channel="sms",partition="1"} 5.0',
    ]


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_promtool_has_nothing_to_say(role: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    metrics = Metrics(frozenset({role}))
    for name, metric in METRICS.items():
        if role in metric.roles:
            labels = dict.fromkeys(metric.labels, "x")
            verb = {"counter": "count", "gauge": "gauge", "histogram": "observe"}[metric.kind]
            act: Callable[..., None] = getattr(metrics, verb)
            act(name, 1, **labels)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(metrics.registry), capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_backlog_counts_by_its_own_clock() -> None:
    clock = StoppedClock()
    backlog = Backlog("evaluate", "readings", 0, clock)
    backlog.look(10)
    assert (backlog.records, backlog.late_s) == (0, 0.0), "nothing is known before the fold has begun"
    backlog.reached(10, clock.at_ns - 3_600_000_000_000)
    backlog.look(12)
    assert backlog.late_s == 0.0
    clock.go(3)
    backlog.look(15)
    assert (backlog.records, backlog.late_s) == (5, 3.0)
    assert backlog.age_s > 3600
    backlog.reached(12)
    assert (backlog.records, backlog.late_s) == (3, 0.0)
    clock.go(1)
    assert backlog.late_s == 1.0
    backlog.reached(15)
    assert (backlog.records, backlog.late_s, backlog.age_s) == (0, 0.0, 0.0)


async def test_a_fold_that_stands_still_is_a_fault(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        clock = StoppedClock()
        metrics = Metrics(frozenset({"evaluate"}))
        faults = Faults("test", log, RegistryView(log), clock, metrics)
        backlog = Backlog("evaluate", "readings", 0, clock)
        watch = LagWatch(log, [backlog], metrics, faults)
        backlog.reached(0)
        await log.append("readings", 0, [reading(1, 1.0)])
        await watch.look()
        assert faults.standing() == []
        clock.go(LATE_S + 1)
        await watch.look()
        assert [(fault, key) for fault, key, _ in faults.standing()] == [(Fault.LATE, "readings/0")]
        assert b'hazwatch_lag_records{partition="0",stage="evaluate"} 1.0' in generate_latest(metrics.registry)
        backlog.reached(1)
        await watch.look()
        assert faults.standing() == []


def _record(name: str, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, text, args, None)


def test_a_chatty_library_says_a_thing_once() -> None:
    limit = RateLimit(quiet_s=1000.0)
    passed = [limit.filter(_record("aiokafka.conn", "cannot reach %s", n)) for n in range(5)]
    assert passed == [True, False, False, False, False]
    assert limit.filter(_record("aiokafka.conn", "something else"))
    assert limit.filter(_record("aiokafka.cluster", "cannot reach %s", 1))
    assert all(limit.filter(_record("hazwatch.keeper", "ours")) for _ in range(5))


def test_what_was_held_back_is_counted() -> None:
    limit = RateLimit(quiet_s=0.0)
    record = _record("aiokafka.conn", "cannot reach %s", "kafka")
    limit._last["aiokafka.conn", logging.ERROR, "cannot reach %s"] = (0.0, 7)
    assert limit.filter(record)
    assert record.getMessage() == "cannot reach kafka (and 7 more like it)"
