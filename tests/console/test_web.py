"""The front end's own checks: types, and its tests in Node."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.conftest import WEB, run_tool

pytestmark = [pytest.mark.usefixtures("web_tools"), pytest.mark.slow]


def test_types() -> None:
    checked = run_tool("node_modules/typescript/bin/tsc", "--noEmit")
    assert checked.returncode == 0, checked.stdout


def test_unit_tests() -> None:
    tested = run_tool("node_modules/vitest/vitest.mjs", "run")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_text_that_a_language_lacks_does_not_compile(tmp_path: Path) -> None:
    for name in ("en.ts", "zh.ts"):
        (tmp_path / name).write_text((WEB / "src" / "i18n" / name).read_text())
    chinese = tmp_path / "zh.ts"
    compiler = "node_modules/typescript/bin/tsc --noEmit --strict --ignoreConfig --target es2022 --module esnext"
    arguments = [*compiler.split(), "--moduleResolution", "bundler", str(chinese)]
    good = run_tool(*arguments)
    assert good.returncode == 0, good.stdout
    lines = [line for line in chinese.read_text().splitlines() if "acknowledging" not in line]
    chinese.write_text("\n".join(lines))
    bad = run_tool(*arguments)
    assert bad.returncode != 0 and "acknowledging" in bad.stdout


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert text.count('"integrity"') > 30
    assert '"resolved"' not in text and "registry" not in text


def test_the_bundle_is_small_and_whole(pages: Path) -> None:
    scripts, styles = list(pages.glob("assets/*.js")), list(pages.glob("assets/*.css"))
    assert len(scripts) == 1 and len(styles) == 1
    assert scripts[0].stat().st_size < 250_000
    html = (pages / "index.html").read_text()
    assert "<script>" not in html and "<style" not in html and "http" not in html
