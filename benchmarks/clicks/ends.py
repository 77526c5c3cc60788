"""The far ends of the click benchmark, each a process on a machine of the lab.

    python -m benchmarks.clicks.ends server ADDRESS STATE PAGES          Slidewire's server, with the benchmark's pages
    python -m benchmarks.clicks.ends hosts URL CA STATE COUNT            Slidewire hosts, a room each, decks in memory
    python -m benchmarks.clicks.ends channels                            aiortc; its default channel answers clicks
    python -m benchmarks.clicks.ends relay ADDRESS CERTIFICATES          a WebSocket server that hands clicks on
    python -m benchmarks.clicks.ends answerer URL                        … and the end behind it that answers them
    python -m benchmarks.clicks.ends peers ADDRESS CERTIFICATES PAGES    what PeerJS needs of a PeerServer, and pages

They speak JSON lines: what the script needs to know when they are ready, and an answer to each line of input.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from slidewire.aio.loop import run
from slidewire.control.intents import Intent, Outcome
from slidewire.host.program import HostProgram
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.server.app import Server
from slidewire.server.config import ServerSettings
from slidewire.server.public_url import names_of
from slidewire.system.certificates import LocalCertificates
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


async def channels() -> None:
    connections = []

    def answer_clicks(channel: RTCDataChannel) -> None:
        channel.on("message", channel.send)

    say({})
    async for offers in lines():
        answers = []
        for sdp in offers:
            connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            connection.on("datachannel", answer_clicks)
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
            answers.append(connection.localDescription.sdp)
            connections.append(connection)
        say(answers)


async def relay(address: str, certificates: str) -> None:
    """`/host` is the one that answers; everybody else's texts go to it, with a number in front to find the way back."""
    members: dict[str, web.WebSocketResponse] = {}

    async def member(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        name = "host" if request.path == "/host" else str(len(members))
        members[name] = socket
        async for message in socket:
            if name == "host":
                to, _, text = message.data.partition(" ")
                with contextlib.suppress(ConnectionError):  # its page was closed meanwhile
                    await members[to].send_str(text)
            else:
                await members["host"].send_str(f"{name} {message.data}")
        return socket

    app = web.Application()
    app.add_routes([web.get("/host", member), web.get("/click", member)])
    await serve(app, address, 9001, certificates)


async def answerer(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/host", ssl=False) as socket:
        say({})
        async for message in socket:
            await socket.send_str(message.data)


async def peers(address: str, certificates: str, pages: str) -> None:
    """As much of the PeerServer's protocol as two pages need to find each other."""
    members: dict[str, web.WebSocketResponse] = {}

    async def member(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        name = request.query["id"]
        members[name] = socket
        await socket.send_json({"type": "OPEN"})
        async for message in socket:
            told = json.loads(message.data)
            if (to := members.get(told.get("dst"))) is not None:
                with contextlib.suppress(ConnectionError):
                    await to.send_json({**told, "src": name})
        return socket

    app = web.Application()
    app.add_routes([web.get("/peerjs", member), web.static("/", pages)])
    await serve(app, address, 9000, certificates)


async def serve(app: web.Application, address: str, port: int, certificates: str) -> None:
    folder = LocalCertificates(Path(certificates))
    folder.ensure(names_of(ServerSettings(listen=address)), dt.datetime.now(dt.UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder.certificate_path, folder.key_path)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, address, port, ssl_context=context).start()
    say({"url": f"wss://{address}:{port}"})
    async for _ in lines():
        pass


if __name__ == "__main__":
    ends = (server, hosts, channels, relay, answerer, peers)
    run({end.__name__: end for end in ends}[sys.argv[1]](*sys.argv[2:]))
