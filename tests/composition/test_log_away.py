"""A role that is started while the log cannot be reached waits for it; the alarm role tells people meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hazwatch.commands.up import DEMO
from tests.parts.net import free_port, wait_until

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_an_alarm_process_that_starts_without_kafka_says_so_and_stops_when_asked(tmp_path: Path) -> None:
    shutil.copy(DEMO.parent / "tags.csv", tmp_path)
    kafka = f'kind = "kafka"\nbootstrap = "127.0.0.1:{free_port()}"'
    file = tmp_path / "hazwatch.toml"
    file.write_text(DEMO.read_text().replace('kind = "embedded"', kafka))
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hazwatch", "run", "alarm", "--config", str(file), "--data", str(tmp_path / "data")],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: "waiting for the log" in said.read_text(), "it waits", within_s=60)
        wait_until(
            lambda: "the log cannot be reached: no alarm can pass" in said.read_text(), "people are told", within_s=60
        )
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
        assert "Traceback" not in said.read_text()
    finally:
        process.kill()
        process.wait()
