"""What an attacker says, each with what it gets: a status, a close code, a reset. The server is whole, and really
listens; attackers have loopback addresses of their own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slidewire.aio import websocket_server
from slidewire.aio.clock import monotonic
from slidewire.base.rates import Rate
from slidewire.server.app import Ready, Server
from slidewire.signaling import client as signaling
from slidewire.signaling import connections
from slidewire.signaling.limits import Limits
from tests.server.test_server import JOIN_TOKEN, LINK, browser, host, inside, raw_websocket, settings, show, text_frame
from tests.support.metrics import values
from tests.support.timing import Timing

EVE = "127.0.0.66"
PATIENCE = 20.0


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Server, Ready]]:
    server = Server(settings(tmp_path, **{"http": True, **changes}))
    try:
        yield server, await server.start()
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def at(address: str, ready: Ready, **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client there, which trusts whatever certificate it is shown."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0), ssl=False, limit=0)
    async with aiohttp.ClientSession(ready.local_url, connector=connector, headers=headers) as session:
        yield session


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def held(server: Server, count: int) -> bool:
    return server.abuse_limiter.held == count


async def closed_with(ws: aiohttp.ClientWebSocketResponse) -> int:
    async with asyncio.timeout(PATIENCE):
        while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.type is aiohttp.WSMsgType.CLOSE
    return int(message.data)


async def close_code(reader: asyncio.StreamReader) -> int:
    """Of a raw socket: the last frame before its end."""
    data = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while chunk := await reader.read(65_536):
                data += chunk
    at_ = data.rfind(b"\x88")
    assert at_ >= 0, data[-200:]
    return int.from_bytes(data[at_ + 2 : at_ + 4], "big")


class TestFairness:
    async def test_pings_without_end_are_a_flood(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        async with serving(tmp_path) as (server, ready):
            reader, writer = await raw_websocket(ready.port)
            writer.write(bytes([0x89, 0x80, 0, 0, 0, 0]) * 1000)
            assert await close_code(reader) == 4429
            assert server.abuse_limiter.blocked_for("127.0.0.1", monotonic()) > 5
            writer.close()

    async def test_who_was_closed_and_goes_on_and_on_is_cut_off(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_server, "CLOSE_SECONDS", 0.3)
        async with serving(tmp_path) as (server, ready):
            _, writer = await raw_websocket(ready.port)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(PATIENCE):
                    while True:
                        writer.write(text_frame({"type": "none"}) * 50)
                        await writer.drain()
                        await asyncio.sleep(0)
            await until(lambda: server.abuse_limiter.held == 0)


class TestSlowness:
    async def test_who_takes_for_ever_over_a_request_body_is_answered_408(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_server, "POST_SECONDS", 0.3)
        async with serving(tmp_path) as (_, ready):
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
            writer.write(b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{")
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readline()).startswith(b"HTTP/1.1 408")
            writer.close()

    @pytest.mark.parametrize("dribbled", [b"", b"GET /healthz HT"], ids=["silent", "halfway"])
    async def test_who_is_idle_between_requests_is_closed(
        self, tmp_path: Path, dribbled: bytes, timing: Timing
    ) -> None:
        async with serving(tmp_path, keepalive_seconds=0.5) as (_, ready):
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + dribbled)
            began = time.monotonic()
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read()
            took = time.monotonic() - began
            assert answer.count(b"HTTP/1.1 200") == 1
            timing.at_least(took, 0.4, "its time between requests")
            timing.within(took, 5, "the end")
            writer.close()

    async def test_a_stranger_who_dribbles_its_first_message_is_closed_with_4400(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "FIRST_MESSAGE_SECONDS", 0.5)
        async with serving(tmp_path) as (_, ready):
            reader, writer = await raw_websocket(ready.port)
            dribbling = asyncio.create_task(dribble(writer))
            assert await close_code(reader) == 4400
            dribbling.cancel()
            writer.close()

    async def test_a_member_who_dribbles_is_silent_and_closed_with_4408(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "FIRST_MESSAGE_SECONDS", 0.5)
        async with serving(tmp_path, heartbeat=0.3) as (_, ready), inside(ready, host()) as one:
            await one.until(signaling.Opened)
            reader, writer = await raw_websocket(ready.port)
            join = {"type": "join", "v": 1, "link": LINK, "token": signaling.join(LINK, JOIN_TOKEN).token}
            writer.write(text_frame(join))
            dribbling = asyncio.create_task(dribble(writer))
            assert await close_code(reader) == 4408
            dribbling.cancel()
            writer.close()

    async def test_who_asks_for_a_page_and_never_reads_it_is_cut_off(self, tmp_path: Path) -> None:
        (tmp_path / "assets").mkdir()
        (tmp_path / "assets" / "large-0123abcd.js").write_bytes(bytes(32 << 20))
        async with serving(tmp_path, keepalive_seconds=0.5) as (server, ready):
            with socket.create_connection(("127.0.0.1", ready.port)) as never_reading:
                never_reading.sendall(b"GET /assets/large-0123abcd.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await until(lambda: server.abuse_limiter.held == 1)
                await until(lambda: server.abuse_limiter.held == 0)


async def is_reset(connection: socket.socket) -> None:
    connection.setblocking(False)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(connection, 1)


async def dribble(writer: asyncio.StreamWriter) -> None:
    """A message of which a byte comes now and then, and never the last."""
    writer.write(bytes([0x81, 0x80 | 100]) + bytes(4))
    with contextlib.suppress(ConnectionError):
        for _ in range(90):
            writer.write(b" ")
            await asyncio.sleep(0.05)


NESTED = "[" * 8000
MESSAGES = {
    "deeply nested": NESTED,
    "deeply nested in a field we know": '{"type":"join","v":1,"link":' + NESTED,
    "deeply nested in a field we do not": '{"type":"ping","x":' + NESTED + "]" * 8000 + "}",
    "a number without end": '{"type":"ping","last":' + "9" * 15_000 + "}",
    "a number that is none": '{"type":"ping","last":NaN}',
    "an exponent": '{"type":"ping","last":1e999999}',
    "not an object": '["type","ping"]',
    "half a character": '{"type":"ping","ref":"\\ud800"}',
    "cut off": '{"type":"ping"',
    "nothing": "",
    "a type that is no text": '{"type":["ping"]}',
}


class TestMessages:
    @pytest.mark.parametrize("said", MESSAGES.values(), ids=list(MESSAGES))
    async def test_what_is_no_message_is_answered_malformed_and_the_fourth_closes_with_4400(
        self, tmp_path: Path, said: str
    ) -> None:
        async with serving(tmp_path) as (server, ready), browser(ready) as session, session.ws_connect("/ws") as ws:
            for _ in range(4):
                await ws.send_str(said)
                assert (await ws.receive_json())["code"] in ("malformed", "first_message")
                if server.hub is not None and not server.hub.connection_count:
                    break
            assert await closed_with(ws) == 4400

    async def test_a_giant_message_is_answered_too_large_and_a_giant_frame_closes_with_1009(
        self, tmp_path: Path
    ) -> None:
        async with serving(tmp_path) as (_, ready), browser(ready) as session, session.ws_connect("/ws") as ws:
            await ws.send_str('{"type":"ping","ref":"' + "x" * 17_000 + '"}')
            assert (await ws.receive_json())["code"] == "too_large"
            await ws.send_str("x" * 70_000)
            assert await closed_with(ws) == 1009

    async def test_a_frame_that_says_it_is_an_exabyte_closes_with_1009_before_it_comes(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (_, ready):
            reader, writer = await raw_websocket(ready.port)
            writer.write(bytes([0x81, 0xFF]) + (1 << 60).to_bytes(8, "big") + bytes(4) + b"x" * 100)
            assert await close_code(reader) == 1009
            writer.close()

    async def test_a_message_in_endless_fragments_closes_with_1009(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (_, ready):
            reader, writer = await raw_websocket(ready.port)
            part = bytes([0x00, 0xFE]) + (1000).to_bytes(2, "big") + bytes(4) + b"x" * 1000
            writer.write(bytes([0x01, 0x81]) + bytes(4) + b"x" + part * 66)
            assert await close_code(reader) == 1009
            writer.close()

    async def test_bad_utf_8_is_malformed(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (_, ready), browser(ready) as session, session.ws_connect("/ws") as ws:
            for bad in (b'{"type":"ping","ref":"\xff"}', b"\xc0\x80", b"\xed\xa0\x80", b'{"type":"ping","x":"\xf5"}'):
                await ws.send_frame(bad, aiohttp.WSMsgType.TEXT)
                assert (await ws.receive_json())["code"] in ("malformed", "first_message")
            assert await closed_with(ws) == 4400

    async def test_a_compressed_frame_closes_with_1002(self, tmp_path: Path) -> None:
        """Compression is not spoken, so there is nothing to unpack a bomb with."""
        async with serving(tmp_path) as (_, ready):
            reader, writer = await raw_websocket(ready.port)
            bomb = gzip.compress(bytes(10 << 20))[10:60]
            writer.write(bytes([0xC1, 0x80 | len(bomb)]) + bytes(4) + bomb)
            assert await close_code(reader) == 1002
            writer.close()

    async def test_a_compressed_body_is_not_unpacked(self, tmp_path: Path) -> None:
        bomb = gzip.compress(bytes(50 << 20))
        assert len(bomb) < 65_536
        headers = {"Content-Encoding": "gzip"}
        async with (
            serving(tmp_path) as (_, ready),
            browser(ready) as session,
            session.post("/ws", data=bomb, headers=headers) as answer,
        ):
            said = [json.loads(line) for line in (await answer.text()).splitlines()]
            assert answer.status >= 400 or {message["code"] for message in said} <= {"malformed", "too_large"}

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 9000 + b"\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
            (
                b"POST /ws HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nA\x00B: 1\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        ],
        ids=["address", "header", "length", "smuggled", "zero", "TLS to plain"],
    )
    async def test_what_is_no_request_is_answered_400_and_with_nothing_of_it(
        self, tmp_path: Path, request_: bytes, status: int
    ) -> None:
        async with serving(tmp_path) as (_, ready):
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
            writer.write(request_)
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.split()[1] == str(status).encode() and b"Content-Security-Policy" in head
            assert json.loads(body) == {"statusCode": status, "message": "Bad Request.", "code": "bad_request"}
            writer.close()


REFUSED = "no socket any more"


async def said_first(session: aiohttp.ClientSession, message: dict[str, Any]) -> str:
    """The code of the answer."""
    try:
        async with session.ws_connect("/ws") as ws:
            await ws.send_json(message)
            return str((await ws.receive_json())["code"])
    except (aiohttp.WSServerHandshakeError, aiohttp.ClientConnectionError):
        return REFUSED


def assert_guessed(answers: list[str], wrong: str) -> None:
    """20 at once and 10 a minute are looked at; of the rest 50 at once and 10 a second are only refused."""
    assert answers[:20] == [wrong] * 20 and answers.count(wrong) <= 21
    assert 51 <= answers.count("rate_limited") <= 100 and answers[-1] == REFUSED
    sys.stdout.write(f"{answers.count(wrong)} guesses were looked at, {len(answers) - 1} made\n")


class TestGuessing:
    async def test_who_guesses_links_is_blocked(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """There are 2^50 ids, and 2^128 tokens for each."""
        async with serving(tmp_path) as (server, ready), show(ready), at(EVE, ready) as eve:
            answers: list[str] = []
            for number in range(200):
                token = base64.urlsafe_b64encode(number.to_bytes(16, "big"))[:22].decode()
                answers.append(await said_first(eve, {"type": "join", "v": 1, "link": LINK, "token": token}))
                if answers[-1] == REFUSED:
                    break
            assert_guessed(answers, "link_wrong")
            assert server.abuse_limiter.blocked_for(EVE, monotonic()) > 5
            assert server.abuse_limiter.blocked_for("127.0.0.1", monotonic()) == 0
            assert f"{EVE} is blocked for 10 s: too many failed proofs" in caplog.text

    async def test_who_guesses_room_codes_is_blocked_likewise(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (server, ready), show(ready) as (one, _), at(EVE, ready) as eve:
            answers: list[str] = []
            for _ in range(200):
                guess = {"type": "open_room", "v": 1, "room": one.core.room, "token": "A" * 22}
                answers.append(await said_first(eve, guess))
                if answers[-1] == REFUSED:
                    break
            assert_guessed(answers, "room_taken")
            assert server.abuse_limiter.blocked_for(EVE, monotonic()) > 5

    async def test_who_shows_wrong_tokens_for_the_numbers_is_blocked(self, tmp_path: Path) -> None:
        slowly = replace(Limits(), tolerance=Rate(0.01, 50))  # however slow it runs, nothing is forgiven
        async with serving(tmp_path, limits=slowly) as (_, ready), at(EVE, ready, Authorization="Bearer no") as eve:
            statuses = []
            with contextlib.suppress(aiohttp.ClientConnectionError):
                for _ in range(60):
                    async with eve.get("/metrics") as answer:
                        statuses.append(answer.status)
            assert statuses[:51] == [404] * 51 and set(statuses[51:]) <= {429}


class TestGate:
    async def test_who_is_blocked_is_reset_before_tls_and_the_others_are_not(self, tmp_path: Path) -> None:
        async with serving(tmp_path, http=False) as (server, ready):
            server.abuse_limiter.penalize(EVE, "a test", monotonic(), float("inf"))
            with socket.create_connection(("127.0.0.1", ready.port), source_address=(EVE, 0)) as eve:
                await is_reset(eve)
            async with browser(ready) as session, session.get("/healthz") as answer:
                assert answer.status == 200

    async def test_who_waits_for_tls_is_reset_when_its_address_is_blocked_meanwhile(self, tmp_path: Path) -> None:
        limits = replace(Limits(), handshakes=Rate(2, 1))
        async with serving(tmp_path, http=False, limits=limits) as (server, ready):
            with contextlib.ExitStack() as stack:
                for number in (1, 2):
                    made = socket.create_connection(("127.0.0.1", ready.port), source_address=(EVE, 0))
                    waiting = stack.enter_context(made)
                    await until(partial(held, server, number))
                server.abuse_limiter.penalize(EVE, "a test", monotonic(), float("inf"))
                await is_reset(waiting)
                await until(lambda: server.abuse_limiter.held == 1)

    async def test_a_request_on_a_connection_that_is_open_already_is_answered_429(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (server, ready), at(EVE, ready) as eve:
            async with eve.get("/healthz") as answer:
                assert answer.status == 200
            server.abuse_limiter.penalize(EVE, "a test", monotonic(), float("inf"))
            async with eve.get("/healthz") as answer:
                assert answer.status == 429 and (await answer.json())["code"] == "rate_limited"
                assert 1 <= int(answer.headers["Retry-After"]) <= 10
                assert answer.headers["X-RateLimit-Remaining"] == "0"
                assert "Content-Security-Policy" in answer.headers

    async def test_members_of_a_blocked_address_stay_in(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as (server, ready), show(ready) as (one, two):
            server.abuse_limiter.penalize("127.0.0.1", "a test", monotonic(), float("inf"))
            assert two.socket.send(one.core.member or "", b"still here")
            assert (await one.until(signaling.Received)).data == b"still here"

    async def test_too_many_requests_are_answered_429(self, tmp_path: Path) -> None:
        limits = replace(Limits(), requests=Rate(1, 5))
        async with serving(tmp_path, limits=limits) as (_, ready), at(EVE, ready) as eve:
            statuses = []
            for _ in range(6):
                async with eve.get("/healthz") as answer:
                    statuses.append(answer.status)
            assert statuses == [200] * 5 + [429] and answer.headers["Retry-After"] == "1"

    async def test_too_many_connections_at_once_are_reset_and_every_one_that_goes_makes_space(
        self, tmp_path: Path
    ) -> None:
        limits = replace(Limits(), held_per_address=3)
        async with serving(tmp_path, http=False, limits=limits, keepalive_seconds=1.0) as (server, ready):
            for _ in range(2):
                held = [socket.create_connection(("127.0.0.1", ready.port), source_address=(EVE, 0)) for _ in range(3)]
                await until(lambda: server.abuse_limiter.held == 3)
                with socket.create_connection(("127.0.0.1", ready.port), source_address=(EVE, 0)) as fourth:
                    await is_reset(fourth)
                for number, each in enumerate(held):
                    if number:
                        each.close()  # one says nothing, and is gone when the time for TLS is over
                await until(lambda: server.abuse_limiter.held == 0)
                held[0].close()

    async def test_nothing_stays_counted_whatever_becomes_of_a_connection(self, tmp_path: Path) -> None:
        async with serving(tmp_path, http=False, keepalive_seconds=0.5) as (server, ready):
            context = ssl.create_default_context(cafile=str(ready.ca))
            for said in (b"", b"\x16\x03", b"GET / HTTP/1.1\r\n\r\n", bytes(200)):
                with socket.create_connection(("127.0.0.1", ready.port)) as plain:
                    plain.sendall(said)
            for said in (b"", b"GET", b"\x00\x01", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xff" * 100):
                _, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=context)
                writer.write(said)
                writer.close()
            await until(lambda: server.abuse_limiter.held == 0)


class TestProxy:
    async def test_behind_a_proxy_that_is_named_clients_count_by_their_own_addresses(self, tmp_path: Path) -> None:
        async with serving(tmp_path, trusted_proxies=("127.0.0.1/32",)) as (server, ready):
            server.abuse_limiter.penalize("198.51.100.9", "a test", monotonic(), float("inf"))
            async with browser(ready) as proxy:
                for who, status in (
                    ("198.51.100.9", 429),
                    ("203.0.113.5, 198.51.100.9", 429),
                    ("198.51.100.9, 203.0.113.5", 200),
                ):
                    async with proxy.get("/healthz", headers={"X-Forwarded-For": who}) as answer:
                        assert answer.status == status, who
                async with proxy.get("/healthz", headers={"Forwarded": "for=198.51.100.9"}) as answer:
                    assert answer.status == 200, "only the header that was named is believed"
                async with proxy.get("/leaktest/seen", headers={"X-Forwarded-For": "198.51.100.7"}) as answer:
                    assert (await answer.json())["address"] == "198.51.100.7", "all the way through"
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await proxy.ws_connect("/ws", headers={"X-Forwarded-For": "198.51.100.9"})
                assert refused.value.status == 429

    async def test_nobody_else_can_say_that_he_is_somebody_else(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(tmp_path) as (server, ready), at(EVE, ready) as eve:
            server.abuse_limiter.penalize("198.51.100.9", "a test", monotonic(), float("inf"))
            async with eve.get("/healthz", headers={"X-Forwarded-For": "198.51.100.9"}) as answer:
                assert answer.status == 200
            assert "--trusted-proxy 127.0.0.66" in caplog.text, "the operator is told what would make it so"


class TestNumbers:
    async def test_only_who_has_the_token_reads_them(self, tmp_path: Path) -> None:
        async with serving(tmp_path, turn=True, turn_port=0) as (server, ready), show(ready), browser(ready) as session:
            server.abuse_limiter.penalize(EVE, "a test", monotonic(), float("inf"))
            token = (tmp_path / "state" / "api-token").read_text().strip()
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": token}):
                async with session.get("/metrics", headers=headers) as answer:
                    assert answer.status == 404
            async with session.get("/metrics", headers={"Authorization": f"Bearer {token}"}) as answer:
                text = await answer.text()
                assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            counted = values(text)
            for name, value in {
                "slidewire_rooms": 1,
                "slidewire_members": 2,
                "slidewire_sockets": 2,
                "slidewire_blocked_addresses": 1,
                f'slidewire_block_refused{{address="{EVE}"}}': 0,
                "turn_draining": 0,
            }.items():
                assert counted[name] == value, name
