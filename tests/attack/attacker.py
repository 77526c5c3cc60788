"""An attacker in a process of its own, at a loopback address of its own. It says as JSON what became of its attack.

python -m tests.attack.attacker connections PORT COUNT
python -m tests.attack.attacker messages PORT COUNT LINK_ID JOIN_TOKEN
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import ssl
import sys
import time
from collections import Counter
from typing import Any, Final

ADDRESS: Final = "127.0.0.66"
AT_ONCE: Final = 256
SOCKETS: Final = 90
"""As many as the server gives one address at once, and a few less."""
BURST: Final = 50
EACH: Final = 2000
"""… or fewer, so that each has this much to say: a flood, not a drizzle."""


def client_hello() -> bytes:
    """What a browser says first. The same one again and again is good enough to make a server sign."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = believing().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        talk.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def dial(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.bind((ADDRESS, 0))
    made.connect_ex(("127.0.0.1", port))
    return made


def flood_connections(port: int, count: int) -> Counter[str]:
    """`AT_ONCE` at a time: connect, say hello, wait for an answer, come again."""
    hello, fates = client_hello(), Counter[str]()
    selector, left, deadline = selectors.DefaultSelector(), count, time.monotonic() + 300
    while (left or selector.get_map()) and time.monotonic() < deadline:
        while left and len(selector.get_map()) < AT_ONCE:
            left -= 1
            selector.register(dial(port), selectors.EVENT_WRITE, time.monotonic())
        for key, _ in selector.select(0.05):
            made = key.fileobj
            assert isinstance(made, socket.socket)
            try:
                if key.events == selectors.EVENT_WRITE:
                    made.sendall(hello)
                    selector.modify(made, selectors.EVENT_READ, key.data)
                    continue
                fate = "answered" if made.recv(4096) else "closed"
            except OSError as error:
                fate = type(error).__name__
            fates[fate] += 1
            selector.unregister(made)
            made.close()
        for key in [key for key in selector.get_map().values() if time.monotonic() - key.data > 2]:
            fates["left waiting"] += 1
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
    return fates


def believing() -> ssl.SSLContext:
    """Whatever certificate it is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def websocket(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), source_address=(ADDRESS, 0), timeout=20)
    made = context.wrap_socket(plain, server_hostname="localhost")
    key = base64.b64encode(os.urandom(16)).decode()
    made.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = made.recv(4096)
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionRefusedError(answer[:12].decode(errors="replace"))
    return made


def frame(said: dict[str, Any]) -> bytes:
    """Masked with zeros, which is allowed."""
    data = json.dumps(said).encode()
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else bytes([0x81, 0xFE]) + len(data).to_bytes(2, "big")
    return head + bytes(4) + data


def flood_messages(port: int, count: int, link: str, token: str) -> Counter[str]:
    """By somebody who has a good link: all the sockets that can be had, joined, and then as fast as they take it. Who
    is thrown out comes again, until all is said."""
    fates, sockets, context = Counter[str](), list[ssl.SSLSocket](), believing()
    join = frame({"type": "join", "v": 1, "link": link, "token": token})
    burst = frame({"type": "send", "data": "A" * 40}) * BURST
    wanted, again, deadline = min(SOCKETS, count // EACH), 0.0, time.monotonic() + 60
    while fates["messages"] < count and time.monotonic() < deadline:
        while len(sockets) < wanted and time.monotonic() >= again:
            try:
                made = websocket(port, context)
                made.sendall(join)
                made.setblocking(False)
                sockets.append(made)
                fates["sockets"] += 1
            except OSError as error:
                fates[f"no socket: {type(error).__name__}"] += 1
                again = time.monotonic() + 0.05
        for made in list(sockets):
            try:
                made.send(burst)
                fates["messages"] += BURST
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
                continue
            except OSError as error:
                fates[f"lost: {type(error).__name__}"] += 1
                sockets.remove(made)
        time.sleep(0)
    fates["tried again"] = 100
    for _ in range(fates["tried again"]):
        try:
            websocket(port, context)
            fates["in again"] += 1
        except OSError as error:
            fates[f"not in again: {type(error).__name__}"] += 1
    return fates


def main() -> None:
    kind, port, count, *more = sys.argv[1:]
    if processor := os.environ.get("ATTACKER_PROCESSOR"):
        os.sched_setaffinity(0, {int(processor)})
    else:
        os.nice(19)  # an attacker's work is done on its own machine, and does not slow ours
    began = time.monotonic()
    flood = flood_connections(int(port), int(count)) if kind == "connections" else None
    fates = flood if flood is not None else flood_messages(int(port), int(count), *more)
    sys.stdout.write(json.dumps({**fates, "seconds": round(time.monotonic() - began, 2)}))


if __name__ == "__main__":
    main()
