"""What a relay on the internet is attacked with. One class for each line of the list, one home for each promise.

The list was drawn up from the holes that TURN servers have had (open relays into private networks, IPv4 in IPv6
disguises, reflection, memory held for strangers, attributes after the integrity, leaking reservations, …).
"""

from __future__ import annotations

import ipaddress
import random
from typing import Any

import pytest

from slidewire.base.addresses import IPV6, Address
from slidewire.base.rates import Rate
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, HEADER_BYTES, Builder, Class, parse
from slidewire.turn import attributes as t
from slidewire.turn import policy
from slidewire.turn.attributes import Method
from slidewire.turn.authentication import Nonces
from slidewire.turn.credentials import Credentials, mint, user_of
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.limits import Limits
from slidewire.turn.policy import SPECIAL, PeerPolicy, networks
from tests.stun import test_vectors as vectors
from tests.turn.world import PEER, RELAY_HOST, SECRET, SERVER, WALL, Client, World, held

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::8", "64:ff9b::808:808"]
DISGUISED = [
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1",
    "::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::1",
    "2001:0:7f00:1::", "2001:0:808:808::80ff:fffe", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1",
    "::ffff:8.8.8.8",
]  # fmt: skip
SPECIAL_HOSTS = [
    "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.9", "168.63.129.16",
    "169.254.169.254", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.77", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1",
    "255.255.255.255", "::", "::1", "100::1", "2001::1", "2001:db8::1", "2002::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff05::2",
]  # fmt: skip


@pytest.fixture
def world() -> World:
    return World()


def both(world: World) -> Client:
    return world.allocated((t.ADDITIONAL_ADDRESS_FAMILY, IPV6))


def attempts(client: Client, peer: Address) -> list[int]:
    """The codes of the ways to reach a peer: a permission, a channel, and a Send indication (0: something was sent)."""
    codes = [client.permit(peer).code, client.bind(0x4000, peer).code]
    client.say(peer, b"x")
    client.say_on(0x4000, b"x")
    codes.append(0 if client.world.sent_away() else 403)
    return codes


class Test01Disguises:
    """Addresses are seen through: IPv4-mapped, -compatible, SIIT, NAT64 (both prefixes), 6to4, Teredo, ISATAP."""

    @pytest.mark.parametrize("host", DISGUISED)
    def test_refused(self, world: World, host: str) -> None:
        assert attempts(both(world), Address(str(ipaddress.ip_address(host)), 5000)) == [403, 403, 403]

    def test_every_private_address_in_every_disguise(self) -> None:
        for host in ("10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.0.1"):
            v4 = ipaddress.IPv4Address(host).packed
            for packed in (
                bytes(10) + b"\xff\xff" + v4,
                bytes(12) + v4,
                bytes(8) + b"\xff\xff\0\0" + v4,
                bytes.fromhex("0064ff9b") + bytes(8) + v4,
                bytes.fromhex("0064ff9b0001") + v4[:2] + b"\0" + v4[2:] + bytes(5),
                b"\x20\x02" + v4 + bytes(10),
                bytes.fromhex("20010000") + bytes(8) + bytes(byte ^ 0xFF for byte in v4),
                bytes.fromhex("2606470000000000") + b"\0\0\x5e\xfe" + v4,
            ):
                address = ipaddress.IPv6Address(packed)
                assert ipaddress.IPv4Address(v4) in set(policy.disguised(address)), address
                assert policy.special(address), address

    @pytest.mark.parametrize("host", ["2002:808:808::1", "2001:0:808:808::1"])
    def test_no_client_comes_through_a_tunnel(self, world: World, host: str) -> None:
        """RFC 8656 §21.4: what is sent back through 6to4 or Teredo could be made to come round again and again."""
        assert world.client(host=host).allocate().code == 403
        assert world.client(host="2001:200::1").allocate().code == 0


class Test02SpecialAddresses:
    @pytest.mark.parametrize("host", SPECIAL_HOSTS)
    def test_refused(self, world: World, host: str) -> None:
        assert attempts(both(world), Address(host, 5000)) == [403, 403, 403]
        assert sum(n for what, n in world.server.counters.items() if what.startswith("peers refused")) == 2

    @pytest.mark.parametrize("network", SPECIAL)
    def test_both_ends_of_every_network_in_the_table(self, network: str) -> None:
        first, last = ipaddress.ip_network(network)[0], ipaddress.ip_network(network)[-1]
        for address in (first, last):
            assert PeerPolicy(open=True).refusal_of_host("ada", str(address))

    @pytest.mark.parametrize("host", PUBLIC)
    def test_public_ones_are_reached_by_an_open_relay(self, world: World, host: str) -> None:
        assert attempts(both(world), Address(host, 5000)) == [0, 0, 0]

    @pytest.mark.parametrize("host", RELAY_HOST.values())
    @pytest.mark.parametrize("port", [22, 3478, 5000])
    def test_this_machine_is_no_peer(self, world: World, host: str, port: int) -> None:
        """A permission for our own host says nothing yet: our relays live there, and only they are peers."""
        assert attempts(both(world), Address(host, port))[1:] == [403, 403]

    def test_an_address_of_this_machine_that_is_not_a_relays(self) -> None:
        world = World(policy=PeerPolicy(open=True, own=frozenset({"8.8.8.8", "2606:4700::5"})))
        assert attempts(both(world), Address("8.8.8.8", 5000)) == [403, 403, 403]
        assert attempts(both(World(policy=world.server.policy)), Address("64:ff9b::808:808", 5000)) == [403, 403, 403]


