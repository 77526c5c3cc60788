"""The book of allocations: who has which, by which sockets, and whether there may be one more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from slidewire.base.addresses import SocketAddress
from slidewire.turn.allocation import Allocation, MakePorts, Relays
from slidewire.turn.credentials import user_of
from slidewire.turn.five_tuple import FiveTuple, Handle, Opened, Transport
from slidewire.turn.limits import Limits

_EVERYONE = b"everyone"


class AllocationTable:
    """An allocation is counted (`hold`) from when its sockets are asked for until it ends."""

    def __init__(self, limits: Limits, make_ports: MakePorts) -> None:
        self._limits = limits
        self._clients: dict[tuple[Transport, SocketAddress], dict[SocketAddress, Allocation]] = {}
        self._by_relay: dict[Handle, Allocation] = {}
        self._held: Counter[bytes | str] = Counter()
        self.relays = Relays(make_ports)

    def __iter__(self) -> Iterator[Allocation]:
        return (allocation for clients in self._clients.values() for allocation in clients.values())

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def clients_of(self, transport: Transport, server: SocketAddress) -> dict[SocketAddress, Allocation]:
        return self._clients.setdefault((transport, server), {})

    def of_client(self, client: FiveTuple) -> Allocation | None:
        clients = self._clients.get((client.transport, client.server))
        return None if clients is None else clients.get(client.client)

    def of_relay(self, relay: Handle) -> Allocation | None:
        return self._by_relay.get(relay)

    def add(self, allocation: Allocation) -> None:
        client = allocation.client
        self.clients_of(client.transport, client.server)[client.client] = allocation
        for relay in allocation.relays.values():
            self._by_relay[relay.handle] = allocation
            self.relays.opened(relay)

    def remove(self, allocation: Allocation) -> list[Opened]:
        """Forget it; the relays are for the caller to close."""
        client = allocation.client
        del self._clients[client.transport, client.server][client.client]
        self.release(client, allocation.owner.username)
        return [relay for family in list(allocation.relays) if (relay := self.remove_family(allocation, family))]

    def remove_family(self, allocation: Allocation, family: int) -> Opened | None:
        relay = allocation.drop_family(family)
        if relay is not None:
            del self._by_relay[relay.handle]
            self.relays.closed(relay)
        return relay

    # --- quotas -------------------------------------------------------------------------------------------------------

    def hold(self, client: FiveTuple, username: str) -> bool:
        """False: the quota of the user, of the client's address, or of all together is used up."""
        held, holders = self._held, self._holders(client, username)
        for holder, most in holders:
            if held.get(holder, 0) >= most:
                return False
        for holder, _ in holders:
            held[holder] = held.get(holder, 0) + 1
        return True

    def has(self, customer: bytes) -> bool:
        """Whether this customer has an allocation, or is about to get one."""
        return customer in self._held

    def release(self, client: FiveTuple, username: str) -> None:
        for holder, _ in self._holders(client, username):
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]

    def _holders(self, client: FiveTuple, username: str) -> tuple[tuple[bytes | str, int], ...]:
        limits = self._limits
        return (
            (_EVERYONE, limits.allocations),
            (user_of(username), limits.allocations_per_user),
            (client.customer, limits.allocations_per_address),
        )
