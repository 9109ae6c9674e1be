"""A whole Hazwatch for one run, started as production starts it: broker, log, roles, PostgreSQL; and its receiver."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from hazwatch import runfiles
from hazwatch.bench.kafka import find_jars, start_kafka
from hazwatch.bench.park import write_park
from hazwatch.bench.parts import Parts
from hazwatch.bench.plan import Step
from hazwatch.broker import find_mosquitto, free_port, private_broker, wait_listening
from hazwatch.config import Config, load_config
from hazwatch.datadir import DataDir

READY_S = 180.0
EMBEDDED_ROLES = ("alarm-path", "historian", "console")
KAFKA_ROLES = ("ingest", "evaluate", "alarm", "historian", "console")


class NoMosquitto(RuntimeError):
    """The bench measures the broker of production; there is none on this machine."""


@dataclass(frozen=True, slots=True)
class System:
    """A running system. `metrics_ports` are those of its roles."""

    parts: Parts
    folder: Path
    data: DataDir
    config: Config
    mqtt_port: int
    sink_port: int
    metrics_ports: dict[str, int]

    @property
    def database_url(self) -> str:
        return self.data.database_url.read_text().strip()

    def database_says(self, *settings: str) -> dict[str, str]:
        """Settings of the PostgreSQL in use, by name."""
        with psycopg.connect(self.database_url) as conn:
            rows = [(name, conn.execute(f"SHOW {name}").fetchone()) for name in settings]
        return {name: str(row[0]) for name, row in rows if row}


@contextmanager
def system(step: Step, folder: Path, *, tags: int, partitions: int) -> Iterator[System]:
    """Start everything in `folder`, and end it. Raises `PartFailed`, `NoKafka`, `NoMosquitto`."""
    if find_mosquitto() is None:
        raise NoMosquitto("there is no Mosquitto (apt-get install mosquitto)")
    data = DataDir(folder / "data")
    with Parts(folder) as parts:
        port_file = folder / "sink.port"
        parts.start("sink", [sys.executable, "-m", "hazwatch.bench.sink", str(port_file), str(folder / "sink.json")])
        parts.wait("the receiver of webhooks listens", lambda: port_file.exists() and port_file.read_text() != "", 30.0)
        sink_port = int(port_file.read_text())
        bootstrap = start_kafka(parts, find_jars()) if step.log == "kafka" else ""
        file = write_park(
            folder,
            step,
            tags=tags,
            partitions=partitions,
            webhook_port=sink_port,
            bootstrap=bootstrap,
        )
        broker = private_broker(data.broker, "127.0.0.1", free_port(0), None)
        parts.start("mosquitto", list(broker.child.argv))
        asyncio.run(wait_listening(broker.host, broker.port))
        address, console = f"{broker.host}:{broker.port}", f"127.0.0.1:{free_port(0)}"
        common = ["--config", str(file), "--data", str(data.root)]
        hazwatch = [sys.executable, "-m", "hazwatch"]
        if bootstrap:
            parts.call("making the topics", [*hazwatch, "topics", "create", "--config", str(file)])
            parts.call("putting the configuration into force", [*hazwatch, "apply", *common])
        roles = KAFKA_ROLES if bootstrap else EMBEDDED_ROLES
        for role in roles:
            parts.start(role, [*hazwatch, "run", role, *common, "--mqtt", address, "--console", console])
        parts.wait("all roles are ready", lambda: all(runfiles.find(data.root, r) for r in roles), READY_S)
        parts.wait("PostgreSQL is ready", lambda: _tables_are_there(data), READY_S)
        ports = {r: found.metrics_port for r in roles if (found := runfiles.find(data.root, r))}
        yield System(parts, folder, data, load_config(file, rules=False), broker.port, sink_port, ports)


def _tables_are_there(data: DataDir) -> bool:
    """The historian says that it is ready before its database is: no alarm waits for that, but a measurement does."""
    try:
        with psycopg.connect(data.database_url.read_text().strip(), connect_timeout=5) as conn:
            return conn.execute("SELECT to_regclass('readings')").fetchone() != (None,)
    except (OSError, psycopg.OperationalError):
        return False
