"""The host: composes the room, its participants, the show and the server into one running program.

A tap's way through here: signaling or a data channel → `Participant.receive` → control session → `ShowController` →
deck driver, and the outcome back the same way.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from slidewire.aio.clock import monotonic
from slidewire.aio.tasks import Tasks
from slidewire.control import messages
from slidewire.control.handshake import Admission, HandshakeResponder, hello_link, session_name
from slidewire.control.privacy import Privacy, permit_servers
from slidewire.control.quotas import LOOKING_ON, QUOTAS, LinkPool, Request
from slidewire.control.seal import HELLO, SEALED, no_session, peek_session
from slidewire.control.state import HostEntry, RoomPart, State
from slidewire.host.decks.driver import DeckDriver, DeckStatus
from slidewire.host.desktop.inhibitor import Inhibitor
from slidewire.host.desktop.overlay import Overlay
from slidewire.host.media.router import Media, MediaOptions
from slidewire.host.participants.admission import IN_USE, Refusal, claim, enter, is_let_in
from slidewire.host.participants.commands import Commands
from slidewire.host.participants.link_commands import Links
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.local_keys import LocalKeys
from slidewire.host.participants.members import Members
from slidewire.host.participants.moderation import Moderation
from slidewire.host.participants.operators import describe_participant
from slidewire.host.participants.participant import LastClick, Participant
from slidewire.host.participants.signaling import Signaling
from slidewire.host.participants.signaling_budget import SignalingBudget
from slidewire.host.show import audit_events
from slidewire.host.show.controller import ShowController
from slidewire.host.show.fair_queue import FairQueue
from slidewire.host.show.feature import Feature, MessageRow
from slidewire.host.show.keep_awake import KeepAwake
from slidewire.host.show.pictures import Pictures
from slidewire.host.show.position import PositionKeeper
from slidewire.host.show.state_publisher import StatePublisher
from slidewire.rtc.engine import Engine, IceServer

log = logging.getLogger(__name__)

UNPROVEN_PARTICIPANTS = 32
"""Sessions by one link whose presenter has not proven itself yet; the oldest of the member with the most gives way."""
PRESENTERS_PER_LINK = 128
"""Each has words of its own: who looks for words that suit must not have any number of them at once."""
GIVES_WAY_AFTER = 10.0
FORGET_PARTICIPANT_AFTER = 600.0
"""Seconds of silence after which a presenter is forgotten. It can always come back with its link."""
FORGET_AFTER_LEAVING = 2.5
"""… after it left the room: a page that was closed sends no PING, one that only lost the server goes on."""
SILENT_PER_LINK = 32
"""Of those who have no path any more, so many by one link are remembered for that long: the ones who came last. A
participant who joins, falls silent and joins again without end would otherwise have the host keep hundreds."""
MAINTENANCE_EVERY = 1.0
HOSTS_REFUSED = 32
"""Names of STUN and TURN servers that are not used, each said once."""
GOODBYE_LEAVES_WITHIN = 0.3


class Host:
    def __init__(
        self,
        room: Room,
        server: str,
        deck: DeckDriver,
        engine: Engine,
        name: str,
        *,
        overlay: Overlay | None = None,
        privacy: Privacy = Privacy.BALANCED,
        own_hosts: Collection[str] = (),
        ice_hosts: Sequence[str] = (),
        media: MediaOptions | None = None,
        audit: audit_events.Audit = audit_events.not_written,
        position: PositionKeeper | None = None,
        inhibitors: Sequence[Inhibitor] = (),
    ) -> None:
        """`own_hosts`: the names of the server's own host. `ice_hosts`: whose STUN and TURN servers may be used besides
        those there. Without `media` there are none. `position`: keeps where the show stands for the next start.
        `inhibitors`: keep this computer's screen on while a show runs."""
        self.room = room
        self.privacy = privacy
        """Presenters are told before they make a peer connection."""
        self.network = ""
        """Where we are, in the server's word for it: who says the same is there, too."""
        self.server = server
        self.show = ShowController(deck, overlay, changed=self._deck_changed, laser_moved=self._laser_moved)
        self.engine = engine
        self.name = name
        self.signaling: Signaling | None = None
        self.ended = asyncio.Event()
        """An operator ended the show."""
        self.audit = audit
        """Called with who did what."""
        self.participants: dict[int, Participant] = {}
        self.members = Members(self.room_changed, self._tell_proven)
        """Who holds the room's places at the server."""
        self.budget = SignalingBudget()
        self._pools: dict[str, LinkPool] = {}
        """What the participants of each link may ask together."""
        self._responder = HandshakeResponder(self._admit, secrets.token_bytes)
        self._counts: Counter[str] = Counter()
        self._counts_told = 0
        self.media = Media(self, media)
        self.pictures = Pictures(self.show, self.media.sees_live)
        self.features: tuple[Feature, ...] = (
            Links(self),
            Moderation(self),
            LocalKeys(self),
            KeepAwake(self._is_show_running, inhibitors),
            self.pictures,
            self.media,
        )
        rows: tuple[MessageRow[Any], ...] = (
            MessageRow(messages.GetState, Request.STATE, lambda participant, message: self.tell_whole(participant)),
            MessageRow(messages.Command, Request.COMMAND, self._receive_command),
            MessageRow(messages.UnknownMessage, Request.ERROR, _refuse_unknown),
        )
        self._messages: dict[type[Struct], MessageRow[Any]] = {
            row.message: row for row in (*rows, *(row for feature in self.features for row in feature.messages))
        }
        self._commands = Commands(
            [row for feature in self.features for row in feature.commands],
            lambda participant, command, event: audit_events.command(
                self.audit, participant, self.participants, command, event
            ),
        )
        self._commands_waiting: FairQueue[tuple[Participant, messages.Command]] = FairQueue()
        self._ice_servers: list[IceServer] = []
        self._ice_hosts = tuple(ice_hosts)
        self._hosts_allowed = frozenset((*own_hosts, *ice_hosts))
        self._hosts_refused: set[str] = set()
        self._hosts: list[HostEntry] = []
        self._publisher = StatePublisher(
            self.participants,
            self.show,
            describe_room=self._describe_room,
            describe_features=self._describe_features,
        )
        self._maintenance: asyncio.Task[None] | None = None
        self._reached: dict[int, str] = {}
        """As which member each participant was reached before the server was lost."""
        self._seen: tuple[object, ...] = ()
        """What operators see and nothing tells of, when it was last looked at."""
        self._closing = Tasks()
        self._position = position

    def _is_show_running(self) -> bool:
        return self.show.state.status is DeckStatus.RUNNING

    async def start(self) -> None:
        """Open the deck. Raises `DeckError`, `SharingError` or `RecordingError`."""
        await self.show.open()
        await self._resume()
        for feature in self.features:
            await feature.start()
        self._maintenance = asyncio.create_task(self._run_maintenance(), name="maintenance")
        self._publisher.show_changed()

    async def _resume(self) -> None:
        """Go on where this deck stood when the last host of the room ended."""
        position = self._position.find() if self._position is not None else None
        if position is None:
            return
        await self.show.resume(position.slide)
        self._publisher.started = monotonic() - max(0.0, time.time() - position.started)
        log.info("the show goes on at slide %s", self.show.state.slide)

    async def close(self) -> None:
        if self._position is not None:
            self._position.close()
        if self._maintenance is not None:
            self._maintenance.cancel()
        self._publisher.close()
        # All at once: one whose other end is gone takes seconds.
        await asyncio.gather(*(participant.close() for participant in list(self.participants.values())))
        for feature in self.features:
            await feature.close()
        await self._closing.finish()
        await self.show.close()

    @property
    def counts(self) -> Counter[str]:
        """How often something came that was not obeyed, by a stable name for each kind (docs/design/security.md)."""
        counts = self._responder.counts + self._counts
        for participant in self.participants.values():
            counts += participant.session.wire.counts
        return counts

    # From the server

    def opened(self, room: str, ice_servers: Sequence[object], hosts: list[HostEntry]) -> None:
        """The room is open at the server (again)."""
        if self.room.code != room:
            self.room.code = room
            self.room.save()
        self.ice_servers_are(ice_servers)
        self._hosts = hosts

    def ice_servers_are(self, ice_servers: Sequence[object]) -> None:
        """For the next peers: a credential's end does not end what was allocated with it."""
        permitted, refused = permit_servers(ice_servers, self._hosts_allowed)
        self._ice_servers = permitted
        self._counts["ice_server_refused"] += len(refused)
        for host in set(refused) - self._hosts_refused:
            if len(self._hosts_refused) == HOSTS_REFUSED:
                break
            self._hosts_refused.add(host)
            log.warning(
                "the server names %s for STUN or TURN, which is not its own host: it is not used. If you know it, "
                "start this host with --ice-server %s.",
                *(host, host),
            )

    def members_are(self, members: set[str]) -> None:
        """The members the server has now. Participants it does not reach any more lose that path."""
        for participant in self.participants.values():
            member = participant.member or self._reached.get(participant.id)
            participant.reached_by(member if member in members else None)
            self._prove(participant)
        self._reached.clear()

    def hosts_are(self, hosts: list[HostEntry]) -> None:
        self._hosts = hosts
        self._publisher.room_changed()

    def member_gone(self, member: str, for_good: bool) -> None:
        """Its socket dropped, or (for good) it left."""
        for participant in self.participants.values():
            if participant.member == member:
                participant.has_left = for_good
                participant.reached_by(None)

    def lost_server(self) -> None:
        for participant in self.participants.values():
            if participant.member is not None:
                self._reached[participant.id] = participant.member
            participant.reached_by(None)

    def receive(self, member: str, data: bytes) -> None:
        """Opaque bytes a member sent through the server."""
        if data[:1] == bytes([HELLO]):
            self._receive_hello(member, data)
        elif data[:1] == bytes([SEALED]) and (session := peek_session(data)) is not None:
            participant = self.participants.get(session)
            if participant is None:
                self._counts["session_unknown"] += 1
                self.send_signaling(member, no_session(session))
            # The server says who it was; the seal proves it. Only then is that where the participant is reached.
            elif participant.receive(data, "signaling"):
                participant.reached_by(member)
                self._prove(participant)
        else:
            self._counts["not_for_a_host"] += 1

    def _receive_hello(self, member: str, data: bytes) -> None:
        admitted = self._responder.receive_hello(data, monotonic(), self.members.origin(member))
        if admitted is None:
            log.info("a handshake by link %s was not answered: %s", hello_link(data), dict(self._responder.counts))
            self.audit("refused", what="a handshake", link=hello_link(data))
            return
        if admitted.session is not None:
            if (pool := self._pools.get(admitted.link_id)) is None:
                quotas = QUOTAS if admitted.role.may_point else LOOKING_ON
                pool = self._pools[admitted.link_id] = LinkPool(quotas)
            participant = Participant(admitted.session, self.room.links[admitted.link_id], self, pool)
            self.participants[participant.id] = participant
            participant.reached_by(member)
            self._limit_unproven(participant.link)
        self.send_signaling(member, admitted.welcome)

    def _limit_unproven(self, rule: LinkRule) -> None:
        """Keep the unfinished handshakes of one link few: the member with the most of them loses its oldest."""
        unproven = [participant for participant in self.participants_by(rule) if not participant.session.established]
        if len(unproven) > UNPROVEN_PARTICIPANTS:
            counts = Counter(participant.member for participant in unproven)
            self._forget(max(unproven, key=lambda participant: counts[participant.member]))

    def _prove(self, participant: Participant) -> None:
        """The server is told whose place is no longer to be given away."""
        if participant.session.established and participant.member is not None:
            self.members.prove([participant.member])

    def _tell_proven(self, members: list[str]) -> None:
        if self.signaling is not None:
            self.signaling.prove(members)

    def _admit(self, link_id: str) -> Admission | None:
        rule = self.room.links.get(link_id)
        if rule is None or not rule.is_good(time.time()):
            return None
        return Admission(rule.link("").psk, rule.role, self.privacy, self._ice_hosts)

    # What participants need

    def count(self, what: str, times: int) -> None:
        self._counts[what] += times

    def ice_servers(self) -> list[IceServer]:
        return self._ice_servers

    def send_signaling(self, member: str, data: bytes) -> None:
        if self.signaling is not None:
            self.signaling.send(member, data)

    def participant_established(self, participant: Participant) -> None:
        log.info(
            "presenter %08x (%s, %s) is here",
            participant.id,
            participant.introduction.kind or "unknown",
            participant.link.role,
        )
        self._prove(participant)
        self._end_replaced(participant)
        if not self._has_room(participant.link):
            self._counts["link_full"] += 1
            text = f"There are {PRESENTERS_PER_LINK} presenters by this link already. Ask the operator for another one."
            audit_events.turned_away(self.audit, participant, "link_full")
            self.dismiss(participant, "link_full", text)
            return
        rule = enter(self.room.links[participant.link.id], participant.introduction.device, time.time())
        if isinstance(rule, Refusal):
            audit_events.turned_away(self.audit, participant, rule.code)
            self.dismiss(participant, rule.code, rule.reason)
            return
        self.change_rule(rule)
        participant.admitted = is_let_in(rule, participant.introduction.device)
        for feature in self.features:
            feature.joined(participant)
        audit_events.joined(self.audit, participant)
        self._publisher.tell_whole(participant)
        self._publisher.room_changed()

    def _has_room(self, rule: LinkRule) -> bool:
        """Whether this link is not used by too many. A presenter that has fallen silent gives way."""
        present = [participant for participant in self.participants_by(rule) if participant.session.established]
        if len(present) <= PRESENTERS_PER_LINK:
            return True
        silent = min(present, key=lambda participant: participant.last_heard)
        if monotonic() - silent.last_heard < GIVES_WAY_AFTER:
            return False
        self._forget(silent)
        return True

    def participant_acts(self, participant: Participant) -> None:
        """A link for one device is now that one's."""
        device = participant.introduction.device
        rule = claim(self.room.links[participant.link.id], device) if participant.admitted else None
        if rule is None:
            return
        self.change_rule(rule)
        for other in self.participants_by(rule):
            if other.session.established and other.introduction.device != device:
                audit_events.turned_away(self.audit, other, IN_USE.code)
                self.dismiss(other, IN_USE.code, IN_USE.reason)

    def introduction_invalid(self, participant: Participant) -> None:
        text = "This presenter did not keep to what it began with. Load the page again; if it repeats, use a new link."
        self.dismiss(participant, "introduction_false", text)

    def participant_failed(self, participant: Participant) -> None:
        text = "The host could not go on serving you; its log says why. Load the page again."
        self._send_away_soon(participant, "failed", text)

    def participant_floods(self, participant: Participant) -> None:
        log.warning("presenter %08x (link %s) floods this host and is sent away", participant.id, participant.link.id)
        self._counts["flooding"] += 1
        audit_events.turned_away(self.audit, participant, "flooding")
        self._responder.charge(participant.link.id, self.members.origin(participant.member or ""), monotonic())
        text = "This page asked for far too much at once. Load it again; if that repeats, use a new link."
        self._send_away_soon(participant, "flooding", text)

    def _send_away_soon(self, participant: Participant, code: str, text: str) -> None:
        """When what runs now has ended: it may be something of this participant."""
        asyncio.get_running_loop().call_soon(self._end_participant, participant, code, text)

    def _end_participant(self, participant: Participant, code: str, text: str) -> None:
        if self.participants.get(participant.id) is participant:
            self.expel(participant, code, text, text)

    def expel(self, participant: Participant, code: str, text: str, reason: str) -> None:
        """Dismiss it, and have the server end its connection. `reason`: what the server tells it."""
        member = participant.member
        self.dismiss(participant, code, text)
        if member is not None and self.signaling is not None:
            self.signaling.remove_member(member, reason)
            participant.reached_by(None)

    def _end_replaced(self, participant: Participant) -> None:
        """A presenter that shook hands anew: what is still on its way in its old session must not overtake it here."""
        for old in self.participants_by(participant.link) if participant.introduction.replaces else ():
            if old is not participant and session_name(old.session.wire) == participant.introduction.replaces:
                participant.follow(old)
                for feature in self.features:
                    feature.followed(participant, old)
                old.session.withdraw()
                self._forget(old)

    def participant_clicked(self, participant: Participant, click: LastClick) -> None:
        audit_events.clicked(self.audit, participant, click)

    def participant_changed(self, participant: Participant) -> None:
        self._publisher.room_changed()

    def message_arrived(self, participant: Participant, message: messages.Received) -> None:
        if self.participants.get(participant.id) is not participant:
            return  # it was sent away, and its connections last a moment longer, for the good-bye
        row = self._messages.get(type(message))
        if row is not None and participant.session.permits(row.charge, monotonic()):
            row.handler(participant, message)

    def _receive_command(self, participant: Participant, command: messages.Command) -> None:
        self.participant_acts(participant)
        if not self._commands_waiting:
            asyncio.get_running_loop().call_soon(self._obey_a_command)
        self._commands_waiting.put(participant.link.id, participant.id, (participant, command))

    def _obey_a_command(self) -> None:
        """One in each turn of the event loop: some are written to the disk."""
        participant, message = self._commands_waiting.pop()
        if self._commands_waiting:
            asyncio.get_running_loop().call_soon(self._obey_a_command)
        if self.participants.get(participant.id) is participant:
            with participant.contained():
                participant.send_message(self._commands.receive(participant, message))

    def _describe_features(self, participant: Participant, state: State) -> State:
        for feature in self.features:
            state = feature.describe(participant, state)
        return state

    def _describe_room(self) -> RoomPart:
        """What operators are told of the room."""
        room = RoomPart(
            code=self.room.code,
            hosts=self._hosts,
            presenters=[
                describe_participant(participant)
                for participant in self.participants.values()
                if participant.session.established
            ],
            places=self.members.describe(self.privacy),
            rejected=dict(self.counts),
        )
        for feature in self.features:
            room = feature.describe_room(room)
        return room

    # What features need

    def show_changed(self) -> None:
        self._publisher.show_changed()

    def room_changed(self) -> None:
        self._publisher.room_changed()

    def tell_whole(self, participant: Participant) -> None:
        self._publisher.tell_whole(participant)

    def participants_by(self, rule: LinkRule) -> list[Participant]:
        return [participant for participant in self.participants.values() if participant.link.id == rule.id]

    def change_rule(self, rule: LinkRule) -> None:
        """It is enforced from now on, also for what is on its way already."""
        self.room.change(rule)
        for participant in self.participants_by(rule):
            participant.link = rule
        self._publisher.room_changed()

    def mute(self, participant: Participant, muted: bool) -> None:
        participant.muted = muted
        for feature in self.features:
            feature.muted(participant)
        self._publisher.tell_whole(participant)
        self._publisher.room_changed()

    def end_show(self) -> None:
        # The reply goes out first; the rest follows when the owner sees `ended`.
        asyncio.get_running_loop().call_later(0.2, self.ended.set)

    # From the show

    def _deck_changed(self) -> None:
        self._publisher.show_changed()
        started = self._publisher.started
        if self._position is not None and started is not None:
            self._position.note(self.show.state, time.time() - (monotonic() - started))

    def _laser_moved(self) -> None:
        self._publisher.laser_moved()

    # Comings and goings

    def end_room(self) -> None:
        """The show is over for good: its links end with it."""
        self.room.ended = True
        self.room.save()
        self.audit("show_ended", room=self.room.code)
        for participant in self.participants.values():
            participant.say_goodbye("room_ended", "The host ended the show.")
        if self.signaling is not None:
            self.signaling.close_room()

    def dismiss(self, participant: Participant, code: str, reason: str) -> None:
        participant.say_goodbye(code, reason)
        participant.session.withdraw()
        self._no_longer_here(participant)
        self._closing.start(self._close_after(participant, GOODBYE_LEAVES_WITHIN))

    def _forget(self, participant: Participant) -> None:
        self._no_longer_here(participant)
        self._closing.start(participant.close())
        self._publisher.room_changed()

    def _no_longer_here(self, participant: Participant) -> None:
        if self.participants.pop(participant.id, None) is not None:
            audit_events.left(self.audit, participant)
            self._counts += participant.session.wire.counts
        self._publisher.forget(participant)
        for feature in self.features:
            feature.left(participant)

    @staticmethod
    async def _close_after(participant: Participant, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await participant.close()

    async def _run_maintenance(self) -> None:
        while True:
            await asyncio.sleep(MAINTENANCE_EVERY)
            try:
                self._maintain(monotonic())
            except Exception:
                # Links would not expire any more if it ended here: what failed now may work in a second.
                log.exception("maintenance failed")

    def _maintain(self, now: float) -> None:
        self._log_counts()
        # That nothing comes from a participant any more is an event only here, and so is what was refused.
        ways = tuple((participant.id, participant.best_path()[0]) for participant in self.participants.values())
        seen = (ways, self.counts.total())
        before, self._seen = self._seen, seen
        if seen != before:
            self._publisher.room_changed()
        for participant in list(self.participants.values()):
            if now - participant.last_heard > (
                FORGET_AFTER_LEAVING if participant.has_left else FORGET_PARTICIPANT_AFTER
            ):
                self._forget(participant)
        self._limit_silent(now)
        for feature in self.features:
            feature.handle_timer(now)

    def _limit_silent(self, now: float) -> None:
        """Keep the participants of one link that have no path few: those silent for longest are forgotten."""
        silent: dict[str, list[Participant]] = {}
        for participant in self.participants.values():
            if now - participant.last_heard > GIVES_WAY_AFTER and participant.best_path()[0] == "none":
                silent.setdefault(participant.link.id, []).append(participant)
        for of_link in silent.values():
            of_link.sort(key=lambda participant: participant.last_heard, reverse=True)
            for participant in of_link[SILENT_PER_LINK:]:
                self._forget(participant)

    def _log_counts(self) -> None:
        """Whenever there are twice as many as when it was last said."""
        counts = self.counts
        if counts.total() >= 2 * self._counts_told + 1:
            self._counts_told = counts.total()
            told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            log.info("came and was not obeyed so far: %s", told)


def _refuse_unknown(participant: Participant, message: messages.UnknownMessage) -> None:
    text = f"This host does not know messages of type {message.type[:40]!r}."
    participant.send_message(messages.Error("type_unknown", text))
