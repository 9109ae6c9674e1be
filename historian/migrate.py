"""Brings the tables of a database up to date: plain SQL files, in the order of their numbers, each exactly once.

All missing ones are applied in one transaction under an advisory lock, so of several writers that start together one
migrates and the others wait. A file that was applied must not change afterwards: its checksum is kept. Numbers newer
than this program's are left alone, so the program before the newest still works while a new one is rolled out;
migrations must therefore only add.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from typing import LiteralString

import psycopg
from psycopg import AsyncConnection

from historian.errors import HistoryRefused
from historian.sqlfiles import package_text
from historian.storage import Storage, StorageKind, detect, settled

log = logging.getLogger(__name__)

LOCK = 0x68617A01
"""Advisory lock of whoever migrates."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number int4 PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_FILE = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name` has its folder, `native/0002_readings.sql`."""

    number: int
    name: str
    sql: LiteralString

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def migrations(kind: StorageKind) -> list[Migration]:
    """The migrations of one kind of storage, in order: those of all kinds and its own."""
    root = resources.files("historian") / "migrations"
    found = []
    for folder in ("", f"{kind}/"):
        for entry in (root / folder.rstrip("/") if folder else root).iterdir():
            if match := _FILE.fullmatch(entry.name):
                name = folder + entry.name
                found.append(Migration(int(match.group(1)), name, package_text(f"migrations/{name}")))
    return sorted(found, key=lambda m: m.number)


async def migrate(conn: AsyncConnection) -> Storage:
    """Apply what is missing; returns the storage in use. `conn` is in autocommit mode.

    Raises `HistoryRefused` when an applied file has changed or the tables need an extension that is gone.
    """
    found = await detect(conn)
    async with conn.transaction():
        await conn.execute("SET LOCAL lock_timeout = '120s'")
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        await conn.execute("SET LOCAL lock_timeout = '5s'")
        await conn.execute(_LEDGER)
        applied = {
            number: (name, checksum)
            for number, name, checksum in await (
                await conn.execute("SELECT number, name, checksum FROM schema_migrations")
            ).fetchall()
        }
        stored = await (await conn.execute("SELECT kind FROM storage")).fetchone() if applied else None
        storage = settled(stored[0] if stored else None, found)
        for migration in migrations(storage.kind):
            await _apply(conn, migration, applied.get(migration.number))
        await conn.execute("INSERT INTO storage (kind) VALUES (%s) ON CONFLICT DO NOTHING", (storage.kind,))
    return storage


async def _apply(conn: AsyncConnection, migration: Migration, applied: tuple[str, str] | None) -> None:
    if applied is not None:
        if applied != (migration.name, migration.checksum):
            raise HistoryRefused(
                f"migration {migration.number} was applied as {applied[0]} and has changed since; "
                "put the file back and write a new migration for the change"
            )
        return
    try:
        await conn.execute(migration.sql)
    except psycopg.Error as error:
        error.add_note(f"while applying migration {migration.name}")
        raise
    await conn.execute(
        "INSERT INTO schema_migrations (number, name, checksum) VALUES (%s, %s, %s)",
        (migration.number, migration.name, migration.checksum),
    )
    log.info("applied migration %s", migration.name)
