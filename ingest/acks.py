"""Acknowledging in order, and never to another connection. Pure.

MQTT wants acknowledgements in the order in which the messages came. An acknowledgement carries only a packet number,
and numbers are used again: one that is sent after a reconnect, for a message of the connection before, acknowledges a
message that nobody has read, and that message is lost. So every message belongs to an *epoch*, one per connection.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

CONDEMNED = -1
"""The epoch that no connection has."""


class Message(NamedTuple):
    """A message as it came over one connection. `topic` is None when it was no UTF-8."""

    epoch: int
    mid: int
    qos: int
    retain: bool
    topic: str | None
    payload: bytes


class Ticket:
    """A message on its way into the log: how many parts of it are not appended yet, and whether all of it is.

    `readings` counts its readings and `sequence` is that of the gateway contract, for whoever hears of its end.
    """

    __slots__ = ("done", "message", "open_parts", "readings", "sequence")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.open_parts = 0
        self.done = False
        self.readings = 0
        self.sequence = 0


class Acks:
    """The messages of one epoch that are not acknowledged yet, in the order in which they came."""

    def __init__(self) -> None:
        self.epoch = 0
        self._waiting: deque[Ticket] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, epoch: int) -> None:
        """A new connection: what waited belongs to the old one and will come again."""
        self.epoch = epoch
        self._waiting.clear()

    def condemn(self) -> None:
        """Acknowledge nothing more over this connection: something of it was not appended, and only a new connection
        brings it again."""
        self.begin(CONDEMNED)

    def arrived(self, ticket: Ticket) -> None:
        """A message came; with QoS 0 there is nothing to acknowledge."""
        if ticket.message.qos and ticket.message.epoch == self.epoch:
            self._waiting.append(ticket)

    def done(self, ticket: Ticket) -> list[Message]:
        """All of the message is in the log: the messages that may be acknowledged now, in order."""
        ticket.done = True
        ready = []
        while self._waiting and self._waiting[0].done:
            ready.append(self._waiting.popleft().message)
        return ready
