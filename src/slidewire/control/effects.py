"""What the connection core asks of its shell, and what it reports, as values.

A request to the world takes two steps: `CreateHandshake` is answered with `handshake_created`, `ReadWelcome` with
`welcome_read`, `CreateOffer` with `offer_created`.
"""

from __future__ import annotations

from dataclasses import dataclass

from slidewire.control.generations import AcceptAnswer, AddCandidate, ClosePeer, CreateOffer
from slidewire.control.handshake import PresenterHandshake
from slidewire.control.intents import Role
from slidewire.control.paths import Channel, PathKind
from slidewire.control.presenter_session import LaserAnswered, ReceiptArrived
from slidewire.control.sealed_session import MessageArrived, PictureArrived
from slidewire.control.state import State


@dataclass(frozen=True, slots=True)
class SendBySignaling:
    """Have the server hand this to a member."""

    member: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SendByPeer:
    generation: int
    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class CheckServer:
    """Find out whether the socket to the server is alive."""

    is_silent: bool = False
    """It took an intent and brought nothing back."""


@dataclass(frozen=True, slots=True, eq=False)
class CreateHandshake:
    """Make a handshake with a fresh key and nonce. Report `handshake_created`."""

    replaces: str
    """The name of the session that the new one replaces; empty where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadWelcome:
    """Have the handshake read the welcome. Report `welcome_read`."""

    handshake: PresenterHandshake
    data: bytes


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """What was asked of an earlier session gets no answer any more."""

    role: Role


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The host's state, whole."""

    state: State


@dataclass(frozen=True, slots=True)
class PathChanged:
    """The best proven path is now of this kind; None: there is none."""

    kind: PathKind | None


@dataclass(frozen=True, slots=True)
class PathLost:
    """A path died or came back: what was asked by it and not answered may be asked again."""


@dataclass(frozen=True, slots=True)
class PrivacyTightened:
    """No peer connection may stay that was made before, for whatever purpose."""


@dataclass(frozen=True, slots=True)
class ServersRefused:
    """So many STUN and TURN servers may not be used: they are neither on the signaling server's host nor the host's."""

    count: int


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The host ended it, for good: a stable code, and a sentence."""

    code: str
    reason: str


Effect = (
    SendBySignaling
    | SendByPeer
    | CheckServer
    | CreateHandshake
    | ReadWelcome
    | SessionBegan
    | StateChanged
    | PathChanged
    | PathLost
    | PrivacyTightened
    | ServersRefused
    | ConnectionClosed
    | CreateOffer
    | AcceptAnswer
    | AddCandidate
    | ClosePeer
    | ReceiptArrived
    | LaserAnswered
    | MessageArrived
    | PictureArrived
)
