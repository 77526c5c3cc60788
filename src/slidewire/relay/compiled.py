"""The data path in C (`_relay.c`): the same look-ups, without Python between one datagram and the next.

What is done here is to write the core's tables into the C part's, and to hand up what that does not know. The library
is loaded with ctypes and needs nothing of Python's, so one build serves every Python version. Its functions trust
their callers; everything that comes from outside is checked there, and what Python passes is made here.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import secrets
import socket
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from slidewire.aio.udp import UdpSocket, segments
from slidewire.base.addresses import SocketAddress
from slidewire.base.rates import Rate
from slidewire.relay.datapath import BUDGET, Clients, NoSuchPath, Owner
from slidewire.turn.allocation import Allocation, Channel, Meter, Ports
from slidewire.turn.five_tuple import Transport
from slidewire.turn.server import TurnServer

SOURCE: Final = Path(__file__).with_name("_relay.c")
LIBRARY: Final = SOURCE.with_suffix(".so")
_UP: Final = struct.Struct("=QIIHH28s8x")
_ROUTE: Final = struct.Struct("=dQQHH28s")
_NAME4: Final = struct.Struct("!H4s")
_NAME6: Final = struct.Struct("!HI16s")
_FAMILY4: Final = socket.AF_INET.to_bytes(2, sys.byteorder)
_FAMILY6: Final = socket.AF_INET6.to_bytes(2, sys.byteorder)
_BATCH: Final = 64

_POINTER, _INT, _SIZE, _REAL = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_double
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "path_new": (_POINTER, ctypes.c_uint64, _INT, _POINTER),
    "path_free": (None, _POINTER),
    "path_fileno": (_INT, _POINTER),
    "path_ups": (_POINTER, _POINTER),
    "path_slots": (_POINTER, _POINTER),
    "path_slots_size": (_SIZE,),
    "path_unsent": (_SIZE, _POINTER),
    "path_count": (_SIZE, _POINTER),
    "path_watch": (_POINTER, _POINTER, _INT, _INT, ctypes.c_uint64),
    "path_unwatch": (None, _POINTER, _POINTER),
    "path_open": (_POINTER, _POINTER, _POINTER, ctypes.c_char_p, ctypes.c_uint, _POINTER),
    "path_route": (_INT, _POINTER, ctypes.c_char_p, ctypes.c_uint),
    "path_close": (None, _POINTER, _POINTER),
    "path_run": (_INT, _POINTER, _INT),
    "path_source": (ctypes.c_char_p,),
    "meter_new": (_POINTER, _REAL, _REAL, _REAL, _REAL),
    "meter_free": (None, _POINTER),
    "meter_admit": (_INT, _POINTER, ctypes.c_uint32, _REAL, _INT),
    "meter_packets": (_SIZE, _POINTER),
    "meter_bytes": (_SIZE, _POINTER),
    "meter_packets_up": (_SIZE, _POINTER),
    "meter_bytes_up": (_SIZE, _POINTER),
    "meter_dropped": (_SIZE, _POINTER),
}


@cache
def load(library: Path = LIBRARY) -> ctypes.CDLL:
    """Raises OSError; AttributeError for one that is another's."""
    loaded = ctypes.CDLL(str(library))
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def why_not(library: Path = LIBRARY) -> str | None:
    """None if the compiled data path can be used here."""
    if sys.platform != "linux":
        return "it is for Linux"
    if not library.exists():
        return "it was not compiled, because there was no C compiler when Slidewire was installed"
    try:
        made_from = load(library).path_source()
    except (OSError, AttributeError) as error:
        return f"it cannot be loaded ({error})"
    if SOURCE.exists() and made_from != hashlib.sha256(SOURCE.read_bytes()).hexdigest().encode():
        return "it was compiled from another version of _relay.c (`python tools/compiled.py` does it again)"
    return None


class CompiledMeter:
    """A `Meter` that the C part counts with."""

    __slots__ = ("_library", "address")

    def __init__(self, library: ctypes.CDLL, packets: Rate | None, bandwidth: Rate | None) -> None:
        self._library = library
        address = library.meter_new(*_rate(packets), *_rate(bandwidth))
        if not address:
            raise MemoryError
        self.address: int = address

    def __del__(self) -> None:  # only here it is known that the last reader is gone
        self._library.meter_free(self.address)

    @property
    def packets(self) -> int:
        return int(self._library.meter_packets(self.address))

    @property
    def bytes(self) -> int:
        return int(self._library.meter_bytes(self.address))

    @property
    def packets_up(self) -> int:
        return int(self._library.meter_packets_up(self.address))

    @property
    def bytes_up(self) -> int:
        return int(self._library.meter_bytes_up(self.address))

    @property
    def dropped(self) -> int:
        return int(self._library.meter_dropped(self.address))

    def admit(self, size: int, now: float, is_up: bool) -> bool:
        return bool(self._library.meter_admit(self.address, size, now, is_up))


