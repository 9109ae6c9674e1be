"""`hazwatch replay`: what would have happened, one transition per line."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click
import msgspec

from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.datadir import DataDir
from hazwatch.replay.feed import Instant, instants
from hazwatch.replay.recording import RecordingError, Shape
from hazwatch.replay.refold import refolded
from hazwatch.replay.runner import Replay, line_of
from schemas.alarms import Transition
from schemas.time import SECOND

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, type=FILE)
@click.option("--config", "config_file", type=FILE, required=True, help="Tags, limits and rules to replay with.")
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
@click.option("--partition", default=0, show_default=True, help="With --log: the partition of `events`.")
def replay(
    files: tuple[Path, ...],
    config_file: Path,
    speed: str,
    out: Path | None,
    time_columns: str,
    time_format: str,
    log_data: Path | None,
    partition: int,
) -> None:
    """Feed recordings through the same two folds, on the recording's time, and write one transition per line.

    FILES are CSV, plain, .gz or .xz: long (time,tag,value[,quality]) or wide (a column per tag). Times are ISO 8601
    with an offset, epoch seconds or milliseconds, or as --time-format says. Nothing is notified and the live log is
    not written: this command has no channels.
    """
    if bool(files) == bool(log_data):
        raise click.UsageError("give recordings, or --log with a data directory")
    factor = _factor(speed)
    try:
        config = load_config(config_file)
        shape = Shape(tuple(time_columns.split(",")), time_format)
        with _output(out) as target:
            if log_data:
                found: Iterable[Transition] = refolded(config, DataDir(log_data.absolute()), partition)
                count = _write(found, target)
            else:
                count = _play(config, files, shape, factor, target)
    except (ConfigProblems, RecordingError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{count} transitions", err=True)


def _play(config: Config, files: tuple[Path, ...], shape: Shape, factor: float, target: IO[bytes]) -> int:
    total = sum(_plain_size(file) for file in files)
    bar = click.progressbar(length=total, label="replay", file=sys.stderr, hidden=not sys.stderr.isatty())
    with bar:
        recording = instants(files, shape, config.revision.tags, _unknown, bar.update)
        return _write(Replay(config.revision).transitions(_paced(recording, factor)), target)


def _write(transitions: Iterable[Transition], target: IO[bytes]) -> int:
    count = 0
    for transition in transitions:
        target.write(msgspec.json.encode(line_of(transition)) + b"\n")
        count += 1
    target.flush()
    return count


def _paced(recording: Iterable[Instant], factor: float) -> Iterator[Instant]:
    """The recording at `factor` recorded seconds per second; as fast as it goes when that is infinite."""
    first_ns = 0
    started = time.monotonic()
    for instant in recording:
        first_ns = first_ns or instant.append_ns
        if factor != float("inf"):
            due = started + (instant.append_ns - first_ns) / SECOND / factor
            time.sleep(max(0.0, due - time.monotonic()))
        yield instant


def _factor(speed: str) -> float:
    if speed == "max":
        return float("inf")
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise click.UsageError(f"--speed {speed!r} is neither a positive number nor max")
    return factor


def _plain_size(file: Path) -> int:
    """About how many bytes will be read; compressed text is taken to be eight times as long."""
    return file.stat().st_size * (8 if file.suffix in (".gz", ".xz") else 1)


def _unknown(name: str) -> None:
    click.echo(f"{name}: no such tag in the configuration; its rows are passed over", err=True)


@contextlib.contextmanager
def _output(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    with out.open("wb") as target:
        yield target
