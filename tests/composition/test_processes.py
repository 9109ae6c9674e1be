"""Supervision: children that are started again, that never outlive their parent, and stops that end in time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hazwatch import runfiles
from hazwatch.datadir import DataDir, DataDirBusy, NoDataDir
from hazwatch.leftovers import wait_for_leftovers
from hazwatch.processes import Child, ChildSpec
from tests.parts.net import eventually, wait_until
from tests.parts.server import alive

ROOT = Path(__file__).parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def role(body: str, *workers: str) -> list[str]:
    """A process with `run_role` around these workers."""
    return python(
        f"""
        import asyncio, sys, time
        from hazwatch.tasks import CannotRun, run_role, run_until_stopped

        {textwrap.indent(textwrap.dedent(body), " " * 8).strip()}

        async def main(stop, stack):
            stack.push_async_callback(closing)
            print("ready", flush=True)
            await run_until_stopped(stop, {{{", ".join(f"{w!r}: {w}()" for w in workers)}}})

        run_role(main)
        """.replace("\n        ", "\n")
    )


QUIET = """
async def forever():
    await asyncio.Event().wait()

async def closing():
    print("closed", file=sys.stderr)  # stdout is read by lines, and what a reader holds back would be lost
"""


def started(argv: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate(timeout=20)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_role_stops_cleanly(number: signal.Signals) -> None:
    process = started(role(QUIET, "forever"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "closed\n")


def test_a_dead_task_ends_the_process(tmp_path: Path) -> None:
    process = started(role(QUIET + "\nasync def dies():\n    raise KeyError('a bug')\n", "forever", "dies"))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 70
    assert "closed\n" in errors
    assert "a bug" in errors


def test_a_task_that_returns_ends_the_process() -> None:
    process = started(role(QUIET + "\nasync def returns():\n    pass\n", "forever", "returns"))
    assert process.wait(timeout=20) == 70


def test_what_a_person_must_mend_is_one_sentence() -> None:
    process = started(role(QUIET + "\nasync def cannot():\n    raise CannotRun('the port is taken')\n", "cannot"))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "the port is taken" in errors
    assert "Traceback" not in errors


HANGS = {
    "a task that will not be cancelled": """
async def hangs():
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
""",
    "a thread": """
async def hangs():
    await asyncio.to_thread(time.sleep, 60)
""",
    "the loop": """
async def hangs():
    try:
        await asyncio.sleep(60)
    finally:
        time.sleep(60)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("hangs", HANGS.values(), ids=HANGS)
def test_a_stop_ends_in_time_whatever_hangs(hangs: str) -> None:
    process = started(role(QUIET + "\n" + hangs + "\n", "forever", "hangs"))
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.wait(timeout=30)
    assert time.monotonic() - began < 10


async def test_a_child_that_ends_is_started_again_and_told_how_often(tmp_path: Path) -> None:
    says = tmp_path / "said"
    child = Child(
        ChildSpec(
            "part",
            python(
                f"import os; open({str(says)!r}, 'a').write(os.environ['HAZWATCH_RESTARTS'] + ' '); raise SystemExit(3)"
            ),
        )
    )
    running = asyncio.create_task(child.run())
    await eventually(lambda: says.exists() and says.read_text().startswith("0 1 2 "), "it was started three times")
    assert child.last_end == "exit code 3"
    child.ask_to_stop()
    await child.stopped(5)
    running.cancel()


async def test_a_child_that_does_not_stop_is_killed_with_all_its_own() -> None:
    child = Child(
        ChildSpec(
            "stubborn",
            python(
                """
                import signal, subprocess, sys
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, 1); signal.pause()"]).wait()
                """
            ),
        )
    )
    running = asyncio.create_task(child.run())
    pid = await eventually(lambda: child.pid, "it runs")
    assert pid is not None
    grandchild = await eventually(lambda: _children(pid), "it has a child of its own")
    child.ask_to_stop()
    await child.stopped(0.3)
    await eventually(lambda: not alive(pid) and not alive(grandchild[0]), "both are gone")
    await running


async def test_ctrl_c_reaches_no_child() -> None:
    """A terminal sends SIGINT to its whole process group; a child is in another one."""
    child = Child(ChildSpec("part", python("import time; time.sleep(60)")))
    running = asyncio.create_task(child.run())
    pid = await eventually(lambda: child.pid, "it runs")
    assert pid is not None
    await eventually(lambda: os.getsid(pid) == pid, "it has a session of its own")
    child.ask_to_stop()
    await child.stopped(5)
    await running


def test_children_end_with_a_killed_supervisor() -> None:
    process = subprocess.Popen(
        python(
            """
            import asyncio, sys
            from hazwatch.processes import Child, ChildSpec

            async def main():
                child = Child(ChildSpec("part", [sys.executable, "-c", "import time; time.sleep(600)"]),
                              started=lambda pid: print(pid, flush=True))
                await child.run()

            asyncio.run(main())
            """
        ),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=20)
    wait_until(lambda: not alive(child), "the child is gone too")


# Run files, leftovers, locks


def test_a_run_file_is_of_one_process_not_of_a_number(tmp_path: Path) -> None:
    runfiles.announce(tmp_path, "console", address="http://127.0.0.1:1/")
    found = runfiles.find(tmp_path, "console")
    assert found is not None
    assert (found.pid, found.address) == (os.getpid(), "http://127.0.0.1:1/")
    file = tmp_path / "run" / "console.json"
    file.write_text(file.read_text().replace(f'"born":{found.born}', '"born":1'))
    assert runfiles.find(tmp_path, "console") is None


def test_looking_for_a_process_makes_no_folder(tmp_path: Path) -> None:
    assert runfiles.find(tmp_path, "console") is None
    assert runfiles.living(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_an_announcement_appears_when_ready_and_says_its_troubles(tmp_path: Path) -> None:
    said = runfiles.Announcement(tmp_path, "historian", 9100)
    said.update(trouble="starting")
    assert runfiles.find(tmp_path, "historian") is None
    said.ready()
    said.update(trouble="the disk is full")
    found = runfiles.find(tmp_path, "historian")
    assert found is not None
    assert (found.metrics_port, found.trouble) == (9100, "the disk is full")
    said.withdraw()
    assert runfiles.find(tmp_path, "historian") is None


async def test_leftovers_of_a_killed_run_are_waited_for_and_then_killed(tmp_path: Path) -> None:
    argv = python("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")
    left = subprocess.Popen(argv)
    runfiles.announce(tmp_path, "broker", pid=left.pid)
    await asyncio.gather(wait_for_leftovers(tmp_path, patience_s=0.3), asyncio.to_thread(left.wait, 20))
    assert left.returncode == -signal.SIGKILL


def test_a_second_user_of_a_data_directory_is_told_who_the_first_is(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    handle = data.lock()
    with pytest.raises(DataDirBusy, match=f"process number {os.getpid()}"):
        data.lock()
    os.close(handle)
    os.close(data.lock())


def test_a_command_that_looks_makes_no_data_directory(tmp_path: Path) -> None:
    with pytest.raises(NoDataDir, match="--data"):
        DataDir.existing(tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
