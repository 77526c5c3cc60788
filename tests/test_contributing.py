"""What CONTRIBUTING.md promises of additions: each is made in a copy of the package, with the files named there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, HOST = "src/slidewire/control", "src/slidewire/host"
GENERATED = ("web/src/protocol/messages.ts", "web/tests/support/examples.ts", "protocol/control.md")


@dataclass(frozen=True)
class Addition:
    section: str
    """Of CONTRIBUTING.md."""
    most: int
    """Files."""
    edits: dict[str, list[tuple[str, str]]]
    """By file: what stands there, and what stands there afterwards. Nothing stands in a new file."""
    proof: str
    """A program that ends well where the addition works."""


INTENT = Addition(
    "Adding an intent",
    4,
    {
        f"{CORE}/intents.py": [("    WHITE = 9\n", "    WHITE = 9\n    REPLAY = 10\n")],
        "web/src/protocol/records.ts": [("'black', 'white'] as const", "'black', 'white', 'replay'] as const")],
        "web/src/ui/slide_keys.ts": [("Comma: 'white'", "Comma: 'white', KeyR: 'replay'")],
        f"{HOST}/decks/web/driver.py": [
            ('"white", "laser"})', '"white", "replay", "laser"})'),
            (
                "            case Verb.BLACK | Verb.WHITE:\n",
                "            case Verb.REPLAY:\n                pass\n            case Verb.BLACK | Verb.WHITE:\n",
            ),
        ],
    },
    """
import asyncio
from slidewire.control.intents import Intent, Reason, Status, Verb
from slidewire.control.records import IntentRecord, decode, encode
from slidewire.host.decks.web.driver import WebDeck
from slidewire.presenter.lines import read_line
from slidewire.testing.deck import MemoryDeck

async def main():
    deck = WebDeck()
    await deck.open()
    outcome = await deck.perform(Intent(Verb.REPLAY))
    assert outcome.status is Status.PERFORMED and outcome.after == 1
    await deck.close()
    assert (await MemoryDeck().perform(Intent(Verb.REPLAY))).reason is Reason.UNSUPPORTED

asyncio.run(main())
record = IntentRecord(1, 2, Intent(Verb.REPLAY))
assert decode(encode([record])) == [record]
assert read_line("replay", 1).action == Intent(Verb.REPLAY)
""",
)
MESSAGE = Addition(
    "Adding a sealed message, a command or a field of the state",
    2,
    {
        f"{CORE}/messages.py": [
            (
                "class LocalGrant(",
                'class Wave(Message, frozen=True, tag="wave"):\n    """Raise a hand."""\n\n\nclass LocalGrant(',
            ),
            ("    Offer | Candidate |", "    Offer | Wave | Candidate |"),
            (
                "class EndShow(",
                ('class LowerHand(Request, frozen=True, tag="lower_hand"):\n    session: int\n\n\nclass EndShow('),
            ),
            ("    Mute | Admit |", "    Mute | LowerHand | Admit |"),
        ],
        f"{HOST}/participants/moderation.py": [
            (
                "        m = messages\n",
                (
                    "        m = messages\n        self.waving = set()\n"
                    "        wave = lambda participant, message: self.waving.add(participant.id)\n"
                    "        from slidewire.control.quotas import Request\n"
                    "        from slidewire.host.show.feature import MessageRow\n"
                    "        self.messages = (MessageRow(m.Wave, Request.COMMAND, wave),)\n"
                ),
            ),
            (
                "            CommandRow(m.Admit",
                '            CommandRow(m.LowerHand, self._lower, lambda _: "low"),\n            CommandRow(m.Admit',
            ),
            (
                "    def _admit(",
                (
                    "    def _lower(self, by, request):\n        self.waving.discard(request.session)\n"
                    "        return messages.Done()\n\n    def _admit("
                ),
            ),
        ],
    },
    """
from types import SimpleNamespace
from slidewire.control import messages
from slidewire.host.participants.moderation import Moderation

wave = messages.read_from_presenter(b'{"type":"wave"}')
assert isinstance(wave, messages.Wave)
feature = Moderation(SimpleNamespace())
(row,) = feature.messages
row.handler(SimpleNamespace(id=7), wave)
command = messages.read_from_presenter(b'{"type":"command","id":1,"name":"lower_hand","session":7}')
(lower,) = [row for row in feature.commands if row.request is type(command.request)]
assert feature.waving == {7}
lower.handler(None, command.request)
assert feature.waving == set()
""",
)
DRIVER = Addition(
    "Adding a deck driver",
    2,
    {
        f"{HOST}/decks/text.py": [
            (
                "",
                """
from slidewire.control.intents import Intent, Outcome, Reason, Status
from slidewire.host.decks.driver import DeckDriver, DeckState, DeckStatus, Reported, Reports


class TextDeck(DeckDriver):
    driver = "text"
    can = frozenset({"first"})
    reports = Reports(show=Reported.NONE, slide=Reported.PUSHED)
    hold_at_end = True

    def state(self):
        return DeckState(DeckStatus.RUNNING, "Text", 1, 1)

    async def perform(self, intent):
        known = intent.verb.word in self.can
        status = Status.PERFORMED if known else Status.REFUSED
        return Outcome(status, 1, 1, Reason.NONE if known else Reason.UNSUPPORTED)
""",
            )
        ],
        f"{HOST}/decks/registry.py": [
            (
                "    # The last one also takes",
                (
                    '    DriverRow("text", "slidewire.host.decks.text:TextDeck", frozenset({".txt"}), frozenset()),\n'
                    "    # The last one also takes"
                ),
            )
        ],
    },
    """
import asyncio, pathlib, tempfile
from slidewire.control.intents import Intent, Status, Verb
from slidewire.host.decks.driver import DeckOptions
from slidewire.host.decks.registry import AUTO, DRIVERS, make_deck

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "talk.txt")
    path.write_text("Good morning.")
    deck = make_deck(AUTO, DeckOptions(path))
assert deck.driver == "text" and "text" in DRIVERS
assert asyncio.run(deck.perform(Intent(Verb.FIRST))).status is Status.PERFORMED
""",
)


def section(name: str) -> str:
    _, _, rest = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition(f"\n## {name}\n")
    assert rest, f"CONTRIBUTING.md has no section {name!r}"
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("addition", [INTENT, MESSAGE, DRIVER], ids=["intent", "message", "driver"])
def test_an_addition_takes_the_files_that_are_named(addition: Addition, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in addition.edits.items():
        path = tmp_path / name
        text = (ROOT / name).read_text(encoding="utf-8") if (ROOT / name).exists() else ""
        for before, after in edits:
            assert before in text, f"{name}: {before!r} does not stand there any more"
            text = text.replace(before, after, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-c", addition.proof],
        env={"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = section(addition.section)
    for name in addition.edits:
        is_new = not (ROOT / name).exists()
        assert (f"{Path(name).parent}/" if is_new else Path(name).name) in said, f"{name} is not named"
    assert len(addition.edits) <= addition.most
