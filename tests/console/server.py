"""The console with its plant as a process: `python -m tests.console.server DATA [--port N] [--alarms N]`.

Prints one JSON line with port and password when it serves. Tests stop and freeze it; people look at the screen with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from console.app import create_console
from console.config import ConsoleConfig
from console.serve import serve
from console.users import Users, ensure_admin
from console.userstore import UserStore
from schemas.quality import Quality
from tests.console.clock import SystemClock
from tests.console.plant import Plant


async def main(data: Path, port: int, alarms: int, minutes: float) -> None:
    plant = await Plant.open(data / "log")
    await plant.fill(minutes)
    if alarms == 5:
        await five(plant)
    elif alarms:
        await plant.flood(alarms)
    plant.frozen_tags = {3, 17}
    plant.overrides[9] = (float("nan"), Quality.SENSOR_FAILURE)
    plant.overrides[12] = (97.5, Quality.OVER_RANGE)
    password = ensure_admin(data / "users.sqlite")
    clock = SystemClock()
    users = Users(UserStore(data / "users.sqlite"), clock)
    console = create_console(ConsoleConfig(port=port), plant.log, users, clock)

    def started(bound: int) -> None:
        print(json.dumps({"port": bound, "password": password}), flush=True)

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = [asyncio.create_task(serve(console, started=started)), asyncio.create_task(plant.run())]
    ended = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, *work}, return_when=asyncio.FIRST_COMPLETED)
    for task in work:
        task.cancel()
    await asyncio.wait(work, timeout=8)
    await plant.log.close()


async def five(plant: Plant) -> None:
    """A believable bad minute: a CO leak, chlorine acknowledged, a tank that came back, two instrument faults."""
    from schemas.changes import AlarmClass

    await plant.raise_alarm(1, tier=1, age_s=42, value=41.3)
    chlorine = await plant.raise_alarm(13, tier=2, level_name="high", age_s=310, value=0.38)
    await plant.acknowledge(chlorine, "wang", age_s=240)
    level = await plant.raise_alarm(27, tier=3, level_name="high", age_s=905, value=86.2)
    await plant.clear(level)
    await plant.raise_alarm(3, tier=4, level_name="stale", rule="stale", age_s=128, alarm_class=AlarmClass.INSTRUMENT)
    await plant.raise_alarm(
        9, tier=3, level_name="quality", rule="quality", age_s=75, alarm_class=AlarmClass.INSTRUMENT
    )
    plant.overrides[1] = (41.3, Quality.GOOD)
    plant.overrides[13] = (0.38, Quality.GOOD)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--alarms", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args()
    asyncio.run(main(options.data, options.port, options.alarms, options.minutes))
