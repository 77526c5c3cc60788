"""A hostile holder of one link, in a process of its own: it does one thing as fast as it can, and comes back when it is
sent away. Prints what it managed as JSON.

    python -m benchmarks.floods.flooder KIND LINK SECONDS PROCESSOR ADDRESS
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import aiohttp

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.control.handshake import PresenterHandshake
from slidewire.control.intents import Intent, Point, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.links import Link, parse_link
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.privacy import Privacy
from slidewire.control.records import IntentRecord, Laser, Part, Ping, Record, encode
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.rtc.engine import Channel, Peer, PeerEvents

SESSIONS: Final = 12
AUDIENCE: Final = 64
"""Pages that ask for nothing out of the ordinary."""
FRAME: Final = 10_000
"""Bytes of plaintext: with base64 and the envelope still within what the server takes for one message."""
PER_FRAME: Final = 64

Seal = Callable[[list[Record]], bytes]


def message(**said: Any) -> Part:
    return Part(0, 1, 0, 1, json.dumps(said, separators=(",", ":")).encode())


def command(id_: int, name: str, **said: Any) -> Part:
    return message(type="command", id=id_, name=name, **said)


def records(kind: str, count: Iterator[int]) -> list[Record]:
    """One frame of it."""
    n = next(count)
    match kind:
        case "states":
            return [message(type="get_state")] * PER_FRAME
        case "pictures":
            return [message(type="picture", id=k & 0xFFFF, slide=1 + (n + k) % 8, width=3840) for k in range(PER_FRAME)]
        case "commands":
            return [
                message(type="command", id=n * PER_FRAME + k, name="share_screen", on=k % 2 == 0)
                for k in range(PER_FRAME)
            ]
        case "links":
            return [
                message(type="command", id=n * PER_FRAME + k, name="make_link", role="view") for k in range(PER_FRAME)
            ]
        case "unknown":
            return [message(type="z" * 60)] * PER_FRAME
        case "media":
            return [message(type="media_on", camera=k % 2 == 0, microphone=True, screen=True) for k in range(PER_FRAME)]
        case "pings":
            return [Ping(n)] * PER_FRAME
        case "taps":
            first = n * 16 + 1
            return [IntentRecord(first + k, 0x7FFFFFFF, Intent(Verb.GOTO, 1 + (first + k) % 8)) for k in range(16)]
        case "laser":
            return [Laser(n + 1, 0x7FFFFFFF, tuple(Point(k / 16, n % 97 / 97) for k in range(16)))]
        case "halves":
            return [Part(0, (n + k) & 0xFFFF, 0, 1024, bytes(150)) for k in range(PER_FRAME)]
        case _:
            raise SystemExit(f"what is {kind}?")


class Flooder:
    def __init__(self, kind: str, link: Link, until: float, address: str) -> None:
        self.kind, self.link, self.until, self.address = kind, link, until, address
        self.counts: Counter[str] = Counter()

    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(ssl=False, local_addr=(self.address, 0), limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            await asyncio.gather(*(self._keep_flooding(http, n * 0.07) for n in range(self.sessions)))

    @property
    def sessions(self) -> int:
        return AUDIENCE if self.kind == "audience" else SESSIONS

    async def _keep_flooding(self, http: aiohttp.ClientSession, after: float) -> None:
        await asyncio.sleep(after if self.kind == "audience" else 0.0)
        while not self.is_over():
            try:
                async with asyncio.timeout(max(0.1, self.until - time.monotonic())):
                    await self._flood(http)
            except (aiohttp.ClientError, OSError, AssertionError, TimeoutError, ValueError, TypeError) as error:
                self.counts[f"ended: {type(error).__name__}"] += 1
            await asyncio.sleep(0.05)

    async def _flood(self, http: aiohttp.ClientSession) -> None:
        async with http.ws_connect(self.link.server + "/ws", max_msg_size=0) as socket:
            token = encode_base64url(self.link.join_token)
            await socket.send_json({"type": "join", "v": 1, "link": self.link.link_id, "token": token, "name": ""})
            joined = json.loads((await socket.receive()).data)
            if joined["type"] != "joined":
                self.counts[f"refused: {joined.get('code')}"] += 1
                return
            self.counts["joined"] += 1

            async def send(data: bytes) -> None:
                await socket.send_json({"type": "send", "data": encode_base64url(data)})

            if self.kind == "hellos":
                while not self.is_over() and not socket.closed:
                    await send(self._handshake().hello)
                    self.counts["frames"] += 1
                return
            session = await self._meet(socket, send)
            session.wire.paths.up("signaling", PathKind.SIGNALING, time.monotonic())
            reading = asyncio.create_task(self._read(socket, session))
            try:
                if self.kind.startswith("direct "):
                    await self._flood_directly(session, send, reading)
                elif self.kind == "audience":
                    await send(self._seal(session, [message(type="get_state")]))
                    while not self.is_over() and not reading.done():
                        await send(self._seal(session, [Ping(round(time.monotonic() * 1000) & 0xFFFFFFFF)]))
                        await asyncio.sleep(1)
                elif self.kind == "offers":
                    await self._offer_without_end(session, send, reading)
                else:
                    for sealed in self._frames(self.kind, session):
                        if self.is_over() or reading.done():
                            return
                        await send(sealed)
            finally:
                reading.cancel()

    def _handshake(self) -> PresenterHandshake:
        who = Introduction(os.urandom(16), name="flood", kind="phone", device=os.urandom(8).hex())
        return PresenterHandshake(self.link.link_id, self.link.psk, os.urandom(32), who)

    async def _meet(
        self, socket: aiohttp.ClientWebSocketResponse[Any], send: Callable[[bytes], Awaitable[None]]
    ) -> PresenterSession:
        handshake, asked = self._handshake(), time.monotonic()
        await send(handshake.hello)
        while True:
            said = json.loads((await socket.receive()).data)
            if said["type"] == "message":
                met = handshake.receive_welcome(decode_base64url(said["data"]), time.monotonic(), asked)
                if met is not None:
                    return met[0]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[Any], session: PresenterSession) -> None:
        async for raw in socket:
            said = json.loads(raw.data)
            if said["type"] == "message":
                self.counts["answers"] += 1
                session.receive_frame(decode_base64url(said["data"]), "signaling", time.monotonic())
            elif said["type"] == "error":
                self.counts[f"told: {said['code']}"] += 1

    def _seal(self, session: PresenterSession, plain: list[Record]) -> bytes:
        first = session.wire.introduction
        return session.wire._sealer.seal(encode(plain if first is None else [first, *plain]))

    def _frames(self, kind: str, session: PresenterSession) -> Iterator[bytes]:
        count = iter(range(1 << 31))
        while True:
            self.counts["frames"] += 1
            yield self._seal(session, records(kind, count))

    async def _say(self, session: PresenterSession, send: Callable[[bytes], Awaitable[None]], **said: Any) -> None:
        data = json.dumps(said).encode()
        total = -(-len(data) // 8000)
        for number in range(total):
            await send(self._seal(session, [Part(0, 7, number, total, data[number * 8000 : (number + 1) * 8000])]))

    async def _offer_without_end(
        self, session: PresenterSession, send: Callable[[bytes], Awaitable[None]], reading: asyncio.Task[None]
    ) -> None:
        peer = self._peer(lambda channel: None)
        sdp = await peer.offer()
        for generation in range(1, 1 << 31):
            if self.is_over() or reading.done():
                break
            await self._say(session, send, type="offer", generation=generation, sdp=sdp)
            self.counts["frames"] += 1
        await peer.close()

    def _peer(self, opened: Callable[[Channel], object]) -> Peer:
        events = PeerEvents(
            opened=lambda channel: void(opened(channel)), received=lambda channel, data: None, closed=lambda: None
        )
        return AiortcEngine().create_peer([], events, Privacy.OPEN)

    async def _flood_directly(
        self, session: PresenterSession, send: Callable[[bytes], Awaitable[None]], reading: asyncio.Task[None]
    ) -> None:
        """By a data channel, where no server counts."""
        is_open, answered = asyncio.Event(), asyncio.get_running_loop().create_future()
        peer = self._peer(lambda channel: is_open.set() if channel is Channel.CONTROL else None)
        session_effects = asyncio.create_task(self._wait_for_answer(session, answered))
        try:
            await self._say(session, send, type="offer", generation=1, sdp=await peer.offer())
            async with asyncio.timeout(8):
                await peer.accept_answer(await answered)
                await is_open.wait()
            self.counts["direct"] += 1
            for number, sealed in enumerate(self._frames(self.kind.partition(" ")[2], session)):
                if self.is_over() or reading.done() or not peer.send(Channel.CONTROL, sealed):
                    break
                if number % 8 == 0:
                    await asyncio.sleep(0)
        finally:
            session_effects.cancel()
            with contextlib.suppress(Exception):
                await peer.close()

    async def _wait_for_answer(self, session: PresenterSession, answered: asyncio.Future[str]) -> None:
        while not answered.done():
            effect = session.next_effect()
            said = getattr(effect, "message", None)
            if said is not None and said["type"] == "answer":
                answered.set_result(said["sdp"])
            elif effect is None:
                await asyncio.sleep(0.01)


def void(_: object) -> None:
    pass


def main() -> None:
    kind, link, seconds, processor, address = sys.argv[1:]
    os.sched_setaffinity(0, {int(processor)})
    flooder = Flooder(kind, parse_link(link), time.monotonic() + float(seconds), address)
    asyncio.run(flooder.run())
    print(json.dumps(flooder.counts))


if __name__ == "__main__":
    main()
