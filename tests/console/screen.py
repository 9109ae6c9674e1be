"""A page in Chromium, with everything that went wrong on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.console.desk import PASSWORD

SIZE = {"width": 1920, "height": 1080}
expect.set_options(timeout=20_000)


class Screen:
    """One console, as a person sees it."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and "401 (Unauthorized)" not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.netloc != urlsplit(self.base).netloc and url.scheme != "data":
            self.problems.append(f"external request: {request.url}")

    async def log_in(self, name: str = "operator", password: str = PASSWORD) -> None:
        await self.page.goto(self.base)
        await self.page.fill("input[name=name]", name)
        await self.page.fill("input[name=password]", password)
        await self.page.click("button[type=submit]")

    async def live(self) -> None:
        """Wait until the page shows live data."""
        await expect(self.page.locator("html")).to_have_attribute("data-stale", "no")
        await expect(self.page.locator("[data-test=point-row]").first).to_be_visible()

    def row(self, alarm: str) -> Locator:
        return self.page.locator(f'[data-test=alarm-row][data-alarm="{alarm}"]')

    @property
    def rows(self) -> Locator:
        return self.page.locator("[data-test=alarm-row]")

    @property
    def stale(self) -> Locator:
        return self.page.locator("[data-test=stale]")

    async def order(self) -> list[str]:
        """The alarms in sight, from the top."""
        return [await row.get_attribute("data-alarm") or "" for row in await self.rows.all()]


@asynccontextmanager
async def open_screen(
    browser: Browser, base: str, name: str = "operator", password: str = PASSWORD, **context: Any
) -> AsyncIterator[Screen]:
    """A logged-in page of its own browser context. On leaving, nothing may have gone wrong on it."""
    options = {"viewport": SIZE, "locale": "en-US", "timezone_id": "Asia/Shanghai", **context}
    opened: BrowserContext = await browser.new_context(**options)
    screen = Screen(await opened.new_page(), base)
    try:
        await screen.log_in(name, password)
        await screen.live()
        yield screen
        await asyncio.sleep(0)
        assert screen.problems == []
    finally:
        await opened.close()
