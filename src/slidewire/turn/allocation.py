"""An allocation (RFC 8656 §6): a client's relayed addresses with the permissions and channels it installed.

It owns them, so that nothing is left when it goes. The two questions of the data path, which a shell asks for every
packet, are `to_peer` and `from_peer`: one look-up each, and no rule outside of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

from slidewire.base.addresses import Address, SocketAddress
from slidewire.base.rates import Rate
from slidewire.turn.authentication import Identity
from slidewire.turn.five_tuple import FiveTuple, Handle, Opened

NO_CHANNEL: Final = 0
"""There is a permission but no channel: a Data indication carries it."""


class Meter(Protocol):
    """Packets and bytes of one allocation (or of all), and how many more there may be now."""

    @property
    def packets(self) -> int: ...

    @property
    def bytes(self) -> int: ...

    @property
    def packets_up(self) -> int:
        """Of those, from the client."""

    @property
    def bytes_up(self) -> int: ...

    @property
    def dropped(self) -> int: ...

    def admit(self, size: int, now: float, is_up: bool) -> bool:
        """Count a packet, if there may be one. `is_up`: from the client."""


MakeMeter = Callable[[Rate | None, Rate | None], Meter]
"""(packets, bytes) per second. A shell with a table of its own keeps the meters in it."""


class PlainMeter:
    """The meter of a shell without its own."""

    __slots__ = (
        "_bandwidth", "_bytes_full_at", "_packets", "_packets_full_at", "bytes", "bytes_up", "dropped", "packets",
        "packets_up",
    )  # fmt: skip

    def __init__(self, packets: Rate | None, bandwidth: Rate | None) -> None:
        self.packets = self.bytes = self.packets_up = self.bytes_up = self.dropped = 0
        self._packets, self._bandwidth = packets, bandwidth
        self._packets_full_at = self._bytes_full_at = 0.0

    def admit(self, size: int, now: float, is_up: bool) -> bool:
        if self._packets is not None:
            packets = self._packets.take(self._packets_full_at, now)
            if packets is None:
                self.dropped += 1
                return False
            self._packets_full_at = packets
        if self._bandwidth is not None:
            bandwidth = self._bandwidth.take(self._bytes_full_at, now, size)
            if bandwidth is None:
                self.dropped += 1
                return False
            self._bytes_full_at = bandwidth
        self.packets += 1
        self.bytes += size
        if is_up:
            self.packets_up += 1
            self.bytes_up += size
        return True


Ports = bytearray | memoryview
"""65,536 bytes, one for each port of a host."""


MakePorts = Callable[[str], Ports]
"""(host), as the world knows it. Several processes on one host share this memory."""


def make_ports(host: str) -> Ports:
    return bytearray(1 << 16)


class Relays:
    """The relayed transport addresses of all allocations.

    Behind a one-to-one NAT a relay is announced by another host than it is bound to. Packets between two of our relays
    never leave the machine, so they are sent to where the other is bound, and come from where it is bound.
    """

    def __init__(self, make_ports: MakePorts) -> None:
        self._make_ports = make_ports
        self._live: dict[str, Ports] = {}
        self.guarded: set[str] = set()
        """Hosts of ours on which only live relays are peers: all but those that the policy allows by name."""
        self._announced: dict[str, str] = {}
        self._bound: dict[str, str] = {}

    def opened(self, relay: Opened) -> None:
        host, port = relay.announced
        if host not in self._live:
            self._live[host] = self._make_ports(host)
        self._live[host][port] = 1
        if relay.bound.host != relay.announced.host:
            self._announced[relay.bound.host] = relay.announced.host
            self._bound[relay.announced.host] = relay.bound.host

    def closed(self, relay: Opened) -> None:
        self._live[relay.announced.host][relay.announced.port] = 0

    @property
    def hosts(self) -> Collection[str]:
        """As the world knows them."""
        return self._live

    def ports_of(self, host: str) -> Ports | None:
        """Of one of our hosts, which of its ports are live relays: every one of them has its byte."""
        return self._live.get(host)

    def is_live(self, address: Address) -> bool:
        ports = self._live.get(address[0])
        return ports is not None and ports[address[1]] != 0

    def sends(self, source: SocketAddress) -> bool:
        """Whether what comes from there comes from a live relay."""
        host: str = source[0]
        ports = self._live.get(self._announced.get(host, host))
        return ports is not None and ports[source[1]] != 0

    def may_be_peer(self, peer: Address) -> bool:
        """On our own hosts only live relays are: a port that was one may be anybody's by now."""
        return peer[0] not in self.guarded or self.is_live(peer)

    def target_of(self, peer: Address) -> Address:
        """Where to send for this peer."""
        host = self._bound.get(peer.host)
        return peer if host is None else Address(host, peer.port)

    def name_of(self, source: Address) -> Address:
        """As whom clients know the sender of a packet."""
        host = self._announced.get(source[0]) if self._announced else None
        return source if host is None else Address(host, source[1])


