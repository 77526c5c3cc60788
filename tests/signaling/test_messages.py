"""The edge: what bytes become, against the vectors that the web client's tests read too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.base64url import encode_base64url
from slidewire.signaling import messages as m

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "protocol" / "vectors" / "signaling.json").read_text(encoding="utf-8")
)


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[kind], ids=lambda vector: vector["name"])


def text_of(vector: dict[str, Any]) -> bytes:
    if "text" in vector:
        return str(vector["text"]).encode()
    return f"{vector['before']}{vector['repeat'] * vector['times']}{vector['after']}".encode()


def fields(encoded: bytes) -> Any:
    return json.loads(encoded)


@each("client")
def test_what_a_client_says_is_read_and_written_as_it_is(vector: dict[str, Any]) -> None:
    message = m.decode_client(json.dumps(vector["message"]).encode())
    assert not isinstance(message, m.Wrong | m.Garbage), message
    assert fields(m.encode(message)) == vector["message"]


@each("server")
def test_what_the_server_says_is_read_and_written_as_it_is(vector: dict[str, Any]) -> None:
    message = m.decode_server(json.dumps(vector["message"]).encode())
    assert not isinstance(message, m.Wrong | m.Garbage), message
    assert fields(m.encode(message)) == vector["message"]


def test_the_vectors_leave_no_message_out() -> None:
    said = {vector["message"]["type"] for vector in VECTORS["client"]}
    answered = {vector["message"]["type"] for vector in VECTORS["server"]}
    assert said == {kind.__struct_config__.tag for kind in m.ClientMessage.__args__}
    assert answered == {kind.__struct_config__.tag for kind in m.ServerMessage.__args__}


@each("tolerated")
def test_other_spellings_mean_the_same(vector: dict[str, Any]) -> None:
    assert m.decode_client(text_of(vector)) == m.decode_client(json.dumps(vector["same_as"]).encode())


@each("wrong")
def test_what_is_wrong_is_answered_by_its_ref(vector: dict[str, Any]) -> None:
    wrong = m.decode_client(text_of(vector))
    assert isinstance(wrong, m.Wrong)
    assert (wrong.code, wrong.ref) == (vector["code"], vector["ref"])
    assert len(wrong.message) > 20


@each("garbage")
def test_garbage_is_told_apart(vector: dict[str, Any]) -> None:
    garbage = m.decode_client(text_of(vector))
    assert isinstance(garbage, m.Garbage | m.Wrong) and garbage.code == vector["code"]


@each("too_large")
def test_too_large_by_one(vector: dict[str, Any]) -> None:
    refused = m.decode_client(text_of(vector))
    assert isinstance(refused, m.Garbage | m.Wrong) and refused.code == vector["code"]


@each("largest")
def test_just_small_enough(vector: dict[str, Any]) -> None:
    assert not isinstance(m.decode_client(text_of(vector)), m.Garbage | m.Wrong)


@each("ignored")
def test_a_client_makes_nothing_of_what_it_does_not_know(vector: dict[str, Any]) -> None:
    assert isinstance(m.decode_server(text_of(vector)), m.Garbage | m.Wrong)


def test_the_longest_data_is_what_the_limit_says() -> None:
    whole = encode_base64url(bytes(m.MAX_DATA))
    assert not isinstance(m.decode_client(m.encode(m.SendTo(to="m1", data=whole))), m.Wrong)
    longer = encode_base64url(bytes(m.MAX_DATA + 1))
    refused = m.decode_client(m.encode(m.SendTo(to="m1", data=longer)))
    assert isinstance(refused, m.Wrong) and refused.code is m.Code.TOO_LARGE


def test_text_that_is_no_unicode_is_garbage_and_not_an_exception() -> None:
    assert isinstance(m.decode_client('{"type":"ping","ref":"\ud800"}'), m.Garbage)
    assert isinstance(m.decode_client(b'{"type":"ping","ref":"\xff"}'), m.Garbage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from([kind.__struct_config__.tag for kind in m.ClientMessage.__args__])
NEARLY = st.fixed_dictionaries(
    {"type": TYPES | st.text(max_size=8)},
    optional=dict.fromkeys(
        ("v", "ref", "to", "data", "last", "room", "token", "name", "link", "links", "member"), JSON
    ),
)


@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | NEARLY.map(lambda value: json.dumps(value).encode())
    | st.integers(1, 16_000).map(lambda depth: b'{"type":"ping","x":' + b"[" * depth)
)
def test_any_bytes_meet_one_of_three_fates(data: bytes) -> None:
    fate = m.decode_client(data)
    if isinstance(fate, m.Garbage | m.Wrong):
        assert fate.message
        json.dumps([fate.code, fate.message, getattr(fate, "ref", None)])
    else:
        assert m.decode_client(m.encode(fate)) == fate
    m.decode_server(data)
