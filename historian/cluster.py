"""A data directory of the embedded PostgreSQL on disk: where it lies, how it is made, whether a server runs on it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from historian.binaries import Binaries, Identity, made_runnable

ROLE = "hazwatch"
DATABASE = "hazwatch"
INITDB_S = 120.0
_FALLBACK = Path("/var/lib/hazwatch")
_LOCATION = "location"
_OWNER = "belongs-to"


class ClusterFailed(RuntimeError):
    """The data directory could not be made or used; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """One data directory: `home` holds it, its password, its log and perhaps a copy of the programs."""

    home: Path
    binaries: Binaries
    identity: Identity

    @property
    def data(self) -> Path:
        """One folder per major version: the format on disk differs."""
        return self.home / str(self.binaries.major)

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def password(self) -> str:
        return (self.home / "password").read_text().strip()

    def url(self, port: int) -> str:
        """The address with the password: a secret."""
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{port}/{DATABASE}"

    def running(self) -> tuple[int, int] | None:
        """(process, port) of the server that runs on this data directory, whoever started it."""
        return running_server(self.data)

    def forget_stale_pid(self) -> None:
        """Delete a pid file whose process is not our server: its number may have been given to somebody else."""
        if self.running() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def other_majors(self) -> list[str]:
        """Data directories of other major versions beside this one."""
        return sorted(p.name for p in self.home.iterdir() if p.name.isdigit() and p != self.data)


def running_server(data: Path) -> tuple[int, int] | None:
    """(process, port) by the pid file of `data`, trusted only if that process is a postgres on that very folder."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, IndexError, ValueError):
        return None
    ours = words[0].endswith(b"postgres") and os.fsencode(data) in words
    return (pid, port) if ours else None


def open_cluster(home: Path, binaries: Binaries, fallback: Path = _FALLBACK) -> Cluster:
    """The data directory that belongs to `home`, made on first use. Blocks (0.5 s when it is made).

    As root the server runs as an unprivileged user. When that user cannot reach `home` (below /root, say) the data lies
    under `fallback`, and `home` keeps a file `location` that says where. Raises `ClusterFailed`.
    """
    identity = Identity.here()
    place = _place(home, identity, fallback)
    place.mkdir(parents=True, exist_ok=True)
    if identity.changes:
        place.chmod(0o711)
    cluster = Cluster(place, made_runnable(binaries, identity, place), identity)
    if not cluster.data.exists():
        _initdb(cluster)
    return cluster


def home_of(home: Path) -> Path:
    """Where the data that belong to `home` really lie: elsewhere when we are root and the server may not go there."""
    location = home / _LOCATION
    return Path(location.read_text().strip()) if location.exists() else home


def find_running(home: Path) -> str | None:
    """The address of the server that runs for `home`, or None. For the processes that did not start it."""
    place = home_of(home)
    if not place.exists():
        return None
    for data in sorted(place.iterdir(), reverse=True):
        if data.name.isdigit() and (found := running_server(data)):
            password = (place / "password").read_text().strip()
            return f"postgresql://{ROLE}:{password}@127.0.0.1:{found[1]}/{DATABASE}"
    return None


def _place(home: Path, identity: Identity, fallback: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    location = home / _LOCATION
    if location.exists():
        return Path(location.read_text().strip())
    if identity.reaches(home / "data"):
        return home.resolve()
    # A name of its own, not one made from the path: a data directory that was deleted and made again is another log,
    # and its database must not be found again.
    place = fallback / f"postgres-{secrets.token_hex(6)}"
    if not identity.reaches(place / "data"):
        raise ClusterFailed(
            f"PostgreSQL does not run as root, and its user reaches neither {home} nor {fallback}; "
            "run as an ordinary user, or choose a data directory that everybody may pass into"
        )
    _clear_away(fallback)
    place.mkdir(parents=True)
    (place / _OWNER).write_text(f"{home.resolve()}\n")
    location.write_text(f"{place}\n")
    return place


def _clear_away(fallback: Path) -> None:
    """Delete the data of trial runs: whose own folder was in the system's temporary one and is gone, or was made again.

    Any other folder that is gone may only be on a disk that is not mounted now.
    """
    for owner in fallback.glob(f"*/{_OWNER}"):
        home, place = Path(owner.read_text().strip()), owner.parent
        trial = home.is_relative_to(Path(tempfile.gettempdir()).resolve())
        location = home / _LOCATION
        wanted = location.exists() and location.read_text().strip() == str(place)
        if trial and not wanted and not any(running_server(data) for data in place.iterdir()):
            shutil.rmtree(place)


def _initdb(cluster: Cluster) -> None:
    """Make the data directory beside its place and move it there, so that a half-done one is never taken for whole."""
    changes = cluster.identity.changes
    unfinished = cluster.home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    cluster.identity.own(unfinished)
    password = cluster.home / "password"
    if not password.exists():
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24) + "\n")
    handle, name = tempfile.mkstemp(dir=cluster.home)
    readable = Path(name)
    try:
        os.write(handle, password.read_bytes())
        os.close(handle)
        cluster.identity.own(readable)
        done = subprocess.run(
            [
                *(str(cluster.binaries.initdb), "-D", str(unfinished), "-U", ROLE, "-A", "scram-sha-256"),
                *("--pwfile", name, "--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            timeout=INITDB_S,
            cwd=cluster.home,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(cluster.home), "LC_ALL": "C.UTF-8"},
            user=cluster.identity.uid if changes else None,
            group=cluster.identity.gid if changes else None,
            extra_groups=[] if changes else None,
        )
    finally:
        readable.unlink()
    if done.returncode:
        raise ClusterFailed(f"initdb failed in {cluster.home}: {done.stdout}{done.stderr}")
    unfinished.rename(cluster.data)
