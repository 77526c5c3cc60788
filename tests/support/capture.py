"""What passed a machine's network card, and whether an address is in it, in any of the ways in which one may be.

with Capture(machine, folder) as wire:
    …
assert not wire.holds("192.168.7.34")
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.support.lab import Machine

MAGIC_COOKIE = 0x2112A442
"""STUN's: XOR-MAPPED-ADDRESS and its like are an address with these bits turned (RFC 8489 §14.2)."""
PROGRAM = """
import os, socket, sys
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
card.bind(("eth0", 0))
card.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
sys.stdout.write("\\n"); sys.stdout.flush()
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        frame = card.recv(65535)
        file.write(len(frame).to_bytes(4, "big") + frame)
"""


class Capture:
    def __init__(self, machine: Machine, folder: Path) -> None:
        self._file = folder / f"{machine.name}.frames"
        self._process = subprocess.Popen(
            machine.command(sys.executable, "-c", PROGRAM, str(self._file)), stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def frames(self) -> list[bytes]:
        data, at, frames = self._file.read_bytes(), 0, []
        while at + 4 <= len(data):
            (size,) = struct.unpack_from(">I", data, at)
            frames.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        return frames

    def holds(self, address: str) -> bool:
        """As an IPv4 header has it, as STUN turns it, as text, and as text backwards (names of DNS)."""
        packed = socket.inet_aton(address)
        turned = (int.from_bytes(packed, "big") ^ MAGIC_COOKIE).to_bytes(4, "big")
        backwards = ".".join(reversed(address.split(".")))
        needles = (packed, turned, address.encode(), backwards.encode())
        return any(needle in frame for frame in self.frames() for needle in needles)
