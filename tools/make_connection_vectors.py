"""Writes protocol/vectors/connection.json: presenters in bad networks, step by step, as the Python core lived them.

A seeded show is played with the real core (`slidewire.testing.world`), and everything that is done to one presenter's
connection is written down, with everything that it wanted done then. The browser twin must want the very same, byte for
byte; of data that is sent, the first bytes of its hash are written. Run it after the core changed, and read the diff.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from slidewire.base.base64url import encode_base64url
from slidewire.control import messages
from slidewire.control.connection import Connection, HostEntry
from slidewire.control.effects import (
    CheckServer,
    ConnectionClosed,
    CreateHandshake,
    Effect,
    PathChanged,
    PathLost,
    PrivacyTightened,
    ReadWelcome,
    SendByPeer,
    SendBySignaling,
    SessionBegan,
    StateChanged,
)
from slidewire.control.generations import AcceptAnswer, AddCandidate, ClosePeer, CreateOffer
from slidewire.control.handshake import PresenterHandshake, Welcome, session_name
from slidewire.control.intents import Intent, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.paths import Channel
from slidewire.control.presenter_session import LaserAnswered, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.sealed_session import MessageArrived, PictureArrived
from slidewire.testing.pair import LINK_ID, PSK
from slidewire.testing.world import World

TARGET: Final = Path(__file__).parent.parent / "protocol" / "vectors" / "connection.json"
SEEDS: Final = (10, 20, 32, 45, 62, 71)
SECONDS: Final = 30.0
SERVERS: Final = (
    {"urls": "stun:clicker.example:3478"},
    {"urls": ["turn:turn.example:3478"], "username": "u", "credential": "c"},
)
TICK, SHIFT = 1 / 1024, 1 / 4096
"""Moments are multiples of one, and the other: exact in seconds and in milliseconds, and never halfway between two
whole milliseconds. So neither language rounds where the other does not."""


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:12]


class Transcript:
    """A connection, and everything that was done to it and came out of it."""

    def __init__(self) -> None:
        self.core = Connection("clicker.example", lambda: 0.5)
        self.steps: list[dict[str, Any]] = []
        self._requests: list[Effect] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def note(self, now: float, do: str, **what: Any) -> None:
        self.steps.append({"at": now * 1000, "do": do, **what, "effects": []})

    # What is done to it

    def start(self, handshake: PresenterHandshake, now: float) -> None:
        self.note(now, "start", hello=encode_base64url(handshake.hello))
        self.core.start(handshake, now)

    def wake(self, now: float, *, is_new_network: bool = False) -> None:
        self.note(now, "wake", is_new_network=is_new_network)
        self.core.wake(now, is_new_network=is_new_network)

    def set_privacy(self, wanted: Privacy, now: float) -> None:
        self.note(now, "set_relays_only", on=wanted is Privacy.PRIVATE)
        self.core.set_privacy(wanted, now)

    def joined(self, hosts: Sequence[HostEntry], ice_servers: Sequence[object], network: str, now: float) -> None:
        self.note(now, "joined", hosts=_entries(hosts), ice_servers=SERVERS, network="here")
        self.core.joined(hosts, SERVERS, "here", now)

    def hosts_changed(self, hosts: Sequence[HostEntry], now: float) -> None:
        self.note(now, "hosts_changed", hosts=_entries(hosts))
        self.core.hosts_changed(hosts, now)

    def server_lost(self, now: float) -> None:
        self.note(now, "server_lost")
        self.core.server_lost(now)

    def submit(self, intent: Intent, now: float, time_to_live: float) -> int | None:
        if self.core.session is not None:
            self.note(now, "submit", verb=intent.verb.word, argument=intent.argument, ttl=round(time_to_live * 1000))
        return self.core.submit(intent, now, round(time_to_live * 1000) / 1000)

    def receive_signaling(self, data: bytes, member: str, now: float) -> None:
        self.note(now, "receive_signaling", data=encode_base64url(data), member=member)
        self.core.receive_signaling(data, member, now)

    def receive_peer(self, data: bytes, generation: int, channel: Channel, now: float) -> None:
        self.note(now, "receive_peer", data=encode_base64url(data), generation=generation, channel=channel.value)
        self.core.receive_peer(data, generation, channel, now)

    def handshake_created(self, request: CreateHandshake, handshake: PresenterHandshake, now: float) -> None:
        self.note(
            now, "handshake_created", request=self._requests.index(request), hello=encode_base64url(handshake.hello)
        )
        self.core.handshake_created(request, handshake, now)

    def welcome_read(self, request: ReadWelcome, welcome: Welcome | None, now: float) -> None:
        read = None if welcome is None else _welcome(request.handshake, welcome, now)
        self.note(now, "welcome_read", request=self._requests.index(request), welcome=read)
        self.core.welcome_read(request, welcome, now)

    def offer_created(self, generation: int, sdp: str, now: float) -> None:
        self.note(now, "offer_created", generation=generation, sdp=sdp)
        self.core.offer_created(generation, sdp, now)

    def candidate_found(self, generation: int, candidate: messages.IceCandidate | None, now: float) -> None:
        self.note(now, "candidate_found", generation=generation, candidate=_candidate(candidate))
        self.core.candidate_found(generation, candidate, now)

    def channel_opened(self, generation: int, channel: Channel, is_relayed: bool, now: float) -> None:
        self.note(now, "channel_opened", generation=generation, channel=channel.value, is_relayed=is_relayed)
        self.core.channel_opened(generation, channel, is_relayed, now)

    def peer_failed(self, generation: int, now: float) -> None:
        self.note(now, "peer_failed", generation=generation)
        self.core.peer_failed(generation, now)

    def handle_timer(self, now: float) -> None:
        self.note(now, "timer")
        self.core.handle_timer(now)

    # What comes out of it

    def next_effect(self) -> Effect | None:
        effect = self.core.next_effect()
        if effect is None:
            timer = self.core.get_timer()
            self.steps[-1]["timer"] = None if timer is None else round(timer * 1000, 3)
        else:
            if isinstance(effect, CreateHandshake | ReadWelcome):
                self._requests.append(effect)
            if (words := told(effect)) is not None:
                self.steps[-1]["effects"].append(words)
        return effect


def told(effect: Effect) -> list[Any] | None:
    """None: the browser's core has no such effect; STUN and TURN servers are refused there where the peer is made."""
    tell: Callable[[Any], list[Any]] | None = TOLD.get(type(effect))
    return None if tell is None else tell(effect)


