"""A clicker or the keyboard of the computer that a page is open on: a key is an intent like any other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support import decks
from tests.support.browser import LAPTOP, SCREEN, SOCKET_FAILS, Visitors, connected, says, until
from tests.support.programs import NO_DISPLAY, Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HERE = ("--listen", "127.0.0.1", "--port", "0")
SPY = """
window.asked = 0; window.given = 0
Object.defineProperty(navigator, 'wakeLock', { value: { request: async () => {
  window.asked++
  const lock = { released: false, release: async () => { lock.released = true; window.given-- } }
  window.given++
  return lock
} } })
"""


async def show(slidewire: Programs) -> dict[str, Any]:
    host = await slidewire.start("up", str(decks.numbered_pdf(12)), *HERE, environment=NO_DISPLAY)
    return await host.ready()


async def is_at(page: Page, slide: int) -> None:
    await says(page, f"{slide} / 12", "slide-number")


async def press(page: Page, code: str, key: str) -> None:
    """A key at that place, whatever the layout makes of it."""
    client = await page.context.new_cdp_session(page)
    for kind in ("rawKeyDown", "keyUp"):
        await client.send("Input.dispatchKeyEvent", {"type": kind, "code": code, "key": key})


async def not_loaded_again(page: Page) -> bool:
    return bool(await page.evaluate("window.wasHere === true"))


async def holds(page: Page, locks: int) -> None:
    async def does() -> bool:
        return bool(await page.evaluate("window.given") == locks)

    await until(does, f"{page.url} holds {locks} locks")


async def test_a_clicker_works_on_the_operators_page(slidewire: Programs, visitors: Visitors) -> None:
    ready = await show(slidewire)
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    await is_at(operator, 1)
    await operator.evaluate("window.wasHere = true")
    for at, key in enumerate(("PageDown", "ArrowRight", "ArrowDown", "Space"), start=2):
        await operator.keyboard.press(key)
        await is_at(operator, at)
        await says(operator, f"{at - 1} → {at}", "said")
    await operator.keyboard.press("PageUp")
    await is_at(operator, 4)
    await press(operator, "KeyB", "и")
    await expect(operator.locator("#deck-status")).to_have_text("The screen is black")
    await press(operator, "Period", "ю")
    await expect(operator.locator("#deck-status")).to_have_text("The show is running")
    await operator.keyboard.press("F5")
    await says(operator, "Start: done", "said")
    await operator.keyboard.press("Escape")
    await operator.keyboard.press("PageDown")
    await is_at(operator, 5)
    assert await not_loaded_again(operator)

    # What is typed into a field, or pressed on a button, is not for the slides.
    await operator.locator("#make-label").fill("b")
    for key in ("b", ".", "Space", "ArrowLeft", "Home"):
        await operator.locator("#make-label").press(key)
    await operator.get_by_test_id("end-show").focus()
    await operator.keyboard.press("Space")
    await expect(operator.locator("#confirm")).to_be_visible()
    await operator.keyboard.press("PageDown")
    await operator.keyboard.press("Escape")
    await expect(operator.locator("#confirm")).to_be_hidden()
    await operator.keyboard.press("ArrowRight")
    await is_at(operator, 6)


async def test_the_start_key_of_a_clicker_keeps_the_speakers_page(slidewire: Programs, visitors: Visitors) -> None:
    ready = await show(slidewire)
    page = await connected(await visitors.open(ready["presenter_link"], LAPTOP))
    await page.evaluate("window.wasHere = true")
    for key in ("F5", "Shift+F5"):
        await page.keyboard.press(key)
        await says(page, "Start: done")
    await page.keyboard.press("PageDown")
    await says(page, "1 → 2")
    await press(page, "Period", ":")
    await says(page, "Black: done")
    assert await not_loaded_again(page)


async def test_keys_work_without_the_server(slidewire: Programs, visitors: Visitors) -> None:
    visitors.tolerate(SOCKET_FAILS)
    visitors.tolerate("ERR_CONNECTION_REFUSED")
    server = await slidewire.start("serve", *HERE, "--turn-port", "0")
    started = await server.ready()
    deck = str(decks.numbered_pdf(12))
    host = await slidewire.start("host", deck, "--server", started["https"], environment=NO_DISPLAY)
    operator = await visitors.open((await host.ready())["operator_link"], LAPTOP)
    await connected(operator, "Connected directly")
    await is_at(operator, 1)
    await server.kill()
    await operator.keyboard.press("PageDown")
    await is_at(operator, 2)
    await says(operator, "1 → 2", "said")


def a_browser(folder: Path) -> dict[str, str]:
    """The environment in which the browser that a program starts only notes the address."""
    script = folder / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/address\n')
    script.chmod(0o700)
    return {**NO_DISPLAY, "BROWSER": f"{script} %s"}


async def test_the_deck_page_that_the_host_opened_takes_keys_and_no_other_deck_page_does(
    slidewire: Programs, visitors: Visitors, tmp_path: Path
) -> None:
    visitors.tolerate(SOCKET_FAILS)
    visitors.tolerate("ERR_CONNECTION_REFUSED")
    deck = str(decks.numbered_pdf(12))
    host = await slidewire.start("up", deck, *HERE, "--open", environment=a_browser(tmp_path))
    ready = await host.ready()

    async def is_opened() -> bool:
        return (tmp_path / "address").exists()

    await until(is_opened, "the host opened a browser")
    address = (tmp_path / "address").read_text()
    here = await visitors.open(address, SCREEN)
    audience = await visitors.open(ready["deck_link"], SCREEN)
    page = await connected(await visitors.open(ready["presenter_link"]))

    async def shown(screen: Page, slide: int) -> None:
        await expect(screen.get_by_role("img")).to_have_attribute("aria-label", re.compile(f"^Slide {slide}:"))

    await shown(here, 1)
    await shown(audience, 1)
    assert "#" not in here.url and "#" not in audience.url
    for at, key in enumerate(("PageDown", "ArrowRight", "Space"), start=2):
        await audience.keyboard.press(key)
        await here.keyboard.press(key)
        await is_at(page, at)
        await shown(audience, at)
    await press(here, "KeyB", "и")
    await expect(page.locator("#notice")).to_have_text("The screen is black")
    await press(here, "Period", "ю")
    await expect(page.locator("#notice")).to_have_text("")
    await here.evaluate("window.wasHere = true")
    await here.keyboard.press("F5")
    await here.keyboard.press("PageUp")
    await is_at(page, 3)
    assert await not_loaded_again(here)
    await here.reload()
    await shown(here, 3)
    await here.keyboard.press("PageDown")
    await is_at(page, 4)
    await shown(audience, 4)
    # As the page's own code could say it, if it were another's.
    assert await audience.evaluate("sessionStorage.getItem('slidewire local')") == ""


async def test_every_page_keeps_its_screen_on_until_the_show_is_over(slidewire: Programs, visitors: Visitors) -> None:
    ready = await show(slidewire)
    pages = [
        await visitors.open(ready[link], screen, SPY)
        for link, screen in (
            ("deck_link", SCREEN),
            ("program_link", SCREEN),
            ("presenter_link", LAPTOP),
            ("operator_link", LAPTOP),
        )
    ]
    operator = await connected(pages[-1])
    await connected(pages[-2])
    for page in pages:
        await holds(page, 1)
    await operator.get_by_test_id("end-show").click()
    await operator.locator("#confirm-yes").click()
    for page in pages:
        await holds(page, 0)
