"""Real webhooks: one healthy receiver beside every kind of bad one, all served by one dispatcher."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from pathlib import Path

from alerting.channels import Context, open_channel
from alerting.dispatch import Channel
from schemas.changes import ConditionChanges
from schemas.records import Kind
from schemas.registry import Route
from tests.alerting.bench import change
from tests.alerting.rude_server import serving
from tests.alerting.simulated import AlarmProcess, EventsInMemory
from tests.alerting.test_channels import FAILURES, config
from tests.parts.net import eventually
from tests.parts.webhook_sink import WebhookSink

ALARMS = 30


async def test_no_bad_receiver_delays_the_good_one(tmp_path: Path, webhook_sink: WebhookSink) -> None:
    async with AsyncExitStack() as stack:
        urls = {"good": webhook_sink.url()}
        for number, (behave, _) in enumerate(FAILURES.values()):
            urls[f"bad-{number}"] = f"http://127.0.0.1:{await stack.enter_async_context(serving(behave))}/"
        channels: dict[str, Channel] = {}
        for name, url in urls.items():
            made = config("webhook", tmp_path, name=name, url=url, deadline_s=5.0)
            channels[name] = open_channel(made, Context())
            stack.push_async_callback(channels[name].close)
        routes = tuple(Route(id=name, channel=name, classes=("process",)) for name in urls)
        log = EventsInMemory(random.Random(1), slowest_s=0.002)
        process = AlarmProcess(log, channels, routes=routes)
        process.start()
        stack.push_async_callback(process.kill)
        raised: dict[str, float] = {}
        for number in range(ALARMS):
            subject = f"CO-{number}"
            raised[subject] = time.monotonic()
            said = change(2 - number % 2, number, subject=subject)
            log.put(ConditionChanges(changes=(said,)), Kind.CHANGES)
            await asyncio.sleep(0.05)

        def all_arrived() -> bool:
            return len(webhook_sink.requests) >= ALARMS

        await eventually(all_arrived, "the good receiver has every alarm", within_s=30)
        arrived = {r.json()["data"]["alarm"]["subject"]: r.arrived_s for r in webhook_sink.requests}
        late = sorted(arrived[subject] - raised[subject] for subject in raised)
        assert late[ALARMS // 2] < 1.0
        assert late[-1] < 4.5, "less than the deadline that the bad ones use up"
        assert len(webhook_sink.requests) == ALARMS
        assert process.died is None
