"""How fast is too fast: a bucket of `burst` tokens, filled by `per_second` each second. It has no clock of its own."""

from __future__ import annotations


class Bucket:
    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        """Whether there was a token left."""
        gained = max(0.0, now - self._filled_at) * self._per_second
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
