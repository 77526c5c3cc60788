"""Datagrams are counted before the library looks at them."""

import asyncio

from aioice import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol

from slidewire.rtc.ingress import BACKLOG, UNKNOWN_SOURCES, meter

PEER, STRANGER = ("192.0.2.1", 5000), ("198.51.100.9", 6000)
DTLS = bytes([22]) + bytes(40)


def candidate(host: str, port: int) -> Candidate:
    return Candidate("1", 1, "udp", 1, host, port, "host")


async def reached() -> tuple[Connection, StunProtocol]:
    connection = Connection(ice_controlling=True)
    protocol = StunProtocol(connection)
    protocol.local_candidate = candidate("192.0.2.2", 4000)
    connection._nominated[1] = CandidatePair(protocol, candidate(*PEER))
    return connection, protocol


async def test_what_is_not_permitted_is_never_queued() -> None:
    connection, protocol = await reached()
    left = 3

    def permits() -> bool:
        nonlocal left
        left -= 1
        return left >= 0

    meter(connection, permits)
    for _ in range(100):
        protocol.datagram_received(DTLS, PEER)
    assert connection._queue.qsize() == 3


async def test_no_more_wait_than_are_read_in_one_go() -> None:
    connection, protocol = await reached()
    meter(connection, lambda: True)
    for _ in range(1000):
        protocol.datagram_received(DTLS, PEER)
    assert connection._queue.qsize() == BACKLOG
    await connection.recvfrom()
    protocol.datagram_received(DTLS, PEER)
    assert connection._queue.qsize() == BACKLOG


async def test_a_stranger_uses_up_nothing_of_it() -> None:
    connection, protocol = await reached()
    asked = 0

    def permits() -> bool:
        nonlocal asked
        asked += 1
        return True

    meter(connection, permits)
    for _ in range(100):
        protocol.datagram_received(DTLS, STRANGER)
    assert asked == 0 and connection._queue.qsize() == 0
    protocol.datagram_received(DTLS, PEER)
    assert asked == 1 and connection._queue.qsize() == 1


async def test_a_connection_without_a_meter_is_as_the_library_made_it() -> None:
    connection, protocol = await reached()
    for _ in range(BACKLOG + 10):
        protocol.datagram_received(DTLS, STRANGER)
    assert connection._queue.qsize() == BACKLOG + 10
    await asyncio.sleep(0)


async def test_what_looks_like_stun_from_a_stranger_uses_up_nothing_of_it_either() -> None:
    connection, protocol = await reached()
    asked = 0

    def permits() -> bool:
        nonlocal asked
        asked += 1
        return True

    meter(connection, permits, clock=lambda: 0.0)
    for _ in range(10_000):
        protocol.datagram_received(bytes(20), STRANGER)  # no STUN message: the library would hand it on
    assert asked == 0
    assert connection._queue.qsize() <= UNKNOWN_SOURCES.burst + 1
    protocol.datagram_received(DTLS, PEER)
    assert asked == 1


async def test_before_a_pair_is_chosen_any_source_may_be_the_other_end() -> None:
    connection, protocol = await reached()
    connection._nominated.clear()
    meter(connection, lambda: True)
    protocol.datagram_received(DTLS, PEER)
    assert connection._queue.qsize() == 1


async def test_what_waits_is_read_in_turn_with_everything_else_and_what_comes_alone_at_once() -> None:
    connection, protocol = await reached()
    meter(connection, lambda: True)
    turns: list[str] = []

    async def reads(times: int) -> None:
        for _ in range(times):
            await connection.recvfrom()
            turns.append("datagram")

    async def works() -> None:
        for _ in range(3):
            turns.append("else")
            await asyncio.sleep(0)

    for _ in range(3):
        protocol.datagram_received(DTLS, PEER)
    await asyncio.gather(reads(3), works())
    assert turns == ["else", "datagram", "else", "datagram", "datagram", "else"]
    turns.clear()
    protocol.datagram_received(DTLS, PEER)
    await asyncio.gather(reads(1), works())
    assert turns[0] == "datagram"
