"""What others than the two ends can know of a handshake."""

import hashlib
import hmac
import json
from pathlib import Path

from slidewire.base.base64url import encode_base64url
from slidewire.control.handshake import (
    Admission,
    HandshakeResponder,
    PresenterHandshake,
    prologue,
    session_name,
)
from slidewire.control.intents import Role
from slidewire.control.introduction import Introduction
from slidewire.control.noise import PROTOCOL_NAME, Initiator, Responder
from slidewire.control.sealed_session import SealedSession

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())
LINK_ID, PSK = "abcdefgh23", bytes(range(32))


def hkdf(chaining_key: bytes, material: bytes) -> list[bytes]:
    secret = hmac.digest(chaining_key, material, "sha256")
    outputs = [hmac.digest(secret, b"\x01", "sha256")]
    for index in (2, 3):
        outputs.append(hmac.digest(secret, outputs[-1] + bytes([index]), "sha256"))
    return outputs


class Recorder:
    """All that somebody can compute who has the link's secret and a recording: Noise without the one Diffie-Hellman."""

    def __init__(self, psk: bytes, prologue: bytes, first: bytes, second: bytes) -> None:
        self.hash = self.key = hashlib.sha256(PROTOCOL_NAME).digest()
        self.known: list[bytes] = []
        self._mix(prologue)
        self.key, hashed, _ = self._derive(psk)
        self._mix(hashed)
        for message in (first, second):
            self._mix(message[:32])
            self.key, *_ = self._derive(message[:32])
            self._mix(message[32:])
        self._derive(b"")

    def _mix(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()
        self.known.append(self.hash)

    def _derive(self, material: bytes) -> list[bytes]:
        outputs = hkdf(self.key, material)
        self.known += outputs
        return outputs


def test_a_session_has_the_name_that_the_vectors_say() -> None:
    for vector in VECTORS["session_names"]:
        psk, binding = bytes.fromhex(vector["psk"]), vector["prologue"].encode()
        initiator = Initiator(psk, binding, bytes.fromhex(vector["initiator_ephemeral"]))
        responder = Responder(psk, binding, bytes.fromhex(vector["responder_ephemeral"]))
        first = initiator.write_message_1(b"{}")
        responder.read_message_1(first)
        second, host_keys = responder.write_message_2(b"{}")
        _, keys = initiator.read_message_2(second)
        assert (first.hex(), second.hex()) == (vector["message_1"], vector["message_2"])
        names = {session_name(SealedSession(1, each, None)) for each in (keys, host_keys)}
        assert names == {vector["session_name"]}


def test_who_has_the_link_and_a_recording_cannot_name_the_session() -> None:
    door = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), lambda count: bytes([9]) * count)
    presenter = PresenterHandshake(LINK_ID, PSK, bytes([7]) * 32, Introduction(bytes(16)))
    admitted = door.receive_hello(presenter.hello, 0.0)
    assert admitted is not None and admitted.session is not None
    established = presenter.receive_welcome(admitted.welcome, 0.0, 0.0)
    assert established is not None
    session, _ = established
    name = session_name(session.wire)
    assert name == session_name(admitted.session.wire)

    first, second = presenter.hello[2 + len(LINK_ID) :], admitted.welcome[1:]
    recorder = Recorder(PSK, prologue(LINK_ID), first, second)
    assert recorder.hash == session.wire.handshake_hash, "the recorder gets as far as anybody can"
    assert name not in {encode_base64url(value[:16]) for value in recorder.known}
