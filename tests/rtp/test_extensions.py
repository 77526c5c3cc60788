from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp.extensions import Element, build, parse, without
from slidewire.rtp.packet import Extension, Packet
from slidewire.rtp.packet import parse as parse_packet

# Header extensions as in libwebrtc's rtp_packet_unittest.cc; IDs there: transmission offset 1, audio level 9, two-byte
# ID 0xF0.
OFFSET = Element(1, b"\x00\x56\xce")
LEVEL = Element(9, b"\xda")


def one_byte(text: str) -> Extension:
    return Extension(0xBEDE, bytes.fromhex(text))


def two_byte(text: str) -> Extension:
    return Extension(0x1000, bytes.fromhex(text))


@pytest.mark.parametrize(
    ("extension", "elements"),
    [
        (one_byte("120056ce"), (OFFSET,)),
        (one_byte("120056ce 90da0000"), (OFFSET, LEVEL)),
        (one_byte("a7 73747265616d6964 000000"), (Element(10, b"streamid"),)),
        (two_byte("01030056 ce0901da f0030030 22000000"), (OFFSET, LEVEL, Element(0xF0, b"\x00\x30\x22"))),
        (two_byte("f0030056 ce000000 0901da00"), (Element(0xF0, b"\x00\x56\xce"), LEVEL)),  # padding in between
        (one_byte("120056ce 00020000 90da0000"), (OFFSET,)),  # 0x02: ID 0 with a length, parsing stops
        (one_byte("120056ce 00f00000 90da0000"), (OFFSET,)),  # ID 15, parsing stops
        (Extension(0x1234, b"\x12\x00\x56\xce"), ()),  # another profile
        (None, ()),
    ],
)
def test_elements(extension: Extension | None, elements: tuple[Element, ...]) -> None:
    assert parse(extension) == elements


def test_building_takes_one_byte_headers_where_they_do() -> None:
    assert build([OFFSET, LEVEL]) == one_byte("120056ce 90da0000")
    assert build([OFFSET, LEVEL, Element(0xF0, b"\x00\x30\x22")]) == two_byte("01030056 ce0901da f0030030 22000000")
    assert build([]) is None
    with pytest.raises(ValueError, match="ID"):
        build([Element(0, b"x")])


@given(st.lists(st.builds(Element, st.integers(1, 255), st.binary(max_size=40)), max_size=6))
def test_what_is_built_is_parsed(elements: list[Element]) -> None:
    assert parse(build(elements)) == tuple(elements)


@given(st.sampled_from([0xBEDE, 0x1000, 0x100F]), st.binary(max_size=40))
def test_any_bytes_end(profile: int, data: bytes) -> None:
    assert sum(len(element.data) for element in parse(Extension(profile, data))) <= len(data)


class TestWithout:
    PACKET = Packet(96, 1, 2, 3, b"payload", csrcs=(7,), extension=build([OFFSET, LEVEL, Element(3, b"\1\2\3\4")]))

    def test_only_what_changes_on_the_way_is_zeroed(self) -> None:
        packet = parse_packet(without(self.PACKET.build(), {1: 0, 3: 2}))
        assert packet is not None
        assert parse(packet.extension) == (Element(1, bytes(3)), LEVEL, Element(3, b"\1\2\0\0"))
        assert packet._replace(extension=self.PACKET.extension) == self.PACKET

    def test_nothing_to_do_gives_the_same_bytes(self) -> None:
        data = self.PACKET.build()
        assert without(data, {}) is data
        assert without(data, {5: 0}) is data
        assert without(data, {3: 4}) is data, "an element shorter than the part that changes"
        bare = Packet(96, 1, 2, 3, b"payload").build()
        assert without(bare, {1: 0}) is bare

    @given(st.binary(max_size=60), st.dictionaries(st.integers(1, 15), st.integers(0, 3)))
    def test_any_bytes_keep_their_length(self, data: bytes, mutable: dict[int, int]) -> None:
        data = b"\x90" + data
        assert len(without(data, mutable)) == len(data)
        assert without(data, mutable)[:12] == data[:12]
