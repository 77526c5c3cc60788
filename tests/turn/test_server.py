"""Stories about a relay: a client asks, the core asks for a socket, we say yes or no, time passes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.base.rates import Rate
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, Builder, Class, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy
from tests.stun import test_vectors as vectors
from tests.turn.world import PEER, PEER6, RELAY_HOST, SERVER, Answer, Client, World

STREAMS = (Transport.TCP, Transport.TLS)


@pytest.fixture
def world() -> World:
    return World()


class TestBinding:
    def test_tells_a_client_its_address(self, world: World) -> None:
        client = world.client("192.0.2.10", 40_000)
        answer = client.transact(vectors.CHROMIUM_BINDING)
        assert answer is not None and answer.class_ is Class.SUCCESS
        assert answer[a.XOR_MAPPED_ADDRESS] == Address("192.0.2.10", 40_000)

    def test_over_ipv6(self, world: World) -> None:
        client = Client(world, FiveTuple(Transport.UDP, ("2001:db8::7", 9, 0, 0), SERVER))
        answer = client.transact(vectors.COTURN_BINDING)
        assert answer is not None and answer[a.XOR_MAPPED_ADDRESS] == Address("2001:db8::7", 9)

    @pytest.mark.parametrize(
        ("type_", "value"),
        [(0x0003, "00000002"), (0x0003, "00000004"), (0x0003, "00000006"), (0x0003, ""), (0x0025, ""),
         (0x0004, "0001000908080808"), (0x7001, "00")],
    )  # fmt: skip
    def test_unknown_attributes_are_named(self, world: World, type_: int, value: str) -> None:
        """CHANGE-REQUEST with a flag asks to be answered from elsewhere."""
        client = world.client()
        answer = client.transact(client.request(BINDING, (a.opaque(type_, "ODD", ""), bytes.fromhex(value))).encode())
        assert answer is not None and answer.code == 420 and answer[a.UNKNOWN_ATTRIBUTES] == (type_,)

    @pytest.mark.parametrize(
        ("type_", "value"),
        [
            (0x0003, "00000000"),  # CHANGE-REQUEST that changes nothing, as STUNTMAN's client sends it
            (0x0003, "00000001"),
            (0x0002, "0001000908080808"),  # RESPONSE-ADDRESS
            (0x001B, "00000000"),  # ACCESS-TOKEN
            (0x0024, "6e0001ff"),  # PRIORITY
            (0x0026, "00" * 64),  # PADDING
            (0x0027, "00090000"),  # RESPONSE-PORT
        ],
    )
    def test_what_asks_for_nothing_is_no_reason_to_refuse(self, world: World, type_: int, value: str) -> None:
        """coturn answers all of these. The answer goes where the request came from, and is as short as any."""
        client = world.client()
        odd = (a.opaque(type_, "ODD", ""), bytes.fromhex(value))
        answer = client.transact(client.request(BINDING, odd).encode())
        assert answer is not None and answer.code == 0 and len(answer.data) == 32
        assert answer[a.XOR_MAPPED_ADDRESS] == client.five_tuple.address
        assert world.client(port=2).ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), odd).code == 420

    def test_stuntmans_own_bytes(self, world: World) -> None:
        request = bytes.fromhex("000100082112a442") + bytes(range(12)) + bytes.fromhex("0003000400000000")
        answer = world.client().transact(request)
        assert answer is not None and answer.class_ is Class.SUCCESS


class TestFingerprint:
    """RFC 8489 §7: a request that has one is answered with one, whatever the answer; others are not."""

    def requests(self, client: Client) -> list[Builder]:
        login: list[tuple[a.Attribute[Any], Any]] = [
            (a.USERNAME, client.username), (a.REALM, "slidewire"), (a.NONCE, client.nonce),
        ]  # fmt: skip
        peer = (t.XOR_PEER_ADDRESS, PEER)
        signed: list[tuple[int, list[tuple[a.Attribute[Any], Any]]]] = [
            (Method.ALLOCATE, []),
            (Method.REFRESH, []),
            (Method.ALLOCATE, [(t.REQUESTED_TRANSPORT, 17)]),
            (Method.ALLOCATE, [(t.REQUESTED_TRANSPORT, 17)]),
            (Method.CREATE_PERMISSION, [peer]),
            (Method.CHANNEL_BIND, [(t.CHANNEL_NUMBER, 0x4000), peer]),
            (Method.REFRESH, [(a.opaque(0x7001, "ODD", ""), b"")]),
            (Method.REFRESH, [(t.LIFETIME, 0)]),
        ]
        strangers = [client.request(BINDING), client.request(BINDING, (a.opaque(0x7001, "ODD", ""), b""))]
        strangers += [client.request(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))]
        return strangers + [client.request(method, *fields, *login).sign(client.key) for method, fields in signed]

    @pytest.mark.parametrize("transport", Transport)
    @pytest.mark.parametrize("asked", [True, False])
    @pytest.mark.parametrize("sha256", [True, False])
    def test_every_answer(self, transport: Transport, asked: bool, sha256: bool) -> None:
        client = World(sha256=sha256).client(transport=transport)
        client.challenge()
        codes = []
        for builder in self.requests(client):
            data = builder.fingerprint().encode() if asked else builder.encode()
            answer = client.transact(data)
            assert answer is not None and answer.message.fingerprint_holds() is (True if asked else None)
            if answer.message.method != BINDING and answer.code != 401:
                assert answer.message.integrity_holds(client.key)
            codes.append(answer.code)
        assert codes == [0, 420, 401, 400, 437, 0, 437, 0, 0, 420, 0]

    def test_a_retransmission_gets_the_same_bytes(self, world: World) -> None:
        client = world.client()
        client.challenge()
        login = ((a.USERNAME, client.username), (a.REALM, "slidewire"), (a.NONCE, client.nonce))
        for method, field in ((Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)), (Method.REFRESH, (t.LIFETIME, 0))):
            data = client.request(method, field, *login).sign(client.key).fingerprint().encode()
            client.send(data)
            client.send(data)
            first, second = client.heard()
            assert first == second and first[-8:-4] == bytes.fromhex("80280004")


class TestAllocate:
    def test_the_first_answer_is_a_challenge(self, world: World) -> None:
        answer = world.client().transact(vectors.CHROMIUM_ALLOCATE)
        assert answer is not None and answer.code == 401
        assert answer[a.REALM] == "slidewire" and len(answer[a.NONCE]) == 16
        assert world.asked == []

    def test_the_client_is_answered_when_the_socket_is_there(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP))
        assert client.transact(request) is None and [asked.family for asked in world.asked] == [IPV4]
        world.answer(world.asked[0])
        (heard,) = client.heard()
        message = parse(heard)
        assert message is not None and message.class_ is Class.SUCCESS and message.integrity_holds(client.key)
        assert message.get(t.XOR_RELAYED_ADDRESS) == Address(RELAY_HOST[IPV4], 50_001)
        assert message.get(a.XOR_MAPPED_ADDRESS) == client.five_tuple.address
        assert message.get(t.LIFETIME) == 600

    def test_no_socket_no_allocation(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)))
        world.fail(world.asked[0])
        (heard,) = client.heard()
        message = parse(heard)
        assert message is not None and message.get(a.ERROR_CODE) == a.Error(508)
        assert world.server.allocations == []
        world.auto = True
        assert client.allocate().class_ is Class.SUCCESS

    def test_a_retransmission_while_the_socket_opens_is_not_asked_for_twice(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP))
        client.send(request)
        client.send(request)
        assert len(world.asked) == 1
        world.answer(world.asked[0])
        assert len(client.heard()) == 1

    @pytest.mark.parametrize(
        ("asked", "given_"), [(None, 600), (1, 600), (777, 777), (3600, 3600), (10**9, 3600), (0, 600)]
    )
    def test_lifetimes(self, world: World, asked: int | None, given_: int) -> None:
        client = world.client()
        assert client.allocate(*([] if asked is None else [(t.LIFETIME, asked)]))[t.LIFETIME] == given_
        world.wait(given_ - 1)
        assert len(world.open) == 1
        world.wait(1)
        assert world.open == {} and world.server.allocations == []

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ([], 400),
            ([(t.REQUESTED_TRANSPORT, 6)], 442),
            ([(t.REQUESTED_TRANSPORT, 17), (t.REQUESTED_ADDRESS_FAMILY, 3)], 440),
            ([(t.REQUESTED_TRANSPORT, 17), (t.RESERVATION_TOKEN, bytes(8))], 508),
            ([(t.REQUESTED_TRANSPORT, 17), (t.RESERVATION_TOKEN, bytes(8)), (t.EVEN_PORT, False)], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (t.RESERVATION_TOKEN, bytes(8)), (t.REQUESTED_ADDRESS_FAMILY, 1)], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (t.ADDITIONAL_ADDRESS_FAMILY, 2), (t.REQUESTED_ADDRESS_FAMILY, 1)], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (t.ADDITIONAL_ADDRESS_FAMILY, 1)], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (t.ADDITIONAL_ADDRESS_FAMILY, 2), (t.RESERVATION_TOKEN, bytes(8))], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (t.ADDITIONAL_ADDRESS_FAMILY, 2), (t.EVEN_PORT, True)], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (a.opaque(0x002A, "CONNECTION-ID", "RFC 6062"), bytes(4))], 420),
            ([(a.opaque(0x0019, "REQUESTED-TRANSPORT", ""), b"\x11")], 400),
            ([(t.REQUESTED_TRANSPORT, 17), (a.opaque(0x000D, "LIFETIME", ""), b"\0")], 400),
        ],
    )  # fmt: skip
    def test_wrong_requests(self, world: World, fields: list[tuple[a.Attribute[object], object]], code: int) -> None:
        assert world.client().ask(Method.ALLOCATE, *fields).code == code
        assert world.asked == [] and world.server.allocations == []

    def test_ipv6_where_there_is_none(self) -> None:
        world = World(families=[IPV4])
        assert world.client().allocate((t.REQUESTED_ADDRESS_FAMILY, IPV6)).code == 440

    def test_ipv6(self, world: World) -> None:
        assert world.client().allocate((t.REQUESTED_ADDRESS_FAMILY, IPV6)).relayed.host == RELAY_HOST[IPV6]

    @pytest.mark.parametrize("attribute", [t.ADDITIONAL_ADDRESS_FAMILY, t.DRAFT_ADDITIONAL_ADDRESS_FAMILY])
    def test_both_families(self, world: World, attribute: a.Attribute[int]) -> None:
        answer = world.client().allocate((attribute, IPV6))
        relayed = answer.message.get_all(t.XOR_RELAYED_ADDRESS)
        assert [address.family for address in relayed] == [IPV4, IPV6] and answer[t.ADDRESS_ERROR_CODE] is None

    def test_one_of_both_families(self) -> None:
        world = World(families=[IPV4])
        answer = world.client().allocate((t.ADDITIONAL_ADDRESS_FAMILY, IPV6))
        assert answer.class_ is Class.SUCCESS and len(answer.message.get_all(t.XOR_RELAYED_ADDRESS)) == 1
        assert answer[t.ADDRESS_ERROR_CODE] == t.AddressError(IPV6, a.Error(440))

    def test_the_other_of_both_families(self) -> None:
        answer = World(families=[IPV6]).client().allocate((t.ADDITIONAL_ADDRESS_FAMILY, IPV6))
        assert answer.relayed.family == IPV6 and answer[t.ADDRESS_ERROR_CODE] == t.AddressError(IPV4, a.Error(440))

    def test_the_second_family_has_no_port_left(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), (t.ADDITIONAL_ADDRESS_FAMILY, IPV6)))
        v4, v6 = world.asked
        world.fail(v6)
        assert client.heard() == []
        world.answer(v4)
        (heard,) = client.heard()
        message = parse(heard)
        assert message is not None and message.get(t.ADDRESS_ERROR_CODE) == t.AddressError(IPV6, a.Error(508))

    def test_what_is_known_but_not_expected_is_ignored(self, world: World) -> None:
        """RFC 8489 §6.3. The number and the peer of a channel mean nothing here, and are no reason to refuse."""
        odd: list[tuple[a.Attribute[Any], Any]] = [
            (t.CHANNEL_NUMBER, 0x4000),
            (t.XOR_PEER_ADDRESS, PEER),
            (a.MAPPED_ADDRESS, PEER),
        ]
        assert world.client().allocate(*odd).class_ is Class.SUCCESS

    def test_dont_fragment_is_understood(self, world: World) -> None:
        assert world.client().allocate((t.DONT_FRAGMENT, True)).class_ is Class.SUCCESS

    def test_real_clients_bytes(self, world: World) -> None:
        """What coturn's client asks for, signed by us: an even port, and the next one kept."""
        answer = world.client().allocate((t.LIFETIME, 777), (t.EVEN_PORT, True), (t.REQUESTED_ADDRESS_FAMILY, IPV4))
        assert answer.relayed.port % 2 == 0 and len(answer[t.RESERVATION_TOKEN]) == 8


