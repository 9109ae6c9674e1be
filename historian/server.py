"""The embedded PostgreSQL under our own supervision: a server on 127.0.0.1 that ends with us and is started again when
it falls.

Crash safety is PostgreSQL's own (fsync on, synchronous_commit on). The server's death signal asks for a fast shutdown,
so even a killed parent leaves a clean data directory behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from historian.binaries import find_binaries
from historian.cluster import DATABASE, ROLE, Cluster, ClusterFailed, open_cluster

log = logging.getLogger(__name__)

READY_S = 120.0
STOP_S = 3.5
_POLL_S = 0.02
_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_S = 30.0
_LOG_BYTES = 8 << 20

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "256MB",
    # Few checkpoints: after each one the first change of every index page writes the whole page into the WAL.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_buffers": "16MB",
    "jit": "off",
    "timezone": "UTC",
    "datestyle": "ISO",
    # Everything from LOG up, without the ERROR of each duplicate batch, which the writer handles.
    "log_min_messages": "log",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
"""Durability is left at PostgreSQL's defaults: fsync, full_page_writes and synchronous_commit are on."""

# Runs as we do, then becomes the server: drops privileges, ties itself to its parent (the kernel forgets the tie at a
# change of user, so this order), and gives up if the parent is gone already.
_BECOME = """
import ctypes, os, sys
uid, gid, parent = map(int, sys.argv[1:4])
libc = ctypes.CDLL(None)
if uid >= 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if sys.platform == "linux":
    libc.prctl(1, 2, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.umask(0o077)
os.execv(sys.argv[4], sys.argv[4:])
"""


class EmbeddedPostgres:
    """One server. `start`, then `run` as a supervised task, then `stop`; all from one event loop.

    The loop must run in a thread that lives as long as the process: the death signal follows the thread that forked.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._port = 0

    @classmethod
    async def open(cls, home: Path) -> EmbeddedPostgres:
        """A server whose data lies under `home`, not yet started. Raises `NoPostgres` or `ClusterFailed`."""
        cluster = await asyncio.to_thread(lambda: open_cluster(home, find_binaries()))
        if others := cluster.other_majors():
            log.warning(
                "history of PostgreSQL %s in %s is not read by version %s; move it over by pg_dump, or delete it",
                ", ".join(others),
                cluster.home,
                cluster.binaries.major,
            )
        return cls(cluster)

    @property
    def url(self) -> str:
        """The address with the password: a secret. The port stays the same over restarts."""
        return self.cluster.url(self._port)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> str:
        """Start the server and wait until it answers; returns its address. Raises `ClusterFailed`."""
        await self._wait_for_the_last_one()
        self.cluster.forget_stale_pid()
        self._port = _port(self.cluster.home / "port")
        await self._spawn()
        await self._until_ready()
        await self._create_database()
        log.info(
            "embedded PostgreSQL %d on port %d, data in %s", self.cluster.binaries.major, self._port, self.cluster.data
        )
        return self.url

    async def run(self) -> None:
        """Start the server again whenever it ends, until `stop`. Never returns before; `start` comes first."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            assert self._process is not None
            since = loop.time()
            code = await self._process.wait()
            if self._stopping:
                return
            failures = 0 if loop.time() - since > _HEALTHY_S else failures + 1
            pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            self.restarts += 1
            log.error("PostgreSQL ended with %s; starting it again in %.1f s\n%s", code, pause, self._tail())
            await asyncio.sleep(pause)
            self.cluster.forget_stale_pid()
            await self._spawn()

    async def stop(self) -> None:
        """A fast shutdown: clients are disconnected, nothing committed is lost. Within 5 s, by force if need be."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 0.5)):
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await process.wait()
                return
        log.warning("PostgreSQL did not stop and is killed; it recovers at the next start")
        for pid in (process.pid, *_descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await process.wait()

    async def _wait_for_the_last_one(self) -> None:
        """A server of an earlier run, whose parent was killed, shuts down by itself in a moment."""
        found = self.cluster.running()
        if found is None:
            return
        log.info("waiting for the PostgreSQL process %d of an earlier run to end", found[0])
        for _ in range(int(STOP_S * 4 / _POLL_S)):
            if self.cluster.running() is None:
                return
            await asyncio.sleep(_POLL_S)
        raise ClusterFailed(f"the PostgreSQL process {found[0]} runs on {self.cluster.data}; stop it first")

    async def _spawn(self) -> None:
        cluster = self.cluster
        if cluster.log.exists() and cluster.log.stat().st_size > _LOG_BYTES:
            cluster.log.replace(cluster.log.with_suffix(".log.1"))
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        argv = [str(cluster.binaries.postgres), "-D", str(cluster.data), "-p", str(self._port), *settings]
        with cluster.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _BECOME),
                *(str(cluster.identity.uid), str(cluster.identity.gid), str(os.getpid())),
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cluster.home,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_S):
                while not await self._answers():
                    if self._process is None or self._process.returncode is not None:
                        raise ClusterFailed(f"PostgreSQL ended while starting\n{self._tail()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise ClusterFailed(f"PostgreSQL did not answer within {READY_S:.0f} s\n{self._tail()}") from None

    async def _answers(self) -> bool:
        """Whether it is our server that answers on the port, and not a stranger's."""
        found = self.cluster.running()
        if found is None or found[0] != self.pid:
            return False
        try:
            conn = await psycopg.AsyncConnection.connect(self._maintenance(), connect_timeout=5)
        except psycopg.OperationalError:
            return False
        await conn.close()
        return True

    async def _create_database(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._maintenance(), autocommit=True) as conn:
            found = await conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if await found.fetchone() is None:
                await conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _maintenance(self) -> str:
        return f"host=127.0.0.1 port={self._port} user={ROLE} password={self.cluster.password} dbname=postgres"

    def _tail(self) -> str:
        try:
            return self.cluster.log.read_bytes()[-2000:].decode(errors="replace")
        except OSError as error:
            return f"(no log: {error})"


def _port(remembered: Path) -> int:
    """The port of the last run if it is free, else another one, below those that outgoing connections are given."""
    ports: list[int] = []
    with suppress(OSError, ValueError):
        ports.append(int(remembered.read_text()))
    ports += random.SystemRandom().sample(range(16_384, 32_768), 100)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        remembered.write_text(f"{port}\n")
        return port
    raise ClusterFailed("no free port between 16384 and 32768 on 127.0.0.1")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found
