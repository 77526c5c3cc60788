"""The two clocks. Monotonic for lifetimes, wall for what is written down as a date.

A laptop that slept for an hour has lost its sockets and its members, so the monotonic clock must count the sleep:
CLOCK_BOOTTIME does where it exists. (asyncio's own timers do not; a core that is asked late just finds itself late.)
"""

from __future__ import annotations

import time

if hasattr(time, "CLOCK_BOOTTIME"):

    def monotonic() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    monotonic = time.monotonic

wall = time.time
