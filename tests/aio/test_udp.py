"""Sockets that send, on loopback. What is received is told in test_datapath."""

from __future__ import annotations

import socket

from slidewire.aio.udp import SEGMENTS, UdpSocket, bind_udp, segments


def test_what_cannot_be_sent_is_dropped() -> None:
    socket_ = UdpSocket(bind_udp("127.0.0.1", 0))
    assert not socket_.send(bytes(70_000), ("127.0.0.1", 9))
    assert not socket_.send(b"x", ("127.0.0.1", 0))
    assert socket_.send(b"x", socket_.name)
    assert not socket_.send_unfragmented(bytes(66_000), socket_.name)
    assert socket_.send_unfragmented(b"x", socket_.name)
    socket_.close()
    assert not socket_.send(b"x", ("127.0.0.1", 9))
    socket_.close()


def test_segments_arrive_as_datagrams() -> None:
    """Whether the kernel takes them together or they go one by one."""
    sender = UdpSocket(bind_udp("127.0.0.1", 0))
    with bind_udp("127.0.0.1", 0) as receiver:
        receiver.settimeout(5)
        data = [memoryview(bytes([number]) * 100) for number in range(SEGMENTS)]
        assert sender.send_segments(data, 100, receiver.getsockname()) or segments() == 1
        assert [receiver.recv(1000) for _ in data] == [bytes(each) for each in data]
    sender.close()


def test_ipv6_sockets_are_ipv6_only() -> None:
    v6 = bind_udp("::", 0)
    v4 = bind_udp("0.0.0.0", v6.getsockname()[1])
    v6.close()
    v4.close()


def test_shared_sockets_share_a_port() -> None:
    one = bind_udp("127.0.0.1", 0, shared=True)
    two = bind_udp("127.0.0.1", one.getsockname()[1], shared=True)
    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
    one.close()
    two.close()