TOLD: Final[dict[type, Callable[[Any], list[Any]]]] = {
    SendBySignaling: lambda e: ["send_by_signaling", e.member, digest(e.data)],
    SendByPeer: lambda e: ["send_by_peer", e.generation, e.channel.value, digest(e.data)],
    CheckServer: lambda e: ["check_server", e.is_silent],
    CreateHandshake: lambda e: ["create_handshake", e.replaces],
    ReadWelcome: lambda e: ["read_welcome", digest(e.data)],
    CreateOffer: lambda e: ["create_offer", e.generation, _urls(e), e.privacy.value],
    AcceptAnswer: lambda e: ["accept_answer", e.generation, e.sdp, e.is_near],
    AddCandidate: lambda e: ["add_candidate", e.generation, _candidate(e.candidate)],
    ClosePeer: lambda e: ["close_peer", e.generation],
    SessionBegan: lambda e: ["session", e.role.value],
    StateChanged: lambda e: ["state", e.state.deck.slide],
    PathChanged: lambda e: ["path_changed", None if e.kind is None else e.kind.value],
    PathLost: lambda e: ["path_lost"],
    PrivacyTightened: lambda e: ["privacy_tightened"],
    ReceiptArrived: lambda e: ["receipt", e.sequence, e.status.word, e.reason.word, e.before, e.after],
    LaserAnswered: lambda e: ["laser_receipt", e.status.word, e.reason.word],
    MessageArrived: lambda e: ["message", msgspec.to_builtins(e.message)["type"]],
    PictureArrived: lambda e: ["picture", e.id, digest(e.data)],
    ConnectionClosed: lambda e: ["closed", e.code, e.reason],
}


