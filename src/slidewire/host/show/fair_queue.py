"""A queue that serves links in turn, and the sessions of one link in turn.

Sans-I/O. Items of one session keep their order. However many items one session puts in, an item of another waits for at
most one of them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    def __init__(self) -> None:
        self._links: OrderedDict[str, OrderedDict[int, deque[T]]] = OrderedDict()
        """What waits, by link and session; the one whose turn is next stands first."""

    def __bool__(self) -> bool:
        return bool(self._links)

    def put(self, link: str, session: int, item: T) -> None:
        self._links.setdefault(link, OrderedDict()).setdefault(session, deque()).append(item)

    def pop(self) -> T:
        """The next item. Raises KeyError when there is none."""
        link, sessions = self._links.popitem(last=False)
        session, items = sessions.popitem(last=False)
        item = items.popleft()
        if items:
            sessions[session] = items
        if sessions:
            self._links[link] = sessions
        return item

    def forget(self, link: str, session: int) -> None:
        """Drop what this session put in."""
        sessions = self._links.get(link)
        if sessions is not None:
            sessions.pop(session, None)
            if not sessions:
                del self._links[link]
