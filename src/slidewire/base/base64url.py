"""base64url without padding (RFC 4648 §5): how bytes are written in links, tokens and JSON."""

from __future__ import annotations

import base64
import re
from typing import Final

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def is_base64url(text: str) -> bool:
    """Whether `decode_base64url` would take it. One character alone in the last group is less than a byte."""
    return _ALPHABET.fullmatch(text) is not None and len(text) % 4 != 1


def decode_base64url(text: str) -> bytes:
    """Raises ValueError for anything but base64url without padding."""
    if not is_base64url(text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
