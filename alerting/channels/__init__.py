"""Channels: the ways to people and other systems. One file per kind, found by scanning this folder.

To add one, add a file that offers `KIND` (see `_base.ChannelKind`): configuration, examples, documentation, `open`. The
contract tests, the reference and `hazwatch check` find it by themselves. Files that begin with `_` are helpers.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from alerting.channels._base import ChannelConfig, ChannelKind, Context, Example, OpenChannel
from schemas.problems import Problem


@cache
def kinds() -> Mapping[str, ChannelKind]:
    """Every kind of channel by its name. Raises TypeError for a file that offers none."""
    found: dict[str, ChannelKind] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")):
        kind = getattr(importlib.import_module(f"{__name__}.{module}"), "KIND", None)
        if not isinstance(kind, ChannelKind) or kind.kind != module:
            raise TypeError(f"alerting/channels/{module}.py must offer KIND, a ChannelKind with kind = {module!r}")
        found[module] = kind
    return found


def read_channels(tables: Iterable[Mapping[str, Any]]) -> tuple[tuple[ChannelConfig, ...], tuple[Problem, ...]]:
    """The configurations in the `[[channel]]` tables, and all problems of all of them."""
    configs: list[ChannelConfig] = []
    problems: list[Problem] = []
    names: set[str] = set()
    for index, table in enumerate(tables):
        path = f"channel[{table.get('name') or index}]"
        kind = kinds().get(str(table.get("kind")))
        if kind is None:
            problems.append(
                Problem(
                    path=f"{path}.kind",
                    message=f"{table.get('kind')!r} is no kind of channel",
                    cure=f"use {', '.join(kinds())}",
                )
            )
            continue
        try:
            config = msgspec.convert(dict(table), kind.config)
        except msgspec.ValidationError as error:
            problems.append(Problem(path=path, message=str(error)))
            continue
        problems += config.problems()
        if config.name in names:
            problems.append(config.problem("name", "two channels bear this name"))
        names.add(config.name)
        configs.append(config)
    return tuple(configs), tuple(problems)


def open_channel(config: ChannelConfig, context: Context) -> OpenChannel:
    """The channel of a configuration. Raises ValueError when a secret is missing or unusable."""
    return kinds()[config.kind].open(config, context)


__all__ = [
    "ChannelConfig",
    "ChannelKind",
    "Context",
    "Example",
    "OpenChannel",
    "kinds",
    "open_channel",
    "read_channels",
]
