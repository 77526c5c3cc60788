"""`slidewire leaktest`: which addresses another end, and the server, would learn of this computer under each policy."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slidewire.cli.output import complain, say, say_json

if TYPE_CHECKING:
    from slidewire.control.links import Link
    from slidewire.diagnostics.leak_test import LeakResult

JOINS_WITHIN = 15.0
PROMISES = {
    "open": "tells every address; it promises nothing",
    "balanced": "tells no local address",
    "private": "tells no address but the relay's",
}
REMEDIES = """What helps:
  a relay address of this computer's own   run `slidewire serve` on another computer, and `slidewire host` here
  a public address in spite of a VPN       let the VPN take IPv6 as well, or switch IPv6 off; its kill switch on
  anything else                            this would be a bug: please report it, without the addresses"""


@click.command()
@click.argument("link", required=False)
@click.option("--link-file", type=click.Path(path_type=Path), help="Its first line is the link.")
@click.option("--stun", multiple=True, metavar="HOST:PORT", help="Ask this STUN server as well. No other is asked.")
@click.option("--ca", type=click.Path(path_type=Path), help="Trust this authority as well (PEM).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")
def leaktest(link: str | None, link_file: Path | None, stun: tuple[str, ...], ca: Path | None, as_json: bool) -> None:
    """Which addresses another end would learn.

    They are those of this computer, under each --privacy of a host.

    With a presenter link (LINK, --link-file or SLIDEWIRE_LINK), the STUN and TURN servers of its room are used, as a
    host or `slidewire present` here would use them; without, only what this computer knows by itself is tried. Exit
    code 0: every policy keeps what it promises; 1: one does not.

    For a browser, open the page /leaktest of your server in it.
    """
    from slidewire.aio.loop import run
    from slidewire.cli.link_source import link_of
    from slidewire.control.links import LinkError, parse_link
    from slidewire.system.trust import TrustError

    link = link_of(link, link_file, "SLIDEWIRE_LINK")
    try:
        found = parse_link(link) if link is not None else None
        learnt, seen = run(_test(found, stun, ca))
    except (LinkError, TrustError, ConnectionError) as error:
        complain(error)
        sys.exit(1)
    passed = all(one.passed for one in learnt)
    if as_json:
        for one in learnt:
            say_json(
                {
                    "event": "policy",
                    "privacy": str(one.policy),
                    "peer_learns": one.addresses,
                    "leaks": one.leaks,
                    "passed": one.passed,
                }
            )
        say_json({"event": "result", "passed": passed, "server_learns": sorted(seen)})
    else:
        _say(learnt, seen, asked=bool(stun) or link is not None)
    sys.exit(0 if passed else 1)


def _say(learnt: list[LeakResult], seen: frozenset[str], *, asked: bool) -> None:
    for one in learnt:
        print(f"{one.policy:9} {'passed' if one.passed else 'FAILED'}: {PROMISES[one.policy]}.")
        for address, kind in one.addresses.items():
            say(f"    {address}  ({kind}){'  ← this should not be told' if address in one.leaks else ''}")
        if not one.addresses:
            print("    Another end learns nothing.")
    if seen:
        say(f"The server, and all others that this computer connects to, see {' and '.join(sorted(seen))}.")
    if not asked:
        print("No server was asked. With a presenter link, the servers of its room are tried as well.")
    if not all(one.passed for one in learnt):
        print(REMEDIES)


async def _test(link: Link | None, stun: tuple[str, ...], ca: Path | None) -> tuple[list[LeakResult], frozenset[str]]:
    """Raises ConnectionError and TrustError."""
    from slidewire.diagnostics.leak_test import leak_test
    from slidewire.rtc.aiortc_engine import AiortcEngine
    from slidewire.rtc.engine import IceServer, read_ice_servers
    from slidewire.system.trust import client_context

    asked = [IceServer((f"stun:{server}",)) for server in stun]
    async with contextlib.AsyncExitStack() as room:
        told = await room.enter_async_context(_servers_of(link, ca)) if link is not None else []
        return await leak_test(AiortcEngine(client_context(ca)), [*read_ice_servers(told), *asked])


@contextlib.asynccontextmanager
async def _servers_of(link: Link, ca: Path | None) -> AsyncIterator[list[dict[str, Any]]]:
    """Be in the room, as a presenter that says nothing: a login for its relays ends with the place in it."""
    import secrets

    from slidewire.aio.websocket_client import SignalingSocket
    from slidewire.base.base64url import encode_base64url
    from slidewire.signaling import messages
    from slidewire.signaling.client import Event, Joined, Refused, SignalingClient
    from slidewire.system.trust import client_context

    answer: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()

    def receive(event: Event) -> None:
        match event:
            case Joined(ice_servers=servers) if not answer.done():
                answer.set_result(servers)
            case Refused(message=message) if not answer.done():
                answer.set_exception(ConnectionError(message))
            case _:
                pass

    join = messages.Join(v=messages.VERSION, link=link.link_id, token=encode_base64url(link.join_token))
    client = SignalingClient(join, entropy=secrets.token_bytes)
    socket = SignalingSocket(link.server, client, receive, tls=client_context(ca))
    await socket.start()
    try:
        try:
            async with asyncio.timeout(JOINS_WITHIN):
                told = await answer
        except TimeoutError:
            raise ConnectionError(f"{link.server} does not answer. Is it running, and is the link whole?") from None
        yield told
    finally:
        await socket.stop()
