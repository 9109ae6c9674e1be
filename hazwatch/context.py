"""What every role is given: configuration, log, revisions, clocks, metrics, a voice, and the hooks of the tests."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from eventlog.embedded.directory import partitions_of
from eventlog.kafka.connection import KafkaConnection
from eventlog.open import open_embedded_client, open_embedded_writer, open_kafka
from eventlog.port import EventLog
from hazwatch.clock import Clock
from hazwatch.config import Config
from hazwatch.datadir import DataDir
from hazwatch.faults import Faults
from hazwatch.metrics import Metrics
from hazwatch.registry import RegistryView
from hazwatch.runfiles import Announcement

log = logging.getLogger(__name__)
CREATED_S = 30.0


@dataclass(slots=True)
class Context:
    """One role process. `name` is unique among the processes of a system and stands in its faults and ticks."""

    role: str
    name: str
    rank: int
    config: Config
    data: DataDir
    log: EventLog
    registry: RegistryView
    clock: Clock
    metrics: Metrics
    faults: Faults
    announcement: Announcement
    failpoint: Callable[[str], None]


def kafka_connection(config: Config) -> KafkaConnection:
    """Where Kafka is, by the `[log]` table. Raises OSError when the password file cannot be read."""
    table = config.log
    return KafkaConnection(
        bootstrap=table.bootstrap,
        tls=table.tls,
        ca_file=table.tls_ca_file or None,
        cert_file=table.tls_cert_file or None,
        key_file=table.tls_key_file or None,
        username=table.username or None,
        password=table.password(),
        sasl_mechanism=table.sasl_mechanism,
    )


def folder_of_log(config: Config, root: Path) -> DataDir:
    """The data directory for a command that looks at the log. Raises `NoDataDir` where an embedded log must lie."""
    return DataDir.existing(root) if config.log.kind == "embedded" else DataDir(root)


@asynccontextmanager
async def open_log(
    config: Config, data: DataDir, *, writer: bool, wait_s: float = CREATED_S
) -> AsyncIterator[EventLog]:
    """The log that the configuration names; `writer` for the one process that writes an embedded log. The others wait
    up to `wait_s` for it to be created."""
    if config.log.kind == "kafka":
        async with open_kafka(kafka_connection(config), config.log.topics()) as opened:
            yield opened
    elif writer:
        # A log that is made anew beside old snapshots or an old history must be a newer one (LAWS C2), and nothing but
        # the clock knows how many there were.
        first = int(time.time())
        topics = config.log.topics(made_with=partitions_of(data.log).get("readings"))
        async with open_embedded_writer(data.log, topics, first_incarnation=first, on_failure=_end_process) as opened:
            yield opened
    else:
        async with open_embedded_client(data.log, wait_s=wait_s) as opened:
            yield opened


def _end_process(error: BaseException) -> None:
    """The log's writer died: nothing that this process does is true any more."""
    log.critical("the log's writer died: %s; the process ends", error)
    os._exit(70)