class Test03LowPorts:
    @pytest.mark.parametrize("port", [0, 22, 53, 80, 443, 1023])
    def test_refused(self, world: World, port: int) -> None:
        client = world.allocated()
        assert client.bind(0x4000, Address(PEER.host, port)).code == 403
        client.permit(PEER)
        client.say(Address(PEER.host, port), b"x")
        assert world.sent_away() == []

    def test_from_1024_on_they_are_peers(self, world: World) -> None:
        assert world.allocated().bind(0x4000, Address(PEER.host, 1024)).code == 0


class Test04AllowedByName:
    def test_only_what_is_named(self) -> None:
        world = World(policy=PeerPolicy(allow=networks(["10.1.0.0/16"])))
        client = world.allocated()
        assert client.permit(Address("10.1.2.3", 5000)).code == 0
        assert client.permit(Address("10.2.0.1", 5000)).code == 403
        assert both(World(policy=world.server.policy)).permit(Address("::ffff:a01:203", 5000)).code == 403

    @pytest.mark.parametrize("rule", ["10.0.0.0/33", "10.0.0.1/8", "all", ""])
    def test_a_rule_that_is_not_understood_is_an_error(self, rule: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            networks([rule])


class Test05OwnRelays:
    def test_two_clients_of_one_server_meet_in_a_closed_relay(self) -> None:
        world = World(policy=PeerPolicy(own=frozenset(RELAY_HOST.values())))
        one, two = world.allocated(port=1), world.allocated(port=2)
        assert one.relayed is not None and two.relayed is not None
        assert one.bind(0x4000, two.relayed).code == 0 and two.permit(one.relayed).code == 0
        one.say_on(0x4000, b"hello")
        assert world.sent_away() == [(b"hello", two.relayed)]
        world.from_peer(two.relayed, b"hello", one.relayed)
        assert two.told() == [(one.relayed, b"hello")]

    def test_a_relay_that_closed_is_a_peer_no_more(self) -> None:
        world = World(policy=PeerPolicy(own=frozenset(RELAY_HOST.values())))
        one, two = world.allocated(port=1), world.allocated(port=2)
        assert one.relayed is not None and two.relayed is not None
        one.bind(0x4000, two.relayed)
        two.refresh(0)
        one.say_on(0x4000, b"x")
        one.say(two.relayed, b"x")
        world.from_peer(one.relayed, b"x", two.relayed)
        assert world.sent_away() == [] and one.told() == []


class Test06ClosedRelay:
    """The default: a credential reaches our relays, and the addresses of its room's members."""

    def test_nobody_else(self) -> None:
        world = World(policy=PeerPolicy())
        for host in PUBLIC:
            assert attempts(both(World(policy=world.server.policy)), Address(host, 5000)) == [403, 403, 403]

    def test_its_room(self) -> None:
        rooms = {"room1": {"8.8.4.4"}, "room2": {"8.8.8.8"}}

        def reachable(username: str, host: str) -> bool:
            return host in rooms[user_of(username).partition(".")[0]]

        world = World(policy=PeerPolicy(reachable=reachable))
        one, two = world.client(port=1), world.client(port=2)
        one.use("room1.ada")
        two.use("room2.bob")
        one.allocate()
        two.allocate()
        assert one.permit(PEER).code == 0 and two.permit(PEER).code == 403
        rooms["room1"].clear()
        world.server.recheck()
        one.say(PEER, b"x")
        assert world.sent_away() == [] and one.permit(PEER).code == 403

    def test_a_member_at_a_private_address_is_still_not_reached(self) -> None:
        world = World(policy=PeerPolicy(reachable=lambda username, host: True))
        assert world.allocated().permit(Address("192.168.1.5", 5000)).code == 403

    @pytest.mark.parametrize("host", ["192.168.1.5", "10.1.2.3", "172.16.9.9", "100.64.1.1", "fd12::5"])
    def test_a_member_at_a_private_address_is_reached_where_that_is_wanted(self, host: str) -> None:
        policy = PeerPolicy(reachable=lambda username, it: it == host, private=True)
        assert policy.refusal_of_host("1:room/R/m", host) is None
        assert policy.refusal_of_host("1:room/R/m", "192.168.1.6") == "private"
        assert policy.refusal("1:room/R/m", Address(host, 53)) == "low port"

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "fe80::5",
            "224.0.0.5",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
            "10.9.9.9",
        ],
    )
    def test_and_nothing_else_is(self, host: str) -> None:
        """Whatever a room's members pretend: not this machine (10.9.9.9), not its metadata, no disguise."""
        policy = PeerPolicy(reachable=lambda username, it: True, private=True, own=frozenset({"10.9.9.9"}))
        assert policy.refusal_of_host("1:room/R/m", host) is not None

    def test_who_is_not_known_any_more_is_shut_out_like_the_revoked(self) -> None:
        known = {"room/R/m1"}
        world = World(knows=known.__contains__)
        client = world.client()
        client.use("room/R/m1")
        assert client.allocate().code == 0
        assert world.server.allocations
        known.clear()
        world.server.expel()
        world.drain()
        assert not world.server.allocations and not world.open
        assert client.allocate().code == 401


