"""Every limit of signaling. What they come to in memory is in docs/design/threats.md."""

from __future__ import annotations

from dataclasses import dataclass

from slidewire.base.rates import Rate


@dataclass(frozen=True, slots=True)
class Places:
    """Those that a room has for one kind of link."""

    links: int
    """How many links of the kind have places of their own: the first that are good."""
    own: int
    """Places of each of those links, which no other link takes."""
    shared: int
    """Further places, for those who come first by any link of the kind."""
    share: int
    """How many of these one link takes at most."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything the server bounds. The defaults are those of protocol/signaling.md. An address counts by its /56 if
    it is one of IPv6."""

    messages: Rate = Rate(50, 200)
    """Of one socket."""
    bytes: Rate = Rate(256 * 1024, 1024 * 1024)
    host_factor: float = 8
    flood: Rate = Rate(50, 300)
    """What one address may send beyond that. It is dropped; with one more the connection is closed and the address
    blocked."""
    share_messages: Rate = Rate(10, 20)
    share_bytes: Rate = Rate(16 * 1024, 32 * 1024)
    """What each presenter of a room has for itself, whatever the others do."""
    place_messages: Rate = Rate(200, 300)
    place_bytes: Rate = Rate(512 * 1024, 1024 * 1024)
    """What the presenters at one address have together beyond that."""
    room_messages: Rate = Rate(1000, 4000)
    room_bytes: Rate = Rate(1024 * 1024, 1536 * 1024)
    """What all presenters of a room have together. What they may send at once fits into the host's outbox."""
    link_joins: Rate = Rate(40, 400)
    """By one link."""
    place_joins: Rate = Rate(5, 100)
    """By one link, from one address."""

    tcp_connections: Rate = Rate(50, 500)
    """Connections of one address, before anything is known about them."""
    handshakes: Rate = Rate(50, 10)
    """How many TLS handshakes are begun with one address: a signature is expensive. The others wait for their turn."""
    work: Rate = Rate(1000, 100)
    """How much work is done for one address, in messages. What comes faster is read later, after that of others."""
    request_work: float = 2
    """How many messages a request counts as."""
    late: Rate = Rate(500, 1500)
    """How many messages of one address may be read later. More are a flood."""
    requests: Rate = Rate(100, 1000)
    """Requests of one address."""
    connections: Rate = Rate(20, 100)
    """Signaling sockets of one address. Each joins at most once."""
    failed_joins: Rate = Rate(10 / 60, 20)
    new_rooms: Rate = Rate(30 / 60, 60)
    tolerance: Rate = Rate(10, 50)
    """How often an address may be refused something before it is blocked."""
    first_block: float = 10.0
    longest_block: float = 900.0
    block_forgiven: float = 600.0

    held: int = 4096
    """Connections at once."""
    held_per_address: int = 512
    rooms: int = 4096
    rooms_per_address: int = 128
    """Counted for the address that made them."""
    members: int = 8192
    operators: Places = Places(links=8, own=4, shared=16, share=12)
    presenters: Places = Places(links=32, own=4, shared=80, share=60)
    audience: Places = Places(links=8, own=8, shared=120, share=88)
    proof_within: float = 10.0
    """Seconds that a member has to finish the handshake with its host."""
    hosts_per_room: int = 8
    links_per_room: int = 256
    tombstones: int = 65_536
    kept_bytes: int = 64 * 1024 * 1024
    """What is kept for those briefly away, all together."""
    offences: int = 4
    offence_window: float = 10.0
