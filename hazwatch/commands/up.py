"""`hazwatch up`: the embedded default on one machine, supervised: broker, alarm path, history, console, plant."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from pathlib import Path

import click

from hazwatch import runfiles
from hazwatch.broker import Broker, free_port, private_broker, wait_listening
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.datadir import DataDir, DataDirBusy
from hazwatch.processes import Child, ChildSpec
from hazwatch.tasks import stop_signal

log = logging.getLogger(__name__)
DEMO = Path(__file__).parent.parent / "demo" / "hazwatch.toml"
STOP_S = 9.0
READY_S = 120.0
ROLES = ("alarm-path", "historian", "console")


@click.command()
@click.option("--demo", is_flag=True, help="A demo park of about 200 tags, with a simulated plant that alarms gently.")
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Configuration.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option("--for", "seconds", type=float, default=0.0, help="Stop by itself after so many seconds.")
@click.option("--mqtt-port", type=int, default=1883, show_default=True, help="Port of the private broker, if free.")
@click.option("--console-port", type=int, default=8080, show_default=True, help="Port of the console, if free.")
@click.option("--scenario", default="gentle", show_default=True, help="What happens in the demo plant.")
def up(
    demo: bool, file: Path | None, data: Path, seconds: float, mqtt_port: int, console_port: int, scenario: str
) -> None:
    """Run everything on this machine: broker, alarm path, history, console.

    Three processes are supervised, so that a bug in the console or a full disk of the history cannot stop an alarm.
    Without --config the demo park is used. Ctrl-C stops everything within 10 s; the data stay.
    """
    file = file or (DEMO if demo or file is None else file)
    try:
        config = load_config(file)
        folder = DataDir(data.absolute())
        lock = folder.lock()
    except (ConfigProblems, DataDirBusy) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    ports = (free_port(mqtt_port), free_port(console_port))
    try:
        sys.exit(asyncio.run(_up(file, config, folder, ports, seconds, scenario if demo else "")))
    finally:
        os.close(lock)


async def _up(
    file: Path, config: Config, folder: DataDir, ports: tuple[int, int], seconds: float, scenario: str
) -> int:
    started = time.monotonic()
    stop = stop_signal()
    children: list[Child] = []
    running: list[asyncio.Task[None]] = []

    def start(spec: ChildSpec) -> None:
        child = Child(spec)
        children.append(child)
        running.append(asyncio.create_task(child.run(), name=spec.name))

    try:
        mqtt_port, console_port = ports
        broker = private_broker(folder.broker, config.mqtt.host, mqtt_port, None)
        if broker.degraded:
            click.secho(broker.degraded, fg="yellow", bold=True, err=True)
        start(broker.child)
        await wait_listening(broker.host, broker.port)
        for role in ROLES:
            runfiles.withdraw(folder.root, role)
            start(_role(role, file, folder, broker, console_port))
        if not await _all_ready(folder, stop):
            return 0 if stop.is_set() else 70
        if scenario:
            start(_plant(scenario, broker))
        _say(folder, broker, console_port, time.monotonic() - started)
        await _until(stop, seconds)
        return 0
    finally:
        await _stop(children)
        for task in running:
            task.cancel()


def _role(role: str, file: Path, folder: DataDir, broker: Broker, console_port: int) -> ChildSpec:
    argv = [sys.executable, "-m", "hazwatch", "run", role, "--config", str(file), "--data", str(folder.root)]
    argv += ["--mqtt", f"{broker.host}:{broker.port}", "--mqtt-version", broker.mqtt]
    argv += ["--console", f"127.0.0.1:{console_port}", "--metrics", "127.0.0.1:0"]
    return ChildSpec(role, argv)


def _plant(scenario: str, broker: Broker) -> ChildSpec:
    argv = [sys.executable, "-m", "hazwatch", "--log-level", "WARNING", "simulate", scenario]
    argv += ["--host", broker.host, "--port", str(broker.port), "--mqtt", broker.mqtt]
    return ChildSpec("plant", argv)


async def _all_ready(folder: DataDir, stop: asyncio.Event) -> bool:
    """Wait until the alarm path and the console are ready; the history may come later, no alarm waits for it."""
    deadline = time.monotonic() + READY_S
    while not all(runfiles.find(folder.root, role) for role in ("alarm-path", "console")):
        if stop.is_set():
            return False
        if time.monotonic() > deadline:
            log.error("the alarm path or the console was not ready within %.0f s; see the log above", READY_S)
            return False
        await asyncio.sleep(0.05)
    return True


async def _until(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        await stop.wait()
        return
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _stop(children: list[Child]) -> None:
    """Last started, first stopped; the broker last, so that what is on its way is still acknowledged."""
    deadline = time.monotonic() + STOP_S
    if not children:
        return
    *others, broker = reversed(children)
    for child in others:
        child.ask_to_stop()
    for child in others:
        await child.stopped(max(0.5, deadline - 1.5 - time.monotonic()))
    broker.ask_to_stop()
    await broker.stopped(max(0.5, deadline - time.monotonic()))


def _say(folder: DataDir, broker: Broker, console_port: int, took_s: float) -> None:
    password = folder.root / "first-password"
    lines = [
        "",
        f"Hazwatch is running (ready after {took_s:.1f} s; Ctrl-C stops it).",
        f"  Page      http://127.0.0.1:{console_port}/",
    ]
    if password.exists():
        lines.append(f"  Log-in    admin / {password.read_text().strip()}   (change it: hazwatch users password admin)")
    lines += [
        f"  MQTT      {broker.host}:{broker.port} ({broker.name})",
        f"  By hand   mosquitto_pub -h {broker.host} -p {broker.port} -q 1 -t park/metal/manual/CO-101 -m 40",
        f"  Data      {folder.root}",
        "",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()
