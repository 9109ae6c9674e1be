"""`hazwatch deadletters`: what could not be read, why, and another try once the configuration is mended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from eventlog.port import EventLog, LogError
from hazwatch.clock import SystemClock
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import folder_of_log, open_log
from hazwatch.datadir import DataDir, NoDataDir
from hazwatch.registry import RegistryView
from ingest import deadletters as letters
from ingest.directory import Directory
from schemas.time import to_iso

T = TypeVar("T")


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every sub-command takes."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True
        ),
        click.option(
            "--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Configuration."
        ),
    ):
        command = option(command)
    return command


@click.group()
def deadletters() -> None:
    """List, read and drive again what could not be read."""


@deadletters.command("list")
@_options
@click.option("--source", default="", help="Only those of this source.")
@click.option("--reason", default="", help="Only those with this reason, such as malformed or unknown_name.")
@click.option("--newest", default=100, show_default=True, help="How many at most.")
def list_letters(file: Path | None, data: Path, as_json: bool, source: str, reason: str, newest: int) -> None:
    """The newest dead letters, oldest first."""
    found = _with_log(file, data, lambda log, _: letters.kept(log, source=source, reason=reason, newest=newest))
    if as_json:
        click.echo(msgspec.json.encode([_row(one) for one in found]).decode())
        return
    for one in found:
        again = f"  driven again {to_iso(one.redriven_ns)}" if one.redriven_ns else ""
        letter = one.letter
        place = f"{one.offset:>8}  {to_iso(letter.received_ns)}  {letter.source:20}"
        click.echo(f"{place} {letter.reason:15} {letter.detail}{again}")
    click.echo(f"{len(found)} dead letters", err=True)


@deadletters.command()
@_options
@click.argument("offset", type=int)
def show(file: Path | None, data: Path, as_json: bool, offset: int) -> None:
    """One dead letter with its payload."""
    one = _with_log(file, data, lambda log, _: letters.read(log, offset))
    if as_json:
        click.echo(msgspec.json.encode(_row(one) | {"payload": _text(one.letter.payload)}).decode())
        return
    for name, value in _row(one).items():
        click.echo(f"{name:14} {value}")
    click.echo(f"\n{_text(one.letter.payload)}")


@deadletters.command()
@_options
@click.argument("offsets", type=int, nargs=-1, required=True)
def redrive(file: Path | None, data: Path, as_json: bool, offsets: tuple[int, ...]) -> None:
    """Decode letters again with the present configuration. Their readings are stored as history and page nobody."""

    async def work(log: EventLog, config: Config) -> list[letters.Redriven]:
        view = RegistryView(log)
        await view.catch_up()
        directory = Directory.of(view.newest, config.sources, await log.partitions("readings"))
        return await letters.redrive(log, directory, offsets, SystemClock())

    outcomes = _with_log(file, data, work)
    if as_json:
        click.echo(
            msgspec.json.encode(
                [{"offset": o.offset, "readings": o.readings, "detail": o.detail} for o in outcomes]
            ).decode()
        )
    else:
        for outcome in outcomes:
            click.echo(f"{outcome.offset:>8}  {outcome.readings} readings  {outcome.detail}")
    sys.exit(0 if all(outcome.readings for outcome in outcomes) else 1)


def _with_log(file: Path | None, data: Path, work: Callable[[EventLog, Config], Awaitable[T]]) -> T:
    """Run `work` over the log of the configuration; problems end the command with code 1."""
    from hazwatch.commands.up import DEMO

    async def run(config: Config, folder: DataDir) -> T:
        async with open_log(config, folder, writer=False, wait_s=0.0) as log:
            return await work(log, config)

    try:
        config = load_config(file or DEMO, rules=False)
        return asyncio.run(run(config, folder_of_log(config, data.absolute())))
    except (ConfigProblems, NoDataDir, LogError, letters.NoSuchLetter) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _row(one: letters.Kept) -> dict[str, Any]:
    letter = one.letter
    return {
        "offset": one.offset,
        "received_at": to_iso(letter.received_ns),
        "source": letter.source,
        "topic": letter.topic,
        "reason": letter.reason,
        "detail": letter.detail,
        "names": list(letter.names),
        "payload_bytes": letter.payload_bytes,
        "redriven_at": to_iso(one.redriven_ns) if one.redriven_ns else "",
    }


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "backslashreplace")
