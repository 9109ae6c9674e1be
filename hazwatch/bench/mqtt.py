"""A publisher that speaks just enough MQTT 3.1.1 to load a broker: the load's own CPU is part of what is measured."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

_CONNACK = b"\x20\x02\x00\x00"
_PUBACK_BYTES = 4
_MOST_UNACKED = 20_000
_CONNECT_S = 10.0


def _length(size: int) -> bytes:
    """MQTT's remaining length: seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(out)


def _text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


class Publisher:
    """One connection that publishes with QoS 1 and counts acknowledgements. Nothing blocks after `connect`."""

    def __init__(self, port: int, client: str) -> None:
        """Connect to a broker on this machine. Raises OSError."""
        self.acknowledged = 0
        self.sent = 0
        self._out = bytearray()
        self._in = 0
        self.socket = socket.create_connection(("127.0.0.1", port), _CONNECT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = _text(b"MQTT") + b"\x04\x02\x00\x00" + _text(client.encode())
        self.socket.sendall(b"\x10" + _length(len(body)) + body)
        answer = self.socket.recv(4)
        if answer != _CONNACK:
            raise ConnectionError(f"the broker refused the connection: {answer.hex()}")
        self.socket.setblocking(False)

    @property
    def unacknowledged(self) -> int:
        return self.sent - self.acknowledged

    @property
    def room(self) -> bool:
        """Whether another message may be published now."""
        return self.unacknowledged < _MOST_UNACKED

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Queue one message; `flush` sends it. `topic` is encoded already, see `encoded_topic`."""
        self.sent += 1
        size = len(topic) + 2 + len(payload)
        self._out += b"\x32" + _length(size) + topic + struct.pack(">H", self.sent % 65_535 + 1) + payload

    def flush(self) -> None:
        """Send what the socket takes. Raises OSError."""
        while self._out:
            try:
                done = self.socket.send(self._out)
            except BlockingIOError:
                return
            del self._out[:done]

    @property
    def waiting(self) -> bool:
        """Whether bytes are still to be sent."""
        return bool(self._out)

    def read_acknowledgements(self) -> None:
        """Count what the broker has acknowledged. Raises ConnectionError when it has gone."""
        try:
            data = self.socket.recv(65_536)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the broker closed the connection")
        self._in += len(data)
        self.acknowledged = self._in // _PUBACK_BYTES

    def close(self) -> None:
        """Say goodbye."""
        self.socket.setblocking(True)
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()


encoded_topic: Callable[[bytes], bytes] = _text
"""A topic as `publish` takes it."""
