"""`hazwatch apply`: put a changed configuration into force, at one point of every partition."""

from __future__ import annotations

import asyncio
import getpass
import sys
from pathlib import Path

import click
import msgspec

from eventlog.port import LogError
from hazwatch.clock import SystemClock
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import folder_of_log, open_log
from hazwatch.datadir import DataDir, NoDataDir
from hazwatch.registry import RegistryView, publish
from schemas.checks import changed
from schemas.registry import Revision


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True)
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option("--note", default="", help="Why, for the record.")
@click.option("--json", "as_json", is_flag=True, help="Print the revision's number as JSON.")
def apply(file: Path, data: Path, note: str, as_json: bool) -> None:
    """Put tags, limits, rules and routes of a configuration into force in a running system, without a restart.

    Addresses, channels and contacts are read at the start of a process; they need a restart of that process.
    """
    try:
        config = load_config(file)
        before, after = asyncio.run(_apply(config, folder_of_log(config, data.absolute()), note))
    except (ConfigProblems, NoDataDir, LogError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.encode({"before": before.number, "revision": after.number}).decode())
    elif before.number == after.number:
        click.echo(f"nothing has changed; revision {after.number} stays in force")
    else:
        click.echo(f"revision {after.number} is in force: {_difference(before, after)}")


async def _apply(config: Config, data: DataDir, note: str) -> tuple[Revision, Revision]:
    async with open_log(config, data, writer=False) as log:
        view = RegistryView(log)
        await view.catch_up()
        before = view.newest

        def wanted(newest: Revision) -> Revision:
            nonlocal before
            before = newest
            revision = msgspec.structs.replace(config.numbered(newest), note=note)
            if problems := list(changed(newest, revision)):
                raise ConfigProblems(problems)
            return revision

        after = await publish(log, view, wanted, made_ns=SystemClock().now_ns(), made_by=getpass.getuser())
        return before, after


def _difference(before: Revision, after: Revision) -> str:
    old, new = {t.name: t for t in before.tags if not t.retired}, {t.name: t for t in after.tags if not t.retired}
    added, gone = new.keys() - old.keys(), old.keys() - new.keys()
    altered = [name for name in new.keys() & old.keys() if new[name] != old[name]]
    return f"{len(added)} tags new, {len(gone)} retired, {len(altered)} changed"
