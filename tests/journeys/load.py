"""Load from a process of its own: `python -m tests.journeys.load PORT SECONDS`.

2 000 readings/s of points that never alarm, in batches of 50, and 5 alarms/s over points that raise and return in turn.
It prints a line when it begins, and at the end its ledger: a JSON object of alarm value -> wall time in ns at which it
was published. Every alarm has a value of its own, by which its notice is known.
"""

from __future__ import annotations

import json
import math
import sys
import time

from tests.ingest.running import Publisher
from tests.journeys.park import ALARMING, BUSY, Point
from tests.journeys.system import now_ms

BATCH = 50
BATCHES_S = 40
ALARMS_S = 5
NORMAL = 3.0
FIRST_VALUE = 40.0
VALUE_STEP = 0.001


def message(points: list[Point], values: list[float]) -> str:
    """A gateway's message, of now."""
    return json.dumps({"v": 1, "time_ms": now_ms(), "tags": [p.key for p in points], "values": values})


def topic(point: Point) -> str:
    return f"park/{point.enterprise}/gateway/up"


def main(port: int, seconds: float) -> dict[str, int]:
    """Publish for so long; never waits for the broker's answers, so the rate is that of the clock."""
    publisher = Publisher(port)
    ledger: dict[str, int] = {}
    groups = [list(BUSY[at : at + BATCH]) for at in range(0, len(BUSY), BATCH)]
    print("begun", flush=True)
    started = time.monotonic()
    batches = alarms = 0
    while (elapsed := time.monotonic() - started) < seconds:
        while batches < elapsed * BATCHES_S:
            group = groups[batches % len(groups)]
            values = [round(50 + 20 * math.sin(batches / 50 + i), 3) for i in range(len(group))]
            publisher.client.publish(topic(group[0]), message(group, values), qos=1)
            batches += 1
        while alarms < elapsed * ALARMS_S:
            raised, returned = ALARMING[alarms % len(ALARMING)], ALARMING[(alarms + 12) % len(ALARMING)]
            value = round(FIRST_VALUE + alarms * VALUE_STEP, 3)
            ledger[f"{value:.3f}"] = time.time_ns()
            publisher.client.publish(topic(raised), message([raised], [value]), qos=1)
            publisher.client.publish(topic(returned), message([returned], [NORMAL]), qos=1)
            alarms += 1
        time.sleep(0.002)
    publisher.publish(topic(BUSY[0]), message([BUSY[0]], [50.0]))
    publisher.close()
    return ledger


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]))))
