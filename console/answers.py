"""Answers to commands: who waits for one gets it, and the newest ones can be asked for again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from schemas.alarms import Answer

KEPT = 10_000


class Answers:
    """The first answer to each command counts; copies by twins change nothing."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Answer] = OrderedDict()
        self._waiting: dict[str, list[asyncio.Future[Answer]]] = {}

    def get(self, command: str) -> Answer | None:
        return self._known.get(command)

    def put(self, answer: Answer) -> None:
        if answer.command in self._known:
            return
        self._known[answer.command] = answer
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        for waiter in self._waiting.pop(answer.command, ()):
            if not waiter.done():
                waiter.set_result(answer)

    async def wait(self, command: str, seconds: float) -> Answer | None:
        """The answer, or None when there was none in time."""
        known = self._known.get(command)
        if known is not None:
            return known
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(command, []).append(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            return None
        finally:
            left = [other for other in self._waiting.get(command, ()) if other is not waiter]
            if left:
                self._waiting[command] = left
            else:
                self._waiting.pop(command, None)
