"""The page in a real browser, over a real server and a real log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, expect

from console import pages as console_pages
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from schemas.text import Text
from tests.console.desk import Desk, open_desk, until
from tests.console.plant import Plant
from tests.console.screen import Screen, open_screen

pytestmark = pytest.mark.usefixtures("pages")
STRUCK = "line-through"


async def seconds_until_stale(screen: Screen) -> float:
    """How long the page goes on as if nothing had happened."""
    start = time.monotonic()
    await screen.page.wait_for_selector("[data-test=stale]", timeout=20_000)
    return time.monotonic() - start


async def quickest(tries: int, once: Callable[[], Awaitable[float]], enough: float) -> float:
    """The best of a few tries: what is measured is the page, not a machine that is busy with something else."""
    best = await once()
    for _ in range(tries - 1):
        if best < enough:
            break
        best = min(best, await once())
    return best


async def test_log_in_and_out(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        page = screen.page
        await expect(page.locator(".who")).to_contain_text("operator")
        await page.get_by_label("Log out").click()
        await expect(page.locator("button[type=submit]")).to_be_visible()
        await page.fill("input[name=name]", "operator")
        await page.fill("input[name=password]", "wrong")
        await page.click("button[type=submit]")
        await expect(page.get_by_role("alert")).to_have_text("wrong name or password")
        await page.reload()
        await expect(page.locator("button[type=submit]")).to_be_visible()


async def test_an_alarm_appears_and_its_acknowledgement_shows_on_another_screen(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as here, open_screen(browser, desk.base, "viewer") as there:
        alarm = await desk.plant.raise_alarm(1)
        await expect(here.row(alarm.id)).to_contain_text("UNACK")
        await expect(there.row(alarm.id)).to_contain_text("UNACK")
        await expect(there.row(alarm.id).get_by_role("button")).to_be_disabled()
        start = time.monotonic()
        await here.row(alarm.id).get_by_role("button").click()
        await expect(there.row(alarm.id)).to_contain_text("operator")
        assert time.monotonic() - start < 2.0
        await expect(here.row(alarm.id)).not_to_contain_text("UNACK")
        await expect(here.page.locator("[data-test=tile-1] .tile-open")).to_have_text("0")


async def test_it_is_acknowledged_only_when_the_server_says_so(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        alarm = await desk.plant.raise_alarm(1)
        desk.plant.answering.clear()
        button = screen.row(alarm.id).get_by_role("button")
        await button.click()
        await expect(button).to_have_text("Sending…")
        await expect(screen.row(alarm.id)).to_contain_text("UNACK")
        desk.plant.answering.set()
        await expect(screen.row(alarm.id)).not_to_contain_text("UNACK")


async def test_a_risen_alarm_is_not_acknowledged_by_what_was_seen_before(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        alarm = await desk.plant.raise_alarm(1, tier=2, level_name="high")
        desk.plant.answering.clear()
        await screen.row(alarm.id).get_by_role("button").click()
        await expect(screen.row(alarm.id).get_by_role("button")).to_have_text("Sending…")
        await desk.plant.rise(alarm)
        await expect(screen.page.locator("[data-test=tile-1] .tile-open")).to_have_text("1")
        desk.plant.answering.set()
        await expect(screen.page.locator("[data-test=notices]")).to_contain_text("CO-101 has risen")
        await expect(screen.row(alarm.id)).to_contain_text("UNACK")
        screen.problems = [problem for problem in screen.problems if "409" not in problem]


async def test_keyboard(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        first = await desk.plant.raise_alarm(1, tier=1)
        second = await desk.plant.raise_alarm(2, tier=2)
        await expect(screen.row(second.id)).to_be_visible()
        await screen.page.locator(".alarms .virtual").focus()
        await screen.page.keyboard.press("ArrowDown")
        await screen.page.keyboard.press("ArrowDown")
        await expect(screen.row(second.id)).to_have_attribute("aria-selected", "true")
        await screen.page.keyboard.press("a")
        await until(lambda: desk.plant.alarms[second.id].acknowledged_by == "operator")
        assert desk.plant.alarms[first.id].acknowledged_ns == 0
        await screen.page.keyboard.press("?")
        await expect(screen.page.get_by_role("dialog")).to_be_visible()


async def test_rows_stay_while_somebody_points_at_them(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        low = [await desk.plant.raise_alarm(tag, tier=3, level_name="high") for tag in (1, 2, 3)]
        await expect(screen.rows).to_have_count(3)
        before = await screen.order()
        await screen.rows.nth(1).hover()
        urgent = await desk.plant.raise_alarm(13, tier=1)
        await expect(screen.page.locator("[data-test=new-strip]")).to_contain_text("+1 new")
        await expect(screen.page.locator("[data-test=top-alarm]").first).to_contain_text("Vaporiser 1 chlorine")
        await desk.plant.acknowledge(low[0])
        await desk.plant.clear(low[0])
        await expect(screen.row(low[0].id)).to_contain_text("Cleared")
        assert await screen.order() == before
        await screen.page.mouse.move(1000, 20)
        await expect(screen.rows.first).to_have_attribute("data-alarm", urgent.id)
        assert len(await screen.order()) == 3


async def test_a_silent_pipeline_is_shown_within_three_seconds(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        alarm = await desk.plant.raise_alarm(1)
        await expect(screen.row(alarm.id)).to_be_visible()

        async def once() -> float:
            desk.plant.silent = True
            waited = await seconds_until_stale(screen)
            await expect(screen.row(alarm.id).get_by_role("button")).to_be_disabled()
            desk.plant.silent = False
            await expect(screen.stale).to_have_count(0)
            await expect(screen.row(alarm.id).get_by_role("button")).to_be_enabled()
            return waited

        assert await quickest(3, once, 3.2) < 3.2


def start_server(data: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], str, str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.console.server", str(data), *arguments], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    return process, f"http://127.0.0.1:{said['port']}", said["password"]


async def test_a_frozen_server_is_shown_within_three_seconds(tmp_path: Path, browser: Browser) -> None:
    process, base, password = await asyncio.to_thread(start_server, tmp_path, "--alarms", "5")
    try:
        async with open_screen(browser, base, "admin", password) as screen:
            value = screen.page.locator("[data-test=point-row] .value").first

            async def once() -> float:
                os.kill(process.pid, signal.SIGSTOP)
                waited = await seconds_until_stale(screen)
                await expect(screen.stale).to_contain_text("NOT LIVE")
                assert STRUCK in await value.evaluate("element => getComputedStyle(element).textDecorationLine")
                for button in await screen.page.locator("[data-test=ack]").all():
                    await expect(button).to_be_disabled()
                os.kill(process.pid, signal.SIGCONT)
                await screen.live()
                await expect(screen.stale).to_have_count(0)
                assert STRUCK not in await value.evaluate("element => getComputedStyle(element).textDecorationLine")
                return waited

            assert await quickest(3, once, 3.2) < 3.2
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
    assert process.returncode == 0


async def test_a_missed_frame_and_another_epoch_leave_no_ghosts(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        ghost, real = await desk.plant.raise_alarm(1), await desk.plant.raise_alarm(2)
        await expect(screen.rows).to_have_count(2)
        hub = desk.console.hub
        gone = replace(ghost, revision=9)
        desk.console.live.alarms.listed.pop(gone.id)
        hub._streams["desk"].seq += 3
        await expect(screen.rows).to_have_count(1)
        hub.epoch = "another"
        newer = await desk.plant.raise_alarm(3)
        await expect(screen.row(newer.id)).to_be_visible()
        await expect(screen.row(real.id)).to_be_visible()
        await screen.live()


async def test_blocked_sound_says_so_and_a_click_helps(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        sound = screen.page.locator("[data-test=sound]")
        await screen.page.reload()
        await desk.plant.raise_alarm(1)
        await expect(sound).to_have_text("Sound blocked — click")
        await until(lambda: [s.sound for s in desk.console.hub.screens] == ["blocked"])
        await sound.click()
        await expect(sound).to_contain_text("Sounding")
        await sound.get_by_role("button").click()
        await expect(sound).to_contain_text("Silenced here")
        await desk.plant.raise_alarm(2, tier=3)
        await expect(sound).to_contain_text("Sounding")
        await screen.page.keyboard.press("m")
        await expect(sound).to_contain_text("Silenced here")
        await until(lambda: [s.sound for s in desk.console.hub.screens] == ["on"])


async def test_languages(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base, locale="zh-CN") as screen:
        await desk.plant.raise_alarm(1)
        heading = screen.page.locator(".alarms h2")
        await expect(heading).to_have_text("报警")
        await expect(screen.rows.first).to_contain_text("1 号炉一氧化碳 1")
        await expect(screen.page.locator("html")).to_have_attribute("lang", "zh-CN")
        await screen.page.locator("[data-test=language]").click()
        await expect(heading).to_have_text("Alarms")
        await expect(screen.rows.first).to_contain_text("Furnace 1 carbon monoxide 1")
        await screen.page.reload()
        await expect(heading).to_have_text("Alarms")


async def test_detail_trend_and_guidance(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        alarm = await desk.plant.raise_alarm(1)
        await screen.row(alarm.id).click()
        detail = screen.page.locator("[data-test=detail]")
        await expect(detail).to_contain_text("Evacuate the foundry")
        await expect(detail).to_contain_text("34.3")
        await expect(detail.locator("canvas")).to_be_visible()
        await expect(detail.locator(".trend-note")).to_have_count(0)
        await detail.get_by_role("button", name="8 h").click()
        await expect(detail).to_contain_text("no historian is configured")
        await detail.get_by_placeholder("Comment (optional)").fill("crew on the way")
        await detail.locator("[data-test=ack]").click()
        await expect(detail).to_contain_text("crew on the way")
        assert desk.plant.alarms[alarm.id].comment == "crew on the way"


async def test_the_worst_value_is_never_milder_than_what_the_trend_shows(desk: Desk, browser: Browser) -> None:
    """An alarm that rises no level says nothing new for as long as it lasts, while its value goes on."""
    async with open_screen(browser, desk.base) as screen:
        alarm = await desk.plant.raise_alarm(1, value=40.0)
        await screen.row(alarm.id).click()
        worst = screen.page.locator("[data-test=worst]")
        await expect(worst).to_have_text("40.0 ppm")
        for value, shown in ((104.3, "104.3 ppm"), (55.0, "104.3 ppm")):
            desk.plant.overrides[1] = (value, Quality.GOOD)
            await expect(screen.page.locator("[data-test=detail]")).to_contain_text(f"{value}")
            await expect(worst).to_have_text(shown)


async def test_a_number_has_the_unit_of_what_it_is(desk: Desk, browser: Browser) -> None:
    """The reading of now is in ppm, what the rule judged in minutes: 1.2 ppm must never look like 1.2 minutes left."""
    async with open_screen(browser, desk.base) as screen:
        desk.plant.overrides[1] = (31.5, Quality.GOOD)
        alarm = await desk.plant.raise_alarm(1, tier=3, level_name="stel_soon", value=4.25, rule="stel", unit="min")
        row = screen.row(alarm.id)
        await expect(row.locator(".value")).to_have_text("31.5 ppm")
        await expect(row).to_contain_text("STEL ahead")
        await row.click()
        await expect(screen.page.locator("[data-test=worst]")).to_have_text("4.25 min")


async def test_points_filter_quality_and_silence(tmp_path: Path, browser: Browser) -> None:
    plant = await Plant.open(tmp_path / "log")
    plant.frozen_tags = {2}
    plant.overrides[3] = (float("nan"), Quality.SENSOR_FAILURE)
    async with open_desk(tmp_path, plant=plant) as desk, open_screen(browser, desk.base) as screen:
        points = screen.page.locator("[data-test=point-row]")
        await expect(points.nth(0)).to_contain_text("ppm")
        await expect(points.nth(0)).to_contain_text("Good")
        await expect(points.nth(1)).to_contain_text("No data yet")
        await expect(points.nth(2)).to_contain_text("Sensor failure")
        await screen.page.get_by_label("Filter by tag or name").fill("chlorine")
        await expect(points.first).to_contain_text("CL2-")
        await expect(points).to_have_count(4)
        await screen.page.get_by_label("Filter by tag or name").fill("")
        await screen.page.get_by_role("button", name="Huadong LPG Terminal").click()
        await expect(points.first).to_contain_text("LEL-")


async def test_ten_thousand_alarms(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        alarms = await desk.plant.flood(10_000)
        count = screen.page.locator("[data-test=alarm-count]")
        await expect(count).to_have_text("10000", timeout=60_000)
        assert await screen.rows.count() < 60
        listed = list(desk.console.live.alarms.listed.values())
        rank = {"unacknowledged": 0, "returned_unacknowledged": 1}

        def key(alarm_id: str) -> tuple[int, int, int, str]:
            alarm = desk.console.live.alarms.listed[alarm_id].alarm
            tier = alarm.tier or alarm.peak_tier
            return tier, rank.get(alarm.state, 2), -(alarm.raised_ns // 1_000_000), alarm.id

        expected = sorted((item.alarm.id for item in listed), key=key)
        assert await screen.order() == expected[: await screen.rows.count()]
        list_ = screen.page.locator(".alarms .virtual")
        await list_.evaluate("element => { element.scrollTop = element.scrollHeight; }")
        await expect(screen.row(expected[-1])).to_be_visible()
        assert await screen.rows.count() < 60
        assert len(alarms) == 10_000
        keystroke = await screen.page.evaluate(
            """async () => {
                const input = document.querySelector("#alarm-filter");
                const start = performance.now();
                input.value = "CO-101";
                input.dispatchEvent(new Event("input", { bubbles: true }));
                await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                return performance.now() - start;
            }"""
        )
        assert keystroke < 500
        await expect(screen.rows.first).to_contain_text("CO-101")


async def test_hostile_names_are_only_text(tmp_path: Path, browser: Browser) -> None:
    image = "<img src=x onerror=\"window.xss='name'\">"
    hostile = Tag(
        number=900,
        name="<script>window.xss='tag'</script>",
        title=Text(zh=image, en="\u202egnitset" + "x" * 10_000),
        enterprise="metal",
        hazard_source="foundry",
        equipment="furnace-1",
        measure=Measure.OTHER,
        unit="<b>ppm</b>",
    )
    plant = await Plant.open(tmp_path / "log", more_tags=(hostile,))
    async with open_desk(tmp_path, plant=plant) as desk, open_screen(browser, desk.base, locale="zh-CN") as screen:
        made = plant.make_alarm(900, 1, "high", 1.0)
        alarm = replace(made, text=Text(zh=image, en=image), comment=image, gas=image)
        plant.alarms[alarm.id] = alarm
        await plant.say("alarms", plant.transition(alarm))
        await screen.row(alarm.id).click()
        await expect(screen.row(alarm.id)).to_contain_text("<img src=x onerror=")
        await expect(screen.page.locator("[data-test=detail]")).to_contain_text("<img src=x")
        await screen.page.locator("[data-test=language]").click()
        await expect(screen.row(alarm.id)).to_contain_text("·gnitset")
        await screen.page.get_by_role("link", name="Journal").click()
        await expect(screen.page.locator(".journal tbody tr")).to_have_count(1)
        assert await screen.page.evaluate("window.xss === undefined")
        assert await screen.page.locator("img").count() == 0
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await screen.page.evaluate(wide)


async def test_reduced_motion_says_new_instead_of_flashing(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base, reduced_motion="reduce") as screen:
        alarm = await desk.plant.raise_alarm(1)
        await expect(screen.row(alarm.id).locator(".new-mark")).to_be_visible()


async def test_a_session_that_ends_shows_the_log_in(desk: Desk, browser: Browser) -> None:
    async with open_screen(browser, desk.base) as screen:
        await desk.console.users.end_sessions_of("operator")
        await expect(screen.page.locator("button[type=submit]")).to_be_visible()
        await expect(screen.page.locator(".login-ended")).to_be_visible()


async def test_without_built_pages_the_server_says_how(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_pages, "STATIC", tmp_path / "nothing")
    async with open_desk(tmp_path) as desk:
        page = await browser.new_page()
        response = await page.goto(desk.base)
        assert response is not None and response.status == 503
        await expect(page.locator("pre")).to_contain_text("npm run build")
