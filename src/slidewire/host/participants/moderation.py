"""Moderation as a feature of the show: operators mute, admit and remove presenters, and end the show."""

from __future__ import annotations

from slidewire.control import messages
from slidewire.host.participants.admission import let_in, send_away
from slidewire.host.participants.commands import CommandError, CommandRow
from slidewire.host.participants.link_commands import link_of
from slidewire.host.participants.participant import Participant
from slidewire.host.show.feature import Feature, Services

SENT_AWAY = "The operator sent away who came by this link."


class Moderation(Feature):
    def __init__(self, host: Services) -> None:
        self._host = host
        m = messages
        self.commands = (
            CommandRow(
                *(m.Mute, self._mute, lambda request: "muted" if request.muted else "unmuted"),
                not_to_oneself=True,
            ),
            CommandRow(m.Admit, self._admit, lambda request: "let_in"),
            CommandRow(m.Remove, self._remove, lambda request: "kicked", not_to_oneself=True),
            CommandRow(m.SendAway, self._send_away, lambda request: "sent_away"),
            CommandRow(m.EndShow, self._end_show, lambda request: "end_asked_for"),
        )

    def _mute(self, by: Participant, request: messages.Mute) -> messages.Done:
        self._host.mute(self._participant(request.session), request.muted)
        return messages.Done()

    def _admit(self, by: Participant, request: messages.Admit) -> messages.Done:
        participant = self._participant(request.session)
        participant.admitted = True
        participant.send_message(messages.Reoffer())
        self._host.change_rule(let_in(participant.link, participant.introduction.device))
        self._host.tell_whole(participant)
        return messages.Done()

    def _remove(self, by: Participant, request: messages.Remove) -> messages.Done:
        participant = self._participant(request.session)
        self._host.change_rule(send_away(participant.link, participant.introduction.device))
        text = "The operator removed you from the show."
        self._host.expel(participant, "removed", text, "The operator removed this presenter.")
        return messages.Done()

    def _send_away(self, by: Participant, request: messages.SendAway) -> messages.SentAway:
        """Remove all members that came by a link, or those of them at one address; not the operator who asks for it."""
        host, origin = self._host, request.origin
        rule = link_of(host.room, request.link)
        gone = [member for member in host.members.by(rule.id, origin) if member != by.member]
        for participant in host.participants_by(rule):
            if participant is not by and (origin is None or participant.member in gone):
                host.change_rule(send_away(host.room.links[rule.id], participant.introduction.device))
                host.dismiss(participant, "removed", SENT_AWAY)
        if host.signaling is not None:
            for member in gone:
                host.signaling.remove_member(member, SENT_AWAY)
        return messages.SentAway(len(gone))

    def _end_show(self, by: Participant, request: messages.EndShow) -> messages.Done:
        self._host.end_show()
        return messages.Done()

    def _participant(self, session: int) -> Participant:
        participant = self._host.participants.get(session)
        if participant is None:
            raise CommandError("presenter_unknown", "This presenter is not here any more.")
        return participant
