"""The rules of a link as people meet them: an operator's page, a speaker's phone, and a real Chromium between them."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import (
    LAPTOP,
    NO_WEBRTC,
    Visitors,
    barriers,
    canvas,
    connected,
    picture,
    says,
    tap,
    until,
)
from tests.support.decks import numbered_pdf
from tests.support.programs import NO_DISPLAY, Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def operator_of(slidewire: Programs, visitors: Visitors) -> Page:
    deck = str(numbered_pdf(250))
    host = await slidewire.start("up", deck, "--listen", "127.0.0.1", "--port", "0", environment=NO_DISPLAY)
    page = await visitors.open((await host.ready())["operator_link"], LAPTOP)
    return await connected(page)


async def make(page: Page, label: str, *checks: str, first: int | None = None, last: int | None = None) -> str:
    """Fill in the form; the new link's address."""
    await page.locator("#make-label").fill(label)
    for name, slide in (("first", first), ("last", last)):
        if slide is not None:
            await page.locator(f"#make-{name}").fill(str(slide))
    for check in checks:
        await page.get_by_label(check).check()
    await page.get_by_role("button", name="Make link").click()
    return await page.get_by_role("textbox", name=f"Link for {label}").input_value()


async def test_a_speaker_waits_is_let_in_and_keeps_to_their_slides(slidewire: Programs, visitors: Visitors) -> None:
    operator = await operator_of(slidewire, visitors)
    url = await make(operator, "Ada", "I let them in", first=10, last=12)
    await expect(operator.get_by_test_id("links")).to_contain_text("slides 10–12 · let in by hand")
    phone = await connected(await visitors.open(url, script=NO_WEBRTC))
    await expect(phone.locator("#notice")).to_have_text("Waiting for the operator to let you in")
    await expect(phone.get_by_test_id("next")).to_be_disabled()
    await expect(phone.get_by_test_id("slide-number")).to_have_text("–")
    await picture(phone, "link-waiting")

    await expect(operator.get_by_test_id("presenters")).to_contain_text("Waiting")
    await picture(operator, "link-operator")
    assert await barriers(operator) == []
    await operator.get_by_role("button", name="Let in").click()
    await expect(phone.locator("#notice")).to_have_text("Your slides: 10–12")
    await expect(phone.get_by_test_id("next")).to_be_enabled()
    await tap(phone, "next")
    await says(phone, "Refused")
    await says(phone, "there is no such slide for you")

    await tap(phone, "goto")
    await phone.locator("#goto-slide").fill("11")
    await phone.locator("#goto-go").tap()
    await says(phone, "→ 11")
    await tap(phone, "next")
    await says(phone, "11 → 12")
    await tap(phone, "next")
    await says(phone, "Refused")
    await expect(phone.get_by_test_id("slide-number")).to_have_text("12 / 250")
    await picture(phone, "link-range")
    assert await barriers(phone) == []

    await phone.reload()
    await expect(phone.locator("#notice")).to_have_text("Your slides: 10–12")
    await until(lambda: _has_picture(phone), "the slide's picture")


async def _has_picture(page: Page) -> bool:
    return (await canvas(page)).size != (16, 9)


async def test_the_words_of_both_pages_are_the_same(slidewire: Programs, visitors: Visitors) -> None:
    operator = await operator_of(slidewire, visitors)
    phone = await connected(await visitors.open(await make(operator, "Ada")))
    await tap(phone, "compare")
    await expect(phone.get_by_test_id("words")).to_have_text(re.compile(r"^\w+( \w+){4}$"))
    words = await phone.get_by_test_id("words").text_content()
    await picture(phone, "link-words")
    assert await barriers(phone) == []
    row = operator.get_by_test_id("presenters").locator("li", has_text="Ada")
    await expect(row.locator(".words")).to_have_text(words or "")
    await phone.get_by_role("button", name="Close").tap()
    await tap(phone, "next")
    await says(phone, "1 → 2")


async def test_a_one_device_link_knows_its_phone_again_and_no_other(slidewire: Programs, visitors: Visitors) -> None:
    operator = await operator_of(slidewire, visitors)
    url = await make(operator, "Ada", "One device only")
    phone = await connected(await visitors.open(url))
    await tap(phone, "next")
    await says(phone, "1 → 2")
    other = await visitors.open(url)
    await expect(other.get_by_test_id("error")).to_contain_text("in use on another device")
    await expect(operator.get_by_test_id("links")).to_contain_text("one device, which has it")
    await phone.reload()
    await connected(phone)
    await tap(phone, "next")
    await says(phone, "2 → 3")

    await operator.get_by_test_id("links").locator("li", has_text="Ada").get_by_role("button", name="Free…").click()
    await operator.locator("#confirm-yes").click()
    await expect(phone.get_by_test_id("error")).to_contain_text("freed")
    await other.reload()
    await connected(other)
    await tap(other, "next")
    await says(other, "3 → 4")
