"""What the host and the terminal presenter ask of a WebRTC library.

One `Peer` is one generation of one connection: it is never restarted, only replaced. It carries two negotiated data
channels (protocol/control.md §6): `control`, unordered and without retransmissions, and `bulk`, ordered and reliable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from slidewire.control.paths import Channel
from slidewire.control.privacy import IceServer, Privacy

__all__ = ["Channel", "Engine", "IceServer", "Peer", "PeerError", "PeerEvents", "read_ice_servers"]


class PeerError(Exception):
    """An offer, answer or candidate that the library cannot use. The peer is still to be closed by its owner."""


@dataclass(slots=True)
class PeerEvents:
    """What a peer tells its owner, always on the event loop."""

    opened: Callable[[Channel], None]
    received: Callable[[Channel, bytes], None]
    closed: Callable[[], None]
    """The connection failed or ended. Called once, and never after `Peer.close`."""
    candidate: Callable[[dict[str, Any] | None], None] = field(default=lambda candidate: None)
    """One more candidate of ours, in the shape of `RTCIceCandidateInit`; None: that was all."""
    permits: Callable[[], bool] = field(default=lambda: True)
    """Asked for each datagram before it is looked at; False: it is dropped."""


class Peer(Protocol):
    async def offer(self) -> str:
        """The SDP of an offer. Candidates that servers have to be asked for come later (`PeerEvents.candidate`)."""

    async def accept_answer(self, sdp: str) -> None:
        """Raises `PeerError`."""

    async def answer(self, sdp: str) -> str:
        """The SDP of the answer to an offer; candidates as with `offer`. Raises `PeerError`."""

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        """A trickled candidate in the shape of `RTCIceCandidateInit`; None: there are no more. Bad ones are ignored."""

    def send(self, channel: Channel, data: bytes) -> bool:
        """False: the channel is not open, nothing was sent."""

    async def wait_for_room(self, channel: Channel) -> bool:
        """Wait until hardly anything is queued on the channel, so that what is more urgent never stands behind it.
        False: the channel is not open."""

    def has_room(self, channel: Channel) -> bool:
        """Whether hardly anything is queued on the channel, and it is open."""

    @property
    def is_relayed(self) -> bool:
        """Whether the chosen candidate pair goes through a relay at either end."""

    async def close(self) -> None:
        """End the connection."""


class Engine(Protocol):
    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> Peer:
        """A new peer that uses these servers and no others; none means host candidates only. How it is reached is up to
        `privacy`: through a relay only, by the default route's addresses, or by every address of this machine. What it
        says is not filtered (that is `guarded`'s work)."""


def read_ice_servers(values: Sequence[dict[str, Any]]) -> list[IceServer]:
    """`RTCIceServer` objects from signaling; what is not one is left out."""
    servers = []
    for value in values:
        urls = value.get("urls")
        urls = [urls] if isinstance(urls, str) else urls
        names = value.get("username"), value.get("credential")
        is_whole = isinstance(urls, list) and urls and all(isinstance(url, str) for url in urls)
        if is_whole and all(name is None or isinstance(name, str) for name in names):
            servers.append(IceServer(tuple(urls or ()), *names))
    return servers
