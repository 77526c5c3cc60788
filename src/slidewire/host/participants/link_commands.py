"""Links as a feature of the show: operators make, revoke and free them, and they expire."""

from __future__ import annotations

import time
from dataclasses import replace

from msgspec import structs

from slidewire.control import messages
from slidewire.control.intents import Role
from slidewire.control.state import RoomPart
from slidewire.host.participants.commands import CommandError, CommandRow
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.operators import check_new_link, describe_link, printable_label
from slidewire.host.participants.participant import Participant
from slidewire.host.show.feature import Feature, Services


class Links(Feature):
    def __init__(self, host: Services) -> None:
        self._host = host
        self._good: tuple[LinkRule, ...] = ()
        """The links that could be used when that was looked at last."""
        m = messages
        self.commands = (
            CommandRow(m.MakeLink, self._make, lambda request: "link_made"),
            CommandRow(m.RevokeLink, self._revoke, lambda request: "link_revoked"),
            CommandRow(m.FreeLink, self._free, lambda request: "link_freed"),
        )

    def describe_room(self, room: RoomPart) -> RoomPart:
        now, host = time.time(), self._host
        links = [describe_link(rule, host.server, now) for rule in host.room.links.values()]
        return structs.replace(room, links=links)

    def handle_timer(self, now: float) -> None:
        """That a link has expired is an event only here."""
        wall = time.time()
        good, self._good = self._good, tuple(self._host.room.good_links(wall))
        if good != self._good:
            self._host.room_changed()
        for participant in list(self._host.participants.values()):
            if not participant.link.is_good(wall):
                self._host.dismiss(participant, "link_expired", "This link has expired.")

    def _make(self, by: Participant, request: messages.MakeLink) -> messages.LinkMade:
        check_new_link(request)
        now, role = time.time(), Role(request.role)
        rule = self._host.room.make_link(
            role,
            page="operator" if role is Role.OPERATOR else "p",
            label=printable_label(request.label),
            not_before=None if request.opens_in is None else now + request.opens_in,
            expires=None if request.expires_in is None else now + request.expires_in,
            first=request.first,
            last=request.last,
            one_device=request.one_device,
            by_hand=request.by_hand,
        )
        if self._host.signaling is not None:
            self._host.signaling.add_links([rule.announcement()])
        self._host.room_changed()
        return messages.LinkMade(rule.id, rule.link(self._host.server).url)

    def _revoke(self, by: Participant, request: messages.RevokeLink) -> messages.Done:
        rule = replace(link_of(self._host.room, request.link), revoked=True)
        self._host.change_rule(rule)
        for participant in self._host.participants_by(rule):
            self._host.dismiss(participant, "link_revoked", "This link was revoked.")
        if self._host.signaling is not None:
            self._host.signaling.revoke_link(rule.id)
        return messages.Done()

    def _free(self, by: Participant, request: messages.FreeLink) -> messages.Done:
        rule = replace(link_of(self._host.room, request.link), device=None)
        self._host.change_rule(rule)
        text = "The operator freed this link: the next device to open it has it."
        for participant in self._host.participants_by(rule):
            self._host.dismiss(participant, "link_freed", text)
        return messages.Done()


def link_of(room: Room, link: str) -> LinkRule:
    """Raises `CommandError` if the room has no such link."""
    rule = room.links.get(link)
    if rule is None:
        raise CommandError("link_unknown", "This room has no such link.")
    return rule