class TestTheOrderOfRefusals:
    """§7.2 and §5: who is asking, then whose the five-tuple is, then what else the request says."""

    ODD = a.opaque(0x7001, "ODD", "")
    WRONG: tuple[list[tuple[a.Attribute[Any], Any]], ...] = (
        [],
        [(t.REQUESTED_TRANSPORT, 6)],
        [(t.REQUESTED_TRANSPORT, 17), (t.REQUESTED_ADDRESS_FAMILY, 3)],
        [(t.REQUESTED_TRANSPORT, 17), (t.RESERVATION_TOKEN, bytes(8))],
        [(t.REQUESTED_TRANSPORT, 17), (ODD, b"x")],
        [(t.REQUESTED_TRANSPORT, 17), (a.opaque(0x000D, "LIFETIME", ""), b"\0")],
    )

    def test_an_allocate_of_another_user(self, world: World) -> None:
        client = world.allocated()
        client.use("bob")
        assert client.allocate().code == 437 and client.refresh(0).code == 441
        for fields in self.WRONG:
            assert client.ask(Method.ALLOCATE, *fields).code == 437
        assert len(world.open) == 1 and world.server.allocations[0].owner.username.endswith("ada")

    def test_an_allocate_where_there_is_an_allocation(self, world: World) -> None:
        client = world.allocated()
        for fields in self.WRONG:
            assert client.ask(Method.ALLOCATE, *fields).code == 437

    def test_another_user_repeats_no_request(self, world: World) -> None:
        """The same transaction under another name is not a retransmission: the answer to it is not for them."""
        client = world.client()
        client.challenge()
        first = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
        client.send(first)
        client.heard()
        client.use("bob")
        assert client.nonce is not None
        builder = Builder(Method.ALLOCATE, Class.REQUEST, first[8:20]).add(t.REQUESTED_TRANSPORT, 17)
        builder.add(a.USERNAME, client.username).add(a.REALM, "slidewire").add(a.NONCE, client.nonce)
        answer = client.transact(builder.sign(client.key).encode())
        assert answer is not None and answer.code == 437

    def test_without_an_allocation_nothing_else_matters(self, world: World) -> None:
        client = world.client()
        assert client.ask(Method.REFRESH, (self.ODD, b"x")).code == 437
        assert client.ask(Method.REFRESH, (t.REQUESTED_ADDRESS_FAMILY, 3)).code == 437
        assert client.permit().code == 437
        assert client.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 1)).code == 437

    def test_a_stranger_hears_of_its_login_first(self, world: World) -> None:
        client = world.allocated()
        client.key = bytes(16)
        assert client.ask(Method.ALLOCATE, *self.WRONG[0]).code == 401
        assert client.ask(Method.REFRESH, (self.ODD, b"x")).code == 401

    def test_a_token_is_looked_for_before_the_family(self) -> None:
        """Step 5 comes before step 7, and a token brings its own family."""
        world = World(families=[IPV6])
        first = world.client(port=1).allocate((t.REQUESTED_ADDRESS_FAMILY, IPV6), (t.EVEN_PORT, True))
        assert world.client(port=2).allocate((t.RESERVATION_TOKEN, bytes(8))).code == 508
        second = world.client(port=3).allocate((t.RESERVATION_TOKEN, first[t.RESERVATION_TOKEN]))
        assert second.relayed == Address(first.relayed.host, first.relayed.port + 1)


