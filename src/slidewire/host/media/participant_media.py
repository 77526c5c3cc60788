"""One participant's media connection: agreed on through the sealed session, filled by the room, limited by its clicks.

The page offers and we answer, as with the connection for clicks, and through the same filters: what the room's privacy
forbids is neither sent nor accepted. A newer generation takes the place of the older one. What comes in goes to the
connection's publications, what goes out comes from its subscriptions (`tracks.py`); the room decides which publication
is the source of which subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from slidewire.control.intents import Role
from slidewire.control.messages import IceCandidate
from slidewire.control.privacy import Privacy
from slidewire.control.state import Reception
from slidewire.host.media.link_quality import LinkQuality
from slidewire.host.media.tracks import Clock, Publication, Subscription
from slidewire.media.frames import Codec, Frame, Line
from slidewire.rtc.engine import IceServer
from slidewire.rtc.guarded import Guard, from_init, to_init

if TYPE_CHECKING:
    from slidewire.host.participants.links import LinkRule
    from slidewire.rtc.media_peer import MediaEvents

AUDIO_RATE: Final = 40_000.0
"""Bits per second that one line of sound takes."""

_PRESENTERS: Final = frozenset({Line.SCREEN, Line.CAMERA, Line.MICROPHONE, Line.SOUND})
_LINES: Final = {
    Role.VIEW: frozenset({Line.SCREEN}),
    Role.LASER: _PRESENTERS,
    Role.CLICK: _PRESENTERS,
    Role.OPERATOR: frozenset({Line.SCREEN, Line.PROGRAM, Line.PROGRAM_SOUND, Line.TALKBACK}),
}
_PARTICIPANT_PAGE: Final = frozenset({Line.PROGRAM, Line.PROGRAM_SOUND})


def permitted_lines(link: LinkRule) -> frozenset[Line]:
    return _PARTICIPANT_PAGE if link.page == "program" and link.role is Role.VIEW else _LINES[link.role]


def may_send(link: LinkRule) -> bool:
    """Whether this link may send a camera and a microphone."""
    return Line.CAMERA in permitted_lines(link)


class MediaPeer(Protocol):
    """What is asked of `rtc.media.peer.MediaPeer`."""

    @property
    def rate(self) -> float:
        """Bits per second for all frames to the page."""

    @property
    def queue(self) -> float | None:
        """Seconds that they wait in queues on the way; None: not known."""

    async def answer(self, sdp: str, lines: Sequence[Line]) -> str: ...
    def add_candidate(self, candidate: dict[str, Any] | None) -> None: ...
    def send(self, line: Line, frame: Frame) -> None: ...
    def want_key(self, line: Line) -> None: ...
    def codec(self, line: Line) -> Codec | None: ...
    def give_way(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
    async def close(self) -> None: ...


MakePeer = Callable[[Sequence[IceServer], "MediaEvents", Privacy], MediaPeer]


class Connection:
    """One generation of it."""

    def __init__(
        self,
        lines: Sequence[Line],
        clock: Clock,
        *,
        opened: Callable[[], None],
        closed: Callable[[], None],
        arrived: Callable[[Line, Frame], bool],
        rated: Callable[[], None],
    ) -> None:
        """`arrived` is given each frame first, and says whether it may pass on. `rated`: `screen_rate` has
        changed."""
        self.lines = tuple(lines)
        self.is_open = False
        self.publications = {line: Publication(self._key_asker(line), clock) for line in lines if line.from_page}
        self.subscriptions = {line: Subscription(line, self._send) for line in lines if not line.from_page}
        self._peer: MediaPeer | None = None
        self._guard: Guard | None = None
        self._clock = clock
        self._opened, self._closed, self._arrived, self._rated = opened, closed, arrived, rated
        self._ahead: float | None = None
        """Our clock less the page's, so that a viewer of two pages one after the other sees one clock."""
        self._ended = False
        self._link_quality = LinkQuality()

    def begin(
        self,
        make_peer: MakePeer,
        ice_servers: Sequence[IceServer],
        privacy: Privacy,
        *,
        is_near: bool,
        say_candidate: Callable[[IceCandidate | None], None],
        refused: Callable[[int], None],
        permits: Callable[[], bool],
    ) -> None:
        from slidewire.rtc.media_peer import MediaEvents  # what is not used is not loaded

        self._guard = Guard(privacy, self._let_in, lambda said: say_candidate(from_init(said)), refused)
        self._guard.is_near = is_near
        events = MediaEvents(
            permits=permits,
            candidate=self._guard.send_candidate,
            opened=self._is_up,
            closed=self._is_down,
            frame=self._received,
            key_wanted=self._key_wanted,
            rate=lambda _: self._rated(),
        )
        self._peer = make_peer(ice_servers, events, privacy)

    async def answer(self, sdp: str) -> str:
        """Raises `PeerError`."""
        assert self._peer is not None and self._guard is not None
        return self._guard.send_description(await self._peer.answer(self._guard.receive_description(sdp), self.lines))

    def add_candidate(self, candidate: IceCandidate | None) -> None:
        if self._guard is not None:
            self._guard.receive_candidate(to_init(candidate))

    def codec(self, line: Line) -> Codec | None:
        return None if self._peer is None else self._peer.codec(line)

    def look(self) -> bool:
        """Whether there is something else to be told of how the camera comes in (`reception`)."""
        if self._peer is None or Line.CAMERA not in self.publications:
            return False
        return self._link_quality.look(self._peer.statistics().get(Line.CAMERA, {}), self._clock())

    @property
    def reception(self) -> Reception | None:
        return self._link_quality.told

    def give_way(self) -> None:
        """Clicks suffer: half the rate for media."""
        if self._peer is not None and self.is_open:
            self._peer.give_way()

    @property
    def queue(self) -> float | None:
        return self._peer.queue if self._peer is not None else None

    @property
    def screen_rate(self) -> float:
        """Bits per second for the screen, which gets what sound leaves."""
        sounds = [
            subscription
            for line, subscription in self.subscriptions.items()
            if not line.is_video and subscription.source is not None
        ]
        return max(0.0, self._peer.rate - AUDIO_RATE * len(sounds)) if self._peer is not None else 0.0

    def end(self) -> None:
        """Nothing comes or goes from here on. `close` is to follow."""
        self._ended = True
        self.is_open = False
        for subscription in self.subscriptions.values():
            subscription.switch_to(None)

    async def close(self) -> None:
        if self._peer is not None:
            await self._peer.close()

    def _is_up(self) -> None:
        if not self._ended:
            self.is_open = True
            self._opened()

    def _is_down(self) -> None:
        if not self._ended:
            self.is_open = False
            self._closed()

    def _received(self, line: Line, frame: Frame) -> None:
        publication = self.publications.get(line)
        if self._ended or publication is None:
            return
        if frame.captured is not None:
            if self._ahead is None:
                self._ahead = self._clock() - frame.captured
            frame = replace(frame, captured=frame.captured + self._ahead)
        if self._arrived(line, frame):
            publication.take(frame)

    def _key_wanted(self, line: Line) -> None:
        if (subscription := self.subscriptions.get(line)) is not None:
            subscription.want_key()

    def _key_asker(self, line: Line) -> Callable[[], None]:
        def ask() -> None:
            if self._peer is not None and self.is_open and line.is_video:
                self._peer.want_key(line)

        return ask

    def _let_in(self, candidate: dict[str, Any] | None) -> None:
        if self._peer is not None:
            self._peer.add_candidate(candidate)

    def _send(self, line: Line, frame: Frame) -> None:
        if self._peer is not None:
            self._peer.send(line, frame)


def read_lines(words: Sequence[str]) -> list[Line] | None:
    """The lines that a page offers, in their order. None: one is not known, or there twice."""
    try:
        lines = [Line(word) for word in words]
    except ValueError:
        return None
    return lines if len(lines) == len(set(lines)) else None
