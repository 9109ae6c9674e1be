"""`hazwatch init`: a first configuration for a tag list."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from hazwatch.config import ConfigProblems, load_config
from hazwatch.config.listing import judged
from hazwatch.config.report import plural
from hazwatch.config.tags_csv import read_tags
from hazwatch.init.notes import Note
from hazwatch.init.propose import answers_of, completed, missing, proposed, unlimited
from hazwatch.init.recognise import UnknownProcess, recognise, undecided
from hazwatch.init.site import site_of
from hazwatch.init.write import written
from schemas.problems import Problem

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OUT = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("tags_file", metavar="TAGS.csv", type=FILE)
@click.option(
    "--process",
    "processes",
    multiple=True,
    metavar="NAME[@CELL]",
    help="What stands there, for all cells or for one, instead of recognising it. May be given several times.",
)
@click.option("--out", type=OUT, help="Where to write it [default: the terminal]; an existing file is never replaced.")
@click.option("--chinese", is_flag=True, help="Comments in Chinese.")
@click.option(
    "--list",
    "listing",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda c, p, v: _list(c, v),
    help="List the processes of the library and leave.",
)
def init(tags_file: Path, processes: Sequence[str], out: Path | None, chinese: bool) -> None:
    """Propose a complete configuration for a tag list: rules with reasons, limits, guidance.

    Processes and equipment are recognised by the gases, measures, names and titles of the list. The file passes
    `hazwatch check` as it is; what could not be decided stands at its head and is told on standard error. Exit codes: 0
    done, 1 problems were found, 2 the call was wrong.
    """
    if out is not None and out.exists():
        raise click.UsageError(f"{out} exists and is not replaced; remove it or write elsewhere")
    found = read_tags(tags_file.read_bytes(), tags_file.name)
    if not found.tags and not found.problems:
        _refuse([Problem.of(tags_file.name, "there is no tag in it", "start from `hazwatch tags template`")])
    site = site_of(found.tags)
    try:
        cells = recognise(site.revision, processes)
    except UnknownProcess as error:
        raise click.UsageError(str(error)) from None
    answers = answers_of(cells)
    revision = completed(site.revision, answers)
    if problems := judged(replace(found, tags=revision.tags), tags_file.name).problems:
        _refuse(problems)
    rules, dropped = proposed(revision, cells, answers)
    notes = [*undecided(cells), *missing(cells, answers), *dropped, *unlimited(revision, cells, answers), *site.notes]
    text = written(tags_file.name, revision, cells, rules, notes, chinese)
    _prove(text)
    if out is None:
        click.echo(text, nl=False)
    else:
        try:
            with out.open("x", encoding="utf-8") as target:
                target.write(text)
        except OSError as error:
            raise click.UsageError(f"{out} cannot be written ({error.strerror})") from None
    _summary([len(found.tags), len(rules)], notes, out, chinese)


def _prove(text: str) -> None:
    """What is proposed is checked before it is given away."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "proposal.toml"
        file.write_text(text, encoding="utf-8")
        try:
            load_config(file)
        except ConfigProblems as error:
            _refuse(error.problems)


def _summary(counts: Sequence[int], notes: Sequence[Note], out: Path | None, chinese: bool) -> None:
    tags, rules = counts
    where = f"{out} written: " if out is not None else ""
    click.echo(f"{where}{plural(tags, 'tag')}, {plural(rules, 'rule')}.", err=True)
    if notes:
        click.secho(f"{plural(len(notes), 'thing')} could not be decided:", fg="yellow", err=True)
        for note in notes:
            click.echo(f"  {note.told(chinese=chinese)}", err=True)


def _refuse(problems: Sequence[Problem]) -> None:
    click.secho(f"{plural(len(problems), 'problem')}:", fg="red", err=True)
    for problem in problems:
        click.echo(f"  {problem}", err=True)
    sys.exit(1)


def _list(context: click.Context, wanted: bool) -> None:
    if not wanted:
        return
    from rules.library import library

    for entry in library().values():
        if not entry.always:
            click.echo(f"{entry.id:24}{entry.name.zh}  {entry.name.en}")
    context.exit()
