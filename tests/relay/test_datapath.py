"""What goes through the relay without the core being asked about every packet. One story, told to both data paths."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slidewire.aio.udp import segments
from slidewire.base.addresses import Address
from slidewire.base.rates import Rate
from slidewire.relay import compiled, datapath, datapath_selection
from slidewire.relay.compiled import CompiledPath
from slidewire.stun.attributes import Attribute
from slidewire.stun.message import parse
from slidewire.turn import attributes as t
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy
from tests.support.relay import CHANNEL, End, Relay, TcpTurnClient, TurnClient, listen_tcp, relaying

SO_NO_CHECK = 11
UNLIMITED = replace(Limits(), packets=None, bandwidth=None)


@pytest.fixture(params=["plain", "compiled"])
def path(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled" and (reason := compiled.why_not()):
        pytest.skip(f"there is no compiled data path here: {reason}")
    return str(request.param)


@pytest.fixture(params=["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def relay(path: str, host: str) -> AsyncIterator[Relay]:
    async with relaying(path, host, limits=UNLIMITED) as made:
        yield made


def family(host: str) -> list[tuple[Attribute[int], int]]:
    return [(t.REQUESTED_ADDRESS_FAMILY, 2)] if ":" in host else []


class Pair:
    """A client with a channel, and its peer."""

    def __init__(self, relay: Relay, host: str) -> None:
        self.client, self.peer = TurnClient(relay.address, host), End(host)
        self.host = host

    async def __aenter__(self) -> Pair:
        await self.client.allocate(*family(self.host))
        await self.client.bind(self.peer.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.client.close()
        self.peer.close()

    async def passes(self) -> bool:
        """Both ways, or neither."""
        self.client.channel(b"to the peer")
        self.peer.say(b"to the client", self.client.relayed)
        there, back = not await self.peer.silence(), not await self.client.silence()
        assert there == back
        return there


class TestChannels:
    @pytest.mark.parametrize("size", [0, 1, 3, 160, 1200, 9000, 60_000])
    async def test_both_ways(self, relay: Relay, host: str, size: int) -> None:
        data = random.Random(size).randbytes(size)
        async with Pair(relay, host) as pair:
            pair.client.channel(data)
            assert await pair.peer.hear() == (data, pair.client.relayed)
            pair.peer.say(data, pair.client.relayed)
            assert (await pair.client.hear())[0] == CHANNEL.to_bytes(2, "big") + size.to_bytes(2, "big") + data
            meter = relay.allocation.meter
            assert (meter.packets, meter.bytes, meter.dropped) == (2, 2 * size, 0)

    @pytest.mark.parametrize("mixed", [False, True], ids=["of one size", "of many"])
    async def test_bursts_arrive_whole_and_in_order(self, relay: Relay, host: str, mixed: bool) -> None:
        dice = random.Random(16)
        sent = [number.to_bytes(2, "big") * (dice.choice([1, 5, 80, 300]) if mixed else 80) for number in range(200)]
        async with Pair(relay, host) as pair:
            for data in sent:
                pair.client.channel(data)
            assert await pair.peer.hear_all(200) == sent
            for data in sent:
                pair.peer.say(data, pair.client.relayed)
            assert [data[4:] for data in await pair.client.hear_all(200)] == sent

    async def test_many_flows_at_once(self, relay: Relay, host: str) -> None:
        async with asyncio.timeout(20):
            pairs = [await Pair(relay, host).__aenter__() for _ in range(20)]
            for round_ in range(30):
                for number, pair in enumerate(pairs):
                    pair.client.channel(b"%d %d" % (number, round_))
                    pair.peer.say(b"%d %d" % (number, round_), pair.client.relayed)
            for number, pair in enumerate(pairs):
                wanted = [b"%d %d" % (number, round_) for round_ in range(30)]
                assert await pair.peer.hear_all(30) == wanted
                assert [data[4:] for data in await pair.client.hear_all(30)] == wanted
                await pair.__aexit__()

    async def test_two_channels_of_one_client(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            other = End(host)
            await pair.client.bind(other.address, CHANNEL + 1)
            for number in range(40):
                pair.client.channel(b"one %d" % number)
                pair.client.channel(b"two %d" % number, CHANNEL + 1)
            assert await pair.peer.hear_all(40) == [b"one %d" % number for number in range(40)]
            assert await other.hear_all(40) == [b"two %d" % number for number in range(40)]
            other.say(b"back", pair.client.relayed)
            assert await pair.client.receive() == b"\x40\x01\x00\x04back"
            other.close()

    async def test_where_the_kernel_refuses_segments(self, relay: Relay, host: str) -> None:
        """A socket without checksums is refused them. What was sent together then goes one by one."""
        async with Pair(relay, host) as pair:
            if segments() > 1:
                for each in relay.sockets():
                    each._socket.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
            sent = [bytes([number]) * 160 for number in range(100)]
            for _ in range(2):
                for data in sent:
                    pair.client.channel(data)
                assert await pair.peer.hear_all(100) == sent
                for data in sent:
                    pair.peer.say(data, pair.client.relayed)
                assert [data[4:] for data in await pair.client.hear_all(100)] == sent

    async def test_what_follows_the_payload_is_left_out(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            pair.client.send(b"\x40\x00\x00\x04datapadding")
            assert (await pair.peer.hear())[0] == b"data"


class TestWhatIsNotAChannels:
    async def test_indications_beside_channels(self, relay: Relay, host: str) -> None:
        """A permission is for a host: another port of the peer's host is heard, in indications."""
        async with Pair(relay, host) as pair:
            other = End(host)
            pair.client.indicate(b"there", other.address)
            assert await other.hear() == (b"there", pair.client.relayed)
            other.say(b"back", pair.client.relayed)
            indication = parse(await pair.client.receive())
            assert indication is not None and indication.get(t.XOR_PEER_ADDRESS) == other.address
            assert indication.get(t.DATA) == b"back"
            other.close()

    async def test_nothing_without_a_permission(self, relay: Relay, host: str) -> None:
        stranger, peer = TurnClient(relay.address, host), End(host)
        client = await TurnClient(relay.address, host).allocate(*family(host))
        client.channel(b"no channel")
        stranger.channel(b"no allocation")
        peer.say(b"no permission", client.relayed)
        assert await peer.silence() and await client.silence() and await stranger.silence()
        for each in (stranger, peer, client):
            each.close()

    async def test_frames_that_are_wrong(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            for frame in (
                b"", b"\x40", b"\x40\x00\x00", b"\x40\x00\x00\x05four", b"\x40\x00\xff\xff", b"\x40\x01\x00\x01x",
                b"\x7f\xff\x00\x01x", b"\x80\x00\x00\x01x", b"\xff" * 40, b"\x00\x01\x00\x00" + bytes(16),
            ):  # fmt: skip
                pair.client.send(frame)
            pair.client.channel(b"the next one")
            assert await pair.peer.hear_all(1) == [b"the next one"]
            assert relay.allocation.meter.packets == 1

    async def test_stream_clients(self, relay: Relay, host: str) -> None:
        listener, address = listen_tcp(relay)
        client = await TcpTurnClient(address, host).connect()
        peer = End(host)
        await client.allocate(*family(host))
        await client.bind(peer.address)
        for number in range(50):
            client.channel(b"%d" % number)
        assert await peer.hear_all(50) == [b"%d" % number for number in range(50)]
        for number in range(50):
            peer.say(b"%d" % number, client.relayed)
        assert [(await client.receive())[4:] for _ in range(50)] == [b"%d" % number for number in range(50)]
        client.close()
        peer.close()
        await listener.close()

    async def test_garbage_changes_nothing(self, relay: Relay, host: str) -> None:
        dice = random.Random(40)
        async with Pair(relay, host) as pair:
            for _ in range(40):
                for _ in range(20):
                    noise = dice.randbytes(dice.choice([0, 1, 3, 4, 5, 19, 20, 21, 100, 1500]))
                    pair.client.send(noise)
                    pair.peer.say(noise, relay.address)
                    if noise[:1] and noise[0] & 0xC0 == 0x40:
                        continue
                    End.say(pair.peer, b"real", pair.client.relayed)
                await pair.client.hear()
            while not await pair.client.silence():
                pass
            assert await pair.passes()


class TestItEnds:
    async def test_with_the_permission(self, path: str) -> None:
        async with (
            relaying(path, limits=replace(Limits(), permission_lifetime=0.6)) as relay,
            Pair(relay, "127.0.0.1") as pair,
        ):
            assert await pair.passes()
            async with asyncio.timeout(20):
                while await pair.passes():
                    pass
            await pair.client.permit(pair.peer.address)
            assert await pair.passes(), "the channel is still bound"

    async def test_with_the_channel(self, path: str) -> None:
        async with (
            relaying(path, limits=replace(Limits(), channel_lifetime=0.6)) as relay,
            Pair(relay, "127.0.0.1") as pair,
        ):
            assert await pair.passes()
            async with asyncio.timeout(20):
                pair.client.channel(b"still?")
                while not await pair.peer.silence():
                    pair.client.channel(b"still?")
            message = None
            async with asyncio.timeout(20):
                while message is None:  # a busy machine is silent, too, before the channel's end
                    pair.peer.say(b"permitted", pair.client.relayed)
                    message = parse(await pair.client.receive())
            assert message.get(t.DATA) == b"permitted"

    async def test_with_the_policy(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            assert await pair.passes()
            relay.core.policy = PeerPolicy()
            relay.shell.settle()
            assert not await pair.passes()

    async def test_with_the_credential(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            assert await pair.passes()
            relay.core.revoke("ada")
            relay.shell.settle()
            pair.client.channel(b"too late")
            assert await pair.peer.silence()

    async def test_with_one_of_two_families(self, path: str) -> None:
        async with relaying(path) as relay:
            client, four, six = TurnClient(relay.address), End(), End("::1")
            await client.allocate((t.ADDITIONAL_ADDRESS_FAMILY, 2))
            await client.bind(four.address)
            await client.bind(six.address, CHANNEL + 1)
            client.channel(b"4")
            client.channel(b"6", CHANNEL + 1)
            assert (await four.hear())[0] == b"4" and (await six.hear())[0] == b"6"
            await client.must(t.Method.REFRESH, (t.LIFETIME, 0), (t.REQUESTED_ADDRESS_FAMILY, 1))
            client.channel(b"4")
            client.channel(b"6", CHANNEL + 1)
            assert (await six.hear())[0] == b"6" and await four.silence()
            for each in (client, four, six):
                each.close()

    async def test_with_the_allocation_and_another_may_begin(self, relay: Relay, host: str) -> None:
        async with Pair(relay, host) as pair:
            for _ in range(3):
                assert await pair.passes()
                await pair.client.refresh(0)
                pair.client.channel(b"late")
                assert await pair.peer.silence()
                await pair.client.allocate(*family(host))
                await pair.client.bind(pair.peer.address)

    async def test_nothing_is_left(self, path: str) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        async with relaying(path, limits=replace(Limits(), answers=Rate(1e6, 1e6))) as relay:
            for _ in range(3):
                clients = [await TurnClient(relay.address).allocate() for _ in range(20)]
                peer = End()
                for client in clients:
                    await client.bind(peer.address)
                for client in clients[:10]:
                    await client.refresh(0)
                relay.core.revoke("ada")
                relay.core.credentials.pardon("ada")
                relay.shell.settle()
                for end in (*clients, peer):
                    end.close()
                assert relay.core.allocations == []
                if isinstance(relay.path, CompiledPath):
                    assert relay.path.rows == 0
                assert len(relay.sockets()) == 1
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1, "the loop may have made one of its own"


class TestRelayToRelay:
    async def test_two_clients_of_one_server(self, path: str) -> None:
        """On the server's own hosts only live relays are peers, so that is looked at for every packet."""
        async with relaying(path, policy=PeerPolicy()) as relay:
            one, two = TurnClient(relay.address), TurnClient(relay.address, user="bob")
            await one.allocate()
            await two.allocate()
            await one.bind(two.relayed)
            await two.bind(one.relayed)
            for number in range(20):
                one.channel(b"%d" % number)
            assert [data[4:] for data in await two.hear_all(20)] == [b"%d" % number for number in range(20)]
            two.channel(b"back")
            assert (await one.hear())[0][4:] == b"back"
            await two.refresh(0)
            squatter = End()
            squatter.socket.close()
            squatter.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            squatter.socket.bind(two.relayed)
            squatter.socket.setblocking(False)
            one.channel(b"for whoever has the port now")
            squatter.say(b"from whoever has the port now", one.relayed)
            assert await squatter.silence() and await one.silence()
            for each in (one, two, squatter):
                each.close()


class TestLimits:
    """Buckets that hardly fill again during the test."""

    async def count(self, end: End) -> int:
        count = 0
        while not await end.silence():
            count += 1
        return count

    async def test_packets(self, path: str) -> None:
        async with (
            relaying(path, limits=replace(Limits(), packets=Rate(0.01, 30))) as relay,
            Pair(relay, "127.0.0.1") as pair,
        ):
            for _ in range(20):
                pair.client.channel(b"x")
            assert await self.count(pair.peer) == 20
            for _ in range(20):
                pair.peer.say(b"x", pair.client.relayed)
            assert await self.count(pair.client) == 10
            pair.client.indicate(b"x", pair.peer.address)
            assert await pair.peer.silence(), "by another way, out of the same bucket"
            meter = relay.allocation.meter
            assert (meter.packets, meter.bytes, meter.dropped) == (30, 30, 11)

    async def test_bytes(self, path: str) -> None:
        async with (
            relaying(path, limits=replace(Limits(), packets=None, bandwidth=Rate(1, 1000))) as relay,
            Pair(relay, "127.0.0.1") as pair,
        ):
            pair.client.indicate(bytes(500), pair.peer.address)
            assert len((await pair.peer.hear())[0]) == 500
            for _ in range(10):
                pair.client.channel(bytes(100))
            assert await self.count(pair.peer) == 5
            assert relay.allocation.meter.bytes == 1000

    async def test_of_all_together(self, path: str) -> None:
        async with relaying(path, limits=replace(UNLIMITED, total_bandwidth=Rate(1, 1000))) as relay:
            one, two, peer = TurnClient(relay.address), TurnClient(relay.address, user="bob"), End()
            for client in (one, two):
                await client.allocate()
                await client.bind(peer.address)
                for _ in range(10):
                    client.channel(bytes(100))
            assert await self.count(peer) == 10
            assert (relay.core.total.packets, relay.core.total.dropped) == (10, 10)
            for each in (one, two, peer):
                each.close()

    async def test_each_way_is_counted_by_itself(self, path: str) -> None:
        async with relaying(path) as relay, Pair(relay, "127.0.0.1") as pair:
            for _ in range(2):
                pair.client.channel(bytes(100))
                await pair.peer.hear()
            pair.peer.say(bytes(60), pair.client.relayed)
            await pair.client.receive()
            pair.client.indicate(bytes(10), pair.peer.address)
            await pair.peer.hear()
            for meter in (relay.allocation.meter, relay.core.total):
                assert (meter.packets, meter.bytes, meter.packets_up, meter.bytes_up) == (4, 270, 3, 210)

    async def test_a_bucket_fills_again(self, path: str) -> None:
        async with (
            relaying(path, limits=replace(Limits(), packets=Rate(50, 1))) as relay,
            Pair(relay, "127.0.0.1") as pair,
        ):
            for _ in range(3):
                pair.client.channel(b"x")
                assert (await pair.peer.hear())[0] == b"x"
                await asyncio.sleep(0.05)


class TestChoice:
    def test_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert datapath_selection.select_data_path("plain").name == "plain"
        monkeypatch.setenv(datapath_selection.VARIABLE, "plain")
        assert datapath_selection.select_data_path().name == "plain"
        monkeypatch.setenv(datapath_selection.VARIABLE, "quick")
        with pytest.raises(datapath.NoSuchPath, match="auto, plain, compiled"):
            datapath_selection.select_data_path()

    def test_the_faster_one_there_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(datapath_selection.VARIABLE, raising=False)
        assert datapath_selection.select_data_path().name == ("plain" if compiled.why_not() else "compiled")

    def test_without_a_library(self, tmp_path: Path) -> None:
        assert "compiler" in str(compiled.why_not(tmp_path / "none.so"))
        (tmp_path / "bad.so").write_bytes(b"not a library")
        assert "cannot be loaded" in str(compiled.why_not(tmp_path / "bad.so"))
        with pytest.raises(datapath.NoSuchPath):
            CompiledPath(tmp_path / "none.so")

    def test_with_one_of_another_version(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        if reason := compiled.why_not():
            pytest.skip(f"there is no compiled data path here: {reason}")
        (tmp_path / "_relay.c").write_text("newer")
        monkeypatch.setattr(compiled, "SOURCE", tmp_path / "_relay.c")
        assert "another version" in str(compiled.why_not())


def test_addresses_cross_as_they_are() -> None:
    addresses: list[tuple[Any, ...]] = [("192.0.2.1", 1), ("2001:db8::1", 65535, 0, 0), ("fe80::1", 80, 0, 3)]
    for address in addresses:
        name, length = compiled._name(address)
        assert len(name) == 28 and length == (28 if ":" in address[0] else 16)
        assert compiled._source(name) == address
    assert compiled._name(Address("2001:db8::1", 7)) == compiled._name(("2001:db8::1", 7, 0, 0))
