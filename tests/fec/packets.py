"""Source packets for the tests of forward error correction, as encoders make them: of any length, with extensions."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from slidewire.rtp.extensions import Element, build
from slidewire.rtp.packet import Packet

SSRC = 0x1234ABCD


def frame(dice: random.Random, count: int, first: int = 65530, ssrc: int = SSRC, longest: int = 60) -> list[Packet]:
    """Packets that follow each other, the last one marked. They start right before the sequence numbers wrap."""
    return [
        Packet(
            96,
            (first + index) & 0xFFFF,
            3000 * (index // 4) & 0xFFFFFFFF,
            ssrc,
            dice.randbytes(dice.randrange(longest + 1)),
            marker=index == count - 1,
            csrcs=tuple(dice.randrange(1 << 32) for _ in range(index % 3)),
            extension=build([Element(3, dice.randbytes(3))]) if index % 2 else None,
            padding=index % 5,
        )
        for index in range(count)
    ]


def without(packets: Sequence[bytes], lost: Collection[int]) -> list[bytes]:
    return [packet for index, packet in enumerate(packets) if index not in lost]
