"""Presenter links, and what is derived from their secret (protocol/control.md §1).

The secret lives in the URL's fragment, which no browser sends to a server. HKDF splits it into a token the server may
check (it keeps only a hash of it) and a key that only the two ends have.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from slidewire.base.addresses import bracketed
from slidewire.base.base64url import decode_base64url, encode_base64url

SECRET_BYTES = 16
LINK_ID = re.compile(r"[a-z2-7]{10}")
PAGES = ("p", "operator", "deck", "program")

_SALT = b"slidewire/1"


class LinkError(ValueError):
    """A link that cannot be used. The message tells a person what is wrong with it."""


def derive_join_token(link_id: str, secret: bytes) -> bytes:
    return _derive(secret, f"join {link_id}", 16)


def derive_psk(link_id: str, secret: bytes) -> bytes:
    return _derive(secret, f"psk {link_id}", 32)


def commit(join_token: bytes) -> bytes:
    """What the server keeps of a join token."""
    return hashlib.sha256(join_token).digest()


def new_link_id(entropy: bytes) -> str:
    """Ten characters from at least seven random bytes."""
    return base64.b32encode(entropy[:7]).decode("ascii").lower()[:10]


def _derive(secret: bytes, info: str, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, _SALT, info.encode("ascii")).derive(secret)


@dataclass(frozen=True, slots=True)
class Link:
    """One link, as the host makes it and a presenter opens it. `secret` is kept out of its repr, and so of logs."""

    server: str
    """`https://HOST[:PORT]`, without a trailing slash."""
    page: str
    """One of `PAGES`."""
    link_id: str
    secret: bytes

    @property
    def url(self) -> str:
        secret = encode_base64url(self.secret)
        if self.page == "p":
            return f"{self.server}/p/{self.link_id}#{secret}"
        return f"{self.server}/{self.page}#{self.link_id}.{secret}"

    @property
    def join_token(self) -> bytes:
        return derive_join_token(self.link_id, self.secret)

    @property
    def psk(self) -> bytes:
        return derive_psk(self.link_id, self.secret)

    @property
    def websocket_url(self) -> str:
        return f"{self.server.replace('http', 'ws', 1)}/ws"

    def __repr__(self) -> str:
        return f"Link({self.server}, {self.page}, {self.link_id})"


def parse_link(url: str) -> Link:
    """The `Link` in a URL that was pasted. Raises `LinkError` with advice."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise LinkError(f"This is not a web address: {error}. Copy the whole link again.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise LinkError("A presenter link starts with https://. Copy the whole link again.")
    if not parts.fragment:
        raise LinkError("The link ends before its secret: the part after # is missing. Copy the whole link again.")
    page, _, link_id = parts.path.strip("/").partition("/")
    secret_text = parts.fragment
    if page != "p":
        link_id, _, secret_text = parts.fragment.partition(".")
    if page not in PAGES or not LINK_ID.fullmatch(link_id):
        raise LinkError("This is not a Slidewire link: it should look like https://SERVER/p/LINK#SECRET.")
    try:
        secret = decode_base64url(secret_text)
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise LinkError("The link's secret (after #) is cut off or altered. Copy the whole link again.")
    return Link(f"{parts.scheme}://{bracketed(parts.hostname)}{f':{port}' if port else ''}", page, link_id, secret)
