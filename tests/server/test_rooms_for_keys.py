"""`serve --rooms keys`: a new room is opened for who has a token with the scope for it, and for nobody else."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from slidewire.base.base64url import encode_base64url
from slidewire.server.accounts.api_keys import Scope
from slidewire.signaling import messages as m
from tests.server.operators import Office, office
from tests.support.programs import programs


async def opens(here: Office, token: str | None, *, room: str | None = None, secret: bytes = bytes(16)) -> Any:
    """The server's answer to who opens a room, and the code with which it closed the socket, if it did."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    said = {
        "type": "open_room",
        "v": m.VERSION,
        "token": encode_base64url(secret),
        **({"room": room} if room else {}),
    }
    async with here.web.ws_connect("/ws", headers=headers) as socket:
        await socket.send_str(json.dumps(said))
        answer = await socket.receive_json(timeout=5)
        if answer["type"] == "error":
            await socket.receive(timeout=5)
            return answer["code"], socket.close_code
        return answer


async def test_no_other_scope_opens_one(tmp_path: Path) -> None:
    async with office(tmp_path, rooms_need_key=True) as here:
        key = await here.key(*(scope for scope in Scope if scope is not Scope.ROOMS))
        assert await opens(here, key) == ("key_needed", 4403)


async def test_who_has_a_token_opens_rooms_and_nobody_else(tmp_path: Path) -> None:
    async with office(tmp_path, rooms_need_key=True) as here:
        key = await here.key("rooms.open")
        elsewhere = await here.key("rooms.open", addresses=["192.0.2.0/24"])
        basic = base64.b64encode(key.encode()).decode()
        for token in (None, "swk_wrong", "", elsewhere, here.refresh, f"{key}x", basic):
            assert await opens(here, token) == ("key_needed", 4403), token
        assert (await here.ask("GET", "/api/connections/active"))[1]["rooms"] == []
        for token in (key, here.access):
            assert (await opens(here, token))["type"] == "room_opened"
        # A room that is there belongs to who has its token, key or no key: a host comes back when its key is over.
        room = (await opens(here, key, secret=b"1" * 16))["room"]
        assert (await opens(here, None, room=room, secret=b"1" * 16))["room"] == room
        assert await opens(here, key, room=room, secret=b"2" * 16) == ("room_taken", 4403)
        status, _ = await here.ask("POST", f"/api/connections/rooms/{room}/close")
        assert status == 204
        assert await opens(here, None, room=room, secret=b"1" * 16) == ("key_needed", 4403)


async def test_a_socket_made_of_requests_is_no_way_around(tmp_path: Path) -> None:
    said = json.dumps({"type": "open_room", "v": m.VERSION, "token": encode_base64url(bytes(16))})
    async with office(tmp_path, rooms_need_key=True) as here:
        for token, wanted in ((None, "key_needed"), (await here.key("rooms.open"), "room_opened")):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            async with here.web.post("/ws", data=said, headers=headers) as answer:
                assert wanted in await answer.text()


async def test_a_guesser_of_keys_is_stopped_as_everywhere(tmp_path: Path) -> None:
    async with office(tmp_path, rooms_need_key=True) as here:
        key = await here.key("rooms.open")
        for guess in range(20):
            assert await opens(here, f"swk_{guess}") == ("key_needed", 4403)
        assert await opens(here, key) == ("key_needed", 4403)  # not even looked at
        assert (await here.ask("GET", "/api/connections/active"))[0] == 429


async def test_without_the_option_anybody_opens_rooms(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        assert (await opens(here, None))["type"] == "room_opened"


async def test_a_host_says_what_to_do_and_opens_its_room_with_a_key(tmp_path: Path) -> None:
    async with office(tmp_path, rooms_need_key=True) as here, programs(tmp_path / "host") as started:
        show = ("host", "--driver", "web", "--server", here.ready.local_url)
        file = tmp_path / "key"
        file.write_text("not one")
        for more, advice in (
            ((), "an API key with the scope rooms.open"),
            (("--api-key-file", str(file)), "has no API key in it"),
        ):
            refused = await started.start(*show, *more)
            assert await asyncio.wait_for(refused.process.wait(), 20) != 0
            assert advice in refused.errors and "Traceback" not in refused.errors
        key = await here.key("rooms.open")
        file.write_text(f"{key}\n")
        host = await started.start(*show, "--api-key-file", str(file), "-vvv")
        await host.ready()
        assert len((await here.ask("GET", "/api/connections/active"))[1]["rooms"]) == 1
        assert key not in host.errors
