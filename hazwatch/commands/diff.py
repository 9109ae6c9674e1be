"""`hazwatch diff`: what another configuration changes, and which of it is less strict."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from eventlog.port import LogError
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.datadir import NoDataDir
from hazwatch.revisions.difference import Difference, difference
from hazwatch.revisions.text import lines

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, type=FILE, required=True, metavar="[OLD] NEW")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Without OLD: the data directory of the running system.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 when something is less strict or cannot be told.")
@click.option("--chinese", is_flag=True, help="Say it in Chinese.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, in both languages.")
def diff(files: tuple[Path, ...], data: Path, strict: bool, chinese: bool, as_json: bool) -> None:
    """Show what NEW changes: tags, limits, delays, rules, routes and places, field by field.

    OLD and NEW are configuration files. Without OLD it is what is in force in the system whose log NEW names. What
    makes the system less strict (limits further out, longer delays, rules or people left out) stands first, apart from
    what makes it stricter. Nothing is changed. Channels, contacts, sources and addresses are no part of a revision and
    are not compared. Exit codes: 0 done, whatever differs; 1 problems were found, or with --strict something is less
    strict; 2 the call was wrong.
    """
    if len(files) > 2:
        raise click.UsageError("give OLD and NEW, or NEW alone")
    try:
        found = _difference(files, data)
    except (NoDataDir, LogError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        for line in (f"OLD {found.old}", f"NEW {found.new}", *lines(found, chinese=chinese)):
            click.echo(line)
    sys.exit(1 if strict and found.risky else 0)


def _difference(files: tuple[Path, ...], data: Path) -> Difference:
    *others, new = _load(files)
    if others:
        old = others[0].revision
        return difference(old, new.numbered(old), str(files[0]), str(files[1]))
    from hazwatch.revisions.force import in_force  # two files can be compared where there is no log

    before = asyncio.run(in_force(new, data.absolute()))
    return difference(before, new.numbered(before), name_of(before.number), str(files[0]))


def name_of(number: int) -> str:
    """What a revision in the registry is called."""
    return f"revision {number}, in force" if number else "nothing is in force yet"


def _load(files: tuple[Path, ...]) -> list[Config]:
    """The configurations, or the problems of all of them; a problem names its file by its name alone."""
    configs: list[Config] = []
    refused: list[str] = []
    for file in files:
        try:
            configs.append(load_config(file))
        except ConfigProblems as error:
            refused.append(f"{file}: {error}")
    if refused:
        click.echo("\n".join(refused), err=True)
        sys.exit(1)
    return configs
