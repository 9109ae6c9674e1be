"""From the outbox to the channels: the part of the alarm room that does I/O."""

from __future__ import annotations

from alerting.dispatch.chain import ChainGuard, ChainProbe
from alerting.dispatch.dispatcher import Dispatcher
from alerting.dispatch.ports import Channel, Clock, Meter, OutboxView, ReceiptLog

__all__ = ["ChainGuard", "ChainProbe", "Channel", "Clock", "Dispatcher", "Meter", "OutboxView", "ReceiptLog"]
