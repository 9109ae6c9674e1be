"""The `[historian]` table of the configuration: where the database is, and what is kept for how long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas.problems import Problem
from schemas.registry import Struct

URL_VARIABLE = "HAZWATCH_DATABASE_URL"

LEGAL_RAW_DAYS = 30
"""Order 40 of the Chinese work-safety administration, article 13: monitoring records are kept for at least 30 days."""

LEAST_AGGREGATE_DAYS = 365
LEAST_ALARM_DAYS = 3 * 365 + 1
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 24)


class HistorianConfig(Struct, frozen=True, kw_only=True):
    """What `[historian]` may say. Without `url`, `url_file` and the environment's `HAZWATCH_DATABASE_URL` the embedded
    PostgreSQL is used.

    `raw_retention_days` is for readings, `aggregate_retention_days` for 1 minute rollups, `hour_retention_days` for
    1 hour rollups, `alarm_retention_days` for alarms, transitions, notices and receipts. `compress_after_days` and
    `partition_hours` (the width of a chunk or partition) are about storage only. `batch_rows` and `batch_delay_s`
    bound a transaction of the writer; `stalled_s` is how long PostgreSQL may make no progress before the connection is
    cut. `read_timeout_s` bounds every query of a reader, `read_connections` its pool.
    """

    url: str = ""
    url_file: str = ""
    raw_retention_days: int = 90
    aggregate_retention_days: int = 400
    hour_retention_days: int = 1100
    alarm_retention_days: int = 1830
    compress_after_days: int = 2
    partition_hours: int = 24
    batch_rows: int = 50_000
    batch_delay_s: float = 0.5
    stalled_s: float = 15.0
    read_timeout_s: float = 8.0
    read_connections: int = 4

    def __repr__(self) -> str:
        return f"HistorianConfig(url={'***' if self.url else ''!r}, url_file={self.url_file!r}, ...)"

    def problems(self) -> list[Problem]:
        """Everything that is wrong, all at once; paths begin with `historian`."""
        found: list[Problem] = []

        def refuse(field: str, message: str, cure: str) -> None:
            found.append(Problem.of(f"historian.{field}", message, cure))

        if self.url and self.url_file:
            refuse("url_file", "given together with url", "give one of the two")
        if self.raw_retention_days < LEGAL_RAW_DAYS:
            refuse(
                "raw_retention_days",
                f"{self.raw_retention_days} days is less than the law allows for monitoring records",
                f"give {LEGAL_RAW_DAYS} or more; 90 is the default",
            )
        for field, value, least in (
            ("aggregate_retention_days", self.aggregate_retention_days, LEAST_AGGREGATE_DAYS),
            ("alarm_retention_days", self.alarm_retention_days, LEAST_ALARM_DAYS),
            ("hour_retention_days", self.hour_retention_days, self.aggregate_retention_days),
        ):
            if value < least:
                refuse(field, f"{value} days is too short", f"give {least} or more")
        if self.aggregate_retention_days < self.raw_retention_days:
            refuse(
                "aggregate_retention_days",
                "aggregates would go before the readings they were made from",
                f"give {self.raw_retention_days} or more",
            )
        if not 1 <= self.compress_after_days < self.raw_retention_days:
            refuse(
                "compress_after_days",
                f"{self.compress_after_days} is not between 1 and raw_retention_days",
                "2 is the default",
            )
        if self.partition_hours not in _WIDTHS:
            refuse("partition_hours", f"{self.partition_hours} does not divide a day", f"give one of {_WIDTHS}")
        bounds: tuple[tuple[str, float, float, float], ...] = (
            ("batch_rows", self.batch_rows, 1_000, 200_000),
            ("batch_delay_s", self.batch_delay_s, 0.01, 10),
            ("stalled_s", self.stalled_s, 1, 600),
            ("read_timeout_s", self.read_timeout_s, 0.1, 600),
            ("read_connections", self.read_connections, 1, 100),
        )
        for field, given, low, high in bounds:
            if not low <= given <= high:
                refuse(field, f"{given} is out of bounds", f"give {low:g} to {high:g}")
        return found

    def database_url(self, environ: Mapping[str, str]) -> str:
        """The address of the database, or "" when the embedded one is meant. The environment wins.

        Raises OSError when `url_file` cannot be read.
        """
        if URL_VARIABLE in environ:
            return environ[URL_VARIABLE]
        if self.url_file:
            return Path(self.url_file).read_text().strip()
        return self.url
