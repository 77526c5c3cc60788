"""The programs as a user starts them, with the terminal presenter in place of the browser and the web deck on a machine
that has no display."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.decks import numbered_pdf
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def deck() -> str:
    return str(numbered_pdf(250))


async def test_a_line_in_is_a_receipt_out_without_any_display(slidewire: Programs, deck: str) -> None:
    host = await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)
    ready = await host.ready()
    assert ready["driver"] == "web"
    assert ready["presenter_link"].startswith(ready["https"] + "/p/")
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.say("next", "next", "goto 12", '{"intent": "previous", "id": "mine"}', "laser 0.5 0.5", "nonsense")
    receipts = await presenter.receipts(5)
    clicks = [receipt for receipt in receipts if receipt["intent"] != "laser 0.5 0.5"]
    moves = [(r["id"], r["intent"], r["status"], r["from"], r["to"]) for r in clicks]
    assert moves == [
        (1, "next", "performed", 1, 2),
        (2, "next", "performed", 2, 3),
        (3, "goto 12", "performed", 3, 12),
        ("mine", "previous", "performed", 12, 11),
    ]
    assert all(receipt["ms"] > 0 for receipt in receipts)
    mistake = await presenter.wait_for(event="error")
    assert mistake["code"] == "not_an_intent" and "goto N" in mistake["message"]
    assert await presenter.end_of_input() == 0


async def test_two_hundred_forward_and_two_hundred_back(slidewire: Programs, deck: str) -> None:
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.wait_for(event="connected", path="direct")
    await presenter.say(*["next"] * 200)
    forward = await presenter.receipts(200)
    assert [(r["from"], r["to"]) for r in forward] == [(slide, slide + 1) for slide in range(1, 201)]
    await presenter.say(*["previous"] * 200)
    back = (await presenter.receipts(400))[200:]
    assert [(r["from"], r["to"]) for r in back] == [(slide, slide - 1) for slide in range(201, 1, -1)]


async def test_ten_presenters_at_once_each_click_counted_once(slidewire: Programs, deck: str) -> None:
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    presenters = [await slidewire.start("present", ready["presenter_link"], "--no-direct") for _ in range(10)]
    for presenter in presenters:
        await presenter.wait_for(event="connected")
    for presenter in presenters:
        await presenter.say(*["next"] * 10)
    receipts = [receipt for presenter in presenters for receipt in await presenter.receipts(10)]
    assert sorted((r["from"], r["to"]) for r in receipts) == [(slide, slide + 1) for slide in range(1, 101)]


async def test_the_server_is_killed_and_comes_back(slidewire: Programs, deck: str) -> None:
    server = await slidewire.start("serve", *LOOPBACK)
    where = await server.ready()
    host = await slidewire.start("host", deck, "--server", where["https"], environment=NO_DISPLAY)
    ready = await host.ready()
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.wait_for(event="connected", path="direct")
    through_server = await slidewire.start("present", ready["presenter_link"], "--no-direct")
    await through_server.wait_for(event="connected", path="signaling")

    mark = len(through_server.events)
    await server.kill()
    await presenter.say(*["next"] * 5)
    assert [(r["to"], r["path"]) for r in await presenter.receipts(5)] == [(n, "direct") for n in range(2, 7)]
    await through_server.wait_for(event="disconnected", after=mark)

    await slidewire.start("serve", "--listen", "127.0.0.1", "--port", str(where["port"]))
    await through_server.wait_for(event="connected", path="signaling", after=mark, seconds=40)
    await through_server.say("next")
    assert (await through_server.receipts(1))[0]["to"] == 7
    newcomer = await slidewire.start("present", ready["presenter_link"], "--no-direct")
    await newcomer.say("next")
    assert (await newcomer.receipts(1))[0]["to"] == 8
    await presenter.say("next")
    assert (await presenter.receipts(6))[5]["to"] == 9


async def test_a_killed_host_comes_back_with_the_same_links(slidewire: Programs, deck: str) -> None:
    server = await slidewire.start("serve", *LOOPBACK)
    address = (await server.ready())["https"]
    first = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    ready = await first.ready()
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.wait_for(event="connected", path="direct")
    await first.kill()
    second = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    again = await second.ready()
    assert again["presenter_link"] == ready["presenter_link"] and again["room"] == ready["room"]
    mark = len(presenter.events)
    await presenter.say("next")
    receipt = await presenter.wait_for(event="receipt", after=mark)
    if receipt["status"] == "unknown":  # tapped before the new host was found: never replayed
        await presenter.say("next")
        receipt = (await presenter.receipts(2))[1]
    assert (receipt["status"], receipt["from"], receipt["to"]) == ("performed", 1, 2)


async def test_a_stopped_host_ends_its_links(slidewire: Programs, deck: str) -> None:
    server = await slidewire.start("serve", *LOOPBACK)
    address = (await server.ready())["https"]
    host = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    link = (await host.ready())["presenter_link"]
    presenter = await slidewire.start("present", link)
    await presenter.wait_for(event="connected")
    assert await host.stop() == 0
    closed = await presenter.wait_for(event="closed")
    assert closed["code"] == "room_ended"
    late = await slidewire.start("present", link)
    assert (await late.wait_for(event="closed"))["code"] == "room_ended"
    assert await late.process.wait() == 1
    assert "Traceback" not in late.errors and len(late.errors.strip().splitlines()) == 1


async def test_a_host_that_leaves_while_another_is_there_does_not_end_the_show(slidewire: Programs, deck: str) -> None:
    up = await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)
    ready = await up.ready()
    second = await slidewire.start(
        "host", deck, "--server", ready["https"], "--room", ready["room"], environment=NO_DISPLAY
    )
    assert (await second.ready())["presenter_link"] == ready["presenter_link"]
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.say("next")
    await presenter.receipts(1)
    assert await second.stop() == 0
    await presenter.say("next")
    assert (await presenter.receipts(2))[1]["to"] == 3
    assert up.process.returncode is None
    assert await up.stop() == 0
    assert (await presenter.wait_for(event="closed"))["code"] == "room_ended"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_host_that_the_system_stops_comes_back_with_the_same_links(
    slidewire: Programs, deck: str, number: signal.Signals
) -> None:
    server = await slidewire.start("serve", *LOOPBACK)
    address = (await server.ready())["https"]
    first = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    ready = await first.ready()
    presenter = await slidewire.start("present", ready["presenter_link"])
    await presenter.wait_for(event="connected", path="direct")
    await presenter.say("goto 7")
    await presenter.receipts(1)
    first.process.send_signal(number)
    assert await first.process.wait() == 0
    mark = len(presenter.events)
    second = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    assert (await second.ready())["presenter_link"] == ready["presenter_link"]
    await presenter.wait_for(event="connected", path="direct", after=mark, seconds=40)
    await presenter.say("next")
    receipt = (await presenter.receipts(2))[1]
    assert (receipt["status"], receipt["from"], receipt["to"]) == ("performed", 7, 8), "it goes on where it was"
    assert await second.stop() == 0
    assert (await presenter.wait_for(event="closed"))["code"] == "room_ended"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("up", "no-such-deck.pdf", *LOOPBACK), 1, "no-such-deck.pdf"),
        (("up", __file__, *LOOPBACK), 1, "PDF"),
        (("up", "show.odp", *LOOPBACK), 1, "show.odp"),
        (("up", "--port", "99999"), 2, "port"),
        (("up", "--http", "--listen", "0.0.0.0"), 1, "--http"),
        (("serve", "--listen", "127.0.0.1", "--tls-cert", "nothing.pem"), 1, "--tls-key"),
        (("host", "--server", "ftp://x"), 2, "https://"),
        (("present", "https://127.0.0.1:1/p/abcdefgh23"), 1, "after # is missing"),
        (("present", "not a link"), 1, "https://"),
        (("fly",), 2, "fly"),
    ],
)
async def test_what_cannot_work_ends_with_a_sentence(
    slidewire: Programs, arguments: tuple[str, ...], code: int, words: str
) -> None:
    program = await slidewire.start(*arguments, environment=NO_DISPLAY, json=arguments[0] != "fly")
    async with asyncio.timeout(20):
        assert await program.process.wait() == code
    assert words in program.errors
    assert "Traceback" not in program.errors


async def test_a_taken_port_is_named(slidewire: Programs) -> None:
    first = await slidewire.start("serve", *LOOPBACK)
    port = (await first.ready())["port"]
    second = await slidewire.start("serve", "--listen", "127.0.0.1", "--port", str(port))
    assert await second.process.wait() == 1
    assert str(port) in second.errors and "Traceback" not in second.errors


async def test_no_secret_reaches_the_logs(slidewire: Programs, deck: str) -> None:
    host = await slidewire.start("up", deck, *LOOPBACK, "-vv", environment=NO_DISPLAY)
    ready = await host.ready()
    presenter = await slidewire.start("present", ready["presenter_link"], "-vv")
    await presenter.say("next")
    await presenter.receipts(1)
    await host.stop()
    secrets = [ready[link].rpartition("#")[2].rpartition(".")[2] for link in ("presenter_link", "operator_link")]
    logs = host.errors + presenter.errors
    assert "presenter" in logs, "the logs say who came"
    for secret in secrets:
        assert secret not in logs


async def test_a_second_signal_is_obeyed_at_once(slidewire: Programs, deck: str, tmp_path: Path) -> None:
    host = await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)
    await host.ready()
    host.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(15):
        assert await host.process.wait() == 0
