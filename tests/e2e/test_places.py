"""Somebody with the link of the audience's page takes all the places it can get. Speaker and operator, by real programs
and pages, come in all the same; the operator sees it, and sends it away."""

import asyncio
import contextlib
import json
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from slidewire.base.base64url import encode_base64url
from slidewire.control.links import parse_link
from tests.support.browser import LAPTOP, Visitors, barriers, connected, picture
from tests.support.decks import numbered_pdf
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ELSEWHERE = "127.0.0.66"


async def show(slidewire: Programs) -> dict[str, Any]:
    host = await slidewire.start("up", str(numbered_pdf(3)), *LOOPBACK, environment=NO_DISPLAY)
    return await host.ready()


class Crowd:
    """Sockets that join by a link and never say anything else."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._link = parse_link(url)
        self.sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def join(self) -> str:
        socket = await self._session.ws_connect(f"{self._link.server}/ws")
        self.sockets.append(socket)
        token = encode_base64url(self._link.join_token)
        await socket.send_json({"type": "join", "v": 1, "link": self._link.link_id, "token": token})
        said: dict[str, Any] = json.loads((await socket.receive()).data)
        return str(said.get("code", said["type"]))

    async def ends(self) -> list[int | None]:
        """Wait until the server has closed all of them; why it did."""
        async with asyncio.timeout(30):
            for socket in self.sockets:
                async for _ in socket:
                    pass
        return [socket.close_code for socket in self.sockets]


@contextlib.asynccontextmanager
async def crowd(slidewire: Programs, url: str) -> AsyncIterator[Crowd]:
    trusted = ssl.create_default_context(cafile=str(slidewire.home / "slidewire" / "authority.pem"))
    connector = aiohttp.TCPConnector(ssl=trusted, local_addr=(ELSEWHERE, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Crowd(session, url)


async def test_whoever_may_click_gets_in_whatever_the_audience_does(slidewire: Programs) -> None:
    ready = await show(slidewire)
    async with crowd(slidewire, ready["deck_link"]) as eve:
        said = Counter([await eve.join() for _ in range(70)])
        assert said["joined"] >= 64
        for link in ("presenter_link", "operator_link"):
            presenter = await slidewire.start("present", ready[link], "--no-direct")
            await presenter.wait_for(event="connected")
            await presenter.say("next")
            (receipt,) = await presenter.receipts(1)
            assert receipt["status"] == "performed"
        assert set(await eve.ends()) == {4429}, "nobody finished the handshake"


async def test_an_operator_sees_a_crowd_and_sends_it_away(slidewire: Programs, visitors: Visitors) -> None:
    ready = await show(slidewire)
    page = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    places = page.get_by_test_id("places")
    await expect(places).to_contain_text(re.compile(r"Operator.*1 device since"))
    async with crowd(slidewire, ready["deck_link"]) as eve:
        for _ in range(12):
            assert await eve.join() == "joined"
        await expect(places).to_contain_text("12 devices from one network")
        await expect(places).to_contain_text("12 not proven yet")
        await picture(page, "operator-places")
        assert await barriers(page) == []
        await page.get_by_role("button", name="Send away the 12 devices from one network by the link for Deck").click()
        await page.get_by_role("button", name="Send away", exact=True).click()
        await expect(page.get_by_test_id("said")).to_have_text("The 12 devices from one network were sent away.")
        assert set(await eve.ends()) == {4403}
        await expect(places).not_to_contain_text("12 devices")

    async with crowd(slidewire, ready["deck_link"]) as eve:
        assert await eve.join() == "joined"
        listed = await slidewire.start("link", "places")
        deck = await listed.wait_for(event="places", label="Deck")
        assert (deck["count"], deck["proven"]) == (1, 0)
        sent = await slidewire.start("link", "send-away", "Deck")
        assert (await sent.wait_for(event="sent_away"))["count"] == 1
        assert await eve.ends() == [4403]


async def test_who_was_here_before_the_server_was_started_again_is_proven_anew(slidewire: Programs) -> None:
    """Their sessions go on, some of them directly; nobody shakes hands."""
    server = await slidewire.start("serve", *LOOPBACK)
    where = await server.ready()
    deck = str(numbered_pdf(3))
    host = await slidewire.start("host", deck, "--server", where["https"], environment=NO_DISPLAY)
    ready = await host.ready()
    direct = await slidewire.start("present", ready["presenter_link"])
    await direct.wait_for(event="connected", path="direct")
    through_server = await slidewire.start("present", ready["presenter_link"], "--no-direct")
    await through_server.wait_for(event="connected", path="signaling")
    await server.kill()
    await slidewire.start("serve", "--listen", "127.0.0.1", "--port", str(where["port"]))
    async with asyncio.timeout(60):
        while True:
            listed = await slidewire.start("link", "places")
            await listed.process.wait()
            await listed._reader
            rows = [row for row in listed.events if row["label"] == "Presenter"]
            if [(row["count"], row["proven"], row["away"]) for row in rows] == [(2, 2, 0)]:
                break
    assert not any(event["event"] == "closed" for event in (*direct.events, *through_server.events))
