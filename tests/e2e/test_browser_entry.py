"""How a page gets in: by one request over the connection that brought it, then over a WebSocket once that is open."""

from __future__ import annotations

import pytest
from playwright.async_api import Request, Route, expect

from tests.e2e.test_browser import web_show
from tests.support.browser import NO_WEBRTC, SOCKET_FAILS, Visitors, connected, says, tap
from tests.support.programs import Programs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NO_SOCKET_OPENS = (
    "globalThis.WebSocket = class extends EventTarget { readyState = 0; close() {} }; delete window.RTCPeerConnection"
)


async def test_a_tap_lands_before_any_socket_is_open(slidewire: Programs, visitors: Visitors) -> None:
    ready = await web_show(slidewire)
    page = await visitors.open(ready["presenter_link"], script=NO_SOCKET_OPENS)
    await tap(page, "next")
    await says(page, "1 → 2")


async def test_the_first_request_says_all_that_a_session_needs(slidewire: Programs, visitors: Visitors) -> None:
    ready = await web_show(slidewire)
    page = await visitors.newcomer(script=NO_WEBRTC)
    posts: list[Request] = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    await connected(await visitors.visit(page, ready["presenter_link"]), "Connected through the server")
    first = posts[0].post_data or ""
    assert [line.split('"')[3] for line in first.splitlines()] == ["join", "send"]
    assert "slidewire-socket" not in posts[0].headers
    secret = ready["presenter_link"].partition("#")[2]
    assert all(secret not in f"{post.url} {post.post_data}" for post in posts)


async def test_where_requests_lead_nowhere_the_socket_joins(slidewire: Programs, visitors: Visitors) -> None:
    ready = await web_show(slidewire)
    visitors.tolerate("Failed to load resource")
    visitors.tolerate(SOCKET_FAILS)
    page = await visitors.newcomer(script=NO_WEBRTC)

    async def refuse(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(status=405, body="There are no such requests here.")
        else:
            await route.continue_()

    await page.route("**/ws", refuse)
    await connected(await visitors.visit(page, ready["presenter_link"]), "Connected through the server")
    await tap(page, "next")
    await says(page, "1 → 2")


async def test_a_page_that_went_over_to_its_socket_stays_one_member(slidewire: Programs, visitors: Visitors) -> None:
    ready = await web_show(slidewire)
    operator = await connected(await visitors.open(ready["operator_link"]))
    page = await connected(await visitors.open(ready["presenter_link"], script=NO_WEBRTC), "through the server")
    everybody = operator.get_by_test_id("presenters").locator("li")
    await expect(everybody).to_have_count(2)
    await page.wait_for_timeout(6000)  # requests are a socket for 5 s: what was held open by them is over
    await connected(page, "Connected through the server")
    await tap(page, "next")
    await says(page, "1 → 2")
    await expect(everybody).to_have_count(2)
