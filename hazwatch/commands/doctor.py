"""`hazwatch doctor`: what is there, in which version, whether it answers, and what to do about what does not."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Awaitable
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import click
import msgspec
import psycopg

from eventlog.kafka.topics import verify_topics
from eventlog.port import LogError
from hazwatch import runfiles
from hazwatch.broker import DEGRADED, find_mosquitto
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import kafka_connection, open_log
from hazwatch.datadir import DataDir, NoDataDir
from hazwatch.disk import LOW_BYTES, free_bytes
from hazwatch.history import database_url
from historian.cluster import home_of as cluster_home

REACH_S = 5.0


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `state` is ok, degraded or down."""

    part: str
    state: str
    detail: str


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Configuration.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(file: Path | None, data: Path, as_json: bool) -> None:
    """Is every part reachable, in which version, and well set up?

    Exit code 0 when nothing is down, 1 otherwise; what is degraded works, but not as it should in production.
    """
    from hazwatch.commands.up import DEMO

    try:
        config = load_config(file or DEMO)
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    try:
        folder = DataDir.existing(data.absolute())
    except NoDataDir:
        folder = None
    findings = asyncio.run(_examine(config, folder))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for one in findings:
            colour = {"ok": "green", "degraded": "yellow"}.get(one.state, "red")
            click.echo(f"{click.style(one.state.ljust(9), fg=colour)} {one.part.ljust(12)} {one.detail}")
    sys.exit(1 if any(one.state == "down" for one in findings) else 0)


class Check(Protocol):
    """Looks at one part; its name is the part's."""

    __name__: str

    def __call__(self, config: Config, data: DataDir | None) -> Awaitable[Finding]: ...


async def _examine(config: Config, data: DataDir | None) -> list[Finding]:
    checks: list[Check] = [_program, _settings, _data, _broker, _log, _database, _page]
    return [await _made(check, config, data) for check in checks]


async def _made(check: Check, config: Config, data: DataDir | None) -> Finding:
    """One finding; what the check itself stumbles over is one too."""
    try:
        return await check(config, data)
    except OSError as error:
        return Finding(check.__name__.strip("_"), "down", str(error))


def _running(data: DataDir | None, *roles: str) -> runfiles.RunFile | None:
    """The live process of the first of these roles that runs here."""
    found = (runfiles.find(data.root, role) for role in roles) if data else ()
    return next((one for one in found if one is not None), None)


async def _data(config: Config, data: DataDir | None) -> Finding:
    """Where the data lie, all of them: what a backup must take and what an end must delete."""
    if data is None:
        return Finding("data", "ok", "no data directory yet")
    places = [data.root]
    if not config.historian.database_url(os.environ) and (home := cluster_home(data.database)) != data.database:
        places.append(home)
    shown = ", ".join(f"{place} ({free_bytes(place) >> 30} GiB free)" for place in places)
    low = any(free_bytes(place) < LOW_BYTES for place in places)
    return Finding("data", "degraded" if low else "ok", shown)


async def _program(config: Config, data: DataDir | None) -> Finding:
    return Finding("program", "ok", f"hazwatch {version('hazwatch')} on Python {platform.python_version()}")


async def _settings(config: Config, data: DataDir | None) -> Finding:
    tags = sum(not tag.retired for tag in config.revision.tags)
    detail = f"{config.file}: {tags} tags, {len(config.sources)} sources, {len(config.channels)} channels"
    return Finding(
        "settings", "degraded" if config.advice else "ok", f"{detail}, {len(config.advice)} pieces of advice"
    )


async def _broker(config: Config, data: DataDir | None) -> Finding:
    program = find_mosquitto()
    said = "none is installed"
    if program is not None:
        shown = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: ASYNC221
        said = shown.splitlines()[0] if shown else program
    host, port = config.mqtt.host, config.mqtt.port
    running = _running(data, "alarm-path", "ingest")
    if running is not None and running.address:
        host, _, text = running.address.rpartition(":")
        port = int(text)
    if await _answers(host, port):
        return Finding("broker", "ok" if program else "degraded", f"{host}:{port} answers; {said}")
    if config.log.kind == "embedded":
        return Finding("broker", "ok" if program else "degraded", f"not running; {said}" if program else DEGRADED)
    return Finding("broker", "down", f"{host}:{port} does not answer; {said}")


async def _answers(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _log(config: Config, data: DataDir | None) -> Finding:
    try:
        async with asyncio.timeout(REACH_S * 2):
            if config.log.kind == "kafka":
                await verify_topics(config.log.topics(), kafka_connection(config))
                return Finding("log", "ok", f"Kafka at {config.log.bootstrap}; all topics are as they must be")
            if data is None or not any(data.log.iterdir()):
                return Finding("log", "ok", "embedded, not made yet")
            async with open_log(config, data, writer=False) as log:
                end = (await log.bounds("events", 0)).end
                return Finding(
                    "log", "ok", f"embedded in {data.log}, incarnation {await log.incarnation()}, {end} events"
                )
    except (LogError, OSError, TimeoutError) as error:
        return Finding("log", "down", str(error) or "no answer in time")


async def _database(config: Config, data: DataDir | None) -> Finding:
    historian = _running(data, "historian")
    url = config.historian.database_url(os.environ) if data is None else database_url(config.historian, data)
    if not url or (historian is None and not config.historian.database_url(os.environ)):
        return Finding("database", "ok", "embedded PostgreSQL, not running")
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=round(REACH_S)) as connection:
            row = await (await connection.execute("show server_version")).fetchone()
            extension = await (
                await connection.execute("select extversion from pg_extension where extname = 'timescaledb'")
            ).fetchone()
    except psycopg.Error as error:
        return Finding("database", "down", f"{str(error).splitlines()[0]}; alarms are not affected")
    store = f"TimescaleDB {extension[0]}" if extension else "native partitions, no TimescaleDB"
    return Finding("database", "ok" if extension else "degraded", f"PostgreSQL {row[0] if row else '?'}, {store}")


async def _page(config: Config, data: DataDir | None) -> Finding:
    built = (Path(__file__).parents[2] / "console" / "static" / "index.html").exists()
    if not built:
        node = "" if shutil.which("npm") else " (npm is missing; the set-up brings one)"
        return Finding("page", "down", f"the front end is not built; `make run` builds it{node}")
    running = _running(data, "console")
    return Finding("page", "ok", f"built; {'running at ' + running.address if running else 'not running'}")
