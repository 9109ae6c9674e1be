"""The `[log]` table: which log stands behind the port, and how many partitions it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from eventlog.port import TopicSpec, topic_specs
from schemas.problems import Problem
from schemas.registry import Struct

MOST_PARTITIONS = 256


class LogConfig(Struct, frozen=True, kw_only=True):
    """`kind` embedded needs nothing else; kafka needs `bootstrap`, `host:port`, several separated by commas.

    The numbers of partitions are given once, when the log is made: a changed number refuses to start. TLS is used when
    `tls` or a certificate is given, SASL when `username` is. Paths are relative to the configuration file.
    """

    kind: Literal["embedded", "kafka"] = "embedded"
    bootstrap: str = ""
    readings_partitions: int = 4
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
            if not 1 <= getattr(self, name) <= MOST_PARTITIONS:
                yield Problem.of(f"[log].{name}", f"{getattr(self, name)} is out of bounds", f"1 to {MOST_PARTITIONS}")
        if self.replicas is not None and self.replicas < 1:
            yield Problem.of("[log].replicas", f"{self.replicas} is out of bounds", "1 or more; 3 in production")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            yield Problem.of("[log].tls_key_file", "certificate and key belong together", "give both or neither")
        if bool(self.username) != bool(self.password_file):
            yield Problem.of("[log].password_file", "user and password belong together", "give both or neither")

    def topics(self) -> tuple[TopicSpec, ...]:
        """The topics that this log must have."""
        return topic_specs(self.readings_partitions, self.events_partitions)

    def password(self) -> str | None:
        """The password from its file, None without one. Raises OSError."""
        return Path(self.password_file).read_text().strip() if self.password_file else None
