"""A feature of the show: what it receives, what it adds to the state, and what it is told of participants.

The host has a list of features and knows nothing of any of them. A new one is a class in a file of its own that
overrides what it needs, and one entry in that list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from slidewire.control.privacy import Privacy
from slidewire.control.quotas import Request
from slidewire.control.state import RoomPart, State
from slidewire.host.participants.commands import Row
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.members import Members
from slidewire.host.participants.participant import Participant
from slidewire.host.participants.signaling import Signaling
from slidewire.host.show.audit_events import Audit
from slidewire.rtc.engine import IceServer

M = TypeVar("M", bound=Struct)


@dataclass(frozen=True, slots=True)
class MessageRow(Generic[M]):
    """A message that a feature receives."""

    message: type[M]
    charge: Request
    """What it is charged for; beyond that quota the handler is not called."""
    handler: Callable[[Participant, M], None]
    """It is called with the sender, which may not have been let in yet."""


class Services(Protocol):
    """What a feature may ask of the host."""

    room: Room
    server: str
    privacy: Privacy
    network: str
    participants: dict[int, Participant]
    members: Members
    audit: Audit
    signaling: Signaling | None

    def count(self, what: str, times: int) -> None:
        """Something came that was not obeyed."""

    def ice_servers(self) -> list[IceServer]: ...

    def show_changed(self) -> None:
        """All are to be told the state, as far as it differs."""

    def room_changed(self) -> None:
        """Operators are."""

    def tell_whole(self, participant: Participant) -> None:
        """This one is to be told all of its state."""

    def participants_by(self, rule: LinkRule) -> list[Participant]: ...

    def change_rule(self, rule: LinkRule) -> None:
        """The link of that id is this from now on, also for what is on its way already."""

    def dismiss(self, participant: Participant, code: str, reason: str) -> None:
        """Say good-bye to it, and end its session."""

    def expel(self, participant: Participant, code: str, text: str, reason: str) -> None:
        """Dismiss it, and have the server end its connection. `reason`: what the server tells it."""

    def mute(self, participant: Participant, muted: bool) -> None:
        """Perform nothing of it any more, or again."""

    def end_show(self) -> None:
        """End the show soon: what was sent goes out first."""


class Feature:
    """It is in effect from `start` to `close`. What is not overridden does nothing."""

    messages: Sequence[MessageRow[Any]] = ()
    commands: Sequence[Row] = ()

    async def start(self) -> None:
        """The deck is open."""

    async def close(self) -> None:
        """All participants are gone."""

    def joined(self, participant: Participant) -> None:
        """It is proven who this is; it is let in if it is `admitted`."""

    def followed(self, participant: Participant, old: Participant) -> None:
        """This is `old` again, in a new session. `old` leaves next."""

    def muted(self, participant: Participant) -> None:
        """It is, or is not any more."""

    def left(self, participant: Participant) -> None:
        """It left, or was sent away. It may never have joined."""

    def describe(self, participant: Participant, state: State) -> State:
        """The state with this feature's part, as this participant may see it."""
        return state

    def describe_room(self, room: RoomPart) -> RoomPart:
        """What operators are told of the room, with this feature's part."""
        return room

    def handle_timer(self, now: float) -> None:
        """A second has passed."""
