"""`hazwatch up`: the embedded default on one machine, supervised: broker, alarm path, history, console, plant."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from hazwatch import runfiles
from hazwatch.broker import LOOPBACK, next_free_port, private_broker, wait_listening
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.datadir import DataDir, DataDirBusy
from hazwatch.leftovers import wait_for_leftovers
from hazwatch.processes import Child, ChildSpec
from hazwatch.tasks import EXIT_PROBLEMS, EXIT_TASK_DIED, stop_signal
from sensors_sim.scenario import ScenarioError, demo_plays

log = logging.getLogger(__name__)
DEMO = Path(__file__).parent.parent / "demo" / "hazwatch.toml"
STOP_S = 9.5
READY_S = 300.0
PATIENCE_S = 8.0
"""A start that takes longer than this compiles the rules, and says so."""

HISTORY_S = 5.0
"""So long the message that all is ready waits for the history, which alone may come later or not at all."""

LOOK_S = 0.05
FUTILE = 4
"""A part that was started again so often before everything was ready will not come up by itself."""

ROLES = ("alarm-path", "historian", "console")
BROKER = "broker"
NEEDED = ("alarm-path", "console")


@click.command()
@click.option("--demo", is_flag=True, help="A demo park of about 200 tags, with a simulated plant that alarms gently.")
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Configuration.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Where everything is kept.",
)
@click.option(
    "--for", "seconds", type=click.FloatRange(min=0), default=0.0, help="Stop by itself after so many seconds."
)
@click.option("--mqtt-port", type=int, default=None, help="Port of the private broker.  [default: [mqtt].port]")
@click.option(
    "--mqtt-passwords",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True),
    help="A file made by mosquitto_passwd: with it the private broker listens to the whole network.",
)
@click.option("--console-port", type=int, default=8080, show_default=True, help="Port of the console.")
@click.option("--scenario", default="gentle", show_default=True, help="What happens in the demo plant.")
def up(
    demo: bool,
    file: Path | None,
    data: Path,
    seconds: float,
    mqtt_port: int | None,
    mqtt_passwords: Path | None,
    console_port: int,
    scenario: str,
) -> None:
    """Run everything on this machine: broker, alarm path, history, console.

    Three processes are supervised, so that a bug in the console or a full disk of the history cannot stop an alarm.
    Without --config the demo park is used. Where [mqtt].host is another machine, its broker is used and none is
    started. A port that is taken gives way to the next free one, which is said. Ctrl-C stops everything within 10 s;
    the data stay.

    Exit codes: 0 stopped when asked to, 1 it cannot start, 2 the call was wrong, 70 it did not come up.
    """
    file = file or DEMO
    try:
        config = load_config(file)
        if demo:
            demo_plays(scenario)
        folder = DataDir(data.absolute())
        lock = folder.lock()
    except (ConfigProblems, ScenarioError, DataDirBusy, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)
    wanted = Wanted(config.mqtt.port if mqtt_port is None else mqtt_port, console_port, mqtt_passwords)
    try:
        sys.exit(asyncio.run(Up(file, config, folder, wanted).run(seconds, scenario if demo else "")))
    except (OSError, ValueError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)
    finally:
        os.close(lock)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for: ports, if they are free, and who may speak to the broker."""

    mqtt_port: int
    console_port: int
    mqtt_passwords: Path | None


@dataclass(frozen=True, slots=True)
class Way:
    """The way in: the broker's address as we reach it, its name and the MQTT version that it speaks."""

    host: str
    port: int
    name: str
    mqtt: str


@dataclass(frozen=True, slots=True)
class Part:
    """A child and the task that keeps it running."""

    child: Child
    keeping: asyncio.Task[None]


