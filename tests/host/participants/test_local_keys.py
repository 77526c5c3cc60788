"""A grant that is in no link lets the deck page on the host's own computer click, and nobody else."""

from __future__ import annotations

from slidewire.control.intents import Intent, Reason, Role, Verb
from slidewire.host.host import Host
from slidewire.host.participants.links import Room
from slidewire.host.participants.local_keys import local_grant
from slidewire.host.participants.participant import Participant
from tests.support.cheat import SERVER, DishonestServer, Speaker
from tests.support.messages import say

NEXT = Intent(Verb.NEXT)


async def a_show() -> tuple[DishonestServer, Room, Host, dict[str, Speaker]]:
    """Two deck pages by the one link."""
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    room.make_link(Role.OPERATOR, "operator")
    rule = room.make_link(Role.VIEW, "deck")
    server = DishonestServer()
    host = await server.add_host("h1", room)
    pages = {member: server.add_presenter(member, rule, direct=False) for member in ("here", "audience")}
    for page in pages.values():
        await page.ready()
    return server, room, host, pages


def participant_of(host: Host, member: str) -> Participant:
    return next(it for it in host.participants.values() if it.member == member)


def say_grant(page: Speaker, grant: str) -> None:
    session = page.connection.core.session
    assert session is not None
    say(session, type="local_grant", grant=grant)
    page.connection._drain()


async def test_only_the_page_that_has_the_grant_may_click() -> None:
    server, room, host, pages = await a_show()
    here, audience = (participant_of(host, member) for member in pages)
    assert here._permit(NEXT, host.show.position) is Reason.ROLE
    say_grant(pages["here"], local_grant(room))
    await pages["here"].until(lambda: here.is_local)
    assert here._permit(NEXT, host.show.position) is Reason.NONE
    assert audience._permit(NEXT, host.show.position) is Reason.ROLE
    assert (here._permit_laser(), here.link.role) == (Reason.ROLE, Role.VIEW)
    for participant, role in ((here, "click"), (audience, "view")):
        assert participant.held is not None and participant.held.you.role == role
    host.mute(here, True)
    assert here._permit(NEXT, host.show.position) is Reason.MUTED
    await server.close()


async def test_a_wrong_grant_gives_nothing_and_is_counted() -> None:
    server, room, host, pages = await a_show()
    audience = participant_of(host, "audience")
    wrong = ["", "A" * 22, local_grant(Room(b"t" * 16, SERVER, "", links=dict(room.links)))[:-1], "ä" * 22]
    for grant in wrong:
        say_grant(pages["audience"], grant)
    await pages["audience"].until(lambda: host.counts["local_grant_wrong"] == len(wrong))
    assert not audience.is_local
    await server.close()


def test_the_grant_is_in_no_link_and_stays_after_a_restart() -> None:
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    operator = room.make_link(Role.OPERATOR, "operator")
    deck = room.make_link(Role.VIEW, "deck")
    grant = local_grant(room)
    assert len(grant) == 22 and grant == local_grant(room)
    assert all(grant not in rule.link(SERVER).url for rule in (operator, deck))
    other = Room(b"t" * 16, SERVER, "", code="ROOM22")
    other.make_link(Role.OPERATOR, "operator")
    assert local_grant(other) != grant
