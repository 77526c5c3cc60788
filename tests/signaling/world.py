"""A simulated signaling server: the test owns the clock and the randomness, and reads what each socket was sent."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from typing import Any

from slidewire.base.base64url import encode_base64url
from slidewire.signaling.effects import Close, DropRoom, Effect, MemberGone, SaveRoom, SaveTombstone, Send
from slidewire.signaling.hub import Hub
from slidewire.signaling.limits import Limits
from slidewire.signaling.room import ConnectionId, StoredRoom, Tombstone
from slidewire.signaling.router import ALONE, Router

Said = dict[str, Any]
HOST_TOKEN = bytes(range(16))
JOIN_TOKEN = bytes(range(16, 32))
LINK = "abcdefgh23"
OTHER_LINK = "zzzzzzzz77"
WALL = 1_800_000_000.0


def link(name: str = LINK, token: bytes = JOIN_TOKEN, **more: Any) -> Said:
    return {"id": name, "commit": encode_base64url(hashlib.sha256(token).digest()), **more}


def codes(heard: list[Said]) -> list[str]:
    return [message["code"] if message["type"] == "error" else message["type"] for message in heard]


def data_of(heard: list[Said]) -> list[str]:
    return [message["data"] for message in heard if message["type"] == "message"]


class Peer:
    """One socket, seen from its far end."""

    def __init__(self, world: World, connection: ConnectionId, address: str) -> None:
        self._world = world
        self.connection = connection
        self.address = address
        self.inbox: list[Said] = []
        self.closed: tuple[int, str] | None = None
        self.member = ""
        self.resume = ""

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def say(self, kind: str, **fields: Any) -> list[Said]:
        """Say it and return everything heard since the last time."""
        return self.say_text(json.dumps({"type": kind, **fields}))

    def say_text(self, text: str | bytes) -> list[Said]:
        self._world.hub.receive_message(self.connection, text, self._world.now)
        return self.heard()

    def heard(self) -> list[Said]:
        self._world.drain()
        heard, self.inbox = self.inbox, []
        for message in heard:
            self.resume = message.get("resume", self.resume)
            if message["type"] in ("room_opened", "joined", "resumed"):
                self.member = message["member"]
        return heard

    def lose_socket(self) -> None:
        self._world.hub.disconnect(self.connection, self._world.now)
        self._world.drain()


class World:
    def __init__(
        self, *, limits: Limits | None = None, seed: int = 1, node: str = ALONE, router: Router | None = None
    ) -> None:
        self.now = 1000.0
        self.wall = WALL
        self.limits = limits
        self.node, self._router = node, router
        self.dice = random.Random(seed)
        self.peers: dict[ConnectionId, Peer] = {}
        self._numbers = itertools.count(1)
        self.rooms: dict[str, StoredRoom] = {}
        self.tombstones: dict[str, Tombstone] = {}
        self.ice_asked: list[tuple[str, str]] = []
        self.reached_by: list[str] = []
        self.gone = 0
        self.hub = self._new_hub()

    def _new_hub(self) -> Hub:
        return Hub(
            entropy=self.dice.randbytes,
            wall=lambda: self.wall,
            ice_servers=self._ice_servers,
            limits=self.limits,
            router=self._router,
            rooms=self.rooms.values(),
            tombstones=self.tombstones.values(),
        )

    def _ice_servers(self, room: str, member: str, reached_by: str) -> list[Said]:
        self.ice_asked.append((room, member))
        self.reached_by.append(reached_by)
        return [{"urls": ["stun:192.0.2.1"]}]

    def restart_server(self, *, remembering: bool) -> None:
        """The process dies; what was saved may or may not be there afterwards."""
        for peer in self.peers.values():
            peer.closed = peer.closed or (1006, "")
        if not remembering:
            self.rooms.clear()
            self.tombstones.clear()
        self.hub = self._new_hub()

    def pass_time(self, seconds: float) -> None:
        """Every timer on the way rings at its own time."""
        end = self.now + seconds
        while (due := self.hub.get_timer()) is not None and due <= end:
            self.wall += max(0.0, due - self.now)
            self.now = max(self.now, due)
            self.hub.handle_timer(self.now)
            self.drain()
        self.wall += end - self.now
        self.now = end

    def drain(self) -> None:
        while (effect := self.hub.next_effect()) is not None:
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(connection, data):
                peer = self.peers[connection]
                assert peer.closed is None, "written to after its end"
                peer.inbox.append(json.loads(data))
            case Close(connection, code, reason):
                assert self.peers[connection].closed is None, "closed twice"
                self.peers[connection].closed = (code, reason)
            case SaveRoom(room):
                self.rooms[room.code] = room
            case DropRoom(code):
                self.rooms.pop(code, None)
            case SaveTombstone(stone):
                self.tombstones[stone.link] = stone
            case MemberGone():
                self.gone += 1

    def new_peer(self, connection: ConnectionId, address: str) -> Peer:
        return Peer(self, connection, address)

    def connect(self, address: str = "192.0.2.7", reached_by: str = "clicker.example") -> Peer:
        peer = self.new_peer(ConnectionId(self.node, next(self._numbers)), address)
        self.peers[peer.connection] = peer
        self.hub.connect(peer.connection, address, self.now, reached_by)
        return peer

    def host(self, *links: Said, token: bytes = HOST_TOKEN, **fields: Any) -> Peer:
        peer = self.connect()
        (answer,) = peer.say("open_room", v=1, token=encode_base64url(token), links=list(links), **fields)
        assert answer["type"] == "room_opened", answer
        return peer

    def presenter(self, by: str = LINK, token: bytes = JOIN_TOKEN, **fields: Any) -> Peer:
        peer = self.connect()
        (answer,) = peer.say("join", v=1, link=by, token=encode_base64url(token), **fields)
        assert answer["type"] == "joined", answer
        return peer

    def back(self, gone: Peer, last: int) -> tuple[Peer, list[Said]]:
        """Its client comes back on a new socket."""
        peer = self.connect()
        return peer, peer.say("resume", v=1, resume=gone.resume, last=last)
