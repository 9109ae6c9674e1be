"""The WebSocket: a snapshot replaces, deltas follow without a gap, and no screen can hold up the others."""

from __future__ import annotations

import asyncio
import resource
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from console.config import ConsoleConfig
from console.hub import HOLD_NS
from console.roles import Role
from schemas.time import SECOND
from tests.console.desk import Desk, Person, open_desk, until
from tests.console.plant import Plant

HELLO = {"k": "hello", "v": 1, "sub": "desk"}
Frame = dict[str, Any]


class Page:
    """A page's connection that keeps what the protocol promises to a page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.alarms: dict[str, Frame] = {}
        self.values: dict[int, float | None] = {}
        self.seq = -1
        self.epoch = ""
        self.snapshots = 0
        self.frames = 0

    async def next(self) -> Frame:
        frame: Frame = await self.socket.receive_json(timeout=20)
        self.frames += 1
        match frame["k"]:
            case "snap":
                self.snapshots += 1
                self.epoch, self.seq = frame["epoch"], frame["seq"]
                self.alarms = {alarm["id"]: alarm for alarm in frame["a"]}
                self.values = dict(zip(frame["s"]["i"], frame["s"]["v"], strict=True)) if frame["s"] else {}
            case "d":
                assert frame["epoch"] == self.epoch and frame["seq"] == self.seq + 1, "a gap"
                self.seq = frame["seq"]
                self.alarms |= {alarm["id"]: alarm for alarm in frame.get("a", [])}
                for gone in frame.get("x", []):
                    self.alarms.pop(gone, None)
                columns = frame.get("s", {"i": [], "v": []})
                self.values |= dict(zip(columns["i"], columns["v"], strict=True))
            case "hb":
                assert frame["epoch"] == self.epoch and frame["seq"] == self.seq, "a beat out of turn"
                await self.acknowledge()
        return frame

    async def acknowledge(self) -> None:
        await self.socket.send_json({"k": "ack", "seq": self.seq, "fps": 60, "snd": "on"})

    async def until(self, what: Any) -> None:
        while not what():
            await self.next()


async def open_page(person: Person, **hello: object) -> Page:
    page = Page(await person.socket())
    await page.socket.send_json({**HELLO, **hello})
    assert (await page.next())["k"] == "hello"
    assert (await page.next())["k"] == "snap"
    return page


async def closed_with(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read to the end; the close code."""
    async with asyncio.timeout(20):
        while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING):
            pass
    return socket.close_code


async def test_snapshot_then_deltas_without_a_gap(desk: Desk) -> None:
    before = await desk.plant.raise_alarm(1)
    await desk.shown(before)
    page = await open_page(await desk.person(Role.VIEWER))
    assert set(page.alarms) == {before.id}
    after = await desk.plant.raise_alarm(2)
    await page.until(lambda: after.id in page.alarms)
    await desk.plant.acknowledge(before)
    await desk.plant.clear(before)
    await page.until(lambda: set(page.alarms) == {after.id})
    await page.until(lambda: len(page.values) == len(desk.plant.tags))
    assert page.snapshots == 1


