"""The host agent: composes the room, its presenters, the stage and the server into one running host.

A tap's way through here: signaling or a data channel → `Guest.receive` → control session → `Stage` → deck driver, and
the outcome back the same way.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from slidewire.aio.clock import monotonic
from slidewire.aio.tasks import Tasks
from slidewire.control.handshake import Admission, Door, hello_link, session_name
from slidewire.control.intents import Role
from slidewire.control.privacy import Privacy, permit_servers
from slidewire.control.quotas import LOOKING_ON, QUOTAS, LinkPool, Request
from slidewire.control.seal import HELLO, SEALED, no_session, peek_session
from slidewire.host.media.router import Media, MediaOptions
from slidewire.host.participants.admission import Refusal, enter, is_let_in, let_in, send_away
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.members import Members
from slidewire.host.participants.operators import CommandError, Commands, describe_room, read_new_link
from slidewire.host.participants.participant import Guest, LastClick
from slidewire.host.participants.signaling_budget import SignalingBudget
from slidewire.host.show import audit_events as happened
from slidewire.host.show.controller import Stage
from slidewire.host.show.fair_queue import FairQueue
from slidewire.host.show.pictures import Pictures
from slidewire.host.show.state_publisher import StatePublisher
from slidewire.rtc.engine import Engine, IceServer, read_ice_servers

log = logging.getLogger(__name__)

UNPROVEN_GUESTS = 32
"""Sessions by one link whose presenter has not proven itself yet; the oldest of the member with the most gives way."""
PRESENTERS_PER_LINK = 128
"""Each has words of its own: who looks for words that suit must not have any number of them at once."""
GIVES_WAY_AFTER = 10.0
FORGET_GUEST_AFTER = 600.0
"""Seconds of silence after which a presenter is forgotten. It can always come back with its link."""
FORGET_AFTER_LEAVING = 2.5
"""… after it left the room: a page that was closed sends no PING, one that only lost the server goes on."""
HOUSEKEEPING = 1.0
HOSTS_REFUSED = 32
"""Names of STUN and TURN servers that are not used, each said once."""
GOODBYE_LEAVES_WITHIN = 0.3


class Signaling(Protocol):
    """The room at the server, as the agent uses it."""

    def send(self, to: str, data: bytes) -> None: ...
    def add_links(self, links: list[dict[str, object]]) -> None: ...
    def revoke_link(self, link: str) -> None: ...
    def remove_member(self, member: str, reason: str) -> None: ...
    def close_room(self) -> None: ...


class HostAgent:
    def __init__(
        self,
        room: Room,
        server: str,
        stage: Stage,
        engine: Engine,
        name: str,
        *,
        privacy: Privacy = Privacy.BALANCED,
        own_hosts: Collection[str] = (),
        ice_hosts: Sequence[str] = (),
        media: MediaOptions | None = None,
    ) -> None:
        """`own_hosts`: the names of the server's own host. `ice_hosts`: whose STUN and TURN servers may be used besides
        those there. Without `media` there are none."""
        self.room = room
        self.privacy = privacy
        """Presenters are told before they make a peer connection."""
        self.network = ""
        """Where we are, in the server's word for it: who says the same is there, too."""
        self.server = server
        self.stage = stage
        self.engine = engine
        self.name = name
        self.signaling: Signaling | None = None
        self.ended = asyncio.Event()
        """An operator ended the show."""
        self.audit: happened.Audit = happened.nobody
        """Hears who did what."""
        self.guests: dict[int, Guest] = {}
        self.members = Members()
        """Who holds the room's places at the server."""
        self.budget = SignalingBudget()
        self._pools: dict[str, LinkPool] = {}
        """What the guests of each link may ask together."""
        self.media = Media(self, media)
        self._door = Door(self._admit, secrets.token_bytes)
        self._counts: Counter[str] = Counter()
        self._counts_told = 0
        self._pictures = Pictures(stage, self.media.sees_live)
        self._commands = Commands(
            {
                "mute": self._mute,
                "remove": self._remove,
                "send_away": self._send_away,
                "make_link": self._make_link,
                "revoke_link": self._revoke_link,
                "free_link": self._free_link,
                "admit": self._admit_guest,
                "end_show": self._end_show,
                **self.media.commands,
            },
            lambda guest, command: happened.command(self.audit, guest, self.guests, command),
        )
        self._commands_waiting: FairQueue[tuple[Guest, dict[str, Any]]] = FairQueue()
        self._ice_servers: list[IceServer] = []
        self._ice_hosts = tuple(ice_hosts)
        self._hosts_allowed = frozenset((*own_hosts, *ice_hosts))
        self._hosts_refused: set[str] = set()
        self._hosts: list[dict[str, Any]] = []
        self._publisher = StatePublisher(
            self.guests, stage, describe_room=self._describe_room, describe_media=self.media.describe
        )
        self.members.changed = self._publisher.room_changed
        self._housekeeper: asyncio.Task[None] | None = None
        self._reached: dict[int, str] = {}
        """As which member each guest was reached before the server was lost."""
        self._seen: tuple[object, ...] = ()
        """What operators see and nothing tells of, when it was last looked at."""
        self._closing = Tasks()
        stage.changed = self._publisher.show_changed
        stage.laser_moved = self._publisher.laser_moved

    async def start(self) -> None:
        """Open the deck. Raises `DeckError`, `SharingError` or `RecordingError`."""
        await self.stage.open()
        await self.media.start()
        self._housekeeper = asyncio.create_task(self._keep_house(), name="housekeeping")
        self._publisher.show_changed()

    async def close(self) -> None:
        if self._housekeeper is not None:
            self._housekeeper.cancel()
        self._publisher.close()
        for guest in self.guests.values():
            guest.say_goodbye("host_closed", "The host was closed.")
            self._pictures.forget(guest)
        # All at once: one whose other end is gone takes seconds.
        await asyncio.gather(*(guest.close() for guest in list(self.guests.values())))
        await self.media.close()
        await self._closing.finish()
        await self.stage.close()

    @property
    def counts(self) -> Counter[str]:
        """How often something came that was not obeyed, by a stable name for each kind (docs/design/security.md)."""
        counts = self._door.counts + self._counts
        for guest in self.guests.values():
            counts += guest.session.wire.counts
        return counts

    # From the server

    def opened(self, room: str, ice_servers: list[dict[str, Any]], hosts: list[dict[str, Any]]) -> None:
        """The room is open at the server (again)."""
        if self.room.code != room:
            self.room.code = room
            self.room.save()
        self.ice_servers_are(ice_servers)
        self._hosts = hosts

    def ice_servers_are(self, ice_servers: list[dict[str, Any]]) -> None:
        """For the next peers: a credential's end does not end what was allocated with it."""
        permitted, refused = permit_servers(ice_servers, self._hosts_allowed)
        self._ice_servers = read_ice_servers(permitted)
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
        """The members the server has now. Guests it does not reach any more lose that path."""
        for guest in self.guests.values():
            member = guest.member or self._reached.get(guest.id)
            guest.reached_by(member if member in members else None)
            self._prove(guest)
        self._reached.clear()

    def hosts_are(self, hosts: list[dict[str, Any]]) -> None:
        self._hosts = hosts
        self._publisher.room_changed()

    def member_gone(self, member: str, for_good: bool) -> None:
        """Its socket dropped, or (for good) it left."""
        for guest in self.guests.values():
            if guest.member == member:
                guest.has_left = for_good
                guest.reached_by(None)

    def lost_server(self) -> None:
        for guest in self.guests.values():
            if guest.member is not None:
                self._reached[guest.id] = guest.member
            guest.reached_by(None)

    def receive(self, member: str, data: bytes) -> None:
        """Opaque bytes a member sent through the server."""
        if data[:1] == bytes([HELLO]):
            self._receive_hello(member, data)
        elif data[:1] == bytes([SEALED]) and (session := peek_session(data)) is not None:
            guest = self.guests.get(session)
            if guest is None:
                self._counts["session_unknown"] += 1
                self.send_signaling(member, no_session(session))
            # The server says who it was; the seal proves it. Only then is that where the guest is reached.
            elif guest.receive(data, "signaling"):
                guest.reached_by(member)
                self._prove(guest)
        else:
            self._counts["not_for_a_host"] += 1

    def _receive_hello(self, member: str, data: bytes) -> None:
        admitted = self._door.receive_hello(data, monotonic(), self.members.origin(member))
        if admitted is None:
            log.info("a knock on link %s led nowhere: %s", hello_link(data), dict(self._door.counts))
            self.audit("refused", what="a knock", link=hello_link(data))
            return
        if admitted.session is not None:
            if (pool := self._pools.get(admitted.link_id)) is None:
                quotas = QUOTAS if admitted.role.may_point else LOOKING_ON
                pool = self._pools[admitted.link_id] = LinkPool(quotas)
            guest = Guest(admitted.session, self.room.links[admitted.link_id], self, pool)
            self.guests[guest.id] = guest
            guest.reached_by(member)
            self._limit_unproven(guest.link)
        self.send_signaling(member, admitted.welcome)

    def _limit_unproven(self, rule: LinkRule) -> None:
        """Keep the unfinished handshakes of one link few: the member with the most of them loses its oldest."""
        unproven = [guest for guest in self._guests_by(rule) if not guest.session.established]
        if len(unproven) > UNPROVEN_GUESTS:
            counts = Counter(guest.member for guest in unproven)
            self._forget(max(unproven, key=lambda guest: counts[guest.member]))

    def _prove(self, guest: Guest) -> None:
        """The server is told whose place is no longer to be given away."""
        if guest.session.established and guest.member is not None:
            self.members.prove([guest.member])

    def _admit(self, link_id: str) -> Admission | None:
        rule = self.room.links.get(link_id)
        if rule is None or not rule.is_good(time.time()):
            return None
        return Admission(rule.link("").psk, rule.role, self.privacy, self._ice_hosts)

    # What guests need

    def count(self, what: str, times: int) -> None:
        self._counts[what] += times

    def ice_servers(self) -> list[IceServer]:
        return self._ice_servers

    def send_signaling(self, member: str, data: bytes) -> None:
        if self.signaling is not None:
            self.signaling.send(member, data)

    def guest_established(self, guest: Guest) -> None:
        log.info("presenter %08x (%s, %s) is here", guest.id, guest.who.kind or "unknown", guest.link.role)
        self._prove(guest)
        self._end_replaced(guest)
        if not self._has_room(guest.link):
            self._counts["link_full"] += 1
            text = f"There are {PRESENTERS_PER_LINK} presenters by this link already. Ask the operator for another one."
            happened.turned_away(self.audit, guest, "link_full")
            self._dismiss(guest, "link_full", text)
            return
        rule = enter(self.room.links[guest.link.id], guest.who.device, time.time())
        if isinstance(rule, Refusal):
            happened.turned_away(self.audit, guest, rule.code)
            self._dismiss(guest, rule.code, rule.reason)
            return
        self._change_rule(rule)
        guest.admitted = is_let_in(rule, guest.who.device)
        if not guest.admitted:
            self.media.gone(guest)  # what it had in the session before
        happened.joined(self.audit, guest)
        self._publisher.tell_whole(guest)
        self._publisher.room_changed()

    def _has_room(self, rule: LinkRule) -> bool:
        """Whether this link is not used by too many. Somebody who has fallen silent gives way."""
        present = [guest for guest in self._guests_by(rule) if guest.session.established]
        if len(present) <= PRESENTERS_PER_LINK:
            return True
        silent = min(present, key=lambda guest: guest.last_heard)
        if monotonic() - silent.last_heard < GIVES_WAY_AFTER:
            return False
        self._forget(silent)
        return True

    def guest_pretended(self, guest: Guest) -> None:
        text = "This presenter did not keep to what it began with. Load the page again; if it repeats, use a new link."
        self._dismiss(guest, "introduction_false", text)

    def guest_failed(self, guest: Guest) -> None:
        text = "The host could not go on serving you; its log says why. Load the page again."
        self._send_away_soon(guest, "failed", text)

    def guest_floods(self, guest: Guest) -> None:
        log.warning("presenter %08x (link %s) floods this host and is sent away", guest.id, guest.link.id)
        self._counts["flooding"] += 1
        happened.turned_away(self.audit, guest, "flooding")
        self._door.charge(guest.link.id, self.members.origin(guest.member or ""), monotonic())
        text = "This page asked for far too much at once. Load it again; if that repeats, use a new link."
        self._send_away_soon(guest, "flooding", text)

    def _send_away_soon(self, guest: Guest, code: str, text: str) -> None:
        """When what runs now has ended: it may be something of this guest."""
        asyncio.get_running_loop().call_soon(self._end_guest, guest, code, text)

    def _end_guest(self, guest: Guest, code: str, text: str) -> None:
        if self.guests.get(guest.id) is guest:
            self._expel(guest, code, text, text)

    def _expel(self, guest: Guest, code: str, text: str, reason: str) -> None:
        """Dismiss it, and have the server end its connection. `reason`: what the server tells it."""
        member = guest.member
        self._dismiss(guest, code, text)
        if member is not None and self.signaling is not None:
            self.signaling.remove_member(member, reason)
            guest.reached_by(None)

    def _end_replaced(self, guest: Guest) -> None:
        """A presenter that shook hands anew: what is still on its way in its old session must not overtake it here."""
        for old in self._guests_by(guest.link) if guest.who.replaces else ():
            if old is not guest and session_name(old.session.wire) == guest.who.replaces:
                guest.follow(old)
                self.media.follow(guest, old)
                old.session.withdraw()
                self._forget(old)

    def guest_clicked(self, guest: Guest, click: LastClick) -> None:
        happened.clicked(self.audit, guest, click)

    def guest_changed(self, guest: Guest) -> None:
        self._publisher.room_changed()

    def media_changed(self) -> None:
        self._publisher.show_changed()

    def message_arrived(self, guest: Guest, message: dict[str, Any]) -> None:
        if self.guests.get(guest.id) is not guest:
            return  # it was sent away, and its connections last a moment longer, for the good-bye
        kind: str = message["type"]
        request = _REQUESTS.get(kind, Request.MEDIA if kind.startswith("media_") else Request.ERROR)
        if not guest.session.permits(request, monotonic()):
            return
        match kind:
            case "get_state":
                self._publisher.tell_whole(guest)
            case "picture" if not guest.admitted:
                guest.send_message({"type": "no_picture", "id": message.get("id"), "reason": "not_admitted"})
            case "picture":
                self._pictures.request(guest, message)
            case "command":
                if not self._commands_waiting:
                    asyncio.get_running_loop().call_soon(self._obey_a_command)
                self._commands_waiting.put(guest.link.id, guest.id, (guest, message))
            case _ if not self.media.receive(guest, message):
                text = f"This host does not know messages of type {kind[:40]!r}."
                guest.send_message({"type": "error", "code": "type_unknown", "message": text})

    def _obey_a_command(self) -> None:
        """One in each turn of the event loop: some are written to the disk."""
        guest, message = self._commands_waiting.pop()
        if self._commands_waiting:
            asyncio.get_running_loop().call_soon(self._obey_a_command)
        if self.guests.get(guest.id) is guest:
            with guest.contained():
                guest.send_message(self._commands.receive(guest, message))

    def _describe_room(self) -> dict[str, Any]:
        """What operators are told of the room."""
        present = [guest for guest in self.guests.values() if guest.session.established]
        places = self.members.describe(self.privacy)
        media = self.media.describe_presenter
        room = describe_room(self.room, self.server, present, self._hosts, media, places)
        return {**room, "media": self.media.describe_room(), "rejected": dict(self.counts)}

    # Operators' commands

    def _mute(self, command: dict[str, Any]) -> dict[str, Any]:
        guest = self._guest_of(command)
        guest.muted = command.get("muted") is not False
        self.media.muted(guest)
        self._publisher.tell_whole(guest)
        self._publisher.room_changed()
        return {}

    def _remove(self, command: dict[str, Any]) -> dict[str, Any]:
        guest = self._guest_of(command)
        self._change_rule(send_away(guest.link, guest.who.device))
        self._expel(guest, "removed", "The operator removed you from the show.", "The operator removed this presenter.")
        return {}

    def _send_away(self, command: dict[str, Any]) -> dict[str, Any]:
        """Remove all members that came by a link, or those of them at one address; not the operator who asks for it."""
        rule, origin = self._link_of(command), command.get("origin")
        if origin is not None and type(origin) is not int:
            raise CommandError("malformed", "An origin is a number, as the room's places say it.")
        asking = self.guests.get(command["asked_by"])
        gone = [member for member in self.members.by(rule.id, origin) if asking is None or member != asking.member]
        for guest in self._guests_by(rule):
            if guest is not asking and (origin is None or guest.member in gone):
                self._change_rule(send_away(self.room.links[rule.id], guest.who.device))
                self._dismiss(guest, "removed", "The operator sent away who came by this link.")
        if self.signaling is not None:
            for member in gone:
                self.signaling.remove_member(member, "The operator sent away who came by this link.")
        return {"count": len(gone)}

    def _make_link(self, command: dict[str, Any]) -> dict[str, Any]:
        wanted = read_new_link(command, time.time())
        rule = self.room.make_link(page="operator" if wanted["role"] is Role.OPERATOR else "p", **wanted)
        if self.signaling is not None:
            self.signaling.add_links([rule.announcement()])
        self._publisher.room_changed()
        return {"link": rule.id, "url": rule.link(self.server).url}

    def _revoke_link(self, command: dict[str, Any]) -> dict[str, Any]:
        rule = replace(self._link_of(command), revoked=True)
        self._change_rule(rule)
        for guest in self._guests_by(rule):
            self._dismiss(guest, "link_revoked", "This link was revoked.")
        if self.signaling is not None:
            self.signaling.revoke_link(rule.id)
        return {}

    def _free_link(self, command: dict[str, Any]) -> dict[str, Any]:
        rule = replace(self._link_of(command), device=None)
        self._change_rule(rule)
        for guest in self._guests_by(rule):
            self._dismiss(guest, "link_freed", "The operator freed this link: the next device to open it has it.")
        return {}

    def _admit_guest(self, command: dict[str, Any]) -> dict[str, Any]:
        guest = self._guest_of(command)
        guest.admitted = True
        guest.send_message({"type": "reoffer"})
        self._change_rule(let_in(guest.link, guest.who.device))
        self._publisher.tell_whole(guest)
        return {}

    def _change_rule(self, rule: LinkRule) -> None:
        """It is enforced from now on, also for what is on its way already."""
        self.room.change(rule)
        for guest in self._guests_by(rule):
            guest.link = rule
        self._publisher.room_changed()

    def _guests_by(self, rule: LinkRule) -> list[Guest]:
        return [guest for guest in self.guests.values() if guest.link.id == rule.id]

    def _link_of(self, command: dict[str, Any]) -> LinkRule:
        rule = self.room.links.get(str(command.get("link")))
        if rule is None:
            raise CommandError("link_unknown", "This room has no such link.")
        return rule

    def _end_show(self, command: dict[str, Any]) -> dict[str, Any]:
        # The reply goes out first; the rest follows when the owner sees `ended`.
        asyncio.get_running_loop().call_later(0.2, self.ended.set)
        return {}

    def _guest_of(self, command: dict[str, Any]) -> Guest:
        session = command.get("session")
        guest = self.guests.get(session) if type(session) is int else None
        if guest is None:
            raise CommandError("presenter_unknown", "This presenter is not here any more.")
        return guest

    # Comings and goings

    def end_room(self) -> None:
        """The show is over for good: its links end with it."""
        self.room.ended = True
        self.room.save()
        self.audit("show_ended", room=self.room.code)
        for guest in self.guests.values():
            guest.say_goodbye("room_ended", "The host ended the show.")
        if self.signaling is not None:
            self.signaling.close_room()

    def _dismiss(self, guest: Guest, code: str, reason: str) -> None:
        guest.say_goodbye(code, reason)
        guest.session.withdraw()
        self._no_longer_here(guest)
        self._closing.start(self._close_after(guest, GOODBYE_LEAVES_WITHIN))

    def _forget(self, guest: Guest) -> None:
        self._no_longer_here(guest)
        self._closing.start(guest.close())
        self._publisher.room_changed()

    def _no_longer_here(self, guest: Guest) -> None:
        if self.guests.pop(guest.id, None) is not None:
            happened.left(self.audit, guest)
            self._counts += guest.session.wire.counts
        self._publisher.forget(guest)
        self._pictures.forget(guest)
        self.media.gone(guest)

    @staticmethod
    async def _close_after(guest: Guest, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await guest.close()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            try:
                self._tidy(monotonic())
            except Exception:
                # Links would not expire any more if it ended here: what failed now may work in a second.
                log.exception("housekeeping failed")

    def _tidy(self, now: float) -> None:
        self._log_counts()
        # That nothing comes from somebody any more is an event only here: operators want to see who went dark.
        # So is that a link has expired, and what was refused.
        ways = tuple((guest.id, guest.best_path()[0]) for guest in self.guests.values())
        seen = (ways, tuple(self.room.good_links(time.time())), self.counts.total())
        before, self._seen = self._seen, seen
        if seen != before:
            self._publisher.room_changed()
        for guest in list(self.guests.values()):
            if now - guest.last_heard > (FORGET_AFTER_LEAVING if guest.has_left else FORGET_GUEST_AFTER):
                self._forget(guest)
            elif not guest.link.is_good(time.time()):
                self._dismiss(guest, "link_expired", "This link has expired.")

    def _log_counts(self) -> None:
        """Whenever there are twice as many as when it was last said."""
        counts = self.counts
        if counts.total() >= 2 * self._counts_told + 1:
            self._counts_told = counts.total()
            told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
            log.info("came and was not obeyed so far: %s", told)


_REQUESTS = {"get_state": Request.STATE, "picture": Request.PICTURE, "command": Request.COMMAND}
"""What each type of message is charged for; the others are media's, or unknown."""
