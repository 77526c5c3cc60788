"""The deck page that the host itself opened on its own computer, as a feature of the show: its keyboard may click.

A deck link is for any number of people and may only view. The page that `up` opens here is told a grant besides, which
is in no link: it comes behind the link in the address that the browser is sent to, and the page says it in its sealed
session. It is made from the operator link's secret, so it is good for as long as that link, also after the host was
started again, and who could make one may click anyway.
"""

from __future__ import annotations

import hashlib
import hmac

from msgspec.structs import replace

from slidewire.base.base64url import encode_base64url
from slidewire.control import messages
from slidewire.control.intents import Role
from slidewire.control.quotas import Request, SessionQuotas
from slidewire.control.state import State
from slidewire.host.participants.links import Room
from slidewire.host.participants.participant import Participant
from slidewire.host.show.feature import Feature, MessageRow, Services


def local_grant(room: Room) -> str:
    """What the page on this computer has and no link has."""
    secret = room.first("operator").link("").secret
    return encode_base64url(hmac.digest(secret, b"slidewire local keys", hashlib.sha256)[:16])


class LocalKeys(Feature):
    def __init__(self, host: Services) -> None:
        self._host = host
        self.messages = (MessageRow(messages.LocalGrant, Request.COMMAND, self._receive_grant),)

    def _receive_grant(self, participant: Participant, message: messages.LocalGrant) -> None:
        expected = local_grant(self._host.room)
        if not hmac.compare_digest(message.grant.encode(), expected.encode()):
            self._host.count("local_grant_wrong", 1)
        elif not participant.is_local:
            participant.is_local = True
            participant.session.quotas = SessionQuotas()  # those of one who may click
            self._host.tell_whole(participant)

    def describe(self, participant: Participant, state: State) -> State:
        if not participant.is_local or participant.link.role.may_click:
            return state
        return replace(state, you=replace(state.you, role=str(Role.CLICK)))
