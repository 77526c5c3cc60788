"""Which member has a place in a room, and which one gives way to a newcomer when there is none left.

Operators, presenters and the audience are counted apart, each by the same rule. A link has places of its own, which no
other link ever takes, and beyond them its share of those that are for all links of its kind. A member that finished the
handshake with the host is *proven*, and does not give way to one that comes by another link. One that did not may know
no more than a link's join token: it gives way, first where the most came by one link from one address.

By the same link a newcomer also takes the place of a proven member, if more of the others are at one address than at
its own, by more than one: many devices in one place do not keep out one in another.
"""

from __future__ import annotations

from collections import Counter

from slidewire.signaling.limits import Limits, Places
from slidewire.signaling.messages import Link, Place
from slidewire.signaling.room import Member, Room


class NoPlace(Exception):
    """There is no place for this newcomer."""


def places_of(kind: Place, limits: Limits) -> Places:
    match kind:
        case Place.OPERATOR:
            return limits.operators
        case Place.PRESENTER:
            return limits.presenters
        case Place.AUDIENCE:
            return limits.audience


def kind_of(link: Link) -> Place:
    """Presenter, where its host does not say: it may be a link that clicks."""
    return link.place or Place.PRESENTER


def make_place(room: Room, link: Link, address: str, limits: Limits, wall: float) -> Member | None:
    """The member that must leave before one from this address comes in by this link, if any. Raises `NoPlace`."""
    kind = kind_of(link)
    places = places_of(kind, limits)
    links = [each for each in room.links.values() if kind_of(each) is kind]
    taken = Counter(member.link for member in room.presenters())
    good = [each.id for each in links if each.expires is None or wall < each.expires]
    own = dict.fromkeys(good[: places.links], places.own)
    if taken[link.id] < own.get(link.id, 0):
        return None
    beyond = {each.id: max(0, taken[each.id] - own.get(each.id, 0)) for each in links}
    has_its_share = beyond[link.id] >= places.share
    if not has_its_share and sum(beyond.values()) < places.shared:
        return None
    rivals = room.presenters(link.id)
    if not has_its_share:
        rivals += [m for m in room.presenters() if m.link != link.id and beyond.get(m.link) and not m.proven]
    return _who_gives_way(rivals, link.id, address)


def _who_gives_way(rivals: list[Member], link: str, address: str) -> Member:
    newcomer = (link, address)
    crowd = Counter((member.link, member.counts_as) for member in rivals)

    def size(member: Member) -> int:
        return crowd[member.link, member.counts_as]

    idle = [
        member
        for member in rivals
        if (not member.proven or member.away)
        and (size(member) > crowd[newcomer] or (member.link, member.counts_as) == newcomer)
    ]
    if idle:
        return max(idle, key=lambda member: (size(member), not member.proven, -member.joined))
    crowded = [member for member in rivals if member.link == link and size(member) > crowd[newcomer] + 1]
    if crowded:
        return max(reversed(crowded), key=lambda member: (size(member), member.joined))
    raise NoPlace
