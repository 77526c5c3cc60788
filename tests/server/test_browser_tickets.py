"""A ticket leads to its link once, and no longer than it is good."""

from __future__ import annotations

from pathlib import Path

import pytest

from slidewire.server import browser_tickets as tickets
from slidewire.server.app import Server
from tests.server.test_server import browser, settings, until

LINK = "https://127.0.0.1:1/deck/abcdefgh23#s3cr3t"


async def test_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(settings(tmp_path, http=True))
    ready = await server.start()
    try:
        async with browser(ready) as session:
            path = server.tickets.make(LINK)
            assert "s3cr3t" not in path and path != server.tickets.make(LINK)
            async with session.head(path, allow_redirects=False) as answer:
                assert answer.status == 405, "looking is not taking"
            async with session.get(path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, LINK)
            async with session.get(path, allow_redirects=False) as answer:
                assert answer.status == 404
            monkeypatch.setattr(tickets, "GOOD_SECONDS", 0.01)
            late = server.tickets.make(LINK)

            async def over() -> bool:
                return not [left for left in server.tickets._links if late.endswith(left)]

            await until(over)
            async with session.get(late, allow_redirects=False) as answer:
                assert answer.status == 404
    finally:
        await server.stop()
