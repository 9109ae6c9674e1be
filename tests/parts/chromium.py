"""The system's Chromium, driven by Playwright: what a person at a console really sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.parts import PartMissing
from tests.parts.node import node

_ARGS = (
    "--no-sandbox",  # Chromium refuses its sandbox to root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser with nothing in it; two consoles are two contexts of it. Ends with the test run."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise PartMissing("chromium", "apt-get install chromium")
    # Playwright's own Node.js needs a library (libatomic) that not every machine has.
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", node())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGS)
        try:
            yield browser
        finally:
            await browser.close()
