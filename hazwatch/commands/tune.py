"""`hazwatch tune`: deadband and delays for limits that chatter, from history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from hazwatch.backtest.eventfile import read_events
from hazwatch.backtest.events import Event
from hazwatch.backtest.play import Played, play, stories
from hazwatch.backtest.report import Names, Report, judgements, report
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.config.tags_csv import write_tags
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.feed import Feed, Tally
from hazwatch.replay.times import Shape
from hazwatch.tune.gather import samples
from hazwatch.tune.propose import Proposal, limiting, propose, proposed, restless
from hazwatch.tune.told import Tuning, lines
from schemas.registry import Revision, Tag
from schemas.time import seconds

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OUT = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("config_file", metavar="CONFIG", type=FILE)
@click.argument("recordings", nargs=-1, type=FILE, required=True, metavar="RECORDING...")
@click.option("--tag", "names", multiple=True, help="Look at this tag, whether it chatters or not; may be repeated.")
@click.option("--events", "events_file", type=FILE, help="Labelled events that say what was real: start,end,label.")
@click.option(
    "--lead",
    "lead_s",
    type=click.FloatRange(min=0, max=1e8),
    default=600.0,
    show_default=True,
    help="With --events: so many seconds before its start an alarm is not false.",
)
@click.option(
    "--real",
    "real_s",
    type=click.FloatRange(min=0.1, max=86_400),
    help="Without --events: what is beyond the limit for more than half of so many seconds is real [default: 60, for "
    "gas 6].",
)
@click.option("--time-columns", default="time", show_default=True, help="Column(s) of the time, separated by commas.")
@click.option("--time-format", default="", help="strptime format of the joined time columns, taken as UTC.")
@click.option("--json", "as_json", is_flag=True, help="Print proposals and proof as JSON.")
@click.option("--csv", "csv_out", type=OUT, help="Write the whole tag list with the proposals in it to this file.")
@click.option("--toml", "toml_out", type=OUT, help="Write the changed rows as a [tags] table to this file.")
def tune(
    config_file: Path,
    recordings: tuple[Path, ...],
    names: tuple[str, ...],
    events_file: Path | None,
    lead_s: float,
    real_s: float | None,
    time_columns: str,
    time_format: str,
    as_json: bool,
    csv_out: Path | None,
    toml_out: Path | None,
) -> None:
    """Find limits that chatter in RECORDINGs and propose deadband, on-delay and off-delay for their tags.

    A condition chatters that is raised 3 times or more within a minute; an alarm is fleeting that ends within one. For
    each such tag a grid of settings is tried: alarms, false and missed ones, and how much later they come. Limits are
    never touched; no on-delay exceeds the response time, nor 3 s for gas; and no real excursion that is found now is
    given up. The whole of the proposal is replayed through the rules and told beside what was before. Nothing is
    changed. Exit codes: 0 done, 1 problems were found, 2 the call was wrong.
    """
    shape = Shape(tuple(name.strip() for name in time_columns.split(",")), time_format)
    try:
        config = load_config(config_file)
        events = read_events(events_file) if events_file else None
        whole, after = _tuned(config, recordings, shape, names, events, lead_s, real_s)
    except (ConfigProblems, RecordingError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if as_json:
        click.echo(msgspec.json.encode(whole).decode())
    else:
        for line in lines(whole):
            click.echo(line)
    _write(csv_out, toml_out, whole, after)


def _tuned(
    config: Config,
    files: Sequence[Path],
    shape: Shape,
    names: Sequence[str],
    events: Sequence[Event] | None,
    lead_s: float,
    real_s: float | None,
) -> tuple[Tuning, Revision]:
    revision = config.revision
    before = _play(revision, files, shape, "tune: what chatters")
    if not before.first_ns:
        raise RecordingError([f"{', '.join(map(str, files))}: no row names a tag of the configuration"])
    story, _ = stories(before, before)
    tags, left = restless(story, revision)
    tags = _named(names, revision) or tags
    tally = Tally()
    found = samples(Feed(files, shape, tags, tally).instants(), tags) if tags else {}
    proposals: list[Proposal] = []
    notes: list[str] = []
    for tag in tags:
        rules = limiting(tag, revision)
        if tag.name not in found or len(found[tag.name].at) < 2:
            notes.append(f"{tag.name} has too few readings")
        elif len(rules) != 1:
            notes.append(f"{tag.name} is asked by {len(rules)} rules of kind limits; leave it one to tune it")
        else:
            one = propose(tag, rules[0], found[tag.name], events=events, lead_s=lead_s, real_s=real_s)
            proposals.append(one)
    after = proposed(revision, proposals)
    proof = None
    if after != revision:
        second = _play(after, files, shape, "tune: the proof")
        proof = _proof(config, files, (before, second), events, lead_s)
    whole = Tuning(
        config=str(config.file.name),
        files=tuple(map(str, files)),
        proposals=tuple(proposals),
        left=tuple(left),
        backtest=proof,
        notes=tuple(notes),
    )
    return whole, after


def _named(names: Sequence[str], revision: Revision) -> list[Tag]:
    tags = {tag.name: tag for tag in revision.tags if not tag.retired}
    if strangers := [name for name in names if name not in tags]:
        raise RecordingError(
            [f"there is no tag {name!r} in the configuration; compare its names" for name in strangers]
        )
    return [tags[name] for name in dict.fromkeys(names)]


def _play(revision: Revision, files: Sequence[Path], shape: Shape, label: str) -> Played:
    size = sum(file.stat().st_size for file in files)
    with click.progressbar(length=size, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        return play(revision, files, shape, Tally(progress=bar.update))


def _proof(
    config: Config, files: Sequence[Path], played: tuple[Played, Played], events: Sequence[Event] | None, lead_s: float
) -> Report:
    told = stories(*played)
    judged = None if not events else judgements(*told, events, [], seconds(lead_s))
    names = Names(old=config.file.name, new="with the proposals", files=tuple(map(str, files)))
    whole, _ = report(names, *told, position="park", events=judged)
    return whole


def _write(csv_out: Path | None, toml_out: Path | None, whole: Tuning, after: Revision) -> None:
    living = [tag for tag in after.tags if not tag.retired]
    changed = {one.tag for one in whole.proposals if one.changes}
    try:
        if csv_out is not None:
            csv_out.write_bytes(write_tags(living))
        if toml_out is not None:
            rows = write_tags([tag for tag in living if tag.name in changed]).decode("utf-8-sig")
            text = rows.replace("\r\n", "\n").replace("\\", "\\\\").replace('"', '\\"')
            toml_out.write_text(
                f'# These rows instead of those of the same names in the tag lists.\n[tags]\nlist = """\n{text}"""\n',
                encoding="utf-8",
            )
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be written ({error.strerror})") from None