async def test_alarm_latency_from_the_log_to_a_screen(desk: Desk) -> None:
    page = await open_page(await desk.person())
    loop, waits = asyncio.get_running_loop(), []
    for tag in range(1, 31):
        start = loop.time()
        alarm = await desk.plant.raise_alarm(tag)
        await page.until(lambda alarm=alarm: alarm.id in page.alarms)
        waits.append(loop.time() - start)
    assert sorted(waits)[len(waits) // 2] < 0.2, waits


async def test_every_screen_ends_with_the_same_list(desk: Desk) -> None:
    people = [await desk.person(role) for role in Role]
    pages = [await open_page(person) for person in people]
    alarms = await desk.plant.flood(300)
    late = await open_page(people[0])
    for page in (*pages, late):
        await page.until(lambda page=page: len(page.alarms) == len(alarms))
    first = pages[0].alarms
    assert all(page.alarms == first for page in (*pages[1:], late))


async def test_resync_brings_a_snapshot(desk: Desk) -> None:
    page = await open_page(await desk.person())
    await page.socket.send_json({"k": "resync"})
    await page.until(lambda: page.snapshots == 2)


async def test_a_view_without_values(desk: Desk) -> None:
    page = await open_page(await desk.person(), sub="alarms")
    assert page.values == {}
    alarm = await desk.plant.raise_alarm(1)
    await page.until(lambda: alarm.id in page.alarms)
    assert page.values == {}
    await page.socket.send_json({"k": "sub", "sub": "desk"})
    await page.until(lambda: page.snapshots == 2)
    await page.until(lambda: len(page.values) > 0)


async def test_who_is_not_logged_in_is_closed_with_4401(desk: Desk) -> None:
    assert await closed_with(await desk.stranger().socket()) == 4401


async def test_another_site_gets_no_handshake(desk: Desk) -> None:
    person = await desk.person()
    for origin in ("https://evil.example", "null", ""):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await person.socket(Origin=origin)
        assert refused.value.status == 403


async def test_the_end_of_a_session_ends_the_screen(desk: Desk) -> None:
    person = await desk.person()
    page = await open_page(person)
    await person.send("POST", "/api/logout")
    assert await closed_with(page.socket) == 4401


async def test_a_session_that_grows_too_old_ends_the_screen(tmp_path: Path) -> None:
    async with open_desk(tmp_path, session_ns=2 * SECOND) as desk:
        page = await open_page(await desk.person())
        assert await closed_with(page.socket) == 4401


@pytest.mark.parametrize(
    ("message", "code"),
    [("junk", 4400), ('{"k":"ack","seq":1}', 4400), ('{"k":"hello","v":9}', 4426), ("[" * 9000, 4400)],
)
async def test_what_is_no_greeting_is_closed(desk: Desk, message: str, code: int) -> None:
    socket = await (await desk.person()).socket()
    await socket.send_str(message)
    assert await closed_with(socket) == code


async def test_a_message_that_is_too_large_is_closed(desk: Desk) -> None:
    page = await open_page(await desk.person())
    await page.socket.send_str("x" * 100_000)
    assert await closed_with(page.socket) == 1009


async def test_too_many_screens_are_told_to_come_later(tmp_path: Path) -> None:
    async with open_desk(tmp_path, config=ConsoleConfig(port=0, max_screens=1)) as desk:
        person = await desk.person()
        first = await open_page(person)
        assert await closed_with(await person.socket()) == 1013
        assert not first.socket.closed


async def test_a_screen_that_says_nothing_is_held_and_then_starts_over(desk: Desk) -> None:
    page = await open_page(await desk.person())
    (screen,) = desk.console.hub.screens
    screen.acked_ns -= HOLD_NS
    await until(lambda: screen.held)
    alarm = await desk.plant.raise_alarm(1)
    await desk.shown(alarm)
    await page.acknowledge()
    await page.until(lambda: page.snapshots == 2)
    assert alarm.id in page.alarms
    other = await desk.plant.raise_alarm(2)
    await page.until(lambda: other.id in page.alarms)


async def test_screens_that_do_not_read_cost_little_and_delay_nobody(tmp_path: Path) -> None:
    plant = await Plant.open(tmp_path / "log", per_equipment=100)
    async with open_desk(tmp_path, plant=plant) as desk:
        person = await desk.person()
        deaf = [await deaf_page(desk, person) for _ in range(30)]
        page = await open_page(person)
        await until(lambda: len(desk.console.hub.screens) == 31)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        loop, waits = asyncio.get_running_loop(), []
        alarms = await plant.flood(1500)
        await page.until(lambda: len(page.alarms) >= len(alarms))
        for tag in range(1, 21):
            start = loop.time()
            alarm = await plant.raise_alarm(tag, rule="other")
            await page.until(lambda alarm=alarm: alarm.id in page.alarms)
            waits.append(loop.time() - start)
        assert sorted(waits)[10] < 0.5, waits
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 250, f"{grown:.0f} MiB more for 30 screens that do not read"
        for connection in deaf:
            connection.close()


async def deaf_page(desk: Desk, person: Person) -> socket.socket:
    """A connection that greets and then never reads."""
    host, port = desk.base.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    request = (
        f"GET /api/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: {desk.base}\r\nCookie: {person.cookie}\r\n\r\n"
    )
    await loop.sock_sendall(connection, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(connection, 1)
    text = b'{"k":"hello","v":1}'
    await loop.sock_sendall(connection, bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return connection
