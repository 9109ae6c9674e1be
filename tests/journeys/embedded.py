"""The embedded default: `hazwatch up` as one supervised process tree on one machine."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hazwatch.processes import die_with_parent
from historian.cluster import running_server
from tests.journeys.park import Park
from tests.journeys.processes import command, environment, kill9, living, tree
from tests.journeys.system import HOOK, System
from tests.parts.net import free_port
from tests.parts.webhook_sink import WebhookSink

STOP_S = 30.0
_ALARM_PATH = ("ingest", "evaluate", "alarm")


class Embedded(System):
    """`hazwatch up --config FILE --data DIR`."""

    name = "embedded"

    def __init__(self, folder: Path, sink: WebhookSink, park: Park) -> None:
        super().__init__(folder, sink, park)
        self._mqtt, self._console = free_port(), free_port()
        self._up: asyncio.subprocess.Process | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._console}"

    @property
    def mqtt_port(self) -> int:
        return self._mqtt

    @property
    def database(self) -> str:
        return self.data.database_url.read_text().strip()

    @property
    def ports(self) -> Sequence[int]:
        return self._mqtt, self._console

    def process_of(self, role: str) -> str:
        return "alarm-path" if role in _ALARM_PATH else role

    @property
    def processes(self) -> Sequence[str]:
        return "alarm-path", "historian", "console"

    async def _start(self) -> None:
        self.park = replace(self.park, mqtt_port=self._mqtt, webhook_url=self.sink.url(HOOK))
        self.park.write(self.folder)
        with (self.folder / "up.log").open("ab") as output:
            self._up = await asyncio.create_subprocess_exec(
                *command("up", "--config", str(self.file), "--data", str(self.data.root)),
                *("--mqtt-port", str(self._mqtt), "--console-port", str(self._console)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(self._failpoints.environment),
                preexec_fn=die_with_parent,
                start_new_session=True,
            )

    async def _stop(self) -> None:
        assert self._up is not None
        self._up.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            code = await self._up.wait()
        assert code == 0, f"`hazwatch up` ended with {code}"

    def _place(self) -> Path:
        """Where PostgreSQL keeps its data: beside the rest, unless its user may not go there."""
        location = self.data.database / "location"
        return Path(location.read_text().strip()) if location.exists() else self.data.database

    def _postmaster(self) -> int:
        for place in self._place().iterdir():
            if place.name.isdigit() and (found := running_server(place)):
                return found[0]
        raise LookupError("PostgreSQL does not run")

    def everything(self) -> list[int]:
        return tree(self._up.pid) if self._up is not None and self._up.returncode is None else []

    async def close(self) -> None:
        await self._leave()
        if self._up is not None and self._up.returncode is None:
            pids = self.everything()
            self._up.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._up.wait()
            finally:
                for pid in living(pids):
                    kill9(pid)
        place = self._place()
        if place != self.data.database:
            shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
