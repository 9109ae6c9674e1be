"""The server as a whole: its port, its end, and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from console.app import create_console
from console.config import ConsoleConfig
from console.serve import serve
from console.users import Users
from console.userstore import UserStore
from eventlog.embedded.log import EmbeddedLog
from eventlog.port import TopicMissing, topic_specs
from tests.console.clock import SystemClock
from tests.console.desk import PASSWORD, Desk, open_desk
from tests.console.test_socket import closed_with, open_page


async def test_a_port_that_is_taken_is_named(desk: Desk, tmp_path: Path) -> None:
    port = int(desk.base.rpartition(":")[2])
    users = Users(UserStore(tmp_path / "other.sqlite"), SystemClock())
    console = create_console(ConsoleConfig(port=port), desk.plant.log, users, SystemClock())
    with pytest.raises(OSError, match=rf"the console cannot have 127\.0\.0\.1:{port}"):
        await serve(console)
    users.store.close()


async def test_a_part_that_dies_ends_the_server(tmp_path: Path) -> None:
    specs = [spec for spec in topic_specs() if spec.name != "alarms"]
    log = await EmbeddedLog.open(tmp_path / "log", specs)
    users = Users(UserStore(tmp_path / "users.sqlite"), SystemClock())
    console = create_console(ConsoleConfig(port=0), log, users, SystemClock())
    async with asyncio.timeout(20):
        with pytest.raises(ExceptionGroup) as died:
            await serve(console)
    assert died.group_contains(TopicMissing, match="alarms", depth=1)
    await log.close()


async def test_stopping_closes_the_screens_and_the_port(desk: Desk) -> None:
    page = await open_page(await desk.person())
    start = asyncio.get_running_loop().time()
    desk.serving.cancel()
    assert await closed_with(page.socket) in (1001, 1012)
    await asyncio.wait({desk.serving}, timeout=20)
    assert asyncio.get_running_loop().time() - start < 8
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(desk.base.rpartition(":")[2])))


async def test_tls(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        (
            f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 "
            "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        ).split(),
        check=True,
        capture_output=True,
    )
    config = ConsoleConfig(port=0, tls_certificate=str(certificate), tls_key_file=str(key))
    async with open_desk(tmp_path, config=config) as desk:
        base = desk.base.replace("http", "https")
        trust = ssl.create_default_context(cafile=str(certificate))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
            body = {"name": "operator", "password": PASSWORD}
            async with http.post(f"{base}/api/login", json=body, headers={"X-CSRF": "x"}) as response:
                assert response.status == 200
                assert response.headers["set-cookie"].startswith("__Host-hazwatch=")
                assert "Secure" in response.headers["set-cookie"]
                assert "strict-transport-security" in response.headers
                cookie = response.headers["set-cookie"].split(";")[0]
            headers = {"Origin": base, "Cookie": cookie}
            async with http.ws_connect(f"{base}/api/live", headers=headers) as live:
                await live.send_json({"k": "hello", "v": 1})
                assert (await live.receive_json(timeout=20))["k"] == "hello"
