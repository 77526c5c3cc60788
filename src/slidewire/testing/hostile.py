"""What a participant says that keeps to nothing: records and messages of every kind, valid and not, from a seed.

    speech = HostileSpeech(random.Random(7))
    frame = sealer.seal(speech.plaintext())

It holds a link, so what it says opens at the host. Everything here is the inside of a sealed frame; who sends it, how
often and by which path is the owner's business.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from slidewire.control.intents import Verb
from slidewire.control.records import MAX_RECORDS

HIGHEST_SLIDE: Final = 20_000
"""It asks for none beyond this, so that a test may know by its number whose slide it is."""
COMMANDS: Final = (
    "mute", "remove", "send_away", "make_link", "revoke_link", "free_link", "admit", "on_air", "share_screen",
    "record",
)  # fmt: skip
"""All but `end_show`, which an operator may: the show would be over, and rightly."""
TYPES: Final = (
    "get_state", "picture", "command", "offer", "candidate", "media_on", "media_offer", "media_candidate",
    "media_close", "state", "reply", "answer", "closed", "reoffer", "laser", "error", "", "x", "__class__",
)  # fmt: skip
DESCRIPTION: Final = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=mid:0\r\na=setup:actpass\r\n"
    "a=sctp-port:5000\r\na=candidate:1 1 udp 1 192.0.2.7 50000 typ host\r\n"
)
CANDIDATE: Final = "candidate:1 1 udp 1 198.51.100.7 50000 typ host"

LATE: Final = 60_000_000
"""Milliseconds of a session: a deadline that does not come."""

_STRINGS: Final = (
    "", "x", "\x00", "\ud800", "\udfff\ud800", "\U0001f600", "\u2028", "\u202e", "a" * 300, "__proto__", "{}", "%s",
    "../../etc/passwd", "click", "view", "operator", "open", "private", "camera", DESCRIPTION, CANDIDATE,
)  # fmt: skip
_NUMBERS: Final = (
    0, 1, 2, -1, 7, 255, 65_535, 65_536, 2**31, 2**32 - 1, 2**32, 2**53, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_DEPTHS: Final = (1, 3, 60, 300, 900, 950, 970, 980, 985, 990, 995, 1000, 5000, 50_000)
"""Around and beyond what interpreters nest."""
_NAMES: Final = (
    "type", "id", "name", "session", "link", "origin", "muted", "role", "label", "opens_in", "expires_in", "first",
    "last", "one_device", "by_hand", "on", "slide", "width", "generation", "sdp", "candidate", "privacy", "network",
    "lines", "camera", "microphone", "screen", "version", "asked_by",
)  # fmt: skip


def _nothing() -> Sequence[Any]:
    return ()


class HostileSpeech:
    def __init__(
        self,
        dice: random.Random,
        sessions: Callable[[], Sequence[int]] = _nothing,
        links: Callable[[], Sequence[str]] = _nothing,
        verbs: Sequence[Verb] = tuple(Verb),
    ) -> None:
        """`sessions` and `links`: whom an operator's commands are aimed at, beside numbers and names that do not exist.
        `verbs`: what it asks of the deck. A link that may click may stop the show, too."""
        self._dice = dice
        self._sessions, self._links = sessions, links
        self._verbs = tuple(verbs)
        self._sequence = 0
        self._laser = 0
        self._generation = 0
        self._id = 0

    # Values

    def value(self, depth: int = 0) -> Any:
        dice = self._dice
        match dice.randrange(9 if depth < 3 else 6):
            case 0 | 1:
                return dice.choice(_STRINGS) * dice.choice((1, 1, 1, 1, 40))
            case 2 | 3:
                return dice.choice(_NUMBERS)
            case 4:
                return dice.choice((None, True, False))
            case 5:
                return dice.randrange(-5, 70)
            case 6:
                return [self.value(depth + 1) for _ in range(dice.randrange(4))]
            case 7:
                return {dice.choice((*_NAMES, *_STRINGS)): self.value(depth + 1) for _ in range(dice.randrange(4))}
            case _:
                return nested(dice.choice(_DEPTHS[:4]), dice.random() < 0.5)

    # Messages

    def message(self) -> dict[str, Any]:
        """One of a known type or not, as it should be or spoiled."""
        dice = self._dice
        kind = dice.choice(TYPES)
        message = {"type": kind, **self._fields(kind)}
        for _ in range(dice.choice((0, 0, 0, 1, 1, 2, 6))):
            name = dice.choice((*message, *_NAMES))
            if dice.random() < 0.2:
                message.pop(name, None)
            elif name != "session" and name != "link":  # those are of whom it may harm
                message[name] = self.value()
        return message

    def _fields(self, kind: str) -> dict[str, Any]:
        dice = self._dice
        generation = self._next_generation() if "offer" in kind else self._generation
        match kind:
            case "picture":
                return {"id": dice.randrange(70_000), "slide": dice.randrange(-1, 300), "width": dice.randrange(5000)}
            case "command":
                self._id += dice.choice((0, 1, 1, 1))
                return {"id": self._id, "name": dice.choice((*COMMANDS, "x")), **self._arguments()}
            case "offer":
                return {"generation": generation, "sdp": self._description(), "privacy": dice.choice(_STRINGS)}
            case "candidate" | "media_candidate":
                candidate = {"candidate": CANDIDATE + "\r" * dice.randrange(2), "sdpMid": "0", "sdpMLineIndex": 0}
                return {"generation": generation, "candidate": dice.choice((candidate, None, self.value()))}
            case "media_offer":
                lines = dice.sample(("camera", "microphone", "screen", "program", "program_sound", "sound"), 2)
                return {"generation": generation, "sdp": self._description(), "lines": lines}
            case "media_on":
                return {name: dice.choice((True, False)) for name in ("camera", "microphone", "screen")}
            case "media_close":
                return {"generation": generation}
            case _:
                return {}

    def _arguments(self) -> dict[str, Any]:
        dice = self._dice
        arguments: dict[str, Any] = {
            "session": dice.choice((*self._sessions(), 0, -1, 2**32, 2**70, 0.5, True, None, "1", [1])),
            "link": dice.choice((*self._links(), "", "nobodyhas1", None, 7, {}, ["x"])),
        }
        for name, values in (
            ("muted", (True, False, None, 0)),
            ("role", ("view", "laser", "click", "x", 3)),
            ("label", _STRINGS),
            ("expires_in", (60, 1, 0, -1, 1e300, float("nan"), True, "1")),
            ("opens_in", (1, 0, 59, float("inf"))),
            ("first", (1, 2, 300, 0, 65_536, True)),
            ("last", (1, 2, 300, 0, 65_536, 1.5)),
            ("one_device", (True, False, 1)),
            ("by_hand", (True, False, "yes")),
            ("origin", (0, 1, -1, True, 2**64, "1")),
            ("on", (True, False, None)),
        ):
            if dice.random() < 0.4:
                arguments[name] = dice.choice(values)
        return arguments

    def _next_generation(self) -> Any:
        self._generation += self._dice.choice((0, 1, 1, 1, 3))
        return self._generation

    def _description(self) -> str:
        dice = self._dice
        if dice.random() < 0.6:
            return DESCRIPTION
        lines = DESCRIPTION.split("\r\n")
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(lines))
            match dice.randrange(4):
                case 0:
                    lines[at] = lines[at][: dice.randrange(len(lines[at]) + 1)]
                case 1:
                    lines[at:at] = [dice.choice(lines)] * dice.choice((1, 3, 200))
                case 2:
                    lines[at] += dice.choice(_STRINGS[:12])
                case _:
                    del lines[at]
                    lines = lines or [""]
        return dice.choice(("\r\n", "\n", "\r", "\u2028")).join(lines)

    def encoded(self, message: dict[str, Any]) -> bytes:
        """As JSON, mostly whole; lone surrogates, NaN and any number of brackets included."""
        dice = self._dice
        text = json.dumps(message, ensure_ascii=dice.random() < 0.6)
        if dice.random() < 0.15:
            depth, is_list = dice.choice(_DEPTHS), dice.random() < 0.5
            deep = "[" * depth + "]" * depth if is_list else '{"a":' * depth + "1" + "}" * depth
            text = text[:-1] + f',"{dice.choice(_NAMES)}":{deep}' + "}"
        elif dice.random() < 0.05:
            text = text[:-1] + f',"{dice.choice(_NAMES)}":{"9" * dice.choice((300, 4300, 4301, 100_000))}' + "}"
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        for _ in range(dice.choice((0, 0, 0, 0, 0, 1, 3))):
            at = dice.randrange(len(data) + 1)
            match dice.randrange(4):
                case 0 if data:
                    data[at % len(data)] ^= 1 << dice.randrange(8)
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = dice.randbytes(dice.randint(1, 5))
                case _:
                    data[at:at] = data[:at][-30:]
        return bytes(data)

    # Records

    def plaintext(self) -> bytes:
        """The inside of one frame."""
        dice = self._dice
        kinds = dice.choice(((3,), (3,), (8,), (10,), (10,), (10,), (1,), (7, 3), (11,), range(16)))
        count = dice.choice((1, 1, 1, 2, 5, MAX_RECORDS, 330))
        is_orderly = dice.random() < 0.7
        plaintext = bytearray()
        if count > MAX_RECORDS and kinds == (10,):
            small = json.dumps({"type": dice.choice(TYPES), **self._arguments()}).encode()[:400]
            if dice.random() < 0.7:
                small = json.dumps({"type": dice.choice(TYPES), "id": 1, "slide": 1, "width": 640}).encode()
            plaintext += _record(10, struct.pack("!BHHH", 0, self._number(0x10000), 0, 1) + small) * count
        while count > 0 and len(plaintext) < 100_000:
            count -= 1
            kind = dice.choice(kinds)
            if kind == 3 and is_orderly and not plaintext:
                plaintext += _record(7, struct.pack("!I", self._sequence + 1 & 0xFFFFFFFF))
            body = self._orderly(kind) if is_orderly else self._body(kind)
            plaintext += _record(kind, body[:0xFFFF])
        if dice.random() < 0.02:
            plaintext[1:3] = dice.randbytes(2)
        if dice.random() < 0.05:
            del plaintext[dice.randrange(len(plaintext) + 1) :]
        return bytes(plaintext)

    def parts(self) -> list[bytes]:
        """A long message cut into frames: whole, in disorder, with gaps, or with other numbers than it has."""
        dice = self._dice
        message = {**self.message(), "extra": "x" * dice.choice((10_000, 60_000, 170_000))}
        data, size = self.encoded(message), dice.choice((1100, 8192, 8193))
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        total, id_ = max(1, len(pieces)) + dice.choice((0, 0, 0, 1, -1)), self._number(0x10000)
        frames = []
        for number, piece in enumerate(pieces):
            body = struct.pack("!BHHH", dice.choice((0, 0, 0, 1, 9)), id_, number, max(0, total) & 0xFFFF) + piece
            frames.append(_record(10, body))
        if dice.random() < 0.3:
            dice.shuffle(frames)
        return frames[: len(frames) - dice.choice((0, 0, 1))]

    def _orderly(self, kind: int) -> bytes:
        """As a page would say it, only perhaps more of it. What it left out before, it goes past."""
        dice = self._dice
        match kind:
            case 3:
                self._sequence = (self._sequence + 1) & 0xFFFFFFFF
                verb = dice.choice((*self._verbs, Verb.NEXT))
                slide = dice.randint(1, HIGHEST_SLIDE) if verb == Verb.GOTO else 0
                return struct.pack("!IIBH", self._sequence, LATE, verb, slide)
            case 7:
                return struct.pack("!I", self._sequence)
            case 8:
                self._laser += 1
                count = dice.randrange(17)
                return struct.pack("!IIB", self._laser, LATE, count) + dice.randbytes(4 * count)
            case 10:
                message = json.dumps({"type": (kind_ := dice.choice(TYPES)), **self._fields(kind_)})
                return struct.pack("!BHHH", 0, self._number(0x10000), 0, 1) + message.encode()
            case _:
                return self._body(kind)

    def _number(self, below: int) -> int:
        return self._dice.choice((self._dice.randrange(below), self._dice.randrange(below), 0, 1, below - 1)) % below

    def _body(self, kind: int) -> bytes:
        dice = self._dice
        match kind:
            case 3:
                self._sequence += dice.choice((0, 1, 1, 1, 1, 2, 50, 1023, 1024))
                sequence = dice.choice((*[self._sequence & 0xFFFFFFFF] * 6, self._number(1 << 32)))
                deadline = dice.choice((*[LATE] * 4, 0, 2**31 - 1, 2**31, self._number(1 << 32)))
                verb = dice.choice((*self._verbs, Verb.NEXT, 0, 99))
                slide = dice.choice((1, 5, HIGHEST_SLIDE, 0)) if verb == Verb.GOTO else dice.choice((0, 0, 0, 0, 3))
                return struct.pack("!IIBH", sequence, deadline, verb, slide)
            case 7:
                ahead = self._sequence + dice.choice((0, 1, 5, 1000, 100_000))
                return struct.pack("!I", dice.choice((ahead & 0xFFFFFFFF, self._number(1 << 32))))
            case 8:
                self._laser += 1
                count = dice.choice((0, 1, 1, 2, 16, 17, 255))
                sequence = dice.choice((self._laser, self._laser, self._laser, self._number(1 << 32)))
                deadline = dice.choice((LATE, LATE, 0, self._number(1 << 32)))
                return struct.pack("!IIB", sequence, deadline, count) + dice.randbytes(
                    4 * dice.choice((count, count, 0))
                )
            case 10:
                total = dice.choice((*[1] * 12, 0, 2, 1024, 65_535))
                head = struct.pack("!BHHH", dice.choice((*[0] * 12, 1, 9)), self._number(0x10000), 0, total)
                return head + self.encoded(self.message())
            case 11:
                said = {"name": self.value(), "kind": self.value(), "replaces": self.value(), "device": self.value()}
                return dice.randbytes(16) + self.encoded(said)[:2000]
            case 1 | 2 | 4 | 5 | 9 | 12:
                return dice.randbytes(dice.choice((4, 4, 10, 10, 16, 0, 3, 300)))
            case _:
                return dice.randbytes(dice.choice((0, 4, 40)))


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("!BH", kind, len(body)) + body


def nested(depth: int, is_list: bool) -> Any:
    inner: Any = 1
    for _ in range(depth):
        inner = [inner] if is_list else {"a": inner}
    return inner