class TestReservations:
    def test_the_next_port_is_kept_for_who_has_the_token(self, world: World) -> None:
        first = world.client(port=1).allocate((t.EVEN_PORT, True))
        world.wait(29)
        second = world.client(port=2).allocate((t.RESERVATION_TOKEN, first[t.RESERVATION_TOKEN]))
        assert second.relayed == Address(first.relayed.host, first.relayed.port + 1)
        assert world.client(port=3).allocate((t.RESERVATION_TOKEN, first[t.RESERVATION_TOKEN])).code == 508
        world.wait(2)
        assert len(world.open) == 2

    def test_it_is_given_up_after_half_a_minute(self, world: World) -> None:
        first = world.client(port=1).allocate((t.EVEN_PORT, True))
        world.wait(31)
        assert len(world.open) == 1
        assert world.client(port=2).allocate((t.RESERVATION_TOKEN, first[t.RESERVATION_TOKEN])).code == 508

    def test_an_even_port_alone_keeps_nothing(self, world: World) -> None:
        answer = world.client().allocate((t.EVEN_PORT, False))
        assert answer.relayed.port % 2 == 0 and answer[t.RESERVATION_TOKEN] is None and len(world.open) == 1


class TestRefresh:
    def test_keeps_it_alive(self, world: World) -> None:
        client = world.allocated()
        for _ in range(5):
            world.wait(500)
            assert client.refresh()[t.LIFETIME] == 600
        world.wait(599)
        assert len(world.open) == 1
        world.wait(2)
        assert world.open == {} and client.refresh().code == 437

    def test_shortens_it(self, world: World) -> None:
        client = world.allocated((t.LIFETIME, 3600))
        assert client.refresh(600)[t.LIFETIME] == 600
        world.wait(601)
        assert world.open == {}

    def test_zero_ends_it(self, world: World) -> None:
        client = world.allocated()
        assert client.refresh(0)[t.LIFETIME] == 0
        assert world.open == {} and client.refresh(0).code == 437
        assert client.allocate().class_ is Class.SUCCESS

    def test_one_family_of_two(self, world: World) -> None:
        client = world.allocated((t.ADDITIONAL_ADDRESS_FAMILY, IPV6))
        assert client.permit(PEER, PEER6).code == 0
        assert client.refresh(0, (t.REQUESTED_ADDRESS_FAMILY, IPV6)).code == 0
        assert [relay.bound.family for relay in world.open.values()] == [IPV4]
        assert client.permit(PEER6).code == 443 and client.permit(PEER).code == 0
        assert client.refresh(600, (t.REQUESTED_ADDRESS_FAMILY, IPV6)).code == 443

    def test_nothing_lives_for_ever(self) -> None:
        world = World(limits=Limits(max_age=2000))
        client = world.allocated()
        for _ in range(3):
            world.wait(500)
            client.nonce = None
            assert client.refresh(600).code == 0
        assert client.refresh(600)[t.LIFETIME] == 500
        world.wait(501)
        assert world.open == {}


