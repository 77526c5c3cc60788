"""Bytes that others made: the vectors of RFC 5769 and RFC 8489, and requests caught from real clients.

RFC 8489 appendix B.1 as printed cannot be computed; verified erratum 6268 replaces it (message length,
PASSWORD-ALGORITHM and the HMAC). These are the erratum's bytes.

The client's requests were caught on a loopback socket that answered the first Allocate with a 401: Chromium 156 with
user `u` and password `p`, and turnutils_uclient and turnutils_stunclient of coturn 4.6.1 with `user` and `pw`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from slidewire.base.addresses import Address
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, Builder, Class, Message, long_term_key, parse, userhash

ICE_PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
ICE_TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
MATRIX = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9"
MATRIX_TRANSACTION = bytes.fromhex("78ad3433c6ad72c029da412e")

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
IPV4_RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
IPV6_RESPONSE = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
LONG_TERM_REQUEST = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341"
    "0014000b6578616d706c652e6f726700"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)
USERHASH_REQUEST = bytes.fromhex(
    "000100902112a44278ad3433c6ad72c029da412e"
    "001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
    "001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c39465354767936347341000000"
    "0014000b6578616d706c652e6f726700"
    "001d000400020000"
    "001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65"
)

CHROMIUM_BINDING = bytes.fromhex("000100002112a442795151535658544d68543374")
CHROMIUM_ALLOCATE = bytes.fromhex("000300082112a442314f6c62766c5263535065580019000411000000")
CHROMIUM_SIGNED = bytes.fromhex(
    "0003004c2112a4424b444b786d63336c4d73752f0019000411000000000600017500000000140009736c696465776972650000000015"
    "001041414543417751464267634943516f4c000800149d6aa2f7f57f99159234e795193a32be1c1b3ecb"
)
COTURN_BINDING = bytes.fromhex("000100002112a442425ffb197620a97ab41c29d0")
COTURN_ALLOCATE = bytes.fromhex(
    "000300282112a442873cd1a97eb316c879fd78120019000411000000000d000400000309001800018000000000170004010000008028"
    "0004cd439f3b"
)
COTURN_SIGNED = bytes.fromhex(
    "0003006c2112a442cef932128a799be5ad813b440019000411000000000d000400000309001800018000000000170004010000000006"
    "0004757365720015001041414543417751464267634943516f4c00140009736c6964657769726500000000080014390bdb663c59efe2"
    "4040d75ed8b2207e7cd784c68028000433fbdec9"
)


def whole(data: bytes) -> Message:
    message = parse(data)
    assert message is not None
    return message


class TestRfc5769:
    def test_2_1_request(self) -> None:
        message = whole(REQUEST)
        assert (message.method, message.class_, message.transaction) == (BINDING, Class.REQUEST, ICE_TRANSACTION)
        assert message.get(a.SOFTWARE) == "STUN test client" and message.get(a.USERNAME) == "evtj:h6vY"
        assert [type_ for type_, _ in message.attributes] == [0x8022, 0x24, 0x8029, 6, 8, 0x8028]
        assert message.integrity_holds(ICE_PASSWORD) and message.fingerprint_holds()

    @pytest.mark.parametrize(
        ("data", "mapped"),
        [
            (IPV4_RESPONSE, Address("192.0.2.1", 32853)),
            (IPV6_RESPONSE, Address("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
        ],
        ids=["2.2", "2.3"],
    )
    def test_responses(self, data: bytes, mapped: Address) -> None:
        message = whole(data)
        assert (message.method, message.class_) == (BINDING, Class.SUCCESS)
        assert message.get(a.SOFTWARE) == "test vector" and message.get(a.XOR_MAPPED_ADDRESS) == mapped
        assert message.integrity_holds(ICE_PASSWORD) and message.fingerprint_holds()

    def test_2_4_long_term_request_read_and_rebuilt(self) -> None:
        key = long_term_key(MATRIX, "example.org", "TheMatrIX")
        message = whole(LONG_TERM_REQUEST)
        assert message.get(a.USERNAME) == MATRIX and message.get(a.NONCE) == b"f//499k954d6OL34oL9FSTvy64sA"
        assert message.integrity_holds(key) and message.fingerprint_holds() is None
        built = Builder(BINDING, Class.REQUEST, MATRIX_TRANSACTION).add(a.USERNAME, MATRIX)
        built.add(a.NONCE, b"f//499k954d6OL34oL9FSTvy64sA").add(a.REALM, "example.org").sign(key)
        assert built.encode() == LONG_TERM_REQUEST


class TestRfc8489:
    def test_b_1_as_corrected_read_and_rebuilt(self) -> None:
        key = long_term_key(MATRIX, "example.org", "TheMatrIX", "sha256")
        message = whole(USERHASH_REQUEST)
        assert message.get(a.USERHASH) == userhash(MATRIX, "example.org")
        assert message.get(a.PASSWORD_ALGORITHM) == a.Algorithm(a.PasswordAlgorithm.SHA256)
        assert message.integrity_sha256_holds(key) and not message.integrity_holds(key)
        built = Builder(BINDING, Class.REQUEST, MATRIX_TRANSACTION).add(a.USERHASH, userhash(MATRIX, "example.org"))
        built.add(a.NONCE, b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA").add(a.REALM, "example.org")
        built.add(a.PASSWORD_ALGORITHM, a.Algorithm(a.PasswordAlgorithm.SHA256)).sign_sha256(key)
        assert built.encode() == USERHASH_REQUEST

    def test_9_2_2_the_example_key(self) -> None:
        assert long_term_key("user", "realm", "pass").hex() == "8493fbc53ba582fb4c044c456bdc40eb"
        assert long_term_key("user", "realm", "pass", "sha256") == hashlib.sha256(b"user:realm:pass").digest()


class TestRealClients:
    @pytest.mark.parametrize("data", [CHROMIUM_BINDING, COTURN_BINDING], ids=["chromium", "coturn"])
    def test_binding(self, data: bytes) -> None:
        message = whole(data)
        assert (message.method, message.class_, message.attributes) == (BINDING, Class.REQUEST, ())

    def test_chromium_asks_for_the_transport_only(self) -> None:
        assert whole(CHROMIUM_ALLOCATE).attributes == ((0x0019, b"\x11\0\0\0"),)

    def test_coturn_adds_a_fingerprint(self) -> None:
        message = whole(COTURN_ALLOCATE)
        assert [type_ for type_, _ in message.attributes] == [0x19, 0x0D, 0x18, 0x17, 0x8028]
        assert message.fingerprint_holds()

    @pytest.mark.parametrize(
        ("data", "user", "password"),
        [(CHROMIUM_SIGNED, "u", "p"), (COTURN_SIGNED, "user", "pw")],
        ids=["chromium", "coturn"],
    )
    def test_signed(self, data: bytes, user: str, password: str) -> None:
        message = whole(data)
        assert message.get(a.USERNAME) == user and message.get(a.REALM) == "slidewire"
        assert message.integrity_holds(long_term_key(user, "slidewire", password))
        assert not message.integrity_holds(long_term_key(user, "slidewire", password + "x"))


VECTORS: list[Any] = [
    REQUEST, IPV4_RESPONSE, IPV6_RESPONSE, LONG_TERM_REQUEST, USERHASH_REQUEST, CHROMIUM_SIGNED, COTURN_SIGNED,
]  # fmt: skip


@pytest.mark.parametrize("data", VECTORS)
def test_every_bit_is_covered(data: bytes) -> None:
    """Flip any bit of a signed message: it is no message any more, or neither check holds for it."""
    keys = [
        ICE_PASSWORD, long_term_key(MATRIX, "example.org", "TheMatrIX"), long_term_key("u", "slidewire", "p"),
        long_term_key("user", "slidewire", "pw"), long_term_key(MATRIX, "example.org", "TheMatrIX", "sha256"),
    ]  # fmt: skip
    original = whole(data)
    assert any(original.integrity_holds(key) or original.integrity_sha256_holds(key) for key in keys)
    end = (original.integrity_at or original.integrity_sha256_at or 0) + 4
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        message = parse(bytes(flipped))
        if message is None:
            continue
        held = any(message.integrity_holds(key) or message.integrity_sha256_holds(key) for key in keys)
        if original.fingerprint_at is not None:
            held = held and message.fingerprint_holds() is not False
        after_integrity = bit // 8 >= end + 20 and original.integrity_at is not None
        assert not held or after_integrity, f"bit {bit}"
