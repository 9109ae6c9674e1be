"""What a configuration file says, complete and checked."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alerting.channels import ChannelConfig
from alerting.contacts import Contact
from console.config import ConsoleConfig
from hazwatch.config.log import LogConfig
from hazwatch.config.numbers import renumbered
from historian.config import HistorianConfig
from ingest.config import MqttConfig, SourceConfig
from schemas.problems import Problem
from schemas.registry import Revision


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a process needs to know. Paths in it are absolute; secrets are in the files that they name.

    `revision` is what the folds follow, numbered as if it were the first. `advice` is what is allowed but deserves a
    look. `tag_files` are the tag lists in their order.
    """

    file: Path
    tag_files: tuple[Path, ...]
    revision: Revision
    sources: tuple[SourceConfig, ...]
    mqtt: MqttConfig
    log: LogConfig
    historian: HistorianConfig
    console: ConsoleConfig
    channels: tuple[ChannelConfig, ...]
    contacts: tuple[Contact, ...]
    advice: tuple[Problem, ...] = ()

    def numbered(self, newest: Revision) -> Revision:
        """The revision as it follows `newest`, the latest one in the registry: tags keep the numbers they have there,
        and what is gone is retired (LAWS C3)."""
        return renumbered(self.revision, newest)
