"""`hazwatch replay`: what would have happened, one transition per line."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import click
import msgspec

from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.datadir import DataDir
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.feed import Feed, Grouping, Instant, Tally
from hazwatch.replay.line import Happened, line_of
from hazwatch.replay.runner import Replay
from hazwatch.replay.times import Shape
from schemas.time import MS, SECOND, from_iso

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, type=FILE)
@click.option("--config", "config_file", type=FILE, help="Tags, limits and rules to replay with.")
@click.option("--guess", "guessing", is_flag=True, help="Write a first configuration for FILES instead of replaying.")
@click.option("--speed", default="max", show_default=True, help="Recorded seconds per second, or max.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the lines go [default: standard output]."
)
@click.option("--time-columns", default="time", show_default=True, help="Column(s) of the time, separated by commas.")
@click.option("--time-format", default="", help="strptime format of the joined time columns, taken as UTC.")
@click.option(
    "--log",
    "log_data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Refold the live log of this data directory.",
)
@click.option(
    "--history",
    "history_data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Replay what the historian holds: of this data directory, or of the database that the configuration names.",
)
@click.option(
    "--from", "start", default="", help="With --history: the first moment, such as 2026-11-30T08:00:00+08:00."
)
@click.option("--to", "end", default="", help="With --history: the moment before which it ends.")
@click.option(
    "--partition", type=click.IntRange(0), default=0, show_default=True, help="With --log: the partition of `events`."
)
def replay(
    files: tuple[Path, ...],
    config_file: Path | None,
    guessing: bool,
    speed: str,
    out: Path | None,
    time_columns: str,
    time_format: str,
    log_data: Path | None,
    history_data: Path | None,
    start: str,
    end: str,
    partition: int,
) -> None:
    """Feed recordings through the same two folds, on the recording's time, and write one transition per line.

    FILES are CSV, plain, .gz or .xz, or Parquet: long (time,tag,value[,quality]) or wide (a column per tag, where an
    empty cell is no reading). With --history the historian's readings are replayed. Times are ISO 8601 with an offset,
    epoch seconds or milliseconds, or as --time-format says. Nothing is notified and the live log is not written: this
    command has no channels. What was read is told at
    the end, on standard error. Exit codes: 0 done, 1 problems were found, 2 the call was wrong.
    """
    if [bool(files), bool(log_data), bool(history_data)].count(True) != 1:
        raise click.UsageError("give recordings, or --log or --history with a data directory")
    if guessing == bool(config_file) or (guessing and not files):
        raise click.UsageError("give --config FILE, or --guess to have one written for the recordings")
    span = _span(start, end, bool(history_data))
    factor = _factor(speed)
    shape = Shape(tuple(name.strip() for name in time_columns.split(",")), time_format)
    if config_file is None:
        _guess(files, shape, out)
        return
    tally = Tally(unknown=_say_unknown)
    try:
        config = load_config(config_file)
        with _output(out) as target:
            if log_data:
                count = _write(_refolded(config, log_data, partition), target, paced=False)
            elif history_data:
                count = _stored(config, history_data, span, tally, factor, target)
            else:
                count = _recorded(config, files, shape, tally, factor, target)
    except (ConfigProblems, RecordingError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    for line in _summary(tally, count):
        click.echo(line, err=True)


def _guess(files: tuple[Path, ...], shape: Shape, out: Path | None) -> None:
    from hazwatch.replay.guess import guess

    try:
        text = guess(files, shape)
    except RecordingError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    with _output(out) as target:
        target.write(text.encode())
        target.flush()


def _recorded(
    config: Config, files: tuple[Path, ...], shape: Shape, tally: Tally, factor: float, target: IO[bytes]
) -> int:
    with _bar(sum(file.stat().st_size for file in files)) as move:
        tally.progress = move
        count = _play(config, Feed(files, shape, config.revision.tags, tally).instants(), factor, target)
    if not tally.readings:
        raise RecordingError([f"{', '.join(map(str, files))}: no row names a tag of the configuration"])
    return count


def _stored(config: Config, data: Path, span: tuple[int, int], tally: Tally, factor: float, target: IO[bytes]) -> int:
    """A replay of what the historian holds. The way to a database is taken here only: other replays have none."""
    from hazwatch.history import database_url
    from hazwatch.replay.history import history_rows

    url = database_url(config.historian, DataDir(data.absolute()))
    if not url:
        raise RecordingError([f"{data}: its database is not running; start `hazwatch up --data {data}` first"])
    tags = config.revision.tags
    with _bar((span[1] - span[0]) // MS) as move:
        rows = history_rows(url, config.historian, {tag.name for tag in tags}, *span, move)
        count = _play(config, Grouping(tags, tally).instants(rows), factor, target)
    if not tally.readings:
        raise RecordingError(["the history holds no reading of these tags in that time; see --from and --to"])
    return count


@contextlib.contextmanager
def _bar(length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar where somebody can see it; gives what moves it on."""
    with click.progressbar(length=length, label="replay", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _play(config: Config, recording: Iterable[Instant], factor: float, target: IO[bytes]) -> int:
    paced = factor != math.inf
    replay = Replay(config.revision, until=_pace(factor)) if paced else Replay(config.revision)
    return _write(replay.play(recording), target, paced=paced)


def _refolded(config: Config, log_data: Path, partition: int) -> Iterable[Happened]:
    from eventlog.port import LogError  # the only way to a log; a replay of files never takes it
    from hazwatch.replay.refold import refolded

    if config.log.kind == "embedded" and not (log_data / "log").is_dir():
        raise RecordingError([f"{log_data}: there is no log here; give the --data directory of a hazwatch"])
    try:
        return refolded(config, DataDir(log_data.absolute()), partition)
    except LogError as error:
        raise RecordingError([str(error)]) from None


def _write(transitions: Iterable[Happened], target: IO[bytes], *, paced: bool) -> int:
    count = 0
    for one in transitions:
        target.write(msgspec.json.encode(line_of(one)) + b"\n")
        count += 1
        if paced:
            target.flush()
    target.flush()
    return count


def _summary(tally: Tally, transitions: int) -> Iterator[str]:
    if tally.readings:
        yield f"{tally.readings} readings of known tags"
    if tally.bad:
        yield "bad: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.bad.items()))
    if tally.strangers:
        yield f"{tally.strangers.total()} readings of {len(tally.strangers)} unknown names were passed over"
    if tally.late:
        yield f"{tally.late} readings were older than one before them: they are late, and too late is history"
    yield f"{transitions} transitions"


def _pace(factor: float) -> Callable[[int], None]:
    """Waits for a moment of the recording, at `factor` recorded seconds per second from the first one on."""
    begun: list[tuple[int, float]] = []

    def until(at_ns: int) -> None:
        if not begun:
            begun.append((at_ns, time.monotonic()))
        first_ns, started = begun[0]
        time.sleep(max(0.0, started + (at_ns - first_ns) / SECOND / factor - time.monotonic()))

    return until


def _span(start: str, end: str, asked: bool) -> tuple[int, int]:
    """--from and --to in ns; both are needed with --history, and have no meaning without."""
    if not asked:
        if start or end:
            raise click.UsageError("--from and --to go with --history")
        return 0, 0
    try:
        span = from_iso(start), from_iso(end)
    except ValueError as error:
        raise click.UsageError(f"--history needs --from and --to: {error}") from None
    if span[0] >= span[1]:
        raise click.UsageError(f"--to {end} is not after --from {start}")
    return span


def _factor(speed: str) -> float:
    if speed == "max":
        return math.inf
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        raise click.UsageError(f"--speed {speed!r} is neither a positive number nor max")
    return factor


def _say_unknown(name: str) -> None:
    click.echo(f"{name}: no such tag in the configuration; its rows are passed over", err=True)


@contextlib.contextmanager
def _output(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        target = out.open("wb")
    except OSError as error:
        raise click.UsageError(f"{out} cannot be written ({error.strerror})") from None
    with target:
        yield target
