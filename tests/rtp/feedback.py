from __future__ import annotations

from collections.abc import Sequence

from slidewire.rtp.transport_feedback import TransportFeedback


def feedback(
    sender: int, media: int, base: int, reference: int, packet_count: int, deltas: Sequence[int | None]
) -> TransportFeedback:
    """With one delta for each packet, None where it did not come."""
    received = tuple((offset, delta) for offset, delta in enumerate(deltas) if delta is not None)
    return TransportFeedback(sender, media, base, reference, packet_count, len(deltas), received)
