"""The table of operators' commands: every command has a row, and each is done once and answered."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from slidewire.control import messages
from slidewire.control.intents import Role
from slidewire.host.host import Host
from slidewire.host.participants.commands import CommandError, CommandRow, Commands
from slidewire.host.participants.links import Room
from slidewire.host.participants.participant import Participant
from tests.support.cheat import SERVER, DishonestServer
from tests.support.messages import as_json, say


async def a_host() -> tuple[DishonestServer, Host, Participant, Participant]:
    """An operator and somebody who clicks."""
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    rules = room.make_link(Role.OPERATOR, "operator"), room.make_link(Role.CLICK, "p")
    server = DishonestServer()
    agent = await server.add_host("h1", room)
    for number, rule in enumerate(rules):
        await server.add_presenter(f"m{number}", rule, direct=False).ready()
    found = {participant.link.role: participant for participant in agent.participants.values()}
    return server, agent, found[Role.OPERATOR], found[Role.CLICK]


async def test_every_command_has_a_row_whose_reply_is_told() -> None:
    server, agent, _, _ = await a_host()
    assert {row.request for row in agent._commands.rows.values()} == set(get_args(messages.CommandRequest))
    for row in agent._commands.rows.values():
        assert set(row.reply.__struct_fields__) <= set(messages.Reply.__struct_fields__)
        assert row.role is Role.OPERATOR
    await server.close()


async def test_a_command_is_done_once_and_a_repeated_one_gets_the_same_reply() -> None:
    server, _, boss, ada = await a_host()
    done: list[messages.Mute] = []

    def mute(by: Participant, request: messages.Mute) -> messages.Done:
        done.append(request)
        return messages.Done()

    commands = Commands([CommandRow(messages.Mute, mute, lambda request: "muted")])
    asked = messages.Command(1, messages.Mute(ada.id))
    assert commands.receive(boss, asked) is commands.receive(boss, asked)
    assert done == [messages.Mute(ada.id)]
    await server.close()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (messages.UnknownMessage("start_timer"), "command_unknown"),
        (messages.Malformed("mute", "A session is a number."), "malformed"),
        (messages.Mute(7), "presenter_unknown"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_a_code(
    request_: messages.Mute | messages.Malformed | messages.UnknownMessage, code: str
) -> None:
    def mute(by: Participant, request: messages.Mute) -> messages.Done:
        raise CommandError("presenter_unknown", "This presenter is not here any more.")

    server, _, boss, ada = await a_host()
    commands = Commands([CommandRow(messages.Mute, mute, lambda request: "muted")])
    for by, expected in ((boss, code), (ada, "not_allowed")):
        reply = commands.receive(by, messages.Command(2, request_))
        assert (reply.id, reply.ok) == (2, False)
        assert isinstance(reply.error, messages.CommandFault) and reply.error.code == expected
    await server.close()


async def test_what_a_later_operator_asks_for_is_answered_and_what_stands_beside_it_is_done() -> None:
    server, _, boss, ada = await a_host()
    told: list[dict[str, Any]] = []
    send = boss.send_message

    def noting(message: messages.FromHost) -> bool:
        if not isinstance(message, messages.StateMessage):
            told.append(as_json(message))
        return send(message)

    boss.send_message = noting  # type: ignore[method-assign]
    speaker = next(speaker for member, speaker in server.presenters.items() if member == boss.member)
    session = speaker.connection.core.session
    assert session is not None
    say(session, type="cue", colour="green")
    say(session, type="command", id=1, name="start_timer", seconds=300)
    say(session, type="command", id=2, name="mute", session=ada.id, muted=True, softly=True)
    say(session, type="command", id=3, name="mute", session="Ada")
    speaker.connection._drain()
    await speaker.until(lambda: len(told) == 4)
    assert ada.muted
    assert told[0]["type"] == "error" and told[0]["code"] == "type_unknown" and "'cue'" in told[0]["message"]
    answers = {reply["id"]: (reply["ok"], reply.get("error", {}).get("code")) for reply in told[1:]}
    assert answers == {1: (False, "command_unknown"), 2: (True, None), 3: (False, "malformed")}
    await server.close()