class Test07NothingWithoutPermission:
    def test_no_allocation(self, world: World) -> None:
        client = world.client()
        client.say(PEER, b"x")
        client.say_on(0x4000, b"x")
        assert world.sent_away() == [] and client.heard() == []

    def test_no_authentication(self, world: World) -> None:
        client = world.allocated()
        for method in (Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND):
            answer = client.transact(client.request(method, (t.XOR_PEER_ADDRESS, PEER)).encode())
            assert answer is not None and answer.code == 401

    def test_another_client_cannot_use_it(self, world: World) -> None:
        client, thief = world.allocated(port=1), world.client(port=2)
        client.bind(0x4000, PEER)
        thief.say_on(0x4000, b"x")
        thief.say(PEER, b"x")
        assert world.sent_away() == []

    # Permissions by host and their five minutes, channels and their ten: test_server.py.


class Test08OneAnswerForEveryStranger:
    def test_unknown_expired_revoked_and_wrong_get_the_same(self, world: World) -> None:
        def rejected(change: Any) -> bytes:
            client = world.client(port=7)
            client.challenge()
            change(client)
            request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
            answer = client.transact(request)
            assert answer is not None and answer.code == 401
            return answer.data[:8] + answer.data[20:]

        world.server.revoke("eve")
        answers = {
            rejected(lambda client: client.use("ada", secret="another secret that a machine made up")),
            rejected(lambda client: client.use("ada", ttl=-10)),
            rejected(lambda client: client.use("eve")),
            rejected(lambda client: setattr(client, "username", "nobody at all")),
            rejected(lambda client: setattr(client, "key", bytes(16))),
        }
        assert len(answers) == 1

    def test_the_work_is_the_same(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """As many keys are tried for a name that cannot be right as for one that can."""
        tried: list[str] = []
        passwords = Credentials.passwords

        def counting(self: Credentials, username: str) -> tuple[str, ...]:
            tried.append(username)
            return passwords(self, username)

        monkeypatch.setattr(Credentials, "passwords", counting)
        client = world.client()
        client.challenge()
        client.use("ada", ttl=-10)
        client.ask(Method.ALLOCATE)
        assert len(tried) == 1


class Test09Usernames:
    @pytest.mark.parametrize(
        "username",
        ["", "ada", ":ada", "-1:ada", "12345678901234:ada", "1e9:ada", "1800001000 :ada", "1800001000:a\0b",
         "1800001000:" + "x" * 201, "१८००००१०००:ada", "9999999999:ada", "1800000999:ada"],
    )  # fmt: skip
    def test_refused(self, username: str) -> None:
        assert not Credentials([SECRET]).valid(username, WALL + 1000)

    @pytest.mark.parametrize("username", ["1800001000", "1800001000:", "1800001000:ada", "1800087400:room.ada"])
    def test_accepted(self, username: str) -> None:
        assert Credentials([SECRET]).valid(username, WALL + 1000)

    def test_an_expired_credential_keeps_what_it_has_and_gets_nothing_new(self, world: World) -> None:
        client = world.client(port=1)
        client.use("ada", ttl=300)
        client.allocate()
        world.wait(400)
        assert client.refresh().code == 0 and client.permit(PEER).code == 0
        assert client.refresh(0).code == 0 and client.allocate().code == 401

    # The cap on an allocation's age: test_server.py, test_nothing_lives_for_ever.


class Test10TwoSecrets:
    def test_both_are_accepted_while_one_replaces_the_other(self, world: World) -> None:
        new = "a new secret, from another machine altogether"
        old_client = world.allocated(port=1)
        world.credentials.secrets = (new, SECRET)
        for port, secret in ((2, new), (3, SECRET)):
            client = world.client(port=port)
            client.use("ada", secret=secret)
            assert client.allocate().code == 0
        world.credentials.secrets = (new,)
        late = world.client(port=4)
        assert late.allocate().code == 401
        assert old_client.refresh().code == 0, "an allocation outlives the secret it was made with"
        assert world.credentials.mint("ada", WALL).password == mint(new, "ada", WALL).password

    # Where secrets come from, and that strangers cannot read them: tests/relay/test_program.py.


class Test11Nonces:
    KEY = bytes(32)
    CLIENT = FiveTuple(Transport.UDP, ("192.0.2.1", 5), SERVER)

    def test_stateless_bound_to_the_five_tuple_and_expiring(self) -> None:
        nonces = Nonces(self.KEY, 600)
        nonce = nonces.make(self.CLIENT, WALL)
        assert len(nonce) == 16
        assert Nonces(self.KEY, 600).valid(nonce, self.CLIENT, WALL + 600)
        assert not nonces.valid(nonce, self.CLIENT, WALL + 601)
        assert not nonces.valid(nonce, self.CLIENT, WALL - 61)
        for other in (
            self.CLIENT._replace(client=("192.0.2.2", 5)),
            self.CLIENT._replace(client=("192.0.2.1", 6)),
            self.CLIENT._replace(server=("198.51.100.2", 3478)),
            self.CLIENT._replace(transport=Transport.TCP),
        ):
            assert not nonces.valid(nonce, other, WALL)
        assert not Nonces(bytes(31) + b"\1", 600).valid(nonce, self.CLIENT, WALL)

    def test_no_bit_of_it_can_be_changed(self) -> None:
        nonces = Nonces(self.KEY, 600)
        nonce = nonces.make(self.CLIENT, WALL)
        for bit in range(len(nonce) * 8):
            changed = bytearray(nonce)
            changed[bit // 8] ^= 1 << bit % 8
            assert not nonces.valid(bytes(changed), self.CLIENT, WALL)

    def test_a_stale_one_is_replaced(self, world: World) -> None:
        client = world.allocated((t.LIFETIME, 3600))
        world.wait(3000)
        client.refresh(3600)
        world.wait(700)
        answer = client.refresh()
        assert answer.code == 438
        client.nonce = answer[a.NONCE]
        assert client.refresh().code == 0

    def test_somebody_elses(self, world: World) -> None:
        one, two = world.client(port=1), world.client(port=2)
        one.challenge()
        two.nonce = one.nonce
        assert two.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)).code == 438
        assert world.asked == []


