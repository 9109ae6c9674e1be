"""The way of last resort: to everybody, over everything there is."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from msgspec.structs import replace

from alerting.contacts import Contacts
from alerting.dispatch.ports import Channel
from alerting.sending import Delivery, Sent, Verdict

_REMEMBERED = 1000


class Everyone:
    """Sends over every channel at once, without a contact; a channel that needs one gets every contact in turn.

    Accepted when one channel has accepted; what accepted is not asked again when the notice is repeated.
    """

    def __init__(self, channels: Mapping[str, Channel], contacts: Contacts) -> None:
        self._channels = channels
        self._contacts = contacts
        self._reached: OrderedDict[str, set[str]] = OrderedDict()

    async def send(self, delivery: Delivery) -> Sent:
        reached = self._reached.setdefault(delivery.notice.id, set())
        while len(self._reached) > _REMEMBERED:
            self._reached.popitem(last=False)
        open_ways = {name: channel for name, channel in self._channels.items() if name not in reached}
        outcomes = await asyncio.gather(*(self._over(channel, delivery) for channel in open_ways.values()))
        reached |= {name for name, sent in zip(open_ways, outcomes, strict=True) if sent.accepted}
        told = "; ".join(f"{name}: {sent.detail}" for name, sent in zip(open_ways, outcomes, strict=True))
        if reached:
            return Sent(verdict=Verdict.ACCEPTED, detail=told)
        return Sent(verdict=Verdict.RETRY, detail=told or "no channel is configured")

    async def close(self) -> None:
        """The channels are closed by whoever opened them."""

    async def _over(self, channel: Channel, delivery: Delivery) -> Sent:
        """Without a contact first; each contact, if the channel refuses that."""
        sent = await channel.send(replace(delivery, contact=None))
        if sent.verdict is not Verdict.REFUSED:
            return sent
        for contact in self._contacts:
            outcome = await channel.send(replace(delivery, contact=contact))
            if outcome.accepted or not sent.accepted:
                sent = outcome
        return sent


class Missing:
    """Stands for a channel that routes name and the configuration lacks."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def send(self, delivery: Delivery) -> Sent:
        return Sent(verdict=Verdict.REFUSED, detail=f"there is no channel {self._name!r} here; configure it")

    async def close(self) -> None:
        """Nothing to release."""
