"""What somebody would try who wants in: each refused, with the status that says why, and nothing has happened."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from msgspec import Struct

from slidewire.aio import clock
from slidewire.server.accounts import authentication as auth
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.accounts.store import ACCESS_SECONDS
from slidewire.server.api import routes as rest
from slidewire.signaling import client as signaling
from tests.server.operators import PASSWORD, Office, office
from tests.server.test_server import PATIENCE, assert_guarded, show

KEYS = "/api/admin/api-keys"
ACTIVE = "/api/connections/active"
SIGN_IN = {"name": "ada", "password": PASSWORD}
NEW_KEY = {"name": "k", "scopes": ["connections.read"]}
NEEDS = {
    ("GET", KEYS): Scope.ADMIN,
    ("POST", KEYS): Scope.ADMIN,
    ("DELETE", f"{KEYS}/0123456789ab"): Scope.ADMIN,
    ("GET", ACTIVE): Scope.READ,
    ("GET", "/api/connections/rooms/ROOM"): Scope.READ,
    ("POST", "/api/connections/m0123456789/kick"): Scope.CONTROL,
    ("POST", "/api/connections/rooms/ROOM/broadcast"): Scope.CONTROL,
    ("POST", "/api/connections/rooms/ROOM/close"): Scope.CONTROL,
    ("GET", "/api/turn-credentials"): Scope.TURN,
}


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in ("accounts.authentication", "api.account_handlers", "api.handlers", "api.routes"):
        monkeypatch.setattr(f"slidewire.server.{module}.wall", lambda: clock.wall() + seconds)


class TestTokens:
    async def test_a_stolen_refresh_token_is_good_to_neither_once_both_have_used_it(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            status, thief = await here.ask("POST", "/api/auth/refresh", {"refresh_token": here.refresh}, token="")
            assert status == 200
            status, said = await here.ask("POST", "/api/auth/refresh", {"refresh_token": here.refresh}, token="")
            assert (status, said["code"]) == (401, "token_reused")
            assert (await here.ask("GET", ACTIVE, token=thief["access_token"]))[0] == 401
            again = {"refresh_token": thief["refresh_token"]}
            status, said = await here.ask("POST", "/api/auth/refresh", again, token="")
            assert (status, said["code"]) == (401, "token_invalid")

    async def test_a_token_that_was_recorded_is_worth_nothing_after_signing_out(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            assert (await here.ask("GET", ACTIVE))[0] == 200
            assert (await here.ask("POST", "/api/auth/revoke", {"token": here.refresh}))[0] == 204
            assert (await here.ask("GET", ACTIVE))[0] == 401
            assert (await here.ask("POST", "/api/auth/refresh", {"refresh_token": here.refresh}))[0] == 401

    async def test_an_access_token_expires(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with office(tmp_path) as here:
            later(monkeypatch, ACCESS_SECONDS - 60)
            assert (await here.ask("GET", ACTIVE))[0] == 200
            later(monkeypatch, ACCESS_SECONDS)
            status, headers, said = await here.tell("GET", ACTIVE)
            assert (status, said["code"], headers["WWW-Authenticate"]) == (401, "unauthorized", "Bearer")

    async def test_a_key_expires(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read", expires_in=60)
            assert (await here.ask("GET", ACTIVE, token=key))[0] == 200
            later(monkeypatch, 61)
            assert (await here.ask("GET", ACTIVE, token=key))[0] == 401

    async def test_a_token_in_the_address_or_in_another_scheme_is_none(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            for shown in (f"?access_token={here.access}", f"?key={here.access}"):
                assert (await here.ask("GET", f"{ACTIVE}{shown}", token=""))[0] == 401
            for header in (f"Basic {here.access}", here.access, "Bearer", f"Bearer {here.access} x", "Bearer \u00ff"):
                assert (await here.ask("GET", ACTIVE, token="", headers={"Authorization": header}))[0] == 401

    async def test_a_wrong_token_is_not_made_good_by_a_cookie(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            cookie = {"Cookie": f"slidewire-access={here.access}"}
            assert (await here.ask("GET", ACTIVE, token="", headers=cookie))[0] == 200
            assert (await here.ask("GET", ACTIVE, token="swa_guess", headers=cookie))[0] == 401
            assert (await here.ask("GET", ACTIVE, token="", headers={"Cookie": "slidewire-access=swa_x"}))[0] == 401

    async def test_a_refresh_token_is_no_access_token(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            assert (await here.ask("GET", ACTIVE, token=here.refresh))[0] == 401


class TestScopes:
    async def test_the_list_here_is_all_there_is(self, tmp_path: Path) -> None:
        async with office(tmp_path, turn=True, turn_port=0) as here:
            _, document = await here.ask("GET", "/api/openapi.json")
            guarded = {
                (method.upper(), path)
                for path, item in document["paths"].items()
                for method, operation in item.items()
                if operation.get("security", [{"bearer": []}])[0]["bearer"]
            }
            ours = {(method, path.replace("/ROOM", "/{room}")) for method, path in NEEDS}
            ours = {(m, p.replace("0123456789ab", "{id}").replace("m0123456789", "{id}")) for m, p in ours}
            assert ours == guarded

    async def test_each_thing_needs_its_own(self, tmp_path: Path) -> None:
        async with office(tmp_path, turn=True, turn_port=0) as here:
            for scope in Scope:
                others = await here.key(*(other for other in Scope if other is not scope), per_minute=6000)
                own = await here.key(scope, per_minute=6000)
                for (method, path), needed in NEEDS.items():
                    if needed is not scope:
                        continue
                    status, headers, said = await here.tell(method, path, token=others)
                    assert (status, said["code"]) == (403, "scope_missing")
                    assert f'scope="{scope}"' in headers["WWW-Authenticate"] and scope in said["message"]
                    assert (await here.ask(method, path, token=own))[0] not in (401, 403)

    async def test_a_key_cannot_make_one_that_may_more(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            admin = await here.key("admin")
            status, said = await here.ask("POST", KEYS, NEW_KEY, token=admin)
            assert (status, said["code"]) == (403, "beyond_own_scopes")
            status, said = await here.ask("POST", KEYS, {**NEW_KEY, "scopes": ["admin"]}, token=admin)
            assert status == 201 and said["key"]["made_by"] == "ada"

    async def test_nor_one_from_more_addresses_nor_longer_nor_faster(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            bounds = {"addresses": ["127.0.0.0/24"], "expires_in": 60, "per_minute": 100}
            status, parent = await here.ask("POST", KEYS, {"name": "p", "scopes": ["admin"], **bounds})
            token = parent["token"]
            for networks in (["127.0.0.0/23"], ["127.0.0.7", "192.0.2.0/24"], ["::/0"], ["0.0.0.0/0"]):
                asked = {"name": "c", "scopes": ["admin"], "addresses": networks}
                status, said = await here.ask("POST", KEYS, asked, token=token)
                assert (status, said["code"]) == (403, "beyond_own_addresses")
            more: dict[str, object] = {"expires_in": 730 * 86_400, "per_minute": 6000}
            wishes: list[dict[str, object]] = [{}, more, {"addresses": []}, {"addresses": ["127.0.0.1"], **more}]
            for wish in wishes:
                status, child = await here.ask("POST", KEYS, {"name": "c", "scopes": ["admin"], **wish}, token=token)
                key = child["key"]
                assert status == 201 and key["parent"] == parent["key"]["id"] and key["made_by"] == "ada"
                assert key["addresses"] == (["127.0.0.1/32"] if len(wish) > 2 else ["127.0.0.0/24"])
                assert key["expires"] <= parent["key"]["expires"] and key["per_minute"] <= 100

    async def test_keys_of_a_key_are_together_no_faster_than_it(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            parent = await here.key("admin", "connections.read", per_minute=6)
            made = [
                (await here.ask("POST", KEYS, {"name": "c", "scopes": ["connections.read"]}, token=parent))[1]["token"]
                for _ in range(3)
            ]
            statuses = [(await here.ask("GET", ACTIVE, token=made[n % 3]))[0] for n in range(5)]
            assert statuses == [200, 200, 200, 429, 429]
            assert (await here.ask("GET", ACTIVE, token=parent))[0] == 429

    async def test_who_has_found_a_key_and_is_elsewhere_does_not_use_up_its_rate(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read", addresses=["127.0.0.1"], per_minute=3)
            connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
            async with aiohttp.ClientSession(here.ready.local_url, connector=connector) as elsewhere:
                for _ in range(5):
                    async with elsewhere.get(ACTIVE, headers={"Authorization": f"Bearer {key}"}) as answer:
                        assert answer.status == 403
            assert (await here.ask("GET", ACTIVE, token=key))[0] == 200

    async def test_what_a_key_made_ends_with_it(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            line = [await here.key("admin", "connections.read")]
            for _ in range(3):
                asked = {"name": "c", "scopes": ["admin", "connections.read"]}
                line.append((await here.ask("POST", KEYS, asked, token=line[-1]))[1]["token"])
            _, listed = await here.ask("GET", KEYS, token=line[1])
            assert [key["parent"] is not None for key in listed["keys"]] == [True, True, True]
            root, second = listed["keys"][0]["parent"], listed["keys"][0]["id"]
            assert (await here.ask("DELETE", f"{KEYS}/{root}", token=line[1]))[0] == 404, "it is not its own to revoke"
            assert (await here.ask("DELETE", f"{KEYS}/{second}"))[0] == 204
            assert [(await here.ask("GET", ACTIVE, token=token))[0] for token in line] == [200, 401, 401, 401]

    async def test_signing_out_everywhere_ends_keys(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read")
            assert (await here.ask("POST", "/api/auth/revoke", {"token": here.access, "everywhere": True}))[0] == 204
            assert (await here.ask("GET", ACTIVE, token=key))[0] == 401

    @pytest.mark.parametrize("what", ["key", "session"])
    @pytest.mark.parametrize(
        ("path", "asked"), [(KEYS, NEW_KEY), ("/api/connections/rooms/NOROOM/broadcast", {"text": "x"})]
    )
    async def test_what_was_revoked_while_the_body_came_does_nothing(
        self, tmp_path: Path, what: str, path: str, asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admitted, read_body = asyncio.Event(), rest._read_body

        async def read_late(request: web.Request, kind: type[Struct]) -> Struct:
            admitted.set()
            return await read_body(request, kind)

        async with office(tmp_path) as here:
            token = await here.key(*Scope) if what == "key" else here.access
            body = json.dumps(asked).encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", here.ready.port)
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{here.ready.port}\r\nAuthorization: Bearer {token}\r\n"
                f"Connection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                "\r\n"
            )
            monkeypatch.setattr(rest, "_read_body", read_late)
            writer.write(head.encode())
            async with asyncio.timeout(PATIENCE):
                await admitted.wait()
                if what == "key":
                    _, listed = await here.ask("GET", KEYS)
                    assert (await here.ask("DELETE", f"{KEYS}/{listed['keys'][0]['id']}"))[0] == 204
                else:
                    assert (await here.ask("POST", "/api/auth/revoke", {"token": token}))[0] == 204
                writer.write(body)
                answer = await reader.read()
            writer.close()
            assert answer.split()[1] == b"401"

    async def test_a_key_s_login_for_the_relay_is_over_with_the_key(self, tmp_path: Path) -> None:
        async with office(tmp_path, turn=True, turn_port=0) as here:
            for seconds, least in ((60, 50), (30 * 86_400, 86_400)):
                key = await here.key("turn.credentials", expires_in=seconds)
                _, said = await here.ask("GET", "/api/turn-credentials", token=key)
                assert least <= said["ttl"] <= min(seconds, 86_400)
                until = int(said["username"].partition(":")[0])
                assert until <= clock.wall() + min(seconds, 86_400)

    async def test_the_token_of_the_state_directory_gets_credentials_and_nothing_else(self, tmp_path: Path) -> None:
        async with office(tmp_path, turn=True, turn_port=0) as here:
            token = (tmp_path / "state" / "api-token").read_text().strip()
            assert (await here.ask("GET", "/api/turn-credentials", token=token))[0] == 200
            for (method, path), scope in NEEDS.items():
                if scope is not Scope.TURN:
                    assert (await here.ask(method, path, token=token))[0] == 403

    async def test_a_member_of_a_room_is_no_operator(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, two):
            for member in (one, two):
                assert member.core._resume is not None
                assert (await here.ask("GET", ACTIVE, token=member.core._resume))[0] == 401

    @pytest.mark.parametrize(
        ("network", "status"), [("192.0.2.0/24", 403), ("2001:db8::/32", 403), ("127.0.0.0/8", 200)]
    )
    async def test_an_address_outside_the_allow_list(self, tmp_path: Path, network: str, status: int) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read", addresses=[network])
            found, said = await here.ask("GET", ACTIVE, token=key)
            assert found == status and said.get("code") in (None, "address_not_allowed")

    async def test_and_no_header_moves_it_inside(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read", addresses=["192.0.2.0/24"])
            for name, value in (
                ("X-Forwarded-For", "192.0.2.1"),
                ("Forwarded", "for=192.0.2.1"),
                ("X-Real-IP", "192.0.2.1"),
            ):
                assert (await here.ask("GET", ACTIVE, token=key, headers={name: value}))[0] == 403


ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
]


class TestOtherSites:
    @pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
    async def test_a_post_from_another_site_does_nothing(self, tmp_path: Path, headers: dict[str, str]) -> None:
        async with office(tmp_path) as here:
            for path, body in ((KEYS, NEW_KEY), ("/api/auth/token", SIGN_IN), ("/api/auth/revoke", {})):
                cookies = {"Cookie": f"slidewire-access={here.access}; slidewire-refresh={here.refresh}", **headers}
                status, answered, said = await here.tell("POST", path, body, token="", headers=cookies)
                assert (status, said["code"]) == (403, "cross_site") and "Set-Cookie" not in answered
                assert "Access-Control-Allow-Origin" not in answered
            assert await here.ask("GET", KEYS) == (200, {"keys": []})

    async def test_a_cookie_alone_does_nothing_unless_the_browser_says_whose_page_it_is(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            cookies = {"Cookie": f"slidewire-access={here.access}; slidewire-refresh={here.refresh}"}
            for path, body in ((KEYS, NEW_KEY), ("/api/auth/refresh", {}), ("/api/auth/revoke", {})):
                status, said = await here.ask("POST", path, body, token="", headers=cookies)
                assert (status, said["code"]) == (403, "cross_site")
            ours = {**cookies, "Origin": here.ready.url, "Sec-Fetch-Site": "same-origin"}
            assert (await here.ask("POST", KEYS, NEW_KEY, token="", headers=ours))[0] == 201

    async def test_a_page_of_the_same_name_without_tls_is_another_site(self, tmp_path: Path) -> None:
        async with office(tmp_path, http=False) as here:
            plain = {"Origin": here.ready.url.replace("https:", "http:")}
            assert (await here.ask("POST", KEYS, NEW_KEY, headers=plain))[0] == 403
            assert (await here.ask("POST", KEYS, NEW_KEY, headers={"Origin": here.ready.url}))[0] == 201

    async def test_a_form_cannot_sign_anybody_in(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
                headers = {"Content-Type": kind}
                status, said = await here.ask("POST", "/api/auth/token", data=json.dumps(SIGN_IN), headers=headers)
                assert (status, said["code"]) == (415, "unsupported_media_type")

    async def test_no_preflight_is_answered_kindly(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            status, answered, _ = await here.tell("OPTIONS", KEYS, headers=headers)
            assert status == 405 and not [name for name in answered if name.startswith("Access-Control")]

    async def test_a_cross_site_web_socket_does_not_open_whatever_cookies_it_brings(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            for origin in ("https://evil.example", "null", "http://127.0.0.1"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await here.web.ws_connect(
                        "/ws", origin=origin, headers={"Cookie": f"slidewire-access={here.access}"}
                    )
                assert refused.value.status == 403


def nested(depth: int) -> bytes:
    return b'{"name": "k", "scopes": ' + b"[" * depth + b"]" * depth + b"}"


BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "not JSON": (b"name=ada", 400),
    "half of it": (b'{"name": "k"', 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "deeply nested": (nested(7000), 422),
    "deeply nested where nobody looks": (b'{"unknown": ' + b"[" * 7000 + b"]" * 7000 + b"}", 422),
    "deeply nested and never closed": (b"[" * 16_000, 422),
    "bad UTF-8": (b'{"name": "\xff\xfe", "scopes": ["admin"]}', 400),
    "overlong UTF-8": (b'{"name": "\xc0\xaf", "scopes": ["admin"]}', 400),
    "a surrogate": (b'{"name": "\\ud800", "scopes": ["admin"]}', 400),
    "UTF-16": ('{"name": "k", "scopes": ["admin"]}'.encode("utf-16"), 400),
    "a byte order mark": (b'\xef\xbb\xbf{"name": "k", "scopes": ["admin"]}', 400),
    "NaN": (b'{"name": "k", "scopes": ["admin"], "per_minute": NaN}', 400),
    "a huge number": (b'{"name": "k", "scopes": ["admin"], "per_minute": ' + b"9" * 5000 + b"}", 422),
    "a fraction": (b'{"name": "k", "scopes": ["admin"], "per_minute": 1.5}', 422),
    "a number as text": (b'{"name": "k", "scopes": ["admin"], "per_minute": "60"}', 422),
    "a scope that is none": (b'{"name": "k", "scopes": ["root"]}', 422),
    "a field too many": (b'{"name": "k", "scopes": ["admin"], "id": "0123456789ab"}', 422),
    "a control character of a terminal": (b'{"name": "k\\u009b1m", "scopes": ["admin"]}', 422),
    "a turned direction of reading": ('{"name": "k\u202e", "scopes": ["admin"]}'.encode(), 422),
    "a control character": (b'{"name": "k\\u0000", "scopes": ["admin"]}', 422),
    "giant": (b'{"name": "' + b"k" * 20_000 + b'"}', 413),
}


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """Asked with a key that has a rate of its own, so that the tests do not wait for one another."""
    async with office(tmp_path_factory.mktemp("office")) as started:
        started.access = await started.key(*Scope, per_minute=6000)
        yield started


async def raw(here: Office, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Without a client that tidies it up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.ready.port)
    said = {"Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {here.access}\r\n"
        f"Connection: close\r\n{lines}\r\n".encode()
        + body
    )
    async with asyncio.timeout(PATIENCE):
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), answer


class TestBodies:
    pytestmark = pytest.mark.asyncio(loop_scope="class")

    @pytest.mark.parametrize("name", BODIES)
    async def test_what_is_no_request(self, here: Office, name: str) -> None:
        body, expected = BODIES[name]
        status, headers, said = await here.tell("POST", KEYS, data=body, headers={"Content-Type": "application/json"})
        assert status == expected, said
        assert set(said) == {"statusCode", "message", "code"} and said["statusCode"] == status
        assert_guarded(headers)
        assert "k" * 100 not in said["message"]

    async def test_a_giant_that_does_not_say_so(self, here: Office) -> None:
        async def giant() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 1000

        status, said = await here.ask("POST", KEYS, data=giant(), headers={"Content-Type": "application/json"})
        assert (status, said["code"]) == (413, "too_large")

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "x-unknown"])
    async def test_a_compression_bomb_is_not_unpacked(self, here: Office, coding: str) -> None:
        bomb = gzip.compress(b" " * 8_000_000) if coding.startswith("gzip") else zlib.compress(b" " * 8_000_000)
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        # By hand: the client would compress it once more.
        status, answered, said = await raw(here, "POST", KEYS, bomb, headers)
        assert (status, json.loads(said)["code"]) == (415, "unsupported_media_type")
        assert "Accept-Encoding: identity" in answered

    async def test_without_a_content_type(self, here: Office) -> None:
        for kind in (None, "application/octet-stream", "application/json; charset=utf-16", "text/json"):
            headers: dict[str, str] = {} if kind is None else {"Content-Type": kind}
            status, _, said = await raw(here, "POST", KEYS, json.dumps(NEW_KEY).encode(), headers)
            assert (status, json.loads(said)["code"]) == (415, "unsupported_media_type")

    async def test_a_body_that_does_not_come(self, here: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rest, "BODY_SECONDS", 0.2)
        headers = {"Content-Type": "application/json", "Content-Length": "100"}
        status, _, said = await raw(here, "POST", KEYS, b"{", headers)
        assert (status, json.loads(said)["code"]) == (408, "request_timeout")

    async def test_a_web_socket_message_by_post_is_not_unpacked_either(self, here: Office) -> None:
        bomb = gzip.compress(b"\n" * 8_000_000)
        status, _, said = await raw(here, "POST", "/ws", bomb, {"Content-Encoding": "gzip"})
        assert status in (200, 413, 415) and len(said) < 5000


class TestPaths:
    pytestmark = pytest.mark.asyncio(loop_scope="class")

    @pytest.mark.parametrize(
        "path",
        ["/api", "/api/", "/api/nothing", "/API/connections/active", "/api//connections/active",
         "/api/connections/active/", "/api/../api/nothing", "/api/connections/rooms/..%2f..%2factive",
         "/api/connections/rooms/%00", "/api/connections/rooms/ROOM%0d%0aX: y", "/api/admin/api-keys/..",
         "/api/auth/%2e%2e/admin/nothing", "//api/connections/active", "/api\\connections\\active",
         "/api/connections/rooms/ROOM;close", "/assets/..%2f..%2fstate%2frooms.sqlite3", "/rooms.sqlite3"],
    )  # fmt: skip
    async def test_no_path_is_another_than_it_is(self, here: Office, path: str) -> None:
        status, _, body = await raw(here, "GET", path.replace(" ", "%20"), b"", {})
        assert status in (404, 405) and json.loads(body)["statusCode"] == status

    async def test_a_member_that_could_not_be(self, here: Office) -> None:
        for name in ("x", "m" * 500, "m0123456789'--", "m%00", "..%2fadmin"):
            status, said = await here.ask("POST", f"/api/connections/{name}/kick", {})
            assert (status, said["code"]) == (404, "not_found")

    async def test_a_parameter_that_comes_twice(self, tmp_path: Path) -> None:
        async with office(tmp_path, turn=True, turn_port=0) as with_relay:
            path = "/api/turn-credentials?username=ada&username=eve"
            status, said = await with_relay.ask("GET", path)
            assert (status, said["code"]) == (422, "invalid")

    async def test_methods_that_are_not(self, here: Office) -> None:
        for method in ("PUT", "PATCH", "TRACE", "HEAD"):
            status, headers, _ = await here.tell(method, ACTIVE)
            assert status == 405 and headers["Allow"] == "GET"

    async def test_what_is_no_http_is_no_error_of_ours(self, here: Office, caplog: pytest.LogCaptureFixture) -> None:
        for method, path in (("BREW", ACTIVE), ("GET", "/\x00"), ("GET", ACTIVE + " HTTP/9.9 ")):
            status, _, body = await raw(here, method, path, b"", {})
            assert status == 400 and b"Traceback" not in body
        assert caplog.text == ""

    async def test_a_method_in_a_header_is_a_letter(self, here: Office) -> None:
        status, _ = await here.ask("GET", KEYS, headers={"X-HTTP-Method-Override": "POST"})
        assert status == 200


class TestNothingIsGivenAway:
    async def test_names_are_not_told_apart(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            tries = [{"name": name, "password": "not it"} for name in ("ada", "nobody")]
            ada, nobody = [await here.ask("POST", "/api/auth/token", body) for body in tries]
            assert ada == nobody and ada[0] == 401

    async def test_no_token_and_no_password_in_a_log(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        async with office(tmp_path) as here:
            key = await here.key("connections.read")
            await here.ask("GET", ACTIVE, token=key)
            await here.ask("POST", "/api/auth/refresh", {"refresh_token": here.refresh})
            await here.ask("POST", "/api/auth/refresh", {"refresh_token": here.refresh})
            await here.ask("POST", "/api/auth/token", {"name": "ada", "password": "hunter2 hunter2"})
            said = caplog.text
            for secret in (key, here.access, here.refresh, PASSWORD, "hunter2", here.ready.account_link or "?"):
                assert secret not in said
            assert "may have been stolen" in said

    async def test_a_notice_of_one_room_is_not_heard_in_another(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, _):
            await here.ask("POST", f"/api/connections/rooms/{one.core.room}/broadcast", {"text": "only here"})
            assert (await one.until(signaling.Notice)).text == "only here"


def test_the_limits_are_what_the_guide_says() -> None:
    assert (rest.MAX_BODY, auth.FAILED_NAME.burst, auth.FAILED.burst) == (16_384, 6, 20)
