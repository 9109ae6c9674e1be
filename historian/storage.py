"""Which kind of storage a database gets: TimescaleDB where it is whole, native partitions else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

import psycopg
from psycopg import AsyncConnection

from historian.errors import HistoryRefused

LEAST_TIMESCALE = (2, 18)
"""The first TimescaleDB with the columnstore under its present name."""


class StorageKind(StrEnum):
    TIMESCALE = "timescale"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Storage:
    """The kind in use, the server's and the extension's version ("" without), and the reason in words."""

    kind: StorageKind
    server: str
    extension: str
    reason: str

    def __str__(self) -> str:
        extension = f", TimescaleDB {self.extension}" if self.extension else ""
        return f"{self.kind} storage on PostgreSQL {self.server}{extension}: {self.reason}"


async def detect(conn: AsyncConnection) -> Storage:
    """What this server can do. Creates the extension where it is installed but not yet in this database."""
    server = str(await _one(conn, "SELECT current_setting('server_version')"))
    available = await _one(conn, "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
    if available is None:
        return Storage(StorageKind.NATIVE, server, "", "the extension timescaledb is not installed on this server")
    extension = await _one(conn, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    if extension is None:
        try:
            await conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb CASCADE")
        except psycopg.Error as error:
            why = str(error).splitlines()[0]
            return Storage(StorageKind.NATIVE, server, "", f"the extension timescaledb could not be created: {why}")
        extension = available
    licence = await _one(conn, "SELECT current_setting('timescaledb.license', true)")
    return judged(server, str(extension), str(licence))


def judged(server: str, extension: str, licence: str) -> Storage:
    """Whether a TimescaleDB of this version (`2.28.3`, `2.23.0-dev`) under this licence setting is enough."""
    version = tuple(int(part) for part in extension.split("-")[0].split(".")[:2])
    if version < LEAST_TIMESCALE:
        least = ".".join(map(str, LEAST_TIMESCALE))
        return Storage(StorageKind.NATIVE, server, extension, f"TimescaleDB {extension} is older than {least}")
    if licence != "timescale":
        return Storage(
            StorageKind.NATIVE,
            server,
            extension,
            f"timescaledb.license is {licence!r}, which refuses compression, continuous aggregates and retention "
            "policies; set it to 'timescale' before the first start to use them",
        )
    return Storage(StorageKind.TIMESCALE, server, extension, "compression, continuous aggregates and policies in use")


def settled(stored: str | None, found: Storage) -> Storage:
    """The storage to use when the tables are there already: what they were made for. Raises `HistoryRefused` when the
    server can no longer serve them."""
    if stored is None or stored == found.kind:
        return found
    if stored == StorageKind.TIMESCALE:
        raise HistoryRefused(f"the tables were made for TimescaleDB, but {found.reason}")
    return Storage(
        StorageKind.NATIVE,
        found.server,
        found.extension,
        "the tables were made before TimescaleDB was there; move the history to a new database to use it",
    )


async def _one(conn: AsyncConnection, query: LiteralString) -> object:
    row = await (await conn.execute(query)).fetchone()
    return None if row is None else row[0]
