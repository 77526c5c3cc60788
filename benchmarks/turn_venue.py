"""How long 120 people behind one address wait for their relays, while a stranger at the same address floods.

    python -m benchmarks.turn_venue [--people 120] [--flood none,port,ports,connections] [--rate 20000]

A real `slidewire turn` on one processor; everybody else, the stranger too, on the other. Each person asks for a relay
over UDP, TCP and TLS at once, as a browser does that is given all three; time runs from when all of them begin until
each has its relay. tests/turn/test_venue.py has the same in simulated time.

- port: Binding and Allocate requests from one UDP port, `--rate` of them a second
- ports: the same from 200 ports
- connections: 512 TCP connections that say something now and then, and are opened again when they are closed
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine
from benchmarks.quantiles import summarise
from slidewire.aio.loop import run
from slidewire.diagnostics.turn_check import CheckError, connect, read_uri
from slidewire.stun.message import BINDING, Builder, Class
from slidewire.turn.attributes import REQUESTED_TRANSPORT, UDP, Method
from slidewire.turn.credentials import mint

SECRET = "0123456789abcdef" * 3
SERVER_CPU, LOAD_CPU = 0, 1
PATIENCE = 20.0
ADDRESS = "127.0.0.1"
TRANSPORTS = ("udp", "tcp", "tls")


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Where it listens for UDP and TCP, and for TLS, and its authority."""
    (folder / "secret").write_text(SECRET)
    command = ["taskset", "-c", str(SERVER_CPU), sys.executable, "-m", "slidewire.cli.main", "turn", "--json"]
    command += ["--listen", ADDRESS, "--port", "0", "--tls-port", "0", "--secret-file", str(folder / "secret")]
    environment = {**os.environ, "XDG_DATA_HOME": str(folder)}
    # What it says is not read, and so goes to a file: a pipe would be full.
    with (folder / "said").open("w") as sink, subprocess.Popen(command, stdout=sink, env=environment) as process:
        try:
            while "\n" not in (said := (folder / "said").read_text()):
                time.sleep(0.05)
            ready = json.loads(said.splitlines()[0])
            yield ready["udp"], ready["tls"], Path(ready["ca"])
        finally:
            process.terminate()


def flood_of_datagrams(port: int, sources: int, rate: float) -> None:
    transaction = bytes(range(12))
    requests = [
        Builder(BINDING, Class.REQUEST, transaction).encode(),
        Builder(Method.ALLOCATE, Class.REQUEST, transaction).add(REQUESTED_TRANSPORT, UDP).encode(),
    ]
    ends = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(sources)]
    for end in ends:
        end.bind((ADDRESS, 0))
        end.setblocking(False)
    began, sent = time.monotonic(), 0
    while True:
        due = (time.monotonic() - began) * rate
        while sent < due:
            try:
                ends[sent // 2 % sources].sendto(requests[sent % 2], (ADDRESS, port))
            except BlockingIOError:
                break
            sent += 1
        time.sleep(0.001)


def flood_of_connections(port: int, rate: float, count: int = 512) -> None:
    request = Builder(BINDING, Class.REQUEST, bytes(range(12))).encode()
    ends: list[socket.socket] = []
    while True:
        while len(ends) < count:
            try:
                ends.append(socket.create_connection((ADDRESS, port)))
            except OSError:
                break
        for end in list(ends):
            try:
                end.sendall(request)
            except OSError:
                end.close()
                ends.remove(end)
        time.sleep(1.0)


FLOODS: dict[str, Callable[[int, float], None] | None] = {
    "none": None,
    "port": lambda port, rate: flood_of_datagrams(port, 1, rate),
    "ports": lambda port, rate: flood_of_datagrams(port, 200, rate),
    "connections": flood_of_connections,
}


async def wait_for_relays(people: int, plain: int, tls: int, authority: Path) -> dict[str, list[float]]:
    """Seconds until each had each, without those who had none in the end."""
    trust = ssl.create_default_context(cafile=str(authority))
    uris = {
        "udp": read_uri(f"turn:{ADDRESS}:{plain}"),
        "tcp": read_uri(f"turn:{ADDRESS}:{plain}?transport=tcp"),
        "tls": read_uri(f"turns:{ADDRESS}:{tls}"),
    }
    took: dict[str, list[float]] = {transport: [] for transport in TRANSPORTS}
    began = time.monotonic()

    async def one(person: int, transport: str) -> None:
        made = mint(SECRET, f"person{person}", time.time(), 600)
        try:
            line = await connect(uris[transport], made.username, made.password, trust, PATIENCE)
            answered = await line.ask(line.client.allocate(), PATIENCE)
        except CheckError:
            return
        if answered.code == 0:
            took[transport].append(time.monotonic() - began)

    await asyncio.gather(*(one(person, transport) for person in range(people) for transport in TRANSPORTS))
    return took


def measure(flood: str, people: int, rate: float) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (plain, tls, authority):
        stranger = FLOODS[flood]
        flooder = None
        if stranger is not None:
            flooder = multiprocessing.get_context("fork").Process(target=stranger, args=(plain, rate), daemon=True)
            flooder.start()
            time.sleep(2.0)
        try:
            return run(wait_for_relays(people, plain, tls, authority))
        finally:
            if flooder is not None:
                flooder.kill()
                flooder.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--flood", default=",".join(FLOODS))
    parser.add_argument("--rate", type=float, default=20_000.0, help="datagrams a second")
    options = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CPU})
    print(f"{os.cpu_count()} processors, load {machine.load():.1f}; {options.people} people")
    print("| flood | transport | have a relay | p50 | p99 | last |\n|---|---|---|---|---|---|")
    for flood in options.flood.split(","):
        for transport, took in measure(flood, options.people, options.rate).items():
            found = summarise(took or [float("nan")])
            numbers = " | ".join(f"{seconds:.2f} s" for seconds in (found.p50, found.p99, found.max))
            print(f"| {flood} | {transport} | {len(took)} of {options.people} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
