from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slidewire.stun.attributes import ATTRIBUTES as STUN_ATTRIBUTES
from slidewire.stun.attributes import Error
from slidewire.stun.message import Builder, Class, parse
from slidewire.turn import attributes as t
from slidewire.turn.requests import METHODS, understand, understand_send
from tests.stun.test_message import VALUES

octet = st.integers(0, 255)
SAMPLES: dict[int, st.SearchStrategy[object]] = {
    t.CHANNEL_NUMBER.type: st.integers(0, 65535),
    t.LIFETIME.type: st.integers(0, 2**32 - 1),
    t.XOR_PEER_ADDRESS.type: VALUES["MAPPED-ADDRESS"],
    t.DATA.type: st.binary(max_size=100),
    t.XOR_RELAYED_ADDRESS.type: VALUES["MAPPED-ADDRESS"],
    t.REQUESTED_ADDRESS_FAMILY.type: octet,
    t.EVEN_PORT.type: st.booleans(),
    t.REQUESTED_TRANSPORT.type: octet,
    t.DONT_FRAGMENT.type: st.just(value=True),
    t.RESERVATION_TOKEN.type: st.binary(min_size=8, max_size=8),
    t.ADDITIONAL_ADDRESS_FAMILY.type: octet,
    t.DRAFT_ADDITIONAL_ADDRESS_FAMILY.type: octet,
    t.ADDRESS_ERROR_CODE.type: st.builds(t.AddressError, octet, st.builds(Error, st.integers(300, 699))),
}


@given(st.data())
def test_every_row_of_the_table_comes_back(data: st.DataObject) -> None:
    attribute = data.draw(st.sampled_from(t.ATTRIBUTES))
    value = data.draw(SAMPLES[attribute.type])
    message = parse(Builder(3, Class.REQUEST, bytes(12)).add(attribute, value).encode())
    assert message is not None and message.get(attribute) == value


def test_no_type_twice_also_with_stun() -> None:
    types = [row.type for row in (*t.ATTRIBUTES, *STUN_ATTRIBUTES)]
    assert len(set(types)) == len(types) and len(SAMPLES) == len(t.ATTRIBUTES)


TYPES = [row.type for row in (*t.ATTRIBUTES, *STUN_ATTRIBUTES)] + [0x7000, 0xF000]


@given(
    st.sampled_from(sorted(METHODS)),
    st.lists(st.tuples(st.sampled_from(TYPES), st.one_of(st.binary(max_size=24), st.binary(min_size=4, max_size=4)))),
)
def test_any_request_is_one_or_wrong(method: int, attributes: list[tuple[int, bytes]]) -> None:
    body = b"".join(
        kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for kind, value in attributes
    )
    head = Builder(method, Class.REQUEST, bytes(12)).encode()
    message = parse(head[:2] + len(body).to_bytes(2, "big") + head[4:] + body)
    assert message is not None
    understand(message)
    understand_send(message)
