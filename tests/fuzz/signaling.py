"""The signaling server's mind under clients that keep to the protocol, nearly do, and do not; time that passes, sockets
that die, a server's limits that are low.

After every step nothing was raised, nothing was written to a socket that is closed (the world asserts that), and every
message of the server is one that a client understands. At the end everybody leaves, a day passes, and the hub remembers
nobody: no member, no connection, nothing kept, no address.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

from slidewire.base.base64url import encode_base64url
from slidewire.base.rates import Rate
from slidewire.signaling import messages as m
from slidewire.signaling.limits import Limits, Places
from tests.fuzz import text
from tests.signaling.world import HOST_TOKEN, JOIN_TOKEN, LINK, OTHER_LINK, Peer, World, link

_STEPS: Final = 120
_ADDRESSES: Final = ("192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8:0:1::1", "::ffff:192.0.2.7", "?")


class Play:
    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        limits = Limits(
            messages=dice.choice((Rate(50, 200), Rate(1, 3))),
            flood=dice.choice((Rate(100, 1000), Rate(1, 2))),
            rooms=dice.choice((2, 4096)),
            members=dice.choice((2, 8192)),
            presenters=dice.choice((Places(1, 1, 0, 0), Places(1, 1, 2, 1), Limits().presenters)),
            links_per_room=dice.choice((2, 256)),
            tombstones=dice.choice((2, 65_536)),
            kept_bytes=dice.choice((1000, 1 << 26)),
        )
        self.world = World(limits=limits, seed=seed)
        self.peers: list[Peer] = []
        self.inputs = 0

    def message(self) -> dict[str, Any]:
        dice = self.dice
        token, other = encode_base64url(HOST_TOKEN), encode_base64url(JOIN_TOKEN)
        members = ["", "m1", *(peer.member for peer in self.peers)]
        names = (LINK, OTHER_LINK)
        links = [
            link(dice.choice(names), expires=dice.choice((None, 0, 4e9)), place=dice.choice((None, *m.Place)))
            for _ in range(dice.randrange(3))
        ]
        room = dice.choice(("K7QM42", "k7qm42", None))
        resume = dice.choice([peer.resume or "A" * 22 for peer in self.peers] or ["A" * 22])
        ref = {"ref": "r"} if dice.random() < 0.3 else {}
        said: dict[str, Any] = dice.choice(
            (
                {"type": "open_room", "v": 1, "room": room, "token": dice.choice((token, other)), "links": links},
                {"type": "join", "v": 1, "link": dice.choice(names), "token": dice.choice((token, other))},
                {"type": "resume", "v": 1, "resume": resume, "last": dice.randrange(9)},
                {"type": "send", "to": dice.choice(members), "data": "A" * dice.choice((0, 4, 400, 15_000))},
                {"type": "ping", "last": dice.randrange(9)},
                {"type": "leave"},
                {"type": "add_links", "links": links},
                {"type": "revoke_link", "link": dice.choice(names)},
                {"type": "remove_member", "member": dice.choice(members), "reason": "because"},
                {"type": "close_room"},
                {"type": "proven", "members": dice.sample(members, dice.randrange(len(members)))},
            )
        )
        return {**said, **ref}

    def step(self) -> None:
        dice, world = self.dice, self.world
        if not self.peers or dice.random() < 0.15:
            address = dice.choice(_ADDRESSES)
            world.hub.admit(address, world.now)
            self.peers.append(world.connect(address))
        peer = dice.choice(self.peers[-6:])
        match dice.randrange(20):
            case 0:
                world.hub.receive_binary(peer.connection, world.now)
            case 1:
                world.hub.disconnect(peer.connection, world.now)
                peer.closed = peer.closed or (1006, "")
            case 2:
                world.pass_time(dice.choice((0.1, 1.0, 21.0, 50.0)))
            case 3:
                world.pass_time(dice.choice((0.0, 600.0, 13 * 3600.0)))
            case 4:
                data = dice.randbytes(dice.choice((0, 1, 10, 100, 20_000)))
                world.hub.receive_message(peer.connection, data, world.now)
            case _:
                said = self.message()
                data = text.encoded(text.spoiled(said, dice) if dice.random() < 0.3 else said, dice)
                world.hub.receive_message(peer.connection, data, world.now)
        self.inputs += 1
        world.drain()
        for each in self.peers:
            for heard in each.inbox:
                each.resume, each.member = heard.get("resume", each.resume), heard.get("member", each.member)
                understood = m.decode_server(json.dumps(heard))
                assert not isinstance(understood, m.Garbage | m.Wrong), heard
            each.inbox.clear()

    def end(self) -> None:
        world, hub = self.world, self.world.hub
        for peer in self.peers:
            hub.disconnect(peer.connection, world.now)
            world.drain()
            peer.closed = peer.closed or (1006, "")
        world.pass_time(2 * 86_400.0)
        assert (hub.member_count, hub.connection_count, hub.room_count, hub.kept_bytes) == (0, 0, 0, 0)
        registry = hub._registry
        assert hub.abuse_limiter.remembered == 0
        assert not registry._resumable and not registry._links and not registry._tombstones
        tables = (hub._connections._new, hub._failed_joins, hub._new_rooms)
        assert not any(table.full_at for table in tables)


def run(seed: int) -> int:
    """How many inputs there were."""
    play = Play(seed)
    for _ in range(_STEPS):
        play.step()
    play.end()
    dice = play.dice
    for _ in range(50):
        m.decode_client(text.encoded(text.value(dice), dice))
        m.decode_server(text.encoded(text.spoiled({"type": "message", "n": 1, "from": "m1", "data": ""}, dice), dice))
    return play.inputs + 100
