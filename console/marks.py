"""Watermarks: when each stage of the pipeline last said something, by the log's own clock."""

from __future__ import annotations

from console.wire import Marks
from schemas.time import MS


class Watermarks:
    """The newest append time per partition of `readings` and `events`, per evaluated partition, and of any link."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int], int] = {}
        self._evaluated: dict[int, int] = {}
        self._link_ns = 0
        self._readings_partitions = 0

    def expect(self, topic: str, partitions: int) -> None:
        """These partitions exist: the slowest one counts, also before it has said anything."""
        for partition in range(partitions):
            self._newest.setdefault((topic, partition), 0)
        if topic == "readings":
            self._readings_partitions = partitions

    def record(self, topic: str, partition: int, append_ns: int) -> None:
        """A record of this partition was applied."""
        self._newest[topic, partition] = max(append_ns, self._newest.get((topic, partition), 0))

    def link(self, append_ns: int) -> None:
        """A heartbeat of an ingest process."""
        self._link_ns = max(self._link_ns, append_ns)

    def tick(self, by: str, append_ns: int) -> None:
        """A tick in `events`; an evaluator signs it with its name and the partition that it evaluates (`name/3`)."""
        name, _, partition = by.rpartition("/")
        if name and not name.startswith("alarm") and partition.isdecimal():
            self._evaluated[int(partition)] = max(append_ns, self._evaluated.get(int(partition), 0))

    def marks(self) -> Marks:
        """The slowest partition of each stage, in ms."""

        def slowest(topic: str) -> int:
            return min((at for (name, _), at in self._newest.items() if name == topic), default=0) // MS

        rules = [self._evaluated.get(p, 0) for p in range(self._readings_partitions)]
        return Marks(
            readings=slowest("readings"),
            ingest=self._link_ns // MS,
            rules=min(rules, default=0) // MS,
            events=slowest("events"),
        )