@dataclass(slots=True, eq=False)
class Channel:
    """§12: a number for a peer. It carries data only while its peer has a permission as well."""

    number: int
    peer: Address
    target: Address
    """Where the socket sends to: the peer, but for our own relays behind a NAT."""
    relay: Handle
    expires: float
    usable_until: float
    """The earlier of its own end and its permission's."""


@dataclass(slots=True, eq=False)
class Allocation:
    client: FiveTuple
    owner: Identity
    transaction: bytes
    """Of the request that made it, and …"""
    answer: bytes
    """… what it was answered: a retransmission gets it again."""
    created: float
    expires: float
    relays: dict[int, Opened]
    """By address family."""
    meter: Meter
    total: Meter
    """Of all allocations together."""
    all_relays: Relays
    permissions: dict[str, float] = field(default_factory=dict)
    """Host -> when it ends. §9: a permission is for a host, whatever the port."""
    channels: dict[int, Channel] = field(default_factory=dict)
    channels_by_peer: dict[Address, Channel] = field(default_factory=dict)
    new_peers_full_at: float = 0.0
    routed: bool = False
    """A `Route` has been said of it."""

    # --- the data path ------------------------------------------------------------------------------------------------

    def to_peer(self, number: int, size: int, now: float) -> Channel | None:
        """The channel that a client's ChannelData of `size` bytes goes out on, or None to drop it."""
        channel = self.channels.get(number)
        if channel is None or channel.usable_until <= now:
            return None
        relays = self.all_relays
        if channel.peer[0] in relays.guarded and not relays.is_live(channel.peer):
            return None
        return channel if self.admit(size, now, True) else None

    def from_peer(self, source: Address, size: int, now: float) -> int | None:
        """The channel number for what came from there, NO_CHANNEL, or None to drop it. A plain tuple will do."""
        peer = self.all_relays.name_of(source)
        if not self.all_relays.may_be_peer(peer):
            return None
        channel = self.channels_by_peer.get(peer)
        if channel is not None and channel.usable_until > now:
            return channel.number if self.admit(size, now, False) else None
        return NO_CHANNEL if self.permits(peer, now) and self.admit(size, now, False) else None

    def admit(self, size: int, now: float, is_up: bool) -> bool:
        return self.meter.admit(size, now, is_up) and self.total.admit(size, now, is_up)

    def permits(self, peer: Address, now: float) -> bool:
        """§9."""
        return self.permissions.get(peer[0], 0.0) > now and self.all_relays.may_be_peer(peer)

    # --- what requests change -----------------------------------------------------------------------------------------

    def permit(self, host: str, until: float) -> None:
        self.permissions[host] = until
        for channel in self.channels_by_peer.values():
            if channel.peer.host == host:
                channel.usable_until = min(channel.expires, until)

    def bind(self, number: int, peer: Address, target: Address, relay: Handle, until: float) -> None:
        """Bind or renew. The caller has looked at `conflicts` and has permitted the host."""
        channel = self.channels.get(number)
        if channel is None:
            channel = Channel(number, peer, target, relay, until, until)
            self.channels[number] = self.channels_by_peer[peer] = channel
        channel.expires = until
        channel.usable_until = min(until, self.permissions[peer.host])

    def conflicts(self, number: int, peer: Address) -> bool:
        """§12.2: a number is bound to one peer, and a peer to one number."""
        by_number, by_peer = self.channels.get(number), self.channels_by_peer.get(peer)
        return by_number is not by_peer

    def forget_expired(self, now: float) -> None:
        for host in [host for host, until in self.permissions.items() if until <= now]:
            del self.permissions[host]
        for channel in [channel for channel in self.channels.values() if channel.expires <= now]:
            self._unbind(channel)

    def forbid(self, host: str) -> None:
        """Take a permission back at once."""
        self.permissions.pop(host, None)
        for channel in self.channels_by_peer.values():
            if channel.peer.host == host:
                channel.usable_until = 0.0

    def drop_family(self, family: int) -> Opened | None:
        """Give up one of two relays, with what was bound to it."""
        for host in [host for host in self.permissions if Address(host, 0).family == family]:
            del self.permissions[host]
        for channel in [channel for channel in self.channels.values() if channel.peer.family == family]:
            self._unbind(channel)
        return self.relays.pop(family, None)

    def _unbind(self, channel: Channel) -> None:
        del self.channels[channel.number]
        del self.channels_by_peer[channel.peer]