class Test12Parsing:
    """The parser's own part is in tests/stun."""

    @pytest.mark.parametrize("integrity", ["sign", "sign_sha256"])
    def test_what_follows_the_integrity_has_no_effect(self, world: World, integrity: str) -> None:
        client = world.allocated()
        assert client.nonce is not None
        builder = client.request(Method.REFRESH).add(a.USERNAME, client.username).add(a.REALM, "slidewire")
        signed = getattr(builder.add(a.NONCE, client.nonce), integrity)(client.key).encode()
        tail = client.request(0).add(t.LIFETIME, 0).encode()[HEADER_BYTES:]
        length = (len(signed) + len(tail) - HEADER_BYTES).to_bytes(2, "big")
        answer = client.transact(signed[:2] + length + signed[4:] + tail)
        assert answer is not None and answer[t.LIFETIME] == 600 and len(world.open) == 1

    def test_the_first_of_two_counts(self, world: World) -> None:
        assert world.allocated().refresh(700, (t.LIFETIME, 0))[t.LIFETIME] == 700

    def test_unknown_attributes_are_named_but_not_for_ever(self, world: World) -> None:
        fields = [(a.opaque(0x7000 + n, "ODD", ""), b"") for n in range(50)]
        answer = world.allocated().ask(Method.REFRESH, *fields)
        assert answer.code == 420 and answer[a.UNKNOWN_ATTRIBUTES] == tuple(range(0x7000, 0x7008))

    def test_somebody_elses_allocation(self, world: World) -> None:
        client = world.allocated()
        client.use("bob")
        assert client.refresh(0).code == 441 and client.permit(PEER).code == 441 and len(world.open) == 1

    @pytest.mark.parametrize("missing", ["USERNAME", "REALM", "NONCE"])
    def test_half_a_login(self, world: World, missing: str) -> None:
        client = world.client()
        client.challenge()
        assert client.nonce is not None
        builder = client.request(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
        values: list[tuple[a.Attribute[Any], Any]] = [
            (a.USERNAME, client.username), (a.REALM, "slidewire"), (a.NONCE, client.nonce),
        ]  # fmt: skip
        for attribute, value in values:
            if attribute.name != missing:
                builder.add(attribute, value)
        answer = client.transact(builder.sign(client.key).encode())
        assert answer is not None and answer.code == 400


class Test13Guessing:
    def test_wrong_passwords_are_answered_less_and_less(self, world: World) -> None:
        """Only of sources that have shown, by a nonce, that they are where they say: nobody is shut out by proxy."""
        client = world.client()
        client.challenge()
        client.key = bytes(16)
        answers = [client.transact(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))) for _ in range(100)]
        assert sum(answer is not None for answer in answers) == 20
        world.wait(5)
        assert client.transact(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))) is not None
        assert world.client(host="203.0.113.99").allocate().code == 0

    # That a secret is a machine's: tests/relay/test_program.py.


class Test14ShortAnswers:
    def test_sizes(self, world: World) -> None:
        client = world.client()
        for request, most in ((vectors.CHROMIUM_BINDING, 32), (vectors.CHROMIUM_ALLOCATE, 64)):
            answer = client.transact(request)
            assert answer is not None and len(answer.data) <= most

    def test_nothing_about_us(self, world: World) -> None:
        client = world.client()
        answers = [client.transact(vectors.COTURN_BINDING), client.challenge(), client.allocate(), client.permit()]
        for answer in answers:
            assert answer is not None
            assert not answer.message.has(a.SOFTWARE) and not answer.message.has(a.MAPPED_ADDRESS)
            error = answer.message.get(a.ERROR_CODE)
            assert error is None or error.reason == ""

    def test_classic_stun_is_not_answered(self, world: World) -> None:
        client = world.client()
        client.send(b"\0\1\0\0" + bytes(range(16)))
        client.send(b"\0\1\0\x08" + bytes(range(16)) + b"\0\3\0\4\0\0\0\6")
        assert client.heard() == []


class Test15Reflection:
    REQUESTS = (vectors.CHROMIUM_BINDING, vectors.CHROMIUM_ALLOCATE, vectors.CHROMIUM_SIGNED, vectors.COTURN_SIGNED)

    @pytest.mark.parametrize("request_", REQUESTS)
    def test_a_flood_from_one_source_gets_back_a_twentieth_at_most(self, world: World, request_: bytes) -> None:
        """Ten thousand requests a second for three seconds, all from one forged address."""
        victim = world.client()
        for _ in range(30_000):
            world.now += 0.0001
            victim.send(request_)
        assert world.bytes_out <= 0.05 * 30_000 * len(request_)
        assert victim.heard(), "but some are answered"

    def test_nor_does_a_flood_that_changes_ports_or_hosts_of_a_network(self, world: World) -> None:
        for number in range(30_000):
            world.now += 0.0001
            world.client(port=1024 + number).send(vectors.CHROMIUM_ALLOCATE)
            host = str(ipaddress.IPv6Address("2606:4700:0:aa00::") + number)
            world.client(host=host).send(vectors.CHROMIUM_ALLOCATE)
        assert world.bytes_out <= 0.05 * 60_000 * len(vectors.CHROMIUM_ALLOCATE)

    def test_from_everywhere_at_once_there_is_a_ceiling(self) -> None:
        world = World(limits=Limits(answers_total=Rate(100, 200)))
        for number in range(20_000):
            world.now += 0.0001
            world.client(host=str(ipaddress.IPv4Address(0x08000000 + number * 7))).send(vectors.CHROMIUM_ALLOCATE)
        assert world.bytes_out <= (200 + 100 * 2 + 1) * 64

    def test_whoever_is_known_is_answered_all_the_same(self, world: World) -> None:
        client = world.allocated()
        for _ in range(1000):
            client.send(vectors.CHROMIUM_ALLOCATE)
        client.heard()
        assert client.refresh().code == 0

    def test_streams_have_shown_where_they_are(self, world: World) -> None:
        client = world.client(transport=Transport.TCP)
        assert all(client.transact(vectors.CHROMIUM_BINDING) for _ in range(100))


