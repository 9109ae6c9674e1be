"""The MQTT client of the simulated plant: QoS 1, a bounded buffer, and loud about what goes wrong."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
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
        self._stop = threading.Event()
        self._refused = ""
        self._lost = 0
        self._given = 0
        self._taken = 0
        protocol = mqtt.MQTTv5 if broker.version == "5" else mqtt.MQTTv311
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"hazwatch-plant-{os.getpid()}", protocol=protocol
        )
        self._client.max_inflight_messages_set(MAX_IN_FLIGHT)
        self._client.max_queued_messages_set(BUFFER)
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
            signal.signal(number, lambda *_: self._stop.set())
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
        return self._given - self._taken

    def _publish(self, stream: Stream, begin_s: float, speed: float) -> None:
        started = time.monotonic()
        for now_s, batch in stream:
            due = started + (now_s - begin_s) / speed if speed > 0 else started
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            while speed == 0 and self._waiting > MAX_IN_FLIGHT:
                if self._stop.wait(0.002):
                    return
            for message in batch:
                if self._client.publish(message.topic, message.payload, qos=1).rc == mqtt.MQTT_ERR_QUEUE_SIZE:
                    self._lose()
                else:  # also without a connection: it is sent when there is one
                    self._given += 1

    def _lose(self) -> None:
        self._lost += 1
        if self._lost.bit_count() == 1:  # said of 1, 2, 4, 8 ...: often enough
            log.warning("the gateway's buffer is full: %d messages lost so far", self._lost)

    def _flush(self) -> None:
        """Give what is under way a moment."""
        deadline = time.monotonic() + FLUSH_S
        while self._waiting and not self._refused and time.monotonic() < deadline:
            time.sleep(0.01)

    def _published(self, client: mqtt.Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._taken += 1
        if reason.is_failure and not self._refused:
            self._refused = f"{reason} to publish"
            self._stop.set()

    def _connected(self, client: mqtt.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason)
            self._stop.set()
        else:
            log.info("publishing to %s", self._where)

    def _failed(self, client: mqtt.Client, userdata: Any) -> None:
        log.warning("%s cannot be reached; trying again", self._where)

    def _disconnected(
        self, client: mqtt.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure and not self._refused:
            log.warning("%s has closed the connection (%s); trying again", self._where, reason)
