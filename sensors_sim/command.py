"""`hazwatch simulate SCENARIO`: a process and an MQTT client of its own."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from sensors_sim.gateway import Message, gateways
from sensors_sim.plant import Plant
from sensors_sim.scenario import ScenarioError, load, names, play
from sensors_sim.taglist import read_instruments

log = logging.getLogger(__name__)
DEMO_TAGS = Path(__file__).parent.parent / "hazwatch" / "demo" / "tags.csv"
MAX_IN_FLIGHT = 20


@click.command(help="Publish a simulated plant over MQTT. Scenarios: " + ", ".join(names()) + ", or a .toml file.")
@click.argument("scenario", default="quiet")
@click.option(
    "--tags", "tag_file", type=click.Path(path_type=Path, exists=True), default=DEMO_TAGS, help="Tag list (CSV)."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Broker.")
@click.option("--port", default=1883, show_default=True, help="Port of the broker.")
@click.option("--username", default="", help="User at the broker.")
@click.option("--password-file", type=click.Path(path_type=Path, exists=True), help="File with that user's password.")
@click.option("--mqtt", "version", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed and start give the same stream.")
@click.option("--start", type=float, help="Start of simulated time, seconds since 1970 [default: now].")
@click.option("--for", "seconds", type=int, default=0, help="Stop after so many simulated seconds [default: never].")
@click.option("--speed", default=1.0, show_default=True, help="Simulated seconds per second; 0 is as fast as it goes.")
@click.option("--stdout", is_flag=True, help="Print `topic payload` lines instead of publishing.")
def simulate(
    scenario: str,
    tag_file: Path,
    host: str,
    port: int,
    username: str,
    password_file: Path | None,
    version: str,
    seed: int,
    start: float | None,
    seconds: int,
    speed: float,
    stdout: bool,
) -> None:
    begin = round(time.time()) if start is None else round(start)
    try:
        instruments = read_instruments(tag_file)
        plant = Plant(instruments, seed, begin)
        stream = _messages(plant, scenario, begin, seconds)
        if stdout:
            for _, batch in stream:
                for message in batch:
                    print(message.topic, message.payload.decode())
            return
        password = password_file.read_text().strip() if password_file else None
        _publish(_client(host, port, username, password, version), stream, begin, speed)
    except (ScenarioError, ValueError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _messages(plant: Plant, scenario: str, boot_id: int, seconds: int) -> Iterator[tuple[float, list[Message]]]:
    """(time, messages) second by second."""
    senders = gateways(plant.instruments, boot_id)
    for step, (now_s, shown) in enumerate(play(plant, load(scenario))):
        if seconds and step >= seconds:
            return
        yield now_s, [message for sender in senders for message in sender.second(now_s, shown)]


def _client(host: str, port: int, username: str, password: str | None, version: str) -> mqtt.Client:
    protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"plant-{host}-{port}", protocol=protocol)
    client.max_inflight_messages_set(MAX_IN_FLIGHT)
    client.max_queued_messages_set(10_000)
    client.reconnect_delay_set(1, 10)
    if username:
        client.username_pw_set(username, password)
    client.connect_async(host, port, keepalive=15)
    client.loop_start()
    return client


def _publish(client: mqtt.Client, stream: Iterator[tuple[float, list[Message]]], begin: float, speed: float) -> None:
    """Publish on the beat. What does not fit into the bounded queue is dropped, as by a full gateway."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    started = time.monotonic()
    dropped = 0
    for now_s, batch in stream:
        due = started + (now_s - begin) / speed if speed > 0 else started
        if stop.wait(max(0.0, due - time.monotonic())):
            break
        for message in batch:
            info = client.publish(message.topic, message.payload, qos=1)
            if info.rc == mqtt.MQTT_ERR_QUEUE_SIZE:
                dropped += 1
                log.warning("the gateway's buffer is full: %d messages dropped so far", dropped)
    deadline = time.monotonic() + 5.0
    while client.want_write() and time.monotonic() < deadline:
        time.sleep(0.01)
    client.disconnect()
    client.loop_stop()
