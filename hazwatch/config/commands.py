"""`hazwatch check` and `hazwatch tags`: everything about a configuration that can be said without a running system.

Exit codes: 0 sound, 1 problems were found, 2 the call was wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
import msgspec

from hazwatch.config import report
from hazwatch.config.assessments import DAY, day_of, expired
from hazwatch.config.cases import run_rule_cases
from hazwatch.config.listing import judged
from hazwatch.config.load import load_config
from hazwatch.config.problems import ConfigProblems
from hazwatch.config.tags_csv import read_tags, template, write_tags
from schemas.problems import Problem

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


class _Members(click.Command):
    """Its help lists what the scan of the folders finds; only help waits for that."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from alerting.channels import kinds as channels
        from ingest.formats import FORMATS
        from rules.kinds import kinds

        for heading, members in (("Rule kinds", kinds()), ("Payload formats", FORMATS), ("Channels", channels())):
            with formatter.section(heading):
                formatter.write_dl([(name, one.title.en) for name, one in members.items()])


@click.command(cls=_Members)
@click.argument("file", type=FILE)
@click.option("--json", "machine", is_flag=True, help="Say it as JSON.")
@click.option("--strict", is_flag=True, help="Advice counts as a problem.")
@click.option("--today", type=DAY, help="The day to judge assessments by [default: today].")
def check(file: Path, machine: bool, strict: bool, today: datetime | None) -> None:
    """Check a configuration with its tag lists and run its rule cases; all problems at once.

    Nothing is started and nothing is changed. Exit codes: 0 sound, 1 problems were found, 2 the call was wrong.
    """
    try:
        config = load_config(file)
        config = msgspec.structs.replace(config, advice=(*config.advice, *expired(config, day_of(today))))
    except ConfigProblems as error:
        if machine:
            click.echo(report.as_json({"file": str(file), "ok": False, "problems": report.listed(error.problems)}))
        else:
            _say_problems(error.problems)
        sys.exit(1)
    cases = run_rule_cases(config)
    failed = [problem for case in cases for problem in case.problems]
    ok = not failed and not (strict and config.advice)
    if machine:
        click.echo(
            report.as_json(
                {
                    "file": str(file),
                    "ok": ok,
                    "problems": report.listed(failed),
                    "advice": report.listed(config.advice),
                    "counts": report.counts(config),
                    "cases": [{"rule": c.rule, "name": c.name, "ok": not c.problems} for c in cases],
                }
            )
        )
        sys.exit(0 if ok else 1)
    for line in report.summary(config):
        click.echo(line)
    if cases:
        good = sum(not case.problems for case in cases)
        click.echo(f"{report.plural(len(cases), 'rule case')}, {good} as expected")
    if config.advice:
        click.secho(f"{report.plural(len(config.advice), 'remark')}:", fg="yellow")
        for line in report.gathered(config.advice):
            click.echo(f"  {line}")
    if failed:
        _say_problems(failed)
    else:
        click.secho(f"{file} is sound.", fg="green")
    sys.exit(0 if ok else 1)


@click.group()
def tags() -> None:
    """Tag lists from spreadsheets: read and check one, or get an empty one to fill in."""


@tags.command("import")
@click.argument("file", type=FILE, required=False)
@click.option("--out", type=OUT, help="Write the list with everything filled in; list this file under [tags].")
@click.option("--chinese", is_flag=True, help="Chinese headings in what is written.")
@click.option("--template", "empty", is_flag=True, help="Write an empty list instead, to --out or to the terminal.")
@click.option("--json", "machine", is_flag=True, help="Say it as JSON.")
def import_list(file: Path | None, out: Path | None, chinese: bool, empty: bool, machine: bool) -> None:
    """Read a tag list and say what is wrong with it, by row and column, all at once.

    CSV as spreadsheets write it: UTF-8 or GBK, with comma, semicolon or tab, headings in English or Chinese. Units are
    normalised, empty limits come from the set-point profile. Exit codes: 0 sound, 1 problems were found, 2 the call was
    wrong.
    """
    if empty:
        _write(template(chinese=chinese), out)
        return
    if file is None:
        raise click.UsageError("give a file, or --template for an empty one")
    found = judged(read_tags(file.read_bytes(), file.name), file.name)
    if machine:
        numbers = {"rows": len(found.rows), "tags": len(found.tags), "problems": len(found.problems)}
        text = {"file": str(file), "ok": not found.problems, "encoding": found.encoding, "delimiter": found.delimiter}
        click.echo(report.as_json({**text, "counts": numbers, "problems": report.listed(found.problems)}))
    elif found.problems:
        _say_problems(found.problems)
        click.echo(f"{len(found.tags)} of {report.plural(len(found.rows), 'row')} could be read.", err=True)
    else:
        click.echo(f"{report.plural(len(found.tags), 'tag')} ({report.measures(found.tags)}), {found.encoding}")
    if found.problems:
        sys.exit(1)
    if out is not None:
        _write(write_tags(found.tags, chinese=chinese), out)
    elif not machine:
        click.secho(f"{file} is sound.", fg="green")


@tags.command("template")
@click.option("--out", type=OUT, help="Where to write it [default: the terminal].")
@click.option("--chinese", is_flag=True, help="Chinese headings.")
def empty_list(out: Path | None, chinese: bool) -> None:
    """Write an empty tag list: headings, a row that explains them, and examples."""
    _write(template(chinese=chinese), out)


def _write(data: bytes, out: Path | None) -> None:
    if out is None or str(out) == "-":
        shown = data.decode("utf-8-sig") if sys.stdout.isatty() else data
        click.echo(shown, nl=False)
        return
    try:
        out.write_bytes(data)
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror})") from None
    click.echo(f"{out} written.", err=True)


def _say_problems(problems: Sequence[Problem]) -> None:
    click.secho(f"{report.plural(len(problems), 'problem')}:", fg="red", err=True)
    for problem in problems:
        click.echo(f"  {problem}", err=True)
