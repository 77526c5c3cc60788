"""base64url without padding, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.base64url import decode_base64url, encode_base64url, is_base64url


@given(st.binary(max_size=200))
def test_base64url_round_trip(data: bytes) -> None:
    text = encode_base64url(data)
    assert is_base64url(text)
    assert decode_base64url(text) == data


@pytest.mark.parametrize(("data", "text"), [(b"f", "Zg"), (b"foobar", "Zm9vYmFy"), (b"\xfb\xff", "-_8")])
def test_the_alphabet_of_rfc_4648_section_5(data: bytes, text: str) -> None:
    assert encode_base64url(data) == text


@pytest.mark.parametrize("text", ["Zg==", "+/8", "Zm 9", "Zg\n", "Z", "Zm9vY", "é"])
def test_anything_else_is_refused(text: str) -> None:
    assert not is_base64url(text)
    with pytest.raises(ValueError, match="not base64url"):
        decode_base64url(text)
