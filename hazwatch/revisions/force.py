"""What is in force: the newest revision in the registry of a running system, or of its data directory."""

from __future__ import annotations

from pathlib import Path

from hazwatch.config import Config
from hazwatch.context import folder_of_log, open_log
from hazwatch.registry import RegistryView
from schemas.registry import Revision

WAIT_S = 5.0
"""An embedded log that is not there by then is not there."""


async def in_force(config: Config, root: Path) -> Revision:
    """The newest revision in the log that the configuration names; number 0 when there is none yet. The log is only
    read. Raises `NoDataDir`, `LogError`."""
    async with open_log(config, folder_of_log(config, root), writer=False, wait_s=WAIT_S) as log:
        view = RegistryView(log)
        await view.catch_up()
        return view.newest
