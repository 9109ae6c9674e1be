"""`EmbeddedServer`: lets the other processes of this machine append to the embedded log, and wakes their readers.

The socket lies in the log's directory and serves this user (and root) only. Its path may be longer than a socket
address may be, so it is bound and reached through the directory's descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from eventlog.embedded import wire
from eventlog.embedded.directory import SOCKET_NAME
from eventlog.embedded.log import EmbeddedLog
from eventlog.port import LogError, LogUnavailable, NewRecord

MAX_PENDING_BYTES = 64 << 20
MAX_PENDING = 1000
STOP_S = 1.0


@contextlib.contextmanager
def socket_address(directory: Path) -> Iterator[str]:
    """A short path to the log's socket, valid within the context."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


class EmbeddedServer:
    """Serves `log` to other processes between `start` and `close`.

    A client that misbehaves loses its connection only.
    """

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        listener = await asyncio.to_thread(_listen, self._log.directory)
        try:
            self._server = await asyncio.start_unix_server(self._accept, sock=listener)
        except BaseException:
            listener.close()
            raise

    async def close(self) -> None:
        """Ends all sessions; appends under way are finished first as far as a second allows. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with contextlib.suppress(OSError):
            await asyncio.to_thread((self._log.directory / SOCKET_NAME).unlink)
        for session in self._sessions:
            session.cancel()
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=STOP_S)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._session(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._ended)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _same_user(writer):
                await _Session(self._log, reader, writer).run()
        finally:
            writer.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.on_failure(error)


def _listen(directory: Path) -> socket.socket:
    """A listening socket in `directory`, in place of one that a killed process left there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        with socket_address(directory) as address:
            path = Path(address)
            path.unlink(missing_ok=True)
            listener.bind(address)
            path.chmod(0o600)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def _same_user(writer: asyncio.StreamWriter) -> bool:
    credentials = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


class _Session:
    """One client's connection."""

    def __init__(self, log: EmbeddedLog, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._log = log
        self._reader = reader
        self._writer = writer
        self._waits: dict[int, asyncio.Task[None]] = {}
        self._pending = 0
        self._pending_bytes = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    await self._serve(tasks)
                finally:
                    for task in self._waits.values():
                        task.cancel()
        except* (asyncio.IncompleteReadError, ConnectionError, wire.BadFrame, msgspec.DecodeError):
            # The client went away or spoke nonsense; its own side reports that.
            pass

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        hello = wire.decode_request(await wire.read_frame(self._reader))
        if not isinstance(hello, wire.Hello) or hello.version != wire.VERSION:
            self._send(wire.Failed(0, "LogError", f"the writing process speaks version {wire.VERSION}; restart both"))
            return
        self._send(wire.Welcome(wire.VERSION))
        while True:
            body = await wire.read_frame(self._reader)
            request = wire.decode_request(body)
            match request:
                case wire.Append():
                    await self._wait_for_room(len(body))
                    tasks.create_task(self._append(request, len(body)))
                case wire.Wait():
                    await self._wait_for_room(0)
                    self._waits[request.request] = tasks.create_task(self._wait(request))
                case wire.Cancel():
                    if wait := self._waits.get(request.request):
                        wait.cancel()
                case wire.Hello():
                    raise wire.BadFrame("a second hello")

    async def _wait_for_room(self, size: int) -> None:
        """Stops reading from a client that has much under way: the socket then holds it back."""
        while self._pending >= MAX_PENDING or (self._pending and self._pending_bytes + size > MAX_PENDING_BYTES):
            self._room.clear()
            await self._room.wait()
        self._pending += 1
        self._pending_bytes += size

    def _done(self, size: int) -> None:
        self._pending -= 1
        self._pending_bytes -= size
        self._room.set()

    async def _append(self, request: wire.Append, size: int) -> None:
        try:
            records = [NewRecord(key, kind, value) for key, kind, value in request.records]
            positions = await self._log.append(request.topic, request.partition, records)
            await self._answer(wire.Appended(request.request, positions[0].offset, positions[0].append_ns))
        except LogError as error:
            await self._answer(_failed(request.request, error))
        finally:
            self._done(size)

    async def _wait(self, request: wire.Wait) -> None:
        try:
            await self._log.wait_beyond(request.topic, request.partition, request.offset, request.wait_s)
            await self._answer(wire.Woken(request.request))
        except LogError as error:
            await self._answer(_failed(request.request, error))
        finally:
            self._waits.pop(request.request, None)
            self._done(0)

    def _send(self, reply: wire.Reply) -> None:
        self._writer.write(wire.frame(reply))

    async def _answer(self, reply: wire.Reply) -> None:
        self._send(reply)
        await self._writer.drain()


def _failed(request: int, error: LogError) -> wire.Failed:
    known = type(error).__name__ if type(error) in (LogError, LogUnavailable) else "LogError"
    return wire.Failed(request, known, str(error))
