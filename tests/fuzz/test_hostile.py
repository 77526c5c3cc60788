"""The play with hostile participants sees what it looks for: a host without one of its bounds is found out."""

from __future__ import annotations

import collections
from collections.abc import Callable

import pytest

from slidewire.control.messages import Received, UnknownMessage
from slidewire.host.host import Host
from slidewire.host.participants.participant import Participant
from slidewire.host.show.fair_queue import FairQueue
from slidewire.host.show.pictures import Pictures
from tests.fuzz import hostile

SEED = 20


def test_the_same_seed_is_the_same_play() -> None:
    assert hostile.run(SEED) == hostile.run(SEED) > 0


def _one_queue_for_all(patch: pytest.MonkeyPatch) -> None:
    put = FairQueue.put
    patch.setattr(FairQueue, "put", lambda self, link, session, item: put(self, "", 0, item))


def _a_message_that_raises(patch: pytest.MonkeyPatch) -> None:
    receive = Host.message_arrived

    def message_arrived(self: Host, participant: Participant, message: Received) -> None:
        receive(self, participant, message)
        if isinstance(message, UnknownMessage):
            raise UnicodeEncodeError("utf-8", message.type, 0, 1, "of the test")

    patch.setattr(Host, "message_arrived", message_arrived)


def _pictures_that_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pictures, "left", lambda self, participant: None)


def _anybody_may_have_the_speaker_removed(patch: pytest.MonkeyPatch) -> None:
    floods = Host.participant_floods

    def participant_floods(self: Host, participant: Participant) -> None:
        for other in self.participants.values():
            floods(self, other)

    patch.setattr(Host, "participant_floods", participant_floods)


@pytest.mark.parametrize(
    ("break_it", "sentence", "first"),
    [
        (_one_queue_for_all, "receipts:", SEED),
        (_a_message_that_raises, "UnicodeEncodeError", SEED),
        (_pictures_that_are_not_ended, "these still run", 170),
        (_anybody_may_have_the_speaker_removed, "the speaker was sent away", SEED),
    ],
)
def test_a_host_without_a_bound_is_found_out(
    break_it: Callable[[pytest.MonkeyPatch], None], sentence: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError, match=sentence):
        collections.deque(map(hostile.run, range(first, first + 40)), maxlen=0)
