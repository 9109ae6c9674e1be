"""How to reach a Kafka cluster, and how to leave it: the one module that touches aiokafka's insides.

aiokafka's `stop` waits for the broker, for ever if that is frozen. The functions here ask nicely, then cut the
connections and cancel what is left, so that nothing abandoned can still be written and no task outlives its owner. They
reach into private attributes of aiokafka 0.14; `tests/eventlog/test_kafka_faults.py` holds them to it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator

log = logging.getLogger(__name__)
CLEAR_UP_S = 0.5
REQUEST_TIMEOUT_MS = 10_000
"""Within this a dead connection is given up and made again; also how long a partition may be without a leader."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the cluster is and how to log in there.

    `bootstrap` is `host:port`, several separated by commas. TLS is used if `ca_file` or `cert_file` is given or `tls`
    is set; SASL if `username` is.
    """

    bootstrap: str
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sasl_mechanism: str = "SCRAM-SHA-512"

    def options(self) -> dict[str, Any]:
        """Arguments common to all clients of aiokafka. Reads the certificate files (blocking)."""
        encrypted = self.tls or bool(self.ca_file or self.cert_file)
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "client_id": "hazwatch",
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "security_protocol": ("SASL_" if self.username else "") + ("SSL" if encrypted else "PLAINTEXT"),
        }
        if encrypted:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
            options["ssl_context"] = context
        if self.username:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password or "",
            }
        return options


async def stop_consumer(consumer: AIOKafkaConsumer, within_s: float) -> None:
    """Ends a consumer in `within_s` at most (and half a second of clearing up), whatever the broker does."""
    if not await _ended(consumer.stop(), within_s):
        _cut(consumer._client)
        fetcher = consumer._fetcher
        tasks = set() if fetcher is None else {fetcher._fetch_task, *fetcher._pending_tasks}
        await _cancel({*tasks, *_client_tasks(consumer._client)})


async def stop_admin(admin: AIOKafkaAdminClient, within_s: float) -> None:
    """Ends an admin client, likewise."""
    if not await _ended(admin.close(), within_s):
        _cut(admin._client)
        await _cancel(_client_tasks(admin._client))


async def stop_producer(producer: AIOKafkaProducer, within_s: float) -> None:
    """Ends a producer after delivering what it holds, if that takes no longer than `within_s`; then drops the rest.

    What was dropped may still stand in the log: the broker may have received it.
    """
    if await _ended(producer.stop(), within_s):
        return
    _drop_all(producer._message_accumulator)
    sender = producer._sender.sender_task
    for _ in range(5):
        # The sender waits for its requests when it is cancelled; without connections they end, one by one.
        _cut(producer.client)
        if await _cancel(_client_tasks(producer.client) | ({sender} if sender else set())):
            return
    log.warning("a producer did not end")


def _drop_all(accumulator: MessageAccumulator) -> None:
    dropped = [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]
    accumulator.fail_all(KafkaError("the producer was stopped before this was acknowledged"))
    for batch in dropped:
        if not batch._drain_waiter.cancelled():
            batch._drain_waiter.exception()  # nobody waits for it any more, and asyncio would complain of that


async def _ended(stop: Coroutine[Any, Any, None], within_s: float) -> bool:
    """Runs `stop` as a task of its own, since it may be cancelled by its own clearing up; False if it did not end
    well.
    """
    task = asyncio.ensure_future(stop)
    try:
        await asyncio.wait({task}, timeout=within_s)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=CLEAR_UP_S)
    return task.done() and not task.cancelled() and task.exception() is None


def _client_tasks(client: Any) -> set[asyncio.Task[Any]]:
    return {client._sync_task} if client._sync_task else set()


def _cut(client: Any) -> None:
    """Closes all connections at once, unsent bytes and all."""
    for connection in list(client._conns.values()):
        if (writer := connection._writer) is not None:
            writer.transport.abort()
        connection.close()


async def _cancel(tasks: set[asyncio.Task[Any]]) -> bool:
    """Cancels tasks that nobody else will look at; True when all have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLEAR_UP_S / 5)
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            log.debug("while stopping: %r", error)
    return all(task.done() for task in tasks)