class TestPermissions:
    def test_a_peer_is_heard_only_with_one(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        world.from_peer(client.relayed, b"too early", PEER)
        client.say(PEER, b"too early")
        assert client.told() == [] and world.sent_away() == []
        assert client.permit(PEER).code == 0
        world.from_peer(client.relayed, b"hello", PEER)
        client.say(PEER, b"and back")
        assert client.told() == [(PEER, b"hello")] and world.sent_away() == [(b"and back", PEER)]

    def test_it_is_for_the_host_on_every_port(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        client.permit(PEER)
        other = Address(PEER.host, 6000)
        world.from_peer(client.relayed, b"x", other)
        assert client.told() == [(other, b"x")]
        world.from_peer(client.relayed, b"x", Address("8.8.8.8", PEER.port))
        assert client.told() == []

    def test_it_ends_after_five_minutes_whatever_is_sent(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        client.permit(PEER)
        for _ in range(3):
            world.wait(99.9)
            client.say(PEER, b"data does not renew it")
            world.from_peer(client.relayed, b"nor does this", PEER)
        assert len(client.told()) == 3
        world.wait(1)
        client.say(PEER, b"late")
        world.from_peer(client.relayed, b"late", PEER)
        assert client.told() == [] and len(world.sent_away()) == 3
        assert client.permit(PEER).code == 0
        world.from_peer(client.relayed, b"again", PEER)
        assert client.told() == [(PEER, b"again")]

    def test_all_or_none(self, world: World) -> None:
        client = world.allocated()
        assert client.permit(PEER, Address("10.0.0.1", 5000)).code == 403
        client.say(PEER, b"x")
        assert world.sent_away() == []

    def test_wrong_requests(self, world: World) -> None:
        client = world.client()
        assert client.permit(PEER).code == 437
        client.allocate()
        assert client.permit().code == 400 and client.permit(PEER6).code == 443


class TestChannels:
    def test_carry_data_both_ways(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None and client.bind(0x4000, PEER).code == 0
        client.say_on(0x4000, b"ping")
        world.from_peer(client.relayed, b"pong", PEER)
        assert world.sent_away() == [(b"ping", PEER)] and client.told() == [(0x4000, b"pong")]

    def test_another_port_of_the_peer_comes_as_an_indication(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        client.bind(0x4000, PEER)
        world.from_peer(client.relayed, b"x", Address(PEER.host, 6))
        assert client.told() == [(Address(PEER.host, 6), b"x")]

    def test_need_their_permission(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        client.bind(0x4000, PEER)
        world.wait(301)
        client.say_on(0x4000, b"x")
        world.from_peer(client.relayed, b"x", PEER)
        assert world.sent_away() == [] and client.told() == []
        client.permit(PEER)
        client.say_on(0x4000, b"y")
        world.from_peer(client.relayed, b"y", PEER)
        assert world.sent_away() == [(b"y", PEER)] and client.told() == [(0x4000, b"y")]

    def test_end_after_ten_minutes(self, world: World) -> None:
        client = world.allocated((t.LIFETIME, 3600))
        client.bind(0x4000, PEER)
        world.wait(400)
        client.permit(PEER)
        world.wait(201)
        client.say_on(0x4000, b"x")
        assert world.sent_away() == []
        assert client.bind(0x4000, Address("8.8.8.8", 5000)).code == 0

    def test_binding_again_renews(self, world: World) -> None:
        client = world.allocated((t.LIFETIME, 3600))
        for _ in range(4):
            assert client.bind(0x4000, PEER).code == 0
            world.wait(290)
        client.say_on(0x4000, b"x")
        assert world.sent_away() == [(b"x", PEER)]

    @pytest.mark.parametrize("number", [0x0000, 0x3FFF, 0x8000, 0xFFFF])
    def test_numbers_out_of_range(self, world: World, number: int) -> None:
        assert world.allocated().bind(number, PEER).code == 400

    def test_numbers_that_rfc_8656_reserved_are_a_setting(self, world: World) -> None:
        """A departure: coturn 4.6's client chooses from RFC 5766's range."""
        assert world.allocated().bind(0x7FFF, PEER).code == 0
        strict = World(limits=Limits(last_channel=t.LAST_CHANNEL)).allocated()
        assert strict.bind(0x5000, PEER).code == 400 and strict.bind(0x4FFF, PEER).code == 0

    def test_one_peer_one_number(self, world: World) -> None:
        client = world.allocated()
        client.bind(0x4000, PEER)
        assert client.bind(0x4001, PEER).code == 400
        assert client.bind(0x4000, Address("8.8.8.8", 5000)).code == 400
        assert client.bind(0x4FFF, Address("8.8.8.8", 5000)).code == 0

    def test_wrong_requests(self, world: World) -> None:
        client = world.client()
        assert client.bind(0x4000, PEER).code == 437
        client.allocate()
        assert client.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000)).code == 400
        assert client.ask(Method.CHANNEL_BIND, (t.XOR_PEER_ADDRESS, PEER)).code == 400
        assert client.bind(0x4000, PEER6).code == 443

    @pytest.mark.parametrize("cut", [1, 2, 3, 4, 7])
    def test_cut_frames_are_dropped(self, world: World, cut: int) -> None:
        client = world.allocated()
        client.bind(0x4000, PEER)
        client.send(b"\x40\x00\x00\x04abcd"[:cut])
        assert world.sent_away() == []

    def test_padding_in_a_datagram_is_not_data(self, world: World) -> None:
        client = world.allocated()
        client.bind(0x4000, PEER)
        client.send(b"\x40\x00\x00\x01a\0\0\0")
        assert world.sent_away() == [(b"a", PEER)]


class TestSendIndications:
    def test_an_empty_datagram(self, world: World) -> None:
        client = world.allocated()
        client.permit(PEER)
        client.say(PEER, b"")
        assert world.sent_away() == [(b"", PEER)]

    def test_wrong_ones_are_discarded_without_a_word(self, world: World) -> None:
        client = world.allocated()
        client.permit(PEER)
        odd = a.opaque(0x7000, "ODD", "")
        cases: list[list[tuple[a.Attribute[Any], Any]]] = [
            [], [(t.DATA, b"x")], [(t.XOR_PEER_ADDRESS, PEER)],
                       [(t.DATA, b"x"), (t.XOR_PEER_ADDRESS, PEER), (odd, b"")],
                       [(t.DATA, b"x"), (t.XOR_PEER_ADDRESS, PEER6)],
        ]  # fmt: skip
        for fields in cases:
            builder = Builder(Method.SEND, Class.INDICATION, bytes(12))
            for attribute, value in fields:
                builder.add(attribute, value)
            client.send(builder.encode())
        assert world.sent_away() == [] and client.heard() == []

    @pytest.mark.parametrize(
        ("host", "transport", "peer", "kept"),
        [
            ("192.0.2.10", Transport.UDP, PEER, True),
            ("192.0.2.10", Transport.UDP, PEER6, False),
            ("2001:db8::7", Transport.UDP, PEER, False),
            ("2001:db8::7", Transport.UDP, PEER6, False),
            ("192.0.2.10", Transport.TCP, PEER6, True),
            ("2001:db8::7", Transport.TLS, PEER6, True),
        ],
    )
    def test_dont_fragment(self, world: World, host: str, transport: Transport, peer: Address, kept: bool) -> None:
        """§13: ignored between datagrams if either side is IPv6; §15: kept if it came in a stream."""
        client = world.allocated((t.ADDITIONAL_ADDRESS_FAMILY, IPV6), host=host, transport=transport)
        client.permit(peer)
        send = Builder(Method.SEND, Class.INDICATION, bytes(12)).add(t.XOR_PEER_ADDRESS, peer).add(t.DATA, b"x")
        client.send(send.add(t.DONT_FRAGMENT, True).encode())
        assert world.sent_away() == [(b"x", peer)] and world.dont_fragment is kept

    def test_too_large_for_an_indication(self, world: World) -> None:
        client = world.allocated()
        assert client.relayed is not None
        client.permit(PEER)
        world.from_peer(client.relayed, bytes(65_527), PEER)  # the largest UDP payload there is, over IPv6
        assert client.heard() == [] and world.server.counters["peer packets dropped"] == 1


class TestStreams:
    @pytest.mark.parametrize("transport", STREAMS)
    def test_a_whole_session(self, world: World, transport: Transport) -> None:
        client = world.allocated(transport=transport)
        assert client.relayed is not None
        client.bind(0x4000, PEER)
        client.say_on(0x4000, b"12345")
        world.from_peer(client.relayed, b"678", PEER)
        assert world.sent_away() == [(b"12345", PEER)]
        assert client.heard() == [b"\x40\x00\x00\x03678\0"]

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
    def test_in_any_pieces(self, world: World, size: int) -> None:
        client = world.allocated(transport=Transport.TCP)
        client.bind(0x4000, PEER)
        client.permit(PEER)
        indication = Builder(Method.SEND, Class.INDICATION, bytes(12)).add(t.XOR_PEER_ADDRESS, PEER)
        data = b"\x40\x00\x00\x05hello\0\0\0" + indication.add(t.DATA, b"you").encode() + b"\x40\x00\x00\x00"
        for start in range(0, len(data), size):
            client.send(data[start : start + size])
        assert world.sent_away() == [(b"hello", PEER), (b"you", PEER), (b"", PEER)]

    def test_the_allocation_goes_with_its_connection(self, world: World) -> None:
        client = world.allocated(transport=Transport.TCP)
        world.server.stream_closed(client.five_tuple, world.now)
        world.drain()
        assert world.open == {} and world.server.allocations == []

    def test_a_client_that_left_while_its_socket_opened(self) -> None:
        world = World(relays=False)
        client = world.client(transport=Transport.TCP)
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
        world.server.stream_closed(client.five_tuple, world.now)
        again = world.client(transport=Transport.TCP)
        world.answer(world.asked[0])
        assert world.open == {} and again.heard() == []
        world.auto = True
        assert again.allocate().class_ is Class.SUCCESS

    def test_something_else_is_cut_off(self, world: World) -> None:
        for greeting in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03",
            b"\x00\x01\x00\x00nope",
        ):
            client = world.client(transport=Transport.TCP)
            client.send(greeting)
            assert world.closed_streams == [client.five_tuple]
            world.closed_streams.clear()


class TestWhatComesBehindAnAllocate:
    """A client may send what follows without waiting for the answer. Until its socket is there, that waits."""

    def pipelined(self, client: Client) -> list[bytes]:
        client.challenge()
        return [
            client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)),
            client.signed(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, PEER)),
            client.signed(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, PEER)),
            b"\x40\x00\x00\x04data",
            client.signed(Method.REFRESH, (t.LIFETIME, 700)),
        ]

    def codes(self, client: Client) -> list[tuple[int, int]]:
        heard = [parse(data) for data in client.heard()]
        answers = [Answer(message, message.data) for message in heard if message is not None]
        return [(answer.message.method, answer.code) for answer in answers]

    IN_ORDER = tuple((method, 0) for method in (0x003, 0x008, 0x009, 0x004))

    @pytest.mark.parametrize("transport", Transport)
    @pytest.mark.parametrize("auto", [True, False])
    def test_it_is_taken_in_its_order(self, transport: Transport, auto: bool) -> None:
        world = World(relays=auto)
        client = world.client(transport=transport)
        pieces = self.pipelined(client)
        for data in [b"".join(pieces)] if transport.is_stream else pieces:
            client.send(data)
        if not auto:
            assert client.heard() == [] and world.sent_away() == [] and len(world.asked) == 1
            world.answer(world.asked[0])
        assert self.codes(client) == [*self.IN_ORDER] and world.sent_away() == [(b"data", PEER)]

    @pytest.mark.parametrize("size", [1, 7, 100])
    def test_in_any_pieces(self, size: int) -> None:
        world = World(relays=False)
        client = world.client(transport=Transport.TLS)
        data = b"".join(self.pipelined(client))
        for start in range(0, len(data), size):
            client.send(data[start : start + size])
        assert client.heard() == []
        world.answer(world.asked[0])
        assert self.codes(client) == [*self.IN_ORDER] and world.sent_away() == [(b"data", PEER)]

    @pytest.mark.parametrize("transport", Transport)
    def test_after_a_refusal_it_is_refused(self, transport: Transport) -> None:
        world = World(relays=False)
        client = world.client(transport=transport)
        for data in self.pipelined(client):
            client.send(data)
        world.fail(world.asked[0])
        assert self.codes(client) == [(0x003, 508), (0x008, 437), (0x009, 437), (0x004, 437)]
        assert world.sent_away() == []

    def test_others_do_not_wait(self) -> None:
        world = World(relays=False)
        one, two = world.client(port=1, transport=Transport.TCP), world.client(port=2, transport=Transport.TCP)
        one.send(b"".join(self.pipelined(one)))
        assert two.challenge().code == 401

    def test_one_allocation_after_another(self) -> None:
        """Each waits for its own socket. A token needs none, and is no way to make the server call itself for ever."""
        world = World(relays=False, limits=Limits(stranger_messages=Rate(1, 10_000)))
        client = world.client(transport=Transport.TCP)
        client.challenge()
        allocate, end = (t.REQUESTED_TRANSPORT, 17), client.signed(Method.REFRESH, (t.LIFETIME, 0))
        client.send(b"".join(client.signed(Method.ALLOCATE, allocate) + end for _ in range(1000)))
        for number in range(1000):
            assert len(world.asked) == number + 1
            world.answer(world.asked[-1])
        assert self.codes(client) == [(0x003, 0), (0x004, 0)] * 1000
        world.auto = True
        tokens = [
            world.client(host=f"8.8.{number}.1").allocate((t.EVEN_PORT, True))[t.RESERVATION_TOKEN]
            for number in range(50)
        ]
        client.send(
            b"".join(client.signed(Method.ALLOCATE, allocate, (t.RESERVATION_TOKEN, token)) + end for token in tokens)
        )
        assert self.codes(client) == [(0x003, 0), (0x004, 0)] * 50

    def test_a_stream_does_not_wait_without_end(self) -> None:
        world = World(relays=False, limits=Limits(postponed_bytes=1000))
        client = world.client(transport=Transport.TCP)
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)) + bytes(1000))
        assert world.closed_streams == []
        client.send(b"\0")
        assert world.closed_streams == [client.five_tuple]
        world.answer(world.asked[0])
        assert world.open == {} and world.server.allocations == [] and client.heard() == []

    @pytest.mark.parametrize("limits", [Limits(postponed=3), Limits(postponed_bytes=300)])
    def test_datagrams_do_not_wait_without_end(self, limits: Limits) -> None:
        world = World(relays=False, limits=limits)
        client = world.client()
        client.challenge()
        request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
        client.send(request)
        binding = client.request(BINDING).encode().ljust(100, b"\0")
        binding = binding[:2] + (80).to_bytes(2, "big") + binding[4:]
        for _ in range(50):
            client.send(binding)
            client.send(request)  # which is on its way, and takes no place
        world.answer(world.asked[0])
        assert len(client.heard()) == 1 + 3 and world.server.counters["client packets dropped"] == 47

    def test_large_frames_may_follow(self) -> None:
        world = World(relays=False)
        client = world.client(transport=Transport.TCP)
        pieces = self.pipelined(client)[:3]
        client.send(b"".join(pieces) + b"\x40\x00" + (8000).to_bytes(2, "big") + bytes(8000))
        world.answer(world.asked[0])
        assert world.sent_away() == [(bytes(8000), PEER)]

    def test_who_left_meanwhile_leaves_nothing_to_their_successor(self) -> None:
        world = World(relays=False)
        client = world.client(transport=Transport.TCP)
        client.send(b"".join(self.pipelined(client)))
        world.server.stream_closed(client.five_tuple, world.now)
        again = world.client(transport=Transport.TCP)
        world.answer(world.asked[0])
        assert again.heard() == [] and world.sent_away() == [] and world.open == {}


