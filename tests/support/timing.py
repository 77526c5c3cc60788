"""Seconds of a clock against a bound, which only a long run asserts: an everyday run has a machine beside others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    asserted: bool

    def within(self, seconds: float, bound: float, what: str) -> None:
        assert not self.asserted or seconds < bound, f"{what}: {seconds:.3f} s are more than {bound:g} s"

    def at_least(self, seconds: float, bound: float, what: str) -> None:
        assert not self.asserted or seconds >= bound, f"{what}: {seconds:.3f} s are less than {bound:g} s"
