"""The whole server on real loopback sockets, with its own certificate."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import gzip
import hashlib
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from cryptography import x509

from slidewire.aio import websocket_server
from slidewire.aio.websocket_client import SignalingSocket
from slidewire.base.rates import Rate
from slidewire.server.app import Ready, Server
from slidewire.server.config import ServerSettings
from slidewire.signaling import client as signaling
from slidewire.signaling.limits import Limits
from slidewire.system.errors import SetupError
from slidewire.system.trust import TrustError, client_context
from tests.server.certificates import make_certificate

E = TypeVar("E")
LINK = "abcdefgh23"
JOIN_TOKEN = bytes(range(16))
HOST_TOKEN = bytes(range(16, 32))
PATIENCE = 20.0


def settings(tmp_path: Path, **changes: Any) -> ServerSettings:
    fields: dict[str, Any] = {"listen": "127.0.0.1", "port": 0, "state_dir": tmp_path / "state", "pages_dir": tmp_path}
    return ServerSettings(**{**fields, "turn": False, **changes})


@contextlib.asynccontextmanager
async def running(options: ServerSettings) -> AsyncIterator[Ready]:
    server = Server(options)
    try:
        yield await server.start()
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def browser(ready: Ready) -> AsyncIterator[aiohttp.ClientSession]:
    context = client_context(ready.ca) if ready.ca else True
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(ready.local_url, connector=connector) as session:
        yield session


class Member:
    """A signaling client with a mailbox."""

    def __init__(self, ready: Ready, first: Any) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.core = signaling.SignalingClient(first, entropy=os.urandom)
        self.socket = SignalingSocket(ready.local_url, self.core, self.events.put_nowait, tls=client_context(ready.ca))

    async def until(self, kind: type[E]) -> E:
        async with asyncio.timeout(PATIENCE):
            while not isinstance(event := await self.events.get(), kind):
                pass
        return event


@contextlib.asynccontextmanager
async def inside(ready: Ready, first: Any) -> AsyncIterator[Member]:
    member = Member(ready, first)
    await member.socket.start()
    try:
        yield member
    finally:
        await member.socket.stop()


@contextlib.asynccontextmanager
async def show(ready: Ready) -> AsyncIterator[tuple[Member, Member]]:
    """A host, and then a presenter, inside."""
    async with inside(ready, host()) as one:
        await one.until(signaling.Opened)
        async with inside(ready, presenter()) as two:
            await two.until(signaling.Joined)
            yield one, two


def host() -> Any:
    links = [signaling.announce(LINK, hashlib.sha256(JOIN_TOKEN).digest())]
    return signaling.open_room(HOST_TOKEN, name="main", links=links)


def presenter() -> Any:
    return signaling.join(LINK, JOIN_TOKEN, name="Ada")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.05)


class TestSignaling:
    async def test_host_and_presenter_meet_over_wss(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready:
            assert ready.local_url == ready.url == f"https://127.0.0.1:{ready.port}"
            async with inside(ready, host()) as one:
                opened = await one.until(signaling.Opened)
                async with inside(ready, presenter()) as two:
                    joined = await two.until(signaling.Joined)
                    assert joined.ice_servers == [] and [entry.member for entry in joined.hosts] == [opened.member]
                    assert two.socket.send(opened.member, b"\x00hello\xff")
                    received = await one.until(signaling.Received)
                    assert received == signaling.Received(joined.member, b"\x00hello\xff")

    async def test_many_messages_at_once_keep_their_order(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, show(ready) as (one, two):
            for count in range(190):
                two.socket.send(one.core.member or "", str(count).encode())
            got = [int((await one.until(signaling.Received)).data) for _ in range(190)]
            assert got == list(range(190))

    async def test_a_restarted_server_has_everybody_back(self, tmp_path: Path) -> None:
        options = settings(tmp_path)
        server = Server(options)
        ready = await server.start()
        async with show(ready) as (one, two):
            room = one.core.room
            await server.stop()
            await one.until(signaling.Lost)
            await two.until(signaling.Lost)
            async with running(settings(tmp_path, port=ready.port)):
                assert (await one.until(signaling.Opened)).room == room
                assert (await two.until(signaling.Joined)).room == room

    async def test_links_are_good_before_the_host_is_back(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one:
            opened = await one.until(signaling.Opened)
        async with running(settings(tmp_path)) as ready, inside(ready, presenter()) as two:
            joined = await two.until(signaling.Joined)
            assert joined.room == opened.room and joined.hosts == []

    async def test_revoked_links_stay_revoked_over_a_restart(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one:
            await one.until(signaling.Opened)
            one.core.revoke_link(LINK)
            one.socket.flush()
            await one.until(signaling.LinkRevoked)
        async with running(settings(tmp_path)) as ready, inside(ready, presenter()) as two:
            assert (await two.until(signaling.Refused)).code == "link_revoked"

    async def test_a_spoiled_room_file_is_put_aside(self, tmp_path: Path) -> None:
        options = settings(tmp_path)
        options.state_dir.mkdir()
        (options.state_dir / "rooms.sqlite3").write_bytes(b"no database, this" * 100)
        async with running(options) as ready, inside(ready, host()) as one:
            await one.until(signaling.Opened)
        assert (options.state_dir / "rooms.sqlite3.bad").exists()

    async def test_without_the_authority_the_client_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
        async with running(settings(tmp_path)) as ready:
            stranger = Member(ready, presenter())
            core, hear = stranger.core, stranger.events.put_nowait
            stranger.socket = SignalingSocket(ready.local_url, core, hear, tls=client_context())
            await stranger.socket.start()
            refused = await stranger.until(signaling.Refused)
            assert refused.final and refused.code == "certificate" and "--ca" in refused.message
            await stranger.socket.stop()

    async def test_programs_of_the_same_user_trust_it_without_being_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        async with running(ServerSettings(listen="127.0.0.1", port=0)) as ready:
            member = Member(ready, host())
            core, hear = member.core, member.events.put_nowait
            member.socket = SignalingSocket(ready.local_url, core, hear, tls=client_context())
            await member.socket.start()
            await member.until(signaling.Opened)
            await member.socket.stop()

    async def test_nobody_there_is_said_and_tried_again(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready:
            pass
        async with inside(ready, presenter()) as lonely:
            lost = await lonely.until(signaling.Lost)
            assert "Is the server running?" in lost.reason and not lonely.core.was_inside
            await lonely.until(signaling.Lost)

    def test_a_ca_file_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(TrustError, match="no file"):
            client_context(tmp_path / "missing.pem")
        (tmp_path / "bad.pem").write_text("hello")
        with pytest.raises(TrustError, match="PEM"):
            client_context(tmp_path / "bad.pem")


class Posting:
    """A page's first steps: a socket made of requests."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.headers: dict[str, str] = {}

    async def say(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        body = "\n".join(json.dumps(message) for message in messages)
        async with self._session.post("/ws", data=body, headers=self.headers) as answer:
            assert answer.status == 200
            self.headers = {"Slidewire-Socket": answer.headers["Slidewire-Socket"]}
            return [json.loads(line) for line in (await answer.text()).splitlines()]


def accept_connection(token: bytes = JOIN_TOKEN) -> list[dict[str, Any]]:
    token_text = base64.urlsafe_b64encode(token).rstrip(b"=").decode()
    return [{"type": "join", "v": 1, "link": LINK, "token": token_text}, {"type": "send", "data": "aGVsbG8"}]


class TestPosts:
    async def test_one_request_joins_and_says_hello_and_its_answer_brings_what_the_host_said(
        self, tmp_path: Path
    ) -> None:
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one, browser(ready) as session:
            await one.until(signaling.Opened)
            first = asyncio.create_task(Posting(session).say(*accept_connection()))
            received = await one.until(signaling.Received)
            assert received.data == b"hello"
            one.socket.send(received.sender, b"welcome")
            joined, message = await first
            assert joined["type"] == "joined" and joined["hosts"][0]["member"] == one.core.member
            assert (message["type"], message["from"], message["n"]) == ("message", one.core.member, 1)

    async def test_the_same_member_goes_on_by_request_and_then_by_socket(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one, browser(ready) as session:
            await one.until(signaling.Opened)
            page = Posting(session)
            (joined,) = await page.say(*accept_connection())
            sender = (await one.until(signaling.Received)).sender
            assert await page.say({"type": "send", "to": one.core.member, "data": "dGFw"}) == []
            assert await one.until(signaling.Received) == signaling.Received(sender, b"tap")
            one.socket.send(sender, b"receipt")
            async with session.ws_connect("/ws") as ws:
                await ws.send_json({"type": "resume", "v": 1, "resume": joined["resume"], "last": 0})
                assert (await ws.receive_json())["type"] == "resumed"
                assert (await ws.receive_json())["data"] == "cmVjZWlwdA"
                *_, replaced = await page.say()
                assert replaced["code"] == "replaced"
                async with session.post("/ws", data="", headers=page.headers) as gone:
                    assert gone.status == 404
                assert not [one.events.get_nowait() for _ in range(one.events.qsize())]  # it was never away

    async def test_a_bad_link_is_refused_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for what else might be said."""
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one, browser(ready) as session:
            await one.until(signaling.Opened)
            monkeypatch.setattr(websocket_server, "NEWS_SECONDS", 3600)
            (error,) = await Posting(session).say(*accept_connection(bytes(16)))
            assert error["code"] == "link_wrong"

    async def test_who_says_nothing_more_is_away(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket_server, "POST_SECONDS", 0.1)
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one, browser(ready) as session:
            await one.until(signaling.Opened)
            await Posting(session).say(*accept_connection())
            assert (await one.until(signaling.Presence)).change == "joined"
            assert (await one.until(signaling.Presence)).change == "away"

    async def test_other_sites_and_unknown_sockets_and_floods_are_turned_away(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, browser(ready) as session:
            for headers, status in (
                ({"Origin": "https://evil.example"}, 403),
                ({"Slidewire-Socket": "no-such-socket"}, 404),
                ({}, 413),
            ):
                async with session.post("/ws", data="x" * 70_000, headers=headers) as answer:
                    assert answer.status == status

    async def test_a_server_that_stops_does_not_wait_for_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_server, "POST_SECONDS", 3600)
        monkeypatch.setattr(websocket_server, "CLOSE_SECONDS", 3600)
        async with running(settings(tmp_path)) as ready, inside(ready, host()) as one, browser(ready) as session:
            await one.until(signaling.Opened)
            await Posting(session).say(*accept_connection())


class TestSockets:
    async def test_only_our_own_pages_may_connect(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, url="https://clicker.example")) as ready, browser(ready) as session:
            for origin in (ready.local_url, "https://clicker.example"):
                async with session.ws_connect("/ws", origin=origin) as ws:
                    await ws.send_json({"type": "join", "v": 1, "link": LINK, "token": "A" * 22})
                    assert (await ws.receive_json())["code"] == "link_unknown"
                    assert (await ws.receive())[:2] == (aiohttp.WSMsgType.CLOSE, 4404)
            for origin in ("https://evil.example", "null", "https://127.0.0.1"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect("/ws", origin=origin)
                assert refused.value.status == 403

    async def test_a_plain_request_for_the_socket_is_an_error_in_our_shape(self, tmp_path: Path) -> None:
        async with (
            running(settings(tmp_path)) as ready,
            browser(ready) as session,
            session.get("/ws") as answer,
        ):
            assert answer.status == 400 and (await answer.json())["statusCode"] == 400

    async def test_too_many_connections_are_turned_away(self, tmp_path: Path) -> None:
        few = Limits(connections=Rate(0.5, 10))  # however slow the machine is, it opens more than these
        async with running(settings(tmp_path, http=True, limits=few)) as ready, browser(ready) as session:

            async def connect_for_ever() -> None:
                while True:
                    await (await session.ws_connect("/ws")).close()

            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await asyncio.wait_for(connect_for_ever(), PATIENCE)
            assert refused.value.status == 429
            assert refused.value.headers is not None and int(refused.value.headers["Retry-After"]) >= 1

    async def test_the_largest_message_is_answered_and_a_larger_frame_closes(self, tmp_path: Path) -> None:
        async with (
            running(settings(tmp_path)) as ready,
            browser(ready) as session,
            session.ws_connect("/ws") as ws,
        ):
            await ws.send_str("x" * 20_000)
            assert (await ws.receive_json())["code"] == "too_large"
            await ws.send_bytes(b"{}")
            assert (await ws.receive_json())["code"] == "malformed"
            await ws.send_str("x" * 70_000)
            assert (await ws.receive())[:2] == (aiohttp.WSMsgType.CLOSE, 1009)

    async def test_a_slow_consumer_is_closed_and_nobody_else_notices(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True)) as ready, show(ready) as (one, two):
            reader, writer = await raw_websocket(ready.port)
            join = {"type": "join", "v": 1, "link": LINK, "token": signaling.join(LINK, JOIN_TOKEN).token}
            writer.write(text_frame(join))
            joined = await one.until(signaling.Presence)
            while joined.name != "":
                joined = await one.until(signaling.Presence)
            away: signaling.Presence | None = None
            flood = b"x" * 11_000
            async with asyncio.timeout(60):
                while away is None:
                    one.socket.send(joined.member, flood)
                    await asyncio.sleep(0.002)
                    while not one.events.empty():
                        event = one.events.get_nowait()
                        if isinstance(event, signaling.Presence) and event.change == "away":
                            away = event
            assert away.member == joined.member
            assert one.socket.send(two.core.member or "", b"still here")
            assert (await two.until(signaling.Received)).data == b"still here"
            # It is told why, should it ever read on; the line is cut in bounded time either way.
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.transport.abort()

    @pytest.mark.parametrize(
        "said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "], ids=["nothing", "half a header"]
    )
    async def test_who_dawdles_over_the_headers_is_closed(self, tmp_path: Path, said: bytes) -> None:
        async with running(settings(tmp_path, http=True, keepalive_seconds=0.5)) as ready:
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
            writer.write(said)
            async with asyncio.timeout(PATIENCE):
                await reader.read()
            assert reader.at_eof()
            writer.close()

    async def test_who_dawdles_over_the_tls_handshake_is_closed(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, keepalive_seconds=0.5)) as ready:
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.close()

    async def test_stopping_does_not_wait_for_those_who_do_not_listen(self, tmp_path: Path) -> None:
        server = Server(settings(tmp_path, http=True))
        ready = await server.start()
        _, writer = await raw_websocket(ready.port)
        async with asyncio.timeout(PATIENCE):
            await server.stop()
        writer.close()


class TestPages:
    @pytest.fixture
    def pages(self, tmp_path: Path) -> Path:
        folder = tmp_path / "pages"
        (folder / "assets").mkdir(parents=True)
        for name in ("presenter", "operator", "deck"):
            (folder / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>")
        (folder / "assets" / "app-0123abcd.js").write_text("'use strict';" * 100)
        (folder / "assets" / "app-0123abcd.js.gz").write_bytes(gzip.compress(b"'use strict';" * 100))
        (folder / "manifest.webmanifest").write_text("{}")
        return folder

    async def test_pages_and_their_headers(self, tmp_path: Path, pages: Path) -> None:
        async with running(settings(tmp_path, pages_dir=pages)) as ready, browser(ready) as session:
            for path, title in ((f"/p/{LINK}", "presenter"), ("/operator", "operator"), ("/deck", "deck")):
                async with session.get(path) as answer:
                    assert answer.status == 200 and title in await answer.text()
                    assert answer.headers["Cache-Control"] == "no-store"
                    assert_guarded(answer.headers)
                    assert answer.content_type == "text/html"

    async def test_hashed_assets_are_kept_for_ever_and_travel_compressed(self, tmp_path: Path, pages: Path) -> None:
        async with running(settings(tmp_path, pages_dir=pages)) as ready, browser(ready) as session:
            async with session.get("/assets/app-0123abcd.js", headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Content-Encoding"] == "gzip" and "immutable" in answer.headers["Cache-Control"]
                assert answer.content_type.endswith("/javascript") and (await answer.text()).startswith("'use strict'")
                assert_guarded(answer.headers)
            async with session.get("/assets/app-0123abcd.js", headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers and len(await answer.read()) == 1300
            async with session.get("/manifest.webmanifest") as answer:
                assert answer.status == 200 and answer.headers["Cache-Control"] == "no-cache"

    @pytest.mark.parametrize(
        "path",
        ["/nothing", "/assets/none.js", "/assets/..%2fpresenter.html", "/%2e%2e/%2e%2e/etc/passwd",
         "/..%2fstate%2fserver.key", "/presenter.html", "/p/", "/.lock", "/assets"],
    )  # fmt: skip
    async def test_nothing_else_is_served(self, tmp_path: Path, pages: Path, path: str) -> None:
        async with running(settings(tmp_path, pages_dir=pages)) as ready:
            status, body = await raw_get(ready, path)
            assert status == 404 and set(json.loads(body)) == {"statusCode", "message", "code"}

    async def test_other_methods(self, tmp_path: Path, pages: Path) -> None:
        async with (
            running(settings(tmp_path, pages_dir=pages)) as ready,
            browser(ready) as session,
            session.post("/operator") as answer,
        ):
            assert answer.status == 405 and (await answer.json())["code"] == "method_not_allowed"
            assert "GET" in answer.headers["Allow"]
            assert_guarded(answer.headers)

    async def test_pages_that_are_not_built(self, tmp_path: Path) -> None:
        async with (
            running(settings(tmp_path)) as ready,
            browser(ready) as session,
            session.get(f"/p/{LINK}") as answer,
        ):
            body = await answer.json()
            assert answer.status == 503 and body["code"] == "pages_missing" and "./run" in body["message"]

    async def test_health(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, browser(ready) as session:
            for path in ("/healthz", "/readyz", "/"):
                async with session.get(path) as answer:
                    assert answer.status == 200
                    assert_guarded(answer.headers)

    async def test_trust_page_and_authority(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, browser(ready) as session:
            async with session.get("/trust") as answer:
                text = await answer.text()
                assert_guarded(answer.headers)
            assert ready.fingerprint is not None and ready.fingerprint in text
            for system in ("iPhone", "Android", "macOS", "Windows", "Linux", "Firefox"):
                assert system in text
            assert "<script" not in text and "style=" not in text, "the policy forbids inline code and style"
            async with session.get("/ca.crt") as answer:
                der = await answer.read()
                assert answer.content_type == "application/x-x509-ca-cert"
            assert hashlib.sha256(der).hexdigest() == ready.fingerprint.replace(":", "").lower()
            async with session.get("/ca.pem") as answer:
                assert ready.ca is not None and await answer.read() == ready.ca.read_bytes()
            async with session.get("/slidewire.css") as answer:
                assert answer.status == 200 and answer.content_type == "text/css"

    async def test_a_mistyped_page_is_a_page_for_people_and_json_for_programs(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready, browser(ready) as session:
            for path, accept, kind in (
                ("/presenter", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
                ("/timer/state", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
                ("/presenter", "*/*", "application/json"),
                ("/api/nothing", "text/html", "application/json"),
            ):
                async with session.get(path, headers={"Accept": accept}) as answer:
                    assert (answer.status, answer.content_type) == (404, kind), path
                    assert_guarded(answer.headers)
                    if kind == "text/html":
                        assert "open the whole link again" in await answer.text()

    async def test_a_given_certificate_needs_no_trust_page(self, tmp_path: Path) -> None:
        cert, key, ca = make_certificate(tmp_path, "one")
        async with running(settings(tmp_path, tls_cert=cert, tls_key=key)) as ready:
            assert ready.ca is None
            connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(ca)))
            async with aiohttp.ClientSession(ready.local_url, connector=connector) as session:
                async with session.get("/ca.pem") as answer:
                    assert answer.status == 404
                async with session.get("/trust") as answer:
                    assert answer.status == 200 and "Nothing to do" in await answer.text()


class TestCertificates:
    async def test_a_renewed_certificate_is_taken_up_without_a_restart(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        cert, key, _ = make_certificate(tmp_path, "one")
        options = settings(tmp_path, tls_cert=cert, tls_key=key, watch_seconds=0.05)
        async with running(options) as ready:
            before = await serial_number(ready.port)
            context = ssl.create_default_context(cafile=str(tmp_path / "one-ca.pem"))
            connector = aiohttp.TCPConnector(ssl=context)
            async with (
                aiohttp.ClientSession(ready.local_url, connector=connector) as session,
                session.ws_connect("/ws") as old,
            ):
                key.write_text("half a fi")

                async def noticed() -> bool:
                    return "not used" in caplog.text

                await until(noticed)
                assert await serial_number(ready.port) == before, "half-written files spoil nothing"
                make_certificate(tmp_path, "one")

                async def renewed() -> bool:
                    return await serial_number(ready.port) != before

                await until(renewed)
                await old.send_str("nonsense")
                assert (await old.receive_json())["code"] == "malformed", "who was there stays there"

    async def test_kept_between_runs_and_private(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready:
            first = ready.fingerprint, await serial_number(ready.port)
            beside = sorted((tmp_path / "state").glob("rooms.sqlite3*"))
            assert len(beside) > 1 and not any(file.stat().st_mode & 0o077 for file in beside), beside
        async with running(settings(tmp_path)) as ready:
            assert (ready.fingerprint, await serial_number(ready.port)) == first
        state = tmp_path / "state"
        assert state.stat().st_mode & 0o777 == 0o700
        for name in ("authority.key", "server.key", "authority.pem", "rooms.sqlite3"):
            assert (state / name).stat().st_mode & 0o077 == 0, name


class TestStarting:
    async def test_a_taken_port(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SetupError, match=rf"Port {port} on 127.0.0.1 is taken.*--port"):
                await Server(settings(tmp_path, port=port)).start()

    async def test_an_address_of_somebody_else(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"no address 192\.0\.2\.1.*--listen"):
            await Server(settings(tmp_path, listen="192.0.2.1")).start()

    async def test_a_mistyped_address_leaves_the_authority_that_phones_trust(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path)) as ready:
            trusted = ready.fingerprint
        with pytest.raises(SetupError, match=r"no address 203\.0\.113\.7"):
            await Server(settings(tmp_path, listen="203.0.113.7")).start()
        async with running(settings(tmp_path)) as ready:
            assert ready.fingerprint == trusted

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda cert, key: cert.unlink(), "--tls-cert .* cannot be read"),
            (lambda cert, key: key.unlink(), "--tls-key .* cannot be read"),
            (lambda cert, key: cert.write_text("hello"), "PEM"),
            (lambda cert, key: make_certificate(key.parent, "x")[1].replace(key), "does not belong"),
        ],
        ids=["no certificate", "no key", "not PEM", "another's key"],
    )
    async def test_certificates_that_cannot_be_used(
        self, tmp_path: Path, spoil: Callable[[Path, Path], object], words: str
    ) -> None:
        cert, key, _ = make_certificate(tmp_path, "one")
        spoil(cert, key)
        with pytest.raises(SetupError, match=words):
            await Server(settings(tmp_path, tls_cert=cert, tls_key=key)).start()

    async def test_a_locked_key_does_not_ask_the_terminal(self, tmp_path: Path) -> None:
        cert, key, _ = make_certificate(tmp_path, "one", password=b"secret")
        with pytest.raises(SetupError, match="locked"):
            await Server(settings(tmp_path, tls_cert=cert, tls_key=key)).start()

    def test_plain_http_is_for_loopback(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="--http-anywhere"):
            settings(tmp_path, listen="0.0.0.0", http=True)
        settings(tmp_path, listen="0.0.0.0", http=True, http_anywhere=True)
        settings(tmp_path, listen="::1", http=True)
        with pytest.raises(SetupError, match="contradict"):
            settings(tmp_path, http=True, tls_cert=tmp_path, tls_key=tmp_path)
        with pytest.raises(SetupError, match="both"):
            settings(tmp_path, tls_cert=tmp_path)

    async def test_a_state_folder_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file")
        with pytest.raises(SetupError, match="XDG_DATA_HOME"):
            await Server(settings(tmp_path)).start()

    async def test_a_folder_that_is_everybodys_stays_as_it_is(self, tmp_path: Path) -> None:
        folder = tmp_path / "state"
        folder.mkdir()
        folder.chmod(0o1777)
        with pytest.raises(SetupError, match=r"is for everyone.*state/slidewire"):
            await Server(settings(tmp_path)).start()
        assert folder.stat().st_mode & 0o7777 == 0o1777 and not list(folder.iterdir())

    async def test_stopping_twice_and_before_the_start(self, tmp_path: Path) -> None:
        server = Server(settings(tmp_path))
        await server.stop()
        await server.start()
        await server.stop()
        await server.stop()


def assert_guarded(headers: Any) -> None:
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Cache-Control" in headers


async def serial_number(port: int) -> int:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    certificate = x509.load_der_x509_certificate(der)
    assert certificate.not_valid_after_utc > dt.datetime.now(dt.UTC)
    return certificate.serial_number


async def raw_get(ready: Ready, path: str) -> tuple[int, bytes]:
    """Without a client that tidies the path up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=client_context(ready.ca))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def raw_websocket(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket whose far end never reads unless it is told to: its receive buffer is small and then full."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE):
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def text_frame(message: dict[str, Any]) -> bytes:
    """RFC 6455 §5.2, masked with zeros."""
    payload = json.dumps(message).encode()
    assert 125 < len(payload) + 126 < 65536
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload
