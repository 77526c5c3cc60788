"""The leak test: what it finds in what a peer says, and that an engine without filters does not pass it."""

from __future__ import annotations

import pytest

from slidewire.control.privacy import Filter, Privacy
from slidewire.diagnostics import leak_test as leaktest
from slidewire.diagnostics.leak_test import Gathered, addresses_in, judge, leak_test, own_addresses
from slidewire.rtc.aiortc_engine import AiortcEngine

OWN = {"192.168.1.7", "fd00::7", "2600::7"}
SEEN = frozenset({"198.51.100.7"})


def said(text: str, relays: str = "") -> Gathered:
    return Gathered(text, frozenset(relays.split()), SEEN)


@pytest.mark.parametrize(
    ("policy", "text", "relays", "leaks"),
    [
        (Privacy.OPEN, "candidate:1 1 udp 1 192.168.1.7 9 typ host", "", []),
        (Privacy.BALANCED, "candidate:1 1 udp 1 192.168.1.7 9 typ host", "", ["192.168.1.7"]),
        (Privacy.BALANCED, "candidate:1 1 udp 1 8.8.8.8 9 typ srflx raddr 192.168.1.7 rport 9", "", ["192.168.1.7"]),
        (Privacy.BALANCED, "c=IN IP6 FD00:0::7", "", ["fd00::7"]),
        (Privacy.BALANCED, "a=x-something:(10.0.0.1)", "", ["10.0.0.1"]),
        (Privacy.BALANCED, "candidate:1 1 udp 1 6ba7b810.local 9 typ host", "", []),
        (Privacy.BALANCED, "candidate:1 1 udp 1 192.168.1.1 9 typ relay", "192.168.1.1", []),
        (Privacy.BALANCED, "candidate:1 1 udp 1 192.168.1.7 9 typ relay", "192.168.1.7", ["192.168.1.7"]),
        (Privacy.PRIVATE, "candidate:1 1 udp 1 203.0.113.1 9 typ relay raddr 0.0.0.0 rport 9", "203.0.113.1", []),
        (Privacy.PRIVATE, "candidate:1 1 udp 1 8.8.8.8 9 typ relay raddr 1.1.1.1 rport 9", "8.8.8.8", ["1.1.1.1"]),
        (Privacy.PRIVATE, "candidate:1 1 udp 1 2600::7 9 typ relay", "2600::7", ["2600::7"]),
        (Privacy.PRIVATE, "o=- 1 2 IN IP4 0.0.0.0", "", []),
    ],
)  # fmt: skip
def test_what_a_policy_promises_to_keep(policy: Privacy, text: str, relays: str, leaks: list[str]) -> None:
    assert judge(policy, said(text, relays), OWN, SEEN).leaks == leaks


def test_addresses_are_found_wherever_they_stand() -> None:
    text = "udp://10.0.0.1 [fe80::1%eth0] ip=2600:0:0::7, 1.2.3 12:30 a=setup:actpass 192.168.1.300 sha-256 AB:CD:EF"
    assert addresses_in(text) == {"10.0.0.1", "fe80::1", "2600::7"}


async def test_this_machine_s_engine_keeps_what_it_promises() -> None:
    learnt, seen = await leak_test(AiortcEngine(), [])
    assert [one.policy for one in learnt] == list(Privacy)
    assert all(one.passed for one in learnt) and seen == frozenset()
    assert set(learnt[0].addresses) == own_addresses(), "an open room tells everything"
    assert learnt[2].addresses == {}


async def test_an_engine_without_filters_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Filter, "description", lambda self, sdp: sdp)
    monkeypatch.setattr(Filter, "candidate", lambda self, text: text)
    monkeypatch.setattr(leaktest, "own_addresses", lambda: {"192.0.2.1"})
    # An engine that gathers everything, whatever it is told.
    monkeypatch.setattr("slidewire.rtc.aiortc_engine.AiortcPeer.__init__", _open(AiortcEngine))
    learnt, _ = await leak_test(AiortcEngine(), [])
    assert learnt[2].leaks, "host candidates under `private`"


def _open(engine: type[AiortcEngine]) -> object:
    from slidewire.rtc.aiortc_engine import AiortcPeer

    init = AiortcPeer.__init__

    def everything(self: AiortcPeer, servers: object, events: object, privacy: Privacy, **more: object) -> None:
        init(self, servers, events, Privacy.OPEN, **more)  # type: ignore[arg-type]

    return everything
