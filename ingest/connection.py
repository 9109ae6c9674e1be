"""One connection to the broker, from the TCP handshake to its end: paho on the event loop, without threads of paho.

paho is driven through its public socket callbacks. Every connection has a client of its own, so nothing of one ever
reaches the next: the session lives at the broker. Callbacks only note and enqueue; an exception in one of them ends
the connection's `failed` future and with it the process, never silently the reading.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.acks import Message
from ingest.config import MqttConfig

PACKETS_PER_WAKE = 64
"""So many messages are read before the loop serves others again."""

WAKES_PER_GATHER = 4
"""How many times that much `gather` reads at most."""

T = TypeVar("T")


class MqttError(Exception):
    """The broker refused something; the text says what, and the cure."""


class SubscriptionRefused(MqttError):
    """The broker does not let us read a topic that a source needs."""


class Connection:
    """`await open()`, then messages come to `deliver` until `lost` is done; `close()` in any case.

    `lost` resolves to the reason; `failed` to an exception that must end the process.
    """

    def __init__(
        self,
        config: MqttConfig,
        epoch: int,
        deliver: Callable[[list[Message]], None],
        acked: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self.epoch = epoch
        self._deliver = deliver
        self._acked = acked
        self._acks_queued = False
        self._sock: Any = None
        self._paused = False
        self._resting = False
        self._inbox: list[Message] = []
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.failed: asyncio.Future[BaseException] = self._loop.create_future()
        self._connack: asyncio.Future[bool] = self._loop.create_future()
        self._suback: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._client = self._made()

    def _made(self) -> Client:
        config = self._config
        v5 = config.mqtt == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if v5 else False,
            protocol=MQTTv5 if v5 else MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = config.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = self._on_written
        return client

    async def open(self, filters: Sequence[str], retained: Sequence[str] = ()) -> bool:
        """Connect and subscribe; whether the broker still had our session. Bounded by the caller.

        What the broker has retained comes for the filters in `retained`, every time, and for no others (with MQTT
        3.1.1 it comes for all).

        Raises OSError, `MqttError` when the broker refuses us, `SubscriptionRefused` when it refuses a filter.
        """
        await _in_thread(self._connect)
        self._attach()
        present = await self._answer(self._connack)
        await self._subscribe(filters, retained)
        return present

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Queue the acknowledgements; none for a message of another connection."""
        for message in messages:
            if message.epoch == self.epoch and not self.lost.done():
                self._client.ack(message.mid, message.qos)
                self._acks_queued = True

    def publish(self, topic: str, payload: bytes) -> None:
        """Queue a message with QoS 0."""
        if not self.lost.done():
            self._client.publish(topic, payload, qos=0)

    def pause(self) -> None:
        """Read nothing more until `resume`: the broker waits behind TCP."""
        self._paused = True
        self._listen()

    def resume(self) -> None:
        self._paused = False
        self._listen()

    def rest(self) -> None:
        """Let what comes gather in the socket until `gather`: the process need not wake up for every message."""
        self._resting = True
        self._listen()

    def gather(self) -> None:
        """End of the rest: deliver at once what has come meanwhile."""
        self._resting = False
        self._listen()
        if self._sock is not None and not self._paused:
            self._guarded(self._read_all)

    def _listen(self) -> None:
        """Be called for what comes, or not."""
        if self._sock is None:
            return
        if self._paused or self._resting:
            self._loop.remove_reader(self._sock)
        else:
            self._loop.add_reader(self._sock, self._readable)

    def keep_alive(self) -> None:
        """Call once a second: pings, and finds a dead peer."""
        self._guarded(self._client.loop_misc)

    def close(self) -> None:
        """Say goodbye if that can be done at once, and let go. The session stays at the broker. Idempotent."""
        self._end("closed")
        self._client.disconnect()
        self._guarded(self._client.loop_write)
        sock = self._client.socket()
        if sock is not None:
            self._detach()
            sock.close()

    # Connecting

    def _connect(self) -> None:
        """Blocking, in a thread of its own: files, name look-up, TCP, TLS."""
        config, client = self._config, self._client
        if config.username:
            password = Path(config.password_file).read_text().strip() if config.password_file else None
            client.username_pw_set(config.username, password)
        if config.tls:
            client.tls_set(config.tls_ca_file or None, config.tls_cert_file or None, config.tls_key_file or None)
        properties = None
        clean: dict[str, Any] = {}
        if config.mqtt == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = config.session_expiry_s
            properties.ReceiveMaximum = config.receive_maximum
            clean = {"clean_start": False}
        client.connect(config.host, config.port, config.keepalive_s, properties=properties, **clean)
        sock = client.socket()
        if sock is not None and self.lost.done():
            # Nobody waits any more; the broker has not heard of us yet.
            sock.close()

    async def _subscribe(self, filters: Sequence[str], retained: Sequence[str]) -> None:
        """With QoS 1: at QoS 2 a message whose process died between its two acknowledgements would be lost."""
        every = [*filters, *retained]
        if self._config.mqtt == "5":
            without = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            wanted = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
            self._client.subscribe([(one, without) for one in filters] + [(one, wanted) for one in retained])
        else:
            self._client.subscribe([(one, 1) for one in every])
        answers = await self._answer(self._suback)
        refused = [f"{one!r}: {code}" for one, code in zip(every, answers, strict=True) if code.is_failure]
        if refused:
            raise SubscriptionRefused(
                f"the broker refuses {'; '.join(refused)}; give the user {self._config.username!r} read access to it "
                "in the broker's ACL, or change the topic of the source"
            )

    async def _answer(self, answer: asyncio.Future[T]) -> T:
        """The answer, or why there will be none."""
        any_of: set[asyncio.Future[Any]] = {answer, self.lost, self.failed}
        await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if self.failed.done():
            raise self.failed.result()
        raise MqttError(f"the connection ended: {self.lost.result()}")

    # paho's callbacks

    def _on_connect(
        self, client: Client, userdata: object, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if self._connack.done():
            return
        if code.is_failure:
            self._connack.set_exception(MqttError(f"the broker refuses the connection: {code}"))
        else:
            self._connack.set_result(flags.session_present)

    def _on_subscribe(
        self, client: Client, userdata: object, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        if not self._suback.done():
            self._suback.set_result(codes)

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        topic: str | None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = None
        self._inbox.append(Message(self.epoch, message.mid, message.qos, message.retain, topic, bytes(message.payload)))

    def _on_disconnect(
        self, client: Client, userdata: object, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._end(str(code))

    def _on_want_write(self, client: Client, userdata: object, sock: Any) -> None:
        if self._sock is not None:
            self._loop.add_writer(self._sock, self._writable)

    def _on_written(self, client: Client, userdata: object, sock: Any) -> None:
        if self._sock is not None:
            self._loop.remove_writer(self._sock)

    def _on_socket_close(self, client: Client, userdata: object, sock: Any) -> None:
        self._detach()
        self._end("the socket was closed")

    # The event loop

    def _attach(self) -> None:
        sock = self._client.socket()
        if sock is None:
            raise ConnectionError("the connection ended at once")
        self._sock = sock
        self._listen()
        if self._client.want_write():
            self._loop.add_writer(sock, self._writable)

    def _detach(self) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock = None

    def _readable(self) -> None:
        self._guarded(self._read)

    def _read_all(self) -> None:
        for _ in range(WAKES_PER_GATHER):
            if not self._read():
                break

    def _read(self) -> bool:
        """Read and deliver; whether there may be more."""
        more = True
        for _ in range(PACKETS_PER_WAKE):
            before = len(self._inbox)
            self._client.loop_read()
            if len(self._inbox) == before or self._client.socket() is None:
                more = False
                break
        inbox, self._inbox = self._inbox, []
        if inbox:
            self._deliver(inbox)
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() and not self._paused and not self._resting:
            # What TLS has already decrypted wakes no selector.
            self._loop.call_soon(self._readable)
        return more

    def _writable(self) -> None:
        self._guarded(self._client.loop_write)
        if self._acks_queued and not self._client.want_write():
            self._acks_queued = False
            self._guarded(self._acked)

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:
            if not self.failed.done():
                self.failed.set_result(error)
            self._end(f"{type(error).__name__}: {error}")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread, so that neither a cancellation nor the end of the process waits for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as failure:
            error = failure
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            pass

    threading.Thread(target=body, name="mqtt-connect", daemon=True).start()
    return await done
