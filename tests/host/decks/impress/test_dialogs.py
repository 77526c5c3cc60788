"""Dialogs of one LibreOffice, on a real X server."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from xcffib import xproto

from slidewire.host.decks.impress import dialogs
from tests.support.xserver import TestWindow, XClient

pytestmark = pytest.mark.desktop


async def test_a_dialog_that_takes_no_notice_is_closed_again(
    display: str, others: XClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """LibreOffice's do so as long as they are being made ready."""
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(dialogs, "AGAIN", 0.01)
    told: list[tuple[str, bool]] = []

    def close(title: str, again: bool) -> bool:
        told.append((title, again))
        return True

    profile = f"-env:UserInstallation={tmp_path.as_uri()}"
    office = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", profile, stdin=subprocess.PIPE)
    closer = dialogs.DialogCloser(tmp_path, asyncio.get_running_loop(), close, lambda: False)
    window = TestWindow(others, "General Error")
    try:
        for name, type_, value in (
            ("_NET_WM_WINDOW_TYPE", xproto.Atom.ATOM, others.atom("_NET_WM_WINDOW_TYPE_DIALOG")),
            ("_NET_WM_PID", xproto.Atom.CARDINAL, office.pid),
        ):
            others.core.ChangeProperty(0, window.id, others.atom(name), type_, 32, 1, [value])
        others.sync()
        closer.look()
        wanted = 0
        async with asyncio.timeout(20):
            while wanted < 3:
                await asyncio.sleep(0.01)
                while (event := others.connection.poll_for_event()) is not None:
                    wanted += isinstance(event, xproto.ClientMessageEvent) and event.window == window.id
    finally:
        closer.close()
        await office.communicate(b"\n")
    assert told[:3] == [("General Error", False), ("General Error", True), ("General Error", True)]