class Test16NothingRemembered:
    def test_of_sources_without_a_nonce(self, world: World) -> None:
        server = world.server
        before = held(server)
        for number in range(5000):
            five_tuple = FiveTuple(Transport.UDP, (str(ipaddress.IPv4Address(0x08000000 + number)), 1), SERVER)
            for request in Test15Reflection.REQUESTS:
                server.receive_datagram(request, five_tuple, world.now)
            server.receive_datagram(b"\x40\0\0\4abcd", five_tuple, world.now)
            while server.next_effect() is not None:
                pass
        assert held(server) == before


class Test17Loops:
    def test_answers_are_not_answered(self, world: World) -> None:
        client = world.client()
        for class_ in (Class.SUCCESS, Class.ERROR, Class.INDICATION):
            for method in (BINDING, *Method):
                client.send(Builder(method, class_, bytes(12)).encode())
        assert client.heard() == []

    def test_nor_is_what_claims_to_come_from_us(self, world: World) -> None:
        relayed = world.allocated().relayed
        assert relayed is not None
        for address in (SERVER, relayed):
            forged = Client(world, FiveTuple(Transport.UDP, tuple(address), SERVER))
            forged.send(vectors.CHROMIUM_BINDING)
            forged.send(vectors.CHROMIUM_ALLOCATE)
            assert forged.heard() == []

    @pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS])
    def test_a_connection_that_has_a_relays_port_by_chance(self, world: World, transport: Transport) -> None:
        """From this machine, or from behind the same NAT: TCP's ports are not UDP's, and nothing of ours connects."""
        relayed = world.allocated().relayed
        assert relayed is not None
        for address in (SERVER, relayed):
            assert world.client(host=address.host, port=address.port, transport=transport).allocate().code == 0

    def test_our_listeners_are_no_peers(self) -> None:
        world = World(policy=PeerPolicy(open=True))
        world.server.listens_on(Address("8.8.8.8", 3478))
        assert world.allocated().bind(0x4000, Address("8.8.8.8", 3478)).code == 403