class Up:
    """One run of everything."""

    def __init__(self, file: Path, config: Config, folder: DataDir, wanted: Wanted) -> None:
        self._file = file
        self._config = config
        self._folder = folder
        self._wanted = wanted
        self._parts: list[Part] = []

    async def run(self, seconds: float, scenario: str) -> int:
        """Start everything, wait, stop everything; returns the exit code."""
        started = time.monotonic()
        stop = stop_signal()
        try:
            await wait_for_leftovers(self._folder.root)
            broker = await self._broker()
            console = f"{self._config.console.host}:{_free('the console', self._wanted.console_port)}"
            for role in ROLES:
                runfiles.withdraw(self._folder.root, role)
                self._start(_role(role, self._file, self._folder, broker, console))
            if not await self._all_ready(stop):
                return 0 if stop.is_set() else EXIT_TASK_DIED
            if scenario:
                self._start(_plant(scenario, broker))
            took_s = time.monotonic() - started
            await self._until(stop, HISTORY_S, lambda: bool(runfiles.find(self._folder.root, "historian")))
            self._say(broker, took_s)
            return await self._stay(stop, seconds)
        finally:
            await self._stop()

    async def _broker(self) -> Way:
        """The broker, listening: a private one, or the one that the configuration names."""
        mqtt, wanted = self._config.mqtt, self._wanted
        if mqtt.host not in LOOPBACK:
            return Way(mqtt.host, mqtt.port, "as configured", mqtt.mqtt)
        port = _free("MQTT", wanted.mqtt_port)
        listen = mqtt.host if wanted.mqtt_passwords is None else "0.0.0.0"
        broker = private_broker(self._folder.broker, listen, port, wanted.mqtt_passwords)
        if broker.degraded:
            click.secho(broker.degraded, fg="yellow", bold=True, err=True)
        self._start(broker.child)
        await wait_listening(mqtt.host, port)
        return Way(mqtt.host, port, broker.name, broker.mqtt)

    def _start(self, spec: ChildSpec) -> None:
        def started(pid: int) -> None:
            if spec.name not in ROLES:  # those say themselves when they are ready
                runfiles.announce(self._folder.root, spec.name, pid=pid)

        child = Child(spec, started=started)
        self._parts.append(Part(child, asyncio.create_task(child.run(), name=spec.name)))

    async def _all_ready(self, stop: asyncio.Event) -> bool:
        """Wait for the alarm path and the console; the history may come later, no alarm waits for it."""
        root = self._folder.root

        def ready() -> bool:
            return all((found := runfiles.find(root, role)) and found.address for role in NEEDED)

        def ended() -> bool:
            return ready() or self._futile() is not None

        await self._until(stop, PATIENCE_S, ended)
        if not (ended() or stop.is_set()):
            click.echo("Still starting: the rules are compiled once after an installation; half a minute, rarely two.")
            await self._until(stop, READY_S, ended)
        if stop.is_set():
            return False
        if ready():
            return True
        futile = self._futile()
        if futile is None:
            log.error("the alarm path or the console was not ready within %.0f s; see the log above", READY_S)
        else:
            log.error("%s ends again and again (%s); see the log above", futile.spec.name, futile.last_end)
        return False

    def _futile(self) -> Child | None:
        for part in self._parts:
            if part.keeping.done():
                part.keeping.result()  # raises why it could not even be started
            if part.child.restarts >= FUTILE and part.child.spec.name != "historian":
                return part.child
        return None

    async def _until(self, stop: asyncio.Event, within_s: float, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + within_s
        while not (condition() or stop.is_set() or time.monotonic() > deadline):
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await stop.wait()

    async def _stay(self, stop: asyncio.Event, seconds: float) -> int:
        """Until the signal, or so many seconds; a part that nobody keeps running any more ends everything."""
        asked = asyncio.create_task(stop.wait(), name="stop")
        keeping = {part.keeping for part in self._parts}
        done, _ = await asyncio.wait({asked, *keeping}, timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        for task in keeping & done:
            log.critical("nobody keeps %s running any more", task.get_name(), exc_info=task.exception())
            return EXIT_TASK_DIED
        return 0

    async def _stop(self) -> None:
        """Last started, first stopped; the broker last, so that what is on its way is still acknowledged."""
        deadline = time.monotonic() + STOP_S
        brokers = [part.child for part in self._parts if part.child.spec.name == BROKER]
        others = [part.child for part in reversed(self._parts) if part.child.spec.name != BROKER]
        for children, until in ((others, deadline - 1.0), (brokers, deadline)):
            for child in children:
                child.ask_to_stop()
            for child in children:
                await child.stopped(max(0.5, until - time.monotonic()))
        for part in self._parts:
            part.keeping.cancel()
            if part.child.spec.name not in ROLES:
                runfiles.withdraw(self._folder.root, part.child.spec.name)

    def _say(self, broker: Way, took_s: float) -> None:
        """Everything that an operator needs."""
        root = self._folder.root
        console = runfiles.find(root, "console")
        password = root / "first-password"
        lines = [
            "",
            f"Hazwatch is running (ready after {took_s:.1f} s; Ctrl-C stops it).",
            f"  Page      {console.address if console else 'not running'}",
        ]
        if password.exists():
            said = "change it: hazwatch users password admin"
            lines.append(f"  Log-in    admin / {password.read_text().strip()}   ({said})")
        who = "" if self._wanted.mqtt_passwords is None else " -u USER -P PASSWORD"
        reading = "-t park/metal/manual/CO-101 -m 40" if self._file == DEMO else "-t TOPIC -m PAYLOAD"
        lines += [
            f"  MQTT      {broker.host}:{broker.port} ({broker.name})",
            f"  By hand   mosquitto_pub -h {broker.host} -p {broker.port}{who} -q 1 {reading}",
            f"  History   {_history(runfiles.find(root, 'historian'))}",
            f"  Metrics   {_metrics(root)}",
            f"  Data      {root}",
            "",
        ]
        click.echo("\n".join(lines))
        sys.stdout.flush()


def _free(what: str, wanted: int) -> int:
    port = next_free_port(wanted)
    if port != wanted:
        click.secho(f"Port {wanted} is taken; {what} gets port {port} instead.", fg="yellow", bold=True, err=True)
    return port


def _history(running: runfiles.RunFile | None) -> str:
    if running is None:
        return "not running yet; alarms do not need it"
    return f"DEGRADED, alarms do not need it: {running.trouble}" if running.trouble else "embedded PostgreSQL"


def _metrics(root: Path) -> str:
    found = {role: runfiles.find(root, role) for role in ROLES}
    return ", ".join(f"http://127.0.0.1:{one.metrics_port}/metrics ({role})" for role, one in found.items() if one)


def _role(role: str, file: Path, folder: DataDir, broker: Way, console: str) -> ChildSpec:
    argv = [sys.executable, "-m", "hazwatch", "run", role, "--config", str(file), "--data", str(folder.root)]
    argv += ["--mqtt", f"{broker.host}:{broker.port}", "--mqtt-version", broker.mqtt]
    argv += ["--console", console, "--metrics", "127.0.0.1:0"]
    return ChildSpec(role, argv)


def _plant(scenario: str, broker: Way) -> ChildSpec:
    argv = [sys.executable, "-m", "hazwatch", "--log-level", "WARNING", "simulate", scenario]
    argv += ["--host", broker.host, "--port", str(broker.port), "--mqtt", broker.mqtt]
    return ChildSpec("plant", argv)
