"""The way to the broker that mends itself: connect, listen, and connect again with jitter, for ever."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ingest.acks import Message
from ingest.config import MqttConfig
from ingest.connection import Connection, MqttError, SubscriptionRefused

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0
STABLE_S = 30.0
"""A connection that lasted so long starts the delays afresh; two processes with one client id never get there."""

ANSWER_S = 10.0


class Mqtt:
    """The subscription to all sources (`filters`), and to topics whose retained message is wanted too (`retained`).

    `run` returns only by an exception that must end the process.

    `begin(epoch)` is called before the first message of each connection, `deliver(messages)` with what came, in order,
    both on the event loop and without awaiting. `acked()` is called when acknowledgements have left.
    """

    def __init__(
        self,
        config: MqttConfig,
        filters: Sequence[str],
        *,
        retained: Sequence[str] = (),
        begin: Callable[[int], None],
        deliver: Callable[[list[Message]], None],
        acked: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._filters = tuple(filters)
        self._retained = tuple(retained)
        self._begin = begin
        self._deliver = deliver
        self._acked = acked
        self._epoch = 0
        self._connection: Connection | None = None
        self._again = asyncio.Event()
        self.up = False
        self.came_up = asyncio.Event()
        """Set by the first connection and never cleared."""

    async def run(self) -> None:
        """Stay connected. Raises `SubscriptionRefused`, and whatever a callback or `deliver` raised."""
        attempts = 0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            wanted = await self._session()
            if wanted:
                attempts = 0
                continue
            attempts = 1 if loop.time() - started > STABLE_S else attempts + 1
            await asyncio.sleep(random.uniform(FIRST_DELAY_S, min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**attempts)))

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Acknowledge these, in this order; those of an earlier connection are passed over."""
        if self._connection is not None:
            self._connection.acknowledge(messages)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0 if there is a connection; else it is lost."""
        if self._connection is not None and self.up:
            self._connection.publish(topic, payload)

    def reconnect(self) -> None:
        """Drop the connection and make a new one at once, so that all that is not acknowledged comes again."""
        self._again.set()

    def pause(self) -> None:
        """Read nothing until `resume`."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    def rest(self) -> None:
        """Let messages gather until `gather`."""
        if self._connection is not None:
            self._connection.rest()

    def gather(self) -> None:
        """Deliver, before this returns, what has come since `rest`."""
        if self._connection is not None:
            self._connection.gather()

    async def _session(self) -> bool:
        """One connection from beginning to end; whether its end was asked for by `reconnect`."""
        self._epoch += 1
        self._again.clear()
        self._begin(self._epoch)
        where = f"{self._config.host}:{self._config.port}"
        connection = Connection(self._config, self._epoch, self._deliver, self._acked)
        self._connection = connection
        try:
            async with asyncio.timeout(self._config.connect_timeout_s + ANSWER_S):
                present = await connection.open(self._filters, self._retained)
            log.info("connected to the broker at %s, session %s", where, "kept" if present else "new")
            self.up = True
            self.came_up.set()
            return await self._listen(connection)
        except SubscriptionRefused:
            raise
        except (OSError, TimeoutError, MqttError) as error:
            log.warning("no connection to the broker at %s: %s", where, error or type(error).__name__)
            return False
        finally:
            self.up = False
            self._connection = None
            connection.close()

    async def _listen(self, connection: Connection) -> bool:
        again = asyncio.create_task(self._again.wait(), name="mqtt-reconnect-asked")
        try:
            ends: set[asyncio.Future[Any]] = {connection.lost, connection.failed, again}
            while not any(end.done() for end in ends):
                await asyncio.wait(ends, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                connection.keep_alive()
        finally:
            again.cancel()
        if connection.failed.done():
            raise connection.failed.result()
        if connection.lost.done():
            log.warning("the connection to the broker is lost: %s", connection.lost.result())
            return False
        return True
