"""A presenter, or a host, written to find out where the other end is, and to say where itself is whether that is asked
for or not. It obeys no policy, filters nothing, says every address it has, says that it is on the other's network, and
prints whatever it is told.

    python -m tests.support.nosy present LINK …      python -m tests.support.nosy host DECK --server …
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from slidewire.control import handshake, privacy
from slidewire.control.privacy import Privacy
from slidewire.rtc import guarded
from slidewire.rtc.engine import Engine, IceServer, PeerEvents

FAKE = [
    "candidate:1 1 udp 2130706431 203.0.113.77 50000 typ relay raddr 10.0.0.1 rport 9",
    "candidate:2 1 udp 2130706430 203.0.113.78 50000 typ host",
]


def heard(**what: Any) -> None:
    sys.stdout.write(json.dumps({"event": "heard", **what}) + "\n")
    sys.stdout.flush()


class NosyPeer(guarded.GuardedPeer):
    """Lets everything through, both ways."""

    def __init__(
        self,
        engine: Engine,
        ice_servers: Sequence[IceServer],
        events: PeerEvents,
        policy: Privacy,
        refused: Callable[[int], None],
    ) -> None:
        super().__init__(engine, ice_servers, events, Privacy.OPEN, refused)
        for text in FAKE:
            events.candidate({"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0})

    async def accept_answer(self, sdp: str) -> None:
        heard(description=sdp)
        await super().accept_answer(sdp)

    async def answer(self, sdp: str) -> str:
        heard(description=sdp)
        return await super().answer(sdp)

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        heard(candidate=candidate)
        super().add_candidate(candidate)


def main() -> None:
    for module, name in ((privacy, "stricter"), (privacy, "read_privacy"), (handshake, "read_privacy")):
        setattr(module, name, lambda *_, **__: Privacy.OPEN)
    setattr(guarded, "GuardedPeer", NosyPeer)  # noqa: B010
    from slidewire.presenter.connection import PresenterConnection

    joined = PresenterConnection.joined

    def on_every_network(self: PresenterConnection, *arguments: Any) -> None:
        joined(self, *arguments)
        self.core.network = self.core.network or "A" * 16

    setattr(PresenterConnection, "joined", on_every_network)  # noqa: B010
    from slidewire.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
