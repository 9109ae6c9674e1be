"""What an acknowledgement was worth in a run: the settings in use, asked of the parts where they can be asked."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from hazwatch.bench.plan import Step
from hazwatch.bench.system import System

_MOSQUITTO = ("persistence", "autosave_interval", "max_inflight_messages", "max_queued_messages")
_POSTGRES = ("fsync", "synchronous_commit", "full_page_writes", "wal_level")
_KAFKA = ("flush.messages", "flush.ms", "min.insync.replicas", "message.timestamp.type")


def durability(running: System, step: Step) -> dict[str, str]:
    """A line per part."""
    settings = running.database_says(*_POSTGRES)
    found = {
        "Mosquitto": "QoS 1, " + _mosquitto(running),
        "PostgreSQL": ", ".join(f"{name} {value}" for name, value in settings.items()),
    }
    if step.log == "kafka":
        found["Kafka"] = "acks=all, idempotent producer, 1 replica, " + asyncio.run(
            _kafka(running.config.log.bootstrap)
        )
    else:
        found["Embedded log"] = _sqlite(running)
    return found


def _mosquitto(running: System) -> str:
    text = (running.data.broker / "mosquitto.conf").read_text()
    return ", ".join(m[0] for name in _MOSQUITTO if (m := re.search(rf"^{name} .+$", text, re.MULTILINE)))


def _sqlite(running: System) -> str:
    """`synchronous` belongs to the writing connection, which sets FULL (`eventlog.embedded.store`)."""
    file = next(running.data.log.glob("readings.db"))
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as con:
        mode = con.execute("PRAGMA journal_mode").fetchone()[0]
    return f"SQLite {sqlite3.sqlite_version}, journal_mode={mode}, synchronous=FULL: a sync per group commit"


async def _kafka(bootstrap: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "readings")])
    finally:
        await admin.close()
    found = {row[0]: row[1] for answer in answers for resource in answer.resources for row in resource[4]}
    return ", ".join(f"{name}={found[name]}" for name in _KAFKA if name in found)
