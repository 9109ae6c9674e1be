"""`hazwatch topics`: make or verify the topics in Kafka; tell a log that was restored from a backup that it was."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from eventlog.embedded.directory import bump_incarnation
from eventlog.kafka.creating import create_topics
from eventlog.kafka.topics import verify_topics
from eventlog.port import LogError
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import kafka_connection
from hazwatch.datadir import DataDir, DataDirBusy, NoDataDir

CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Configuration.",
)


@click.group()
def topics() -> None:
    """Create or verify the topics in Kafka, and what a restored log needs."""


def _kafka_config(file: Path) -> Config:
    try:
        config = load_config(file, rules=False)
    except ConfigProblems as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if config.log.kind != "kafka":
        raise click.UsageError(f"{file}: [log].kind is {config.log.kind!r}; topics exist on Kafka only")
    return config


@topics.command()
@CONFIG
@click.option(
    "--incarnation",
    type=click.IntRange(min=1),
    help="Of topics that were restored from a backup: a number greater than any before.",
)
def create(file: Path, incarnation: int | None) -> None:
    """Make the topics that are missing; those that are there are left as they are.

    The incarnation is a number by which snapshots and the database know whether an offset still means the record that
    they have seen. It grows by itself when a topic was lost. Nothing can notice that topics were restored from a
    backup: then give a greater one, before any role starts.
    """
    config = _kafka_config(file)
    try:
        incarnation = asyncio.run(
            create_topics(
                config.log.topics(),
                kafka_connection(config),
                replicas=config.log.replicas,
                next_incarnation=incarnation,
            )
        )
    except LogError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    names = ", ".join(spec.name for spec in config.log.topics())
    click.echo(f"topics {names} are there; incarnation {incarnation}")


@topics.command()
@CONFIG
def verify(file: Path) -> None:
    """Say everything that is wrong with the topics."""
    config = _kafka_config(file)
    try:
        asyncio.run(verify_topics(config.log.topics(), kafka_connection(config)))
    except LogError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo("the topics are as they must be")


@topics.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    help="The data directory with the embedded log.",
)
def restored(data: Path) -> None:
    """Tell the embedded log that it was restored from a backup, before it is started again.

    Its offsets will then mean other records than before, so it gets the next incarnation: snapshots of the lost records
    are refused, and new alarms are never taken for old ones. On Kafka: topics create --incarnation.
    """
    try:
        folder = DataDir.existing(data.absolute())
        lock = folder.lock()
        try:
            incarnation = bump_incarnation(folder.log)
        finally:
            os.close(lock)
    except (NoDataDir, DataDirBusy, LogError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{folder.log} is incarnation {incarnation} now")
