"""The MQTT client of the simulated plant: QoS 1, in order, a bounded buffer, and loud about what goes wrong.

paho sends again what was not acknowledged once a connection stands, but what is published while the connection is being
made it sends at once, before what waits. So the buffer is here, and paho is only given what may go now: from one
thread, while it is connected, and after a reconnect not before it got rid of what it had.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sensors_sim.gateway import Message

log = logging.getLogger(__name__)
MAX_IN_FLIGHT = 20
BUFFER = 10_000
FLUSH_S = 5.0
LOOK_S = 0.1
"""How often a signal is looked for; it must not wait for the next beat."""
Stream = Iterator[tuple[float, list[Message]]]
"""(simulated time in s since 1970, what is published then), in order of time."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where to publish, and as whom. The password is in no repr."""

    host: str
    port: int
    username: str = ""
    password: str | None = field(default=None, repr=False)
    version: str = "5"


class PublishError(RuntimeError):
    """The plant could not be published, or not all of it."""


class Publisher:
    """Publishes a stream on its beat until it ends, SIGTERM or SIGINT comes, or the broker refuses this client.

    What does not fit into the buffer is lost, as in a full gateway; without a beat (`speed` 0) it waits instead.
    """

    def __init__(self, broker: BrokerAddress) -> None:
        self._broker = broker
        self._stopped = False
        self._refused = ""
        self._lost = 0
        self._outbox: deque[Message] = deque()
        self._connected_now = False
        self._given = 0  # to paho, by the thread that publishes
        self._taken = 0  # by the broker, said by the thread of the network
        self._owed = 0
        """What must be taken before more is given: paho sends it again."""
        self._moved = threading.Event()
        protocol = mqtt.MQTTv5 if broker.version == "5" else mqtt.MQTTv311
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"hazwatch-plant-{os.getpid()}", protocol=protocol
        )
        self._client.max_inflight_messages_set(MAX_IN_FLIGHT)
        self._client.reconnect_delay_set(1, 10)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._failed
        self._client.on_disconnect = self._disconnected
        self._client.on_publish = self._published
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)

    def run(self, stream: Stream, begin_s: float, speed: float) -> None:
        """Blocks. Raises `PublishError` when the broker refuses, or has not taken everything at the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_stopped", True))
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=15)
        self._client.loop_start()
        try:
            self._publish(stream, begin_s, speed)
            self._flush()
        finally:
            self._client.disconnect()
            self._client.loop_stop()
        if self._refused:
            raise PublishError(f"{self._where} refuses this client: {self._refused}")
        if self._waiting:
            raise PublishError(f"{self._where} has not taken the last {self._waiting} messages")

    @property
    def _where(self) -> str:
        return f"the broker at {self._broker.host}:{self._broker.port}"

    @property
    def _waiting(self) -> int:
        return len(self._outbox) + self._given - self._taken

    def _publish(self, stream: Stream, begin_s: float, speed: float) -> None:
        started = time.monotonic()
        for now_s, batch in stream:
            if speed > 0:
                self._give_until(started + (now_s - begin_s) / speed, lambda: self._stopped)
            else:
                self._give_until(math.inf, lambda: self._stopped or len(self._outbox) <= MAX_IN_FLIGHT)
            if self._stopped:
                return
            for message in batch:
                if len(self._outbox) < BUFFER:
                    self._outbox.append(message)
                else:
                    self._lose()

    def _lose(self) -> None:
        self._lost += 1
        if self._lost.bit_count() == 1:  # said of 1, 2, 4, 8 ...: often enough
            log.warning("the gateway's buffer is full: %d messages lost so far", self._lost)

    def _flush(self) -> None:
        """Give what is under way a moment."""
        self._give_until(time.monotonic() + FLUSH_S, lambda: not self._waiting or bool(self._refused))

    def _give_until(self, due: float, enough: Callable[[], bool]) -> None:
        """Give paho what may go, until that moment (monotonic s) or until it is enough."""
        while True:
            self._moved.clear()
            while self._outbox and self._may_go:
                message = self._outbox.popleft()
                self._given += 1
                self._client.publish(message.topic, message.payload, qos=1)
            left = due - time.monotonic()
            if left <= 0 or enough():
                return
            self._moved.wait(min(left, LOOK_S))

    @property
    def _may_go(self) -> bool:
        return self._connected_now and self._taken >= self._owed and self._given - self._taken < MAX_IN_FLIGHT

    def _published(self, client: mqtt.Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._taken += 1
        if reason.is_failure and not self._refused:
            self._refused = f"{reason} to publish"
            self._stopped = True
        self._moved.set()

    def _connected(self, client: mqtt.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason)
            self._stopped = True
        else:
            log.info("publishing to %s", self._where)
            self._owed = self._given
            self._connected_now = True
        self._moved.set()

    def _failed(self, client: mqtt.Client, userdata: Any) -> None:
        log.warning("%s cannot be reached; trying again", self._where)

    def _disconnected(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self._connected_now = False
        if reason.is_failure and not self._refused:
            log.warning("%s has closed the connection (%s); trying again", self._where, reason)
