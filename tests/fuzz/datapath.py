"""Random tables and random datagrams at the compiled data path, without a TURN server around it.

    python -m tests.fuzz.datapath [--seconds 600] [--plays 25] [--seed 1]

RELAY_LIBRARY names another build, such as a sanitized one. Without --seconds and --plays it goes on until
it is stopped.

Sockets are opened and closed, rows opened, routed and closed, in any order that Python's side may choose; datagrams of
every kind come in between. Checked besides: what goes up is what was sent, byte for byte, and nothing arrives at a peer
or client that no table said.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import random
import socket
import sys
import time
from pathlib import Path

from slidewire.relay.compiled import _BATCH, _ROUTE, _UP, LIBRARY, _name, _source, load

HOSTS = ("127.0.0.1", "::1")
SIZES = (0, 1, 3, 4, 5, 20, 160, 160, 160, 1200, 9000, 65_000)


def bound(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.setblocking(False)
    return made


class Play:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.library = load(Path(os.environ.get("RELAY_LIBRARY", LIBRARY)))
        self.total = self.library.meter_new(0, 0, 0, 0)
        self.path = self.library.path_new(dice.getrandbits(64), dice.choice([1, 2, 64]), self.total)
        self.live = (ctypes.c_ubyte * 65_536)()
        size = self.library.path_slots_size()
        self.slots = memoryview((ctypes.c_char * size).from_address(self.library.path_slots(self.path))).cast("B")
        self.ups = memoryview((ctypes.c_char * (_BATCH * _UP.size)).from_address(self.library.path_ups(self.path)))
        self.ends = [bound(host) for host in HOSTS for _ in range(4)]
        self.silent = [bound(host) for host in HOSTS for _ in range(4)]
        """Clients that never send. Their ports are theirs, so that nothing goes to another program's."""
        self.names = {end: end.getsockname() for end in (*self.ends, *self.silent)}
        self.sources = {self.names[end] for end in self.ends}
        self.said: set[bytes] = set()
        """Everything that was sent. What was sent in one round may arrive in the next: a busy system delivers later."""
        self.parts: set[bytes] = set()
        """The same, and what a relay makes of it."""
        self.listeners: dict[int, tuple[socket.socket, int]] = {}
        self.relays: dict[int, tuple[socket.socket, int]] = {}
        self.rows: dict[int, tuple[int, int]] = {}
        """Row -> its listener's descriptor, and its meter."""
        self.up = self.through = 0

    # --- the table ----------------------------------------------------------------------------------------------------

    def watch(self, listener: bool) -> None:
        held = self.listeners if listener else self.relays
        if len(held) < (3 if listener else 12):
            made = bound(self.dice.choice(HOSTS))
            endpoint = self.library.path_watch(self.path, made.fileno(), int(listener), made.fileno())
            assert endpoint
            held[made.fileno()] = made, endpoint

    def unwatch(self, listener: bool) -> None:
        held = self.listeners if listener else self.relays
        if held:
            fileno = self.dice.choice(list(held))
            if listener:
                for row, (by, _) in list(self.rows.items()):
                    if by == fileno:
                        self.close(row)
            made, endpoint = held.pop(fileno)
            self.library.path_unwatch(self.path, endpoint)
            made.close()

    def open(self) -> None:
        if self.listeners and len(self.rows) < 400:
            fileno, (made, endpoint) = self.dice.choice(list(self.listeners.items()))
            clients = self.silent if self.dice.random() < 0.1 else self.ends
            client = self.names[self.dice.choice([end for end in clients if end.family == made.family])]
            meter = self.library.meter_new(*self.dice.choice([(0, 0, 0, 0), (5, 5, 0, 0), (0, 0, 1e5, 1e5)]))
            row = self.library.path_open(self.path, endpoint, *_name(client), meter)
            assert row
            self.rows[row] = fileno, meter

    def route(self) -> None:
        if self.rows and self.relays:
            row, (_, _) = self.dice.choice(list(self.rows.items()))
            routes = []
            for number in range(self.dice.choice([0, 3, 6, 6])):
                made, endpoint = self.dice.choice(list(self.relays.values()))
                same = [end for end in self.ends if end.family == made.family]
                name, length = _name(self.names[self.dice.choice(same)])
                if self.dice.random() < 0.05:
                    name, length = self.dice.randbytes(28), self.dice.choice([0, 16, 28, 65_535])
                until = time.monotonic() + self.dice.choice([-1, 0.05, 1000, float("inf")])
                live = self.dice.choice([0, 0, ctypes.addressof(self.live)])
                routes.append(_ROUTE.pack(until, live, endpoint, 0x4000 + number, length, name))
            assert self.library.path_route(row, b"".join(routes), len(routes)) == 0

    def close(self, row: int) -> None:
        _, meter = self.rows.pop(row)
        self.library.path_close(self.path, row)
        self.library.meter_free(meter)

    def step(self) -> None:
        match self.dice.randrange(12):
            case 0:
                self.watch(True)
            case 1:
                self.unwatch(True) if self.dice.random() < 0.1 else None
            case 2 | 3:
                self.watch(False)
            case 4:
                self.unwatch(False)
            case 5 | 6 | 7:
                self.open()
            case 8 if self.rows and self.dice.random() < 0.3:
                self.close(self.dice.choice(list(self.rows)))
            case 9:
                end = self.dice.choice(self.ends)
                self.live[self.names[end][1]] = self.dice.choice([0, 1])
            case _:
                self.route()

    # --- datagrams ----------------------------------------------------------------------------------------------------

    def noise(self) -> bytes:
        data = bytearray(self.dice.randbytes(self.dice.choice(SIZES)))
        if len(data) >= 4 and self.dice.random() < 0.8:
            length = len(data) - 4 + self.dice.choice([0, 0, 0, 0, -1, 1, 60_000])
            data[:4] = (0x4000 + self.dice.randrange(6)).to_bytes(2, "big") + (length & 0xFFFF).to_bytes(2, "big")
        return bytes(data)

    def talk(self) -> None:
        for _ in range(self.dice.randrange(1, 100)):
            end = self.dice.choice(self.ends)
            held = [each for each, _ in (*self.listeners.values(), *self.relays.values()) if each.family == end.family]
            if held:
                data = self.noise()
                target = self.dice.choice(held).getsockname()
                for _ in range(self.dice.choice([1, 1, 1, 8])):
                    try:
                        end.sendto(data, target)
                    except OSError:
                        break
                self.said.add(data)
                self.parts |= {data, data[4 : 4 + int.from_bytes(data[2:4], "big")]}

    def listen(self) -> None:
        before = self.library.meter_packets(self.total)
        while count := self.library.path_run(self.path, 512):
            for at in range(0, count * _UP.size, _UP.size):
                fileno, start, size, _, _, name = _UP.unpack_from(self.ups, at)
                assert fileno in self.listeners or fileno in self.relays
                assert bytes(self.slots[start : start + size]) in self.said
                assert _source(name) in self.sources
                self.up += 1
        self.through += self.library.meter_packets(self.total) - before
        for end in self.names:
            while True:
                try:
                    data = end.recv(70_000)
                except OSError:
                    break
                assert data in self.parts or data[4:] in self.parts, data[:40]

    def finish(self) -> None:
        for row in list(self.rows):
            self.close(row)
        assert self.library.path_count(self.path) == 0
        for held in (self.listeners, self.relays):
            for made, endpoint in held.values():
                self.library.path_unwatch(self.path, endpoint)
                made.close()
        for end in self.names:
            end.close()
        self.library.path_free(self.path)
        self.library.meter_free(self.total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--plays", type=float, default=math.inf)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end, seed, up, through = time.monotonic() + options.seconds, options.seed, 0, 0
    while time.monotonic() < end and seed < options.seed + options.plays:
        play = Play(random.Random(seed))
        sys.stderr.write(f"seed {seed}\n")
        for _ in range(60):
            for _ in range(play.dice.randrange(20)):
                play.step()
            play.talk()
            play.listen()
        play.finish()
        seed, up, through = seed + 1, up + play.up, through + play.through
    sys.stdout.write(f"{seed - options.seed} plays: {up} datagrams went up, {through} were forwarded\n")
    assert up and through


if __name__ == "__main__":
    main()
