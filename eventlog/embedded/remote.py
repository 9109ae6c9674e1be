"""`RemoteLog`: the embedded log as the other processes of the machine see it.

Reads open the files themselves, so a console that reads a year costs the alarm path nothing. Appends, and waking up
when a record arrives, go through the writing process's socket. Without it reads go on, by polling, and appends raise
`LogUnavailable` after their deadline; the next call connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from eventlog.embedded import wire
from eventlog.embedded.directory import load
from eventlog.embedded.packing import stored_size
from eventlog.embedded.reading import ReadPool
from eventlog.embedded.server import socket_address
from eventlog.limits import APPEND_DEADLINE_S, CLOSE_DEADLINE_S, check_records
from eventlog.port import Bounds, LogError, LogUnavailable, NewRecord, Position, Record, TopicMissing, TopicSpec

POLL_S = 0.05
RETRY_S = 0.1
FRAME_RECORD_BYTES = 16 << 20
_ERRORS = {"LogError": LogError, "LogUnavailable": LogUnavailable}


class RemoteLog:
    """`EventLog` beside a process that holds the same directory as `EmbeddedLog` and serves it."""

    def __init__(
        self, directory: Path, specs: dict[str, TopicSpec], incarnation: int, append_deadline_s: float
    ) -> None:
        """Use `open`."""
        self._directory = directory
        self._deadline_s = append_deadline_s
        self._specs = specs
        self._incarnation = incarnation
        self._pool = ReadPool(directory)
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, directory: Path, append_deadline_s: float = APPEND_DEADLINE_S) -> RemoteLog:
        """Raises `LogUnavailable` if the directory holds no log yet. The writing process need not run."""
        specs, incarnation = await asyncio.to_thread(load, directory)
        return cls(directory, specs, incarnation, append_deadline_s)

    def _spec(self, topic: str, partition: int) -> TopicSpec:
        spec = self._specs.get(topic)
        if spec is None:
            raise TopicMissing(f"{self._directory}: there is no topic {topic}; the log has {', '.join(self._specs)}")
        if not 0 <= partition < spec.partitions:
            raise TopicMissing(f"{topic} has no partition {partition}: it has {spec.partitions}")
        return spec

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        check_records(self._spec(topic, partition), records)
        positions: list[Position] = []
        try:
            async with asyncio.timeout(self._deadline_s):
                for group in _frames(records):
                    positions += await self._append(topic, partition, group)
        except TimeoutError as error:
            raise LogUnavailable(
                f"topic {topic}: the process that writes {self._directory} did not confirm an append within "
                f"{self._deadline_s:g} s; is it running?"
            ) from error
        return positions

    async def _append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        link = await self._connected()
        rows = [(record.key, record.kind, record.value) for record in records]
        reply = await link.ask(wire.Append(link.new_id(), topic, partition, rows))
        if not isinstance(reply, wire.Appended):
            raise LogError(f"the writing process answered an append with {reply}")
        return [Position(partition, reply.first + index, reply.append_ns) for index in range(len(records))]

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]:
        self._spec(topic, partition)
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            records = await self._pool.run(
                topic, lambda reader: reader.read(partition, start, max_records=max_records, max_bytes=max_bytes)
            )
            left_s = until - asyncio.get_running_loop().time()
            if records or left_s <= 0:
                return records
            await self._wait(topic, partition, start, left_s)

    async def _wait(self, topic: str, partition: int, offset: int, wait_s: float) -> None:
        """Until a record may have come, at most `wait_s`."""
        try:
            link = await self._connect()
            await link.ask(wire.Wait(link.new_id(), topic, partition, offset, wait_s))
        except LogUnavailable:
            if self._closed:
                raise
            await asyncio.sleep(min(POLL_S, wait_s))

    async def bounds(self, topic: str, partition: int) -> Bounds:
        self._spec(topic, partition)
        return await self._pool.run(topic, lambda reader: reader.bounds(partition))

    async def partitions(self, topic: str) -> int:
        return self._spec(topic, 0).partitions

    async def incarnation(self) -> int:
        return self._incarnation

    async def close(self) -> None:
        self._closed = True
        self._pool.close()
        if self._link is not None:
            await self._link.close()

    async def _connected(self) -> _Link:
        """The link to the writing process; tries until the caller's deadline."""
        while True:
            try:
                return await self._connect()
            except LogUnavailable:
                if self._closed:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _connect(self) -> _Link:
        async with self._connecting:
            if self._closed:
                raise LogUnavailable("the log is closed")
            if self._link is None or self._link.broken:
                self._link = await _Link.open(self._directory)
                # The files may have been restored while the writing process was away.
                self._pool.forget()
                self._specs, self._incarnation = await asyncio.to_thread(load, self._directory)
            return self._link


def _frames(records: Sequence[NewRecord]) -> Iterator[Sequence[NewRecord]]:
    begin, size = 0, 0
    for index, record in enumerate(records):
        size += stored_size(record)
        if size > FRAME_RECORD_BYTES and index > begin:
            yield records[begin:index]
            begin, size = index, stored_size(record)
    if begin < len(records):
        yield records[begin:]


class _Link:
    """A connection to the writing process. When it ends, whatever the reason, all that wait get `LogUnavailable`."""

    hello = wire.Hello(wire.VERSION)

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broken = False
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[wire.Reply]] = {}
        self._task = asyncio.create_task(self._receive())

    @classmethod
    async def open(cls, directory: Path) -> _Link:
        try:
            with socket_address(directory) as path:
                reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise LogUnavailable(f"no process serves the log in {directory}: {error}") from error
        try:
            writer.write(wire.frame(cls.hello))
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                reply = wire.decode_reply(await wire.read_frame(reader))
        except (OSError, EOFError, TimeoutError, wire.BadFrame, msgspec.DecodeError) as error:
            writer.close()
            raise LogUnavailable(
                f"the process that serves the log in {directory} does not answer: {error!r}"
            ) from error
        if isinstance(reply, wire.Failed):
            writer.close()
            raise LogError(reply.message)
        return cls(reader, writer)

    def new_id(self) -> int:
        return next(self._ids)

    async def ask(self, request: wire.Append | wire.Wait) -> wire.Reply:
        if self.broken:
            raise LogUnavailable("the connection to the log's writing process is lost")
        answer: asyncio.Future[wire.Reply] = asyncio.get_running_loop().create_future()
        self._pending[request.request] = answer
        try:
            self._writer.write(wire.frame(request))
            await self._writer.drain()
            reply = await answer
        except asyncio.CancelledError:
            if isinstance(request, wire.Wait) and not self.broken:
                self._writer.write(wire.frame(wire.Cancel(request.request)))
            raise
        except ConnectionError as error:
            self.broken = True
            raise LogUnavailable(f"the connection to the log's writing process is lost: {error}") from error
        finally:
            del self._pending[request.request]
        if isinstance(reply, wire.Failed):
            raise _ERRORS.get(reply.error, LogError)(reply.message)
        return reply

    async def _receive(self) -> None:
        reason: BaseException = EOFError("the connection was closed")
        try:
            while True:
                reply = wire.decode_reply(await wire.read_frame(self._reader))
                answer = None if isinstance(reply, wire.Welcome) else self._pending.get(reply.request)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except Exception as error:
            reason = error
        finally:
            self.broken = True
            self._writer.close()
            for answer in self._pending.values():
                if not answer.done():
                    failure = LogUnavailable(f"the connection to the log's writing process is lost: {reason!r}")
                    failure.__cause__ = reason
                    answer.set_exception(failure)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
