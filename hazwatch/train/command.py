"""`hazwatch train`: a model of a unit from a recording of its healthy period."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import click

from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.times import Shape, time_of
from hazwatch.train.grid import read
from hazwatch.train.learn import CannotTrain, Learned, learn, some
from hazwatch.train.modelfile import toml
from schemas.registry import Tag

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
EVER = (0, 2**63 - 1)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--config", "config_file", type=FILE, required=True, help="Tags to learn; `replay --guess` writes one.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The model's file [default: NAME.model.toml beside the configuration].",
)
@click.option("--add", is_flag=True, help="Write the model and its rule to the end of the configuration.")
@click.option("--name", default="", help="What the model and its rule are called [default: the cell].")
@click.option("--cell", default="", help="The unit, where the configuration has tags of several cells.")
@click.option("--tags", "wanted", multiple=True, help="Only tags like this pattern; may be given several times.")
@click.option("--without", multiple=True, help="No tags like this pattern; may be given several times.")
@click.option("--from", "since", default="", help="Leave out what is older: a time with an offset.")
@click.option("--to", "until", default="", help="Leave out what is as old or younger.")
@click.option(
    "--alarms-per-month",
    type=click.FloatRange(min=0.001, max=1000),
    default=1.0,
    show_default=True,
    help="False alarms that the unit may have in 30 days.",
)
@click.option(
    "--step", "step_s", type=click.FloatRange(min=0.001), help="Length of a step in s [default: by the data]."
)
@click.option("--lags", type=click.IntRange(0, 2), help="Steps that the model looks back [default: by the data].")
@click.option("--time-columns", default="time", show_default=True, help="Column(s) of the time, separated by commas.")
@click.option("--time-format", default="", help="strptime format of the joined time columns, taken as UTC.")
def train(
    files: tuple[Path, ...],
    config_file: Path,
    out: Path | None,
    add: bool,
    name: str,
    cell: str,
    wanted: tuple[str, ...],
    without: tuple[str, ...],
    since: str,
    until: str,
    alarms_per_month: float,
    step_s: float | None,
    lags: int | None,
    time_columns: str,
    time_format: str,
) -> None:
    """Learn how a unit behaves in its healthy period, for rules of kind `anomaly`.

    FILES are recordings of a healthy period as `hazwatch replay` reads them. What was learned is written to a file, and
    the rule to go with it is printed, or with --add written to the configuration; `hazwatch check` then checks both,
    and `hazwatch replay` of other weeks shows what it would have said. The same recording gives the same model. Exit
    codes: 0 done, 1 problems were found, 2 the call was wrong.
    """
    shape = Shape(tuple(column.strip() for column in time_columns.split(",")), time_format)
    span = _time(since, "--from", EVER[0]), _time(until, "--to", EVER[1])
    try:
        config = load_config(config_file, rules=False, models=False)
        chosen = _chosen(config, cell, wanted, without)
        name = name or chosen[0].cell_key
        if not NAME.fullmatch(name):
            raise click.UsageError(f"--name {name!r}: use up to 64 letters a-z, digits, '-', '_' and '.'")
        size = sum(file.stat().st_size for file in files)
        with click.progressbar(length=size, label="train", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            readings, strangers = read(files, shape, chosen, span, bar.update)
        learned = learn(readings, name, alarms_per_month=alarms_per_month, step_s=step_s, lags=lags)
    except (ConfigProblems, RecordingError, CannotTrain) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    silent = sorted({tag.name for tag in chosen} - {one.tag.name for one in readings})
    if silent:
        learned.advice.insert(0, f"tags of the configuration without a reading here: {some(silent)}")
    others = strangers - {tag.name for tag in config.revision.tags}
    if others:
        learned.advice.insert(0, f"no such tag in the configuration, passed over: {some(sorted(others))}")
    target = out or config_file.parent / f"{name}.model.toml"
    _write(target, toml(learned.model))
    for line in _told(learned, target):
        click.echo(line)
    text = _rule(learned, _relative(target, config_file))
    if add:
        _add(config_file, config, learned.model.name, text)
    else:
        click.echo(f"\nTo use it, add this to {config_file} (or train with --add):\n\n{text}")


def _chosen(config: Config, cell: str, wanted: Sequence[str], without: Sequence[str]) -> list[Tag]:
    """The tags of one cell that are asked for."""
    live = [tag for tag in config.revision.tags if not tag.retired]
    tags = [tag for tag in live if not wanted or any(fnmatchcase(tag.name, pattern) for pattern in wanted)]
    tags = [tag for tag in tags if not any(fnmatchcase(tag.name, pattern) for pattern in without)]
    cells = list(dict.fromkeys(tag.cell_key for tag in tags))
    if cell:
        if cell not in cells:
            raise CannotTrain(f"no tag of cell {cell!r} is asked for; cells: {some(cells, 20)}")
        return [tag for tag in tags if tag.cell_key == cell]
    if not tags:
        raise CannotTrain(f"no tag is like {', '.join(wanted)}; tags: {some([tag.name for tag in live], 10)}")
    if len(cells) > 1:
        raise CannotTrain(
            f"the tags are of {len(cells)} cells, and a model is of one: choose with --cell from {some(cells, 20)}"
        )
    return tags


def _told(learned: Learned, target: Path) -> Iterator[str]:
    yield f"{target} written."
    yield from learned.done
    if learned.advice:
        yield f"{len(learned.advice)} remark{'s' if len(learned.advice) > 1 else ''}:"
        yield from (f"  {line}" for line in learned.advice)


def _rule(learned: Learned, file: str) -> str:
    names = ", ".join(f'"{one.tag}"' for one in learned.model.inputs)
    name = learned.model.name
    return (
        f'[[model]]\nfile = "{file}"\n\n[[rule]]\nid = "{name}-anomaly"\nkind = "anomaly"\ntags = [{names}]\n'
        f'params = {{ model = "{name}" }}\n'
    )


def _relative(target: Path, config_file: Path) -> str:
    """How the configuration names the file: relative to its own folder where that is possible."""
    try:
        return target.absolute().relative_to(config_file.absolute().parent).as_posix()
    except ValueError:
        return target.absolute().as_posix()


def _add(config_file: Path, config: Config, name: str, text: str) -> None:
    rule = f"{name}-anomaly"
    if any(one.id == rule for one in config.revision.rules):
        click.echo(f"{config_file} has a rule {rule!r} already; it is left as it is.")
        return
    before = config_file.read_text("utf-8")
    _write(config_file, f"{before.rstrip()}\n\n{text}")
    click.echo(f"{config_file}: model and rule added.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written ({error.strerror})") from None


def _time(text: str, option: str, default: int) -> int:
    if not text:
        return default
    try:
        return time_of(text)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{option} {text!r}: {error}") from None
