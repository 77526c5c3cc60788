"""Who gets in, who does not and is told why, and the operator who decides it."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import pytest
import zxingcpp
from playwright.async_api import Locator, Page, expect

from tests.support import decks
from tests.support.browser import LAPTOP, PHONE, SCREEN, Visitors, connected, picture, says, tap, until
from tests.support.programs import LOOPBACK, NO_DISPLAY, Program, Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def web_show(slidewire: Programs) -> tuple[Program, dict[str, Any]]:
    deck = str(decks.numbered_pdf(20))
    host = await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)
    return host, await host.ready()


async def is_told(page: Page, title: str, advice: str, name: str) -> None:
    """The page in place of the page: what is wrong, and what to do."""
    error = page.get_by_test_id("error")
    await expect(error).to_be_visible()
    await expect(error.get_by_role("heading")).to_have_text(title)
    await expect(error).to_contain_text(advice)
    await expect(page.get_by_test_id("next")).to_be_hidden()
    await picture(page, f"door-{name}")


async def test_a_link_that_is_not_whole_or_not_right(slidewire: Programs, visitors: Visitors) -> None:
    _, ready = await web_show(slidewire)
    link: str = ready["presenter_link"]
    address, _, secret = link.partition("#")
    other_secret = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    no_such_link = address[:-10] + "aaaaaaaaaa"

    wrong = {
        "missing": (address, "The link is not complete", "also the part after #"),
        "cut": (link[:-5], "The link is not complete", "scan the QR code"),
        "altered": (f"{address}#{other_secret}", "The link was cut off or changed", "copy all of it"),
        "unknown": (f"{no_such_link}#{secret}", "No host knows this link yet", "keeps trying"),
    }
    for name, (tried, title, advice) in wrong.items():
        await is_told(await visitors.open(tried), title, advice, name)
    for name, page in {"operator": ready["operator_link"], "deck": ready["deck_link"]}.items():
        lost = await visitors.open(page.partition("#")[0], LAPTOP)
        await expect(lost.get_by_test_id("error")).to_contain_text("The link is not complete")
        await picture(lost, f"door-{name}-missing")


async def test_a_link_that_was_good(slidewire: Programs, visitors: Visitors) -> None:
    server = await slidewire.start("serve", *LOOPBACK)
    address = (await server.ready())["https"]
    host = await slidewire.start("host", str(decks.numbered_pdf(20)), "--server", address, environment=NO_DISPLAY)
    ready = await host.ready()
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))

    withdrawn = await make_link(operator, "Ada")
    ada = await connected(await visitors.open(withdrawn))
    await row(operator, "links", "Ada").get_by_role("button", name="Withdraw…").click()
    await operator.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    await is_told(ada, "This link was withdrawn", "Ask the operator of the show for a new link", "withdrawn-inside")
    await is_told(await visitors.open(withdrawn), "This link was withdrawn", "new link", "withdrawn")
    await expect(row(operator, "links", "Ada")).to_contain_text("withdrawn")

    # No such choice on the page; what is sent and what becomes of it is the same.
    await operator.locator("#make-expires option", has_text="1 hour").evaluate("option => { option.value = '2' }")
    brief = await make_link(operator, "Ben", "1 hour")
    ben = await connected(await visitors.open(brief))
    await is_told(ben, "This link has expired", "Ask the operator of the show for a new link", "expired-inside")
    await is_told(await visitors.open(brief), "This link has expired", "new link", "expired")
    await expect(row(operator, "links", "Ben")).to_contain_text("expired")
    await expect(row(operator, "links", "Ben")).not_to_contain_text("withdrawn")

    presenter = await connected(await visitors.open(ready["presenter_link"]))
    screen = await visitors.open(ready["deck_link"], SCREEN)
    await operator.get_by_test_id("end-show").click()
    await picture(operator, "operator-end-asked")
    await operator.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await connected(presenter)
    await operator.get_by_test_id("end-show").click()
    await operator.get_by_role("dialog").get_by_role("button", name="End the show").click()
    await is_told(presenter, "The show has ended", "nothing left to control", "ended-inside")
    assert await host.process.wait() == 0
    await is_told(await visitors.open(ready["presenter_link"]), "The show has ended", "nothing left", "ended")
    await expect(screen.get_by_test_id("end")).to_have_text("End of the show")
    await expect(screen.get_by_test_id("error")).to_be_hidden()
    await expect(operator.get_by_test_id("error")).to_contain_text("The show has ended")
    await picture(operator, "operator-ended")
    await picture(screen, "deck-ended")


async def test_the_operator_mutes_lets_click_and_removes(slidewire: Programs, visitors: Visitors) -> None:
    _, ready = await web_show(slidewire)
    page = await connected(await visitors.open(ready["presenter_link"]))
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    await tap(page, "next")
    await says(page, "1 → 2")
    presenter = row(operator, "presenters", "Presenter")
    await expect(presenter).to_contain_text("1 click, last: next performed 1 → 2")
    await expect(operator.get_by_test_id("slide-number")).to_have_text("2 / 20")
    await picture(operator, "operator")

    await presenter.get_by_role("button", name="Mute").click()
    await expect(page.get_by_text("Muted by the operator", exact=True)).to_be_visible()
    await tap(page, "next")
    await says(page, "Refused")
    await says(page, "muted by the operator")
    await picture(page, "presenter-muted")
    await picture(operator, "operator-muted")
    await expect(operator.get_by_test_id("slide-number")).to_have_text("2 / 20")

    await presenter.get_by_role("button", name="Let click").click()
    await expect(page.get_by_text("Muted by the operator", exact=True)).to_be_hidden()
    await tap(page, "next")
    await says(page, "2 → 3")

    await presenter.get_by_role("button", name="Remove…").click()
    await operator.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await is_told(page, "You were removed from the show", "Ask the operator of the show", "removed")
    await expect(presenter).to_have_count(0)


async def test_an_operator_does_not_show_its_own_link_nor_send_itself_away(
    slidewire: Programs, visitors: Visitors
) -> None:
    _, ready = await web_show(slidewire)
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    itself = row(operator, "presenters", "this is you")
    await expect(itself).to_have_count(1)
    await expect(itself.get_by_role("button")).to_have_count(0)
    own = row(operator, "links", "runs the show")
    await expect(own.get_by_role("img")).to_have_count(0)
    await expect(own.get_by_role("textbox")).to_have_count(0)
    await expect(operator.get_by_test_id("rejected")).to_be_hidden()
    await picture(operator, "operator-own-link-hidden")
    await own.get_by_role("button", name="Show the link").click()
    assert await own.get_by_role("textbox").input_value() == ready["operator_link"]
    assert await scanned(own) == [ready["operator_link"]]
    await own.get_by_role("button", name="Hide the link").click()
    await expect(own.get_by_role("img")).to_have_count(0)


WITHOUT_THE_SECRET = """
  const derive = SubtleCrypto.prototype.deriveBits
  SubtleCrypto.prototype.deriveBits = async function (how, key, length) {
    const bits = await derive.call(this, how, key, length)
    if (how.info && new TextDecoder().decode(how.info).startsWith('psk ')) new Uint8Array(bits)[0] ^= 1
    return bits
  }
