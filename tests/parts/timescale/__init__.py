"""A real TimescaleDB on every machine: PostgreSQL 17 with the extension in WebAssembly, run by Node.

What it cannot show (concurrency, background jobs, passwords, plans, speed, crash safety), tests show on plain
PostgreSQL, or on a native TimescaleDB that `HAZWATCH_TEST_TIMESCALE_URL` names and that is then used instead.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Protocol

import psycopg
from psycopg.conninfo import make_conninfo

from tests.parts import PartMissing
from tests.parts.node import node
from tests.parts.server import Server

FOLDER = Path(__file__).parent
EXTERNAL = "HAZWATCH_TEST_TIMESCALE_URL"


class Timescale(Protocol):
    """What tests need of a TimescaleDB, wherever it runs."""

    def dsn(self) -> str:
        """A connection string of a superuser, in a database that has the extension."""
        ...


class TimescaleServer(Server):
    """The server in Node. `durable` keeps its data on disk, so that it survives `restart`; `wait_ms` is how long a
    connection waits for another one's transaction before it gets `LockNotAvailable`."""

    name = "timescale"
    ready_s: ClassVar[float] = 90.0

    def __init__(self, *, durable: bool = False, wait_ms: int = 10_000) -> None:
        self._node = node()
        if not (FOLDER / "node_modules").is_dir():
            raise PartMissing("timescaledb", "its packages are not installed (npm ci in tests/parts/timescale)")
        super().__init__()
        self._options = [f"--port={self.port}", f"--wait-ms={wait_ms}"]
        if durable:
            self._options.append(f"--data={self.home / 'data'}")

    def argv(self) -> Sequence[str]:
        # Only the first compiler: ready in 2 s, and half the memory.
        return [self._node, "--liftoff-only", str(FOLDER / "server.mjs"), *self._options]

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=5) as conn:
                return conn.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres password=unused dbname=postgres sslmode=disable"


class ExternalTimescale:
    """The server that the environment names; it is neither started nor stopped by the tests."""

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")

    def dsn(self) -> str:
        return self._url


@contextmanager
def timescale() -> Iterator[Timescale]:
    """The TimescaleDB of this run. Raises `PartMissing`."""
    if url := os.environ.get(EXTERNAL):
        yield ExternalTimescale(url)
    else:
        with TimescaleServer() as server:
            yield server


@contextmanager
def fresh_schema(server: Timescale) -> Iterator[str]:
    """The connection string of a new schema, which comes first on the search path, in UTC; dropped at the end."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute(f"CREATE SCHEMA {name}")
    try:
        yield make_conninfo(server.dsn(), options=f"-c search_path={name},public -c timezone=UTC")
    finally:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute(f"DROP SCHEMA {name} CASCADE")
            conn.execute("CHECKPOINT")  # nothing else recycles the WAL, which is memory here
