"""A show of real programs goes on while somebody with a link of each role says whatever he likes to its host.

One speaker clicks by way of the server and one by a direct path; what the hostile programs say comes from seeds. The
play without sockets, which is a thousand times as much, is `python -m tests.fuzz hostile`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.programs import NO_DISPLAY, Program, programs

SEED = 8656
SECONDS = 45.0
"""For each role."""
CLICK_EVERY = 0.5


async def attack(link: str, ca: str, seed: int, seconds: float) -> dict[str, int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.attack.hostile_client", str(seconds), str(seed), ca),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate(f"{link}\n".encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return dict(json.loads(said))


async def click(speakers: list[Program], attacking: asyncio.Task[dict[str, int]], clicks: int) -> int:
    """How many clicks each speaker has made. Each was performed once, and none is owed."""
    while not attacking.done():
        clicks += 1
        for speaker in speakers:
            await speaker.say(f"goto {clicks % 2 + 1}")
        await asyncio.sleep(CLICK_EVERY)
    for speaker in speakers:
        receipts = await speaker.receipts(clicks, 60)
        assert {receipt["status"] for receipt in receipts} == {"performed"}
        assert [receipt["id"] for receipt in receipts] == list(range(1, clicks + 1))
        assert not [event for event in speaker.events if event["event"] == "closed"]
    return clicks


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_who_keeps_to_nothing_loses_nobody_a_click(tmp_path: Path) -> None:
    async with programs(tmp_path) as started:
        host = await started.start("up", "--listen", "127.0.0.1", "--port", "0", "--no-open", environment=NO_DISPLAY)
        ready = await host.ready()
        ca = ready["ca"]
        speakers = [
            await started.start("present", ready["presenter_link"], "--ca", ca, *options)
            for options in (("--no-direct",), ())
        ]
        for speaker, path in zip(speakers, ("signaling", "direct"), strict=True):
            await speaker.wait_for(event="connected", path=path)
        links = {"view": ready["deck_link"], "click": ready["presenter_link"], "operator": ready["operator_link"]}
        made = await started.start("link", "make", "--role", "laser")
        links["laser"] = (await made.wait_for(event="link"))["url"]
        clicks, fates = 0, {}
        for number, (role, link) in enumerate(links.items()):
            attacking = asyncio.create_task(attack(link, ca, SEED + number, SECONDS))
            clicks = await click(speakers, attacking, clicks)
            fates[role] = attacking.result()
            sys.stdout.write(f"{role}: {clicks} clicks so far, {fates[role]}\n")
        worst = {path: _longest(speaker) for path, speaker in zip(("signaling", "direct"), speakers, strict=True)}
        sys.stdout.write(f"longest click in ms: {worst}\n")
        assert all(sum(count for what, count in told.items() if "frames" in what) > 200 for told in fates.values())
        assert "Traceback" not in host.errors and not re.search(r"^ERROR", host.errors, re.MULTILINE), host.errors[
            -5000:
        ]


def _longest(speaker: Program) -> float:
    return max(float(event["ms"]) for event in speaker.events if event["event"] == "receipt")
