"""The handshake against vectors that other people's implementations wrote, and against one of those implementations."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from slidewire.control.noise import HandshakeError, Initiator, Responder, nonce

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/noise.json").read_text())
PSK, PROLOGUE = bytes(range(32)), b"slidewire/1 abcdefgh23"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_agrees_with_published_vectors(vector: dict[str, Any]) -> None:
    psk, prologue = bytes.fromhex(vector["psk"]), bytes.fromhex(vector["prologue"])
    initiator = Initiator(psk, prologue, bytes.fromhex(vector["init_ephemeral"]))
    responder = Responder(psk, prologue, bytes.fromhex(vector["resp_ephemeral"]))
    first, second, *transport = vector["messages"]

    assert initiator.write_message_1(bytes.fromhex(first["payload"])).hex() == first["ciphertext"]
    assert responder.read_message_1(bytes.fromhex(first["ciphertext"])).hex() == first["payload"]
    message, host_keys = responder.write_message_2(bytes.fromhex(second["payload"]))
    assert message.hex() == second["ciphertext"]
    payload, presenter_keys = initiator.read_message_2(message)
    assert payload.hex() == second["payload"]
    assert presenter_keys.handshake_hash.hex() == host_keys.handshake_hash.hex() == vector["handshake_hash"]

    assert transport, "a vector without transport messages would not check Split()"
    for index, sent in enumerate(transport):
        sender = (presenter_keys, host_keys)[index % 2]
        ciphertext = ChaCha20Poly1305(sender.send).encrypt(nonce(index // 2), bytes.fromhex(sent["payload"]), b"")
        assert ciphertext.hex() == sent["ciphertext"]


def test_agrees_with_another_implementation() -> None:
    from noise.connection import NoiseConnection

    theirs = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
    theirs.set_as_responder()
    theirs.set_psks(psk=PSK)
    theirs.set_prologue(PROLOGUE)
    theirs.start_handshake()
    ours = Initiator(PSK, PROLOGUE, bytes([7]) * 32)

    assert theirs.read_message(ours.write_message_1(b"hello")) == b"hello"
    payload, keys = ours.read_message_2(bytes(theirs.write_message(b"welcome")))

    assert payload == b"welcome"
    assert theirs.decrypt(ChaCha20Poly1305(keys.send).encrypt(nonce(0), b"tap", b"")) == b"tap"


def test_another_secret_or_link_does_not_open() -> None:
    message = Initiator(PSK, PROLOGUE, bytes([7]) * 32).write_message_1(b"")
    with pytest.raises(HandshakeError):
        Responder(bytes(32), PROLOGUE, bytes([8]) * 32).read_message_1(message)
    with pytest.raises(HandshakeError):
        Responder(PSK, b"slidewire/1 another", bytes([8]) * 32).read_message_1(message)


@pytest.mark.parametrize("position", [0, 31, 32, 47])
def test_any_altered_byte_is_noticed(position: int) -> None:
    message = bytearray(Initiator(PSK, PROLOGUE, bytes([7]) * 32).write_message_1(b""))
    message[position] ^= 1
    with pytest.raises(HandshakeError):
        Responder(PSK, PROLOGUE, bytes([8]) * 32).read_message_1(bytes(message))


def test_refuses_a_public_key_of_low_order() -> None:
    initiator = Initiator(PSK, PROLOGUE, bytes([7]) * 32)
    initiator.write_message_1(b"")
    with pytest.raises(HandshakeError, match="low order"):
        initiator.read_message_2(bytes(32) + bytes(16))


def test_a_fork_leaves_the_handshake_as_it_was() -> None:
    initiator, responder = Initiator(PSK, PROLOGUE, bytes([7]) * 32), Responder(PSK, PROLOGUE, bytes([8]) * 32)
    responder.read_message_1(initiator.write_message_1(b""))
    message, _ = responder.write_message_2(b"true")
    with pytest.raises(HandshakeError):
        initiator.fork().read_message_2(message[:-1] + bytes([message[-1] ^ 1]))
    assert initiator.fork().read_message_2(message)[0] == b"true"
