"""The set-up scripts: nothing is done twice, nothing half done counts, and what is missing is said plainly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and a program on PATH for each command they look for."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / ".cache").mkdir()
    return tmp_path


def bash(checkout: Path, script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script the way the set-up's own scripts run: with their library, from the checkout."""
    (checkout / "scripts" / "probe.sh").write_text(f'. "$(dirname "$0")/lib.sh"\n{script}\n')
    return subprocess.run(
        ["bash", "scripts/probe.sh"], cwd=checkout, capture_output=True, text=True, env=os.environ | env, timeout=60
    )


def test_a_step_runs_once_per_content_of_its_inputs(checkout: Path) -> None:
    step = "once made/.stamp input -- bash -c 'mkdir -p made; echo ran >> log'"
    (checkout / "input").write_text("one")
    for _ in range(3):
        assert bash(checkout, step).returncode == 0
    (checkout / "input").touch()
    bash(checkout, step)
    assert (checkout / "log").read_text() == "ran\n"
    (checkout / "input").write_text("two")
    bash(checkout, step)
    bash(checkout, step)
    assert (checkout / "log").read_text() == "ran\nran\n"
    shutil.rmtree(checkout / "made")
    bash(checkout, step)
    assert (checkout / "log").read_text() == "ran\nran\nran\n"


def test_a_step_that_fails_stops_the_script_and_runs_again(checkout: Path) -> None:
    step = "once stamp input -- bash -c 'echo ran >> log; exit 3'\necho further"
    (checkout / "input").write_text("one")
    for _ in range(2):
        done = bash(checkout, step)
        assert (done.returncode, done.stdout) == (3, "")
    assert (checkout / "log").read_text() == "ran\nran\n"


def test_a_folder_counts_with_all_its_files_but_the_packages_in_it(checkout: Path) -> None:
    step = "once stamp web -- bash -c 'echo ran >> log'"
    (checkout / "web" / "src").mkdir(parents=True)
    (checkout / "web" / "node_modules" / "x").mkdir(parents=True)
    bash(checkout, step)
    (checkout / "web" / "node_modules" / "x" / "file").write_text("")
    bash(checkout, step)
    assert (checkout / "log").read_text() == "ran\n"
    (checkout / "web" / "src" / "file").write_text("")
    bash(checkout, step)
    assert (checkout / "log").read_text() == "ran\nran\n"


def packages(checkout: Path, profile: str, path: Path) -> str:
    """What the script says when only the programs in `path` exist and nothing may be installed."""
    done = subprocess.run(
        ["/bin/bash", "scripts/system_packages.sh", profile],
        cwd=checkout,
        capture_output=True,
        text=True,
        env={"PATH": str(path), "HAZWATCH_NO_APT": "1"},
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def bare(checkout: Path) -> Path:
    """A PATH with the tools that the script itself uses, and a Python, but no program that it looks for."""
    path = checkout / "bin"
    path.mkdir()
    for tool in ("bash", "cat", "dirname", "id", "ls", "grep", "head", "find", "mkdir", "touch", "python3"):
        found = str(Path(sys.base_prefix) / "bin" / tool) if tool == "python3" else shutil.which(tool)
        (path / tool).write_text(f'#!/bin/bash\nexec {found} "$@"\n')
        (path / tool).chmod(0o755)
    return path


def test_what_is_missing_is_said_with_its_price_and_its_cure(checkout: Path, bare: Path) -> None:
    # The broker of this machine lies in a folder that the script looks into whatever PATH says.
    script = checkout / "scripts" / "system_packages.sh"
    script.write_text(script.read_text().replace("PATH=$PATH:/usr/sbin:/usr/local/sbin command -v", "command -v"))
    said = packages(checkout, "run", bare)
    assert "mosquitto: a broker for development only (amqtt) takes its place" in said
    assert said.splitlines()[-1] == "To install: sudo apt-get install mosquitto"
    said = packages(checkout, "test", bare)
    assert "tests in a browser are skipped" in said
    assert "mosquitto-clients chromium" in said.splitlines()[-1]


def test_with_everything_there_nothing_is_said(checkout: Path, bare: Path) -> None:
    for program in ("mosquitto", "mosquitto_pub", "chromium", "promtool", "docker-compose", "java", "mvn", "fc-list"):
        (bare / program).write_text("#!/bin/bash\necho something\n")
        (bare / program).chmod(0o755)
    assert packages(checkout, "test", bare) == ""


def test_make_alone_prints_every_target() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in said.splitlines()] == [
        *("help", "run", "test", "check", "laws", "bench", "bench-rules", "lock", "format", "clean")
    ]
