"""Every limit of the TURN server, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from slidewire.base.rates import Rate
from slidewire.turn.attributes import LAST_CHANNEL_RFC5766


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    default_lifetime: int = 600
    max_lifetime: int = 3600
    max_age: float = 24 * 3600.0
    """No allocation lives longer, however often it is refreshed."""
    permission_lifetime: float = 300.0
    channel_lifetime: float = 600.0
    reservation_lifetime: float = 30.0
    nonce_lifetime: float = 3600.0

    allocations: int = 10_000
    allocations_per_user: int = 128
    allocations_per_address: int = 1024
    """A whole audience may sit behind one address, with several candidates each, some of them twice."""
    permissions: int = 64
    channels: int = 32
    last_channel: int = LAST_CHANNEL_RFC5766
    """§12 ends at LAST_CHANNEL; the client of coturn 4.6 and others still choose from the older range."""
    new_peers: Rate = Rate(5, 64)
    """New peer hosts per allocation."""

    answers: Rate = Rate(60, 300)
    """Datagrams sent to an address without a client that has proved its address. Enough for an audience that arrives at
    once behind one address: each client asks for its address, and for a challenge."""
    answers_known: Rate = Rate(2000, 4000)
    """Datagrams sent to an address with a client that has proved its address. Other clients there share this rate."""
    answers_each: Rate = Rate(2, 8)
    """Datagrams sent to one port, whether or not it has an allocation: a flood uses up its own rate."""
    answers_total: Rate = Rate(2000, 4000)
    """Datagrams sent to all addresses without such a client."""
    failures: Rate = Rate(1, 20)
    """Wrong passwords of a source; past them it is not answered."""

    packets: Rate | None = Rate(20_000, 20_000)
    bandwidth: Rate | None = Rate(12_500_000, 12_500_000)
    """Per allocation, both directions together."""
    total_bandwidth: Rate | None = None

    streams: int = 10_000
    streams_per_address: int = 512
    """Without an allocation."""
    place: float = 1.0
    """How long such a stream client keeps its place, when there is none left, before it makes room for another."""
    first_message: float = 10.0
    """What a stream client has for its first whole message, and without an allocation for the rest of any message it
    began."""
    idle: float = 30.0
    """… and without an allocation after that."""
    stranger_messages: Rate = Rate(10, 200)
    """Of a stream client without an allocation; past them it is cut off."""
    stranger_frame: int = 4096
    """The largest frame of a stream client without an allocation."""
    postponed: int = 64
    postponed_bytes: int = 512 * 1024
    """What may wait of one client while the socket of its Allocate is opened: datagrams, and bytes of either kind of
    client. In a stream these bound the messages as well, none of which is shorter than four."""
    retransmissions: float = 40.0
    """How long a request may be repeated (RFC 8489 §6.3.1): the answer to a deletion is kept as long."""

    def shared_by(self, servers: int) -> Limits:
        """For each of so many that clients are spread over by chance, and who do not ask each other: all together they
        give no more than these (but each gives one). What is for one allocation stays as it is."""

        def part(count: int) -> int:
            return max(1, count // servers)

        def slower(rate: Rate) -> Rate:
            return Rate(rate.per_second / servers, max(1.0, rate.burst / servers))

        return replace(
            self,
            allocations=part(self.allocations),
            allocations_per_user=part(self.allocations_per_user),
            allocations_per_address=part(self.allocations_per_address),
            answers=slower(self.answers),
            answers_known=slower(self.answers_known),
            answers_total=slower(self.answers_total),
            failures=slower(self.failures),
            total_bandwidth=self.total_bandwidth and self.total_bandwidth.times(1 / servers),
            streams=part(self.streams),
            streams_per_address=part(self.streams_per_address),
        )


UNLIMITED: Final = Limits(packets=None, bandwidth=None)
