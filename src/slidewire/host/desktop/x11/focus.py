"""Windows on X11, with a window manager or without.

Typed keys go to the window that has the input focus, whatever the window manager's `_NET_ACTIVE_WINDOW` says: so
`front` asks for the focus itself, and climbs from there to the window its program made. Changes are pushed by the
server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xcffib
import xcffib.screensaver
import xcffib.shape
from xcffib import xproto

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.focus import Window
from slidewire.host.desktop.geometry import Rectangle, monitor_of
from slidewire.host.desktop.x11.connection import XServer, translated

NONE, POINTER_ROOT = 0, 1
FROM_PAGER = 2
"""The source of a request to activate a window: a tool acting for the user, which window managers obey."""
SAVER_ON = 1
WITH_ALPHA = 32
"""The depth of a window that may be translucent."""
OWN_CLASS = "slidewire"
"""The class of our own windows on the screen, which are no deck."""


class XFocus:
    """The windows of one display."""

    def __init__(self, server: XServer, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called on the event loop when `windows()` may answer otherwise than before."""
        self._changed = changed
        self._server = server
        self._saver = _optional(server, xcffib.screensaver.key, "MIT-SCREEN-SAVER")
        self._shape = _optional(server, xcffib.shape.key, "SHAPE")
        self._known: dict[int, Window] = {}
        self._watched: set[int] = set()
        self._list_atoms = {server.atom(name) for name in ("_NET_CLIENT_LIST_STACKING", "_NET_CLIENT_LIST")}
        self._shown_atoms = {
            server.atom(name) for name in ("_NET_WM_NAME", "WM_NAME", "WM_CLASS", "_NET_WM_STATE", "WM_STATE")
        }
        mask = xproto.EventMask.PropertyChange | xproto.EventMask.SubstructureNotify
        server.core.ChangeWindowAttributes(server.root, xproto.CW.EventMask, [mask])
        server.connection.flush()
        server.listeners.append(self._on_event)

    def _on_event(self, event: Any) -> None:
        match event:
            case None:
                self._changed()
            case xproto.PropertyNotifyEvent(window=self._server.root):
                if event.atom in self._list_atoms:
                    self._changed()
            case xproto.PropertyNotifyEvent():
                if event.atom in self._shown_atoms and self._forget(event.window):
                    self._changed()
            case xproto.ConfigureNotifyEvent():
                self._forget(event.window)
            case xproto.DestroyNotifyEvent():
                self._watched.discard(event.window)
                if self._forget(event.window):
                    self._changed()
            case xproto.MapNotifyEvent() | xproto.UnmapNotifyEvent():
                self._changed()

    def _forget(self, window: int) -> bool:
        """Look at it anew next time; says whether it was known."""
        return self._known.pop(window, None) is not None

    @translated()
    def front(self) -> Window | None:
        focus = self._server.core.GetInputFocus().reply().focus
        if focus == NONE:
            return None
        if focus in (POINTER_ROOT, self._server.root):
            return self.under_pointer()
        return self._program_window(focus)

    @translated()
    def under_pointer(self) -> Window | None:
        window, deeper = NONE, self._server.core.QueryPointer(self._server.root).reply().child
        while deeper:
            window, deeper = deeper, self._server.core.QueryPointer(deeper).reply().child
        return self._program_window(window) if window else None

    @translated()
    def windows(self) -> list[Window]:
        managed, found = self._managed(), []
        self._server.pump()  # what changed before that answer is looked at anew
        for window in managed:
            try:
                if window not in self._known:
                    self._watch(window)
                    self._known[window] = self._look(window)
            except xcffib.Error:
                continue
            found.append(self._known[window])
        return [window for window in found if window.wm_class.split(" ")[0] != OWN_CLASS]

    @translated()
    def is_hidden(self, window: Window) -> bool:
        if self._saver is not None and self._saver.QueryInfo(self._server.root).reply().state == SAVER_ON:
            return True
        server = self._server
        stack = list(server.core.QueryTree(server.root).reply().children)
        frame = self._frame(window.id)
        above = stack[stack.index(frame) + 1 :] if frame in stack else []
        asked = [(it, server.core.GetWindowAttributes(it), server.core.GetGeometry(it)) for it in above]
        return any(self._covers(*it, window.area) for it in asked)

    def _frame(self, window: int) -> int:
        """The window around it that lies on the root."""
        while (parent := self._server.core.QueryTree(window).reply().parent) not in (NONE, self._server.root):
            window = parent
        return window

    def _covers(self, window: int, attributes: Any, geometry: Any, area: Rectangle) -> bool:
        """Whether a window hides that area: one that can be seen through does not."""
        try:
            attributes, geometry = attributes.reply(), geometry.reply()
            if attributes.map_state != xproto.MapState.Viewable or attributes._class != xproto.WindowClass.InputOutput:
                return False
            if geometry.depth == WITH_ALPHA or not self._server.area(window).covers(area):
                return False
            return not (self._shape is not None and self._shape.QueryExtents(window).reply().bounding_shaped)
        except xcffib.Error:
            return False

    @translated()
    def bring_to_front(self, window: Window) -> None:
        server = self._server
        if server.numbers(server.ask(server.root, "_NET_SUPPORTING_WM_CHECK")):
            x: Any = xproto
            data = x.ClientMessageData.synthetic([FROM_PAGER, 0, 0, 0, 0], "I" * 5)
            message = x.ClientMessageEvent.synthetic(32, window.id, server.atom("_NET_ACTIVE_WINDOW"), data)
            mask = xproto.EventMask.SubstructureNotify | xproto.EventMask.SubstructureRedirect
            server.core.SendEvent(False, server.root, mask, message.pack())
        else:
            server.core.ConfigureWindow(window.id, xproto.ConfigWindow.StackMode, [xproto.StackMode.Above])
            server.core.SetInputFocus(xproto.InputFocus.PointerRoot, window.id, 0)
        server.connection.flush()

    @contextmanager
    def held(self) -> Iterator[None]:
        with translated():
            self._server.core.GrabServer()
            try:
                yield
            finally:
                self._server.core.UngrabServer()
                self._server.connection.flush()
        self._server.pump()

    def _managed(self) -> list[int]:
        """The programs' windows, the topmost first: the window manager's list, or without one what the root holds."""
        server = self._server
        stacking = server.ask(server.root, "_NET_CLIENT_LIST_STACKING")
        manager = server.ask(server.root, "_NET_SUPPORTING_WM_CHECK")
        listed = server.numbers(stacking)
        if not server.numbers(manager):
            children = list(server.core.QueryTree(server.root).reply().children)
            asked = [(it, server.core.GetWindowAttributes(it), server.ask(it, "WM_CLASS")) for it in children]
            listed = [it for it, attributes, wm_class in asked if self._is_shown(attributes, wm_class)]
        return listed[::-1]

    def _is_shown(self, attributes: Any, wm_class: Any) -> bool:
        try:
            name = self._server.text(wm_class)
            return bool(name) and attributes.reply().map_state == xproto.MapState.Viewable
        except xcffib.Error:
            return False

    def _program_window(self, window: int) -> Window | None:
        """Climb to the window its program made: below it are its parts, above it the window manager's frame."""
        server = self._server
        try:
            while True:
                tree = server.core.QueryTree(window)
                managed, named = server.ask(window, "WM_STATE"), server.ask(window, "WM_CLASS")
                parent = tree.reply().parent
                is_managed, is_named = bool(server.numbers(managed)), bool(server.text(named))
                if is_managed or is_named or parent in (NONE, server.root):
                    return self._look(window)
                window = parent
        except xcffib.Error:
            return None

    def _watch(self, window: int) -> None:
        if window not in self._watched:
            mask = xproto.EventMask.PropertyChange | xproto.EventMask.StructureNotify
            self._server.core.ChangeWindowAttributes(window, xproto.CW.EventMask, [mask])
            self._watched.add(window)

    def _look(self, window: int) -> Window:
        server = self._server
        names = ("_NET_WM_NAME", "WM_NAME", "WM_CLASS")
        asked = [server.ask(window, name) for name in names]
        state, pid = server.ask(window, "_NET_WM_STATE"), server.ask(window, "_NET_WM_PID")
        area = server.area(window)
        title, plain_title, wm_class = (server.text(it) for it in asked)
        states = server.numbers(state)
        monitor = monitor_of(area, server.monitors())
        return Window(
            id=window,
            title=title or plain_title,
            wm_class=wm_class,
            process=_process_name(server.numbers(pid)),
            area=area,
            full_screen=server.atom("_NET_WM_STATE_FULLSCREEN") in states
            or (monitor is not None and area.covers(monitor)),
        )


def _optional(server: XServer, key: Any, name: str) -> Any:
    try:
        return server.extension(key, name)
    except DesktopError:
        return None


def _process_name(pid: list[int]) -> str:
    try:
        return Path(f"/proc/{pid[0]}/comm").read_text().strip() if pid else ""
    except OSError:
        return ""  # a window of another machine or another user, or a system without /proc
