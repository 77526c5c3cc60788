"""The far ends of the click benchmark, each a process on a machine of the lab.

    python -m benchmarks.clicks.ends server ADDRESS STATE PAGES     Slidewire's server, serving the benchmark's pages
    python -m benchmarks.clicks.ends hosts URL CA STATE COUNT       Slidewire hosts, a room each, decks in memory

They speak JSON lines: what the script needs to know when they are ready, and an answer to each line of input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from slidewire.aio.loop import run
from slidewire.control.intents import Intent, Outcome
from slidewire.host.program import HostProgram
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.server.app import Server
from slidewire.server.config import ServerSettings
from slidewire.testing.deck import MemoryDeck


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def lines() -> AsyncIterator[Any]:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def server(address: str, state: str, pages: str) -> None:
    settings = ServerSettings(listen=address, port=8443, state_dir=Path(state), pages_dir=Path(pages))
    ready = await Server(settings).start()
    say({"url": ready.url, "ca": str(ready.ca)})
    async for _ in lines():
        pass


class WatchedDeck(MemoryDeck):
    """Remembers when it was told what. Clicks are numbered by the slide they ask for."""

    def __init__(self) -> None:
        super().__init__(65535)
        self.told: list[tuple[int, float]] = []

    async def perform(self, intent: Intent) -> Outcome:
        self.told.append((intent.argument, time.time()))
        return await super().perform(intent)


async def hosts(url: str, ca: str, state: str, count: str) -> None:
    decks, links = [], []
    for number in range(int(count)):
        deck = WatchedDeck()
        program = HostProgram(
            url, deck, AiortcEngine(), deck_name=str(number), ca=Path(ca), state=Path(state) / str(number)
        )
        ready = await program.start()
        decks.append(deck)
        links.append(ready.presenter_link)
    say({"links": links})
    async for _ in lines():
        say({"told": [deck.told for deck in decks]})
        for deck in decks:
            deck.told = []


if __name__ == "__main__":
    run({"server": server, "hosts": hosts}[sys.argv[1]](*sys.argv[2:]))