class TestBehindNat:
    def test_two_of_our_clients_meet_inside(self) -> None:
        """Relays are bound to 10.0.0.5 and announced as 198.51.100.9: neither leaves the machine to reach the other."""
        world = World(relays=False, policy=PeerPolicy(own=frozenset({"10.0.0.5", "198.51.100.9"})))
        inside = "10.0.0.5"
        clients = [world.client(port=port) for port in (1, 2)]
        for number, client in enumerate(clients):
            client.challenge()
            client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
            relay = world.opened(IPV4, announced="198.51.100.9")
            relay = relay._replace(bound=Address(inside, relay.bound.port))
            world.server.relay_opened(world.asked[number].ticket, IPV4, relay, world.now)
            world.drain()
            client.heard()
            client.relayed = relay.announced
        one, two = clients
        assert one.relayed is not None and two.relayed is not None
        assert one.bind(0x4000, two.relayed).code == 0 and two.permit(one.relayed).code == 0
        one.say_on(0x4000, b"hello")
        assert world.sent_away() == [(b"hello", Address(inside, two.relayed.port))]
        world.from_peer(two.relayed, b"hello", Address(inside, one.relayed.port))
        assert two.told() == [(one.relayed, b"hello")]


class TestAnythingAtAll:
    """No input makes the core raise, and none leaves it in a state that does so later."""

    @given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=120)), max_size=12))
    @settings(max_examples=150)
    def test_garbage(self, pieces: list[tuple[int, bytes]]) -> None:
        world = World()
        clients = [world.client(port=1), world.client(port=2, transport=Transport.TCP), world.allocated(port=3)]
        for which, data in pieces:
            clients[which].send(data)
            world.wait(1)
        world.wait(4000)
        assert world.open == {} and world.server.allocations == []

    def test_mutated_sessions(self) -> None:
        """A real session with bytes changed, cut, repeated and reordered, over both kinds of transport; seeded."""
        dice = random.Random(8656)
        for round_ in range(150):
            world = World()
            client = world.client(transport=dice.choice([Transport.UDP, Transport.TCP]))
            client.challenge()
            script = [
                client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), (t.EVEN_PORT, True)),
                client.signed(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, PEER)),
                client.signed(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, PEER)),
                b"\x40\x00\x00\x04abcd",
                client.signed(Method.REFRESH, (t.LIFETIME, 0)),
                *vectors.VECTORS,
            ]
            for _ in range(30):
                data = bytearray(dice.choice(script))
                if dice.random() < 0.6:
                    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
                if dice.random() < 0.1:
                    del data[dice.randrange(len(data)) :]
                client.send(bytes(data))
                for relay in list(world.open.values()):
                    world.server.receive_from_peer(
                        relay.handle, dice.randbytes(10), dice.choice([PEER, PEER6]), world.now
                    )
                world.wait(dice.choice([0, 0, 1, 20, 200]))
            world.wait(5000)
            assert world.open == {} and world.server.allocations == [], f"round {round_}"
