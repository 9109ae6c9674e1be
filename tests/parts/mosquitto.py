"""A private Mosquitto, run from the very settings that production uses (`deploy/mosquitto/mosquitto.conf`)."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.parts.server import Server, require_program

SHARED_CONF = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"

_CONNECT = bytes.fromhex("1012 0004 4d515454 04 02 000a 0006") + b"prober"
_CONNACK_ACCEPTED = bytes.fromhex("20020000")


class Mosquitto(Server):
    """A broker on 127.0.0.1:`port`, anonymous, persistent across `restart`. `extra` is appended to its settings."""

    name = "mosquitto"
    ready_s = 20.0

    def __init__(self, extra: str = "") -> None:
        self._program = require_program("mosquitto", "mosquitto", "mosquitto")
        super().__init__()
        self.conf = self.home / "mosquitto.conf"
        self._extra = extra

    def prepare(self) -> None:
        super().prepare()
        data = self.home / "data"
        data.mkdir()
        own = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            f"persistence_location {data}/",
            # Started as root the broker would become the user mosquitto, who may not enter this directory.
            *(["user root"] if os.geteuid() == 0 else []),
            self._extra,
        ]
        self.conf.write_text("\n".join([SHARED_CONF.read_text(), *own, ""]))

    def argv(self) -> Sequence[str]:
        return [self._program, "-c", str(self.conf)]

    def answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), 2) as conn:
            conn.sendall(_CONNECT)
            return conn.recv(4) == _CONNACK_ACCEPTED
