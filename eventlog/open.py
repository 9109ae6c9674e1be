"""How a role gets hold of the log: async context managers, one per way of running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from eventlog.embedded.log import EmbeddedLog
from eventlog.embedded.remote import RemoteLog
from eventlog.embedded.server import EmbeddedServer
from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.log import KafkaLog
from eventlog.kafka.topics import verify_topics
from eventlog.limits import APPEND_DEADLINE_S
from eventlog.port import LogUnavailable, TopicSpec


@asynccontextmanager
async def open_embedded_writer(
    directory: Path,
    specs: Sequence[TopicSpec],
    *,
    first_incarnation: int = 1,
    append_deadline_s: float = APPEND_DEADLINE_S,
    on_failure: Callable[[BaseException], None] | None = None,
) -> AsyncIterator[EmbeddedLog]:
    """The embedded log in the one process that writes it; the others reach it by `open_embedded_client`.

    Raises `LogError` naming the process that already writes `directory`, `TopicMissing` if `specs` do not fit what is
    there.
    """
    log = await EmbeddedLog.open(
        directory,
        specs,
        first_incarnation=first_incarnation,
        append_deadline_s=append_deadline_s,
        on_failure=on_failure,
    )
    try:
        server = EmbeddedServer(log)
        await server.start()
        try:
            yield log
        finally:
            await server.close()
    finally:
        await log.close()


@asynccontextmanager
async def open_embedded_client(
    directory: Path, *, wait_s: float = 30.0, append_deadline_s: float = APPEND_DEADLINE_S
) -> AsyncIterator[RemoteLog]:
    """The embedded log in every other process of the machine. Waits up to `wait_s` for the log to be created."""
    until = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            log = await RemoteLog.open(directory, append_deadline_s)
            break
        except LogUnavailable:
            if asyncio.get_running_loop().time() >= until:
                raise
            await asyncio.sleep(0.05)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def open_kafka(
    connection: KafkaConnection, specs: Sequence[TopicSpec], *, append_deadline_s: float = APPEND_DEADLINE_S
) -> AsyncIterator[KafkaLog]:
    """The log on Kafka. Raises `TopicMissing` naming all that is wrong with the topics (`create_topics` makes them)."""
    await verify_topics(specs, connection)
    log = KafkaLog(connection, specs, append_deadline_s)
    try:
        yield log
    finally:
        await log.close()
