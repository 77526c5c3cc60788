"""What another end would learn of where this machine is, tried out: a real peer is made under each policy, and what it
says is searched for every address this machine has.

It looks for addresses in all that is said, as text, and knows nothing of candidates and their types: so it finds also
what the filters (control/privacy.py) overlook.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from slidewire.control.privacy import Kind, Privacy, kind_of
from slidewire.rtc.engine import Engine, IceServer, PeerEvents
from slidewire.rtc.gathering import host_addresses
from slidewire.rtc.guarded import GuardedPeer

GATHERS_WITHIN = 12.0
_WORDS = re.compile(r"(?<![\d.])\d+(?:\.\d+){3}(?![\d.])|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+")
_NOWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  that is how nothing is said


@dataclass(slots=True)
class LeakResult:
    """What another end learns under one policy."""

    policy: Privacy
    addresses: dict[str, str] = field(default_factory=dict)
    """Each with what it is: `local`, `public`, `relay`."""
    leaks: list[str] = field(default_factory=list)
    """Those that the policy promises to keep."""

    @property
    def passed(self) -> bool:
        return not self.leaks


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything a peer would send to the other end, as text, and the candidates in it."""

    text: str
    relays: frozenset[str]
    seen: frozenset[str]
    """By which addresses a STUN server sees this machine."""


def own_addresses() -> set[str]:
    return {canonical(address) for address in host_addresses()}


def canonical(address: str) -> str:
    return str(ipaddress.ip_address(address.partition("%")[0]))


def addresses_in(text: str) -> set[str]:
    found = set()
    for word in _WORDS.findall(text):
        try:
            found.add(canonical(word))
        except ValueError:
            continue
    return found - _NOWHERE


async def listen(engine: Engine, servers: Sequence[IceServer], policy: Privacy) -> Gathered:
    """Have a peer gather, and take down what it says."""
    said: list[str] = []
    over = asyncio.Event()

    def candidate(told: dict[str, Any] | None) -> None:
        if told is None:
            over.set()
        else:
            said.append(str(told["candidate"]))

    events = PeerEvents(lambda channel: None, lambda channel, data: None, over.set, candidate)
    peer = GuardedPeer(engine, servers, events, policy, lambda times: None)
    try:
        said.append(await peer.offer())
        try:
            async with asyncio.timeout(GATHERS_WITHIN):
                await over.wait()
        except TimeoutError:
            pass  # a server that does not answer tells nothing
    finally:
        await peer.close()
    text = "\n".join(said)
    return Gathered(text, _typed(text, "relay"), _typed(text, "srflx"))


def judge(policy: Privacy, said: Gathered, own: set[str], seen: frozenset[str]) -> LeakResult:
    """`own`: the machine's addresses; `seen`: those it has from outside."""
    learnt = LeakResult(policy)
    for address in sorted(addresses_in(said.text)):
        is_relay = address in said.relays
        local = kind_of(address) is Kind.LOCAL
        learnt.addresses[address] = "relay" if is_relay else "local" if local else "public"
        hidden = {
            Privacy.OPEN: False,
            # A relay may stand on a private network; then its address is no secret of ours.
            Privacy.BALANCED: local and (not is_relay or address in own),
            Privacy.PRIVATE: not is_relay or address in own or address in seen,
        }[policy]
        if hidden:
            learnt.leaks.append(address)
    return learnt


async def leak_test(engine: Engine, servers: Sequence[IceServer]) -> tuple[list[LeakResult], frozenset[str]]:
    """One finding for each policy, from the loosest to the strictest; and as whom servers see this machine."""
    own = own_addresses()
    heard = [(policy, await listen(engine, servers, policy)) for policy in Privacy]
    seen = frozenset().union(*(said.seen for _, said in heard))
    return [judge(policy, said, own, seen) for policy, said in heard], seen


def _typed(text: str, kind: str) -> frozenset[str]:
    found = re.findall(rf"candidate:\S+ \S+ \S+ \S+ (\S+) \S+ typ {kind}\b", text)
    return frozenset(canonical(address) for address in found if kind_of(address) in (Kind.LOCAL, Kind.PUBLIC))
