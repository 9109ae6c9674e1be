"""`hazwatch topics`: make the topics in Kafka, or say what is wrong with those that are there."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from eventlog.kafka.creating import create_topics
from eventlog.kafka.topics import verify_topics
from eventlog.port import LogError
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import kafka_connection

CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Configuration.",
)


@click.group()
def topics() -> None:
    """Create or verify the topics in Kafka."""


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
def create(file: Path) -> None:
    """Make the topics that are missing; those that are there are left as they are."""
    config = _kafka_config(file)
    try:
        incarnation = asyncio.run(
            create_topics(config.log.topics(), kafka_connection(config), replicas=config.log.replicas)
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
