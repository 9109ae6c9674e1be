"""Users, sessions and failed log-ins in one SQLite file of the console's own: log-in works with PostgreSQL down.

Everything runs in one thread, because a commit may wait for the disk and Argon2 takes 50 ms on purpose.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from console.roles import Role

T = TypeVar("T")
SCHEMA = """
create table if not exists users (
  name text primary key, role text not null, password text not null, disabled integer not null default 0,
  created_ns integer not null
) strict;
create table if not exists sessions (
  token_hash blob primary key, name text not null, csrf text not null, created_ns integer not null,
  used_ns integer not null
) strict;
create table if not exists failures (
  key text primary key, count integer not null, until_ns integer not null, at_ns integer not null
) strict;
create table if not exists audit (
  at_ns integer not null, actor text not null, action text not null, detail text not null
) strict;
"""
_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")


class UserExists(ValueError):
    """There is a user of that name."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: Role
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class StoredSession:
    token_hash: bytes
    name: str
    csrf: str
    created_ns: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class Failures:
    count: int
    until_ns: int


class UserStore:
    """The file. Synchronous methods block; `call` runs one of them in the store's thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.executescript(SCHEMA)
        self._thread = ThreadPoolExecutor(1, "users")

    async def call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._db.close()

    def add_user(self, name: str, role: Role, password: str, at_ns: int) -> None:
        """Raises `UserExists`."""
        try:
            self._db.execute(
                "insert into users (name, role, password, created_ns) values (?, ?, ?, ?)",
                (name, role.value, _hasher.hash(password), at_ns),
            )
        except sqlite3.IntegrityError:
            raise UserExists(f"there is already a user {name!r}") from None

    def users(self) -> list[User]:
        rows = self._db.execute("select name, role, disabled from users order by name").fetchall()
        return [User(name, Role(role), bool(disabled)) for name, role, disabled in rows]

    def user(self, name: str) -> User | None:
        row = self._db.execute("select name, role, disabled from users where name = ?", (name,)).fetchone()
        return User(row[0], Role(row[1]), bool(row[2])) if row else None

    def set_password(self, name: str, password: str) -> None:
        self._db.execute("update users set password = ? where name = ?", (_hasher.hash(password), name))

    def set_role(self, name: str, role: Role, disabled: bool) -> None:
        self._db.execute("update users set role = ?, disabled = ? where name = ?", (role.value, int(disabled), name))

    def verify(self, name: str, password: str) -> User | None:
        """The user, if the password is right and they may log in. Takes as long when there is no such user."""
        row = self._db.execute("select name, role, disabled, password from users where name = ?", (name,)).fetchone()
        try:
            _hasher.verify(row[3] if row else _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return None
        return User(row[0], Role(row[1])) if row and not row[2] else None

    def failures(self, key: str) -> Failures:
        row = self._db.execute("select count, until_ns from failures where key = ?", (key,)).fetchone()
        return Failures(*row) if row else Failures(0, 0)

    def put_failures(self, key: str, failures: Failures, at_ns: int) -> None:
        self._db.execute(
            "insert or replace into failures values (?, ?, ?, ?)", (key, failures.count, failures.until_ns, at_ns)
        )

    def forget_failures(self, keys: list[str], before_ns: int) -> None:
        """Those of these keys, and all that are older."""
        self._db.executemany("delete from failures where key = ?", [(key,) for key in keys])
        self._db.execute("delete from failures where at_ns < ?", (before_ns,))

    def put_session(self, session: StoredSession) -> None:
        self._db.execute(
            "insert or replace into sessions values (?, ?, ?, ?, ?)",
            (session.token_hash, session.name, session.csrf, session.created_ns, session.used_ns),
        )

    def sessions(self) -> list[StoredSession]:
        return [StoredSession(*row) for row in self._db.execute("select * from sessions").fetchall()]

    def delete_sessions(self, hashes: list[bytes]) -> None:
        self._db.executemany("delete from sessions where token_hash = ?", [(value,) for value in hashes])

    def note(self, at_ns: int, actor: str, action: str, detail: str = "") -> None:
        """A line of the audit trail."""
        self._db.execute("insert into audit values (?, ?, ?, ?)", (at_ns, actor, action, detail))
