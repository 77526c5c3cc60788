"""How much is too much: every number of signaling in one place. What they come to in memory stands in
docs/design/threats.md."""

from __future__ import annotations

from dataclasses import dataclass

from slidewire.base.rates import Rate


@dataclass(frozen=True, slots=True)
class Places:
    """Those that a room has for one kind of link."""

    links: int
    """The first so many links of the kind that are good …"""
    own: int
    """… have so many places each that nobody else takes. …"""
    shared: int
    """So many more are for whoever comes first, by any link of the kind …"""
    share: int
    """… and one link takes at most so many of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything the server bounds. The defaults are those of protocol/signaling.md. An address counts by its /56 if
    it is one of IPv6."""

    messages: Rate = Rate(50, 200)
    """Of one socket …"""
    bytes: Rate = Rate(256 * 1024, 1024 * 1024)
    host_factor: float = 8
    flood: Rate = Rate(50, 300)
    """… and how many one address may say beyond that, which are dropped, before who says the next one is closed and the
    address is blocked."""
    share_messages: Rate = Rate(10, 20)
    share_bytes: Rate = Rate(16 * 1024, 32 * 1024)
    """What each presenter of a room has for itself, whatever the others do …"""
    place_messages: Rate = Rate(200, 300)
    place_bytes: Rate = Rate(512 * 1024, 1024 * 1024)
    """… what those at one address have together beyond that …"""
    room_messages: Rate = Rate(1000, 4000)
    room_bytes: Rate = Rate(1024 * 1024, 1536 * 1024)
    """… and what all of them have together. What a full room may say at once fits into its host's outbox."""
    link_joins: Rate = Rate(40, 400)
    """By one link, …"""
    place_joins: Rate = Rate(5, 100)
    """… and of those by somebody at one address."""

    tcp_connections: Rate = Rate(50, 500)
    """Connections of one address, before anything is known about them."""
    handshakes: Rate = Rate(50, 10)
    """… and how fast TLS is begun with them: a signature is dear. The others wait for their turn."""
    work: Rate = Rate(1000, 100)
    """How fast one address is worked for, in messages: what comes faster is read later, so that the others have their
    turn. A request is as much work as `request_work` messages …"""
    request_work: float = 2
    late: Rate = Rate(500, 1500)
    """… and how many messages of one address may be read later before that is a flood, too."""
    requests: Rate = Rate(100, 1000)
    """Requests of one address."""
    connections: Rate = Rate(20, 100)
    """Signaling sockets of one address. Each joins at most once."""
    failed_joins: Rate = Rate(10 / 60, 20)
    new_rooms: Rate = Rate(30 / 60, 60)
    tolerance: Rate = Rate(10, 50)
    """What an address may have refused, before it is blocked."""
    first_block: float = 10.0
    longest_block: float = 900.0
    block_forgiven: float = 600.0

    held: int = 4096
    """Connections at once …"""
    held_per_address: int = 512
    rooms: int = 4096
    rooms_per_address: int = 128
    """… counted for who made them."""
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
