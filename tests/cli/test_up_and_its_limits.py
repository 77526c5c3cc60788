"""`up` is server and host in one: whatever others at its own address do, its host is not refused."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from slidewire.aio.own_clients import OWN, OwnClients
from slidewire.base.rates import Rate
from slidewire.server.app import Server
from slidewire.server.config import ServerSettings
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.limits import Limits


def test_a_connection_is_own_while_its_socket_is_and_no_longer() -> None:
    own = OwnClients()
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9))
    with own.make_socket(info) as made:
        where = made.getsockname()
        assert where in own and ("127.0.0.2", where[1]) not in own
        own.forget(where)
        assert where not in own


def test_the_own_host_is_never_blocked_and_others_are() -> None:
    abuse_limiter = AbuseLimiter(Limits(tolerance=Rate(1, 1)), b"", never_blocked=OWN)
    for address in (OWN, "127.0.0.1"):
        for _ in range(10):
            abuse_limiter.penalize(address, "a flood of messages", 0.0, float("inf"))
    assert abuse_limiter.blocked_for(OWN, 0.0) == 0 and abuse_limiter.blocked_for("127.0.0.1", 0.0) > 0


@pytest.fixture
async def server(tmp_path: Path) -> Server:
    return Server(
        ServerSettings(
            listen="127.0.0.1", port=0, http=True, turn=False, state_dir=tmp_path, limits=Limits(tolerance=Rate(1, 1))
        )
    )


async def test_a_blocked_address_is_refused_and_the_own_host_at_that_address_is_not(server: Server) -> None:
    ready = await server.start()
    try:
        server.abuse_limiter.penalize(
            "127.0.0.1", "a flood of messages", asyncio.get_running_loop().time(), float("inf")
        )
        connector = aiohttp.TCPConnector(socket_factory=server.own_clients.make_socket)
        async with aiohttp.ClientSession(connector=connector) as own, aiohttp.ClientSession() as other:
            with pytest.raises(aiohttp.ClientConnectionError):
                await other.get(ready.local_url + "/healthz")
            assert (await own.get(ready.local_url + "/healthz")).status == 200
            async with own.ws_connect(ready.local_url + "/ws") as room:
                await room.send_str(
                    '{"type":"open_room","v":1,"token":"AAAAAAAAAAAAAAAAAAAAAA","name":"host","links":[]}'
                )
                assert (await room.receive_json())["type"] == "room_opened"
                assert server.hub is not None
                (member,) = server.hub.rooms()[0].members.values()
                assert member.address == "127.0.0.1", "where it is stays known: relays go by it"
                for _ in range(3000):  # far more than a host may say: what is too much is dropped
                    await room.send_str('{"type":"ping","last":0}')
                await room.send_str('{"type":"ping","last":0,"ref":"x"}')
                while room.close_code is None and not server.hub.counts["messages dropped"]:
                    await room.receive()
                assert room.close_code is None
            assert (await own.get(ready.local_url + "/healthz")).status == 200
    finally:
        await server.stop()
