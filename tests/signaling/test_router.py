"""Two nodes with a hub each, and a router that joins them in memory, as an engine would over a network: which of them a
client's socket is on makes no difference to what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from slidewire.base.base64url import encode_base64url
from slidewire.signaling.effects import Close, Send
from slidewire.signaling.messages import FirstMessage, Join, OpenRoom
from slidewire.signaling.room import ConnectionId, StoredRoom
from tests.signaling.world import HOST_TOKEN, JOIN_TOKEN, LINK, OTHER_LINK, Peer, Said, World, codes, data_of, link


@dataclass
class Cluster:
    """Which node has what; and the nodes themselves, as they reach each other."""

    rooms: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    handed_over: dict[ConnectionId, str] = field(default_factory=dict)
    """The node that has the room of a connection of another."""
    nodes: dict[str, World] = field(default_factory=dict)

    def node(self, name: str) -> World:
        self.nodes[name] = world = Node(name, self)
        return world


class Node(World):
    def __init__(self, name: str, cluster: Cluster) -> None:
        self.cluster = cluster
        super().__init__(seed=ord(name), node=name, router=InMemory(name, cluster))

    def new_peer(self, connection: ConnectionId, address: str) -> Peer:
        return FarPeer(self, connection, address)


class FarPeer(Peer):
    """What comes on its socket goes to the node that it was handed over to, if it was."""

    def __init__(self, node: Node, connection: ConnectionId, address: str) -> None:
        super().__init__(node, connection, address)
        self._cluster, self._now = node.cluster, node.now

    @property
    def _owner(self) -> World:
        return self._cluster.nodes[self._cluster.handed_over.get(self.connection, self.connection.node)]

    def say_text(self, text: str | bytes) -> list[Said]:
        self._owner.hub.receive_message(self.connection, text, self._now)
        return self.heard()

    def lose_socket(self) -> None:
        self._owner.hub.disconnect(self.connection, self._now)


class InMemory:
    """A `Router` by which every node reaches every other."""

    def __init__(self, node: str, cluster: Cluster) -> None:
        self._node, self._cluster = node, cluster

    def send(self, to: ConnectionId, data: bytes) -> None:
        self._cluster.nodes[to.node].carry_out(Send(to, data))

    def close(self, to: ConnectionId, code: int, reason: str) -> None:
        self._cluster.nodes[to.node].carry_out(Close(to, code, reason))

    def room_is_here(self, room: StoredRoom) -> None:
        self._cluster.rooms[room.code] = self._node
        self._forget_links()
        self._cluster.links |= dict.fromkeys((each.id for each in room.links), self._node)

    def room_has_ended(self, code: str) -> None:
        self._cluster.rooms.pop(code, None)
        self._forget_links()

    def _forget_links(self) -> None:
        for name in [name for name, node in self._cluster.links.items() if node == self._node]:
            del self._cluster.links[name]

    def hand_over(self, connection: ConnectionId, first: FirstMessage, data: bytes | str) -> bool:
        match first:
            case Join():
                node = self._cluster.links.get(first.link)
            case OpenRoom() if first.room is not None:
                node = self._cluster.rooms.get(first.room)
            case _:
                node = None
        if node is None or node == self._node:
            return False
        owner = self._cluster.nodes[node]
        self._cluster.handed_over[connection] = node
        owner.hub.connect(connection, "192.0.2.7", owner.now)
        owner.hub.receive_message(connection, data, owner.now)
        return True


@pytest.fixture
def nodes() -> tuple[World, World]:
    cluster = Cluster()
    return cluster.node("a"), cluster.node("b")


def test_a_presenter_on_another_node_is_a_presenter(nodes: tuple[World, World]) -> None:
    here, there = nodes
    host = here.host(link())
    presenter = there.presenter()
    assert presenter.connection.node == "b" and there.hub.member_count == 0 and there.hub.connection_count == 0
    assert codes(host.heard()) == ["member_joined"]
    presenter.say("send", to=host.member, data="AAAA")
    assert data_of(host.say("send", to=presenter.member, data="BBBB")) == ["AAAA"]
    assert data_of(presenter.heard()) == ["BBBB"]
    assert codes(presenter.say("ping", last=0)) == ["pong"]
    presenter.lose_socket()
    assert codes(host.heard()) == ["member_away"]


def test_messages_of_both_nodes_come_in_the_order_in_which_they_were_sent(nodes: tuple[World, World]) -> None:
    here, there = nodes
    host = here.host(link())
    near, far = here.presenter(), there.presenter()
    host.heard()
    for number in range(6):
        (near, far)[number % 2].say("send", to=host.member, data=encode_base64url(bytes([number])))
    assert data_of(host.heard()) == [encode_base64url(bytes([number])) for number in range(6)]


def test_a_further_host_on_another_node_is_in_the_same_room(nodes: tuple[World, World]) -> None:
    here, there = nodes
    host = here.host(link())
    (code,) = here.rooms
    other = there.connect()
    (opened,) = other.say("open_room", v=1, token=encode_base64url(HOST_TOKEN), room=code, links=[])
    assert opened["type"] == "room_opened" and [each["member"] for each in opened["hosts"]] == [host.member]
    assert codes(host.heard()) == ["host_joined"] and there.hub.room_count == 0


def test_what_is_refused_is_refused_across_nodes_and_closes_the_far_socket(nodes: tuple[World, World]) -> None:
    here, there = nodes
    host = here.host(link())
    wrong = there.connect()
    token = encode_base64url(bytes(16))
    assert codes(wrong.say("join", v=1, link=LINK, token=token)) == ["link_wrong"] and not wrong.is_open
    removed = there.presenter()
    host.say("remove_member", member=removed.member)
    assert codes(removed.heard()) == ["removed"] and not removed.is_open


def test_a_room_of_its_own_stays_on_its_node(nodes: tuple[World, World]) -> None:
    here, there = nodes
    here.host(link())
    there.host(link(OTHER_LINK), token=bytes(16))
    assert here.hub.room_count == there.hub.room_count == 1
    there.presenter(OTHER_LINK)
    assert (here.hub.member_count, there.hub.member_count) == (1, 2)


def test_what_ended_or_was_withdrawn_is_no_longer_looked_for_there(nodes: tuple[World, World]) -> None:
    here, there = nodes
    host = here.host(link(), link(OTHER_LINK))
    host.say("revoke_link", link=LINK)
    token = encode_base64url(JOIN_TOKEN)
    assert codes(there.connect().say("join", v=1, link=LINK, token=token)) == ["link_unknown"]
    there.presenter(OTHER_LINK)
    host.say("close_room")
    assert codes(there.connect().say("join", v=1, link=OTHER_LINK, token=token)) == ["link_unknown"]