class Test18Quotas:
    def test_per_user(self) -> None:
        world = World(limits=Limits(allocations_per_user=3))
        clients = [world.client(host=f"8.8.1.{n}") for n in range(4)]
        assert [client.allocate().code for client in clients] == [0, 0, 0, 486]
        clients[0].refresh(0)
        assert clients[3].allocate().code == 0
        other = world.client(host="8.8.1.9")
        other.use("bob")
        assert other.allocate().code == 0

    def test_per_address(self) -> None:
        world = World(limits=Limits(allocations_per_address=2))
        clients = [world.client(port=n) for n in range(3)]
        for number, client in enumerate(clients):
            client.use(f"user{number}")
        assert [client.allocate().code for client in clients] == [0, 0, 486]

    def test_in_total(self) -> None:
        world = World(limits=Limits(allocations=2))
        clients = [world.client(host=f"8.8.1.{n}") for n in range(3)]
        for number, client in enumerate(clients):
            client.use(f"user{number}")
        assert [client.allocate().code for client in clients] == [0, 0, 486]

    def test_what_is_only_asked_for_counts_too(self) -> None:
        world = World(relays=False, limits=Limits(allocations_per_user=1))
        one, two = world.client(port=1), world.client(port=2)
        one.challenge()
        one.send(one.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
        assert two.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)).code == 486
        world.fail(world.asked[0])
        world.auto = True
        assert two.allocate().code == 0

    def test_a_port_that_is_reserved_counts(self) -> None:
        """Or else one login could have all of them kept: reserve, give the allocation back, reserve, …"""
        world = World(limits=Limits(allocations_per_user=3))
        one, two = world.client(port=1), world.client(port=2)
        assert [one.allocate((t.EVEN_PORT, True)).code, one.refresh(0).code] == [0, 0]
        token = two.allocate((t.EVEN_PORT, True))[t.RESERVATION_TOKEN]
        assert two.refresh(0).code == 0 and len(world.open) == 2
        assert one.allocate((t.EVEN_PORT, True)).code == 486 and one.allocate().code == 0
        assert two.allocate().code == 486, "two reserved, one allocated"
        assert two.allocate((t.RESERVATION_TOKEN, token)).code == 0, "what was reserved has its place"
        assert one.refresh(0).code == 0 and two.refresh(0).code == 0
        world.wait(31)
        assert world.open == {}
        assert [world.client(port=number).allocate().code for number in range(3, 7)] == [0, 0, 0, 486]

    def test_a_reserved_port_that_was_not_to_be_had(self) -> None:
        world = World(relays=False, limits=Limits(allocations_per_user=2))
        for fails in (True, False):
            client = world.client(port=5 + fails)
            client.challenge()
            client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), (t.EVEN_PORT, True)))
            asked = world.asked[-1]
            if fails:
                world.fail(asked)
            else:
                world.server.relay_opened(asked.ticket, asked.family, world.opened(asked.family), world.now)
                world.drain()
        world.auto = True
        assert world.client(port=8).allocate().code == 0 and world.client(port=9).allocate().code == 486

    def test_permissions(self) -> None:
        world = World(limits=Limits(permissions=3))
        client = world.allocated()
        peers = [Address(f"8.8.8.{n}", 5000) for n in range(5)]
        assert [client.permit(peer).code for peer in peers] == [0, 0, 0, 508, 508]
        assert client.permit(peers[0]).code == 0, "renewing is not a new one"
        world.wait(301)
        assert client.permit(peers[4]).code == 0

    def test_channels(self) -> None:
        world = World(limits=Limits(channels=2))
        client = world.allocated()
        peers = [Address("8.8.8.8", 5000 + n) for n in range(3)]
        assert [client.bind(0x4000 + n, peer).code for n, peer in enumerate(peers)] == [0, 0, 508]

    def test_a_channel_that_is_renewed_brings_back_no_permission_beyond_them(self) -> None:
        """Its permission ended before it did, and others took its place. Found by tests/fuzz."""
        world = World(limits=Limits(permissions=2))
        client = world.allocated()
        client.bind(0x4000, PEER)
        world.wait(301)
        assert client.permit(Address("8.8.8.8", 5000), Address("8.8.8.9", 5000)).code == 0
        assert client.bind(0x4000, PEER).code == 508 and len(world.server.allocations[0].permissions) == 2

    def test_new_peers_per_second(self) -> None:
        world = World(limits=Limits(new_peers=Rate(5, 10), permissions=1000))
        client = world.allocated()
        codes = [client.permit(Address(f"8.8.8.{n}", 5000)).code for n in range(30)]
        assert codes == [0] * 10 + [508] * 20
        world.wait(1)
        assert [client.permit(Address(f"8.8.9.{n}", 5000)).code for n in range(6)] == [0] * 5 + [508]

    def test_packets_and_bytes(self) -> None:
        for limits in (Limits(packets=Rate(10, 10)), Limits(bandwidth=Rate(1000, 1000)),
                       Limits(total_bandwidth=Rate(1000, 1000))):  # fmt: skip
            world = World(limits=limits)
            client = world.allocated()
            assert client.relayed is not None
            client.bind(0x4000, PEER)
            for _ in range(20):
                client.say_on(0x4000, bytes(100))
                client.say(PEER, bytes(100))
                world.from_peer(client.relayed, bytes(100), PEER)
            assert len(world.sent_away()) + len(client.told()) == 10
            world.wait(1)
            client.say_on(0x4000, bytes(100))
            assert len(world.sent_away()) == 1

    def test_no_port_left(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
        world.fail(world.asked[0])
        (heard,) = client.heard()
        message = parse(heard)
        assert message is not None and message.get(a.ERROR_CODE) == a.Error(508)

    def test_even_ports_leak_nothing(self, world: World) -> None:
        for reserve in (False, True):
            client = world.allocated((t.EVEN_PORT, reserve))
            client.refresh(0)
            client.nonce = None
        world.wait(31)
        assert world.open == {}


class Test19SlowStreams:
    def connected(self, world: World) -> Client:
        return world.client(transport=Transport.TCP)

    def test_silence(self, world: World) -> None:
        client = self.connected(world)
        world.wait(9.9)
        assert world.closed_streams == []
        world.wait(0.2)
        assert world.closed_streams == [client.five_tuple]

    def test_a_trickle(self, world: World) -> None:
        client = self.connected(world)
        for byte in vectors.CHROMIUM_SIGNED[:15]:
            client.send(bytes([byte]))
            world.wait(1)
        assert world.closed_streams == [client.five_tuple]

    def test_half_a_message_after_whole_ones(self, world: World) -> None:
        client = self.connected(world)
        client.challenge()
        world.wait(20)
        client.send(vectors.CHROMIUM_SIGNED[:40])
        for byte in vectors.CHROMIUM_SIGNED[40:49]:
            world.wait(1)
            client.send(bytes([byte]))
        assert world.closed_streams == []
        world.wait(1.1)
        assert world.closed_streams == [client.five_tuple]

    def test_half_a_message_of_a_client_with_an_allocation(self, world: World) -> None:
        """Its network may be gone for a while: it is waited for as long as its allocation lives, and no longer."""
        client = world.allocated(transport=Transport.TCP)
        client.bind(0x4000, PEER)
        client.send(b"\x40\x00\x00\x08only")
        world.wait(290)
        client.send(b"half\x40\x00\x00\x08once")
        assert world.sent_away() == [(b"onlyhalf", PEER)]
        world.wait(305)
        assert world.closed_streams == [] and len(world.open) == 1
        world.wait(5 + 30 + 10)
        assert world.closed_streams == [client.five_tuple] and world.open == {}

    def test_a_busy_client_is_not_slow(self, world: World) -> None:
        client = world.allocated(transport=Transport.TCP)
        client.bind(0x4000, PEER)
        frame = b"\x40\x00\x00\x04abcd"
        client.send(frame[:3])
        for _ in range(50):
            world.wait(5)
            client.send(frame[3:] + frame[:3])
        assert world.closed_streams == [] and len(world.sent_away()) == 50

    def test_idle_without_an_allocation(self, world: World) -> None:
        client = self.connected(world)
        client.challenge()
        world.wait(29)
        assert world.closed_streams == []
        world.wait(2)
        assert world.closed_streams == [client.five_tuple]

    def test_idle_after_its_allocation_ended(self, world: World) -> None:
        client = world.allocated(transport=Transport.TCP)
        world.wait(599)
        assert world.closed_streams == []
        world.wait(62)
        assert world.closed_streams == [client.five_tuple]

    def test_large_frames_of_strangers(self, world: World) -> None:
        client = self.connected(world)
        client.send(b"\x00\x03\x20\x00\x21\x12\xa4\x42")
        assert world.closed_streams == [client.five_tuple]
        client = self.connected(world)
        client.send(b"\x40\x00\xff\xff")
        assert world.closed_streams[-1] == client.five_tuple

    def test_too_many(self) -> None:
        for limits in (Limits(streams_per_address=2), Limits(streams=2)):
            world = World(limits=limits)
            first, _ = (world.client(port=n, transport=Transport.TCP) for n in (1, 2))
            third = FiveTuple(Transport.TCP, ("192.0.2.10", 3), SERVER)
            assert not world.server.stream_opened(third, world.now)
            world.server.stream_closed(first.five_tuple, world.now)
            assert world.server.stream_opened(third, world.now)

    def test_a_place_is_kept_for_a_handshake_and_then_given_to_who_comes(self) -> None:
        for limits in (Limits(streams_per_address=2), Limits(streams=2)):
            world = World(limits=limits)
            first, second = (world.client(port=n, transport=Transport.TCP) for n in (1, 2))
            first.challenge()
            world.wait(0.9)
            third = FiveTuple(Transport.TCP, ("192.0.2.10", 3), SERVER)
            assert not world.server.stream_opened(third, world.now)
            world.wait(0.2)
            assert world.server.stream_opened(third, world.now)
            world.drain()
            assert world.closed_streams == [first.five_tuple]
            assert second.challenge().code == 401

    def test_an_allocation_takes_no_place_and_is_not_displaced(self) -> None:
        world = World(limits=Limits(streams_per_address=1))
        clients = [world.allocated(port=number, transport=Transport.TCP) for number in range(3)]
        world.wait(10)
        stranger = world.client(port=9, transport=Transport.TCP)
        world.wait(2)
        assert clients[0].refresh(0).code == 0  # a stranger again, one of two
        newcomer = FiveTuple(Transport.TCP, ("192.0.2.10", 10), SERVER)
        assert not world.server.stream_opened(newcomer, world.now)
        world.drain()
        assert world.closed_streams == [stranger.five_tuple]
        assert all(client.refresh().code == 0 for client in clients[1:])

    def test_too_much_of_a_stranger(self, world: World) -> None:
        """A megabyte of Binding requests in one piece costs no more than a few of them."""
        client = self.connected(world)
        most = int(world.server.limits.stranger_messages.burst)
        client.send(vectors.CHROMIUM_BINDING * 50_000)
        assert world.server.counters["bindings asked"] == most and world.closed_streams == [client.five_tuple]
        quiet = world.allocated(port=2, transport=Transport.TCP)
        quiet.send(vectors.CHROMIUM_BINDING * 2 * most)
        assert len(quiet.heard()) == 2 * most and len(world.closed_streams) == 1

    # Bounded writes: tests/aio/test_stream.py. Real sockets, half-done TLS: tests/relay/test_abuse.py.


class Test20LeftOut:
    """DTLS and RFC 6062: not there, so not to be attacked."""

    def test_a_dtls_client_hello_is_garbage(self, world: World) -> None:
        client = world.client()
        client.send(bytes.fromhex("16fefd0000000000000000005a010000") + bytes(80))
        assert client.heard() == [] and world.server.counters["garbage"] == 1

    def test_tcp_relays(self, world: World) -> None:
        client = world.client()
        assert client.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 6)).code == 442
        client.allocate()
        for method in (0x00A, 0x00B, 0x00C):  # Connect, ConnectionBind, ConnectionAttempt
            assert client.transact(client.signed(method, (t.XOR_PEER_ADDRESS, PEER))) is None


