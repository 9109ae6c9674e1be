"""Reads `/metrics` of the role processes during a run: what they count, and how deep their queues are at worst."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

from prometheus_client.parser import text_string_to_metric_families

_DEPTHS = {
    "hazwatch_ingest_in_flight": "messages in ingest",
    "hazwatch_lag_records": "records behind",
    "hazwatch_oldest_unprocessed_seconds": "seconds behind",
    "hazwatch_outbox_notices": "notices in the outbox",
}
_COUNTS = {
    "hazwatch_readings_total": "ingested",
    "hazwatch_folded_readings_total": "evaluated",
    "hazwatch_historian_rows_total": "stored",
    "hazwatch_folded_records_total": "records",
}
_LABELS = {"lane": "readings", "fold": "rules"}
"""Of metrics with these labels, only these values are counted."""


class Probe:
    """Asks all roles; `depths` keeps the deepest that was seen since `forget`, `counts` the newest totals."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = dict(ports)
        self.depths: dict[str, float] = {}
        self.counts: dict[str, float] = {}

    def forget(self) -> None:
        self.depths.clear()

    def look(self) -> None:
        """Ask once. A role that does not answer in 5 s is passed over."""
        counts: dict[str, float] = defaultdict(float)
        for port in self._ports.values():
            with suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    text = answer.read().decode()
                self._take(text, counts)
        self.counts = dict(counts)

    def _take(self, text: str, counts: dict[str, float]) -> None:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in _DEPTHS:
                    name = " ".join(filter(None, (sample.labels.get("stage", ""), _DEPTHS[sample.name])))
                    self.depths[name] = max(self.depths.get(name, 0.0), sample.value)
                elif sample.name in _COUNTS and all(
                    sample.labels.get(label, value) == value for label, value in _LABELS.items()
                ):
                    counts[_COUNTS[sample.name]] += sample.value
