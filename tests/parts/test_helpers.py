"""The helpers that other tests stand on: waiting, the fault proxy, the webhook sink."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.parts.fault_proxy import FaultProxy
from tests.parts.net import GaveUp, eventually, free_port, wait_until
from tests.parts.webhook_sink import WebhookSink, answer, hang, redirect, reset, slow


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield port


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(echo) as running:
        yield running


class Line:
    """A client's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def get(self, count: int, within_s: float = 10.0) -> bytes:
        async with asyncio.timeout(within_s):
            return await self._reader.readexactly(count)

    def close(self) -> None:
        self._writer.close()


def test_wait_until_says_what_it_saw() -> None:
    with pytest.raises(GaveUp, match="the moon is full; last seen: AssertionError: half"):

        def moon() -> bool:
            raise AssertionError("half")

        wait_until(moon, "the moon is full", within_s=0.05)


async def test_eventually_takes_async_conditions_and_lets_errors_through() -> None:
    left = [False, False, True]

    async def turn() -> bool:
        return left.pop(0)

    assert await eventually(turn, "it turns") is True
    with pytest.raises(IndexError):
        await eventually(turn, "it turns again")


async def test_proxy_forwards_much_and_in_order(proxy: FaultProxy) -> None:
    line = await Line.to(proxy.port)
    sent = bytes(range(256)) * 8192
    line.send(sent)
    assert await line.get(len(sent)) == sent
    line.close()


async def test_proxy_latency_counts_both_ways(proxy: FaultProxy) -> None:
    line = await Line.to(proxy.port)
    proxy.latency_s = 0.1
    start = time.monotonic()
    line.send(b"ping")
    assert await line.get(4) == b"ping"
    assert time.monotonic() - start >= 0.2
    line.close()


async def test_proxy_stall_loses_nothing(proxy: FaultProxy) -> None:
    line = await Line.to(proxy.port)
    proxy.stall()
    line.send(b"ping")
    with pytest.raises(TimeoutError):
        await line.get(4, within_s=0.2)
    await proxy.heal()
    line.send(b"pong")
    assert await line.get(8) == b"pingpong"
    line.close()


async def test_proxy_reset_and_refuse(proxy: FaultProxy) -> None:
    line = await Line.to(proxy.port)
    line.send(b"ping")
    await line.get(4)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await line.get(1)
    await eventually(lambda: proxy.connections == 0, "the proxy forgets the connection")
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await Line.to(proxy.port)
    await proxy.heal()
    line = await Line.to(proxy.port)
    line.send(b"ping")
    assert await line.get(4) == b"ping"
    line.close()


async def test_proxy_half_open_is_silent_until_healed(proxy: FaultProxy) -> None:
    line = await Line.to(proxy.port)
    line.send(b"ping")
    await line.get(4)
    proxy.half_open()
    line.send(b"lost")
    with pytest.raises(TimeoutError):
        await line.get(1, within_s=0.2)
    await proxy.heal()
    with pytest.raises(ConnectionResetError):
        await line.get(1)
    await eventually(lambda: proxy.connections == 0, "the proxy forgets the connection")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def test_sink_follows_its_script_per_path(webhook_sink: WebhookSink, http: aiohttp.ClientSession) -> None:
    webhook_sink.behave("/a", answer(500), answer(404), redirect("/b"))
    got = [(await http.post(webhook_sink.url("/a"), data=str(n), allow_redirects=False)).status for n in range(4)]
    assert got == [500, 404, 302, 200]
    assert [r.body for r in await webhook_sink.wait_for(4, path="/a")] == [b"0", b"1", b"2", b"3"]
    assert (await http.post(webhook_sink.url("/b"), json={"x": 1})).status == 200
    last = webhook_sink.requests[-1]
    assert (last.method, last.path, last.json(), last.headers["content-type"]) == (
        "POST",
        "/b",
        {"x": 1},
        "application/json",
    )


async def test_sink_can_be_slow_hang_break_off_and_be_down(
    webhook_sink: WebhookSink, http: aiohttp.ClientSession
) -> None:
    webhook_sink.behave("/a", slow(0.2), hang(), reset())
    assert (await http.post(webhook_sink.url("/a"))).status == 200
    with pytest.raises(TimeoutError):
        await http.post(webhook_sink.url("/a"), timeout=aiohttp.ClientTimeout(total=0.5))
    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await http.post(webhook_sink.url("/a"))
    await webhook_sink.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.post(webhook_sink.url("/a"))
    await webhook_sink.start()
    webhook_sink.always("/a", answer(410))
    assert (await http.post(webhook_sink.url("/a"))).status == 410
    assert len(webhook_sink.to("/a")) == 4


async def test_sink_stops_at_once_while_requests_hang(webhook_sink: WebhookSink, http: aiohttp.ClientSession) -> None:
    webhook_sink.behave("/a", hang())
    waiting = asyncio.create_task(http.post(webhook_sink.url("/a"), timeout=aiohttp.ClientTimeout(total=30)))
    await webhook_sink.wait_for(1)
    async with asyncio.timeout(5):
        await webhook_sink.stop()
    with pytest.raises(aiohttp.ClientError):
        await waiting