class Test21NoUserTextInNames:
    def test_counters_are_named_by_us(self, world: World) -> None:
        client = world.client()
        client.use('%s{user="x"}')
        client.allocate()
        client.permit(Address("10.0.0.1", 5))
        assert not any("user" in name or "%" in name for name in world.server.counters)


class Test22Retransmissions:
    def test_allocate(self, world: World) -> None:
        client = world.client()
        client.challenge()
        request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
        client.send(request)
        client.send(request)
        first, second = client.heard()
        assert first == second and len(world.open) == 1
        assert client.allocate().code == 437

    def test_refresh_to_zero(self, world: World) -> None:
        client = world.allocated()
        request = client.signed(Method.REFRESH, (t.LIFETIME, 0))
        client.send(request)
        client.send(request)
        first, second = client.heard()
        assert first == second and world.open == {}
        world.wait(41)
        answer = client.transact(request)
        assert answer is not None and answer.code == 437

    def test_the_others_do_the_same_again(self, world: World) -> None:
        client = world.allocated()
        for request in (
            client.signed(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, PEER)),
            client.signed(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, PEER)),
            client.signed(Method.REFRESH, (t.LIFETIME, 700)),
        ):
            client.send(request)
            client.send(request)
            first, second = client.heard()
            assert first == second


