"""`hazwatch up` as an operator meets it: without a history, with a taken port, twice, killed, and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hazwatch import runfiles
from tests.parts.net import free_port, listening_inodes, wait_until
from tests.parts.server import alive, descendants

ROOT = Path(__file__).parents[2]
READY = "Hazwatch is running"
READY_S = 240.0


def hazwatch(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hazwatch", *arguments]


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(hazwatch(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=120)


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running `hazwatch up` and the file of what it says; whatever it leaves behind is killed."""
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(hazwatch("up", *arguments), cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process, said
    finally:
        left = [process.pid, *descendants(process.pid)]
        process.terminate()
        try:
            process.wait(20)
        finally:
            for pid in filter(alive, left):
                subprocess.run(["kill", "-9", str(pid)], check=False)
            process.wait()


def wait_ready(said: Path) -> str:
    wait_until(lambda: READY in said.read_text(), "it says that it is running", within_s=READY_S)
    wait_until(lambda: "  Data  " in said.read_text(), "it has said everything")
    return said.read_text()


@pytest.mark.slow
@pytest.mark.part("mosquitto")
def test_up_without_a_history_taken_ports_twice_and_killed(tmp_path: Path) -> None:
    data, mqtt = tmp_path / "data", free_port()
    data.mkdir(mode=0o700)
    (data / "database").write_text("in the way of the embedded PostgreSQL")
    common = ["--data", str(data), "--mqtt-port", str(mqtt)]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = taken.getsockname()[1]
        with up(tmp_path, "--demo", *common, "--console-port", str(page)) as (process, said):
            text = wait_ready(said)
            assert f"Port {page} is taken; the console gets port" in text
            assert "DEGRADED, alarms do not need it" in text
            assert f"127.0.0.1:{mqtt} (Mosquitto)" in text
            password = (data / "first-password").read_text().strip()
            assert f"admin / {password}" in text
            assert (data / "first-password").stat().st_mode & 0o777 == 0o600

            again = ran("up", *common)
            assert again.returncode == 1
            assert f"in use by the hazwatch with process number {process.pid}" in again.stderr

            findings = {f["part"]: f for f in json.loads(ran("doctor", "--json", "--data", str(data)).stdout)}
            assert f"127.0.0.1:{mqtt} answers" in findings["broker"]["detail"]
            assert "running at http://127.0.0.1:" in findings["page"]["detail"]

            left = [one.pid for one in runfiles.living(data)]
            assert len(left) >= 4, "broker, alarm path, historian, console; the plant perhaps"
            process.send_signal(signal.SIGKILL)
            process.wait(20)
    (data / "database").unlink()
    done = subprocess.run(
        hazwatch("up", *common, "--console-port", "0", "--for", "1"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=READY_S,
    )
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{mqtt} (Mosquitto)" in done.stdout, "the port of the killed run was waited for"
    assert not any(map(alive, left))
    assert runfiles.living(data) == []
    assert list((data / "run").glob("*.json")) == []
    assert listening_inodes(mqtt) == set()
    assert "Traceback" not in done.stderr


def test_a_broken_configuration_is_said_with_code_1(tmp_path: Path) -> None:
    file = tmp_path / "hazwatch.toml"
    file.write_text("[park]\nname = 3\n")
    done = ran("up", "--config", str(file), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "park" in done.stderr


def test_a_wrong_call_is_said_with_code_2() -> None:
    assert ran("run", "evaluate", "--config", "pyproject.toml", "--name", "a/b").returncode == 2
    assert ran("up", "--for", "-1").returncode == 2


def test_a_log_that_another_writes_is_one_sentence(tmp_path: Path) -> None:
    """Two processes of one name in one data directory."""
    from hazwatch.commands.up import DEMO
    from hazwatch.datadir import DataDir

    handle = DataDir(tmp_path / "data").lock("run/twin")
    done = ran("run", "evaluate", "--config", str(DEMO), "--data", str(tmp_path / "data"), "--name", "twin")
    assert done.returncode == 1
    assert "each needs one of its own" in done.stderr.replace("for each process needs", "each needs")
    assert "Traceback" not in done.stderr
    assert handle


@pytest.mark.parametrize("command", [("deadletters", "list"), ("users", "list")])
def test_a_data_directory_that_is_not_there_is_not_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = ran(*command, "--data", str(tmp_path / "typo"))
    assert done.returncode == 1
    assert "there is no data directory" in done.stderr
    assert list(tmp_path.iterdir()) == []
