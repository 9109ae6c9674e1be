"""`hazwatch simulate` as a process of its own against a real broker; it shares no code with what listens there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import grimp
import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from paho.mqtt.enums import CallbackAPIVersion

from hazwatch.cli import main
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import free_port, wait_until
from tests.sensors_sim.plants import START_S, messages

pytestmark = pytest.mark.timeout(180)


class Listener:
    """A foreign subscriber: every message in order of arrival."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._subscribed = False
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "listener")
        self.client.on_message = lambda _c, _u, message: self.heard.append((message.topic, bytes(message.payload)))
        self.client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("park/#", qos=1)
        self.client.loop_start()
        wait_until(lambda: self._subscribed, "the listener has subscribed")


class Guarded(Mosquitto):
    """A broker with passwords: it answers when it accepts connections at all."""

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 2):
            return True


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    listener = Listener(port)
    try:
        yield listener
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()


def argv(*words: object) -> list[str]:
    return [sys.executable, "-m", "hazwatch", "simulate", *map(str, words)]


def simulate(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv(*words), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_it_publishes_is_the_stream_to_the_byte(mosquitto: Mosquitto, version: str) -> None:
    expected = [(message.topic, message.payload) for _, message in messages("gentle", 3)]
    with listening(mosquitto.port) as listener:
        words = ("gentle", "--port", mosquitto.port, "--for", 3, "--start", START_S, "--speed", 0, "--mqtt", version)
        ran = simulate(*words)
        assert ran.returncode == 0, ran.stderr
        wait_until(lambda: len(listener.heard) >= len(expected), "all has arrived")
        assert listener.heard == expected


@pytest.mark.slow
def test_without_a_beat_it_waits_for_the_broker_and_loses_nothing(mosquitto: Mosquitto) -> None:
    """More than the buffer of the client holds."""
    seconds = 4000
    with listening(mosquitto.port) as listener:
        ran = simulate("quiet", "--port", mosquitto.port, "--for", seconds, "--start", START_S, "--speed", 0)
        assert ran.returncode == 0, ran.stderr
        assert "lost" not in ran.stderr
        wait_until(lambda: len(listener.heard) == 3 * seconds, "all has arrived", within_s=60)
    sequences = [json.loads(payload)["seq"] for topic, payload in listener.heard if topic == "park/lpg/gw1/up"]
    assert sequences == list(range(1, seconds + 1))


@pytest.mark.slow
def test_on_the_beat_it_takes_its_time_and_stops_when_told(mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener:
        with subprocess.Popen(argv("quiet", "--port", mosquitto.port), stderr=subprocess.PIPE) as process:
            wait_until(lambda: len(listener.heard) >= 6, "two seconds have passed", within_s=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        times = sorted({json.loads(payload)["time_ms"] for _, payload in listener.heard})
        assert {b - a for a, b in pairwise(times)} == {1000}


@pytest.mark.slow
def test_the_broker_may_come_later(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with subprocess.Popen(
        argv("quiet", "--port", mosquitto.port), stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode()
            assert f"the broker at 127.0.0.1:{mosquitto.port} cannot be reached; trying again" in said
            mosquitto.start()
            with listening(mosquitto.port) as listener:
                wait_until(lambda: listener.heard, "it has found the broker", within_s=60)
        finally:
            process.terminate()
            assert process.wait(15) == 0


@pytest.mark.slow
@pytest.mark.part("mosquitto")
def test_a_broker_that_refuses_is_an_end_with_a_reason(tmp_path: Path) -> None:
    passwords, wrong = tmp_path / "passwords", tmp_path / "wrong"
    wrong.write_text("not-this-one\n")
    passwords.write_text("")
    subprocess.run(["mosquitto_passwd", "-b", passwords, "plant", "secret"], check=True, capture_output=True)
    with Guarded(extra=f"password_file {passwords}\nallow_anonymous false\n") as broker:
        login = ("--username", "plant", "--password-file", wrong)
        for words, version in (((), "5"), (login, "5"), (login, "3.1.1")):
            ran = simulate("quiet", "--port", broker.port, "--mqtt", version, *words)
            assert ran.returncode == 1
            assert f"the broker at 127.0.0.1:{broker.port} refuses this client: Not authorized" in ran.stderr
            assert "not-this-one" not in ran.stderr


@pytest.mark.slow
def test_a_broker_that_is_not_there_in_the_end() -> None:
    ran = simulate("quiet", "--port", free_port(), "--for", 2, "--speed", 0)
    assert ran.returncode == 1
    assert "has not taken the last 6 messages" in ran.stderr


@pytest.mark.slow
async def test_printed_lines_end_where_the_reader_stops() -> None:
    process = await asyncio.create_subprocess_exec(
        *argv("quiet", "--stdout"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 20
    )
    assert process.stdout is not None and process.stderr is not None
    topic, payload = (await process.stdout.readline()).split(b" ", 1)
    assert (topic, json.loads(payload)["v"]) == (b"park/metal/gw1/up", 1)
    process.stdout._transport.close()  # type: ignore[attr-defined]
    said = await process.stderr.read()
    assert (await process.wait(), said) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("sunshine",), 1, "there is no scenario 'sunshine'; known are "),
        (("quiet", "--tags", "chinese.csv"), 1, "chinese.csv: not UTF-8. The plant reads what `hazwatch tags import"),
        (("quiet", "--tags", "other.csv"), 1, "other.csv: no column enterprise, measure, unit. The plant reads what"),
        (("quiet", "--tags", "empty.csv"), 1, "empty.csv: no rows."),
        (("quiet", "--tags", "bad.csv"), 1, "bad.csv: row 3: column range_low: 'x' is not a number"),
        (("quiet", "--port", "0"), 2, "0 is not in the range"),
        (("quiet", "--speed", "-1"), 2, "-1.0 is not in the range"),
    ],
)
def test_wrong_calls(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "name,enterprise,measure,unit,range_low\n"
    Path("chinese.csv").write_bytes("位号,企业\n一氧化碳,metal\n".encode("gbk"))
    Path("other.csv").write_text("name\nA\n")
    Path("empty.csv").write_text(head)
    Path("bad.csv").write_text(f"{head}A,e,gas,ppm,0\nB,e,gas,ppm,x\n")
    ran = CliRunner().invoke(main, ["simulate", *words])
    assert ran.exit_code == code
    assert said in ran.stderr
    assert isinstance(ran.exception, SystemExit)


def test_it_imports_nothing_of_what_listens() -> None:
    """Only the vocabulary: units, texts and time. (import-linter says the same; here it is said of everything.)"""
    rooms = ("schemas", "eventlog", "ingest", "rules", "alerting", "historian", "console", "sensors_sim", "hazwatch")
    graph = grimp.build_graph(*rooms, cache_dir=None)
    ours = {"sensors_sim", *graph.find_descendants("sensors_sim")}
    imported = {found for module in ours for found in graph.find_upstream_modules(module)} - ours
    assert {name.partition(".")[0] for name in imported} == {"schemas"}
