"""Media in the room: who sends, who is on air, who sees the screen, what is recorded.

The host never decodes. Frames come from the screen's encoder and from presenters' cameras and microphones, and go to
pages and into a file. One small state decides everything: the screen (shared or not), who is on air, which operator
speaks, and whether it is recorded. `_route` gives every subscription the source that this state means for it, after
every change, and nothing else ever connects the two.

    screen                          → SCREEN of every page that may see it
    the camera of who is on air     → PROGRAM of operators and program pages, and the recording
    … and the microphone            → PROGRAM_SOUND, and the recording
    the operator who speaks         → SOUND of every presenter

Each participant has one media connection (`participant_media.py`), which no click depends on and which ends with the
participant.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from slidewire.aio.tasks import Tasks
from slidewire.base.rates import Bucket, Rate
from slidewire.control import messages
from slidewire.control.privacy import Privacy, read_privacy, stricter
from slidewire.control.quotas import Request
from slidewire.control.state import MediaPart, PresenterEntry, RoomMedia, RoomPart, State
from slidewire.host.desktop.adapters import MONITORS
from slidewire.host.media.media_throttle import MediaThrottle
from slidewire.host.media.participant_media import Connection, MakePeer, may_send, permitted_lines, read_lines
from slidewire.host.media.recorder import Recorder, RecordingError, open_recorder
from slidewire.host.media.screen_sharing import WHOLE, OpenScreen, Sharing, View, open_screen
from slidewire.host.media.tracks import Clock, Talkback
from slidewire.host.participants.commands import CommandError, CommandRow
from slidewire.host.participants.participant import Participant
from slidewire.host.show import audit_events
from slidewire.host.show.feature import Feature, MessageRow, Services
from slidewire.media.frames import Frame, Line, Source
from slidewire.rtc.engine import PeerError

log = logging.getLogger(__name__)

OFFERS: Final = Rate(0.5, 6)
"""Of one participant. Each costs keys and a handshake."""
CONNECTIONS: Final = 64
"""Of all participants together."""
KEPT: Final = 16
"""So many of them are for the first of each link only: many people, or one person often, come by one link, and must not
take the operator's place nor another speaker's …"""
FEW: Final = 4
"""… which are so many."""
OFF: Final = "This host was started with --no-media."
LOOK_EVERY: Final = 0.25
"""Seconds between two looks at how clicks fare beside media."""


@dataclass(frozen=True, slots=True)
class MediaOptions:
    """How a host is started."""

    make_peer: MakePeer
    share: str | None = None
    """What is shared from the start: `screen`, the number of a monitor, or the title of a window."""
    record: Path | None = None
    """Where recordings go. Without it there are none; with it, one begins at once."""
    open_screen: OpenScreen = open_screen


_Said = messages.MediaAnswer | messages.MediaCandidate | messages.MediaRefused


@dataclass(slots=True)
class _Page:
    """One participant's part in it."""

    participant: Participant
    connection: Connection | None = None
    generation: int = 0
    said: list[_Said] = field(default_factory=list)
    """What was said to the newest offer: it is said again if that is."""
    camera: bool = False
    microphone: bool = False
    """What the page says that it sends."""
    wants_screen: bool = False
    """It says that it shows it, too."""
    view: View | None = None
    offers: Bucket = field(default_factory=lambda: Bucket(OFFERS))
    throttle: MediaThrottle = field(default_factory=MediaThrottle)


