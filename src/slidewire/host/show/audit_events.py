"""Who did what, in the words of the log (`slidewire.audit.log`): one function for each thing that happens in a show.

Names are what presenters call themselves. No secret, no slide's content, no address: of slides only the numbers, of
links the id and the label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import UNSET

from slidewire.control import messages
from slidewire.control.intents import Status

if TYPE_CHECKING:
    from slidewire.host.participants.participant import LastClick, Participant


Fields = dict[str, object]
"""What one line of the log says, by name."""


class Audit(Protocol):
    def __call__(self, event: str, /, **fields: object) -> None: ...


def not_written(event: str, /, **fields: object) -> None:
    """Where no log is kept."""


def joined(audit: Audit, participant: Participant) -> None:
    audit("joined" if participant.admitted else "waits_to_be_let_in", **_of(participant), label=participant.link.label)


def turned_away(audit: Audit, participant: Participant, why: str) -> None:
    audit("refused", **_of(participant), what="to join", reason=why)


def left(audit: Audit, participant: Participant) -> None:
    if participant.session.established:
        audit("left", **_of(participant), clicks=participant.clicks)


def clicked(audit: Audit, participant: Participant, click: LastClick) -> None:
    outcome = click.outcome
    fields: Fields = {"what": str(click.intent), "status": outcome.status.word}
    if outcome.reason:
        fields["reason"] = outcome.reason.word
    if outcome.before is not None or outcome.after is not None:
        fields |= {"from": outcome.before, "to": outcome.after}
    audit("clicked" if outcome.status is Status.PERFORMED else "refused", **_of(participant), **fields)


def command(
    audit: Audit, by: Participant, participants: Mapping[int, Participant], asked: messages.Command, event: str
) -> Callable[[messages.Reply], None]:
    """An operator's, about to be done: who it is about may be gone afterwards. What is returned writes the reply."""
    request = asked.request
    fields = _of(by)
    about = participants.get(session) if (session := getattr(request, "session", None)) is not None else None
    if about is not None:
        fields |= {"about": about.introduction.name, "about_session": f"{about.id:08x}"}

    def replied(reply: messages.Reply) -> None:
        if isinstance(reply.error, messages.CommandFault):
            audit("refused", **fields, what=f"command {_name(request)}", reason=reply.error.code)
            return
        match request:
            case messages.MakeLink(role, label):
                fields.update(about_link=reply.link, about_role=role, about_label=label[:60])
            case messages.RevokeLink(link) | messages.FreeLink(link) | messages.SendAway(link):
                fields["about_link"] = link[:20]
        if reply.count is not UNSET:
            fields["count"] = reply.count
        audit(event, **fields)

    return replied


def _name(request: messages.CommandRequest | messages.Malformed | messages.UnknownMessage) -> str:
    if isinstance(request, messages.Malformed | messages.UnknownMessage):
        return request.type[:40]
    return messages.tag(type(request))


def on_air_by_itself(audit: Audit, participant: Participant) -> None:
    """No presenter was, and it turned its camera or microphone on."""
    audit("put_on_air", **_of(participant))


def media_from_the_start(audit: Audit, event: str) -> None:
    """The screen is shared, or who is on air recorded, because the host was started so."""
    audit(event, who="the host")


def recording_failed(audit: Audit) -> None:
    audit("recording_ended", who="the host", reason="failed")


def _of(participant: Participant) -> Fields:
    return {
        "who": participant.introduction.name,
        "session": f"{participant.id:08x}",
        "role": str(participant.link.role),
        "link": participant.link.id,
    }