class CompiledPath:
    name = "compiled"

    def __init__(self, library: Path = LIBRARY) -> None:
        reason = why_not(library)
        if reason is not None:
            raise NoSuchPath(f"There is no compiled data path: {reason}.")
        self._library = load(library)
        self._sockets: dict[int, UdpSocket] = {}
        self._listeners: dict[SocketAddress, UdpSocket] = {}
        self._of_clients: set[int] = set()
        """The descriptors of those."""
        self._rows: dict[Allocation, tuple[int, Meter]] = {}
        """The C part's row of each allocation that has one, and the meter it counts with, which has to live as long."""
        self._ports: dict[int, tuple[int, Any]] = {}

    def make_meter(self, packets: Rate | None, bandwidth: Rate | None) -> CompiledMeter:
        return CompiledMeter(self._library, packets, bandwidth)

    def start(self, owner: Owner, core: TurnServer) -> None:
        self._owner, self._core = owner, core
        assert isinstance(core.total, CompiledMeter), "the core counts with `make_meter`"
        self._total = core.total
        path = self._library.path_new(secrets.randbits(64), segments(), self._total.address)
        if not path:
            raise MemoryError
        self._path = path
        self._fileno = self._library.path_fileno(path)
        size = self._library.path_slots_size()
        self._slots = memoryview((ctypes.c_char * size).from_address(self._library.path_slots(path))).cast("B")
        self._ups = memoryview((ctypes.c_char * (_BATCH * _UP.size)).from_address(self._library.path_ups(path)))
        self._run = self._library.path_run
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fileno, self._ready)

    def stop(self) -> None:
        self._loop.remove_reader(self._fileno)
        for allocation in list(self._rows):
            self._close_row(allocation)
        self._library.path_free(self._path)
        self._path = None

    @property
    def rows(self) -> int:
        """How many clients the table has."""
        return int(self._library.path_count(self._path))

    def listen(self, listener: UdpSocket, clients: Clients) -> None:
        self._watch(listener, True)
        self._listeners[listener.name] = listener
        self._of_clients.add(listener.fileno)

    def relay(self, relay: UdpSocket) -> None:
        self._watch(relay, False)

    def _watch(self, socket: UdpSocket, is_listener: bool) -> None:
        fileno = socket.fileno
        watched = self._library.path_watch(self._path, fileno, is_listener, fileno)
        if not watched:
            raise OSError("a socket cannot be watched")
        socket.watched = watched
        self._sockets[fileno] = socket

    def close(self, socket: UdpSocket) -> None:
        fileno = socket.fileno
        if self._sockets.pop(fileno, None) is None:
            return
        if fileno in self._of_clients:
            self._of_clients.remove(fileno)
            del self._listeners[socket.name]
            for allocation in [each for each in self._rows if each.client.server == socket.name]:
                self._close_row(allocation)
        self._library.path_unwatch(self._path, socket.watched)
        socket.watched = None
        socket.close()

    # --- the table ----------------------------------------------------------------------------------------------------

    def route(self, allocation: Allocation) -> None:
        client = allocation.client
        listener = self._listeners.get(client.server) if client.transport is Transport.UDP else None
        if not allocation.channels or listener is None:
            self._close_row(allocation)
            return
        row, _ = self._rows.get(allocation, (None, None))
        if row is None:
            meter = allocation.meter
            assert isinstance(meter, CompiledMeter)
            row = self._library.path_open(self._path, listener.watched, *_name(client.client), meter.address)
            if not row:
                return  # everything goes up, then
            self._rows[allocation] = row, meter
        routes = b"".join(self._route(allocation, channel) for channel in allocation.channels.values())
        self._library.path_route(row, routes, len(allocation.channels))

    def _route(self, allocation: Allocation, channel: Channel) -> bytes:
        relays, relay = allocation.all_relays, channel.relay
        ports = relays.ports_of(channel.peer.host) if channel.peer.host in relays.guarded else None
        live = 0 if ports is None else self._address_of(ports)
        name, length = _name(channel.target)
        return _ROUTE.pack(channel.usable_until, live, relay.watched, channel.number, length, name)

    def _close_row(self, allocation: Allocation) -> None:
        row, _ = self._rows.pop(allocation, (None, None))
        if row is not None:
            self._library.path_close(self._path, row)

    def _address_of(self, ports: Ports) -> int:
        """Where they are. They are kept from going away or moving, by being exported."""
        found = self._ports.get(id(ports))
        if found is None:
            array = (ctypes.c_char * len(ports)).from_buffer(ports)
            found = self._ports[id(ports)] = ctypes.addressof(array), array
        return found[0]

    # --- what comes up ------------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        owner, sockets = self._owner, self._sockets
        owner.tick()
        budget = BUDGET
        while budget > 0 and (count := self._run(self._path, budget)):
            budget -= _BATCH
            for at in range(0, count * _UP.size, _UP.size):
                fileno, start, size, _, _, name = _UP.unpack_from(self._ups, at)
                receiver = sockets.get(fileno)
                if receiver is None:
                    continue
                hand_up = owner.from_client if fileno in self._of_clients else owner.from_peer
                hand_up(receiver, bytes(self._slots[start : start + size]), _source(name))
            owner.settle()


def _rate(rate: Rate | None) -> tuple[float, float]:
    return (0.0, 0.0) if rate is None else (rate.per_second, rate.burst)


def _name(address: SocketAddress) -> tuple[bytes, int]:
    """A struct sockaddr_in or sockaddr_in6, with room for either, and its own length."""
    host, port = address[0], address[1]
    if ":" not in host:
        return _FAMILY4 + _NAME4.pack(port, socket.inet_aton(host)) + bytes(20), 16
    flow, scope = address[2:4] if len(address) > 2 else (0, 0)
    name = _NAME6.pack(port, flow, socket.inet_pton(socket.AF_INET6, host))
    return _FAMILY6 + name + int(scope).to_bytes(4, sys.byteorder), 28


def _source(name: bytes) -> SocketAddress:
    """The same address as `socket.recvfrom` says it."""
    if name[:2] == _FAMILY4:
        port, host = _NAME4.unpack_from(name, 2)
        return socket.inet_ntoa(host), port
    port, flow, host6 = _NAME6.unpack_from(name, 2)
    return socket.inet_ntop(socket.AF_INET6, host6), port, flow, int.from_bytes(name[24:28], sys.byteorder)
