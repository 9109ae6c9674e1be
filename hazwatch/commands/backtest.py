"""`hazwatch backtest`: what another configuration would have said over the same recordings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from hazwatch.backtest.eventfile import read_events
from hazwatch.backtest.events import Event, inside
from hazwatch.backtest.html import page
from hazwatch.backtest.measures import POSITIONS
from hazwatch.backtest.play import Played, play, stories
from hazwatch.backtest.report import Judgements, Names, judgements, report
from hazwatch.backtest.story import Story
from hazwatch.backtest.text import lines
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.feed import Tally
from hazwatch.replay.times import Shape
from schemas.time import DAY, seconds

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NOTED_GAP = DAY


@click.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.argument("recordings", nargs=-1, type=FILE, required=True, metavar="RECORDING...")
@click.option("--events", "events_file", type=FILE, help="Labelled events to judge by: a CSV file of start,end,label.")
@click.option(
    "--lead",
    "lead_s",
    type=click.FloatRange(min=0, max=1e8),
    default=3600.0,
    show_default=True,
    help="With --events: so many seconds before its start an alarm still is a warning of an event.",
)
@click.option(
    "--position",
    type=click.Choice(POSITIONS),
    default=POSITIONS[0],
    show_default=True,
    help="Whose alarms come to one operator; floods are counted for each.",
)
@click.option("--time-columns", default="time", show_default=True, help="Column(s) of the time, separated by commas.")
@click.option("--time-format", default="", help="strptime format of the joined time columns, taken as UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots to this file as well."
)
def backtest(
    old: Path,
    new: Path,
    recordings: tuple[Path, ...],
    events_file: Path | None,
    lead_s: float,
    position: str,
    time_columns: str,
    time_format: str,
    as_json: bool,
    html: Path | None,
) -> None:
    """Replay two configurations over the same recordings and report what changes.

    OLD and NEW are configuration files; a RECORDING is what `hazwatch replay` reads. Alarms raised (by rule, tag and
    tier), alarms per day, floods, chattering and standing time are given for each and as NEW less OLD, with the alarms
    that only one of them raises and the shift of those that both raise. Nothing is notified and no log is written. Exit
    codes: 0 done, 1 problems were found, 2 the call was wrong.
    """
    shape = Shape(tuple(name.strip() for name in time_columns.split(",")), time_format)
    if html is not None:
        check_writable(html)
    try:
        configs = _load(old, new)
        events = read_events(events_file) if events_file else None
        played = _play(configs, recordings, shape, traced=html is not None)
        told = stories(*played)
        judged = None if events is None or events_file is None else _judged(events_file, told, events, lead_s)
    except (ConfigProblems, RecordingError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    names = Names(old=str(old), new=str(new), files=tuple(map(str, recordings)))
    notes = list(_notes(configs, played, judged))
    whole, comparison = report(names, *told, position=position, events=judged, notes=notes)
    if html is not None:
        traces = [one.traces for one in played if one.traces is not None]
        text = page(whole, comparison, told, traces, [] if events is None else events)
        html.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(msgspec.json.encode(whole).decode())
    else:
        for line in lines(whole):
            click.echo(line)


def _load(old: Path, new: Path) -> tuple[Config, Config]:
    """Both configurations, or the problems of both."""
    configs: list[Config] = []
    refused: list[str] = []
    for file in (old, new):
        try:
            configs.append(load_config(file))
        except ConfigProblems as error:
            refused.append(f"{file}: {error}")
    if refused:
        raise RecordingError(refused)
    return configs[0], configs[1]


def _play(configs: Sequence[Config], files: Sequence[Path], shape: Shape, *, traced: bool) -> tuple[Played, Played]:
    size = sum(file.stat().st_size for file in files) * len(configs)
    with click.progressbar(length=size, label="backtest", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        old, new = (
            play(config.revision, files, shape, Tally(progress=bar.update), traced=traced) for config in configs
        )
    if not (old.first_ns or new.first_ns):
        raise RecordingError(
            [f"{', '.join(map(str, files))}: no row names a tag of either configuration; compare its names with theirs"]
        )
    return old, new


def _judged(file: Path, told: tuple[Story, Story], events: Sequence[Event], lead_s: float) -> Judgements:
    old, new = told
    held = inside(events, old.span)
    if not held:
        raise RecordingError([f"{file}: no event lies in the recording; look at the offset of its times"])
    outside = [event for event in events if event not in held]
    return judgements(old, new, held, outside, seconds(lead_s))


def _notes(configs: Sequence[Config], played: Sequence[Played], judged: Judgements | None) -> Iterator[str]:
    """What a reader has to know to trust the numbers."""
    (old, new) = ({tag.name for tag in config.revision.tags if not tag.retired} for config in configs)
    for name, only in (("OLD", old - new), ("NEW", new - old)):
        if only:
            yield f"{name} alone has {_some(sorted(only))}"
    before, after = (one.tally for one in played)
    if strangers := sorted(before.strangers.keys() & after.strangers.keys()):
        yield f"no such tag in either configuration, passed over: {_some(strangers)}"
    if late := max(before.late, after.late):
        yield f"{late} readings were older than one before them and came late"
    for one, name in zip(played, ("OLD", "NEW"), strict=True):
        if not one.first_ns:
            yield f"no row names a tag of {name}"
    if (gap_ns := max(one.gap_ns for one in played)) >= NOTED_GAP:
        yield f"{gap_ns / DAY:.1f} days without any reading count as recorded time"
    if judged is not None and judged.outside:
        yield f"events outside the recording, not counted: {_some(judged.outside)}"


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def check_writable(html: Path) -> None:
    """Refuse a page that cannot be written before minutes are spent on it."""
    if not html.absolute().parent.is_dir():
        raise click.UsageError(f"{html} cannot be written (there is no folder {html.parent}; make it first)")
    if not os.access(html if html.exists() else html.absolute().parent, os.W_OK):
        raise click.UsageError(f"{html} cannot be written (permission denied; choose another place)")
