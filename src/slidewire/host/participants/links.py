"""The links a host has given out, and the room they belong to: kept in one private file, so that a host that comes back
has the same ones.

The rules of a link are enforced at the host (`entry.py`, `limits.py`, `participant.py`). The server is told a
commitment and an expiry, to refuse strangers early, and whether a link is for operators, presenters or the audience, to
keep their places apart; it never learns a secret or any other rule.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from filelock import BaseFileLock

from slidewire.base.base64url import encode_base64url
from slidewire.control.intents import Role
from slidewire.control.links import SECRET_BYTES, Link, commit, new_link_id
from slidewire.system.file_locks import is_locked, try_lock

log = logging.getLogger(__name__)

LINKS_PER_ROOM = 200
REVOKED_KEPT = 100
"""To be seen by operators. The oldest is forgotten, which opens as little as one that was revoked."""
FIRST_LINKS = (
    (Role.CLICK, "p", "Presenter"),
    (Role.OPERATOR, "operator", "Operator"),
    (Role.VIEW, "deck", "Deck"),
    (Role.VIEW, "program", "Program"),
)
"""What every room has: a host says one link to each page when it starts."""


class TooManyLinks(Exception):
    """The room has as many links as it may have. Revoke some."""


@dataclass(frozen=True, slots=True)
class LinkRule:
    """One link and what it may do."""

    id: str
    secret: bytes = field(repr=False)
    page: str
    """`p`, `operator`, `deck` or `program`."""
    role: Role
    label: str = ""
    expires: float | None = None
    """Wall clock, seconds; None: as long as the room."""
    revoked: bool = False
    not_before: float | None = None
    """Wall clock, seconds."""
    first: int | None = None
    last: int | None = None
    """The slides it may show, both included; None: no limit on that side."""
    one_device: bool = False
    """Only the first device to use it may."""
    device: str | None = field(default=None, repr=False)
    """Which one that was."""
    by_hand: bool = False
    """An operator lets each new device in."""
    admitted: tuple[str, ...] = field(default=(), repr=False)
    """The devices that were let in."""

    @property
    def is_ranged(self) -> bool:
        return self.first is not None or self.last is not None

    def covers(self, slide: int) -> bool:
        return (self.first is None or slide >= self.first) and (self.last is None or slide <= self.last)

    def is_good(self, wall: float) -> bool:
        return not self.revoked and not self.has_expired(wall)

    def has_expired(self, wall: float) -> bool:
        return self.expires is not None and wall >= self.expires

    def link(self, server: str) -> Link:
        return Link(server, self.page, self.id, self.secret)

    def announcement(self) -> dict[str, object]:
        """What the server is told of it."""
        token = self.link("").join_token
        told: dict[str, object] = {"id": self.id, "commit": encode_base64url(commit(token))}
        if self.expires is not None:
            told["expires"] = self.expires
        return told | {"place": self.place}

    @property
    def place(self) -> str:
        """Which of the room's places it leads to (protocol/signaling.md, "Places")."""
        if self.role is Role.OPERATOR:
            return "operator"
        return "presenter" if self.role.may_point else "audience"


@dataclass(frozen=True, slots=True)
class ShowPosition:
    """Where the show stood."""

    deck: str
    """What the deck's file was like."""
    slide: int
    started: float
    """Wall clock, seconds: when the show began."""
    kept: float
    """Wall clock, seconds."""


