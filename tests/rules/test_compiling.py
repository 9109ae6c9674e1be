"""Compiled and uncompiled kernels agree; the cache of machine code lands where it can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numba
import numpy as np
import pytest

from rules import compiling, engine, rulebook
from rules.kinds import kinds
from tests.rules.digest import digest

ROOT = Path(__file__).parents[2]


def run(code: list[str], cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd), **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.long
def test_the_uncompiled_functions_say_the_same() -> None:
    assert run(["-m", "tests.rules.digest"], ROOT, NUMBA_DISABLE_JIT="1") == digest()


def _twice(numbers: Any) -> Any:
    return 2 * numbers[0]


def _sorted(numbers: Any) -> Any:
    return np.sort(numbers)[0]


def test_only_kernels_that_make_arrays_count_who_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "CACHE_FOLDER", None)
    numbers = np.array([3.0, 2.0])
    plain, scratch = compiling.kernel(_twice), compiling.scratch_kernel(_sorted)
    assert plain(numbers) == 6.0 and scratch(numbers) == 2.0
    assert [any("NRT_" in code for code in made.inspect_llvm().values()) for made in (plain, scratch)] == [False, True]  # type: ignore[attr-defined]
    with pytest.raises(numba.TypingError):
        compiling.kernel(_sorted)(numbers)


def test_a_kind_whose_kernel_does_not_compile_is_named_and_the_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "CACHE_FOLDER", None)

    @compiling.kernel
    def rows(*row: Any) -> int:
        return int(np.sort(row[4])[0])

    planted = MappingProxyType({**kinds(), "range": replace(kinds()["range"], rows=rows)})
    for module in (engine, rulebook):
        monkeypatch.setattr(module, "kinds", lambda: planted)
    broken = engine.warm_up(["limits", "range", "quality"])
    assert list(broken) == ["range"] and "TypingError" in broken["range"]


def test_the_cache_goes_where_it_is_told(tmp_path: Path) -> None:
    folder = run(["-c", "import rules.compiling as c; print(c.CACHE_FOLDER)"], ROOT, NUMBA_CACHE_DIR=str(tmp_path))
    assert Path(folder).parent == tmp_path


KEPT = """
import rules.kinds.limits as limits, rules.kinds.zone as zone
print(limits.rows._cache.cache_path, zone.rows._cache.cache_path)
"""


@pytest.mark.long
def test_the_cache_of_changed_sources_is_another_one(tmp_path: Path) -> None:
    """Numba does not see that a kernel's helper has changed; the folder's name does. Other kinds keep theirs."""
    for room in ("rules", "schemas"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))

    def folders() -> list[str]:
        return run(["-c", KEPT], tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache")).split()

    limits, zone = folders()
    assert limits != zone and limits.startswith(str(tmp_path / "cache"))
    _change(tmp_path / "rules" / "members.py")  # zone's helper, and not that of limits
    assert folders()[0] == limits and folders()[1] != zone
    _change(tmp_path / "rules" / "machine.py")
    machine, zone = folders()
    assert machine != limits
    _change(tmp_path / "schemas" / "quality.py")  # its constants are in the machine code
    assert folders()[0] != machine


def _change(file: Path) -> None:
    file.write_text(file.read_text() + "\n# changed\n")


def test_without_a_writable_folder_beside_the_package_the_cache_of_the_user_is_taken(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rules", tmp_path / "rules", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rules" / "__pycache__").write_text("a file, so that no folder can be made here")
    ask = ["-c", "import rules.compiling as c; print(c.CACHE_FOLDER)"]
    environment = {"XDG_CACHE_HOME": str(tmp_path / "home"), "NUMBA_CACHE_DIR": "", "PYTHONDONTWRITEBYTECODE": "1"}
    assert Path(run(ask, tmp_path, **environment)).parent == tmp_path / "home" / "hazwatch"
