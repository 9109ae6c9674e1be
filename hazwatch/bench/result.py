"""What came of a run, as numbers: the JSON of the bench and the source of its tables."""

from __future__ import annotations

import msgspec

from hazwatch.bench.machine import Machine
from hazwatch.bench.plan import Step


class Latency(msgspec.Struct, frozen=True):
    """From the publish of a reading over its limit to the last byte of its webhook, in ms, over `alarms` alarms."""

    alarms: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Account(msgspec.Struct, frozen=True):
    """What was published against what the database holds. `alarms_lost` raised no webhook, `alarms_doubled` more than
    one with different ids."""

    published: int
    published_digest: str
    stored: int
    stored_digest: str
    unacknowledged: int
    alarms_raised: int
    alarms_lost: int
    alarms_doubled: int

    @property
    def matches(self) -> bool:
        return (
            (self.published, self.published_digest) == (self.stored, self.stored_digest)
            and not self.unacknowledged
            and not self.alarms_lost
        )


class Result(msgspec.Struct, frozen=True):
    """One run. CPU is in percent of one core over the measured time; `*_per_s` are readings.

    `readings_per_record` says how many readings the log holds in one record: what ingest merged.
    `stored_after_s` is how long after the last publish the last reading stood in the database. `machine_busy` is the
    CPU of the whole machine, whoever used it, in percent of one core: more than `cpu_total` means that others worked.
    """

    step: Step
    tags: int
    seconds: float
    warm_up_s: float
    published_per_s: float
    ingested_per_s: float
    evaluated_per_s: float
    stored_per_s: float
    readings_per_record: float
    behind_ms: float
    blocked: int
    latency: Latency
    cpu: dict[str, float]
    cpu_total: float
    machine_busy: float
    busiest: list[tuple[str, float]]
    depths: dict[str, float]
    stored_after_s: float
    account: Account
    saturated: str

    @property
    def sustained_per_s(self) -> float:
        """What went through all stages."""
        return min(self.published_per_s, self.ingested_per_s, self.evaluated_per_s, self.stored_per_s)

    @property
    def cores_per_100k(self) -> float:
        """Cores per 100 000 readings/s, everything and the load included."""
        return self.cpu_total / 100 / self.sustained_per_s * 100_000 if self.sustained_per_s else 0.0


class Target(msgspec.Struct, frozen=True):
    """A promise and whether a run kept it."""

    what: str
    wanted: str
    found: str
    met: bool


class Report(msgspec.Struct, frozen=True):
    """Everything that the bench says."""

    at: str
    version: str
    commit: str
    machine: Machine
    durability: dict[str, str]
    partitions: int
    results: list[Result]
    failures: dict[str, str]
    targets: list[Target]

    @property
    def good(self) -> bool:
        """Every run came to its end, and every ledger matches."""
        return bool(self.results) and not self.failures and all(r.account.matches for r in self.results)
