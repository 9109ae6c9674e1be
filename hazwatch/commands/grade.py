"""`hazwatch grade`: the grades of the major hazard sources of a configuration, and what each rests on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from hazwatch.config import ConfigProblems, load_config, report
from hazwatch.config.assessments import DAY, day_of
from schemas.majorhazard import GRADES, SOON_DAYS, Assessment, assessment_of, valid_until
from schemas.registry import HazardSource


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--today", type=DAY, help="The day to judge assessments by [default: today].")
@click.option("--json", "machine", is_flag=True, help="Say it as JSON.")
def grade(file: Path, today: datetime | None, machine: bool) -> None:
    """Grade the major hazard sources of a configuration by what they hold and who lives beside them.

    For each: S = sum of q/Q, R = alpha x sum of beta x q/Q, the grade, what each substance adds, and until when the
    assessment counts. A computation for people to check, no assessment in the sense of the law. Exit codes: 0 done, 1
    the configuration has problems, 2 the call was wrong.
    """
    try:
        config = load_config(file, rules=False)
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    day = day_of(today)
    sources = config.revision.hazard_sources
    if machine:
        listed = [_as_data(source, assessment_of(source), day) for source in sources]
        click.echo(report.as_json({"file": str(file), "today": day.isoformat(), "hazard_sources": listed}))
        return
    if not sources:
        click.echo("There is no hazard source in it.")
    for source in sources:
        for line in _lines(source, assessment_of(source), day):
            click.echo(line)


def _as_data(source: HazardSource, found: Assessment | None, today: date) -> dict[str, Any]:
    last = valid_until(source)
    return {
        "id": source.id,
        "name": msgspec.to_builtins(source.name),
        "grade": source.grade,
        "computed": None if found is None else {"major": found.major, **msgspec.to_builtins(found)},
        "assessed": source.assessed and source.assessed.isoformat(),
        "valid_until": last and last.isoformat(),
        "days_left": None if last is None else (last - today).days,
        "assessor": source.assessor,
        "assessment": source.assessment,
    }


def _lines(source: HazardSource, found: Assessment | None, today: date) -> Iterator[str]:
    title = f"{source.id} ({source.name.zh or source.id}, {source.name.en or source.id})"
    if found is None:
        given = f"grade {source.grade} as given" if source.grade else "no grade"
        yield f"{title}: {given}; without an inventory nothing can be computed"
    else:
        verdict = GRADES[found.grade] if found.grade else None
        result = f"{verdict.zh} / {verdict.en}" if verdict else "no major hazard source (S < 1)"
        if source.grade != found.grade:
            result += f"; grade {source.grade} is given and counts"
        yield f"{title}: {result}"
        yield f"  S = {found.s:.4g}, R = {found.r:.4g} = {found.alpha:g} x {found.r / found.alpha:.4g}" + (
            f" (alpha {found.alpha:g} for {found.population} people within 500 m)"
        )
        for one in sorted(found.shares, key=lambda share: -share.share):
            yield (
                f"  {one.share:6.1%}  {one.name.zh} {one.name.en}: q {one.q_t:g} t / Q {one.threshold_t:g} t "
                f"({one.threshold_from}) = {one.ratio:.4g}; beta {one.beta:g} ({one.beta_from})"
            )
    yield from _validity(source, today)


def _validity(source: HazardSource, today: date) -> Iterator[str]:
    last = valid_until(source)
    made = [f"assessed {source.assessed}"] if source.assessed else []
    made += [f"by {source.assessor}"] if source.assessor else []
    made += [source.assessment] if source.assessment else []
    if last is not None:
        days = (last - today).days
        left = f"ran out on {last}" if days < 0 else f"counts until {last}, {report.plural(days, 'day')} left"
        made.append(click.style(left, fg="red" if days < 0 else "yellow") if days <= SOON_DAYS else left)
    if made:
        yield f"  {', '.join(made)}"
