"""A cell of a grid of bad networks, LOSS:RTT or LOSS:RTT:BURST: loss in per cent each way, round trip in milliseconds,
mean length of a loss burst in packets."""

from __future__ import annotations

from dataclasses import dataclass

from slidewire.testing.network import NetworkConditions


@dataclass(frozen=True, slots=True)
class Cell:
    loss: float
    round_trip: float
    burst: float = 1.0

    @classmethod
    def read(cls, text: str) -> Cell:
        loss, round_trip, *burst = (float(word) for word in text.split(":"))
        return cls(loss, round_trip, *burst)

    def __str__(self) -> str:
        bursts = f" in bursts of {self.burst:g}" if self.burst > 1 else ""
        return f"{self.loss:g} %{bursts}, {self.round_trip:g} ms"

    @property
    def calm(self) -> NetworkConditions:
        """As far away, and nothing is lost."""
        return NetworkConditions(delay=self.round_trip / 2000)

    @property
    def weather(self) -> NetworkConditions:
        return NetworkConditions(delay=self.round_trip / 2000, loss=self.loss / 100, burst=self.burst)
