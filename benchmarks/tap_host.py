"""The host's side of `tap_to_key`, in a process of its own: everything that a tap can end in, with the time noted.

    python -m benchmarks.tap_host '{"state": …, "deck": …, "keys_display": …, "relay": …}'

One server and three hosts as `slidewire up` composes them, each with another deck: one that only notes, the keys
driver, and Impress. Beside them, in the same process and on the same event loop, the two things they are measured
against: a bare aiortc data channel that sends back what it gets, and a client of the plain relay, which drives the very
same decks.

Standard output is one JSON object per line: `ready`, `answer`, and `{"mark", "at"}` for every moment noted. Marks are
written after a moment's pause, so that writing them is no part of what they measure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from slidewire.aio.loop import run
from slidewire.control.intents import Intent, Outcome, Point, Verb
from slidewire.host.decks.driver import DeckDriver, DeckState, Picture, Reported, Reports, not_told
from slidewire.host.decks.impress.driver import ImpressDeck
from slidewire.host.decks.keys.driver import KeysDeck
from slidewire.host.program import HostProgram
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.server.app import Server
from slidewire.server.config import ServerSettings
from slidewire.testing.deck import MemoryDeck

WRITTEN_AFTER = 0.03


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def mark(name: str) -> None:
    """Note that this happened now."""
    at = time.time()
    asyncio.get_running_loop().call_later(WRITTEN_AFTER, lambda: say(mark=name, at=at))


class Noted(DeckDriver):
    """A deck with a stopwatch: `NAME.perform` when an intent is handed to it, `NAME.slide` when it shows another
    slide."""

    reports = Reports(show=Reported.PUSHED, slide=Reported.PUSHED)
    hold_at_end = True

    def __init__(self, name: str, deck: DeckDriver) -> None:
        self._tell: Callable[[], None] = not_told
        self.driver = deck.driver
        self.can = deck.can
        self.pictures = deck.pictures
        self._name = name
        self._deck = deck
        self._slide = deck.state().slide

    def _changed(self) -> None:
        if (slide := self._deck.state().slide) != self._slide:
            self._slide = slide
            mark(f"{self._name}.slide")
        self._tell()

    async def perform(self, intent: Intent) -> Outcome:
        mark(f"{self._name}.perform")
        return await self._deck.perform(intent)

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        self._tell = changed
        await self._deck.open(self._changed)
        self.can = self._deck.can

    def state(self) -> DeckState:
        return self._deck.state()

    async def picture(self, slide: int, width: int) -> Picture | None:
        return await self._deck.picture(slide, width)

    def point(self, at: Point | None) -> bool:
        return self._deck.point(at)

    async def close(self) -> None:
        await self._deck.close()


class PlainDeck(MemoryDeck):
    """Slides in memory, and no pictures: it costs nothing, so that what is seen is the way to it."""

    pictures = False

    def __init__(self) -> None:
        super().__init__(count=60_000)


async def bare_channel(offer: str) -> tuple[RTCPeerConnection, str]:
    """The library and nothing else: a data channel with Slidewire's options, which sends back what it gets."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = connection.createDataChannel("bare", negotiated=True, id=0, ordered=False, maxRetransmits=0)

    @channel.on("message")
    def received(data: bytes) -> None:
        mark("bare.received")
        channel.send(data)

    await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    return connection, connection.localDescription.sdp


async def relay_client(url: str, decks: dict[str, DeckDriver]) -> None:
    """What somebody would write in an afternoon: a message comes, the deck is told, the outcome goes back."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        async for message in socket:
            asked = json.loads(message.data)
            if asked["deck"] == "noted":
                mark("relay.received")
                outcome = None
            else:
                outcome = await decks[asked["deck"]].perform(Intent(Verb[asked["verb"].upper()]))
            await socket.send_str(json.dumps({"done": asked["deck"], "after": outcome and outcome.after}))


async def main(options: dict[str, str]) -> None:
    state = Path(options["state"])
    server = Server(ServerSettings(listen="127.0.0.1", port=0, state_dir=state))
    started = await server.start()
    decks: dict[str, DeckDriver] = {
        "plain": Noted("plain", PlainDeck()),
        "keys": Noted("keys", KeysDeck(display=options["keys_display"])),
        "impress": Noted("impress", ImpressDeck(Path(options["deck"]), profile=state / "office")),
    }
    programs, links = [], {}
    for name, deck in decks.items():
        program = HostProgram(
            started.url,
            deck,
            AiortcEngine(),
            deck_name=name,
            connect_to=started.local_url,
            ca=started.ca,
            state=state,
        )
        links[name] = (await program.start()).presenter_link
        programs.append(program)
    relaying = asyncio.create_task(relay_client(options["relay"], decks))
    say(ready=links)

    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    bare = None
    while line := await reader.readline():  # one line: the offer for the bare channel; then until the end of input
        bare, answer = await bare_channel(json.loads(line)["offer"])
        say(answer=answer)
    relaying.cancel()
    if bare is not None:
        await bare.close()
    for program in programs:
        await program.stop(end_room=True)
    await server.stop()


if __name__ == "__main__":
    run(main(json.loads(sys.argv[1])))
