"""A TCP proxy that loses connections at the worst moment: while a transaction is being committed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Self

_CHUNK = 1 << 16
_COMMIT = b"COMMIT\0"


class CommitProxy:
    """Forwards 127.0.0.1:`port` to `target_port`, and cuts a share of all COMMITs off in one of three ways.

    `lost`: the server never sees it. `unanswered`: the server commits, its answer never arrives. `racing`: both sides
    are cut as soon as it is on its way.
    """

    WAYS = ("lost", "unanswered", "racing")

    def __init__(self, target_port: int, share: float, seed: int) -> None:
        self.port = 0
        self.share = share
        self.cuts: Counter[str] = Counter()
        self._target_port = target_port
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        server_in, server_out = await asyncio.open_connection("127.0.0.1", self._target_port)
        answers = asyncio.create_task(self._copy(server_in, client_out))
        try:
            with suppress(ConnectionError):
                while data := await client_in.read(_CHUNK):
                    if _COMMIT in data and self._random.random() < self.share:
                        await self._cut(data, server_in, server_out, answers)
                        break
                    server_out.write(data)
                    await server_out.drain()
        finally:
            answers.cancel()
            for writer in (client_out, server_out):
                writer.close()
            self._serving.discard(task)

    async def _cut(
        self,
        data: bytes,
        server_in: asyncio.StreamReader,
        server_out: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        way = self._random.choice(self.WAYS)
        self.cuts[way] += 1
        if way == "lost":
            return
        if way == "unanswered":
            answers.cancel()
            with suppress(asyncio.CancelledError):
                await answers
        server_out.write(data)
        await server_out.drain()
        if way == "unanswered":
            await server_in.read(_CHUNK)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(_CHUNK):
                sink.write(data)
                await sink.drain()
