"""Real programs that say all they can (-vv), asked with secrets that are marked: none is in what they write down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.programs import LOOPBACK, NO_DISPLAY, programs

MARK = "s3cr3tS3CR3Ts3cr3t"
PASSWORD = f"correct horse {MARK}"


def written(home: Path, *but: str) -> str:
    """All text that programs left there, but what is for secrets."""
    found = [path for path in home.rglob("*") if path.is_file() and path.suffix in (".err", ".jsonl", ".log")]
    assert any(path.suffix == ".err" and path.stat().st_size for path in found), "they did say something"
    return "\n".join(path.read_text(errors="replace") for path in found if path.name not in but)


async def ask(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> None:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with session.request(method, path, timeout=aiohttp.ClientTimeout(total=10), **more) as answer:
            await answer.read()


async def raw(port: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                await reader.read()
    finally:
        writer.close()


async def test_what_a_server_is_asked_with(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with programs(home) as started:
        serve = await started.start("serve", *LOOPBACK, "--http", "--turn-port", "0", "-vv")
        ready = await serve.ready()
        invitation = ready["account_link"].partition("#")[2]
        async with aiohttp.ClientSession(ready["https"]) as session:
            made = {"invitation": invitation, "name": "ada", "password": PASSWORD}
            async with session.post("/api/auth/accept", json=made) as answer:
                assert answer.status in (200, 201)
                tokens = await answer.json()
            await ask(session, "POST", "/api/auth/token", json={"name": "ada", "password": f"wrong {MARK}"})
            await ask(session, "POST", "/api/auth/token", json={"name": MARK, "password": MARK})
            await ask(session, "POST", "/api/auth/token", data=f'{{"password": "{MARK}"')
            await ask(session, "POST", "/api/auth/refresh", json={"refresh_token": f"swr_{MARK}"})
            await ask(session, "POST", "/ws", data=json.dumps({"type": "join", "v": 1, "link": "a", "token": MARK}))
            for path in (
                f"/p/abcdefgh23?secret={MARK}",
                f"/{MARK}",
                f"/api/turn-credentials?username={MARK}",
                "/metrics",
                "/ws",
            ):
                for headers in (
                    {"Authorization": f"Bearer {MARK}"},
                    {"Authorization": f"Bearer swk_{MARK}"},
                    {"Cookie": f"slidewire-access={MARK}; __Host-slidewire-access={MARK}"},
                    {"Referer": f"https://clicker.example/p/abcdefgh23#{MARK}"},
                    {"Proxy-Authorization": f"Basic {MARK}"},
                    {"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Key": MARK},
                ):
                    await ask(session, "GET", path, headers=headers)
        for said in (
            f"GET /{MARK} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            f"GET /p/x#{MARK} HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
            f"{MARK} / HTTP/1.1\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization: Bearer {MARK}\x00\r\n\r\n",
            f"GET http://me:{MARK}@evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ):
            await raw(ready["port"], said.encode())
        key_of_the_relay = (home / "slidewire" / "turn-secret").read_text().split()
        api_token = (home / "slidewire" / "api-token").read_text().strip()
        assert await serve.stop() == 0
    log = written(home).lower()
    for secret in (MARK, invitation, tokens["access_token"], api_token, *key_of_the_relay):
        assert secret.lower() not in log, secret
    assert "traceback" not in log


async def test_what_a_show_goes_by(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with programs(home) as started:
        up = await started.start("up", *LOOPBACK, "--turn-port", "0", "-vv", environment=NO_DISPLAY)
        ready = await up.ready()
        present = await started.start("present", ready["presenter_link"], "-vv")
        await present.wait_for(event="connected")
        await present.say("next", "previous")
        assert len(await present.receipts(2)) == 2
        listed = await started.start("link", "list", "-vv")
        await listed.process.wait()
        key_of_the_relay = (home / "slidewire" / "turn-secret").read_text().split()
        links = [value for name, value in ready.items() if name.endswith("_link") and value]
        assert await present.end_of_input() == 0
        assert await up.stop() == 0
    log = written(home)
    assert len(links) >= 3
    for link in links:
        assert link.partition("#")[2] not in log
    for secret in key_of_the_relay:
        assert secret not in log
    assert '"credential"' not in log and "Traceback" not in log


async def test_what_a_browser_is_started_with(tmp_path: Path) -> None:
    """Its arguments are in the list of processes."""
    started_with = tmp_path / "arguments"
    stand_in = tmp_path / "browser"
    stand_in.write_text(
        f'#!/bin/sh\nprintf "%s" "$1" >"{started_with}.new" && mv "{started_with}.new" "{started_with}"\n'
    )
    stand_in.chmod(0o755)
    async with programs(tmp_path / "home") as started:
        environment = {**NO_DISPLAY, "BROWSER": f"{stand_in} %s"}
        up = await started.start("up", *LOOPBACK, "--no-turn", "--open", environment=environment)
        ready = await up.ready()
        async with asyncio.timeout(20):
            while not started_with.exists():
                await asyncio.sleep(0.05)
        address = started_with.read_text()
        assert address.startswith(f"{ready['https']}/open/") and "#" not in address
        assert ready["deck_link"].partition("#")[2] not in address
        context = ssl.create_default_context(cafile=ready["ca"])
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(address, allow_redirects=False) as answer,
        ):
            link, _, grant = answer.headers["Location"].rpartition(
                "."
            )  # the grant is for the keyboard of this computer
            assert link == ready["deck_link"] and len(grant) == 22 and grant not in address
