"""`hazwatch run ROLE`: one role in one process."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import socket
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from eventlog.port import EventLog, LogError, LogUnavailable
from hazwatch.clock import SystemClock
from hazwatch.collector import spare_the_lasting
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import Context, open_log
from hazwatch.datadir import DataDir, DataDirBusy
from hazwatch.failpoints import failpoint_from_environment
from hazwatch.faults import Faults
from hazwatch.folding import persist
from hazwatch.looplag import watch_loop
from hazwatch.metrics import Metrics
from hazwatch.processes import RESTARTS
from hazwatch.registry import RegistryView
from hazwatch.runfiles import Announcement
from hazwatch.tasks import EXIT_PROBLEMS, CannotRun, run_role, run_until_stopped

ROLES = {
    "ingest": "from MQTT to the log",
    "evaluate": "the rules over the readings",
    "alarm": "the alarm book and its dispatcher",
    "historian": "the history in PostgreSQL or TimescaleDB",
    "console": "the control room's pages and API",
    "alarm-path": "ingest, evaluate and alarm in one process (the embedded default)",
}
TOGETHER = {"alarm-path": ("ingest", "evaluate", "alarm")}

log = logging.getLogger(__name__)
RETRY_S = 2.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    role: str
    name: str
    rank: int
    mqtt: str
    mqtt_version: str
    console: str
    metrics: tuple[str, int]


_HELP = "\n".join(
    [
        "Run one role in one process, until SIGTERM or Ctrl-C.",
        "",
        "\b",
        *(f"  {role:11} {what}" for role, what in ROLES.items()),
        "",
        "Evaluators run in pairs and alarm processes one per rank: give each a --name and a --data directory of its "
        "own. Exit codes: 0 stopped when asked to, 1 it cannot run as things are, 2 the call was wrong, 70 a part of "
        "it died: start it again.",
    ]
)


@click.command(help=_HELP)
@click.argument("role", type=click.Choice(list(ROLES)), metavar="ROLE")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Configuration.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Snapshots, users and, without Kafka, the log.",
)
@click.option("--name", default="", help="Name of this process in its faults and snapshots.  [default: ROLE@HOST]")
@click.option(
    "--rank", default=0, show_default=True, help="Rank of an alarm process; a higher one waits for the lower."
)
@click.option("--mqtt", default="", metavar="HOST:PORT", help="Broker, instead of the one in the configuration.")
@click.option("--mqtt-version", type=click.Choice(["5", "3.1.1"]), default=None, help="The same for the MQTT version.")
@click.option("--console", default="", metavar="HOST:PORT", help="Where the console listens, likewise.")
@click.option(
    "--metrics",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /metrics listens; port 0 is any free one.",
)
def run(
    role: str,
    file: Path,
    data: Path,
    name: str,
    rank: int,
    mqtt: str,
    mqtt_version: str | None,
    console: str,
    metrics: str,
) -> None:
    name = name or f"{role}@{socket.gethostname()}"
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"--name {name!r}: give letters, digits, '@', '.', '_' and '-'")
    options = Options(role, name, rank, mqtt, mqtt_version or "", console, address(metrics))
    try:
        folder = DataDir(data.absolute())
        config = _with_addresses(load_config(file), options)
    except (ConfigProblems, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEMS)

    async def main(stop: asyncio.Event, stack: AsyncExitStack) -> None:
        await _run(options, config, folder, stop, stack)

    run_role(main)


def _with_addresses(config: Config, options: Options) -> Config:
    """The configuration with the addresses of the command line put over it."""
    mqtt, console = config.mqtt, config.console
    if options.mqtt:
        host, port = address(options.mqtt)
        mqtt = msgspec.structs.replace(mqtt, host=host, port=port)
    if options.mqtt_version:
        mqtt = msgspec.structs.replace(mqtt, mqtt=options.mqtt_version)
    if options.console:
        host, port = address(options.console)
        console = msgspec.structs.replace(console, host=host, port=port)
    return msgspec.structs.replace(config, mqtt=mqtt, console=console)


def address(text: str) -> tuple[str, int]:
    """`host:port` in two. Raises click.UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError(f"{text!r} is no address; write it as host:port")
    return host, int(port)


async def _run(options: Options, config: Config, data: DataDir, stop: asyncio.Event, stack: AsyncExitStack) -> None:
    module = importlib.import_module(f"hazwatch.roles.{options.role.replace('-', '_')}")
    failpoint = failpoint_from_environment()
    stack.callback(os.close, _only_one(data, options))
    metrics = Metrics(frozenset(TOGETHER.get(options.role, (options.role,))))
    metrics.gauge("hazwatch_process_restarts", float(os.environ.get(RESTARTS, 0)))
    port = _serve(metrics, *options.metrics)
    clock = SystemClock()
    source = await _opened(options, config, data, clock, stop, stack)
    if source is None:
        return
    registry = RegistryView(source)
    await persist(options.name, registry.catch_up)
    announcement = Announcement(data.root, options.role, port)
    faults = Faults(options.name, source, registry, clock, metrics)
    context = Context(
        options.role,
        options.name,
        options.rank,
        config,
        data,
        source,
        registry,
        clock,
        metrics,
        faults,
        announcement,
        failpoint,
    )
    workers = await module.workers(context, stack)
    workers |= {
        "registry": registry.follow(),
        "faults": faults.run(),
        "loop": watch_loop(metrics),
        "collector": spare_the_lasting(registry),
    }
    announcement.ready()
    stack.callback(announcement.withdraw)
    await run_until_stopped(stop, workers)


def _only_one(data: DataDir, options: Options) -> int:
    """Two processes of one name would share snapshots and a voice. Raises `CannotRun`."""
    try:
        return data.lock(f"run/{options.name}")
    except DataDirBusy as error:
        raise CannotRun(f"{error}; or another --name, for each process needs one of its own") from None


def _serve(metrics: Metrics, host: str, port: int) -> int:
    try:
        return metrics.serve(host, port)
    except OSError as error:
        raise CannotRun(f"/metrics cannot be served at {host}:{port}: {error.strerror}") from None


async def _opened(
    options: Options, config: Config, data: DataDir, clock: SystemClock, stop: asyncio.Event, stack: AsyncExitStack
) -> EventLog | None:
    """The log, as soon as it can be reached; None when the stop came first.

    An alarm process that is started in the midst of an outage says so to people meanwhile. Raises `CannotRun`.
    """
    from hazwatch.roles.alarm import guard_without_log

    writer = options.role == "alarm-path"
    guard: asyncio.Task[None] | None = None
    try:
        while not stop.is_set():
            try:
                return await stack.enter_async_context(open_log(config, data, writer=writer))
            except LogUnavailable as error:
                log.error("waiting for the log: %s", error)
                if guard is None and "alarm" in TOGETHER.get(options.role, (options.role,)):
                    guard = asyncio.create_task(guard_without_log(config, options.name, clock), name="guard")
            except (LogError, OSError) as error:
                raise CannotRun(f"the log cannot be opened: {error}") from error
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await stop.wait()
        return None
    finally:
        if guard is not None:
            guard.cancel()
            await asyncio.wait({guard}, timeout=RETRY_S)
