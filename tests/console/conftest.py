"""Fixtures of the console's tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from console import userstore
from tests.console.desk import Desk, open_desk
from tests.parts import PartMissing
from tests.parts.node import node

WEB = Path(userstore.__file__).parent / "web"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with little memory and one round: the tests make hundreds of hashes."""
    monkeypatch.setattr(userstore, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


def node_environment() -> dict[str, str]:
    """The environment in which the Node.js of the tests comes first."""
    folder = str(Path(node()).parent)
    return {**os.environ, "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")])}


def run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A tool of `console/web`, by the Node.js of the tests."""
    return subprocess.run(
        [node(), *arguments], cwd=WEB, capture_output=True, text=True, env=node_environment(), timeout=300
    )


def newest(folder: Path) -> float:
    return max((file.stat().st_mtime for file in folder.rglob("*") if file.is_file()), default=0.0)


@pytest.fixture(scope="session")
def web_tools() -> Path:
    """`node_modules`, installed from the lock file when missing."""
    if not (WEB / "node_modules" / ".package-lock.json").exists():
        subprocess.run([WEB.parents[1] / "scripts" / "page.sh"], check=True, capture_output=True)
    if not (WEB / "node_modules" / ".package-lock.json").exists():
        raise PartMissing("chromium", "the page cannot be built without Node.js: see scripts/page.sh")
    return WEB / "node_modules"


@pytest.fixture(scope="session")
def pages(web_tools: Path) -> Path:
    """The built front end, no older than its sources."""
    static = WEB.parent / "static"
    sources = max(newest(WEB / "src"), newest(WEB / "public"), (WEB / "index.html").stat().st_mtime)
    index = static / "index.html"
    if not index.exists() or index.stat().st_mtime < sources:
        built = run_tool("node_modules/vite/bin/vite.js", "build")
        assert built.returncode == 0, built.stdout + built.stderr
    return static
