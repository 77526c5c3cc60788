"""Who a presenter is, said once the two ends have keys (protocol/control.md §3), and the nonces of both ends.

The hello is sealed by the link alone: who has the link and a recording reads it. So it says nothing of the presenter,
only the hash of a nonce; the first sealed frames say the rest, and open the nonce. The host does the same in its
welcome and its first answer. The verification words are made of the handshake and of both nonces, so that no one can
know what the words will be before its own part in them is settled.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from slidewire.base.base64url import encode_base64url

NONCE_BYTES = 16


def commitment(nonce: bytes) -> bytes:
    """What settles a nonce before it is shown."""
    return hashlib.sha256(nonce).digest()


def device_name(seed: bytes, link_id: str) -> str:
    """What a device calls itself to the host of a link: always the same there, and another name for each link, so that
    two links do not tell that one device has both. `seed` is random, and the device keeps it to itself."""
    return encode_base64url(hmac.digest(seed, link_id.encode(), "sha256")[:16])


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a presenter's first frames say."""

    nonce: bytes = field(repr=False)
    name: str = ""
    kind: str = ""
    replaces: str = ""
    """The `session_name` of the presenter's session before this one. Nothing of that one is performed once this one is
    established, or an intent that was late on its way could overtake what was asked after it."""
    device: str = field(default="", repr=False)
    """What the presenter's device calls itself, so that a link can be bound to it; empty if it does not say."""

    def encode(self) -> bytes:
        said = {"name": self.name, "kind": self.kind, "replaces": self.replaces, "device": self.device}
        text = json.dumps({key: value for key, value in said.items() if value}, separators=(",", ":"))
        return self.nonce + text.encode()


def read_introduction(data: bytes, committed: bytes) -> Introduction | None:
    """None: it does not open what was committed to. Fields that cannot be read are empty."""
    nonce, text = data[:NONCE_BYTES], data[NONCE_BYTES:]
    if commitment(nonce) != committed:
        return None
    said = read_object(text)
    name, kind, replaces, device = (_short(said.get(key)) for key in ("name", "kind", "replaces", "device"))
    return Introduction(nonce, name, kind, replaces, device)


def read_object(payload: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _short(value: object) -> str:
    """A name as it was typed, fit to be shown: printable, and at most 40 characters."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable()).strip()[:40]
