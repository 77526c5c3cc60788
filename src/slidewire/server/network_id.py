"""What members are told of where they are: enough to find out whether two of them are at the same place, and no more.

The word for a place is a keyed hash of the public address from which a member is connected (of IPv6, the /64). It is
told to that member alone. Two ends that compare theirs, sealed, know whether they are behind the same router, and may
then tell each other their local addresses (control/privacy.py). A word cannot be guessed at another place, and
means nothing to another server; its key ends with this process.

A private address is no place: it may be a balancer's or a proxy's, and then all members have it. Only a server that
runs on a computer among those of its room (`slidewire up`) takes all of them for one place.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from slidewire.base.address_prefixes import subnet_of
from slidewire.base.base64url import encode_base64url
from slidewire.control.privacy import Kind, kind_of

WORD_BYTES = 12


def make_networks(*, private_members: bool) -> Callable[[str], str]:
    """`private_members`: private addresses are those of our own network."""
    key = os.urandom(32)

    def network(address: str) -> str:
        if kind_of(address) is Kind.PUBLIC:
            place = subnet_of(address)
        elif private_members:
            place = "here"
        else:
            return ""
        word = hashlib.blake2b(place.encode(), key=key, digest_size=WORD_BYTES).digest()
        return encode_base64url(word)

    return network