class Media(Feature):
    def __init__(self, host: Services, options: MediaOptions | None, clock: Clock = time.monotonic) -> None:
        """Without options media are turned off."""
        self._host = host
        self._options = options
        self._clock = clock
        self._pages: dict[int, _Page] = {}
        self._sharing = Sharing(options.open_screen if options else open_screen, self._sharing_changed)
        self._recorder: Recorder | None = None
        self._recording_since = 0.0
        self._is_recording_wanted = self._is_opening = False
        self._on_air: int | None = None
        self._is_directed = False
        """An operator has said who is on air: from then on no presenter is by itself."""
        self._talkback = Talkback()
        self._problem: str | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._working = Tasks()
        self.messages = (
            MessageRow(messages.MediaOn, Request.MEDIA, self._receive_on),
            MessageRow(messages.MediaOffer, Request.MEDIA, self._receive_offer),
            MessageRow(messages.MediaCandidate, Request.MEDIA, self._receive_candidate),
            MessageRow(messages.MediaClose, Request.MEDIA, self._receive_close),
        )
        self.commands = (
            CommandRow(
                messages.ShareScreen,
                self._share_screen,
                lambda request: "screen_shared" if request.on else "screen_hidden",
            ),
            CommandRow(
                messages.OnAir,
                self._put_on_air,
                lambda request: "taken_off_air" if request.session is None else "put_on_air",
            ),
            CommandRow(
                messages.RecordAir,
                self._record,
                lambda request: "recording_began" if request.on else "recording_ended",
            ),
        )

    async def start(self) -> None:
        """Share and record what shall be from the start. Raises `SharingError` or `RecordingError`."""
        if self._options is not None and self._options.record is not None:
            self._is_recording_wanted = self._is_opening = True
            await self._begin_recording(self._options.record)
            audit_events.media_from_the_start(self._host.audit, "recording_began")
        if self._options is not None and self._options.share is not None:
            await self._sharing.begin(self._options.share)
            audit_events.media_from_the_start(self._host.audit, "screen_shared")

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for page in list(self._pages.values()):
            self.left(page.participant)
        self._end_recording()
        await self._sharing.close()
        await self._working.finish()

    # What is told

    def describe(self, participant: Participant, state: State) -> State:
        return replace(state, media=self.describe_page(participant))

    def describe_room(self, room: RoomPart) -> RoomPart:
        entries = [self._describe_presenter(entry) for entry in room.presenters]
        return replace(room, media=self._describe_shared(), presenters=entries)

    def describe_page(self, participant: Participant) -> MediaPart:
        """The `media` part of what a participant is told. Who is not let in is told nothing. A page that shows who is
        on air is told whether a presenter is."""
        is_on, lines = self._options is not None and participant.admitted, permitted_lines(participant.link)
        is_on_air = is_on and self._on_air is not None and (self._on_air == participant.id or Line.PROGRAM in lines)
        return MediaPart(
            screen=is_on and self._sharing.screen is not None and Line.SCREEN in lines,
            camera=is_on and Line.CAMERA in lines,
            microphone=is_on and Line.MICROPHONE in lines,
            on_air=is_on_air,
            recording=is_on_air and self._recorder is not None,
        )

    def _describe_shared(self) -> RoomMedia:
        """What operators are told besides."""
        return RoomMedia(
            screen=self._sharing.screen is not None,
            recording=self._recorder is not None,
            recorded=None if self._recorder is None else round(self._clock() - self._recording_since),
            can_share=self._options is not None and MONITORS.probe() is None,
            problem=OFF if self._options is None else self._sharing.problem or self._problem,
        )

    def _describe_presenter(self, entry: PresenterEntry) -> PresenterEntry:
        page = self._pages.get(entry.session)
        sends = page is not None and may_send(page.participant.link)
        return replace(
            entry,
            camera=sends and page is not None and page.camera,
            microphone=sends and page is not None and page.microphone,
            on_air=self._on_air == entry.session,
            reception=page.connection.reception if page and page.camera and page.connection else None,
        )

    def _sharing_changed(self) -> None:
        self._route()
        self._host.show_changed()

    # From pages

    def _receive_close(self, participant: Participant, message: messages.MediaClose) -> None:
        if (page := self._page_of(participant, message.generation)) is not None:
            self._end_connection(page)
            self._says_it_sends(page, camera=False, microphone=False)

    def _receive_candidate(self, participant: Participant, message: messages.MediaCandidate) -> None:
        page = self._page_of(participant, message.generation)
        if page is not None and page.connection is not None:
            page.connection.add_candidate(message.candidate)

    def _page_of(self, participant: Participant, generation: int) -> _Page | None:
        """None for a connection that is replaced."""
        page = self._pages.get(participant.id)
        return page if page is not None and page.generation == generation else None

    def _receive_offer(self, participant: Participant, message: messages.MediaOffer) -> None:
        """Not a step of this waits, so that the candidates which come right behind the offer find their connection."""
        generation, lines = message.generation, read_lines(message.lines)
        if lines is None:
            participant.send_error("malformed", "The lines of a media offer are known ones, each at most once.")
            return
        page = self._pages.setdefault(participant.id, _Page(participant))
        if generation <= page.generation:
            for said in page.said if generation == page.generation else ():
                participant.send_message(said)  # the answer to it may have got lost
            return
        page.generation, page.said = generation, []
        self._end_connection(page)
        refusal = self._refusal(page, lines)
        if refusal is not None or self._options is None:
            code, text = refusal or ("off", "")
            self._say(page, messages.MediaRefused(generation, code, text))
            return
        connection = Connection(
            lines,
            self._clock,
            opened=self._route,
            closed=lambda: self._connection_closed(page, connection),
            arrived=lambda line, frame: self._arrived(page, line, frame),
            rated=lambda: self._rate_screen(page),
        )
        is_near = self._host.network != "" and message.network == self._host.network
        connection.begin(
            self._options.make_peer,
            self._host.ice_servers(),
            stricter(read_privacy(message.privacy, absent=Privacy.OPEN), self._host.privacy),
            is_near=is_near,
            say_candidate=lambda candidate: self._say(page, messages.MediaCandidate(generation, candidate)),
            refused=lambda times: self._host.count("candidate_refused", times),
            permits=lambda: page.participant.permits(Request.MEDIA_DATAGRAM),
        )
        page.connection = connection
        self._working.start(self._answer(page, connection, generation, message.sdp, is_near))
        self._look_soon()

    async def _answer(self, page: _Page, connection: Connection, generation: int, sdp: str, is_near: bool) -> None:
        with page.participant.contained():
            await self._answer_or_refuse(page, connection, generation, sdp, is_near)

    async def _answer_or_refuse(
        self, page: _Page, connection: Connection, generation: int, sdp: str, is_near: bool
    ) -> None:
        try:
            answer = await connection.answer(sdp)
        except PeerError as error:
            if page.connection is connection:
                self._end_connection(page)
            text = f"The host cannot use this: {error}."
            self._say(page, messages.MediaRefused(generation, "offer_unusable", text))
            return
        self._say(page, messages.MediaAnswer(generation, answer, self._host.network if is_near else UNSET))

    def _refusal(self, page: _Page, lines: list[Line]) -> tuple[str, str] | None:
        """Why this offer is not taken: a stable code, and a sentence."""
        participant = page.participant
        if self._options is None:
            return "off", "The host has turned camera, microphone and screen off."
        if not participant.admitted:
            return "not_admitted", "The operator has not let you in yet."
        if not permitted_lines(participant.link).issuperset(lines):
            return "role", "This link is not for that. Ask the operator for another one."
        if page.offers.take(self._clock()):
            return "rate", "That was asked for too often. Wait a few seconds."
        return self._no_place_for(participant)

    def _no_place_for(self, participant: Participant) -> tuple[str, str] | None:
        links = Counter(other.participant.link.id for other in self._pages.values() if other.connection is not None)
        if links.total() >= CONNECTIONS:
            text = (
                f"The host serves {CONNECTIONS} already, which is as many as it does. Try again when others are done."
            )
            return "full", text
        beyond_few = sum(max(0, count - FEW) for count in links.values())
        if links[participant.link.id] >= FEW and beyond_few >= CONNECTIONS - KEPT:
            text = (
                f"{links[participant.link.id]} use camera, microphone or screen by this link already, and the other "
                "places are for other links. Ask the operator for one of your own, or close another page of this one."
            )
            return "link_full", text
        return None

    def _receive_on(self, participant: Participant, said: messages.MediaOn) -> None:
        """What a page sends, and whether it shows the screen."""
        if self._options is None or not participant.admitted:
            return
        page = self._pages.setdefault(participant.id, _Page(participant))
        if page.wants_screen != said.screen:
            page.wants_screen = said.screen
            self._route()
        self._says_it_sends(page, camera=said.camera, microphone=said.microphone)

    def _says_it_sends(self, page: _Page, *, camera: bool, microphone: bool) -> None:
        began = (camera and not page.camera) or (microphone and not page.microphone)
        changed = (camera, microphone) != (page.camera, page.microphone)
        page.camera, page.microphone = camera, microphone
        participant = page.participant
        if (
            began
            and self._on_air != participant.id
            and self._is_air_free()
            and may_send(participant.link)
            and not participant.muted
        ):
            self._set_on_air(participant.id)
            audit_events.on_air_by_itself(self._host.audit, participant)
        elif changed:
            self._host.room_changed()

    @staticmethod
    def _say(page: _Page, message: _Said) -> None:
        if message.generation == page.generation:
            page.said.append(message)
        page.participant.send_message(message)

    # Participants

    def joined(self, participant: Participant) -> None:
        if not participant.admitted:
            self.left(participant)  # what it had in the session before

    def left(self, participant: Participant) -> None:
        """Nothing of it is passed on or sent to it any more."""
        page = self._pages.pop(participant.id, None)
        if page is not None:
            self._end_connection(page)
        if self._on_air == participant.id:
            self._set_on_air(None)

    def muted(self, participant: Participant) -> None:
        """Nothing of who is muted is passed on, so that it can be on air no longer."""
        if participant.muted:
            self._talkback.ends(participant.id)
            if self._on_air == participant.id:
                self._set_on_air(None)
            self._route()

    def followed(self, participant: Participant, old: Participant) -> None:
        page = self._pages.pop(old.id, None)
        if page is not None:
            page.participant = participant
            self._pages[participant.id] = page
        if self._on_air == old.id:
            self._on_air = participant.id
        if self._talkback.speaker == old.id:
            self._talkback.speaker = participant.id

    def _connection_closed(self, page: _Page, connection: Connection) -> None:
        if page.connection is connection:
            self._end_connection(page)

    def _end_connection(self, page: _Page) -> None:
        connection, page.connection, page.view = page.connection, None, None
        if connection is None:
            return
        connection.end()
        self._working.start(connection.close())
        self._talkback.ends(page.participant.id)
        self._route()

    # Who sees whom

    def _route(self) -> None:
        """Every subscription gets the source that the state of the room means for it."""
        for page in self._pages.values():
            connection = page.connection
            if connection is None or not connection.is_open:
                continue
            for line, subscription in connection.subscriptions.items():
                subscription.switch_to(self._source(line, page))
            self._rate_screen(page)
        if self._recorder is not None:
            on_air = self._on_air
            self._recorder.follow(self._publication(on_air, Line.CAMERA), self._publication(on_air, Line.MICROPHONE))

    def _source(self, line: Line, page: _Page) -> Source | None:
        match line:
            case Line.SCREEN:
                return self._view(page)
            case Line.PROGRAM:
                return self._publication(self._on_air, Line.CAMERA)
            case Line.PROGRAM_SOUND:
                return self._publication(self._on_air, Line.MICROPHONE)
            case Line.SOUND:
                return self._publication(self._talkback.speaker, Line.TALKBACK)
            case _:
                return None

    def sees_live(self, participant: Participant) -> bool:
        """Whether the screen is on its way to this participant."""
        page = self._pages.get(participant.id)
        return page is not None and page.view is not None

    def _view(self, page: _Page) -> View | None:
        connection, screen = page.connection, self._sharing.screen
        codec = connection.codec(Line.SCREEN) if connection is not None else None
        if connection is None or screen is None or codec is None or not page.wants_screen:
            page.view = None
        elif page.view is None or page.view.screen is not screen:
            page.view = View(screen, codec, connection.screen_rate)
        return page.view

    def _publication(self, participant: int | None, line: Line) -> Source | None:
        page = self._pages.get(participant) if participant is not None else None
        return page.connection.publications.get(line) if page is not None and page.connection is not None else None

    def _arrived(self, page: _Page, line: Line, frame: Frame) -> bool:
        """A frame of a page; whether it may pass on."""
        if page.participant.muted:
            return False
        if line is Line.TALKBACK and self._talkback.receive(page.participant.id, frame, self._clock()):
            self._route()
        return True

    def _is_air_free(self) -> bool:
        """No presenter is on air, or one who sends nothing, and no operator decides."""
        if self._is_directed:
            return False
        page = self._pages.get(self._on_air) if self._on_air is not None else None
        return page is None or not (page.camera or page.microphone)

    def _set_on_air(self, participant: int | None) -> None:
        self._on_air = participant
        self._route()
        self._host.show_changed()

    # How clicks fare

    def _look_soon(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looking = None
        busy = [page for page in self._pages.values() if page.connection is not None]
        for page in busy:
            self._look_at(page, self._clock())
            if page.connection is not None and page.connection.look():
                self._host.room_changed()
        if busy:
            self._look_soon()

    def _look_at(self, page: _Page, now: float) -> None:
        path = page.participant.watch_path(LOOK_EVERY)
        if path is None or page.connection is None:
            return
        queue = page.connection.queue
        if page.throttle.must_give_way(path.name, path.latest, path.last_pong, path.unanswered, queue, now):
            log.info("clicks of %08x take long: its media give way", page.participant.id)
            page.connection.give_way()

    # Commands of operators

    def _put_on_air(self, by: Participant, request: messages.OnAir) -> messages.Done:
        if request.session is None:
            self._is_directed = True
            self._set_on_air(None)
            return messages.Done()
        participant = self._host.participants.get(request.session)
        if participant is None or not participant.session.established:
            raise CommandError("presenter_unknown", "This presenter is not here any more.")
        if self._options is None:
            raise CommandError("media_off", OFF)
        if not may_send(participant.link):
            raise CommandError("role", "This presenter's link is not for camera and microphone.")
        if participant.muted:
            raise CommandError("muted", "This presenter is muted. Unmute it first.")
        self._is_directed = True
        self._set_on_air(participant.id)
        return messages.Done()

    def _share_screen(self, by: Participant, request: messages.ShareScreen) -> messages.Done:
        if self._options is None:
            raise CommandError("media_off", OFF)
        self._sharing.switch(request.on, self._options.share or WHOLE)
        return messages.Done()

    def _record(self, by: Participant, request: messages.RecordAir) -> messages.Done:
        if self._options is None:
            raise CommandError("media_off", OFF)
        folder = self._options.record
        if folder is None:
            text = "There is no folder for recordings. Start the host again with --record FOLDER."
            raise CommandError("no_folder", text)
        self._problem = None
        if not request.on:
            self._end_recording()
        elif self._recorder is None:
            self._is_recording_wanted = True
            if not self._is_opening:
                self._is_opening = True
                self._working.start(self._begin_recording_or_say(folder))
        return messages.Done()

    # The recording

    async def _begin_recording_or_say(self, folder: Path) -> None:
        """A disk may take its time, and nothing waits for it."""
        try:
            await self._begin_recording(folder)
        except RecordingError as error:
            self._problem = str(error)
            audit_events.recording_failed(self._host.audit)
            self._host.show_changed()

    async def _begin_recording(self, folder: Path) -> None:
        """Raises `RecordingError`."""
        try:
            recorder = await open_recorder(folder, datetime.now(), self._recorder_says)  # noqa: DTZ005  a person's time
        finally:
            self._is_opening = False
        if not self._is_recording_wanted:
            await recorder.close()  # it was switched off meanwhile
            return
        self._recorder = recorder
        self._recording_since = self._clock()
        self._route()
        self._host.show_changed()

    def _end_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        self._is_recording_wanted = False
        if recorder is not None:
            self._working.start(recorder.close())
            self._host.show_changed()

    def _recorder_says(self, sentence: str) -> None:
        """It cannot go on, or not with everything."""
        self._problem = sentence
        if self._recorder is not None and self._recorder.problem is not None:
            self._end_recording()
            audit_events.recording_failed(self._host.audit)
        self._host.show_changed()

    @staticmethod
    def _rate_screen(page: _Page) -> None:
        """Tell the encoders what this page's network carries."""
        if page.view is not None and page.connection is not None:
            page.view.set_rate(page.connection.screen_rate)
