"""What one signaling server costs: relayed messages per second of its CPU, and memory per idle connection.

    python benchmarks/signaling_server.py [--idle N]

The server runs as a process of its own on loopback; its CPU time and memory are read from /proc (so: on Linux). The
load comes from this process, which is slower than the server: rates per CPU-second are what counts, not wall clock.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from slidewire.aio.loop import run
from slidewire.base.base64url import encode_base64url
from slidewire.signaling import client, messages

HOST_TOKEN, JOIN_TOKEN = os.urandom(16), os.urandom(16)
ROOMS, TURNS = 16, 400
DATA = encode_base64url(os.urandom(140))
"""About as long as a sealed intent with its frame."""

SERVER = """
import asyncio, json, sys
from dataclasses import replace
from pathlib import Path
from slidewire.aio.loop import run
from slidewire.server.app import Server
from slidewire.server.config import ServerSettings
from slidewire.base.rates import Rate
from slidewire.signaling.limits import Limits
free = Rate(1e9, 1e9)
limits = Limits(messages=free, bytes=free, connections=free, failed_joins=free, new_rooms=free, tcp_connections=free,
                handshakes=free, requests=free, work=free, share_messages=free, share_bytes=free, place_messages=free,
                place_bytes=free, room_messages=free, room_bytes=free, link_joins=free, place_joins=free, held=10**6,
                held_per_address=10**6, members=10**6)
async def main():
    settings = ServerSettings(listen="127.0.0.1", port=0, state_dir=Path(sys.argv[1]), http=sys.argv[2] == "http",
                              limits=limits)
    ready = await Server(settings).start()
    print(json.dumps({"url": ready.local_url, "ca": str(ready.ca or "")}), flush=True)
    await asyncio.Event().wait()
run(main())
"""


class Process:
    """The server, measured from outside."""

    def __init__(self, state: str, scheme: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, state, scheme], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.url = ready["url"].replace("http", "ws", 1) + "/ws"
        self.ssl = ssl.create_default_context(cafile=ready["ca"]) if ready["ca"] else True

    def cpu(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Private and dirty: what these connections alone keep."""
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) * 1024

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


async def ask(socket: aiohttp.ClientWebSocketResponse, first: messages.FirstMessage) -> dict[str, object]:
    await socket.send_str(messages.encode(first).decode())
    answer: dict[str, object] = await socket.receive_json()
    return answer


async def relay(server: Process) -> None:
    """Hosts and presenters send each other messages, one in flight per pair."""
    async with aiohttp.ClientSession() as session:

        async def pair(number: int) -> None:
            link = f"aaaaaaaa{'abcdefghijklmnop'[number]}a"
            token = hashlib.sha256(HOST_TOKEN + bytes([number])).digest()[:16]
            links = [client.announce(link, hashlib.sha256(JOIN_TOKEN).digest())]
            async with (
                session.ws_connect(server.url, ssl=server.ssl) as host,
                session.ws_connect(server.url, ssl=server.ssl) as presenter,
            ):
                opened = await ask(host, client.open_room(token, links=links))
                joined = await ask(presenter, client.join(link, JOIN_TOKEN))
                await host.receive()
                there = json.dumps({"type": "send", "to": opened["member"], "data": DATA})
                back = json.dumps({"type": "send", "to": joined["member"], "data": DATA})
                for _ in range(TURNS):
                    await presenter.send_str(there)
                    await host.receive()
                    await host.send_str(back)
                    await presenter.receive()

        before = server.cpu()
        await asyncio.gather(*(pair(number) for number in range(ROOMS)))
        spent = server.cpu() - before
    print(f"  relayed {2 * ROOMS * TURNS} messages: {2 * ROOMS * TURNS / spent:,.0f} per CPU-second")


async def idle(server: Process, count: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        token = os.urandom(16)
        links = [client.announce("bbbbbbbbbb", hashlib.sha256(JOIN_TOKEN).digest())]
        host = await session.ws_connect(server.url, ssl=server.ssl)
        await ask(host, client.open_room(token, links=links))
        memory, cpu = server.memory(), server.cpu()
        for start in range(0, count, 50):
            sockets = await asyncio.gather(
                *(session.ws_connect(server.url, ssl=server.ssl) for _ in range(min(50, count - start)))
            )
            for socket in sockets:
                await ask(socket, client.open_room(os.urandom(16)))
        await asyncio.sleep(1)
        spent = server.cpu() - cpu
        print(f"  {count} idle hosts: {(server.memory() - memory) / count / 1024:.1f} KB each")
        print(f"  {count / spent:,.0f} connected, and a room opened, per CPU-second")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=500)
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, {time.strftime('%Y-%m-%d')}")
    for scheme in ("http", "https"):
        with tempfile.TemporaryDirectory() as state:
            server = Process(state, scheme)
            try:
                print(scheme)
                await relay(server)
                await idle(server, options.idle)
            finally:
                server.stop()


if __name__ == "__main__":
    run(main())
