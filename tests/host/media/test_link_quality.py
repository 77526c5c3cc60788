"""What is said of how a camera comes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.state import Reception
from slidewire.host.media.link_quality import EVERY, PERCENT, RATES, LinkQuality


def counts(octets: int, packets: int, lost: int = 0, gone: int = 0) -> dict[str, int]:
    return {"bytes": octets, "packets": packets, "lost": lost, "given_up": gone}


def test_what_came_since_the_last_look_is_told_in_steps() -> None:
    reception = LinkQuality()
    assert not reception.look(counts(1_000_000, 1000, 500), 100.0), "nothing to compare with"
    seconds = 4.0
    octets = 1_000_000 + round(1_900_000 / 8 * seconds)
    assert reception.look(counts(octets, 1900, 600, 7), 100.0 + seconds)
    assert reception.told == Reception(kbps=1500, lost=10, gone=1)
    again = counts(octets + round(1_600_000 / 8 * seconds), 2780, 710, 14)
    assert not reception.look(again, 100.0 + 2 * seconds), "about the same"
    assert reception.look(again, 100.0 + 3 * seconds) and reception.told is None, "nothing came any more"


def test_it_is_not_looked_at_all_the_time() -> None:
    reception = LinkQuality()
    reception.look(counts(0, 0), 0.0)
    assert not reception.look(counts(1_000_000, 1000), EVERY - 0.01)
    assert reception.look(counts(1_000_000, 1000), EVERY) and reception.told is not None


def test_where_nothing_is_counted_nothing_is_told() -> None:
    reception = LinkQuality()
    assert not any(reception.look({}, now * EVERY) for now in range(3)) and reception.told is None


@given(st.lists(st.tuples(*[st.integers(-(10**9), 10**9)] * 4), min_size=2))
def test_whatever_is_counted_only_steps_are_told(counted: list[tuple[int, int, int, int]]) -> None:
    """Counts of a stream that began anew may be smaller than before."""
    reception = LinkQuality()
    for number, (octets, packets, lost, gone) in enumerate(counted):
        reception.look(counts(octets, packets, lost, gone), number * EVERY)
        told = reception.told
        assert told is None or (told.kbps in RATES and {told.lost, told.gone} <= set(PERCENT))
