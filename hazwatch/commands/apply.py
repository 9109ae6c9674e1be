"""`hazwatch apply`: put a changed configuration into force, at one point of every partition."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from eventlog.port import LogError, Position
from hazwatch.clock import SystemClock
from hazwatch.commands.diff import name_of
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import folder_of_log, open_log
from hazwatch.datadir import DataDir, NoDataDir
from hazwatch.registry import RegistryView, publish
from hazwatch.revisions.difference import Difference, difference
from hazwatch.revisions.force import in_force
from hazwatch.revisions.text import lines, summary
from schemas.checks import changed
from schemas.problems import Problem
from schemas.registry import Revision


class Place(NamedTuple):
    """Where in a topic a revision begins."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition} offset {self.offset}"


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` writes. `positions` are the records from which on each partition follows the revision; empty when
    nothing has changed."""

    before: int
    revision: int
    difference: Difference
    positions: tuple[Place, ...]


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option("--note", default="", help="Why, for the record.")
@click.option(
    "--accept-less-strict",
    "accepted",
    is_flag=True,
    help="Put it into force although something is less strict or cannot be told.",
)
@click.option("--chinese", is_flag=True, help="Show what changes in Chinese.")
@click.option("--json", "as_json", is_flag=True, help="Print revision, difference and log positions as JSON.")
def apply(file: Path, data: Path, note: str, accepted: bool, chinese: bool, as_json: bool) -> None:
    """Put tags, limits, rules and routes of a configuration into force in a running system, without a restart.

    What changes is shown first (see `hazwatch diff`). If anything is less strict, or nobody can tell, it asks; where
    nobody can be asked it refuses without --accept-less-strict. Then it tells from which log position on the revision
    is followed. Addresses, channels and contacts are read at the start of a process; they need a restart of that
    process. Exit codes: 0 in force, or nothing has changed; 1 problems were found, or it was not accepted; 2 the call
    was wrong.
    """
    try:
        config = load_config(file)
        before = asyncio.run(in_force(config, data.absolute()))
        shown = difference(before, config.numbered(before), name_of(before.number), str(file))
        _show(shown, first=not before.number, chinese=chinese, quiet=as_json)
        if before.number and shown.risky and not accepted:
            _ask(shown)
        after, positions = asyncio.run(_apply(config, folder_of_log(config, data.absolute()), note, before))
    except (ConfigProblems, NoDataDir, LogError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        said = Applied(before=before.number, revision=after.number, difference=shown, positions=tuple(positions))
        click.echo(msgspec.json.encode(said).decode())
    elif before.number == after.number:
        click.echo(f"nothing has changed; revision {after.number} stays in force")
    else:
        click.echo(f"revision {after.number} is in force: {summary(shown)}")
        click.echo(f"from {', '.join(map(str, positions))}")


def _show(shown: Difference, *, first: bool, chinese: bool, quiet: bool) -> None:
    """What changes; a first revision is all new, and nobody reads that."""
    if shown.empty:
        return
    for line in [summary(shown, chinese=chinese)] if first else lines(shown, chinese=chinese):
        click.echo(line, err=quiet)


def _ask(shown: Difference) -> None:
    """Have a person say yes, or end."""
    if sys.stdin.isatty():
        if click.confirm("Put it into force although it is less strict?", default=False, err=True):
            return
        click.echo("nothing was put into force", err=True)
    else:
        click.echo(
            "nothing was put into force: something is less strict, or cannot be told; look at the list and give "
            "--accept-less-strict if it is meant",
            err=True,
        )
    sys.exit(1)


async def _apply(config: Config, data: DataDir, note: str, shown: Revision) -> tuple[Revision, Sequence[Place]]:
    positions: list[Place] = []

    def heard(topic: str, position: Position) -> None:
        positions.append(Place(topic, position.partition, position.offset))

    def wanted(newest: Revision) -> Revision:
        if newest.number != shown.number:
            message = f"revision {newest.number} came into force meanwhile, so what was shown is not what would change"
            raise ConfigProblems([Problem.of("registry", message, "apply again and look at what it shows")])
        revision = msgspec.structs.replace(config.numbered(newest), note=note)
        if problems := list(changed(newest, revision)):
            raise ConfigProblems(problems)
        return revision

    async with open_log(config, data, writer=False) as log:
        view = RegistryView(log)
        made_ns, made_by = SystemClock().now_ns(), getpass.getuser()
        after = await publish(log, view, wanted, made_ns=made_ns, made_by=made_by, activated=heard)
        return after, positions
