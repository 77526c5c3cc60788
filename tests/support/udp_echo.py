"""Datagrams there and back, to measure a network with.

    python -m tests.support.udp_echo serve PORT
    python -m tests.support.udp_echo probe ADDRESS PORT COUNT SECONDS     one every SECONDS/COUNT

`probe` prints JSON: for every datagram, in order, its round trip in seconds or null, and the order of arrival.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time

WAIT_FOR_THE_LAST = 0.5
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; Python has no name for it
ROOM = 1 << 22
"""Bytes that may wait for us."""


def udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
    return made


def serve(port: int) -> None:
    echo = udp_socket()
    echo.bind(("0.0.0.0", port))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        data, source = echo.recvfrom(2048)
        echo.sendto(data, source)


def probe(address: str, port: int, count: int, seconds: float) -> None:
    asker = udp_socket()
    asker.connect((address, port))
    asker.setblocking(False)
    start = time.perf_counter()
    sent: list[float] = []
    round_trips: list[float | None] = [None] * count
    order: list[int] = []
    end = start + seconds + WAIT_FOR_THE_LAST
    while (now := time.perf_counter()) < end:
        due = start + len(sent) * seconds / count
        if len(sent) < count and now >= due:
            sent.append(now)
            asker.send((len(sent) - 1).to_bytes(4) + bytes(96))
            continue
        readable, _, _ = select.select([asker], [], [], max(0.0, (due if len(sent) < count else end) - now))
        if readable:
            try:
                number = int.from_bytes(asker.recv(2048)[:4])
            except ConnectionRefusedError:
                continue
            round_trips[number] = time.perf_counter() - sent[number]
            order.append(number)
    sys.stdout.write(json.dumps({"round_trips": round_trips, "order": order}))


if __name__ == "__main__":
    # What waits for a processor is late for no reason of the network's. The forwarder comes first, at 10.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        probe(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
