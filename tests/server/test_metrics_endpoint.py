"""What the server tells Prometheus of itself. That it takes a token, the attack tests show."""

from __future__ import annotations

from pathlib import Path

from slidewire.relay.metrics import exposition
from slidewire.server.metrics_endpoint import MOST_NAMED, server_metrics
from slidewire.signaling.abuse_limiter import FLOOD, AbuseLimiter
from slidewire.signaling.limits import Limits
from tests.signaling.world import World
from tests.support.metrics import values

BEFORE = Path(__file__).parent / "files" / "metrics.txt"
"""What a version before prometheus-client served of the same."""


def test_names_and_values_are_those_of_earlier_versions() -> None:
    hub = World().hub
    hub.counts.update({"messages": 12, "sent on": 7, "messages dropped": 1, "failed proofs": 2})
    hub.counts.update({"refused: link_wrong": 2, "refused: malformed": 4})
    limiter = AbuseLimiter(Limits(), bytes(32))
    for _ in range(3):
        assert limiter.accept_connection("192.0.2.1", 10.0)
    limiter.penalize("198.51.100.9", "a test", 10.0, FLOOD)
    assert not limiter.accept_connection("198.51.100.9", 10.0)
    limiter.penalize("2001:db8::1", 'wrong "passwords"', 10.0, FLOOD)
    counted = values(exposition(server_metrics(limiter, hub, 99, 12.0)).decode())
    before = values(BEFORE.read_text(encoding="utf-8"))
    there = {"sockets": 3, "rooms": 2, "members": 5, "kept_bytes": 700}
    assert counted == before | {f"slidewire_{name}": 0 for name in there}
    assert all(before[f"slidewire_{name}"] == value for name, value in there.items()), "of a hub that had some"


def test_a_flood_from_everywhere_does_not_fill_the_metrics() -> None:
    limiter = AbuseLimiter(Limits(), bytes(32))
    for number in range(2 * MOST_NAMED):
        limiter.penalize(f"192.0.2.{number}", "a test", 10.0, FLOOD)
    counted = values(exposition(server_metrics(limiter, World().hub, 0, 10.0)).decode())
    assert counted["slidewire_blocked_addresses"] == 2 * MOST_NAMED
    assert sum(name.startswith("slidewire_block_seconds{") for name in counted) == MOST_NAMED
