"""Who runs a server, at its own page: from the link that the first start prints to a room that is closed."""

import re

import aiohttp
import pytest
from playwright.async_api import Page, Route, expect

from tests.support.browser import LAPTOP, NO_WEBRTC, PHONE, Visitors, barriers, connected, picture, says, until
from tests.support.decks import numbered_pdf
from tests.support.programs import NO_DISPLAY, Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PASSWORD = "correct horse battery staple"
ANOTHER = "five words nobody knows yet"
SIGNED_OUT = r"status of 4(01|22)"
"""Chromium writes every such answer on the console."""


async def enter(page: Page, name: str, password: str) -> None:
    await page.get_by_label("Name").first.fill(name)
    await page.locator("#password").fill(password)
    await page.locator("#enter-button").click()


async def test_the_operator_of_a_server(slidewire: Programs, visitors: Visitors) -> None:
    visitors.tolerate(SIGNED_OUT)
    server = await slidewire.start("serve", "--listen", "127.0.0.1", "--port", "0", "--no-turn")
    ready = await server.wait_for(event="ready")
    page = await visitors.open(ready["account_link"], LAPTOP)
    await expect(page.locator("#enter-title")).to_have_text("Choose a name and a password")
    await picture(page, "account-invited")
    assert await barriers(page) == []
    await enter(page, "ada", PASSWORD)
    await expect(page.get_by_test_id("who")).to_have_text("ada")
    await expect(page.locator("#no-rooms")).to_be_visible()
    assert "#" not in page.url and await page.evaluate("document.cookie") == ""
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
    cookies = await page.context.cookies()
    assert len(cookies) == 2
    for cookie in cookies:
        assert cookie.get("name", "").startswith("__Host-")
        assert cookie.get("httpOnly") and cookie.get("secure") and cookie.get("sameSite") == "Strict"

    # A room, with somebody in it.
    deck = str(numbered_pdf(3))
    arguments = ("host", deck, "--server", ready["https"], "--ca", ready["ca"])
    host = await slidewire.start(*arguments, environment=NO_DISPLAY)
    shown = await host.ready()
    phone = await connected(await visitors.open(shown["presenter_link"], PHONE, NO_WEBRTC))
    rooms = page.get_by_test_id("rooms")
    await expect(rooms).to_contain_text(shown["room"])
    await expect(rooms.locator(".members > li")).to_have_count(2)
    await page.get_by_role("button", name="Tell…").click()
    await page.get_by_label("Everybody in the room sees it").fill("The server restarts at six.")
    await page.get_by_role("button", name="Tell", exact=True).click()
    await says(page, "was told", "said")
    await says(phone, "The server's operator: The server restarts at six.", "server-says")
    await picture(phone, "notice")
    await phone.get_by_test_id("server-says").tap()
    await expect(phone.get_by_test_id("server-says")).to_be_hidden()

    # A key, which is shown once, works, and is revoked.
    await page.get_by_label("Name").last.fill("Status board")
    await page.get_by_role("button", name="Make key").click()
    await expect(page.get_by_test_id("made")).to_be_visible()
    token = await page.get_by_test_id("made-token").text_content() or ""
    await picture(page, "account")
    assert await barriers(page) == []

    async def answer() -> int:
        asked = {"Authorization": f"Bearer {token}"}
        address = f"{ready['https']}/api/connections/active"
        async with aiohttp.ClientSession() as web, web.get(address, headers=asked, ssl=False) as said:
            return said.status

    assert token.startswith("swk_") and await answer() == 200
    await page.get_by_role("button", name="Revoke…").click()
    await page.locator("#confirm-yes").click()
    await says(page, "Status board is revoked.", "said")
    assert await answer() == 401

    # The session goes on without the access token, as it does after a quarter of an hour.
    await page.context.clear_cookies(name="__Host-slidewire-access")
    await page.reload()
    await expect(page.get_by_test_id("who")).to_have_text("ada")

    await rooms.locator("li", has_text="presenter").get_by_role("button", name="Remove…").last.click()
    await page.locator("#confirm-yes").click()
    await expect(phone.get_by_test_id("error")).to_be_visible()
    await page.get_by_role("button", name="Close…").click()
    await page.locator("#confirm-yes").click()
    await expect(page.locator("#no-rooms")).to_be_visible()

    # Another password ends the other session; this one goes on. Then everything is signed out of.
    elsewhere = await visitors.open(f"{ready['https']}/account", LAPTOP)
    await enter(elsewhere, "ada", PASSWORD)
    await expect(elsewhere.get_by_test_id("sessions").locator("li")).to_have_count(2)
    await page.locator("#old-password").fill(PASSWORD)
    await page.locator("#new-password").fill("passwordpassword1")
    await page.get_by_role("button", name="Change password").click()
    await says(page, "would soon be guessed", "said")
    await page.locator("#new-password").fill(ANOTHER)
    await page.get_by_role("button", name="Change password").click()
    await says(page, "Your password is changed.", "said")
    await expect(page.get_by_test_id("sessions").locator("li")).to_have_count(1)
    await elsewhere.reload()
    await expect(elsewhere.locator("#enter-title")).to_have_text("Sign in")
    await enter(elsewhere, "ada", ANOTHER)
    await expect(elsewhere.get_by_test_id("who")).to_have_text("ada")
    await elsewhere.get_by_test_id("sign-out-everywhere").click()
    await elsewhere.locator("#confirm-yes").click()
    await expect(elsewhere.locator("#enter-title")).to_have_text("Sign in")
    await expect(page.locator("#enter-title")).to_have_text("Sign in")
    await enter(page, "ada", ANOTHER)
    await expect(page.get_by_test_id("who")).to_have_text("ada")

    await page.get_by_test_id("sign-out").click()
    await expect(page.locator("#enter-title")).to_be_visible()
    assert "ada" not in await page.locator("main").inner_text()
    await expect(page.locator("#enter-title")).to_have_text("Sign in")
    assert await page.context.cookies() == []
    await enter(page, "ada", "wrong horse")
    await says(page, "No account has this name and this password.", "said")
    await picture(page, "account-sign-in")
    await enter(page, "ada", ANOTHER)
    await expect(page.get_by_test_id("who")).to_have_text("ada")


async def test_a_script_that_was_changed_on_the_way_is_not_run(slidewire: Programs, visitors: Visitors) -> None:
    visitors.tolerate(SIGNED_OUT)
    visitors.tolerate(r"integrity")
    server = await slidewire.start("serve", "--listen", "127.0.0.1", "--port", "0", "--no-turn")
    ready = await server.wait_for(event="ready")
    said: list[str] = []
    page = await visitors.newcomer(LAPTOP)
    page.on("console", lambda message: said.append(message.text))

    async def spoil(route: Route) -> None:
        answered = await route.fetch()
        await route.fulfill(response=answered, body=await answered.text() + "\nwindow.spoilt = true")

    await page.route(re.compile(r"/assets/account-[^/]*\.js$"), spoil)
    await visitors.visit(page, f"{ready['https']}/account")

    async def refused() -> bool:
        return any("integrity" in text for text in said)

    await until(refused, "Chromium says that it does not take the script")
    assert await page.evaluate("window.spoilt") is None
    await expect(page.get_by_test_id("enter")).to_be_hidden()
