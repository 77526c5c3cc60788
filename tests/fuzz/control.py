"""Everything sealed: what the two ends of a session do with frames that are altered, and with frames of somebody who
holds the keys and says whatever he likes in them.

After every step nothing was raised; a frame that was altered on the way performed nothing and changed no count but that
of what is rejected. With it the small readers beside the session: hellos, welcomes,
introductions, links, the headers of proxies, a line of the log.
"""

from __future__ import annotations

import random
import struct
from typing import Final

from msgspec import Struct

from slidewire.aio.proxies import TrustedProxies
from slidewire.audit.log import read_line
from slidewire.control.handshake import Admission, HandshakeResponder, PresenterHandshake, hello_link
from slidewire.control.intents import Role
from slidewire.control.introduction import Introduction, read_introduction, read_object
from slidewire.control.links import LinkError, parse_link
from slidewire.control.messages import Error
from slidewire.control.messages import encode as encode_message
from slidewire.control.noise import HandshakeError
from slidewire.control.records import decode, encode
from slidewire.control.seal import peek_session
from slidewire.control.sealed_session import MessageArrived
from slidewire.testing.network import CALM
from slidewire.testing.pair import LINK_ID, PSK, Pair
from tests.fuzz import text

_STEPS: Final = 60
_PROXIES: Final = [TrustedProxies(["127.0.0.1/32", "10.0.0.0/8"], name) for name in ("X-Forwarded-For", "Forwarded")]


def records(dice: random.Random) -> bytes:
    """The plaintext of a frame: records of every kind with anything in them, now and then cut or altered."""
    plaintext = bytearray()
    for _ in range(dice.choice((1, 1, 2, 5))):
        kind = 10 if dice.random() < 0.6 else dice.randrange(1, 15)
        match kind:
            case 3:
                body = struct.pack("!IIBH", dice.randrange(2**32), dice.randrange(2**32), dice.randrange(12), 1)
            case 8:
                count = dice.choice((0, 1, 2, 16, 17, 255))
                body = struct.pack("!IIB", dice.randrange(2**32), dice.randrange(2**32), count)
                body += dice.randbytes(4 * dice.choice((count, 1, 0)))
            case 10:
                said = text.encoded(text.spoiled({"type": dice.choice(_TYPES), "id": 1}, dice), dice)[:1000]
                total = dice.choice((*[1] * 12, 2, 65_535, 0))
                body = struct.pack("!BHHH", dice.choice((*[0] * 12, 1, 9)), dice.randrange(0x10000), 0, total) + said
            case 11:
                body = dice.randbytes(16) + text.encoded(text.spoiled({"name": "Ada", "kind": "web"}, dice), dice)[:300]
            case _:
                body = dice.randbytes(dice.choice((0, 1, 4, 4, 8, 10, 10, 16, 16, 300)))
        length = len(body) if dice.random() < 0.95 else dice.randrange(0x10000)
        plaintext += struct.pack("!BH", kind, length) + body
    if dice.random() < 0.1:
        del plaintext[dice.randrange(len(plaintext) + 1) :]
    return bytes(plaintext)


_TYPES: Final = ("get_state", "picture", "command", "offer", "candidate", "state", "reply", "closed", "answer", "x")


def altered(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    match dice.randrange(4):
        case 0 if changed:
            changed[dice.randrange(len(changed))] ^= dice.randrange(1, 256)
        case 1 if changed:
            del changed[dice.randrange(len(changed)) :]
        case 2:
            changed += dice.randbytes(dice.randint(1, 30))
        case _:
            changed = bytearray(changed[:5] + dice.randbytes(dice.randrange(60)))
    return bytes(changed)


def run(seed: int) -> int:
    dice, inputs = random.Random(seed), 0
    pair = Pair(seed, {"direct": CALM, "bulk": CALM, "signaling": CALM})
    pair.run(0.2)
    ends = ((pair.presenter, pair.host), (pair.host, pair.presenter))
    for _ in range(_STEPS):
        sender, receiver = dice.choice(ends)
        plaintext = records(dice)
        frame = sender.wire._sealer.seal(plaintext)
        if dice.random() < 0.4:
            before = len(pair.deck.performed)
            rejected = sum(receiver.wire.counts.values())
            receiver.receive_frame(altered(frame, dice), "direct", pair.now)
            assert sum(receiver.wire.counts.values()) > rejected and len(pair.deck.performed) == before
        else:
            receiver.receive_frame(frame, "direct", pair.now)
        pair.run(0.0)
        for effect in pair.effects:
            if isinstance(effect, MessageArrived):
                assert isinstance(effect.message, Struct)
                receiver.wire.send_encoded(encode_message(Error("x", repr(effect.message)[:1000])), pair.now)
        pair.effects.clear()
        pair.run(dice.choice((0.0, 0.01, 0.2)))
        inputs += 2
        decoded = decode(plaintext)
        if decoded is not None:
            decode(encode(decoded))
    return inputs + readers(dice)


def readers(dice: random.Random) -> int:
    """Whatever they are given, they answer or refuse in their own words."""
    said = Introduction(dice.randbytes(16), "Ada", "web")
    shaking = PresenterHandshake(LINK_ID, PSK, dice.randbytes(32), said)
    door = HandshakeResponder(lambda link: Admission(PSK, Role.CLICK) if link == LINK_ID else None, dice.randbytes)
    admitted = door.receive_hello(shaking.hello, 0.0)
    assert admitted is not None
    for _ in range(20):
        hello = altered(shaking.hello, dice)
        hello_link(hello)
        assert door.receive_hello(hello, 1.0) is None or hello == shaking.hello
        welcome = altered(admitted.welcome, dice)
        try:
            assert shaking.read_welcome(welcome) is None
        except HandshakeError:
            pass
        peek_session(dice.randbytes(dice.randrange(30)))
        payload = text.encoded(text.value(dice), dice)
        for reader in (read_object, lambda data: read_introduction(said.nonce + data, b"")):
            try:
                reader(payload)
            except ValueError:
                pass
        try:
            parse_link(payload.decode("utf-8", "replace"))
        except LinkError:
            pass
        header = payload.decode("latin-1")
        for proxies in _PROXIES:
            proxies.client("127.0.0.1", [header])
        assert read_line(payload) is None
    return 120
