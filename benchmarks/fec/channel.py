"""Loss patterns of a channel, crosswise as slidewire's benchmarks hold them (erasures.py).

Losses at random, or in bursts (Gilbert's channel: a good state that loses nothing and a bad one that loses everything,
whose visits are `burst` packets long on average). Each pattern is a piece of its own of an endless channel.
"""

from __future__ import annotations

import random


def patterns(n: int, loss: float, burst: float, count: int, seed: int = 1) -> list[int]:
    """For each of n packets, in the order in which they are sent, the patterns that lose it."""
    dice = random.Random(f"{seed} {n} {loss} {burst}")
    chance = dice.random
    rows = [bytearray(-(-count // 8)) for _ in range(n)]
    stays = 1 - 1 / burst if burst > 1 else loss
    falls = loss * (1 - stays) / (1 - loss)
    for index in range(count):
        byte, bit = index >> 3, 1 << (index & 7)
        lost = chance() < loss
        for row in rows:
            if lost:
                row[byte] |= bit
            lost = chance() < (stays if lost else falls)
    return [int.from_bytes(row, "little") for row in rows]


def overweight(lost: list[int], most: int, full: int) -> int:
    """The patterns that lose more than `most` packets: a counter of bits across the packets."""
    at_least = [full] + [0] * (most + 1)  # at_least[i]: patterns that have lost i packets so far, or more
    for packet in lost:
        for count in range(most + 1, 0, -1):
            at_least[count] |= at_least[count - 1] & packet
    return at_least[most + 1]
