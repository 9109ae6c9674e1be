"""Watermarks: when each stage of the pipeline last said something, by the log's own clock."""

from __future__ import annotations

from console.wire import Marks
from schemas.time import MS


class Watermarks:
    """Newest append times: per partition of `readings`, of links, and of the beats of evaluators and books.

    An evaluator beats every second in `events` as `name/evaluate/<partition of readings>`, a book as
    `name/book/<partition of events>`; of twins the livelier counts. What has not spoken yet counts from `start_ns`.
    """

    def __init__(self) -> None:
        self._readings: dict[int, int] = {}
        self._rules: dict[int, int] = {}
        self._book: dict[int, int] = {}
        self._link_ns = 0

    def expect(self, readings: int, events: int, start_ns: int) -> None:
        """So many partitions exist: the slowest of each stage counts, also one that says nothing at all."""
        self._readings = dict.fromkeys(range(readings), start_ns)
        self._rules = dict.fromkeys(range(readings), start_ns)
        self._book = dict.fromkeys(range(events), start_ns)
        self._link_ns = start_ns

    def reading(self, partition: int, append_ns: int) -> None:
        """A record of this partition of `readings` was applied."""
        self._readings[partition] = append_ns

    def link(self, append_ns: int) -> None:
        """A heartbeat of an ingest process."""
        self._link_ns = max(self._link_ns, append_ns)

    def tick(self, by: str, append_ns: int) -> None:
        """A tick in `events`."""
        name, _, number = by.rpartition("/")
        stage = {"evaluate": self._rules, "book": self._book}.get(name.rpartition("/")[2])
        if stage is not None and number.isdecimal() and int(number) in stage:
            stage[int(number)] = max(append_ns, stage[int(number)])

    def marks(self) -> Marks:
        """The slowest partition of each stage, in ms."""

        def slowest(stage: dict[int, int]) -> int:
            return min(stage.values(), default=0) // MS

        return Marks(
            readings=slowest(self._readings),
            ingest=self._link_ns // MS,
            rules=slowest(self._rules),
            book=slowest(self._book),
        )
