"""Through our own relay and nothing else, between real programs: over UDP, over TCP, and over TLS on the web's port.

Host and speaker are told to use a relay only (`--privacy private`), so that every byte of their data channels crosses
the server's relay, twice: each end has an allocation of its own.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from slidewire.testing.network import NetworkConditions
from tests.support.browser import canvas, chromium, difference, says, tap, until, visitors
from tests.support.lab import UDP, Lab, Machine
from tests.support.programs import NO_DISPLAY, Program, Programs, programs

SLIDES = 9
PATIENCE = 30_000
NEAR = NetworkConditions(delay=0.005)

pytestmark = pytest.mark.lab


def noisy_deck(folder: Path, slides: int = SLIDES) -> list[Image.Image]:
    """Pictures that hardly compress: half a megabyte each on a phone."""
    folder.mkdir()
    dice = random.Random(8656)
    pictures = []
    for number in range(1, slides + 1):
        noise = Image.frombytes("RGB", (960, 540), dice.randbytes(960 * 540 * 3))
        colour = Image.new("RGB", noise.size, tuple(dice.randrange(256) for _ in range(3)))
        pictures.append(Image.blend(colour, noise, 0.6))
        pictures[-1].save(folder / f"{number:02}.png")
    return pictures


@contextlib.asynccontextmanager
async def chromium_on(machine: Machine, link: str) -> AsyncIterator[Page]:
    # The flag is for TURN over TLS: what a person agrees to on a page does not count there.
    async with chromium("--ignore-certificate-errors", on=machine) as browser, visitors(browser) as everybody:
        yield await everybody.open(link)


class Show:
    def __init__(self, lab: Lab, started: Programs, transport: str) -> None:
        self._programs = started
        self.server = lab.machine("server")
        self.host = lab.machine("host", NEAR)
        self.speaker = lab.machine("speaker", NEAR)
        if transport != "udp":
            for machine in (self.host, self.speaker):
                machine.link.block(UDP)
        if transport == "tls":
            chain = "type filter hook input priority 0; tcp dport 3478 drop;"
            self.server.namespace.run("nft", "-f", "-", given=f"table ip only {{\nchain in {{\n{chain}\n}}\n}}\n")

    async def begin(self, deck: Path) -> str:
        """The presenter link."""
        served = await self.start(self.server, "serve", "--listen", self.server.address)
        ready = await served.ready()
        assert ready["turn"] == {"udp": 3478, "tcp": 3478, "tls": ready["port"]}
        host = await self.start(self.host, "host", str(deck), "--privacy", "private", "--server", ready["https"])
        return str((await host.ready())["presenter_link"])

    async def start(self, machine: Machine, *arguments: str) -> Program:
        return await self._programs.start(*arguments, environment=NO_DISPLAY, within=machine.command())


@pytest.fixture(params=["udp", "tcp", "tls"])
async def show(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> AsyncIterator[Show]:
    async with programs(tmp_path / "home") as started:
        yield Show(lab, started, request.param)


@pytest.mark.browser
async def test_clicks_and_pictures_pass_for_a_browser(
    show: Show, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pictures = noisy_deck(tmp_path / "deck")
    link = await show.begin(tmp_path / "deck")
    async with chromium_on(show.speaker, link) as page:
        await expect(page.get_by_test_id("connection")).to_contain_text("Connected through a relay", timeout=PATIENCE)
        began = time.monotonic()
        for number in range(1, SLIDES):
            await tap(page, "next")
            await says(page, f"{number} → {number + 1}")

            async def shown(number: int = number) -> bool:
                return difference(await canvas(page), pictures[number]) < 6

            await until(shown, f"the picture of slide {number + 1}", seconds=20)
        record_property("seconds for eight slides", round(time.monotonic() - began, 2))
        await expect(page.get_by_test_id("connection")).to_contain_text("Connected through a relay")


async def test_clicks_pass_for_a_terminal(show: Show, tmp_path: Path) -> None:
    noisy_deck(tmp_path / "deck", 4)
    link = await show.begin(tmp_path / "deck")
    speaker = await show.start(show.speaker, "present", link)
    await speaker.wait_for(event="connected", path="relayed", seconds=PATIENCE / 1000)
    for number in range(1, 4):
        await speaker.say("next")
        receipt = (await speaker.receipts(number))[-1]
        assert (receipt["status"], receipt["to"]) == ("performed", number + 1)


async def test_nobody_s_address_is_told(lab: Lab, tmp_path: Path) -> None:
    """Neither end says anything to the other but through the server, from the first packet to the last."""
    async with programs(tmp_path / "home") as started:
        show = Show(lab, started, "udp")
        noisy_deck(tmp_path / "deck", 2)
        link = await show.begin(tmp_path / "deck")
        speaker = await show.start(show.speaker, "present", link)
        await speaker.wait_for(event="connected", path="relayed", seconds=PATIENCE / 1000)
        for machine, other in ((show.host, show.speaker), (show.speaker, show.host)):
            reached = {address for _, address in machine.link.counts()}
            assert show.server.address in reached and other.address not in reached, reached
