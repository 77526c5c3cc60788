"""Who learns where somebody is, with a capture at either end: what is on the wire decides, not what was promised.

Host and speaker are each behind a router of their own, with private addresses; the server and its relay are outside.
Somebody who does not keep to the policy is `tests/support/nosy.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from slidewire.testing.network import NetworkConditions
from tests.support.browser import chromium, says, tap, until, visitors
from tests.support.capture import Capture
from tests.support.firefox import firefox
from tests.support.lab import Lab, Machine, Nat
from tests.support.programs import NO_DISPLAY, Program, Programs, programs

NOSY = "tests.support.nosy"
LINGER = 4.0
"""Seconds for which somebody who asks and tries further may do so."""

pytestmark = pytest.mark.lab


class Show:
    """Machines, captures, and programs on them."""

    def __init__(self, lab: Lab, started: Programs, folder: Path) -> None:
        self._programs = started
        self.server = lab.machine("server")
        self.host = lab.machine("host", NetworkConditions(), nat=Nat.PORT_RESTRICTED, inside="192.168.7")
        self.speaker = lab.machine("speaker", NetworkConditions(), nat=Nat.PORT_RESTRICTED, inside="10.9.8")
        self.outside = {"host": f"203.0.113.{20}", "speaker": f"203.0.113.{30}"}
        self._folder = folder
        self._open = contextlib.ExitStack()
        self.wire = {name: self._open.enter_context(Capture(getattr(self, name), folder)) for name in self.outside}

    async def start(self, machine: Machine, *arguments: str, module: str = "slidewire.cli.main") -> Program:
        return await self._programs.start(*arguments, environment=NO_DISPLAY, within=machine.command(), module=module)

    async def begin(self, privacy: str, module: str = "slidewire.cli.main") -> tuple[Program, str]:
        served = await self.start(self.server, "serve", "--listen", self.server.address)
        url = (await served.ready())["https"]
        host = await self.start(
            self.host, "host", "--driver", "web", "--privacy", privacy, "--server", url, "-vvv", module=module
        )
        return host, str((await host.ready())["presenter_link"])

    def addresses(self, name: str) -> list[str]:
        """Where it is, inside and outside."""
        return [getattr(self, name).address, self.outside[name]]

    def close(self) -> None:
        self._open.close()


@pytest.fixture
async def show(lab: Lab, tmp_path: Path) -> AsyncIterator[Show]:
    async with programs(tmp_path / "home") as started:
        made = Show(lab, started, tmp_path)
        yield made
        made.close()


def the_captures_mean_something(show: Show) -> None:
    """Each end's own address, and the server's, are in them."""
    for name in ("host", "speaker"):
        assert show.wire[name].holds(getattr(show, name).address) and show.wire[name].holds(show.server.address)


def heard_of(program: Program) -> str:
    return json.dumps(program.events) + program.errors


def found(addresses: list[str], *texts: str) -> list[str]:
    return [address for address in addresses if any(address in text for text in texts)]


KEEP = """globalThis.peers = []
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) { super(...all); peers.push(this) }
}"""
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
FIREFOX_CAMERA: dict[str, object] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
}
"""A camera that everybody may have, and pages that are told every address, as where somebody allows the camera."""
SENDS = """async () => {
  const reports = await Promise.all(peers.map(async (peer) => [...(await peer.getStats()).values()]))
  return reports.flat().some(({ type, roundTripTime }) => type === 'remote-inbound-rtp' && roundTripTime > 0)
}"""
"""The host says that it has got some of it."""
OPEN_WITHOUT_RELAY = """() => peers.filter((peer) =>
  peer.connectionState !== 'closed' && peer.getConfiguration().iceTransportPolicy !== 'relay').length"""
TELL = """async () => JSON.stringify(await Promise.all(peers.map(async (peer) => [
  peer.localDescription?.sdp, peer.remoteDescription?.sdp, [...(await peer.getStats()).values()],
]))) + document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage })"""


@contextlib.asynccontextmanager
async def chromium_on(machine: Machine, link: str, script: str = KEEP) -> AsyncIterator[Page]:
    async with (
        chromium("--ignore-certificate-errors", *CAMERA, on=machine) as browser,
        visitors(browser) as everybody,
    ):
        yield await everybody.open(link, script=script)


@pytest.mark.browser
@pytest.mark.parametrize(("privacy", "words"), [("private", "through a relay"), ("balanced", "Connected directly")])
async def test_neither_end_s_wire_page_statistics_or_log_tells_of_the_other(
    show: Show, privacy: str, words: str
) -> None:
    host, link = await show.begin(privacy)
    async with chromium_on(show.speaker, link) as page:
        await expect(page.get_by_test_id("connection")).to_contain_text(words, timeout=30_000)
        await tap(page, "next")
        await says(page, "1 → 2")
        await page.get_by_test_id("media").tap()
        await page.get_by_test_id("send-camera").tap()
        await until(lambda: page.evaluate(SENDS), "the camera is on its way", seconds=30)
        told = await page.evaluate(TELL)
    assert "candidate" in told and "a=fingerprint" in told
    the_captures_mean_something(show)
    # Under `balanced` an end may know from which public address the other comes, and no more.
    secret = {name: show.addresses(name) if privacy == "private" else show.addresses(name)[:1] for name in show.outside}
    assert found(secret["host"], told) == []
    assert found(secret["speaker"], heard_of(host)) == []
    assert [address for address in secret["host"] if show.wire["speaker"].holds(address)] == []
    assert [address for address in secret["speaker"] if show.wire["host"].holds(address)] == []
    if privacy == "balanced":
        assert show.wire["speaker"].holds(show.outside["host"]), "it went directly"


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.parametrize(("privacy", "words"), [("private", "through a relay"), ("balanced", "Connected directly")])
async def test_nor_does_firefox_whose_pages_know_where_it_is(show: Show, privacy: str, words: str) -> None:
    host, link = await show.begin(privacy)
    async with firefox(FIREFOX_CAMERA, on=show.speaker) as browser:
        page = await browser.open(link, script=KEEP)
        await page.says(words, "connection")
        await page.tap("next")
        await page.says("1 → 2")
        await page.tap("media")
        await page.tap("send-camera")
        await page.until(f"({SENDS})()", "the camera is on its way", 30)
        told = str(await page.evaluate(f"({TELL})()"))
        await page.picture(f"firefox-camera-{privacy}")
    assert "candidate" in told and "a=fingerprint" in told
    the_captures_mean_something(show)
    secret = {name: show.addresses(name) if privacy == "private" else show.addresses(name)[:1] for name in show.outside}
    assert found(secret["host"], told) == []
    assert found(secret["speaker"], heard_of(host)) == []
    assert [address for address in secret["host"] if show.wire["speaker"].holds(address)] == []
    assert [address for address in secret["speaker"] if show.wire["host"].holds(address)] == []
    if privacy == "balanced":
        assert show.addresses("speaker")[0] in told, "it knew, and kept it"
        assert show.wire["speaker"].holds(show.outside["host"]), "it went directly"


@pytest.mark.parametrize("privacy", ["private", "balanced"])
async def test_a_presenter_that_keeps_to_nothing_does_not_find_out_where_the_host_is(show: Show, privacy: str) -> None:
    host, link = await show.begin(privacy)
    nosy = await show.start(show.speaker, "present", link, "-vv", module=NOSY)
    await nosy.wait_for(event="connected", seconds=30)
    await nosy.say("next")
    assert (await nosy.receipts(1))[0]["status"] == "performed"
    await asyncio.sleep(LINGER)
    assert '"description"' in json.dumps(nosy.events), "it was answered"
    secret = show.addresses("host") if privacy == "private" else show.addresses("host")[:1]
    the_captures_mean_something(show)
    assert found(secret, heard_of(nosy)) == []
    assert [address for address in secret if show.wire["speaker"].holds(address)] == []
    # The host knows where somebody is who says so, and sends nothing there.
    assert "203.0.113.78" not in host.errors
    if privacy == "private":
        assert not show.wire["host"].holds("203.0.113.78") and not show.wire["host"].holds(show.outside["speaker"])


async def test_a_host_that_keeps_to_nothing_does_not_find_out_where_the_presenter_is(show: Show) -> None:
    """The room is open, as far as the host says; the presenter wants it private."""
    host, link = await show.begin("open", module=NOSY)
    speaker = await show.start(show.speaker, "present", link, "--privacy", "private", "-vvv")
    await speaker.wait_for(event="connected", seconds=30)
    await speaker.say("next")
    assert (await speaker.receipts(1))[0]["status"] == "performed"
    await asyncio.sleep(LINGER)
    the_captures_mean_something(show)
    assert found(show.addresses("speaker"), heard_of(host)) == []
    assert [address for address in show.addresses("speaker") if show.wire["host"].holds(address)] == []
    assert "addresses that the room's privacy forbids" in speaker.errors
    assert [address for address in show.addresses("host") if show.wire["speaker"].holds(address)] == []


@pytest.mark.browser
@pytest.mark.long
async def test_a_page_that_hides_its_address_tells_it_to_nobody_in_an_open_room(show: Show) -> None:
    """From the first offer on, in a browser that was told so before. Switched off it connects directly; switched on
    again that ends at once."""
    host, link = await show.begin("open")
    hidden = "globalThis.localStorage?.setItem('slidewire relays only', 'yes')"
    async with chromium_on(show.speaker, link, f"{KEEP}\n{hidden}") as page:
        await expect(page.get_by_test_id("connection")).to_contain_text("through a relay", timeout=30_000)
        await tap(page, "next")
        await says(page, "1 → 2")
        await asyncio.sleep(LINGER)
        the_captures_mean_something(show)
        assert found(show.addresses("speaker"), heard_of(host)) == []
        assert [address for address in show.addresses("speaker") if show.wire["host"].holds(address)] == []
        await page.get_by_test_id("compare").tap()
        switch, words = page.get_by_test_id("relays-only"), page.get_by_test_id("relays-words")
        await expect(switch).to_be_checked()
        await expect(words).to_have_text("Through a relay: nobody at the other end sees your address.")
        await switch.tap()
        await expect(words).to_have_text("Connected directly: the host sees your address.", timeout=30_000)
        assert show.wire["host"].holds(show.outside["speaker"]), "the captures would have found it"
        await switch.tap()
        await expect(words).to_contain_text("Through a relay: nobody", timeout=30_000)
        assert await page.evaluate(OPEN_WITHOUT_RELAY) == 0


async def test_the_captures_find_what_an_open_room_tells(show: Show) -> None:
    """Or the rest of this file would mean nothing."""
    _, link = await show.begin("open")
    nosy = await show.start(show.speaker, "present", link, module=NOSY)
    await nosy.wait_for(event="connected", path="direct", seconds=30)
    assert found(show.addresses("host"), heard_of(nosy)) == show.addresses("host")
    assert show.wire["speaker"].holds(show.outside["host"])
    assert show.wire["host"].holds(show.outside["speaker"])
