"""The drained socket, on loopback."""

from __future__ import annotations

import asyncio
import socket

from slidewire.aio import udp
from slidewire.aio.udp import BUDGET, HEADROOM, UdpSocket, bind_udp


class Catcher:
    def __init__(self) -> None:
        self.socket = UdpSocket(bind_udp("127.0.0.1", 0))
        self.got: list[bytes] = []
        self.runs: list[int] = []
        self.socket.start(self.received, lambda: None, lambda: self.runs.append(len(self.got)))

    def received(self, size: int, source: tuple[object, ...]) -> None:
        self.got.append(bytes(udp.view[HEADROOM : HEADROOM + size]))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.got) < count:
                await asyncio.sleep(0.001)


async def test_everything_that_waits_is_taken_in_one_run_up_to_the_budget() -> None:
    catcher = Catcher()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(BUDGET + 10):
            sender.sendto(b"%d" % number, catcher.socket.address)
        await catcher.until(BUDGET + 10)
    assert catcher.got == [b"%d" % number for number in range(BUDGET + 10)]
    assert catcher.runs[0] == BUDGET
    catcher.socket.close()


async def test_an_unreachable_peer_does_not_hurt_the_socket() -> None:
    """ICMP errors come back as errors of the next call on the socket."""
    catcher = Catcher()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    catcher.socket._socket.connect(nobody)  # only a connected UDP socket is told of it
    catcher.socket._socket.send(b"x")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(nobody)
        sender.sendto(b"still here", catcher.socket.address)
        await catcher.until(1)
    assert catcher.got == [b"still here"]
    catcher.socket.close()


async def test_what_cannot_be_sent_is_dropped() -> None:
    socket_ = UdpSocket(bind_udp("127.0.0.1", 0))
    assert not socket_.send(bytes(70_000), ("127.0.0.1", 9))
    assert not socket_.send(b"x", ("127.0.0.1", 0))
    assert socket_.send(b"x", socket_.address)
    assert not socket_.send_unfragmented(bytes(66_000), socket_.address)
    assert socket_.send_unfragmented(b"x", socket_.address)
    socket_.close()
    assert not socket_.send(b"x", ("127.0.0.1", 9))
    socket_.close()


async def test_a_socket_closed_by_what_it_received() -> None:
    catcher = Catcher()
    address = catcher.socket.address

    def received(size: int, source: tuple[object, ...]) -> None:
        catcher.got.append(b"")
        catcher.socket.close()

    catcher.socket.start(received, lambda: None, lambda: catcher.runs.append(0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(5):
            sender.sendto(b"x", address)
        await catcher.until(1)
        await asyncio.sleep(0)
    assert len(catcher.got) == 1 and catcher.runs == [0]


async def test_ipv6_sockets_are_ipv6_only() -> None:
    v6 = bind_udp("::", 0)
    v4 = bind_udp("0.0.0.0", v6.getsockname()[1])
    v6.close()
    v4.close()
