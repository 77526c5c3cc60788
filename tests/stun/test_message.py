from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.addresses import Address
from slidewire.stun import attributes as a
from slidewire.stun.message import (
    HEADER_BYTES,
    MAX_ATTRIBUTES,
    Builder,
    Class,
    Message,
    long_term_key,
    message_type,
    parse,
    split_type,
)
from tests.stun import test_vectors as vectors

TRANSACTION = bytes(range(12))
KEY = long_term_key("user", "realm", "pass")


def request() -> Builder:
    return Builder(1, Class.REQUEST, TRANSACTION)


def whole(data: bytes) -> Message:
    message = parse(data)
    assert message is not None
    return message


class TestHeader:
    def test_types_as_the_registry_writes_them(self) -> None:
        assert message_type(1, Class.REQUEST) == 0x0001
        assert message_type(1, Class.INDICATION) == 0x0011
        assert message_type(1, Class.SUCCESS) == 0x0101
        assert message_type(1, Class.ERROR) == 0x0111
        assert message_type(3, Class.ERROR) == 0x0113
        assert message_type(0xFFF, Class.ERROR) == 0x3FFF

    def test_every_type_splits_and_joins(self) -> None:
        for type_ in range(0x4000):
            assert message_type(*split_type(type_)) == type_

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            vectors.CHROMIUM_BINDING[:19],
            b"\x40" + vectors.CHROMIUM_BINDING[1:],
            b"\x80" + vectors.CHROMIUM_BINDING[1:],
            vectors.CHROMIUM_BINDING[:4] + b"\0\0\0\0" + vectors.CHROMIUM_BINDING[8:],
            vectors.CHROMIUM_BINDING + b"\0\0\0\0",
            vectors.CHROMIUM_BINDING[:3] + b"\x03" + vectors.CHROMIUM_BINDING[4:] + b"\0\0\0",
            vectors.CHROMIUM_ALLOCATE[:-4],
            vectors.CHROMIUM_ALLOCATE[:23] + b"\x05" + vectors.CHROMIUM_ALLOCATE[24:],
        ],
        ids=[
            "empty",
            "short",
            "channel-data",
            "top-bit",
            "rfc3489",
            "trailing",
            "length-not-4",
            "cut",
            "value-too-long",
        ],
    )
    def test_what_is_no_message(self, data: bytes) -> None:
        assert parse(data) is None

    def test_attributes_are_counted(self) -> None:
        builder = request()
        for _ in range(MAX_ATTRIBUTES):
            builder.add(a.SOFTWARE, "")
        assert len(whole(builder.encode()).attributes) == MAX_ATTRIBUTES
        assert parse(builder.add(a.SOFTWARE, "").encode()) is None


class TestAttributes:
    def test_the_first_of_two_counts(self) -> None:
        message = whole(request().add(a.USERNAME, "first").add(a.USERNAME, "second").encode())
        assert message.get(a.USERNAME) == "first" and message.get_all(a.USERNAME) == ["first", "second"]

    def test_unknown_ones_that_must_be_understood_are_named_once(self) -> None:
        odd, even = a.opaque(0x7000, "ODD", "none"), a.opaque(0xF000, "EVEN", "none")
        message = whole(request().add(odd, b"").add(even, b"").add(odd, b"x").add(a.USERNAME, "u").encode())
        assert message.unknown(frozenset({a.USERNAME.type})) == (0x7000,)

    def test_padding_is_zero(self) -> None:
        assert request().add(a.USERNAME, "abcde").encode()[-3:] == bytes(3)

    @pytest.mark.parametrize("extra", [a.USERNAME, a.REALM, a.SOFTWARE])
    def test_what_follows_the_integrity_is_not_there(self, extra: a.Attribute[str]) -> None:
        signed = request().add(a.NONCE, b"n").sign(KEY).encode()
        tail = request().add(extra, "evil").encode()[HEADER_BYTES:]
        length = (len(signed) + len(tail) - HEADER_BYTES).to_bytes(2, "big")
        message = whole(signed[:2] + length + signed[4:] + tail)
        assert message.get(extra) is None and message.integrity_holds(KEY)

    @pytest.mark.parametrize("length", [1, 2, 3])
    def test_a_fingerprint_of_another_length_does_not_hold(self, length: int) -> None:
        """Its padding would make up for what is missing. Found by tests/fuzz."""
        data = bytearray(request().fingerprint().encode())
        assert whole(bytes(data)).fingerprint_holds()
        data[-5] = length
        assert whole(bytes(data)).fingerprint_holds() is False

    def test_both_integrities_and_the_fingerprint_may_follow_one_another(self) -> None:
        message = whole(request().sign(KEY).sign_sha256(KEY).fingerprint().encode())
        assert message.integrity_holds(KEY) and message.integrity_sha256_holds(KEY) and message.fingerprint_holds()

    def test_sha1_after_sha256_is_ignored(self) -> None:
        signed = request().sign_sha256(KEY).encode()
        tail = request().sign(KEY).encode()[HEADER_BYTES:]
        data = signed[:2] + (len(signed) + len(tail) - HEADER_BYTES).to_bytes(2, "big") + signed[4:] + tail
        assert whole(data).integrity_at is None and whole(data).integrity_sha256_holds(KEY)

    def test_a_truncated_sha256_does_not_hold(self) -> None:
        data = request().sign_sha256(KEY).encode()
        short = data[:3] + b"\x14" + data[4:22] + b"\0\x10" + data[24:40]
        assert whole(short).get(a.MESSAGE_INTEGRITY_SHA256) == data[24:40]
        assert not whole(short).integrity_sha256_holds(KEY)

    def test_a_builder_used_in_the_wrong_order_says_so(self) -> None:
        with pytest.raises(ValueError, match="may follow"):
            request().sign(KEY).add(a.USERNAME, "late")
        with pytest.raises(ValueError, match="may follow"):
            request().fingerprint().sign(KEY)


hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
addresses = st.builds(Address, hosts, st.integers(0, 65535))
words = st.text(st.characters(codec="utf-8"), max_size=60)
algorithms = st.builds(a.Algorithm, st.integers(0, 65535), st.binary(max_size=9))
VALUES: dict[str, st.SearchStrategy[object]] = {
    "MAPPED-ADDRESS": addresses,
    "XOR-MAPPED-ADDRESS": addresses,
    "ALTERNATE-SERVER": addresses,
    "USERNAME": words,
    "REALM": words,
    "SOFTWARE": words,
    "ALTERNATE-DOMAIN": words,
    "NONCE": st.binary(max_size=763),
    "USERHASH": st.binary(min_size=32, max_size=32),
    "MESSAGE-INTEGRITY": st.binary(min_size=20, max_size=20),
    "MESSAGE-INTEGRITY-SHA256": st.binary(min_size=32, max_size=32),
    "FINGERPRINT": st.integers(0, 2**32 - 1),
    "ERROR-CODE": st.builds(a.Error, st.integers(300, 699), words),
    "UNKNOWN-ATTRIBUTES": st.lists(st.integers(0, 65535), max_size=20).map(tuple),
    "PASSWORD-ALGORITHM": algorithms,
    "PASSWORD-ALGORITHMS": st.lists(algorithms, max_size=4).map(tuple),
}


@given(st.data())
def test_every_row_of_the_table_comes_back(data: st.DataObject) -> None:
    attribute = data.draw(st.sampled_from(a.ATTRIBUTES))
    value = data.draw(VALUES[attribute.name])
    assert whole(request().add(attribute, value).encode()).get(attribute) == value


def test_the_table_has_no_type_twice() -> None:
    assert len({row.type for row in a.ATTRIBUTES}) == len(a.ATTRIBUTES) == len(VALUES)


def look_at_everything(data: bytes) -> None:
    """Parse and read all that can be read: garbage, malformed (ValueError), or a value; nothing else."""
    message = parse(data)
    if message is None:
        return
    for row in a.ATTRIBUTES:
        for reader in (message.get, message.get_all):
            try:
                reader(row)
            except ValueError:
                pass
    assert message.integrity_holds(KEY) in (True, False)
    assert message.integrity_sha256_holds(KEY) in (True, False)
    assert message.fingerprint_holds() in (True, False, None)
    message.unknown(frozenset())


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    look_at_everything(data)


@given(
    st.lists(st.tuples(st.sampled_from([row.type for row in a.ATTRIBUTES] + [0x7000, 0xF000]), st.binary(max_size=40)))
)
def test_well_framed_garbage(attributes: list[tuple[int, bytes]]) -> None:
    body = b"".join(
        kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    look_at_everything(b"\0\1" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION + body)


def test_mutated_messages() -> None:
    """Ten thousand messages of others with a few bytes changed, cut or repeated; seeded, so that a failure repeats."""
    dice = random.Random(8489)
    for _ in range(10_000):
        data = bytearray(dice.choice(vectors.VECTORS))
        for _ in range(dice.randrange(1, 6)):
            match dice.randrange(4):
                case 0:
                    data[dice.randrange(len(data))] = dice.randrange(256)
                case 1 if len(data) > 24:
                    del data[dice.randrange(20, len(data)) :]
                case 2:
                    start = dice.randrange(len(data))
                    data += data[start : start + dice.randrange(40)]
                case _:
                    data[2:4] = (len(data) - HEADER_BYTES & 0xFFFF).to_bytes(2, "big")
        look_at_everything(bytes(data))
