"""Says that the alarm chain is broken, past the log and the book, over every channel this process has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from alerting.chainwatch import ChainFault, ChainNews, ChainWatch, chain_notice
from alerting.contacts import Contacts
from alerting.dispatch.everyone import Everyone
from alerting.dispatch.ports import Channel, Clock
from alerting.routing import EVERY_CHANNEL
from alerting.sending import Delivery

log = logging.getLogger(__name__)
_LOOK_S = 1.0
_RETRY_S = 5.0
_TRIES = 12


class ChainProbe(Protocol):
    """Tells how the chain is."""

    def silent_s(self) -> Mapping[ChainFault, float]:
        """For how long each part has been silent, 0 while it is not. Does not block; missing means not watched."""
        ...


class ChainGuard:
    """Watches the chain once a second. Its messages need neither log nor database; contacts are in memory."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        contacts: Contacts,
        probe: ChainProbe,
        *,
        name: str,
        clock: Clock,
        limits_s: Mapping[ChainFault, float] | None = None,
    ) -> None:
        self._everyone = Everyone(channels, contacts)
        self._probe = probe
        self._name = name
        self._clock = clock
        self._watch = ChainWatch(limits_s)

    async def run(self) -> None:
        """Watch for ever. Ends only by cancellation, or by an error that must end the process."""
        async with asyncio.TaskGroup() as group:
            while True:
                now = self._clock.now_ns()
                for news in self._watch.look(self._probe.silent_s(), self._clock.monotonic_ns(), now):
                    log.error("alarm chain: %s %s", news.fault, "is silent" if news.raised else "works again")
                    group.create_task(self._say(news))
                await asyncio.sleep(_LOOK_S)

    async def _say(self, news: ChainNews) -> None:
        """Until one channel has taken it, for a minute at most; after that the next ten minutes say it again."""
        notice = chain_notice(news, self._name, self._clock.now_ns(), EVERY_CHANNEL)
        for attempt in range(1, _TRIES + 1):
            delivery = Delivery(notice=notice, contact=None, at_ns=self._clock.now_ns(), attempt=attempt)
            sent = await self._everyone.send(delivery)
            if sent.accepted:
                return
            log.error("alarm chain: nobody could be told: %s", sent.detail)
            await asyncio.sleep(_RETRY_S)
