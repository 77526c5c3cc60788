"""Who holds the room's places at the server: its members, by the link each came by.

The server knows who is a member and by which link. The host knows who finished the handshake, and tells the server,
which gives the others' places to those who need them (protocol/signaling.md, "Places").
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from slidewire.control.privacy import Privacy
from slidewire.control.state import OriginEntry, PlacesEntry
from slidewire.signaling.client import Presence
from slidewire.signaling.messages import MemberEntry

ORIGINS_SHOWN: Final = 8
"""Of one link, those with the most members: what an operator is shown has an end."""


@dataclass(slots=True)
class Member:
    link: str
    since: float
    """Wall clock."""
    origin: int = 0
    """Those with the same number are connected from one address; 0: unknown."""
    away: bool = False
    proven: bool = False


class Members:
    def __init__(self, changed: Callable[[], object], tell_proven: Callable[[list[str]], object]) -> None:
        """`changed`: operators are to be told something else. `tell_proven`: tells the server which members are."""
        self._members: dict[str, Member] = {}
        self._changed = changed
        self._tell_proven = tell_proven

    def are(self, entries: Iterable[MemberEntry]) -> None:
        """The room's members as the server lists them, when the room was opened or we are back."""
        now = time.time()
        self._members = {
            entry.member: Member(
                entry.link, now - (entry.seconds or 0), entry.origin or 0, entry.away, entry.proven is True
            )
            for entry in entries
        }
        self._changed()

    def receive(self, news: Presence) -> None:
        """That one came or went."""
        member = self._members.get(news.member)
        if news.change == "joined":
            self._members[news.member] = Member(news.link, time.time(), news.origin)
        elif news.change == "left":
            self._members.pop(news.member, None)
        elif member is not None:
            member.away = news.change == "away"
            member.origin = news.origin or member.origin
        self._changed()

    def prove(self, members: Iterable[str]) -> None:
        """They finished the handshake. Said once of each; a frame of a known one costs a look-up."""
        new = [id_ for id_ in members if (member := self._members.get(id_)) is not None and not member.proven]
        if not new:
            return
        for id_ in new:
            self._members[id_].proven = True
        self._tell_proven(new)
        self._changed()

    def origin(self, member: str) -> int:
        known = self._members.get(member)
        return 0 if known is None else known.origin

    def by(self, link: str, origin: int | None = None) -> list[str]:
        """Who came by this link, from everywhere or from one address."""
        return [
            id_
            for id_, member in self._members.items()
            if member.link == link and (origin is None or member.origin == origin)
        ]

    def describe(self, privacy: Privacy) -> list[PlacesEntry]:
        """For operators: of each link that members came by, how many are here, how many of them are proven, since when,
        and how many come from one address. That, too, is not for others where a show is private."""
        by_link: dict[str, list[Member]] = {}
        for member in self._members.values():
            by_link.setdefault(member.link, []).append(member)
        return [
            PlacesEntry(
                link=link,
                count=len(members),
                proven=sum(member.proven for member in members),
                away=sum(member.away for member in members),
                since=min(member.since for member in members),
                origins=[] if privacy is Privacy.PRIVATE else _origins(members),
            )
            for link, members in by_link.items()
        ]


def _origins(members: list[Member]) -> list[OriginEntry]:
    """Where more than one is."""
    counted = Counter(member.origin for member in members if member.origin)
    return [OriginEntry(origin, count) for origin, count in counted.most_common(ORIGINS_SHOWN) if count > 1]
