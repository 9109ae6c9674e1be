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
        self._dropped = 0
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
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)

    def run(self, stream: Stream, begin_s: float, speed: float) -> None:
        """Blocks. Raises `PublishError` when the broker refuses, or has not taken everything at the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=15)
        self._client.loop_start()
        try:
            undelivered = self._flush(self._publish(stream, begin_s, speed))
        finally:
            self._client.disconnect()
            self._client.loop_stop()
        if self._refused:
            raise PublishError(f"{self._where} refuses this client: {self._refused}")
        if undelivered:
            raise PublishError(f"{self._where} has not taken {undelivered} of the last messages")

    @property
    def _where(self) -> str:
        return f"the broker at {self._broker.host}:{self._broker.port}"

    def _publish(self, stream: Stream, begin_s: float, speed: float) -> list[mqtt.MQTTMessageInfo]:
        """Returns the messages that the broker has not taken yet."""
        started = time.monotonic()
        open_: list[mqtt.MQTTMessageInfo] = []
        for now_s, batch in stream:
            due = started + (now_s - begin_s) / speed if speed > 0 else started
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            open_ = [info for info in open_ if not info.is_published()]
            while speed == 0 and len(open_) > MAX_IN_FLIGHT and not self._stop.wait(0.002):
                open_ = [info for info in open_ if not info.is_published()]
            for message in batch:
                info = self._client.publish(message.topic, message.payload, qos=1)
                if info.rc == mqtt.MQTT_ERR_QUEUE_SIZE:
                    self._lose()
                else:
                    open_.append(info)
        return open_

    def _lose(self) -> None:
        self._dropped += 1
        if self._dropped.bit_count() == 1:  # said of 1, 2, 4, 8 ...: often enough
            log.warning("the gateway's buffer is full: %d messages lost so far", self._dropped)

    def _flush(self, waiting: list[mqtt.MQTTMessageInfo]) -> int:
        """Give what is under way a moment; returns how many messages the broker has not taken."""
        deadline = time.monotonic() + FLUSH_S
        while not self._refused and not all(info.is_published() for info in waiting) and time.monotonic() < deadline:
            time.sleep(0.01)
        return sum(not info.is_published() for info in waiting)

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
