"""Whether the assessments of a configuration's hazard sources still count on a given day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import click

from hazwatch.config.model import Config
from hazwatch.config.paths import Places
from schemas.majorhazard import expiry
from schemas.problems import Problem

DAY = click.DateTime(formats=["%Y-%m-%d"])
"""The type of an option that is a day."""


def day_of(given: datetime | None) -> date:
    """The day given on the command line, else that of this machine."""
    return given.date() if given is not None else datetime.now(UTC).astimezone().date()


def expired(config: Config, today: date) -> list[Problem]:
    """Assessments that have run out or soon will, by their places in the file."""
    order = {"hazard_source": [source.id for source in config.revision.hazard_sources]}
    return list(map(Places(config.file.name, {}, order).of, expiry(config.revision, today)))