def _urls(offer: CreateOffer) -> list[str]:
    return [url for server in offer.ice_servers for url in server.urls]


def _candidate(candidate: messages.IceCandidate | None) -> Any:
    return None if candidate is None else msgspec.to_builtins(candidate)


def _entries(hosts: Sequence[HostEntry]) -> list[dict[str, Any]]:
    return [{"member": host.member, "name": "", "away": host.is_away} for host in hosts]


def _welcome(handshake: PresenterHandshake, welcome: Welcome, now: float) -> dict[str, Any]:
    """What the browser's `Welcome` is made of."""
    session = handshake.session(welcome, now, now)
    introduction = session.wire.introduction
    assert introduction is not None
    return {
        "session": welcome.session,
        "clock": welcome.clock,
        "role": welcome.role.value,
        "privacy": welcome.privacy.value,
        "ice_hosts": list(welcome.ice_hosts),
        "name": session_name(session.wire),
        "send": welcome.keys.send.hex(),
        "receive": welcome.keys.receive.hex(),
        "introduction": introduction.data.hex(),
    }


class RecordedWorld(World):
    """A show with one presenter, whose clock shows the world's moments, which are multiples of a tick."""

    INTENTS = (*map(Intent, map(Verb, (1, 2, 3, 4, 6, 7, 8, 9))), *[Intent(Verb.NEXT)] * 12)
    """Verbs that come later change nothing here."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, presenters=1, between_taps=4.0)
        self.transcript = Transcript()
        (self.presenter,) = self.presenters
        self.presenter.rate, self.presenter.offset = 1.0, 4096.0
        self.presenter.connection = cast("Connection", self.transcript)

    def at(self, moment: float, call: Callable[..., None], *arguments: Any) -> None:
        super().at(math.ceil((moment - SHIFT) / TICK) * TICK + SHIFT, call, *arguments)


def play(seed: int) -> list[dict[str, Any]]:
    world = RecordedWorld(seed)
    presenter, transcript = world.presenter, world.transcript

    def do(call: Callable[[], None]) -> None:
        call()
        presenter.drain()

    def say(message: messages.FromHost) -> None:
        for host in world.hosts:
            for id_, session in list(host.sessions.items()):
                session.send_message(message, host.now)
                host.drain(id_)

    handshake = PresenterHandshake(LINK_ID, PSK, bytes(range(32)), Introduction(bytes(16), "Ada", "phone"))
    world.at(0.0, do, lambda: transcript.start(handshake, presenter.now))
    world.at(9.0, do, lambda: transcript.wake(presenter.now))
    world.at(11.0, do, lambda: transcript.set_privacy(Privacy.PRIVATE, presenter.now))
    world.at(14.0, do, lambda: transcript.set_privacy(Privacy.OPEN, presenter.now))
    world.at(18.0, do, lambda: transcript.wake(presenter.now, is_new_network=True))
    world.at(20.0, say, messages.Error("offer_unusable", "It cannot be used."))
    world.at(22.0, say, messages.Reoffer())
    world.at(SECONDS - 3.0, say, messages.Closed("removed", "Thank you!"))
    world.run(SECONDS)
    return transcript.steps


def main() -> None:
    shows = [{"seed": seed, "steps": play(seed)} for seed in SEEDS]
    lines = [
        f' {{"seed": {show["seed"]}, "steps": [\n  '
        + ",\n  ".join(json.dumps(step, separators=(",", ":")) for step in cast("list[Any]", show["steps"]))
        + "\n ]}"
        for show in shows
    ]
    TARGET.write_text('{"shows": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
