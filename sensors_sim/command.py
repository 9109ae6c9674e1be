"""`hazwatch simulate SCENARIO`: a process and an MQTT client of its own."""

from __future__ import annotations

import os
import sys
import time
from itertools import islice
from pathlib import Path

import click

from sensors_sim.faults import kinds
from sensors_sim.gateway import gateways
from sensors_sim.plant import Plant
from sensors_sim.publisher import BrokerAddress, Publisher, PublishError, Stream
from sensors_sim.scenario import DEMO_TAGS, ScenarioError, load, names, play
from sensors_sim.taglist import read_instruments

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def _members() -> str:
    """The epilog of the help: what the scan of the folders finds."""
    shown = [f"{name}: {load(name).title.en}" for name in names()]
    return "\n\n".join(["\b\nScenarios:\n  " + "\n  ".join(shown), f"Kinds of effects: {', '.join(kinds())}."])


@click.command(epilog=_members())
@click.argument("scenario", default="quiet")
@click.option("--tags", "tag_file", type=FILE, default=DEMO_TAGS, help="Tag list (CSV) [default: the demo park's].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Broker.")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True, help="Port of the broker.")
@click.option("--username", default="", help="User at the broker.")
@click.option("--password-file", type=FILE, help="File with that user's password.")
@click.option("--mqtt", "version", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed and start, same stream.")
@click.option("--start", type=float, help="Start of simulated time, seconds since 1970 [default: now].")
@click.option(
    "--for", "seconds", type=click.IntRange(0), default=0, help="Stop after so many simulated seconds [default: never]."
)
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Simulated seconds per second; 0 is as fast as the broker takes them.",
)
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
    """Publish a simulated plant over MQTT.

    SCENARIO is one of those below or a .toml file of your own. Exit codes: 0 done, 1 it cannot be played or the broker
    refuses it, 2 the call was wrong.
    """
    begin = round(time.time()) if start is None else round(start)
    try:
        plant = Plant(read_instruments(tag_file), seed, begin)
        stream = _messages(plant, scenario, begin, seconds)
        if stdout:
            _print(stream)
            return
        password = password_file.read_text(encoding="utf-8").strip() if password_file else None
        Publisher(BrokerAddress(host, port, username, password, version)).run(stream, begin, speed)
    except (ScenarioError, PublishError, ValueError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _messages(plant: Plant, scenario: str, boot_id: int, seconds: int) -> Stream:
    """Second by second. Raises `ScenarioError` at once."""
    senders = gateways(plant.instruments, boot_id)
    moments = islice(play(plant, load(scenario)), seconds or None)
    return ((now_s, [m for sender in senders for m in sender.second(now_s, shown)]) for now_s, shown in moments)


def _print(stream: Stream) -> None:
    try:
        for _, batch in stream:
            for message in batch:
                print(message.topic, message.payload.decode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
