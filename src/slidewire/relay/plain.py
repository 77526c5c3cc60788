"""The data path in plain Python: sockets drained, with a budget, into slots that are used again.

asyncio's own datagram transport takes 256 KiB of fresh memory for every datagram, and is a fifth as fast. Here the
loop watches one descriptor only, an epoll with all sockets in it (where there is no epoll, of each socket). Datagrams
of one size that follow each other to one destination leave together, where the kernel can do that.

The tables are the core's: each datagram is one look-up there.
"""

from __future__ import annotations

import asyncio
import select
import struct
from functools import partial
from typing import Final

from slidewire.aio.udp import SEGMENTED_BYTES, UdpSocket, segments
from slidewire.base.addresses import SocketAddress
from slidewire.base.rates import Rate
from slidewire.relay.datapath import Clients, Owner
from slidewire.turn.allocation import Allocation, Meter, PlainMeter
from slidewire.turn.five_tuple import Transport
from slidewire.turn.server import TurnServer

SLOTS: Final = 64
"""What one socket may hand over in a row, before the others get their turn."""
_HEADROOM: Final = 4
"""A ChannelData header fits in front of what was received, so that forwarding copies nothing."""
_HEAD: Final = struct.Struct("!HH")
_REMEMBERED: Final = 1024


class _Slot:
    __slots__ = ("buffer", "payload", "view")

    def __init__(self) -> None:
        self.buffer = bytearray(_HEADROOM + 65_536)
        self.view = memoryview(self.buffer)
        self.payload = self.view[_HEADROOM:]


class PlainPath:
    name = "plain"

    def __init__(self) -> None:
        self._slots = tuple(_Slot() for _ in range(SLOTS))
        self._segments = segments()
        self._listeners: dict[SocketAddress, UdpSocket] = {}
        self._clients: dict[int, Clients] = {}
        self._sockets: dict[int, UdpSocket] = {}
        self._whole: set[SocketAddress] = set()
        """Destinations for which the kernel refused segments lately."""

    def make_meter(self, packets: Rate | None, bandwidth: Rate | None) -> Meter:
        return PlainMeter(packets, bandwidth)

    def start(self, owner: Owner, core: TurnServer) -> None:
        self._owner, self._core = owner, core
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            self._loop.add_reader(self._epoll.fileno(), self._ready)

    def stop(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def listen(self, listener: UdpSocket, clients: Clients) -> None:
        self._clients[listener.fileno] = clients
        self._listeners[listener.name] = listener
        self.relay(listener)

    def relay(self, relay: UdpSocket) -> None:
        fileno = relay.fileno
        if self._epoll is not None:
            self._epoll.register(fileno, select.EPOLLIN)
        else:
            self._loop.add_reader(fileno, partial(self._drain_all, (fileno,)))
        self._sockets[fileno] = relay

    def route(self, allocation: Allocation) -> None:
        """Nothing to do: what is asked here is the allocation itself."""

    def close(self, socket: UdpSocket) -> None:
        fileno = socket.fileno
        if self._sockets.pop(fileno, None) is None:
            return
        if self._clients.pop(fileno, None) is not None:
            del self._listeners[socket.name]
        if self._epoll is not None:
            self._epoll.unregister(fileno)
        else:
            self._loop.remove_reader(fileno)
        socket.close()

    # --- what came ----------------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        assert self._epoll is not None
        self._drain_all(tuple(fileno for fileno, _ in self._epoll.poll(0)))

    def _drain_all(self, filenos: tuple[int, ...]) -> None:
        now = self._owner.tick()
        for fileno in filenos:
            socket = self._sockets.get(fileno)  # None: what an earlier one received led to its closing
            if socket is None:
                continue
            clients = self._clients.get(fileno)
            if clients is None:
                self._drain_relay(socket, now)
            else:
                self._drain_listener(socket, clients, now)
        self._owner.settle()

    def _drain_listener(self, listener: UdpSocket, clients: Clients, now: float) -> None:
        receive, head = listener.receive_into, _HEAD.unpack_from
        run: list[memoryview] = []
        run_channel, run_length, run_room, room = None, 0, 0, 0
        for slot in self._slots:
            try:
                size, source = receive(slot.payload)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error about something sent earlier; the socket is as good as before
            number, length = head(slot.buffer, _HEADROOM) if size >= 4 else (0, 0)
            if not 0x4000 <= number < 0x8000:
                self._owner.from_client(listener, bytes(slot.payload[:size]), source)
                continue
            allocation = clients.get(source)
            if allocation is None or length > size - 4:
                continue
            channel = allocation.to_peer(number, length, now)
            if channel is None:
                continue
            data = slot.payload[4 : 4 + length]
            if channel is run_channel and length == run_length and run_room > 0:
                run_room -= 1
                run.append(data)
                continue
            if run_channel is not None:
                if len(run) == 1:  # `_send`, without the way there
                    try:
                        run_channel.relay.sendto(run[0], run_channel.target)
                    except OSError:
                        pass
                else:
                    self._send(run_channel.relay, run, run_length, run_channel.target)
            run, run_channel = [data], channel
            if length != run_length:
                run_length, room = length, self._room(length)
            run_room = room
        if run_channel is not None:
            self._send(run_channel.relay, run, run_length, run_channel.target)

    def _drain_relay(self, relay: UdpSocket, now: float) -> None:
        receive, head, ipv6 = relay.receive_into, _HEAD.pack_into, relay.is_ipv6
        allocation = self._core.allocation_of(relay)
        client = None if allocation is None else allocation.client
        listener = None
        if client is not None and client.transport is Transport.UDP:
            listener = self._listeners.get(client.server)
        run: list[memoryview] = []
        run_size = run_room = 0
        for slot in self._slots:
            try:
                size, source = receive(slot.payload)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                if relay.fileno < 0:
                    break  # what was received led to its closing
                continue
            if allocation is None:
                continue
            if ipv6:
                source = source[:2]
            number = allocation.from_peer(source, size, now)
            if number is None:
                continue
            if not number or listener is None or client is None:
                self._core.deliver(allocation, number, bytes(slot.payload[:size]), source)
                continue
            head(slot.buffer, 0, number, size)
            data = slot.view[: _HEADROOM + size]
            if size == run_size and run_room > 0:
                run_room -= 1
                run.append(data)
                continue
            if run:
                self._send(listener, run, _HEADROOM + run_size, client.client)
            run, run_size, run_room = [data], size, self._room(_HEADROOM + size)
        if run and listener is not None and client is not None:
            self._send(listener, run, _HEADROOM + run_size, client.client)

    # --- what goes ----------------------------------------------------------------------------------------------------

    def _room(self, size: int) -> int:
        """How many more datagrams of this size fit into one message."""
        return min(self._segments, SEGMENTED_BYTES // size) - 1 if size else 0

    def _send(self, by: UdpSocket, run: list[memoryview], size: int, target: SocketAddress) -> None:
        if len(run) == 1:
            by.send(run[0], target)
        elif target in self._whole:
            for data in run:
                by.send(data, target)
        elif not by.send_segments(run, size, target):
            if len(self._whole) >= _REMEMBERED:
                self._whole.clear()
            self._whole.add(target)
