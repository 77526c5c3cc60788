"""Who did what, in the words of the log (`slidewire.audit.log`): one function for each thing that happens in a show.

Names are what presenters call themselves. No secret, no slide's content, no address: of slides only the numbers, of
links the id and the label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from slidewire.control.intents import Status

if TYPE_CHECKING:
    from slidewire.host.participants.participant import LastClick, Participant


class Audit(Protocol):
    def __call__(self, event: str, /, **fields: Any) -> None: ...


def nobody(event: str, /, **fields: Any) -> None:
    """Where nothing is written down."""


def joined(audit: Audit, participant: Participant) -> None:
    audit("joined" if participant.admitted else "waits_to_be_let_in", **_of(participant), label=participant.link.label)


def turned_away(audit: Audit, participant: Participant, why: str) -> None:
    audit("refused", **_of(participant), what="to join", reason=why)


def left(audit: Audit, participant: Participant) -> None:
    if participant.session.established:
        audit("left", **_of(participant), clicks=participant.clicks)


def clicked(audit: Audit, participant: Participant, click: LastClick) -> None:
    outcome = click.outcome
    fields: dict[str, Any] = {"what": str(click.intent), "status": outcome.status.word}
    if outcome.reason:
        fields["reason"] = outcome.reason.word
    if outcome.before is not None or outcome.after is not None:
        fields |= {"from": outcome.before, "to": outcome.after}
    audit("clicked" if outcome.status is Status.PERFORMED else "refused", **_of(participant), **fields)


_EVENTS: Final = {
    "remove": "kicked",
    "send_away": "sent_away",
    "make_link": "link_made",
    "revoke_link": "link_revoked",
    "free_link": "link_freed",
    "admit": "let_in",
    "end_show": "end_asked_for",
}
_SWITCHES: Final = {
    "mute": ("muted", "muted", "unmuted"),
    "share_screen": ("on", "screen_shared", "screen_hidden"),
    "record": ("on", "recording_began", "recording_ended"),
}
"""Commands that go both ways: by which field, and what either is called."""


def command(
    audit: Audit, by: Participant, participants: Mapping[int, Participant], asked: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], None]:
    """An operator's, about to be done: whom it is about may be gone afterwards. The rest hears the reply."""
    name = str(asked.get("name"))[:40]
    event = _event(name, asked)
    fields = _of(by)
    about = participants.get(session) if type(session := asked.get("session")) is int else None
    if about is not None:
        fields |= {"about": about.introduction.name, "about_session": f"{about.id:08x}"}

    def replied(reply: Mapping[str, Any]) -> None:
        if not reply.get("ok"):
            audit("refused", **fields, what=f"command {name}", reason=reply["error"]["code"])
            return
        if name == "make_link":
            role, label = str(asked.get("role", "click")), str(asked.get("label", ""))[:60]
            fields.update(about_link=reply["link"], about_role=role, about_label=label)
        elif name in ("revoke_link", "free_link", "send_away"):
            fields["about_link"] = str(asked.get("link"))[:20]
            fields.update({"count": reply["count"]} if "count" in reply else {})
        audit(event, **fields)

    return replied


def on_air_by_itself(audit: Audit, participant: Participant) -> None:
    """Nobody was, and it turned its camera or microphone on."""
    audit("put_on_air", **_of(participant))


def media_from_the_start(audit: Audit, event: str) -> None:
    """The screen is shared, or who is on air recorded, because the host was started so."""
    audit(event, who="the host")


def recording_failed(audit: Audit) -> None:
    audit("recording_ended", who="the host", reason="failed")


def _event(name: str, asked: Mapping[str, Any]) -> str:
    if name in _SWITCHES:
        field, on, off = _SWITCHES[name]
        return on if asked.get(field) is not False else off
    if name == "on_air":
        return "put_on_air" if asked.get("session") is not None else "taken_off_air"
    return _EVENTS.get(name, name)


def _of(participant: Participant) -> dict[str, Any]:
    return {
        "who": participant.introduction.name,
        "session": f"{participant.id:08x}",
        "role": str(participant.link.role),
        "link": participant.link.id,
    }
