"""The contract beside the process that writes the embedded log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.embedded.remote import RemoteLog
from eventlog.open import open_embedded_client, open_embedded_writer
from tests.eventlog.contract import SPECS, LogContract


class ClientStand:
    """The log under test reads the files itself and appends through the writer's socket."""

    def __init__(self, log: RemoteLog) -> None:
        self.log = log

    def name(self, topic: str) -> str:
        return topic

    async def trim(self, topic: str) -> None:
        """Retention does it by itself."""


@pytest.mark.usefixtures("quick_cleaning")
class TestEmbeddedClient(LogContract):
    @pytest.fixture
    async def stand(self, tmp_path: Path) -> AsyncIterator[ClientStand]:
        async with open_embedded_writer(tmp_path / "log", SPECS), open_embedded_client(tmp_path / "log") as log:
            yield ClientStand(log)
