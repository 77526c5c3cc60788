"""The two messages before a session (protocol/control.md §2): each end proves that it knows the link's secret, and
commits itself to its part in the verification words.

`PresenterHandshake` knocks; the host's `HandshakeResponder` answers, once per hello, and counts what does not open.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.base.rates import Buckets, Rate
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Role, read_role
from slidewire.control.introduction import NONCE_BYTES, Introduction, commitment, read_object
from slidewire.control.noise import HandshakeError, Initiator, Responder, TransportKeys
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.privacy import Privacy, read_privacy
from slidewire.control.seal import HELLO, WELCOME
from slidewire.control.sealed_session import SealedSession

REPEAT_HELLO = 1.0
"""Seconds between repetitions of an unanswered hello."""
HELLOS_PER_SECOND = 10.0
HELLOS_AT_ONCE = 100
"""New hellos by one link that a host answers. Every presenter of a hall comes back at once when a host restarts; who
tries handshake after handshake until the words suit it comes no further than this."""
HELLOS_FROM_ONE_ADDRESS = Rate(6, 80)
"""… and of these, from one address: it cannot take all of them."""
FLOOD_HELLOS = 40
"""So many hellos a session that was ended as a flood counts for."""
_REMEMBERED_HELLOS = 256


def prologue(link_id: str) -> bytes:
    return b"slidewire/1 " + link_id.encode("ascii")


def hello_link(data: bytes) -> str | None:
    """The link a hello claims to come by."""
    if len(data) < 2 or data[0] != HELLO or len(data) < 2 + data[1]:
        return None
    try:
        return data[2 : 2 + data[1]].decode("ascii")
    except UnicodeDecodeError:
        return None


def session_name(wire: SealedSession) -> str:
    """What a presenter calls its earlier session by. Only the two ends of that session can compute it: neither the
    server can, nor another holder of the same link who recorded all that was sent."""
    return encode_base64url(wire.exported[:16])


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the host's answer to a hello says."""

    session: int
    clock: int
    """The host's session clock when it answered, in milliseconds."""
    role: Role
    committed: bytes
    """The hash of the host's nonce."""
    privacy: Privacy
    """The room's."""
    ice_hosts: tuple[str, ...]
    """Whose STUN and TURN servers may be used besides those of the signaling server's own host."""
    keys: TransportKeys = field(repr=False)


class PresenterHandshake:
    """One attempt, with one ephemeral key. Send `hello` until `receive_welcome` gives a session."""

    def __init__(self, link_id: str, psk: bytes, ephemeral: bytes, introduction: Introduction) -> None:
        """The hello commits to the introduction's nonce; the session says the rest of it, and opens the nonce."""
        self._initiator = Initiator(psk, prologue(link_id), ephemeral)
        self._introduction = introduction
        said = {"commit": encode_base64url(commitment(introduction.nonce)), "v": 1}
        payload = json.dumps(said, separators=(",", ":")).encode()
        identifier = link_id.encode("ascii")
        self.hello = bytes([HELLO, len(identifier)]) + identifier + self._initiator.write_message_1(payload)
        self._finished = False

    def receive_welcome(self, data: bytes, now: float, asked: float) -> tuple[PresenterSession, Role] | None:
        """The session, or None for anything that is not this host's answer to this hello, first sent when `asked`."""
        welcome = self.read_welcome(data)
        if welcome is None:
            return None
        return self.session(welcome, now, asked), welcome.role

    def session(self, welcome: Welcome, now: float, asked: float) -> PresenterSession:
        return PresenterSession(
            welcome.session, welcome.keys, welcome.clock, now, self._introduction, welcome.committed, asked
        )

    def read_welcome(self, data: bytes) -> Welcome | None:
        if self._finished or not data or data[0] != WELCOME:
            return None
        # A forged welcome must not spoil the handshake for the true one: read it on a copy of the state.
        try:
            payload, keys = self._initiator.fork().read_message_2(data[1:])
            welcome = json.loads(payload)
            committed = decode_base64url(welcome["commit"])
            read = Welcome(
                int(welcome["session"]),
                int(welcome["clock"]),
                read_role(welcome["role"]),
                committed,
                read_privacy(welcome.get("privacy"), absent=Privacy.BALANCED),
                tuple(host for host in welcome.get("ice_hosts", ()) if isinstance(host, str)),
                keys,
            )
        except (HandshakeError, ValueError, KeyError, TypeError):
            return None
        self._finished = True
        return read


