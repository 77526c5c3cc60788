"""Camera and microphone on the presenter page: what a speaker sees, and every reason why there is no picture, acted
out in a real Chromium.

Chromium has cameras and microphones of its own for tests. What it really refuses here: a machine without devices, a
permission denied, dismissed, and taken back during the show, a server that forbids it, a camera that is chosen and not
there, a page that is not secure. A device that is pulled out, one that somebody else has, a system that keeps a browser
from its camera, and a browser without any of it are acted by scripts, because nothing of that can be done to this
Chromium's devices from outside.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support import browser, decks
from tests.support.browser import LAPTOP, PHONE, Visitors, barriers, connected, picture, says, tap
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs, programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FLAGS = ("--use-fake-device-for-media-stream=device-count=2", "--host-resolver-rules=MAP stage.test 127.0.0.1")
"""Two cameras and a microphone, which a page has to be allowed; and a name that leads here, and is no machine's own."""
BOTH = ("camera", "microphone")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def camera() -> AsyncIterator[Browser]:
    async with browser.chromium(*FLAGS) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def speakers(camera: Browser) -> AsyncIterator[Visitors]:
    async with browser.visitors(camera) as everybody:
        yield everybody


async def show(slidewire: Programs) -> dict[str, Any]:
    deck = str(decks.numbered_pdf(20))
    return await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ready(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """One show for all of those who are refused: nobody of them gets on air."""
    async with programs(tmp_path_factory.mktemp("media") / "home") as started:
        yield await show(started)


async def allow(page: Page, link: str, **settings: str) -> None:
    """What its visitor says to this page's questions, now or later: `granted`, `denied`, or `prompt`."""
    asking = await page.context.new_cdp_session(page)
    target = (await asking.send("Target.getTargetInfo"))["targetInfo"]
    assert page.context.browser is not None
    devtools = await page.context.browser.new_browser_cdp_session()
    for name, setting in settings.items():
        where = {"origin": "/".join(link.split("/")[:3]), "browserContextId": target["browserContextId"]}
        await devtools.send("Browser.setPermission", {"permission": {"name": name}, "setting": setting, **where})


async def panel(
    visitors: Visitors,
    link: str,
    screen: dict[str, Any] = PHONE,
    script: str | None = None,
    **settings: str,
) -> Page:
    """The presenter page with its panel open, by somebody who allows all, or what `settings` say."""
    page = await visitors.newcomer(screen, script)
    await allow(page, link, **{**dict.fromkeys(BOTH, "granted"), **settings})
    await connected(await visitors.visit(page, link))
    await page.get_by_test_id("media").click()
    await expect(page.get_by_test_id("media-panel")).to_be_visible()
    return page


async def is_refused(page: Page, kind: str, code: str, title: str, advice: str, name: str | None = None) -> None:
    refusal = page.get_by_test_id(f"refusal-{kind}")
    await expect(refusal).to_be_visible()
    await expect(refusal).to_have_attribute("data-code", code)
    await expect(refusal).to_contain_text(title)
    await expect(refusal).to_contain_text(advice)
    await expect(page.get_by_test_id("media-status")).to_have_text("Nobody sees or hears you.")
    if name is not None:
        await picture(page, f"media-{name}")


SENT = {
    "camera": r"the room sees you|The camera is sent",
    "microphone": r"the room hears you|The microphone is sent",
    "both": r"the room sees and hears you|Camera and microphone are sent",
}


async def sends(page: Page, what: str) -> None:
    """It does, whether it is on air or not."""
    await expect(page.get_by_test_id("media-status")).to_have_text(re.compile(SENT[what]))


SHOWN = "document.querySelector('.self').srcObject?.getVideoTracks()[0].label"


async def sees_itself(page: Page) -> None:
    await page.wait_for_function("() => document.querySelector('.self')?.videoWidth > 0")


async def test_a_speaker_looks_first_and_sends_then(slidewire: Programs, speakers: Visitors) -> None:
    ready = await show(slidewire)
    operator = await connected(await speakers.open(ready["operator_link"], LAPTOP))
    page = await panel(speakers, ready["presenter_link"])
    await sees_itself(page)
    await expect(page.get_by_test_id("media-status")).to_have_text("Nobody sees or hears you.")
    heard = "() => Number(document.querySelector('[role=meter]').getAttribute('aria-valuenow')) > 20"
    await page.wait_for_function(heard)  # Chromium's microphone beeps
    await picture(page, "media-preview")
    assert await barriers(page) == []

    await page.get_by_test_id("send-camera").click()
    await page.get_by_test_id("send-microphone").click()
    await expect(page.get_by_test_id("media-status")).to_contain_text("on air: the room sees and hears you")
    await picture(page, "media-on-air")
    row = operator.get_by_test_id("presenters").locator("li", has_text="camera and microphone on")
    await expect(row).to_contain_text("on air")
    await tap(page, "next")  # the panel lies over the slide, not over this
    await says(page, "1 → 2")

    await page.get_by_role("button", name="Close").click()
    chips = page.get_by_test_id("media-chips")
    await expect(chips).to_have_text("On airCamera onMic on")
    await picture(page, "media-on-air-closed")
    await tap(page, "mute")
    await expect(chips).to_have_text("On airCamera onMuted")
    await expect(operator.get_by_test_id("presenters")).to_contain_text("on air, camera on")
    await expect(operator.get_by_test_id("presenters")).to_contain_text("bit/s", timeout=20_000)
    await tap(page, "mute")
    await expect(chips).to_contain_text("Mic on")

    await tap(page, "media")
    await page.evaluate("window.sent = document.querySelector('.self').srcObject.getVideoTracks()[0]")
    await page.get_by_test_id("send-camera").click()
    assert await page.evaluate("window.sent.readyState") == "ended", "the camera's light is out"
    await expect(page.get_by_test_id("media-status")).to_contain_text("the room hears you")
    await page.get_by_role("button", name="Stop camera and microphone").click()
    await expect(page.get_by_test_id("media-status")).to_have_text("Nobody sees or hears you.")
    await expect(page.get_by_test_id("mute")).to_be_hidden()
    await expect(operator.get_by_test_id("presenters")).not_to_contain_text("microphone on")


async def test_another_camera_and_one_that_is_not_there(ready: dict[str, Any], speakers: Visitors) -> None:
    page = await panel(speakers, ready["presenter_link"], LAPTOP)
    await sees_itself(page)
    choice = page.get_by_test_id("choose-camera")
    await expect(choice.locator("option:not([hidden])")).to_have_text(["fake_device_0", "fake_device_1"])
    await page.get_by_test_id("send-camera").click()
    await sends(page, "camera")
    before = await choice.input_value()
    await choice.select_option("fake_device_1")
    await page.wait_for_function(f"() => {SHOWN} === 'fake_device_1'")
    assert await choice.input_value() != before
    await sends(page, "camera")
    await picture(page, "media-laptop")
    assert await barriers(page) == []
    await choice.locator("option", has_text="0").evaluate("option => { option.value = 'pulled-out' }")
    await choice.select_option("pulled-out")
    words = "The chosen camera is not there any more", "Choose another one from the list"
    await is_refused(page, "camera", "not_there", *words, "not-there")
    await choice.select_option("fake_device_1")
    await sends(page, "camera")


async def test_a_machine_without_camera_and_microphone(ready: dict[str, Any], visitors: Visitors) -> None:
    page = await panel(visitors, ready["presenter_link"])
    await is_refused(page, "camera", "missing", "No camera was found", "Plug one in")
    await is_refused(page, "microphone", "missing", "No microphone was found", "Plug one in", "missing")
    assert await barriers(page) == []
    await tap(page, "next")
    await expect(page.get_by_test_id("receipt")).to_contain_text(" → ")


async def test_permission_denied_and_withdrawn(ready: dict[str, Any], speakers: Visitors) -> None:
    link = ready["presenter_link"]
    denied = await panel(speakers, link, camera="denied", microphone="denied")
    await is_refused(denied, "camera", "denied", "The camera is blocked for this page", "Click the symbol", "denied")
    await is_refused(denied, "microphone", "denied", "The microphone is blocked", "beside the address")
    await denied.context.close()

    page = await panel(speakers, link, camera="denied")
    await is_refused(page, "camera", "denied", "The camera is blocked for this page", "beside the address")
    await expect(page.get_by_test_id("refusal-microphone")).to_be_hidden()
    await page.get_by_test_id("send-microphone").click()
    await sends(page, "microphone")
    await picture(page, "media-denied-camera-only")
    await allow(page, link, camera="granted")  # what the words told to do
    await page.get_by_test_id("refusal-camera").get_by_role("button", name="Try again").click()
    await sees_itself(page)
    await page.get_by_test_id("send-camera").click()
    await sends(page, "both")
    await allow(page, link, camera="denied")  # and taken back, during the show
    await expect(page.get_by_test_id("refusal-camera")).to_have_attribute("data-code", "withdrawn")
    await sends(page, "microphone")
    await picture(page, "media-withdrawn")


async def test_a_question_that_is_waved_away(ready: dict[str, Any], speakers: Visitors) -> None:
    link = ready["presenter_link"]
    page = await panel(speakers, link, camera="prompt", microphone="prompt")
    await is_refused(page, "camera", "dismissed", "Nobody has allowed the camera yet", "choose Allow", "dismissed")
    await allow(page, link, camera="granted")
    await page.get_by_test_id("refusal-camera").get_by_role("button", name="Try again").click()
    await sees_itself(page)


async def test_a_server_that_forbids_it(ready: dict[str, Any], speakers: Visitors) -> None:
    page = await speakers.newcomer()
    await allow(page, ready["presenter_link"], camera="granted", microphone="granted")
    devtools = await page.context.new_cdp_session(page)

    async def forbid(answer: dict[str, Any]) -> None:
        headers = [one for one in answer["responseHeaders"] if one["name"].lower() != "permissions-policy"]
        headers.append({"name": "Permissions-Policy", "value": "camera=(), microphone=(self)"})
        changed = {"requestId": answer["requestId"], "responseCode": 200, "responseHeaders": headers}
        await devtools.send("Fetch.continueResponse", changed)

    devtools.on("Fetch.requestPaused", forbid)
    await devtools.send("Fetch.enable", {"patterns": [{"urlPattern": "*/p/*", "requestStage": "Response"}]})
    speakers.tolerate("[Pp]ermissions policy")
    await connected(await speakers.visit(page, ready["presenter_link"]))
    await tap(page, "media")
    await is_refused(page, "camera", "policy", "This page may not use the camera", "The server forbids it", "policy")
    await page.get_by_test_id("send-microphone").click()
    await sends(page, "microphone")


def throws(name: str, message: str) -> str:
    return f"""
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = async (what) => {{
      if (what.video) throw new DOMException('{message}', '{name}')
      return ask(what)
    }}"""


ACTED = {
    "busy": (
        "The camera is in use, or does not start",
        "Close what else may have it",
        throws("NotReadableError", "Device in use"),
    ),
    "denied_by_system": (
        "The system keeps the camera from this browser",
        "privacy settings",
        throws("NotAllowedError", "Permission denied by system"),
    ),
    "unsupported": (
        "This browser gives no page a camera",
        "not inside another app",
        "Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined })",
    ),
}


async def test_what_only_a_script_can_act(ready: dict[str, Any], speakers: Visitors) -> None:
    for code, (title, advice, script) in ACTED.items():
        page = await panel(speakers, ready["presenter_link"], script=script)
        await is_refused(page, "camera", code, title, advice, code.replace("_", "-"))
        if code == "busy":  # that costs nobody their voice
            await page.get_by_test_id("send-microphone").click()
            await sends(page, "microphone")
        await page.context.close()


PULL_OUT = """() => {
  const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices)
  navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ label }) => label !== 'fake_device_0')
  window.plugIn = () => {
    navigator.mediaDevices.enumerateDevices = list
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'))
  }
  const [track] = document.querySelector('.self').srcObject.getVideoTracks()
  track.stop()
  track.dispatchEvent(new Event('ended'))
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'))
}"""


async def test_a_camera_pulled_out_during_the_show_and_plugged_in_again(
    ready: dict[str, Any], speakers: Visitors
) -> None:
    page = await panel(speakers, ready["presenter_link"])
    await sees_itself(page)
    await page.get_by_test_id("send-camera").click()
    await sends(page, "camera")
    await page.evaluate(PULL_OUT)
    await is_refused(page, "camera", "unplugged", "The camera is gone", "it goes on by itself", "unplugged")
    await expect(page.get_by_test_id("choose-camera").locator("option:not([hidden])")).to_have_text(["fake_device_1"])
    await page.evaluate("window.plugIn()")
    await sees_itself(page)
    await sends(page, "camera")


async def test_a_page_that_is_not_secure(slidewire: Programs, speakers: Visitors, ready: dict[str, Any]) -> None:
    server = await slidewire.start("serve", *LOOPBACK, "--http", "--host-name", "stage.test")
    plain = (await server.ready())["https"].replace("127.0.0.1", "stage.test")
    speakers.tolerate("Cross-Origin-Opener-Policy header has been ignored")
    page = await speakers.open(ready["presenter_link"].replace(ready["https"], plain))
    await expect(page.get_by_test_id("error")).to_contain_text("needs a secure connection")
    await picture(page, "media-insecure")
