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
    "hazwatch_log_reachable": Metric("gauge", "1 while the log answers.", (), ("ingest", "evaluate", "alarm")),
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
    "hazwatch_alarms": Metric("gauge", "Alarms on the list.", ("tier", "state"), ("alarm",)),
    "hazwatch_transitions_total": Metric("counter", "Alarm transitions.", ("change",), ("alarm",)),
    "hazwatch_outbox_notices": Metric("gauge", "Notices not yet accepted by their channel.", ("channel",), ("alarm",)),
    "hazwatch_notice_outcomes_total": Metric(
        "counter", "Outcomes of attempts to send.", ("channel", "outcome"), ("alarm",)
    ),
    "hazwatch_event_to_dispatch_seconds": Metric(
        "histogram", "From the event at the sensor to the acceptance of its first notice.", ("tier",), ("alarm",)
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
}
"""All metrics, by name."""


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, roles: frozenset[str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        for name, metric in METRICS.items():
            if not roles.isdisjoint(metric.roles):
                self._made[name] = self._make(name, metric)

    def _make(self, name: str, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(name, metric.help, metric.labels, registry=self.registry)
        return Histogram(name, metric.help, metric.labels, registry=self.registry, buckets=LATENCY_BUCKETS)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        metric = self._made[name]
        assert isinstance(metric, Counter)
        (metric.labels(**labels) if labels else metric).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        metric = self._made[name]
        assert isinstance(metric, Gauge)
        (metric.labels(**labels) if labels else metric).set(value)

    def when_scraped(self, name: str, value: Callable[[], float]) -> None:
        """A gauge without labels that is asked for its value whenever somebody looks."""
        metric = self._made[name]
        assert isinstance(metric, Gauge)
        metric.set_function(value)

    def replace_gauges(self, name: str, values: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Set a labelled gauge for these label values (in the order of the table) and forget all others."""
        metric = self._made[name]
        assert isinstance(metric, Gauge)
        metric.clear()
        for labels, value in values:
            metric.labels(*labels).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        metric = self._made[name]
        assert isinstance(metric, Histogram)
        (metric.labels(**labels) if labels else metric).observe(value)

    def serve(self, host: str, port: int) -> int:
        """Serve `/metrics` from a thread of its own; returns the port. The thread goes with the process."""
        server, _ = start_http_server(port, host, registry=self.registry)
        log.info("metrics at http://%s:%d/metrics", host, server.server_port)
        return int(server.server_port)
