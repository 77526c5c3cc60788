"""What operators see of the room, and what each presenter sees of itself."""

from __future__ import annotations

from slidewire.control import state
from slidewire.control.messages import MakeLink
from slidewire.host.participants.commands import CommandError
from slidewire.host.participants.links import LinkRule
from slidewire.host.participants.participant import Participant


def check_new_link(asked: MakeLink) -> None:
    """What the types of its fields do not say. Raises `CommandError`."""
    if asked.opens_in is not None and asked.expires_in is not None and asked.opens_in >= asked.expires_in:
        raise CommandError("malformed", "A link opens before it expires.")
    if asked.first is not None and asked.last is not None and asked.first > asked.last:
        raise CommandError("malformed", "The first slide of a link comes before its last.")


def printable_label(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60]


def describe_link(rule: LinkRule, server: str, now: float) -> state.LinkEntry:
    return state.LinkEntry(
        id=rule.id,
        url=rule.link(server).url,
        label=rule.label,
        role=str(rule.role),
        page=rule.page,
        not_before=rule.not_before,
        expires=rule.expires,
        first=rule.first,
        last=rule.last,
        one_device=rule.one_device,
        in_use=rule.device is not None,
        by_hand=rule.by_hand,
        revoked=rule.revoked,
        expired=rule.has_expired(now),
    )


def describe_you(participant: Participant) -> state.YouPart:
    """What a presenter is told of itself."""
    link = participant.link
    return state.YouPart(
        role=str(link.role),
        muted=participant.muted,
        name=participant.introduction.name,
        admitted=participant.admitted,
        first=link.first,
        last=link.last,
        expires=link.expires,
    )


def describe_participant(participant: Participant) -> state.PresenterEntry:
    path, round_trip = participant.best_path()
    last = participant.last
    return state.PresenterEntry(
        session=participant.id,
        name=participant.introduction.name,
        kind=participant.introduction.kind,
        role=str(participant.link.role),
        link=participant.link.id,
        muted=participant.muted,
        admitted=participant.admitted,
        words=participant.session.sas,
        path=path,
        rtt_ms=None if round_trip is None else round(round_trip * 1000),
        clicks=participant.clicks,
        last=None
        if last is None
        else state.LastClick(
            str(last.intent),
            last.outcome.status.word,
            last.outcome.reason.word,
            last.outcome.before,
            last.outcome.after,
        ),
        since=participant.since,
    )
