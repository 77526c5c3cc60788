"""The host's half of peer connections: what it answers, again, to which offer, and how many it keeps."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from slidewire.control.answering import (
    MOST_EARLY,
    PEERS,
    Answering,
    CreateAnswer,
    Effect,
    OfferRefused,
    PathsChanged,
    SendMessage,
)
from slidewire.control.generations import AddCandidate, ClosePeer
from slidewire.control.messages import Answer, Candidate, IceCandidate, Malformed, Offer
from slidewire.control.paths import Channel, PathKind
from slidewire.control.privacy import Privacy
from slidewire.control.quotas import QUOTAS, Request
from slidewire.testing.network import CALM, NetworkConditions, SimulatedPath
from slidewire.testing.pair import Pair
from tests.support.messages import from_presenter

CANDIDATE = IceCandidate("candidate:1 1 udp 1 198.51.100.7 50000 typ host")
INIT = {"candidate": CANDIDATE.candidate}


class HostEnd:
    def __init__(self) -> None:
        self.pair = Pair(seed=6, weather={"signaling": CALM})
        self.pair.run(0.2)
        self.answering = Answering(self.pair.host)

    def drain(self) -> list[Effect]:
        return list(iter(self.answering.next_effect, None))

    def offer(self, number: int, sdp: str = "offer", wait: float = 2.0, **more: Any) -> list[Effect]:
        self.pair.run(wait)
        own = more.get("privacy", Privacy.BALANCED), more.get("network", "")
        message = Offer(number, sdp, more.get("wanted", UNSET), more.get("theirs", UNSET))
        self.answering.receive_offer(message, *own, self.pair.now)
        return self.drain()

    def opened(self, number: int) -> list[Effect]:
        for channel, kind in ((Channel.CONTROL, "direct"), (Channel.BULK, "bulk")):
            self.pair._down[f"{kind}/{number}"] = SimulatedPath(NetworkConditions(loss=1.0), self.pair.rng)
            self.answering.channel_opened(number, channel, False, self.pair.now)
        return self.drain()


def answer(number: int, **more: str) -> SendMessage:
    return SendMessage(Answer(number, "answer", **more))


def candidate(number: int) -> SendMessage:
    return SendMessage(Candidate(number, CANDIDATE))


def test_an_offer_is_answered_by_a_peer_of_its_generation() -> None:
    end = HostEnd()
    assert end.offer(4) == [CreateAnswer(4, "offer", Privacy.BALANCED, False)]
    end.answering.answer_created(4, "answer")
    end.answering.candidate_found(4, CANDIDATE)
    assert end.drain() == [answer(4), candidate(4)]


def test_an_offer_said_again_is_answered_with_the_same_answer_and_candidates() -> None:
    end = HostEnd()
    end.offer(1)
    assert end.offer(1) == [], "it is not answered yet"
    end.answering.answer_created(1, "answer")
    end.answering.candidate_found(1, CANDIDATE)
    first = end.drain()
    assert end.offer(1) == first == [answer(1), candidate(1)]


def test_an_offer_that_a_newer_one_overtook_is_dropped() -> None:
    end = HostEnd()
    end.offer(1)
    end.answering.answer_created(1, "answer")
    end.offer(3)
    end.answering.answer_created(3, "answer")
    end.drain()
    assert end.offer(2) == [] and end.offer(1) == []
    assert end.offer(3) == [answer(3)]


def test_an_answer_that_comes_late_is_said_and_is_not_that_of_the_newest() -> None:
    end = HostEnd()
    end.offer(1)
    end.offer(2)
    end.answering.answer_created(1, "answer")
    assert end.drain() == [answer(1)]
    assert end.offer(2) == [], "it is not answered yet"


def test_a_candidate_goes_to_the_generation_it_names() -> None:
    end = HostEnd()
    end.offer(1)
    end.offer(2)
    for number, value in ((2, INIT), (1, None), (3, INIT), (0, None), (1, "text"), (1, [])):
        message = from_presenter(type="candidate", generation=number, candidate=value)
        assert isinstance(message, Candidate if isinstance(value, dict | None) else Malformed)
        if isinstance(message, Candidate):
            end.answering.receive_candidate(message, end.pair.now)
    assert end.drain() == [AddCandidate(2, CANDIDATE), AddCandidate(1, None)]


def test_candidates_that_overtake_their_offer_wait_for_it() -> None:
    """The offer went through the server, and they in a channel that was back by then."""
    end = HostEnd()
    end.offer(1)
    for number in (3, 2, 2):
        end.answering.receive_candidate(Candidate(number, CANDIDATE), end.pair.now)
    assert end.drain() == []
    added = [AddCandidate(2, CANDIDATE), AddCandidate(2, CANDIDATE)]
    assert end.offer(2) == [CreateAnswer(2, "offer", Privacy.BALANCED, False), *added]
    assert end.offer(3)[-1] == AddCandidate(3, CANDIDATE)
    for _ in range(10 * MOST_EARLY):
        end.answering.receive_candidate(Candidate(9, CANDIDATE), end.pair.now)
    assert len([effect for effect in end.offer(9) if isinstance(effect, AddCandidate)]) <= MOST_EARLY


def test_who_offers_and_repeats_without_end_is_not_read_without_end() -> None:
    end = HostEnd()
    answered = [
        number for number in range(1, 101) if any(isinstance(e, CreateAnswer) for e in end.offer(number, "o", 0))
    ]
    burst = QUOTAS[Request.OFFER].cap.burst
    assert burst <= len(answered) <= burst + 1
    end.answering.answer_created(answered[-1], "answer")
    end.drain()
    again = sum(bool(end.offer(answered[-1], "o", 0)) for _ in range(100))
    assert again <= QUOTAS[Request.REPEATED_OFFER].cap.burst + 1


def test_the_stricter_end_s_privacy_holds_and_near_is_who_names_our_network() -> None:
    end = HostEnd()
    (wanted,) = end.offer(1, wanted=Privacy.PRIVATE, theirs="here", network="here")
    assert wanted == CreateAnswer(1, "offer", Privacy.PRIVATE, True)
    end.answering.answer_created(1, "answer")
    assert end.drain() == [answer(1, network="here")]
    assert end.offer(2, theirs="here", network="there") == [CreateAnswer(2, "offer", Privacy.BALANCED, False)]
    assert end.offer(3, theirs="", network="") == [CreateAnswer(3, "offer", Privacy.BALANCED, False)]


def test_the_newest_that_opens_is_kept_and_the_one_that_carried_outlives_the_others() -> None:
    end = HostEnd()
    end.offer(1)
    assert PathsChanged() in end.opened(1)
    assert end.pair.host.wire.paths.get("direct/1") is not None
    closed = [e.generation for number in range(2, 8) for e in end.offer(number) if isinstance(e, ClosePeer)]
    assert closed == [2, 3, 4, 5] and len(end.answering._known) == PEERS
    assert [e for e in end.opened(7) if isinstance(e, ClosePeer)] == [ClosePeer(1), ClosePeer(6)]
    assert end.pair.host.wire.paths.get("direct/1") is None
    assert end.answering.path_name(7, Channel.BULK) == "bulk/7" and end.answering.path_name(1, Channel.BULK) == ""


def test_an_offer_that_cannot_be_used_is_refused_with_a_reason_and_its_peer_closed() -> None:
    end = HostEnd()
    end.offer(1)
    end.answering.offer_unusable(1, "no data channel")
    assert end.drain() == [ClosePeer(1), OfferRefused("no data channel")]
    end.answering.answer_created(1, "answer")
    end.answering.candidate_found(1, CANDIDATE)
    end.answering.channel_opened(1, Channel.CONTROL, False, end.pair.now)
    end.answering.peer_failed(1)
    assert end.drain() == []


def test_a_peer_that_fails_takes_its_paths_with_it() -> None:
    end = HostEnd()
    end.offer(1)
    end.opened(1)
    end.answering.peer_failed(1)
    assert end.drain() == [PathsChanged(), ClosePeer(1)]
    assert end.pair.host.wire.paths.get("direct/1") is end.pair.host.wire.paths.get("bulk/1") is None


def test_what_a_presenter_says_by_signaling_makes_its_channels_silent() -> None:
    end = HostEnd()
    end.offer(1)
    end.opened(1)
    paths = end.pair.host.wire.paths
    messages = paths.messages(end.pair.now)
    assert messages is not None and messages.kind is PathKind.BULK
    end.answering.receive_by_signaling()
    messages = paths.messages(end.pair.now)
    assert messages is not None and messages.kind is PathKind.SIGNALING
