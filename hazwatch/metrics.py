"""Every metric of the system in one table; `/metrics` serves them and the reference page is made from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.process_collector import ProcessCollector

log = logging.getLogger(__name__)
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its kind, what it says, its labels, and the roles that move it."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


EVERY_ROLE = ("ingest", "evaluate", "alarm", "historian", "console")

METRICS: dict[str, Metric] = {
    "hazwatch_messages_total": Metric("counter", "MQTT messages taken in.", ("source",), ("ingest",)),
    "hazwatch_readings_total": Metric("counter", "Readings appended to the log.", ("source",), ("ingest",)),
    "hazwatch_rejected_total": Metric(
        "counter", "Messages and names that became dead letters.", ("source", "reason"), ("ingest",)
    ),
    "hazwatch_ingest_append_seconds": Metric(
        "histogram", "Time of one append of readings to the log.", (), ("ingest",)
    ),
    "hazwatch_ingest_in_flight": Metric("gauge", "Messages received and not yet acknowledged.", (), ("ingest",)),
    "hazwatch_mqtt_connected": Metric("gauge", "1 while the broker is connected.", (), ("ingest",)),
    "hazwatch_log_reachable": Metric("gauge", "1 while the log takes what ingest appends.", (), ("ingest",)),
    "hazwatch_log_away_seconds": Metric(
        "gauge",
        "For how long the log has not answered a fold, 0 while it does.",
        ("stage", "partition"),
        ("evaluate", "alarm"),
    ),
    "hazwatch_folded_records_total": Metric("counter", "Records folded.", ("fold", "partition"), ("evaluate", "alarm")),
    "hazwatch_folded_readings_total": Metric("counter", "Readings evaluated.", ("partition",), ("evaluate",)),
    "hazwatch_lag_records": Metric(
        "gauge", "Records of a partition not yet processed.", ("stage", "partition"), ("evaluate", "alarm", "historian")
    ),
    "hazwatch_oldest_unprocessed_seconds": Metric(
        "gauge",
        "Age of the oldest record not yet processed.",
        ("stage", "partition"),
        ("evaluate", "alarm", "historian"),
    ),
    "hazwatch_condition_changes_total": Metric(
        "counter", "Condition changes said by the rules.", ("alarm_class", "basis"), ("evaluate",)
    ),
    "hazwatch_alarms": Metric("gauge", "Alarms on the list.", ("tier", "state", "partition"), ("alarm",)),
    "hazwatch_transitions_total": Metric("counter", "Alarm transitions.", ("change",), ("alarm",)),
    "hazwatch_outbox_notices": Metric(
        "gauge", "Notices not yet accepted by their channel.", ("channel", "partition"), ("alarm",)
    ),
    "hazwatch_notice_outcomes_total": Metric(
        "counter", "Outcomes of attempts to send.", ("channel", "outcome"), ("alarm",)
    ),
    "hazwatch_event_to_dispatch_seconds": Metric(
        "histogram",
        "From the event at the sensor to the acceptance of the notice that it raised.",
        ("tier",),
        ("alarm",),
    ),
    "hazwatch_historian_rows_total": Metric("counter", "Rows written to PostgreSQL.", ("lane",), ("historian",)),
    "hazwatch_historian_duplicates_total": Metric("counter", "Exact duplicates dropped.", (), ("historian",)),
    "hazwatch_historian_connected": Metric("gauge", "1 while PostgreSQL answers.", ("lane",), ("historian",)),
    "hazwatch_historian_commit_seconds": Metric("histogram", "Time of one transaction.", ("lane",), ("historian",)),
    "hazwatch_historian_troubles_total": Metric("counter", "Errors of the database.", ("lane",), ("historian",)),
    "hazwatch_historian_timescaledb": Metric(
        "gauge", "1 where TimescaleDB is in use, 0 on native partitions.", (), ("historian",)
    ),
    "hazwatch_console_clients": Metric("gauge", "Screens connected.", (), ("console",)),
    "hazwatch_console_frames_total": Metric("counter", "Frames sent to screens.", ("kind",), ("console",)),
    "hazwatch_faults": Metric("gauge", "Faults of its own that the process states.", ("fault",), EVERY_ROLE),
    "hazwatch_event_loop_lag_seconds": Metric(
        "gauge", "The longest that the event loop was held up in the last 10 s.", (), EVERY_ROLE
    ),
    "hazwatch_process_restarts": Metric(
        "gauge", "How often `hazwatch up` had to start the process again.", (), EVERY_ROLE
    ),
}
"""All metrics, by name."""


Child = Counter | Gauge | Histogram


class Metrics:
    """The metrics of one process, in a registry of their own. Each series is made once and then found in a table."""

    def __init__(self, roles: frozenset[str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made: dict[str, Child] = {}
        self._series: dict[tuple[str, tuple[str, ...]], Child] = {}
        for name, metric in METRICS.items():
            if not roles.isdisjoint(metric.roles):
                self._made[name] = self._make(name, metric)

    def _make(self, name: str, metric: Metric) -> Child:
        if metric.kind == "counter":
            return Counter(name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(name, metric.help, metric.labels, registry=self.registry)
        return Histogram(name, metric.help, metric.labels, registry=self.registry, buckets=LATENCY_BUCKETS)

    def _one(self, name: str, labels: dict[str, str]) -> Child:
        """The series of these labels. Raises KeyError for a metric of another role or a label that it lacks."""
        if not labels:
            return self._made[name]
        values = tuple(labels[label] for label in METRICS[name].labels)
        found = self._series.get((name, values))
        if found is None:
            found = self._series[name, values] = self._made[name].labels(*values)
        return found

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        one = self._one(name, labels)
        assert isinstance(one, Counter)
        one.inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        one = self._one(name, labels)
        assert isinstance(one, Gauge)
        one.set(value)

    def when_scraped(self, name: str, value: Callable[[], float]) -> None:
        """A gauge without labels that is asked for its value whenever somebody looks."""
        metric = self._made[name]
        assert isinstance(metric, Gauge)
        metric.set_function(value)

    def replace_gauges(self, name: str, values: Iterable[tuple[tuple[str, ...], float]], **fixed: str) -> None:
        """Set a labelled gauge for these values of its first labels, with the `fixed` ones behind them, and forget the
        other series with the same fixed ones. A scrape in between never finds a series gone that is set again."""
        tail = tuple(fixed.values())
        new = {(*labels, *tail): value for labels, value in values}
        for labels, value in new.items():
            self.gauge(name, value, **dict(zip(METRICS[name].labels, labels, strict=True)))
        for known, labels in list(self._series):
            if known == name and labels not in new and labels[len(labels) - len(tail) :] == tail:
                del self._series[known, labels]
                self._made[name].remove(*labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        one = self._one(name, labels)
        assert isinstance(one, Histogram)
        one.observe(value)

    def serve(self, host: str, port: int) -> int:
        """Serve `/metrics` from a thread of its own; returns the port. The thread goes with the process."""
        server, _ = start_http_server(port, host, registry=self.registry)
        log.info("metrics at http://%s:%d/metrics", host, server.server_port)
        return int(server.server_port)
