"""The `[log]` table: which log stands behind the port, and how many partitions it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from eventlog.port import TopicSpec, topic_specs
from schemas.problems import Problem
from schemas.registry import Struct

MOST_PARTITIONS = 256
_PARTITIONS = {"embedded": 1, "kafka": 4}


class LogConfig(Struct, frozen=True, kw_only=True):
    """`kind` embedded needs nothing else; kafka needs `bootstrap`, `host:port`, several separated by commas.

    The numbers of partitions are given once, when the log is made: a changed number refuses to start. Partitions are
    for sharing the work among machines; on one they only cost. So `readings_partitions` is 1 for a new embedded log and
    4 on Kafka unless it is given; an embedded log that was made with another number keeps it. TLS is used when `tls` or
    a certificate is given, SASL when `username` is. Paths are relative to the configuration file.
    """

    kind: Literal["embedded", "kafka"] = "embedded"
    bootstrap: str = ""
    readings_partitions: int | None = None
    events_partitions: int = 1
    replicas: int | None = None
    tls: bool = False
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""
    username: str = ""
    password_file: str = ""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong; paths begin with `[log]`."""
        if self.kind == "kafka" and not self.bootstrap:
            yield Problem.of("[log].bootstrap", "kafka without an address", 'such as bootstrap = "kafka:9092"')
        if self.kind == "embedded" and self.bootstrap:
            yield Problem.of("[log].bootstrap", "the embedded log has no address", 'write kind = "kafka", or remove it')
        for address in filter(None, self.bootstrap.split(",")):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdigit():
                yield Problem.of("[log].bootstrap", f"{address!r} is no address", "write host:port")
        for name in ("readings_partitions", "events_partitions"):
            given = getattr(self, name)
            if given is not None and not 1 <= given <= MOST_PARTITIONS:
                yield Problem.of(f"[log].{name}", f"{given} is out of bounds", f"1 to {MOST_PARTITIONS}")
        if self.replicas is not None and self.replicas < 1:
            yield Problem.of("[log].replicas", f"{self.replicas} is out of bounds", "1 or more; 3 in production")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            yield Problem.of("[log].tls_key_file", "certificate and key belong together", "give both or neither")
        if bool(self.username) != bool(self.password_file):
            yield Problem.of("[log].password_file", "user and password belong together", "give both or neither")

    def topics(self, made_with: int | None = None) -> tuple[TopicSpec, ...]:
        """The topics that this log must have. `made_with` is how many partitions of `readings` there already are."""
        return topic_specs(self.readings_partitions or made_with or self.partitions, self.events_partitions)

    @property
    def partitions(self) -> int:
        """Partitions of `readings` and `backfill` in a new log."""
        return self.readings_partitions or _PARTITIONS[self.kind]

    def password(self) -> str | None:
        """The password from its file, None without one. Raises OSError."""
        return Path(self.password_file).read_text().strip() if self.password_file else None
