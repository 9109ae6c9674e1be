"""Acknowledging in order, and never to another connection. Pure.

MQTT wants acknowledgements in the order in which the messages came. An acknowledgement carries only a packet number,
and numbers are used again: one that is sent after a reconnect, for a message of the connection before, acknowledges a
message that nobody has read, and that message is lost. So every message belongs to an *epoch*, one per connection.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Message(NamedTuple):
    """A message as it came over one connection. `topic` is None when it was no UTF-8."""

    epoch: int
    mid: int
    qos: int
    retain: bool
    topic: str | None
    payload: bytes


class _Entry:
    __slots__ = ("done", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.done = False


class Acks:
    """The messages of one epoch that are not acknowledged yet, in the order in which they came."""

    def __init__(self) -> None:
        self.epoch = 0
        self._waiting: deque[_Entry] = deque()
        self._by_mid: dict[int, _Entry] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, epoch: int) -> None:
        """A new connection: what waited belongs to the old one and will come again."""
        self.epoch = epoch
        self._waiting.clear()
        self._by_mid.clear()

    def arrived(self, message: Message) -> None:
        """A message came; QoS 0 has nothing to acknowledge."""
        if message.qos and message.epoch == self.epoch:
            entry = _Entry(message)
            self._waiting.append(entry)
            self._by_mid[message.mid] = entry

    def done(self, message: Message) -> list[Message]:
        """The message is in the log: the messages that may be acknowledged now, in order.

        Nothing for a message of another epoch.
        """
        if not message.qos or message.epoch != self.epoch:
            return []
        self._by_mid[message.mid].done = True
        ready = []
        while self._waiting and self._waiting[0].done:
            entry = self._waiting.popleft()
            del self._by_mid[entry.message.mid]
            ready.append(entry.message)
        return ready
