"""The private broker of the embedded default: Mosquitto where there is one, else amqtt with a loud warning."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from hazwatch.processes import ChildSpec

log = logging.getLogger(__name__)
SETTINGS = Path(__file__).parent.parent / "deploy" / "mosquitto" / "mosquitto.conf"
READY_S = 15.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEGRADED = (
    "No Mosquitto was found, so a development broker (amqtt) is used. DEGRADED: it speaks MQTT 3.1.1 only, does not "
    "deliver unacknowledged messages again, and carries a tenth of the load. Never run a park on it. "
    "Cure: apt-get install mosquitto"
)


@dataclass(frozen=True, slots=True)
class Broker:
    """How to start the broker and where it will listen."""

    child: ChildSpec
    host: str
    port: int
    name: str
    mqtt: str
    degraded: str = ""


def find_mosquitto() -> str | None:
    """The Mosquitto program; Debian puts it in /usr/sbin, which a user's PATH may lack."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def private_broker(folder: Path, host: str, port: int, password_file: Path | None) -> Broker:
    """A broker for this data directory. Without a password file it listens on the loopback address only."""
    if password_file is None and host not in LOOPBACK:
        raise ValueError(
            f"the broker would listen on {host} without passwords; give mqtt.password_file or use 127.0.0.1"
        )
    program = find_mosquitto()
    if program is None:
        argv = [sys.executable, "-m", "hazwatch.development_broker", host, str(port)]
        return Broker(ChildSpec("broker", argv), host, port, "amqtt", "3.1.1", DEGRADED)
    file = folder / "mosquitto.conf"
    file.write_text(SETTINGS.read_text() + _site_lines(folder, host, port, password_file))
    return Broker(ChildSpec("broker", [program, "-c", str(file)]), host, port, "Mosquitto", "5")


def _site_lines(folder: Path, host: str, port: int, password_file: Path | None) -> str:
    lines = ["", f"listener {port} {host}", f"persistence_location {folder}/"]
    if password_file is None:
        lines.append("allow_anonymous true")
    else:
        lines += ["allow_anonymous false", f"password_file {password_file}"]
    if os.geteuid() == 0:
        # Mosquitto gives up root for the user `mosquitto`, who cannot enter our data directory; it is ours alone.
        lines.append("user " + pwd.getpwuid(0).pw_name)
    return "\n".join(lines) + "\n"


async def wait_listening(host: str, port: int) -> None:
    """Until something accepts connections there. Raises OSError after 15 s."""
    try:
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                return
    except TimeoutError:
        raise OSError(f"the broker does not listen on {host}:{port} after {READY_S:.0f} s; see the log above") from None


def next_free_port(wanted: int, host: str = "127.0.0.1") -> int:
    """`wanted` if nobody listens there, else the next one that is free; 0 is any. Raises OSError after 100 tries."""
    for port in range(wanted, min(wanted + 100, 65536)):
        if found := _bindable(host, port):
            return found
    raise OSError(f"no free port on {host} from {wanted} on")


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """`preferred` if nobody listens there, else one that the kernel gives."""
    found = _bindable(host, preferred) or _bindable(host, 0)
    if not found:
        raise OSError(f"no free port on {host}")
    return found


def _bindable(host: str, port: int) -> int:
    """The port if it can be had, 0 if not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])
