"""The contract beside the process that writes the embedded log."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from eventlog.embedded import wire
from eventlog.embedded.directory import bump_incarnation
from eventlog.embedded.remote import RemoteLog, _Link
from eventlog.embedded.server import socket_address
from eventlog.helpers import read_all
from eventlog.open import open_embedded_client, open_embedded_writer
from eventlog.port import LogError, LogUnavailable, NewRecord, TopicSpec
from tests.eventlog.contract import PLAIN, SPECS, LogContract
from tests.parts.net import eventually


class ClientStand:
    """The log under test reads the files itself and appends through the writer's socket."""

    def __init__(self, log: RemoteLog) -> None:
        self.log = log

    def name(self, topic: str) -> str:
        return topic

    async def trim(self, topic: str) -> None:
        """Retention does it by itself."""


@pytest.mark.usefixtures("quick_cleaning")
class TestEmbeddedClient(LogContract):
    @pytest.fixture
    async def stand(self, tmp_path: Path) -> AsyncIterator[ClientStand]:
        async with open_embedded_writer(tmp_path / "log", SPECS), open_embedded_client(tmp_path / "log") as log:
            yield ClientStand(log)


SERVE = """
import asyncio, sys
from pathlib import Path
from eventlog.open import open_embedded_writer
from eventlog.port import NewRecord, TopicSpec

async def main():
    async with open_embedded_writer(Path(sys.argv[1]), [TopicSpec("plain", 2)]) as log:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await log.append("plain", 0, [NewRecord(b"k", "t", line.strip().encode())])

asyncio.run(main())
"""


class Writer:
    """A writing process that appends the lines it is given."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(directory)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture
def start_writer() -> Iterator[Callable[[Path], Writer]]:
    writers: list[Writer] = []

    def start(directory: Path) -> Writer:
        writers.append(Writer(directory))
        return writers[-1]

    yield start
    for writer in writers:
        writer.kill()


def one(value: bytes = b"v") -> list[NewRecord]:
    return [NewRecord(b"k", "t", value)]


async def values(log: RemoteLog) -> list[bytes]:
    return [record.value async for record in read_all(log, "plain", 0)]


async def test_another_process_appends_reads_and_is_woken_in_a_deep_directory(
    tmp_path: Path, start_writer: Callable[[Path], Writer]
) -> None:
    directory = tmp_path / ("deep" * 30) / ("deeper" * 30)
    writer = await asyncio.to_thread(start_writer, directory)
    async with open_embedded_client(directory) as log:
        (position,) = await log.append("plain", 0, one(b"mine"))
        assert position.offset == 0
        reading = asyncio.create_task(log.read("plain", 0, 1, wait_s=30))
        await asyncio.sleep(0.05)
        writer.say("theirs")
        assert [record.value for record in await reading] == [b"theirs"]
        assert await values(log) == [b"mine", b"theirs"]


async def test_the_client_outlives_the_writer(tmp_path: Path, start_writer: Callable[[Path], Writer]) -> None:
    loop = asyncio.get_running_loop()
    writer = await asyncio.to_thread(start_writer, tmp_path)
    async with open_embedded_client(tmp_path, append_deadline_s=1.0) as log:
        await log.append("plain", 0, one(b"before"))
        waiting = asyncio.create_task(log.read("plain", 0, 1, wait_s=60))
        await asyncio.sleep(0.05)
        writer.kill()
        began = loop.time()
        with pytest.raises(LogUnavailable):
            await log.append("plain", 0, one(b"lost"))
        with pytest.raises(LogUnavailable, match="is it running"):
            await log.append("plain", 0, one(b"lost"))
        assert loop.time() - began < 10
        assert await values(log) == [b"before"]
        assert await log.read("plain", 0, 1, wait_s=0.1) == []
        assert not waiting.done()
        await asyncio.to_thread(start_writer, tmp_path)

        async def appended() -> bool:
            return bool(await log.append("plain", 0, one(b"after")))

        await eventually(appended, "the client reaches the new writer", retry=(LogUnavailable,))
        assert [record.value for record in await waiting] == [b"after"]


async def test_a_client_waits_for_the_log_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="no log yet"):
        async with open_embedded_client(tmp_path / "log", wait_s=0.2):
            pass

    async def use() -> int:
        async with open_embedded_client(tmp_path / "log", wait_s=60) as log:
            return await log.incarnation()

    using = asyncio.create_task(use())
    await asyncio.sleep(0.1)
    async with open_embedded_writer(tmp_path / "log", SPECS, first_incarnation=3):
        assert await using == 3


async def test_a_restored_log_is_seen_after_the_writer_comes_back(tmp_path: Path) -> None:
    directory, backup = tmp_path / "log", tmp_path / "backup"
    specs = [TopicSpec("plain", 1)]
    async with open_embedded_writer(directory, specs) as log:
        await log.append("plain", 0, one(b"0"))
    shutil.copytree(directory, backup)
    async with AsyncExitStack() as client_end:
        async with open_embedded_writer(directory, specs) as log:
            client = await client_end.enter_async_context(open_embedded_client(directory))
            await client.append("plain", 0, one(b"1"))
            assert await values(client) == [b"0", b"1"]
        shutil.rmtree(directory)
        shutil.copytree(backup, directory)
        bump_incarnation(directory)
        async with open_embedded_writer(directory, specs):
            await client.append("plain", 0, one(b"2"))
            assert await values(client) == [b"0", b"2"]
            assert await client.incarnation() == 2


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\x7f", b"\x03\x00\x00\x00abc", wire.frame(wire.Hello(99)), b""],
)
async def test_nonsense_on_the_socket_hurts_nobody_else(tmp_path: Path, nonsense: bytes) -> None:
    failures: list[BaseException] = []
    async with (
        open_embedded_writer(tmp_path, SPECS, on_failure=failures.append),
        open_embedded_client(tmp_path) as log,
    ):
        await log.append(PLAIN, 0, one(b"a"))
        with socket_address(tmp_path) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(nonsense)
        if nonsense:
            writer.write_eof()
        else:
            writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        await log.append(PLAIN, 0, one(b"b"))
        assert [r.value for r in await log.read(PLAIN, 0, 0)] == [b"a", b"b"]
    assert failures == []


async def test_a_writer_of_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_embedded_writer(tmp_path, SPECS), open_embedded_client(tmp_path) as log:
        monkeypatch.setattr(_Link, "hello", wire.Hello(99))
        with pytest.raises(LogError, match="speaks version 1; restart both"):
            await log.append(PLAIN, 0, one())


async def test_the_socket_is_for_this_user_only(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path / "log", SPECS):
        assert stat.S_IMODE((tmp_path / "log" / "log.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700
    assert not (tmp_path / "log" / "log.sock").exists()
