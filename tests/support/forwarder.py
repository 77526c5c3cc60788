"""The weather between two real network interfaces: a program that the laboratory runs, one for all of its links.

    python -m tests.support.forwarder

A link is two TAP devices, each in a network namespace: what is sent into one comes out of the other, if and when
`NetworkConditions` lets it. This kernel has no netem, and a kernel that has one may not be ours to configure.

Commands come as JSON lines on standard input and are answered on standard output; the end of input ends the program,
and its devices with it:

    {"do":"add", "link":…, "seed":…, "near":[PID,IFNAME], "far":[PID,IFNAME]}    in the namespaces of these processes
    {"do":"weather", "link":…, "direction":"out"|"in"|"both", "weather":{…}}     out: from near to far
    {"do":"block", "link":…, "protocols":[17]}                                   IP protocols that vanish on this link
    {"do":"separate", "link":…, "separate":true}                                 loss bursts for each flow by itself
    {"do":"counts", "link":…}
"""

from __future__ import annotations

import bisect
import contextlib
import ctypes
import fcntl
import json
import os
import random
import select
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from slidewire.testing.network import NetworkConditions, SimulatedPath

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
CLONE_NEWNET = 0x40000000
IPV4 = b"\x08\x00"
FRAME = 65536
READ_AT_ONCE = 32
LATE = (0.0005, 0.001, 0.002, 0.005)


@contextlib.contextmanager
def network_of(pid: int) -> Iterator[None]:
    """What this thread opens is in the network namespace of that process, and stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    ours = os.open("/proc/self/ns/net", os.O_RDONLY)
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(theirs, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the namespace of process {pid}")
        yield
    finally:
        libc.setns(ours, CLONE_NEWNET)
        os.close(ours)
        os.close(theirs)


def open_tap(pid: int, name: str) -> int:
    """A TAP device in the network namespace of that process."""
    with network_of(pid):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


class Direction:
    """One way of one link: frames from one device to another, through one weather."""

    def __init__(self, source: int, sink: int, far_end: slice, seed: str) -> None:
        self.source, self.sink = source, sink
        self.path = SimulatedPath(NetworkConditions(), random.Random(seed))
        self.blocked: set[int] = set()
        self.separate = False
        self.counts: dict[bytes, list[int]] = {}
        """Protocol and far address → packets sent, bytes sent, packets lost. Bytes are those of IP."""
        self.lateness: list[int] = [0] * 5
        """How many packets left later than they should have, by less than 0.5, 1, 2, 5 ms, or by more."""
        self._far_end = far_end

    def read(self) -> None:
        for _ in range(READ_AT_ONCE):
            try:
                frame = os.read(self.source, FRAME)
            except OSError:
                return
            if frame[12:14] != IPV4:
                self._write(frame)  # ARP knows no weather: there is no radio between a machine and itself
                continue
            counts = self.counts.setdefault(frame[23:24] + frame[self._far_end], [0, 0, 0])
            counts[0] += 1
            counts[1] += int.from_bytes(frame[16:18])
            flow = frame[23:24] + frame[26:38] if self.separate else None
            if frame[23] in self.blocked or not self.path.send(frame, time.monotonic(), flow):
                counts[2] += 1

    def deliver(self, now: float) -> None:
        while (due := self.path.next_arrival()) is not None and (frame := self.path.deliver(now)) is not None:
            self._write(frame)
            self.lateness[bisect.bisect(LATE, now - due)] += 1

    def _write(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # the other side is down, or its queue is full: as on any wire
            os.write(self.sink, frame)

    def told(self) -> dict[str, Any]:
        named = {f"{key[0]} {'.'.join(str(byte) for byte in key[1:])}": counts for key, counts in self.counts.items()}
        return {"counts": named, "lateness": self.lateness}


class Forwarder:
    def __init__(self) -> None:
        self._links: dict[str, dict[str, Direction]] = {}
        self._readers: dict[int, Direction] = {}

    def run(self) -> None:
        buffered = b""
        while True:
            wait = self._seconds_until_due()
            # Not epoll: its time-outs are whole milliseconds, and these ones count.
            ready, _, _ = select.select([0, *self._readers], [], [], wait)
            for fd in ready:
                if fd:
                    self._readers[fd].read()
                    continue
                data = os.read(0, FRAME)
                if not data:
                    return
                *lines, buffered = (buffered + data).split(b"\n")
                for line in lines:
                    os.write(1, json.dumps(self._obey(json.loads(line))).encode() + b"\n")
            now = time.monotonic()
            for direction in self._readers.values():
                direction.deliver(now)

    def _seconds_until_due(self) -> float | None:
        arrivals = [due for way in self._readers.values() if (due := way.path.next_arrival()) is not None]
        return max(0.0, min(arrivals) - time.monotonic()) if arrivals else None

    def _obey(self, command: dict[str, Any]) -> Any:
        if command["do"] == "add":
            return self._add(command)
        ways = self._links[command["link"]]
        match command["do"]:
            case "weather":
                for name, way in ways.items():
                    if command["direction"] in (name, "both"):
                        way.path.weather = NetworkConditions(**command["weather"])
            case "block":
                for way in ways.values():
                    way.blocked = set(command["protocols"])
            case "separate":
                for way in ways.values():
                    way.separate = command["separate"]
            case "counts":
                return {name: way.told() for name, way in ways.items()}
        return {}

    def _add(self, command: dict[str, Any]) -> Any:
        near, far = open_tap(*command["near"]), open_tap(*command["far"])
        out = Direction(near, far, slice(30, 34), f"{command['seed']} {command['link']} out")
        back = Direction(far, near, slice(26, 30), f"{command['seed']} {command['link']} in")
        self._links[command["link"]] = {"out": out, "in": back}
        self._readers |= {near: out, far: back}
        return {}


def main() -> None:
    # A packet that waits for a processor is late for no reason of the weather's.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    try:
        Forwarder().run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
