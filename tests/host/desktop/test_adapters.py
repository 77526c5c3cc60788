from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest

from slidewire.host.desktop.adapters import (
    FOCUS,
    KEYBOARD,
    MONITORS,
    OVERLAY,
    WINDOWS,
    Adapter,
    Port,
    list_screens,
    open_desktop,
    probe_desktop,
)
from slidewire.host.desktop.environment import EVERY_SYSTEM, System, this_system
from slidewire.host.desktop.errors import DesktopError, ScreenError

PROBES: dict[str, Callable[[str | None], str | None]] = {
    "keyboard": KEYBOARD.probe,
    "focus": FOCUS.probe,
    "overlay": OVERLAY.probe,
    "monitors": MONITORS.probe,
    "windows": WINDOWS.probe,
}


def adapter(name: str, remedy: str | None, systems: frozenset[System] = EVERY_SYSTEM) -> Adapter[[], str]:
    return Adapter(name, systems, lambda display: remedy, lambda: f"opened {name}")


def test_the_first_adapter_that_works_here_is_chosen() -> None:
    port = Port((adapter("first", "install it"), adapter("second", None), adapter("third", None)), absent="")
    assert port.probe() is None
    assert port.choose().open() == "opened second"


def test_where_none_works_the_preferred_one_says_what_to_do() -> None:
    port = Port((adapter("first", "install it"), adapter("second", "start it")), absent="")
    assert port.probe() == "install it"
    with pytest.raises(DesktopError, match="install it"):
        port.choose()


def test_an_adapter_of_another_system_is_not_asked() -> None:
    elsewhere = EVERY_SYSTEM - {this_system()}
    port = Port((adapter("first", None, elsewhere), adapter("second", "install it", elsewhere)), absent="not here")
    assert port.probe() == "not here"


@pytest.mark.parametrize("name", PROBES)
def test_without_a_display_every_port_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    remedy = PROBES[name](None)
    assert remedy is not None and any(word in remedy for word in ("start", "use", "share"))


@pytest.mark.parametrize("name", PROBES)
def test_the_name_of_a_display_is_enough_for_a_probe_and_it_is_not_opened(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert PROBES[name](":64000") is None, "there is no such display"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
async def test_no_keys_are_typed_where_the_front_window_cannot_be_seen(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert KEYBOARD.choose().name == "pynput"
    assert "does not type without looking" in (probe_desktop() or "")
    with pytest.raises(DesktopError, match="does not type without looking"):
        open_desktop(asyncio.get_running_loop())


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":64000")
    monkeypatch.setitem(sys.modules, "xcffib", None)
    monkeypatch.setitem(sys.modules, "mss", None)
    assert "pip install xcffib" in (KEYBOARD.probe() or "")
    with pytest.raises(ScreenError, match="pip install mss"):
        list_screens()
