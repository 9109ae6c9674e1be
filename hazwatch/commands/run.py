"""`hazwatch run ROLE`: one role in one process."""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from hazwatch import runfiles
from hazwatch.clock import SystemClock
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import Context, open_log
from hazwatch.datadir import DataDir
from hazwatch.failpoints import failpoint_from_environment
from hazwatch.metrics import Metrics
from hazwatch.registry import RegistryView
from hazwatch.tasks import run_role, run_until_stopped

ROLES = {
    "ingest": "from MQTT to the log",
    "evaluate": "the rules over the readings",
    "alarm": "the alarm book and its dispatcher",
    "historian": "the history in PostgreSQL or TimescaleDB",
    "console": "the control room's pages and API",
    "alarm-path": "ingest, evaluate and alarm in one process (the embedded default)",
}


TOGETHER = {"alarm-path": ("ingest", "evaluate", "alarm")}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    role: str
    file: Path
    data: Path
    name: str
    rank: int
    mqtt: str
    mqtt_version: str
    console: str
    metrics: str


@click.command(help="Run one role. " + "; ".join(f"{role}: {what}" for role, what in ROLES.items()) + ".")
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option("--name", default="", help="Unique name of this process [default: role@host].")
@click.option(
    "--rank", default=0, show_default=True, help="Rank of an alarm process; a higher one waits for the lower."
)
@click.option("--mqtt", default="", metavar="HOST:PORT", help="Broker, instead of the one in the configuration.")
@click.option("--mqtt-version", type=click.Choice(["", "5", "3.1.1"]), default="", help="MQTT version.")
@click.option("--console", default="", metavar="HOST:PORT", help="Where the console listens.")
@click.option(
    "--metrics", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Where /metrics listens."
)
def run(
    role: str,
    file: Path,
    data: Path,
    name: str,
    rank: int,
    mqtt: str,
    mqtt_version: str,
    console: str,
    metrics: str,
) -> None:
    options = Options(
        role, file, data, name or f"{role}@{socket.gethostname()}", rank, mqtt, mqtt_version, console, metrics
    )
    try:
        config = _with_addresses(load_config(file), options)
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    folder = DataDir(data.absolute())
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder.numba_cache))

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
    metrics = Metrics(frozenset(TOGETHER.get(options.role, (options.role,))))
    port = metrics.serve(*address(options.metrics))
    log = await stack.enter_async_context(open_log(config, data, writer=options.role == "alarm-path"))
    registry = RegistryView(log)
    await registry.catch_up()
    context = Context(
        options.role, options.name, options.rank, config, data, log, registry, SystemClock(), metrics, failpoint
    )
    workers = await module.workers(context, stack)
    workers["registry"] = registry.follow()
    runfiles.announce(data.root, options.role, metrics_port=port)
    stack.callback(runfiles.withdraw, data.root, options.role)
    await run_until_stopped(stop, workers)
