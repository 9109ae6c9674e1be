"""`python -m hazwatch.development_broker HOST PORT`: amqtt, for a machine without Mosquitto. Development only."""

from __future__ import annotations

import asyncio
import sys

from amqtt.broker import Broker

from hazwatch.tasks import stop_signal


async def serve(host: str, port: int) -> None:
    stop = stop_signal()
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