@dataclass(slots=True)
class Room:
    """What makes a room this host's: the token it opens it with, and its links. Kept in `path` if there is one."""

    token: bytes = field(repr=False)
    server: str
    deck: str
    code: str | None = None
    created: float = 0.0
    ended: bool = False
    links: dict[str, LinkRule] = field(default_factory=dict)
    path: Path | None = None
    lock: BaseFileLock | None = None
    """Held while this process has the room."""
    begun: bool = False
    """It was kept once, and the show goes on even if it cannot be kept again."""
    position: ShowPosition | None = None
    unkept: bool = False
    """It could not be kept when that was last tried, and that was said."""

    @property
    def is_anothers(self) -> bool:
        """Another process of this user has it, too, and keeps the show's position."""
        return self.path is not None and self.lock is None

    @property
    def lock_path(self) -> Path:
        """The file beside the room's that is locked while a process has the room."""
        assert self.path is not None, "a room that is not kept has no lock"
        return self.path.with_suffix(".lock")

    def acquire(self) -> bool:
        """Have the room for this process. False: another process has it."""
        self.lock = try_lock(self.lock_path)
        return self.lock is not None

    def make_link(self, role: Role, page: str = "p", label: str = "", **rules: Any) -> LinkRule:
        """`rules` are further fields of `LinkRule`."""
        if sum(not rule.revoked for rule in self.links.values()) >= LINKS_PER_ROOM:
            raise TooManyLinks(f"This room has {LINKS_PER_ROOM} links already. Revoke some first.")
        revoked = [rule.id for rule in self.links.values() if rule.revoked]
        for link_id in revoked[:-REVOKED_KEPT]:
            del self.links[link_id]
        link_id, secret = new_link_id(secrets.token_bytes(7)), secrets.token_bytes(SECRET_BYTES)
        rule = LinkRule(link_id, secret, page, role, label, **rules)
        self.links[rule.id] = rule
        self.save()
        return rule

    def change(self, rule: LinkRule) -> None:
        """From now on the link of that id is this."""
        if self.links.get(rule.id) != rule:
            self.links[rule.id] = rule
            self.save()

    def first(self, page: str) -> LinkRule:
        return next(rule for rule in self.links.values() if rule.page == page and not rule.revoked)

    def good_links(self, wall: float) -> list[LinkRule]:
        return [rule for rule in self.links.values() if rule.is_good(wall)]

    def keep_position(self, position: ShowPosition | None) -> None:
        self.position = position
        self.save()

    def save(self) -> None:
        """Write the file whole or not at all; only its owner may read it. Raises OSError before the show has begun. A
        full disk does not stop a show: above all, a link that is withdrawn is so; that it was not kept is said."""
        if self.path is None:
            return
        temporary = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.touch(mode=0o600)  # before there is anything in it
            temporary.write_bytes(msgspec.json.encode(_RoomFile.of(self)))
            temporary.replace(self.path)
            self.unkept = False
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if not self.begun:
                raise
            if not self.unkept:
                log.error("the room's links are not kept for the next start: %s. Make space on disk.", error.strerror)
            self.unkept = True


def _complete(room: Room) -> Room:
    """With a link to each page: one may have been revoked, or be of a kind that an earlier version did not have."""
    for role, page, label in FIRST_LINKS:
        if not any(rule.page == page and not rule.revoked for rule in room.links.values()):
            room.make_link(role, page, label)
    room.begun = True
    return room


class _RoomFile(msgspec.Struct):
    """The file's form."""

    token: bytes
    server: str
    deck: str
    code: str | None
    created: float
    ended: bool
    links: list[LinkRule]
    position: ShowPosition | None = None

    @classmethod
    def of(cls, room: Room) -> _RoomFile:
        links = list(room.links.values())
        return cls(room.token, room.server, room.deck, room.code, room.created, room.ended, links, room.position)


class RoomStore:
    """The rooms of this user on this machine, a file each."""

    REOPEN_WITHIN = 12 * 3600.0

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, server: str, deck: str, code: str | None = None) -> Room:
        """The room `code`, or the one that a host for this server and deck left without ending it, or a new one."""
        for room in self._rooms():
            if code is not None and room.code == code and room.server == server:
                room.acquire()  # or another host of ours has it too, as main and backup do
                return _complete(room)
            is_recent = time.time() - room.created < self.REOPEN_WITHIN
            is_ours = not room.ended and is_recent and (room.server, room.deck) == (server, deck)
            if code is None and is_ours and room.acquire():
                return _complete(room)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_bytes(16)
        path = self._directory / f"{secrets.token_hex(6)}.json"
        room = Room(token, server, deck, code, created=time.time(), path=path)
        room.acquire()
        return _complete(room)

    def way_in(self) -> Link | None:
        """An operator link of the room made last, of those that a process here has open now."""
        now = time.time()
        rooms = [
            room for room in self._rooms() if not room.ended and room.code is not None and is_locked(room.lock_path)
        ]
        for room in sorted(rooms, key=lambda room: room.created, reverse=True):
            for rule in room.good_links(now):
                if rule.role is Role.OPERATOR and rule.page == "operator" and not rule.by_hand:
                    return rule.link(room.server)
        return None

    def _rooms(self) -> list[Room]:
        rooms = []
        for path in sorted(self._directory.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
            try:
                file = msgspec.json.decode(path.read_bytes(), type=_RoomFile)
            except (OSError, msgspec.DecodeError):
                continue  # a file of another version, or half gone: the room it held is over
            if time.time() - file.created > 7 * 86400:
                path.unlink(missing_ok=True)
                path.with_suffix(".lock").unlink(missing_ok=True)
                continue
            links = {rule.id: rule for rule in file.links}
            room = Room(file.token, file.server, file.deck, file.code, file.created, file.ended, links, path)
            room.position = file.position
            rooms.append(room)
        return rooms
