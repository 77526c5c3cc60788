"""The TURN server: RFC 8656 over `authentication`, `requests`, `policy` and `allocation`.

Sans-I/O. A shell feeds it (`receive_…`, `stream_…`, `relay_…`), drains `next_effect` after every call, and calls
`handle_timer` when `get_timer` says. `now` is monotonic seconds; the wall clock (credentials and nonces are dates) and
entropy are functions given by the caller. Nothing that comes from outside makes a method raise.

An Allocate takes two steps: the core asks for a socket (`OpenRelay`), is told `relay_opened` or `relay_failed`, and
answers only then. Until then whatever else comes from that client waits, in its order: a client may send what follows
without waiting for the answer, and would not send it again on a connection. Datagrams wait as well, because those that
come together are read together, before any socket is opened; but few, for they may be lost.

A shell with a fast path looks allocations up itself, in `clients_of` and `allocation_of`, and asks them `to_peer` and
`from_peer`; it reads these tables and never changes them.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from slidewire.base.addresses import IPV4, IPV6, Address, SocketAddress
from slidewire.base.deadlines import Deadlines
from slidewire.stun.attributes import XOR_MAPPED_ADDRESS, Error, ErrorCode
from slidewire.stun.message import BINDING, Builder, Class, Message, parse
from slidewire.turn.allocation import NO_CHANNEL, Allocation, MakeMeter, MakePorts, PlainMeter, make_ports
from slidewire.turn.allocation_table import AllocationTable
from slidewire.turn.answer_limits import AnswerLimits
from slidewire.turn.attributes import (
    ADDRESS_ERROR_CODE,
    DATA,
    LIFETIME,
    RESERVATION_TOKEN,
    XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
    AddressError,
    Method,
    TurnError,
)
from slidewire.turn.authentication import COOKIE, Authenticator, Nonces
from slidewire.turn.credentials import Credentials, user_of
from slidewire.turn.effects import (
    CloseRelay,
    CloseStream,
    Effect,
    OpenRelay,
    Report,
    Route,
    SendToClient,
    SendToPeer,
)
from slidewire.turn.five_tuple import FiveTuple, Handle, Opened, Transport
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy, tunnelled
from slidewire.turn.requests import (
    METHODS,
    Allocate,
    ChannelBind,
    CreatePermission,
    Refresh,
    Request,
    Wrong,
    understand,
    understand_send,
)
from slidewire.turn.streams import BUSY, NotTurn, Stream, Streams, channel_data, is_channel_data, split_channel_data
from slidewire.turn.transaction import PendingAllocate, Reservation, Transaction, error_response, finish

_LARGEST_FRAME: Final = 4 + 0xFFFF + 1 + 16
"""ChannelData with its padding, or a STUN message with its header."""


class TurnServer:
    """See the module. One instance is one server, whatever the number of its sockets."""

    def __init__(
        self,
        *,
        realm: str,
        credentials: Credentials,
        policy: PeerPolicy,
        entropy: Callable[[int], bytes],
        wall: Callable[[], float],
        limits: Limits | None = None,
        families: Iterable[int] = (IPV4, IPV6),
        nonce_key: bytes | None = None,
        sha256: bool = False,
        make_meter: MakeMeter = PlainMeter,
        make_ports: MakePorts = make_ports,
        report: Callable[[Report], object] | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self.credentials = credentials
        self.counters: Counter[str] = Counter()
        self.draining = False
        """No new allocations; the existing ones go on."""
        self._tell = report
        self.total = make_meter(None, limits.total_bandwidth)
        self._make_meter = make_meter
        self._hosts_guarded = 0
        self._policy = policy
        self._entropy = entropy
        self._wall = wall
        self._families = frozenset(families)
        nonces = Nonces(nonce_key or entropy(32), limits.nonce_lifetime, COOKIE if sha256 else b"")
        self._authenticator = Authenticator(realm, credentials, nonces, sha256=sha256)
        self._answer_limits = AnswerLimits(limits, entropy)
        self._table = AllocationTable(limits, make_ports)
        self._streams = Streams(limits)
        self._pending: dict[int, PendingAllocate] = {}
        self._pending_by_client: dict[FiveTuple, PendingAllocate] = {}
        self._reservations: dict[bytes, Reservation] = {}
        self._deleted: dict[FiveTuple, tuple[bytes, bytes]] = {}
        self._listeners: set[Address] = set()
        self._tickets = itertools.count(1)
        self._effects: deque[Effect] = deque()
        self._deadlines = Deadlines()

    # --- what the shell calls -----------------------------------------------------------------------------------------

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        return self._deadlines.next()

    def handle_timer(self, now: float) -> None:
        self._deadlines.run(now)

    def listens_on(self, address: Address) -> None:
        """One of the server's own addresses: nothing that claims to come from it is answered, and it is no peer."""
        self._listeners.add(address)

    def receive_datagram(self, data: bytes, client: FiveTuple, now: float) -> None:
        if not data:
            self._count("garbage")
        elif (pending := self._pending_by_client.get(client)) is not None:
            self._postpone(pending, data)
        else:
            self._receive_frame(data, client, now)

    def stream_opened(self, client: FiveTuple, now: float) -> bool:
        """A client has connected. False: it is one too many, close it."""
        if (other := self._streams.in_the_way(client, now)) is not None:
            self._count("streams closed for others")
            self._close_stream(other)
        stream = self._streams.open(client, now)
        if stream is None:
            self._count("streams refused")
            return False
        self._deadlines.arm(stream.deadline, self._check_stream, stream)
        return True

    def receive_stream(self, client: FiveTuple, data: bytes, now: float) -> None:
        """Whatever came, in any pieces."""
        stream = self._streams.get(client)
        if stream is not None:
            stream.buffer += data
            self._read(stream, now)

    def stream_closed(self, client: FiveTuple, now: float) -> None:
        """The client, or the network, closed it. Its allocation goes with it."""
        stream = self._streams.get(client)
        if stream is not None:
            self._forget_stream(stream)

    def relay_opened(self, ticket: int, family: int, relay: Opened, now: float, sibling: Opened | None = None) -> None:
        """The answer to OpenRelay; `sibling` if the next port was asked for."""
        pending = self._pending[ticket]
        pending.waiting.discard(family)
        pending.opened[family] = relay
        pending.sibling = sibling or pending.sibling
        self._finish(ticket, pending, now)

    def relay_failed(self, ticket: int, family: int, now: float) -> None:
        """The answer to OpenRelay when there is no port to be had."""
        pending = self._pending[ticket]
        pending.waiting.discard(family)
        pending.failed[family] = TurnError.INSUFFICIENT_CAPACITY
        self._finish(ticket, pending, now)

    def receive_from_peer(self, relay: Handle, data: bytes, source: Address, now: float) -> None:
        """§11.3, §12.7. `source` may be a plain tuple of host and port."""
        allocation = self._table.of_relay(relay)
        number = None if allocation is None else allocation.from_peer(source, len(data), now)
        if allocation is None or number is None:
            self._count("peer packets dropped")
        else:
            self.deliver(allocation, number, data, source)

    def deliver(self, allocation: Allocation, number: int, data: bytes, source: Address) -> None:
        """The second half of `receive_from_peer`: what `Allocation.from_peer` let through goes to the client."""
        client = allocation.client
        if number != NO_CHANNEL:
            self._send(client, channel_data(number, data, stream=client.transport.is_stream))
            return
        peer = self._table.relays.name_of(Address(source[0], source[1]))
        indication = Builder(Method.DATA, Class.INDICATION, self._entropy(12)).add(XOR_PEER_ADDRESS, peer)
        try:
            self._send(client, indication.add(DATA, data).encode())
        except ValueError:
            self._count("peer packets dropped")  # too large for an indication: a channel would have carried it

    def clients_of(self, transport: Transport, server: SocketAddress) -> Mapping[SocketAddress, Allocation]:
        """The allocations whose clients use this transport address of ours, by the client's address. Live."""
        return self._table.clients_of(transport, server)

    def allocation_of(self, relay: Handle) -> Allocation | None:
        return self._table.of_relay(relay)

    # --- what its owner calls -----------------------------------------------------------------------------------------

    @property
    def allocations(self) -> list[Allocation]:
        return list(self._table)

    @property
    def policy(self) -> PeerPolicy:
        return self._policy

    @policy.setter
    def policy(self, policy: PeerPolicy) -> None:
        """Takes effect at once, on what was permitted before as well."""
        self._policy = policy
        self._guard()
        self.recheck()

    def recheck(self) -> None:
        """Ask the policy again about every permission: a member left a room, or the policy has changed."""
        for allocation in self._table:
            for host in list(allocation.permissions):
                if self._refusal_of_host(allocation.owner.username, host):
                    allocation.forbid(host)
                    self._route(allocation)

    def revoke(self, user: str) -> None:
        """Shut out a user (or one username): no new allocation, and the existing ones end here."""
        self.credentials.revoke(user, self._wall())
        self.expel()

    def expel(self) -> None:
        """End the allocations of users that are revoked."""
        for allocation in self.allocations:
            if self.credentials.revoked(allocation.owner.username):
                self._delete(allocation, "revoked")

    def introduce(self, username: str) -> None:
        """Let USERHASH find this username (see `Authenticator.introduce`)."""
        self._authenticator.introduce(username, self._wall())

    # --- messages -----------------------------------------------------------------------------------------------------

    def _read(self, stream: Stream, now: float) -> None:
        """Take what is whole off a stream, up to an Allocate that waits for its socket."""
        if stream.is_read:
            return  # further up the stack
        client, frames = stream.client, 0
        stream.is_read = True
        try:
            while client not in self._pending_by_client:
                frame = stream.next_frame(self._largest_frame(client))
                if frame is None:
                    break
                frames += 1
                if not self._streams.may_say_more(stream, now):
                    self._count("streams closed for a flood")
                    self._close_stream(stream)
                    return
                stream.spoke = self._receive_frame(frame, client, now) or stream.spoke
            else:
                if len(stream.buffer) > self.limits.postponed_bytes:
                    raise NotTurn
        except NotTurn:
            self._count("garbage")
            self._close_stream(stream)
            return
        finally:
            stream.is_read = False
        self._streams.received(stream, frames, self._is_busy(client), now)
        self._deadlines.arm(stream.deadline, self._check_stream, stream)

    def _postpone(self, pending: PendingAllocate, data: bytes) -> None:
        if data[8:20] == pending.transaction:
            return  # a retransmission: its answer is on its way
        size = pending.postponed_bytes + len(data)
        if len(pending.postponed) >= self.limits.postponed or size > self.limits.postponed_bytes:
            self._count("client packets dropped")
            return
        pending.postponed.append(data)
        pending.postponed_bytes = size

    def _go_on(self, pending: PendingAllocate, now: float) -> None:
        """The Allocate is answered: now for what came behind it. That may be another one, and the rest waits again."""
        client = pending.asked.client
        if (stream := self._streams.get(client)) is not None:
            self._read(stream, now)
        for data in pending.postponed:
            self.receive_datagram(data, client, now)

    def _receive_frame(self, data: bytes, client: FiveTuple, now: float) -> bool:
        """True if it was a STUN message that deserves a stream client some patience."""
        if is_channel_data(data):
            self._receive_channel_data(data, client, now)
            return False
        return self._receive_message(data, client, now)

    def _receive_message(self, data: bytes, client: FiveTuple, now: float) -> bool:
        """True if it was a STUN message that deserves a stream client some patience."""
        message = parse(data)
        if message is None or message.fingerprint_holds() is False:
            self._count("garbage")
            return False
        if message.class_ is Class.INDICATION:
            if message.method == Method.SEND:
                self._receive_send(message, client, now)
            return True
        # Responses are never answered, nor is what claims to come from ourselves: two servers, or a server and its own
        # relay, would talk to each other for ever.
        if message.class_ is not Class.REQUEST or message.method not in METHODS or self._is_own(client):
            self._count("ignored")
            return False
        if message.method == BINDING:
            self._receive_binding(message, client, now)
        else:
            self._receive_request(message, client, now)
        return True

    def _receive_binding(self, message: Message, client: FiveTuple, now: float) -> None:
        """RFC 8489 §6.3.1. It needs no authentication."""
        self._count("bindings asked")
        if not self._may_answer(client, now):
            return
        understood = understand(message)
        if isinstance(understood, Wrong):
            self._count("bindings refused")
            answer = error_response(message.method, message.transaction, understood.code, understood.unknown)
        else:
            self._count("bindings answered")
            answer = Builder(BINDING, Class.SUCCESS, message.transaction).add(XOR_MAPPED_ADDRESS, client.address)
        self._send(client, finish(answer, message.fingerprint_at is not None))

    def _receive_request(self, message: Message, client: FiveTuple, now: float) -> None:
        """§5: authentication first, whatever the request is."""
        wall = self._wall()
        allocation = self._table.of_client(client)
        fresh = self._authenticator.proves_address(message, client, wall)
        may_answer = fresh or self._may_answer(client, now)
        if not may_answer and allocation is None:
            return
        owner = None if allocation is None else allocation.owner
        outcome = self._authenticator.authenticate(message, wall, owner, fresh=fresh)
        if isinstance(outcome, ErrorCode):
            # A stale nonce under the right password: whatever may be forged in its name, this is the client itself
            if may_answer or outcome == ErrorCode.STALE_NONCE:
                self._reject(message, client, outcome, fresh, now)
            return
        asked = Transaction(client, message.method, message.transaction, outcome, message.fingerprint_at is not None)
        # Whose five-tuple it is comes before what else the request says: §7.2 step 2, and §5 for the others
        if asked.method == Method.ALLOCATE:
            if self._is_taken(asked, allocation):
                return
        elif allocation is None:
            self._mismatch(asked)
            return
        elif user_of(outcome.username) != user_of(allocation.owner.username):
            self._refuse(asked, TurnError.WRONG_CREDENTIALS)
            return
        request = understand(message)
        if isinstance(request, Wrong):
            self._refuse(asked, request.code, request.unknown)
        elif isinstance(request, Allocate):
            self._allocate(asked, request, now)
        elif allocation is not None:
            self._change(asked, request, allocation, now)

    def _change(self, asked: Transaction, request: Request, allocation: Allocation, now: float) -> None:
        """What its owner may do with an allocation."""
        match request:
            case Refresh():
                self._refresh(asked, request, allocation, now)
            case CreatePermission():
                self._create_permission(asked, request, allocation, now)
            case ChannelBind():
                self._channel_bind(asked, request, allocation, now)

    def _reject(self, message: Message, client: FiveTuple, code: ErrorCode, fresh: bool, now: float) -> None:
        self._count(f"rejected {int(code)}")
        if fresh and not self._answer_limits.allow_failure(client, now):
            self._count("answers withheld")
            return
        if fresh and code == ErrorCode.UNAUTHENTICATED:
            self._report("login failed", client, "")
        answer = error_response(message.method, message.transaction, code)
        if code != ErrorCode.BAD_REQUEST:
            self._authenticator.challenge(answer, client, self._wall())
        self._send(client, finish(answer, message.fingerprint_at is not None))

    def _may_answer(self, client: FiveTuple, now: float) -> bool:
        customer = client.customer
        is_known = self._table.has(customer) or self._streams.has(customer)
        if self._answer_limits.allow(client, now, has_allocation=self._is_busy(client), is_known=is_known):
            return True
        self._count("answers withheld")
        return False

    # --- requests -----------------------------------------------------------------------------------------------------

    def _is_taken(self, asked: Transaction, allocation: Allocation | None) -> bool:
        """§7.2 step 2: the five-tuple has an allocation, or is about to get one, of any user. A retransmission gets
        the same answer; or else that is on its way."""
        existing = allocation or self._pending_by_client.get(asked.client)
        if existing is None:
            return False
        if (existing.transaction, existing.owner.username) != (asked.transaction, asked.who.username):
            self._refuse(asked, TurnError.ALLOCATION_MISMATCH)
        elif allocation is not None:
            self._send(asked.client, allocation.answer)
        return True

    def _allocate(self, asked: Transaction, request: Allocate, now: float) -> None:
        """§7.2, after step 9: what needs more than the request itself."""
        client = asked.client
        if self.draining:
            self._refuse(asked, TurnError.INSUFFICIENT_CAPACITY)
        elif tunnelled(client.client[0]):
            self._forbid(asked, "client in a tunnel")
        elif request.token is not None and request.token not in self._reservations:
            self._refuse(asked, TurnError.INSUFFICIENT_CAPACITY)
        elif request.token is None and not self._families.intersection(request.families):
            self._refuse(asked, TurnError.ADDRESS_FAMILY_NOT_SUPPORTED)
        elif not self._hold(asked, request):
            self._refuse(asked, TurnError.ALLOCATION_QUOTA_REACHED)
        else:
            pending = PendingAllocate(asked, request, set(request.families))
            self._pending_by_client[client] = pending
            self._ask_for_relays(pending, now)

    def _hold(self, asked: Transaction, request: Allocate) -> bool:
        """Places for the allocation and for a port to be reserved. One that was reserved gives up its own."""
        table, client, username = self._table, asked.client, asked.who.username
        reserved = None if request.token is None else self._reservations[request.token]
        if reserved is not None:
            table.release(reserved.client, reserved.username)
        held = 0
        while held < 1 + request.reserve_next and table.hold(client, username):
            held += 1
        if held == 1 + request.reserve_next:
            return True
        for _ in range(held):
            table.release(client, username)
        if reserved is not None:
            table.hold(reserved.client, reserved.username)  # as before
        return False

    def _ask_for_relays(self, pending: PendingAllocate, now: float) -> None:
        ticket, request = next(self._tickets), pending.request
        self._pending[ticket] = pending
        if request.token is not None:
            self._deadlines.cancel(self._check_reservation, request.token)
            relay = self._reservations.pop(request.token).relay
            pending.opened[relay.announced.family] = relay
            pending.waiting.clear()
            self._finish(ticket, pending, now)
            return
        for family in request.families:
            if family in self._families:
                self._effects.append(OpenRelay(ticket, family, request.even_port, request.reserve_next))
            else:
                pending.waiting.discard(family)
                pending.failed[family] = TurnError.ADDRESS_FAMILY_NOT_SUPPORTED

    def _finish(self, ticket: int, pending: PendingAllocate, now: float) -> None:
        """When all sockets are there, or not: answer, if the client is still there, and go on."""
        if pending.waiting:
            return
        del self._pending[ticket]
        if pending.wanted:
            del self._pending_by_client[pending.asked.client]
        self._end_allocate(pending, now)
        if pending.wanted:
            self._go_on(pending, now)

    def _end_allocate(self, pending: PendingAllocate, now: float) -> None:
        asked, request = pending.asked, pending.request
        if pending.wanted and pending.opened and not self.credentials.revoked(asked.who.username):
            self._start(asked, pending, now)
            return
        for _ in range(1 + request.reserve_next):
            self._table.release(asked.client, asked.who.username)
        for relay in (*pending.opened.values(), pending.sibling):
            if relay is not None:
                self._effects.append(CloseRelay(relay.handle))
        if pending.wanted:
            self._refuse(asked, pending.failed.get(request.families[0], TurnError.INSUFFICIENT_CAPACITY))

    def _start(self, asked: Transaction, pending: PendingAllocate, now: float) -> None:
        """§7.2: the allocation begins, and the client is told."""
        lifetime = self._lifetime(pending.request.lifetime or None)
        answer = asked.success()
        for relay in pending.opened.values():
            answer.add(XOR_RELAYED_ADDRESS, relay.announced)
        for family, code in pending.failed.items():
            answer.add(ADDRESS_ERROR_CODE, AddressError(family, Error(code)))
        if pending.sibling is not None:
            answer.add(RESERVATION_TOKEN, self._reserve(pending.sibling, asked, now))
        elif pending.request.reserve_next:
            self._table.release(asked.client, asked.who.username)
        answer.add(XOR_MAPPED_ADDRESS, asked.client.address).add(LIFETIME, lifetime)
        allocation = Allocation(
            client=asked.client,
            owner=asked.who,
            transaction=asked.transaction,
            answer=asked.seal(answer),
            created=now,
            expires=now + lifetime,
            relays=pending.opened,
            meter=self._make_meter(self.limits.packets, self.limits.bandwidth),
            total=self.total,
            all_relays=self._table.relays,
        )
        self._deleted.pop(asked.client, None)
        self._table.add(allocation)
        if (stream := self._streams.get(asked.client)) is not None:
            self._streams.has_allocation(stream)
        if len(self._table.relays.hosts) != self._hosts_guarded:
            self._guard()
        look = min(allocation.expires, now + self.limits.permission_lifetime)
        self._deadlines.arm(look, self._check_allocation, allocation)
        self._count("allocations made")
        self._report("allocated", asked.client, asked.who.username, lifetime=lifetime, relays=len(pending.opened))
        self._send(asked.client, allocation.answer)

    def _reserve(self, relay: Opened, asked: Transaction, now: float) -> bytes:
        """§7.2: keep the next higher port for the client that shows the token."""
        token = self._entropy(8)
        self._reservations[token] = Reservation(relay, asked.client, asked.who.username)
        self._deadlines.arm(now + self.limits.reservation_lifetime, self._check_reservation, token)
        return token

    def _refresh(self, asked: Transaction, request: Refresh, allocation: Allocation, now: float) -> None:
        """§8.2."""
        family, lifetime = request.family, self._lifetime(request.lifetime)
        lifetime = max(0, int(min(lifetime, allocation.created + self.limits.max_age - now)))
        if family is not None and family not in allocation.relays:
            self._refuse(asked, TurnError.PEER_ADDRESS_FAMILY_MISMATCH)
            return
        answer = asked.seal(asked.success().add(LIFETIME, lifetime))
        self._send(asked.client, answer)
        if lifetime:
            allocation.expires = now + lifetime
            self._deadlines.arm(allocation.expires, self._check_allocation, allocation)
        elif family is not None and len(allocation.relays) > 1:
            relay = self._table.remove_family(allocation, family)
            self._route(allocation)
            self._close_relay(relay)
        else:
            self._delete(allocation, "deleted by the client")
            # A client whose answer was lost asks again, and gets the same instead of 437.
            self._deleted[asked.client] = asked.transaction, answer
            self._deadlines.cancel(self._forget_deleted, asked.client)
            self._deadlines.arm(now + self.limits.retransmissions, self._forget_deleted, asked.client)

    def _create_permission(
        self, asked: Transaction, request: CreatePermission, allocation: Allocation, now: float
    ) -> None:
        """§10.2: all of them, or none."""
        hosts = {peer.host: peer.family for peer in request.peers}
        if not allocation.relays.keys() >= set(hosts.values()):
            self._refuse(asked, TurnError.PEER_ADDRESS_FAMILY_MISMATCH)
            return
        for host in hosts:
            if why := self._refusal_of_host(asked.who.username, host):
                self._forbid(asked, why)
                return
        if not self._has_room(allocation, hosts, now):
            self._refuse(asked, TurnError.INSUFFICIENT_CAPACITY)
            return
        for host in hosts:
            allocation.permit(host, now + self.limits.permission_lifetime)
        self._route(allocation)
        self._accept(asked, asked.success())

    def _channel_bind(self, asked: Transaction, request: ChannelBind, allocation: Allocation, now: float) -> None:
        """§12.2."""
        number, peer, limits = request.number, request.peer, self.limits
        allocation.forget_expired(now)
        relay = allocation.relays.get(peer.family)
        if number > limits.last_channel or allocation.conflicts(number, peer):
            self._refuse(asked, ErrorCode.BAD_REQUEST)
        elif relay is None:
            self._refuse(asked, TurnError.PEER_ADDRESS_FAMILY_MISMATCH)
        elif why := self._refusal(asked.who.username, peer):
            self._forbid(asked, why)
        elif (number not in allocation.channels and len(allocation.channels) >= limits.channels) or not self._has_room(
            allocation, (peer.host,), now
        ):
            self._refuse(asked, TurnError.INSUFFICIENT_CAPACITY)
        else:
            allocation.permit(peer.host, now + limits.permission_lifetime)
            target = self._table.relays.target_of(peer)
            allocation.bind(number, peer, target, relay.handle, now + limits.channel_lifetime)
            self._route(allocation)
            self._accept(asked, asked.success())

    def _has_room(self, allocation: Allocation, hosts: Iterable[str], now: float) -> bool:
        """Whether these may be permitted as well; new ones count against the allocation's rate."""
        new = [host for host in hosts if allocation.permissions.get(host, 0.0) <= now]
        if not new:
            return True
        allocation.forget_expired(now)
        full_at = self.limits.new_peers.take(allocation.new_peers_full_at, now, len(new))
        if full_at is None or len(allocation.permissions) + len(new) > self.limits.permissions:
            return False
        allocation.new_peers_full_at = full_at
        return True

    def _mismatch(self, asked: Transaction) -> None:
        """§5: there is no allocation, unless this is what ended it, once more."""
        transaction, answer = self._deleted.get(asked.client, (b"", b""))
        if transaction == asked.transaction:
            self._send(asked.client, answer)
        else:
            self._refuse(asked, TurnError.ALLOCATION_MISMATCH)

    # --- data ---------------------------------------------------------------------------------------------------------

    def _receive_send(self, message: Message, client: FiveTuple, now: float) -> None:
        """§11.2. Never answered."""
        allocation = self._table.of_client(client)
        send = None if allocation is None else understand_send(message)
        if allocation is not None and send is not None:
            relay = allocation.relays.get(send.peer.family)
            allowed = allocation.permits(send.peer, now) and not self._refusal(allocation.owner.username, send.peer)
            if relay is not None and allowed and allocation.admit(len(send.data), now, True):
                target = self._table.relays.target_of(send.peer)
                # §13: where IPv6 is on either side of a UDP client, DONT-FRAGMENT is ignored; §15: not over TCP
                plain = client.transport.is_stream or client.address.family == send.peer.family == IPV4
                self._effects.append(SendToPeer(relay.handle, send.data, target, send.dont_fragment and plain))
                return
        self._count("client packets dropped")

    def _receive_channel_data(self, data: bytes, client: FiveTuple, now: float) -> None:
        """§12.6."""
        allocation = self._table.of_client(client)
        frame = split_channel_data(data)
        channel = None if allocation is None or frame is None else allocation.to_peer(frame[0], len(frame[1]), now)
        if channel is not None and frame is not None:
            self._effects.append(SendToPeer(channel.relay, frame[1], channel.target))
        else:
            self._count("client packets dropped")

    # --- small rules --------------------------------------------------------------------------------------------------

    def _guard(self) -> None:
        relays = self._table.relays
        self._hosts_guarded = len(relays.hosts)
        guarded = {host for host in relays.hosts if not self._policy.names(host)}
        if guarded != relays.guarded:
            relays.guarded = guarded
            for allocation in self._table:
                self._route(allocation)

    def _refusal_of_host(self, username: str, host: str) -> str | None:
        """A permission has no port, so our relays' hosts pass here, and their ports are looked at for every packet."""
        return None if host in self._table.relays.guarded else self._policy.refusal_of_host(username, host)

    def _refusal(self, username: str, peer: Address) -> str | None:
        relays = self._table.relays
        if relays.is_live(peer):
            return None
        if not relays.may_be_peer(peer) or peer in self._listeners:
            return "own address"
        return self._policy.refusal(username, peer)

    def _is_own(self, client: FiveTuple) -> bool:
        """Only datagrams are sent by us. A connection from this machine may have the port of a relay by chance."""
        if client.transport.is_stream:
            return False
        return client.client[:2] in self._listeners or self._table.relays.sends(client.client)

    def _is_busy(self, client: FiveTuple) -> bool:
        return self._table.of_client(client) is not None or client in self._pending_by_client

    def _largest_frame(self, client: FiveTuple) -> int:
        return _LARGEST_FRAME if self._is_busy(client) else self.limits.stranger_frame

    def _lifetime(self, asked: int | None) -> int:
        """§7.2, §8.2: at least the default, at most the maximum; zero stays zero, and ends an allocation."""
        if asked is None:
            return self.limits.default_lifetime
        return min(max(asked, self.limits.default_lifetime), self.limits.max_lifetime) if asked else 0

    # --- answers ------------------------------------------------------------------------------------------------------

    def _forbid(self, asked: Transaction, why: str) -> None:
        self._count(f"peers refused: {why}")
        self._report("peer refused", asked.client, asked.who.username, why=why)
        self._refuse(asked, TurnError.FORBIDDEN)

    def _refuse(self, asked: Transaction, code: int, unknown: tuple[int, ...] = ()) -> None:
        self._count(f"refused {int(code)}")
        if asked.method == Method.ALLOCATE:
            self._report("refused", asked.client, asked.who.username, code=int(code))
        self._accept(asked, error_response(asked.method, asked.transaction, code, unknown))

    def _accept(self, asked: Transaction, answer: Builder) -> None:
        self._send(asked.client, asked.seal(answer))

    def _send(self, client: FiveTuple, data: bytes) -> None:
        self._effects.append(SendToClient(client, data))

    def _count(self, what: str) -> None:
        self.counters[what] += 1

    def _report(self, event: str, client: FiveTuple, username: str, **facts: str | int | float) -> None:
        if self._tell is not None:
            self._tell(Report(event, client, user_of(username), facts))

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _delete(self, allocation: Allocation, why: str) -> None:
        self._deadlines.cancel(self._check_allocation, allocation)
        relays = self._table.remove(allocation)
        if (stream := self._streams.get(allocation.client)) is not None:
            self._streams.has_nothing(stream)
        self._route(allocation)
        for relay in relays:
            self._close_relay(relay)
        self._count(f"allocations ended: {why}")
        meter = allocation.meter
        volume = {"packets": meter.packets, "bytes": meter.bytes, "dropped": meter.dropped}
        self._report("ended", allocation.client, allocation.owner.username, why=why, since=allocation.created, **volume)

    def _route(self, allocation: Allocation) -> None:
        if allocation.routed or allocation.channels:
            allocation.routed = True
            self._effects.append(Route(allocation))

    def _close_relay(self, relay: Opened | None) -> None:
        if relay is not None:
            self._effects.append(CloseRelay(relay.handle))

    def _close_stream(self, stream: Stream) -> None:
        self._forget_stream(stream)
        self._effects.append(CloseStream(stream.client))

    def _forget_stream(self, stream: Stream) -> None:
        self._deadlines.cancel(self._check_stream, stream)
        self._streams.forget(stream)
        if (allocation := self._table.of_client(stream.client)) is not None:
            self._delete(allocation, "connection closed")
        if (pending := self._pending_by_client.pop(stream.client, None)) is not None:
            pending.wanted = False

    def _check_allocation(self, allocation: Allocation, now: float) -> float | None:
        if allocation.expires <= now:
            self._delete(allocation, "expired")
            return None
        allocation.forget_expired(now)
        return min(allocation.expires, now + self.limits.permission_lifetime)

    def _check_reservation(self, token: bytes, now: float) -> None:
        relay, client, username = self._reservations.pop(token)
        self._table.release(client, username)
        self._close_relay(relay)

    def _forget_deleted(self, client: FiveTuple, now: float) -> None:
        self._deleted.pop(client, None)

    def _check_stream(self, stream: Stream, now: float) -> float | None:
        if stream.deadline == BUSY and not self._is_busy(stream.client):
            stream.deadline = now + (self.limits.first_message if stream.buffer else self.limits.idle)
        if stream.deadline > now:
            return min(stream.deadline, now + self.limits.idle)
        self._count("streams closed for silence")
        self._close_stream(stream)
        return None