@dataclass(frozen=True, slots=True)
class Admission:
    """What the host says about the link that a hello names."""

    psk: bytes
    role: Role
    privacy: Privacy = Privacy.BALANCED
    ice_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A hello that opened. `session` is None when this very hello was answered before."""

    welcome: bytes
    session: HostSession | None
    link_id: str
    role: Role


class HandshakeResponder:
    """Answers hellos. `admit` says what is known of a link, or None; `entropy` gives that many random bytes."""

    def __init__(self, admit: Callable[[str], Admission | None], entropy: Callable[[int], bytes]) -> None:
        self._admit = admit
        self._entropy = entropy
        self._answered: OrderedDict[bytes, Admitted] = OrderedDict()
        self._hellos: Buckets[str] = Buckets(Rate(HELLOS_PER_SECOND, HELLOS_AT_ONCE))
        """By link …"""
        self._hellos_from: Buckets[tuple[str, int]] = Buckets(HELLOS_FROM_ONE_ADDRESS)
        """… and origin."""
        self.counts: Counter[str] = Counter()
        """Hellos that led nowhere: `malformed_hello`, `link_not_ours`, `wrong_secret`, `too_many_hellos`, and
        `repeated_hello` where the same bytes came again (a presenter repeats its hello until it is answered)."""

    def charge(self, link_id: str, origin: int, now: float) -> None:
        """A session that came by this link from there was ended as a flood: the next ones come in more slowly."""
        if origin > 0:
            self._hellos_from.charge((link_id, origin), now, FLOOD_HELLOS)
        else:
            self._hellos.charge(link_id, now, FLOOD_HELLOS)

    def receive_hello(self, data: bytes, now: float, origin: int = 0) -> Admitted | None:
        """`origin`: a number that those at one address have in common; 0 where that is not known."""
        if (known := self._answered.get(data)) is not None:
            self.counts["repeated_hello"] += 1
            return known
        link_id = hello_link(data)
        if link_id is None:
            self.counts["malformed_hello"] += 1
            return None
        admission = self._admit(link_id)
        if admission is None:
            self.counts["link_not_ours"] += 1
            return None
        if origin > 0 and self._hellos_from.take((link_id, origin), now) > 0:
            self.counts["too_many_hellos"] += 1
            return None
        responder = Responder(admission.psk, prologue(link_id), self._entropy(32))
        session_id, nonce = int.from_bytes(self._entropy(4), "big"), self._entropy(NONCE_BYTES)
        answer: dict[str, object] = {"session": session_id, "clock": 0, "v": 1, "role": str(admission.role)}
        answer["commit"] = encode_base64url(commitment(nonce))
        if admission.privacy is not Privacy.BALANCED:
            answer["privacy"] = str(admission.privacy)
        if admission.ice_hosts:
            answer["ice_hosts"] = admission.ice_hosts
        try:
            hello = read_object(responder.read_message_1(data[2 + len(link_id) :]))
            if self._hellos.take(link_id, now) > 0:
                self.counts["too_many_hellos"] += 1
                return None
            committed = decode_base64url(str(hello["commit"]))
            message, keys = responder.write_message_2(json.dumps(answer, separators=(",", ":")).encode())
        except HandshakeError:
            self.counts["wrong_secret"] += 1
            return None
        except (KeyError, ValueError):
            self.counts["malformed_hello"] += 1
            return None
        welcome = bytes([WELCOME]) + message
        session = HostSession(session_id, keys, admission.role, now, nonce, committed)
        admitted = Admitted(welcome, session, link_id, admission.role)
        self._answered[data] = replace(admitted, session=None)
        if len(self._answered) > _REMEMBERED_HELLOS:
            self._answered.popitem(last=False)
        return admitted
