"""A participant that keeps to nothing, in a process of its own, at a loopback address of its own.

python -m tests.attack.hostile_client SECONDS SEED CA < LINK

It shakes hands as a presenter does, has a direct path where there is one, and then seals whatever
`slidewire.testing.hostile` makes up, by all its paths, at any rate. Who is thrown out comes again. It says as JSON what
became of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path

from slidewire.aio.clock import monotonic
from slidewire.aio.own_clients import AddressInfo
from slidewire.control.intents import Verb
from slidewire.control.links import Link, parse_link
from slidewire.control.sealed_session import Transmit
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.presenter.room import socket_for, tell
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.signaling.client import Event, Refused
from slidewire.testing.hostile import HostileSpeech
from tests.attack.attacker import ADDRESS


class HostileClient:
    def __init__(self, link: Link, ca: Path, dice: random.Random, fates: Counter[str]) -> None:
        self.dice, self.fates = dice, fates
        self.speech = HostileSpeech(dice, verbs=[verb for verb in Verb if verb is not Verb.STOP])
        self.is_over = False
        events = PresenterEvents(
            path_changed=lambda path: fates.update([f"path {path}"]),
            receipt=lambda receipt: None,
            laser=lambda answered: None,
            state=lambda state: fates.update(["states"]),
            closed=self._closed,
        )
        self.connection = PresenterConnection(link, AiortcEngine(), "Eve", events)
        self.socket = socket_for(self.connection, link, self._hear, ca)
        self.socket._make_socket = _socket_at_address

    def _closed(self, code: str, reason: str) -> None:
        self.is_over = True
        self.fates[f"closed {code}"] += 1

    def _hear(self, event: Event) -> None:
        if isinstance(event, Refused):
            self.is_over = True
            self.fates["refused"] += 1
        tell(self.connection, event, "here")

    async def run(self, until: float) -> None:
        dice = self.dice
        await self.socket.start()
        patience = time.monotonic() + 5
        stays_until = min(until, time.monotonic() + dice.choice((3.0, 20.0)))
        while time.monotonic() < stays_until and not self.is_over:
            session = self.connection.core.session
            if session is None or session.wire.introduction is not None:
                if time.monotonic() > patience:
                    break
                await asyncio.sleep(0.02)
                continue
            for _ in range(dice.choice((1, 1, 3, 10, 60, 200))):
                frames = self.speech.parts() if dice.random() < 0.03 else [self.speech.plaintext()]
                for frame in frames:
                    path = dice.choice([known.name for known in session.wire.paths._paths.values()] or ["signaling"])
                    self.connection.core._obey(Transmit(path, session.wire._sealer.seal(frame)), monotonic())
                    self.connection._drain()
                    self.fates[f"frames {path.partition('/')[0]}"] += 1
                await asyncio.sleep(0)
            await asyncio.sleep(dice.choice((0.0, 0.01, 0.1, 0.5)))
        await self.connection.close()
        await self.socket.stop()


def _socket_at_address(to: AddressInfo) -> socket.socket:
    made = socket.socket(to[0], to[1], to[2])
    made.setblocking(False)
    made.bind((ADDRESS, 0))
    return made


async def main() -> None:
    seconds, seed, ca = sys.argv[1:]
    link = parse_link(sys.stdin.readline().strip())
    logging.disable()  # what the host says to it is nothing to anybody
    os.nice(19)  # an attacker's work is done on its own machine, and does not slow ours
    fates, dice, until = Counter[str](), random.Random(int(seed)), time.monotonic() + float(seconds)
    while time.monotonic() < until:
        fates["came"] += 1
        await HostileClient(link, Path(ca), dice, fates).run(until)
        await asyncio.sleep(0.3)
    sys.stdout.write(json.dumps(fates))


if __name__ == "__main__":
    asyncio.run(main())