"""


async def test_what_was_refused_stands_on_the_operator_page(slidewire: Programs, visitors: Visitors) -> None:
    """Somebody whom the server lets in, and who does not know the part of the link that it never sees."""
    _, ready = await web_show(slidewire)
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    page = await connected(await visitors.open(ready["presenter_link"]))
    await page.add_init_script(WITHOUT_THE_SECRET)
    await page.reload()
    await expect(operator.get_by_test_id("rejected")).to_contain_text("tried to come in without the link's secret")
    await operator.get_by_test_id("rejected").scroll_into_view_if_needed()
    await picture(operator, "operator-rejected")
    await expect(page.get_by_test_id("connection")).to_have_text("Connecting…")


async def test_no_string_becomes_code_or_markup_in_a_page(slidewire: Programs, visitors: Visitors) -> None:
    _, ready = await web_show(slidewire)
    visitors.tolerate("Trusted")
    for link in (ready["operator_link"], ready["presenter_link"]):
        page = await visitors.open(link)
        assert await page.evaluate(FORBIDDEN) == ["TypeError"] * 4


FORBIDDEN = """() => [
  () => { document.createElement('p').innerHTML = '<b>hello</b>' },
  () => new DOMParser().parseFromString('<b>hello</b>', 'text/html'),
  () => new Worker('/worker.js'),
  () => trustedTypes.createPolicy('default', { createHTML: (text) => text }),
].map((sink) => { try { sink(); return 'done' } catch (error) { return error.name } })"""


async def test_a_new_link_by_its_qr_code(slidewire: Programs, visitors: Visitors) -> None:
    _, ready = await web_show(slidewire)
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    link = await make_link(operator, "Grace Hopper")
    made = row(operator, "links", "Grace Hopper")
    await made.scroll_into_view_if_needed()
    assert await scanned(made) == [link]
    await picture(operator, "operator-link")
    grace = await connected(await visitors.open(link))
    await tap(grace, "next")
    await says(grace, "1 → 2")
    await expect(row(operator, "presenters", "Grace Hopper")).to_contain_text("1 click")

    watching = await make_link(operator, "Screen", role="watch only")
    watcher = await connected(await visitors.open(watching, PHONE))
    await expect(watcher.get_by_text("This link can watch, not control")).to_be_visible()
    await expect(watcher.get_by_test_id("next")).to_be_disabled()
    await picture(watcher, "presenter-watching")


def row(operator: Page, which: str, name: str) -> Locator:
    return operator.get_by_test_id(which).get_by_role("listitem").filter(has_text=name)


async def make_link(operator: Page, name: str, expires: str = "this show", role: str | None = None) -> str:
    """As an operator does it; the link that stands there afterwards."""
    form = operator.get_by_test_id("make-link")
    await form.get_by_label("Name").fill(name)
    if role is not None:
        await form.get_by_label("May").select_option(role)
    await form.get_by_label("Good for").select_option(expires)
    await form.get_by_role("button", name="Make link").click()
    return await row(operator, "links", name).get_by_role("textbox").input_value()


async def scanned(of: Locator) -> list[str]:
    """What a phone reads off the QR code that is shown there."""
    image = of.get_by_role("img")
    await until(lambda: image.evaluate("image => image.complete && image.naturalWidth > 0"), "the picture is drawn")
    return read_qr(await image.screenshot())


def read_qr(png: bytes) -> list[str]:
    from io import BytesIO

    from PIL import Image

    return [code.text for code in zxingcpp.read_barcodes(Image.open(BytesIO(png)).convert("L"))]