class Test23Revocation:
    """The list's own entry, errors of peers and file limits, is about sockets: tests/relay/test_abuse.py. And no
    allocation survives its credential."""

    def test_at_once_and_for_good(self, world: World) -> None:
        client, other = world.allocated(port=1), world.client(port=2)
        other.use("bob")
        other.allocate()
        world.server.revoke("ada")
        world.drain()
        assert len(world.open) == 1 and other.refresh().code == 0
        assert client.refresh().code == 401 and client.allocate().code == 401

    def test_while_its_socket_opens(self) -> None:
        world = World(relays=False)
        client = world.client()
        client.challenge()
        client.send(client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
        world.server.revoke("ada")
        world.answer(world.asked[0])
        assert world.open == {} and world.server.allocations == []

    def test_one_username_only(self, world: World) -> None:
        client = world.allocated()
        world.server.revoke(client.username)
        world.drain()
        assert world.open == {}
        client.use("ada", ttl=4000)
        assert client.allocate().code == 0


class Test24MemoryIsFlat:
    """Fuzzing is in tests/fuzz, a flood of wrong packets in tests/relay/test_abuse.py."""

    def test_killed_clients_leave_nothing_behind(self, world: World) -> None:
        dice = random.Random(24)
        before = held(world.server)
        for number in range(300):
            transport = dice.choice([Transport.UDP, Transport.TCP])
            client = world.client(port=1000 + number, transport=transport)
            client.allocate((t.EVEN_PORT, dice.random() < 0.3))
            client.permit(PEER)
            client.bind(0x4000, Address("8.8.8.8", 2000 + number))
            if transport.is_stream and dice.random() < 0.5:
                world.server.stream_closed(client.five_tuple, world.now)
            world.wait(dice.random() * 3)
        world.wait(1000)
        assert world.open == {} and world.server.allocations == []
        assert held(world.server) <= before + 4  # the table of clients of one listener, and the relays' host
        assert world.server.get_timer() is None


class TestEveryRefusalIsCounted:
    """What an operator could not see in the numbers did not happen, as far as an operator can tell."""

    def counted(self, world: World, name: str, act: Any) -> None:
        before = world.server.counters[name]
        act()
        assert world.server.counters[name] > before, name

    @pytest.mark.parametrize(
        ("peer", "why"),
        [
            (Address("10.0.0.1", 5000), "private"),
            (Address("169.254.169.254", 5000), "link-local and metadata"),
            (Address("198.51.100.1", 5000), "own address"),
            (Address("8.8.8.8", 22), "low port"),
        ],
    )
    def test_peers(self, world: World, peer: Address, why: str) -> None:
        client = world.allocated()
        self.counted(world, f"peers refused: {why}", lambda: client.bind(0x4000, peer))
        self.counted(world, "refused 403", lambda: client.bind(0x4000, peer))
        self.counted(world, "client packets dropped", lambda: client.say(peer, b"x"))

    def test_a_closed_relay(self) -> None:
        world = World(policy=PeerPolicy())
        client = world.allocated()
        self.counted(world, "peers refused: closed relay", lambda: client.permit(PEER))

    def test_strangers(self, world: World) -> None:
        client = world.client()
        response = Builder(BINDING, Class.SUCCESS, bytes(12)).encode()
        self.counted(world, "garbage", lambda: client.send(b"\0\1\0\0" + bytes(16)))
        self.counted(world, "ignored", lambda: client.send(response))
        self.counted(world, "client packets dropped", lambda: client.say(PEER, b"x"))
        self.counted(world, "client packets dropped", lambda: client.say_on(0x4000, b"x"))
        self.counted(world, "rejected 401", client.challenge)
        client.key = bytes(16)
        self.counted(world, "rejected 401", lambda: client.ask(Method.ALLOCATE))
        for _ in range(20):
            client.send(vectors.CHROMIUM_BINDING)
        self.counted(world, "answers withheld", lambda: client.send(vectors.CHROMIUM_BINDING))

    def test_quotas(self) -> None:
        world = World(limits=Limits(allocations_per_user=1, permissions=1, channels=1, packets=Rate(1, 1)))
        client, other = world.allocated(port=1), world.client(port=2)
        self.counted(world, "refused 486", other.allocate)
        self.counted(world, "refused 437", client.allocate)
        client.bind(0x4000, PEER)
        self.counted(world, "refused 508", lambda: client.permit(Address("8.8.8.8", 5000)))
        self.counted(world, "refused 508", lambda: client.bind(0x4001, Address(PEER.host, 6000)))
        for _ in range(3):
            client.say_on(0x4000, b"x")
        assert world.server.allocations[0].meter.dropped == 2
        client.use("bob")
        self.counted(world, "refused 441", client.refresh)

    def test_peers_without_a_permission(self, world: World) -> None:
        client = world.allocated()
        relayed = client.relayed
        assert relayed is not None
        self.counted(world, "peer packets dropped", lambda: world.from_peer(relayed, b"x", PEER))

    def test_streams(self) -> None:
        world = World(limits=Limits(streams_per_address=1))
        client = world.client(transport=Transport.TCP)
        second = FiveTuple(Transport.TCP, ("192.0.2.10", 2), SERVER)
        self.counted(world, "streams refused", lambda: world.server.stream_opened(second, world.now))
        self.counted(world, "streams closed for silence", lambda: world.wait(11))
        assert world.closed_streams == [client.five_tuple]
        third = world.client(port=3, transport=Transport.TCP)
        self.counted(world, "garbage", lambda: third.send(b"GET / HTTP/1.1\r\n"))
