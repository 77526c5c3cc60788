"""`slidewire link` against a running show, and what its links let a presenter do: programs as a user starts them."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from slidewire.control.links import parse_link
from tests.support.decks import numbered_pdf
from tests.support.programs import LOOPBACK, NO_DISPLAY, Program, Programs

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def show(slidewire: Programs) -> dict[str, Any]:
    host = await slidewire.start("up", str(numbered_pdf(250)), *LOOPBACK, environment=NO_DISPLAY)
    return await host.ready()


async def link(slidewire: Programs, *arguments: str, code: int = 0) -> Program:
    """Run `slidewire link …` to its end."""
    program = await slidewire.start("link", *arguments)
    async with asyncio.timeout(30):
        assert await program.process.wait() == code, program.errors
    await program._reader
    assert "Traceback" not in program.errors
    return program


async def elsewhere(slidewire: Programs, tmp_path: Path, url: str) -> Program:
    """Somebody else's device: a presenter with a home of its own, that trusts this server."""
    authority = str(slidewire.home / "slidewire" / "authority.pem")
    home = {"XDG_DATA_HOME": str(tmp_path / os.urandom(3).hex())}
    return await slidewire.start("present", url, "--no-direct", "--ca", authority, environment=home)


async def test_a_link_is_made_listed_used_and_revoked(slidewire: Programs) -> None:
    ready = await show(slidewire)
    made = await link(slidewire, "make", "--label", "Ada", "--slides", "10-12", "--for", "90m", "--one-device")
    (row,) = made.events
    assert (row["event"], row["label"], row["first"], row["last"]) == ("link", "Ada", 10, 12)
    assert row["one_device"] and not row["in_use"] and not row["by_hand"] and not row["revoked"]
    assert row["expires"] == pytest.approx(time.time() + 5400, abs=60)
    assert parse_link(row["url"]).link_id == row["id"]

    presenter = await slidewire.start("present", row["url"], "--no-direct")
    words = (await presenter.wait_for(event="connected"))["words"]
    assert len(words.split()) == 5
    await presenter.say("next", "goto 11", "next", "next", "goto 13")
    said = [(r["intent"], r["status"], r.get("reason"), r["to"]) for r in await presenter.receipts(5)]
    assert said == [
        ("next", "refused", "range", None),
        ("goto 11", "performed", None, 11),
        ("next", "performed", None, 12),
        ("next", "refused", "range", None),
        ("goto 13", "refused", "range", None),
    ]
    listed = {row["id"]: row for row in (await link(slidewire, "list")).events}
    assert listed[row["id"]]["in_use"]
    assert [row["label"] for row in listed.values()] == ["Presenter", "Operator", "Deck", "Program", "Ada"]

    revoked = await link(slidewire, "revoke", "Ada", "--operator", ready["operator_link"])
    assert revoked.events == [{"event": "revoked", "id": row["id"], "label": "Ada"}]
    assert (await presenter.wait_for(event="closed"))["code"] == "link_revoked"
    late = await slidewire.start("present", row["url"])
    assert (await late.wait_for(event="closed"))["code"] == "link_revoked"


async def test_a_one_device_link_is_refused_to_another_device_and_kept_for_its_own(
    slidewire: Programs, tmp_path: Path
) -> None:
    await show(slidewire)
    (row,) = (await link(slidewire, "make", "--one-device", "--label", "Ada")).events
    first = await slidewire.start("present", row["url"], "--no-direct")
    await first.say("next")
    assert (await first.receipts(1))[0]["to"] == 2
    thief = await elsewhere(slidewire, tmp_path, row["url"])
    closed = await thief.wait_for(event="closed")
    assert closed["code"] == "link_in_use" and "operator" in closed["reason"]
    assert await thief.process.wait() == 1
    await first.end_of_input()
    again = await slidewire.start("present", row["url"], "--no-direct")
    await again.say("next")
    assert (await again.receipts(1))[0]["to"] == 3
    await link(slidewire, "free", row["id"])
    assert (await again.wait_for(event="closed"))["code"] == "link_freed"
    other = await elsewhere(slidewire, tmp_path, row["url"])
    await other.say("next")
    assert (await other.receipts(1))[0]["to"] == 4


async def test_a_link_for_later_says_when_it_opens(slidewire: Programs) -> None:
    await show(slidewire)
    assert "30 days" in (await link(slidewire, "make", "--from", "2099-01-01T14:00", code=1)).errors
    tomorrow = time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() + 86400))
    (row,) = (await link(slidewire, "make", "--from", tomorrow, "--for", "1h30m")).events
    assert row["expires"] - row["not_before"] == pytest.approx(5400, abs=1)
    early = await slidewire.start("present", row["url"])
    closed = await early.wait_for(event="closed")
    assert closed["code"] == "link_not_yet" and tomorrow.replace("T", " ") in closed["reason"]
    assert await early.process.wait() == 1


async def test_for_people_there_is_the_link_its_qr_code_and_its_rules(slidewire: Programs) -> None:
    await show(slidewire)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slidewire.cli.main", "link", "make", "--role", "laser", "--slides", "5-", "--by-hand"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "XDG_DATA_HOME": str(slidewire.home)},
    )
    async with asyncio.timeout(30):
        out = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert "█" in out and "/p/" in out and "points only · slides 5–end · let in by hand" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("list",), 1, "No show of yours is running"),
        (("list", "--operator", "https://127.0.0.1:1/operator#x"), 1, "link"),
        (("make", "--slides", "20-10"), 2, "the first comes first"),
        (("make", "--slides", "none"), 2, "10-20"),
        (("make", "--for", "soon"), 2, "1h30m"),
        (("make", "--from", "teatime"), 2, "14:00"),
        (("make", "--until", "2001-01-01T00:00"), 2, "later"),
        (("make", "--until", "14:00", "--for", "1h"), 2, "not both"),
        (("make", "--role", "king"), 2, "role"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_done_is_said_in_a_sentence(
    slidewire: Programs, arguments: tuple[str, ...], code: int, words: str
) -> None:
    program = await link(slidewire, *arguments, code=code)
    assert words in program.errors


async def test_only_an_operator_makes_links(slidewire: Programs) -> None:
    ready = await show(slidewire)
    refused = await link(slidewire, "make", "--operator", ready["presenter_link"], code=1)
    assert "not an operator link" in refused.errors
    unknown = await link(slidewire, "revoke", "Nobody", code=1)
    assert "There is no such link" in unknown.errors
    waiting = (await link(slidewire, "make", "--role", "operator", "--by-hand")).events[0]["url"]
    assert "let you in" in (await link(slidewire, "list", "--operator", waiting, code=1)).errors


async def test_the_newest_show_is_the_one_that_runs(slidewire: Programs) -> None:
    """A show that was killed left its room behind; one that ended on purpose too."""
    killed = await slidewire.start("up", str(numbered_pdf(250)), *LOOPBACK, environment=NO_DISPLAY)
    await killed.ready()
    first = await slidewire.start("up", str(numbered_pdf(249)), *LOOPBACK, environment=NO_DISPLAY)
    ready = await first.ready()
    last = await slidewire.start("up", str(numbered_pdf(248)), *LOOPBACK, environment=NO_DISPLAY)
    await last.ready()
    await last.kill()
    listed = (await link(slidewire, "list")).events
    assert ready["presenter_link"] in [row["url"] for row in listed]
