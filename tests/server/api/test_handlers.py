"""The API of a running server, as its operators and their programs use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slidewire.aio import clock
from slidewire.server.accounts import authentication as auth
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.accounts.store import CONFIRMED_SECONDS
from slidewire.server.api import routes as rest
from slidewire.signaling import client as signaling
from tests.server.operators import PASSWORD, Office, invitation, office
from tests.server.test_server import Member, browser, host, presenter, running, settings, show

KEYS = "/api/admin/api-keys"
ACTIVE = "/api/connections/active"


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in ("accounts.authentication", "api.account_handlers", "api.handlers", "api.routes"):
        monkeypatch.setattr(f"slidewire.server.{module}.wall", lambda: clock.wall() + seconds)


class TestTheFirstAccount:
    async def test_a_link_makes_it_once_and_nothing_else_does(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True, accounts=True)) as ready, browser(ready) as web:
            here = Office(ready, web)
            for name, password in (("admin", "admin"), ("ada", PASSWORD)):
                assert (await here.ask("POST", "/api/auth/token", {"name": name, "password": password}))[0] == 401
            accept = {"invitation": invitation(ready), "name": "ada", "password": PASSWORD}
            assert (await here.ask("POST", "/api/auth/accept", {**accept, "invitation": "swi_guess"}))[0] == 403
            assert (await here.ask("POST", "/api/auth/accept", {**accept, "password": "too short"}))[0] == 422
            assert (await here.ask("POST", "/api/auth/accept", accept))[0] == 201
            status, said = await here.ask("POST", "/api/auth/accept", {**accept, "name": "eve"})
            assert (status, said["code"]) == (403, "invitation_unknown")

    async def test_it_is_offered_until_there_is_one(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True, accounts=True)) as ready:
            first = invitation(ready)
        async with office(tmp_path) as here:
            assert invitation(here.ready) != first
        async with running(settings(tmp_path, http=True, accounts=True)) as ready:
            assert ready.account_link is None

    async def test_up_has_no_accounts_and_nothing_that_needs_one(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True)) as ready, browser(ready) as web:
            assert ready.account_link is None
            async with web.get("/api/openapi.json") as answer:
                assert list((await answer.json())["paths"]) == ["/api/openapi.json"]
            for path in (ACTIVE, KEYS, "/api/auth/session", "/account"):
                async with web.get(path) as answer:
                    assert answer.status == 404


class TestSessions:
    async def test_signing_in_refreshing_and_out(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            status, said = await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD})
            assert status == 200 and said["account"] == "ada" and said["expires_in"] in (899, 900)
            access, refresh = said["access_token"], said["refresh_token"]
            status, said = await here.ask("GET", "/api/auth/session", token=access)
            assert status == 200 and said["account"] == "ada" and "admin" in said["scopes"]
            status, said = await here.ask("POST", "/api/auth/refresh", {"refresh_token": refresh})
            assert status == 200 and said["access_token"] != access
            newer = said["access_token"]
            assert (await here.ask("POST", "/api/auth/revoke", {"token": newer}))[0] == 204
            for token in (access, newer):
                assert (await here.ask("GET", "/api/auth/session", token=token))[0] == 401
            assert (await here.ask("GET", "/api/auth/session"))[0] == 200, "another session of the same account"

    async def test_signing_out_everywhere(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            _, said = await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD})
            body = {"token": said["refresh_token"], "everywhere": True}
            assert (await here.ask("POST", "/api/auth/revoke", body))[0] == 204
            assert (await here.ask("GET", "/api/auth/session"))[0] == 401

    async def test_what_is_signed_in_outlives_a_restart(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            access = here.access
        async with running(settings(tmp_path, http=True, accounts=True)) as ready, browser(ready) as web:
            here = Office(ready, web, access)
            assert (await here.ask("GET", "/api/auth/session"))[0] == 200

    async def test_pages_have_cookies_that_scripts_and_neighbours_cannot_have(self, tmp_path: Path) -> None:
        async with office(tmp_path, http=False) as here:
            body = {"name": "ada", "password": PASSWORD, "cookies": True}
            origin = {"Origin": here.ready.url}
            async with here.web.post("/api/auth/token", json=body, headers=origin) as answer:
                cookies = answer.headers.getall("Set-Cookie")
                assert set(await answer.json()) == {"account", "expires_in", "refresh_expires_in"}
            assert len(cookies) == 2
            for cookie in cookies:
                assert cookie.startswith("__Host-slidewire-")
                for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
                    assert word in cookie
                assert "Domain" not in cookie

    async def test_pages_sign_in_ask_refresh_and_sign_out_by_cookie_alone(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            origin = {"Origin": here.ready.url}
            jar = aiohttp.CookieJar(unsafe=True)  # of a host that is an address
            async with aiohttp.ClientSession(here.ready.url, cookie_jar=jar, headers=origin) as page:
                body = {"name": "ada", "password": PASSWORD, "cookies": True}
                assert (await page.post("/api/auth/token", json=body)).status == 200
                assert (await page.get("/api/auth/session")).status == 200
                before = {cookie.key: cookie.value for cookie in jar}
                assert (await page.post("/api/auth/refresh", json={})).status == 200
                assert all(cookie.value != before[cookie.key] for cookie in jar)
                assert (await page.post(KEYS, json={"name": "k", "scopes": ["turn.credentials"]})).status == 201
                assert (await page.post("/api/auth/revoke", json={})).status == 204
                assert not [cookie for cookie in jar if cookie.value]
                assert (await page.get("/api/auth/session")).status == 401


class TestPasswords:
    async def test_what_lasts_needs_a_password_that_was_given_lately(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with office(tmp_path) as here:
            later(monkeypatch, CONFIRMED_SECONDS + 1)
            key = {"name": "k", "scopes": ["connections.read"]}
            status, headers, said = await here.tell("POST", KEYS, key)
            assert (status, said["code"]) == (401, "insufficient_user_authentication")
            assert 'error="insufficient_user_authentication", max_age="600"' in headers["WWW-Authenticate"]
            assert (await here.ask("GET", KEYS))[0] == (await here.ask("GET", ACTIVE))[0] == 200
            status, said = await here.ask("POST", "/api/auth/confirm", {"password": "not it"})
            assert (status, said["code"]) == (401, "sign_in_wrong")
            status, said = await here.ask("POST", "/api/auth/confirm", {"password": PASSWORD})
            assert status == 200
            assert (await here.ask("GET", ACTIVE))[0] == 401, "there are new tokens, and the old ones are over"
            assert (await here.ask("POST", KEYS, key, token=said["access_token"]))[0] == 201

    async def test_who_has_found_a_session_guesses_its_password_no_faster_than_at_the_door(
        self, tmp_path: Path
    ) -> None:
        async with office(tmp_path) as here:
            few = int(auth.FAILED_NAME.burst)
            paths = ["/api/auth/confirm", "/api/auth/password"] * few
            bodies = [
                {"password": "no", **({"new_password": PASSWORD} if "password" in path else {})} for path in paths
            ]
            tries = [await here.ask("POST", path, body) for path, body in zip(paths, bodies, strict=True)]
            assert [status for status, _ in tries] == [401] * few + [429] * few
            assert (await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD}))[0] == 429

    async def test_another_one(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            key = await here.key("connections.read")
            _, other = await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD})
            new = "five words nobody knows yet"
            change = {"password": PASSWORD, "new_password": new}
            assert (await here.ask("POST", "/api/auth/password", {**change, "password": new}))[0] == 401
            status, said = await here.ask("POST", "/api/auth/password", {**change, "new_password": "passwordpassword1"})
            assert (status, said["code"]) == (422, "password_guessable")
            status, said = await here.ask("POST", "/api/auth/password", change)
            assert status == 200
            for token in (key, other["access_token"], here.access):
                assert (await here.ask("GET", ACTIVE, token=token))[0] == 401
            assert (await here.ask("GET", ACTIVE, token=said["access_token"]))[0] == 200
            for password, status in ((PASSWORD, 401), (new, 200)):
                assert (await here.ask("POST", "/api/auth/token", {"name": "ada", "password": password}))[0] == status

    async def test_one_that_would_soon_be_guessed_costs_the_invitation_nothing(self, tmp_path: Path) -> None:
        async with running(settings(tmp_path, http=True, accounts=True)) as ready, browser(ready) as web:
            here = Office(ready, web)
            accept = {"invitation": invitation(ready), "name": "ada", "password": "slidewireslidewire"}
            status, said = await here.ask("POST", "/api/auth/accept", accept)
            assert (status, said["code"]) == (422, "password_guessable")
            assert (await here.ask("POST", "/api/auth/accept", {**accept, "password": PASSWORD}))[0] == 201

    async def test_a_key_is_no_account(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            key = await here.key(*Scope)
            sessions = "/api/auth/sessions"
            for method, path, body in (
                ("POST", "/api/auth/confirm", {"password": PASSWORD}),
                ("POST", "/api/auth/password", {"password": PASSWORD, "new_password": PASSWORD + "!"}),
                ("GET", sessions, None),
                ("DELETE", f"{sessions}/0123456789abcdef", None),
            ):
                status, said = await here.ask(method, path, body, token=key)
                assert (status, said["code"]) == (403, "account_needed")

    async def test_an_account_s_sessions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async with office(tmp_path) as here:
            _, other = await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD})
            status, said = await here.ask("GET", "/api/auth/sessions")
            assert status == 200 and sorted(one["yours"] for one in said["sessions"]) == [False, True]
            (theirs,) = [one["id"] for one in said["sessions"] if not one["yours"]]
            later(monkeypatch, CONFIRMED_SECONDS + 1)
            assert (await here.ask("DELETE", f"/api/auth/sessions/{theirs}"))[0] == 401
            later(monkeypatch, 0)
            assert (await here.ask("DELETE", f"/api/auth/sessions/{theirs}"))[0] == 204
            assert (await here.ask("DELETE", f"/api/auth/sessions/{theirs}"))[0] == 404
            assert (await here.ask("GET", ACTIVE, token=other["access_token"]))[0] == 401

    async def test_pages_confirm_by_cookie(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            jar = aiohttp.CookieJar(unsafe=True)
            origin = {"Origin": here.ready.url}
            async with aiohttp.ClientSession(here.ready.url, cookie_jar=jar, headers=origin) as page:
                body = {"name": "ada", "password": PASSWORD, "cookies": True}
                assert (await page.post("/api/auth/token", json=body)).status == 200
                before = {cookie.key: cookie.value for cookie in jar}
                answer = await page.post("/api/auth/confirm", json={"password": PASSWORD})
                assert answer.status == 200 and "access_token" not in await answer.json()
                assert all(cookie.value != before[cookie.key] for cookie in jar)


class TestKeys:
    async def test_made_shown_once_listed_and_revoked(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            wanted = {"name": "board", "scopes": ["connections.read"], "addresses": ["127.0.0.1/8"], "expires_in": 3600}
            status, made = await here.ask("POST", KEYS, wanted)
            assert status == 201 and made["key"]["addresses"] == ["127.0.0.0/8"] and made["key"]["made_by"] == "ada"
            assert 3500 < made["key"]["expires"] - clock.wall() <= 3600
            _, listed = await here.ask("GET", KEYS)
            assert listed == {"keys": [made["key"]]} and made["token"] not in str(listed)
            assert (await here.ask("GET", ACTIVE, token=made["token"]))[0] == 200
            assert (await here.ask("DELETE", f"{KEYS}/{made['key']['id']}"))[0] == 204
            assert (await here.ask("DELETE", f"{KEYS}/{made['key']['id']}"))[0] == 404
            assert (await here.ask("GET", ACTIVE, token=made["token"]))[0] == 401

    async def test_one_has_a_rate_of_its_own(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            slow = await here.key("connections.read", per_minute=3)
            answers = [await here.tell("GET", ACTIVE, token=slow) for _ in range(4)]
            assert [status for status, *_ in answers] == [200, 200, 200, 429]
            assert [headers["X-RateLimit-Remaining"] for _, headers, _ in answers] == ["2", "1", "0", "0"]
            assert 1 <= int(answers[-1][1]["Retry-After"]) <= 20
            assert (await here.ask("GET", ACTIVE))[0] == 200, "others are not held up by it"

    async def test_networks_that_are_none(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            for network in ("999.1.1.1", "192.0.2.0/64", "::::"):
                wanted = {"name": "k", "scopes": ["connections.read"], "addresses": [network]}
                status, said = await here.ask("POST", KEYS, wanted)
                assert status == 422 and network in said["message"]


class TestRooms:
    async def test_who_is_here_without_their_addresses(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, two):
            status, active = await here.ask("GET", ACTIVE)
            (room,) = active["rooms"]
            assert status == 200 and active["connections"] == 2 and room["room"] == one.core.room
            assert [(member["id"], member["role"], member["name"]) for member in room["members"]] == [
                (one.core.member, "host", "main"), (two.core.member, "presenter", "Ada"),
            ]  # fmt: skip
            assert "127.0.0.1" not in str(active)
            assert await here.ask("GET", f"/api/connections/rooms/{room['room']}") == (200, room)
            assert (await here.ask("GET", "/api/connections/rooms/NOROOM"))[0] == 404

    async def test_kicked(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, two):
            kick = f"/api/connections/{two.core.member}/kick"
            assert (await here.ask("POST", kick, {"reason": "wrong room"}))[0] == 204
            refused = await two.until(signaling.Refused)
            assert refused.final and refused.code == "removed" and "wrong room" in refused.message
            assert (await here.ask("POST", kick, {}))[0] == 404
            left: Any = None
            while getattr(left, "change", "") != "left":
                left = await one.until(signaling.Presence)

    async def test_told(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, two):
            path = f"/api/connections/rooms/{one.core.room}/broadcast"
            assert await here.ask("POST", path, {"text": "Restart at six."}) == (200, {"members": 2})
            for member in (one, two):
                assert (await member.until(signaling.Notice)).text == "Restart at six."
            assert (await here.ask("POST", "/api/connections/rooms/NOROOM/broadcast", {"text": "x"}))[0] == 404

    async def test_closed(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here, show(here.ready) as (one, two):
            path = f"/api/connections/rooms/{one.core.room}/close"
            assert (await here.ask("POST", path))[0] == 204
            for member in (one, two):
                assert (await member.until(signaling.Refused)).code == "room_ended"
            assert (await here.ask("POST", path))[0] == 404
            late = Member(here.ready, presenter())
            await late.socket.start()
            assert (await late.until(signaling.Refused)).code == "room_ended"
            await late.socket.stop()

    async def test_a_room_of_a_host_that_is_gone_can_be_closed(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            one = Member(here.ready, host())
            await one.socket.start()
            room = (await one.until(signaling.Opened)).room
            await one.socket.stop()
            assert (await here.ask("POST", f"/api/connections/rooms/{room}/close"))[0] == 204
            assert (await here.ask("GET", ACTIVE))[1]["rooms"] == []


class TestRates:
    async def test_whoever_guesses_passwords_waits_and_the_operator_elsewhere_does_not(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with office(tmp_path) as here:
            few = int(auth.FAILED_NAME.burst)
            guesses = [{"name": "ada", "password": f"guess {n}"} for n in range(few + 1)]
            said = [await here.tell("POST", "/api/auth/token", guess) for guess in guesses]
            assert [status for status, *_ in said] == [401] * few + [429]
            assert int(said[-1][1]["Retry-After"]) > 1 and said[-1][2]["code"] == "rate_limited"
            right = {"name": "ada", "password": PASSWORD}
            assert (await here.ask("POST", "/api/auth/token", right))[0] == 429, "a guess that is right is one too many"
            monkeypatch.setattr("slidewire.server.api.routes.address_of", lambda request: "192.0.2.1")
            assert (await here.ask("POST", "/api/auth/token", right))[0] == 200

    async def test_whoever_guesses_tokens_waits(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            statuses = [(await here.ask("GET", ACTIVE, token=f"swk_{n}"))[0] for n in range(int(auth.FAILED.burst) + 1)]
            assert statuses == [401] * int(auth.FAILED.burst) + [429]
            assert (await here.ask("GET", ACTIVE))[0] == 429, "no oracle: a good token is not looked at either"

    async def test_whoever_shows_nothing_guesses_nothing(self, tmp_path: Path) -> None:
        """A page that is opened by somebody who has not signed in, again and again."""
        async with office(tmp_path) as here:
            for _ in range(int(auth.FAILED.burst) + 5):
                assert (await here.ask("GET", "/api/auth/session", token=""))[0] == 401
                assert (await here.ask("POST", "/api/auth/refresh", {}, token=""))[0] == 401
            assert (await here.ask("GET", ACTIVE))[0] == 200

    async def test_an_address_has_so_many_requests(self, tmp_path: Path) -> None:
        async with office(tmp_path) as here:
            found = [await here.tell("GET", "/api/openapi.json") for _ in range(int(rest.ORDINARY.burst) + 10)]
            assert found[0][0] == 200 and found[-1][0] == 429 and "Retry-After" in found[-1][1]
