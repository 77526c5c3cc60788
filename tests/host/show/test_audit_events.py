"""What a host writes down of a show: the real agent, real presenters, and the file."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from slidewire.audit.log import AuditLog, records, verify
from slidewire.control.intents import Intent, Reason, Role, Status, Verb
from slidewire.control.messages import Command, MakeLink
from slidewire.host.host import Host
from slidewire.host.participants.links import Room
from tests.support.cheat import SERVER, DishonestServer, Speaker
from tests.support.messages import say

NEXT = Intent(Verb.NEXT)
IDS = itertools.count(1)


async def command(speaker: Speaker, **fields: Any) -> None:
    session = speaker.connection.core.session
    assert session is not None
    say(session, type="command", id=next(IDS), **fields)
    speaker.connection._drain()


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path, time.time)


async def a_show(log: AuditLog) -> tuple[DishonestServer, Host]:
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    room.make_link(Role.CLICK, "p", "Presenter")
    room.make_link(Role.VIEW, "p", "Watcher")
    room.make_link(Role.OPERATOR, "operator", "Operator")
    server = DishonestServer()
    agent = await server.add_host("h1", room)
    agent.audit = log.write
    return server, agent


async def test_who_did_what_is_written_down_and_nothing_that_is_secret(tmp_path: Path, log: AuditLog) -> None:
    server, agent = await a_show(log)
    click, view, run = agent.room.links.values()
    ada, bob, boss = (
        server.add_presenter(m, rule, direct=False) for m, rule in (("m1", click), ("m2", view), ("m3", run))
    )
    for speaker in (ada, bob, boss):
        await speaker.ready()
    assert (await ada.tap(NEXT)).status is Status.PERFORMED
    assert (await bob.tap(NEXT)).reason is Reason.ROLE
    participant = next(participant for participant in agent.participants.values() if participant.link.id == click.id)
    await command(boss, name="make_link", role="laser", label="Participant")
    await boss.until(lambda: len(agent.room.links) == 4)
    made = list(agent.room.links.values())[-1]
    await command(boss, name="revoke_link", link=made.id)
    await command(ada, name="end_show")
    await command(boss, name="mute", session=participant.id, muted=True)
    await boss.until(lambda: participant.muted)
    await command(boss, name="remove", session=participant.id)
    await boss.until(lambda: participant.id not in agent.participants)
    agent.end_room()
    await server.close()
    log.close()

    assert verify(log.folder).ok
    found = list(records(log.folder))
    told = [(record["event"], record.get("role"), record.get("what") or record.get("about_label")) for record in found]
    for expected in (
        ("joined", "click", None),
        ("joined", "view", None),
        ("joined", "operator", None),
        ("clicked", "click", "next"),
        ("refused", "view", "next"),
        ("link_made", "operator", "Participant"),
        ("link_revoked", "operator", None),
        ("refused", "click", "command end_show"),
        ("muted", "operator", None),
        ("kicked", "operator", None),
        ("left", "click", None),
        ("show_ended", None, None),
    ):
        assert told.count(expected) == 1, (expected, told)
    clicked = next(record for record in found if record["event"] == "clicked")
    assert (clicked["who"], clicked["link"], clicked["status"]) == ("Ada", click.id, "performed")
    assert (clicked["from"], clicked["to"]) == (1, 2)
    refused = next(record for record in found if record["event"] == "refused" and record["role"] == "view")
    assert (refused["status"], refused["reason"]) == ("refused", "role")
    kicked = next(record for record in found if record["event"] == "kicked")
    assert (kicked["about"], kicked["about_session"]) == ("Ada", f"{participant.id:08x}")

    text = b"".join(path.read_bytes() for path in log.folder.glob("*.jsonl"))
    for rule in agent.room.links.values():
        link = rule.link(SERVER)
        for secret in (link.url.partition("#")[2], rule.secret.hex(), link.psk.hex(), link.join_token.hex()):
            assert secret.encode() not in text


async def test_a_repeated_command_is_written_down_once(log: AuditLog) -> None:
    server, agent = await a_show(log)
    boss = server.add_presenter("m3", agent.room.first("operator"), direct=False)
    await boss.ready()
    (participant,) = agent.participants.values()
    asked = Command(7, MakeLink("view", "Once"))
    assert agent._commands.receive(participant, asked) == agent._commands.receive(participant, asked)
    await server.close()
    log.close()
    assert [record["event"] for record in records(log.folder)].count("link_made") == 1


async def test_half_a_character_in_what_somebody_says_stops_nobody(log: AuditLog) -> None:
    """JSON can name half a character, UTF-8 cannot: what is repeated of it must not fail where it is sent."""
    server, agent = await a_show(log)
    click, run = agent.room.first("p"), agent.room.first("operator")
    eve, boss = server.add_presenter("m1", click, direct=False), server.add_presenter("m2", run, direct=False)
    await eve.ready()
    await boss.ready()
    session = eve.connection.core.session
    assert session is not None
    for said in (
        {"type": "picture", "id": "\ud800"},
        {"type": "\udfff"},
        {"type": "command", "id": 1, "name": "\ud800"},
    ):
        assert say(session, **said)
    eve.connection._drain()
    await command(boss, name="make_link", label="\ud800Participant")
    await command(boss, name="make_link", label="Participant")
    await boss.until(lambda: len(agent.room.links) == 4)
    assert list(agent.room.links.values())[-1].label == "Participant"
    assert agent.counts["malformed_message"] == 4, "none of them is a message"
    assert (await eve.tap(NEXT)).status is Status.PERFORMED
    await server.close()
    log.close()
    assert verify(log.folder).ok
