"""The keys deck on a real X server, with windows that note what they got: right keys, right window, nothing else."""

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from xcffib import xproto

from slidewire.control.intents import Intent, Outcome, Reason, Status, Verb
from slidewire.host.decks.driver import DeckError, DeckStatus, not_told
from slidewire.host.decks.keys.driver import KeysDeck
from slidewire.host.decks.keys.keymaps import IMPRESS, Target
from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.x11.keyboard import XKeyboard
from tests.support.xserver import TestWindow, XClient, until, x_client, x_server

pytestmark = pytest.mark.desktop

UNSEEN = Outcome(Status.PERFORMED, reason=Reason.UNSEEN)
NEXT = Intent(Verb.NEXT)
SHIFT, NUM_LOCK = 0xFFE1, 0xFF7F


def refused(reason: Reason) -> Outcome:
    return Outcome(Status.REFUSED, reason=reason)


@asynccontextmanager
async def keys_deck(
    display: str,
    target: Target | None = None,
    *,
    raise_window: bool = False,
    changed: Callable[[], None] = not_told,
) -> AsyncIterator[KeysDeck]:
    deck = KeysDeck(target, raise_window=raise_window, display=display)
    await deck.open(changed)
    try:
        yield deck
    finally:
        await deck.close()


def show(client: XClient) -> TestWindow:
    return TestWindow(client, "Presenting: talk", "soffice Soffice", full_screen=True)


def editor(client: XClient) -> TestWindow:
    return TestWindow(client, "talk.odp - LibreOffice Impress", "libreoffice libreoffice-impress")


async def test_each_intent_is_typed_as_its_keys_pressed_and_released(display: str, others: XClient) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        assert await deck.perform(NEXT) == UNSEEN
        assert window.key_events() == ["+PageDown", "-PageDown"]
        for intent, keys in [
            (Intent(Verb.PREVIOUS), ["PageUp"]),
            (Intent(Verb.FIRST), ["Home"]),
            (Intent(Verb.LAST), ["End"]),
            (Intent(Verb.GOTO, 120), ["1", "2", "0", "Return"]),
            (Intent(Verb.BLACK), ["b"]),
            (Intent(Verb.WHITE), ["w"]),
            (Intent(Verb.STOP), ["Escape"]),
        ]:
            assert await deck.perform(intent) == UNSEEN
            assert window.keys() == keys


async def test_a_program_that_drops_hasty_keys_gets_them_at_its_pace(display: str, others: XClient) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        clock = asyncio.get_running_loop().time
        started = clock()
        for _ in range(4):
            assert await deck.perform(NEXT) == UNSEEN
        assert clock() - started >= 3 * IMPRESS.pace
        assert window.keys() == ["PageDown"] * 4


async def test_with_another_window_in_front_nothing_is_typed_anywhere(display: str, others: XClient) -> None:
    window = show(others)
    chat = TestWindow(others, "Team chat")
    async with keys_deck(display) as deck:
        assert deck.state().status is DeckStatus.RUNNING
        for verb in (Verb.NEXT, Verb.BLACK, Verb.STOP):
            assert await deck.perform(Intent(verb)) == refused(Reason.FOCUS)
        assert await deck.perform(Intent(Verb.GOTO, 12)) == refused(Reason.FOCUS)
        assert (chat.key_events(), window.key_events()) == ([], [])
        chat.close()
        until(lambda: others.focus() == window.id, "the show is in front again")
        assert await deck.perform(NEXT) == UNSEEN
        assert window.keys() == ["PageDown"]


async def test_a_dialog_of_the_same_program_is_not_the_deck(display: str, others: XClient) -> None:
    window = show(others)
    dialog = TestWindow(others, "Save Document?", "soffice Soffice")
    async with keys_deck(display) as deck:
        assert await deck.perform(NEXT) == refused(Reason.FOCUS)
        assert (dialog.key_events(), window.key_events()) == ([], [])


async def test_the_deck_is_brought_to_the_front_if_that_is_wanted(display: str, others: XClient) -> None:
    window = show(others)
    chat = TestWindow(others, "Team chat")
    async with keys_deck(display, raise_window=True) as deck:
        assert await deck.perform(NEXT) == UNSEEN
        assert window.keys() == ["PageDown"]
        assert chat.key_events() == []
        assert others.focus() == window.id


async def test_a_window_that_comes_to_the_front_between_look_and_key_gets_nothing(
    display: str, others: XClient
) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        assert deck._desktop is not None
        intruder: list[TestWindow] = []

        class Interrupted:
            """The real keyboard, but while it is asked for the first time somebody opens a window."""

            def __getattr__(self, name: str) -> Any:
                return getattr(keyboard, name)

            def modifiers_held(self) -> bool:
                if not intruder:
                    intruder.append(TestWindow(others, "Team chat"))
                return keyboard.modifiers_held()

        keyboard = deck._desktop.keyboard
        deck._desktop = dataclasses.replace(deck._desktop, keyboard=Interrupted())
        assert await deck.perform(NEXT) == refused(Reason.FOCUS)
        assert (intruder[0].key_events(), window.key_events()) == ([], [])


async def test_a_window_that_turns_into_something_else_is_the_deck_no_longer(display: str, others: XClient) -> None:
    tab = TestWindow(others, "Talk - Google Slides - Chromium", "chromium Chromium", full_screen=True)
    async with keys_deck(display) as deck:
        assert await deck.perform(NEXT) == UNSEEN
        assert tab.keys() == ["Right"]
        tab.rename("Team chat - Chromium")
        assert await deck.perform(NEXT) == refused(Reason.NO_DECK)
        assert tab.key_events() == []


async def test_without_a_show_only_start_is_typed(display: str, others: XClient) -> None:
    async with keys_deck(display) as deck:
        assert await deck.perform(NEXT) == refused(Reason.NO_DECK)
        window = editor(others)
        assert await deck.perform(NEXT) == refused(Reason.NO_SHOW)
        assert await deck.perform(Intent(Verb.GOTO, 3)) == refused(Reason.NO_SHOW)
        assert window.key_events() == []
        assert await deck.perform(Intent(Verb.START)) == UNSEEN
        assert window.keys() == ["F5"]
        running = show(others)
        assert await deck.perform(Intent(Verb.START)) == Outcome(Status.PERFORMED)
        assert (window.key_events(), running.key_events()) == ([], [])


async def test_a_named_window_of_an_unknown_program_gets_the_keys_that_all_obey(display: str, others: XClient) -> None:
    viewer = TestWindow(others, "MyViewer 2.0")
    async with keys_deck(display, Target("^myviewer")) as deck:
        assert deck.can == {"next", "previous"}
        assert await deck.perform(NEXT) == UNSEEN
        assert await deck.perform(Intent(Verb.PREVIOUS)) == UNSEEN
        assert await deck.perform(Intent(Verb.BLACK)) == refused(Reason.UNSUPPORTED)
        assert viewer.keys() == ["PageDown", "PageUp"]


async def test_clicks_land_in_the_decks_window_and_not_in_what_lies_over_it(display: str, others: XClient) -> None:
    kiosk = TestWindow(others, "Kiosk", full_screen=True)
    async with keys_deck(display, Target("^Kiosk", "clicks")) as deck:
        assert await deck.perform(NEXT) == UNSEEN
        assert await deck.perform(Intent(Verb.PREVIOUS)) == UNSEEN
        assert kiosk.next_clicks(2) == [1, 3]
        over = int(others.connection.generate_id())  # a notification: it takes clicks and no focus
        others.core.CreateWindow(24, over, others.root, 600, 320, 80, 80, 0, 1, 0, 1 << 9, [1])
        others.core.MapWindow(over)
        others.sync()
        assert await deck.perform(NEXT) == refused(Reason.FOCUS)
        assert kiosk.clicks() == []


async def test_while_a_modifier_is_held_nothing_is_typed_and_it_stays_held(display: str, others: XClient) -> None:
    window = show(others)
    shift = others.key_code(SHIFT)
    async with keys_deck(display) as deck:
        others.fake(2, shift)
        window.key_events()
        try:
            assert await deck.perform(NEXT) == refused(Reason.MODIFIER)
            assert window.key_events() == []
            assert others.keys_down()
            asyncio.get_running_loop().call_later(0.05, others.fake, 3, shift)
            assert await deck.perform(NEXT) == UNSEEN  # let go in time
            assert window.keys() == ["PageDown"]
        finally:
            others.fake(3, shift)


async def test_a_lock_does_not_stop_the_show(display: str, others: XClient) -> None:
    window = show(others)
    lock = others.key_code(NUM_LOCK)
    async with keys_deck(display) as deck:
        for kind in (2, 3):
            others.fake(kind, lock)
        window.key_events()
        try:
            assert await deck.perform(NEXT) == UNSEEN
            assert window.keys() == ["PageDown"]
        finally:
            for kind in (2, 3):
                others.fake(kind, lock)


async def test_a_key_is_released_even_if_pressing_it_fails(
    display: str, others: XClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = show(others)
    fake = XKeyboard._fake

    def fails_after_press(self: XKeyboard, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        fake(self, kind, detail, x, y)
        if kind == 2:
            raise DesktopError("the press went wrong after it happened")

    async with keys_deck(display) as deck:
        monkeypatch.setattr(XKeyboard, "_fake", fails_after_press)
        assert await deck.perform(NEXT) == Outcome(Status.FAILED, reason=Reason.DECK_ERROR)
        assert window.key_events() == ["+PageDown", "-PageDown"]
        assert not others.keys_down()


async def test_nothing_outside_the_allow_list_can_be_pressed(display: str, others: XClient) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        assert deck._desktop is not None
        for wish in ("a", "Delete", 0xFFFF, "b"):
            with pytest.raises(KeyError):
                deck._desktop.keyboard.press(wish)  # type: ignore[arg-type]
        assert window.key_events() == []


def set_layouts(display: str, layouts: str) -> None:
    """`us,de(neo)`: layouts, each with its variant."""
    names = [it.rstrip(")").partition("(") for it in layouts.split(",")]
    layout, variant = (",".join(it[at] for it in names) for at in (0, 2))
    subprocess.run(["setxkbmap", "-display", display, "-layout", layout, "-variant", variant], check=True)


async def test_digits_are_found_on_a_keyboard_that_needs_shift_for_them(others: XClient, display: str) -> None:
    window = show(others)

    def set_layout(name: str) -> None:
        set_layouts(display, name)

    async with keys_deck(display) as deck:
        try:
            set_layout("fr")
            assert await deck.perform(Intent(Verb.GOTO, 307)) == UNSEEN
            typed = window.keys()
            assert [key for key in typed if key != hex(SHIFT)] == ["3", "0", "7", "Return"]
            assert await deck.perform(Intent(Verb.BLACK)) == UNSEEN
            assert window.keys() == ["b"]
            set_layout("ru")  # no "b" to be had; in Impress a period says the same
            assert await deck.perform(Intent(Verb.BLACK)) == UNSEEN
            assert window.keys() == ["."]
            assert await deck.perform(NEXT) == UNSEEN
            assert window.keys() == ["PageDown"]
        finally:
            set_layout("us")


async def test_a_key_that_no_layout_of_the_keyboard_has_is_not_typed(others: XClient, display: str) -> None:
    page = TestWindow(others, "reveal talk - Chromium", "chromium Chromium")
    async with keys_deck(display, Target("talk")) as deck:
        try:
            set_layouts(display, "ru")
            assert await deck.perform(Intent(Verb.BLACK)) == refused(Reason.UNSUPPORTED)
            assert page.key_events() == []
        finally:
            set_layouts(display, "us")


@pytest.mark.parametrize(
    "layouts",
    ["us,fr,de,ru", "us,ru,fr,de", "de,ru,us", "ru,gr,il,us", "fr,us", "in,us", "de(neo),fr(bepo),us(dvorak)"],
)
async def test_every_key_is_found_in_whichever_layout_is_in_force(others: XClient, display: str, layouts: str) -> None:
    window = TestWindow(others, "talk.pdf", "evince Evince", full_screen=True)
    try:
        set_layouts(display, layouts)
        for group in range(layouts.count(",") + 1):
            others.lock_group(group)
            async with keys_deck(display) as deck:
                window.key_events()
                for intent, wanted in [
                    (NEXT, ["PageDown"]),
                    (Intent(Verb.PREVIOUS), ["PageUp"]),
                    (Intent(Verb.BLACK), ["b"]),
                    (Intent(Verb.GOTO, 307), ["3", "0", "7", "Return"]),
                ]:
                    assert await deck.perform(intent) == UNSEEN
                    assert window.typed() == wanted, (layouts, group)
                assert others.group() == group  # as it was
    finally:
        others.lock_group(0)
        set_layouts(display, "us")


async def test_a_change_of_layout_during_the_show_is_followed(others: XClient, display: str) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        try:
            for layouts, group in (("us", 0), ("us,fr,de,ru", 3), ("fr", 0)):
                set_layouts(display, layouts)
                others.lock_group(group)
                assert await deck.perform(Intent(Verb.GOTO, 12)) == UNSEEN
                assert window.typed() == ["1", "2", "Return"]
        finally:
            others.lock_group(0)
            set_layouts(display, "us")


async def test_a_lock_screen_gets_no_key_and_the_receipt_says_so(display: str, others: XClient) -> None:
    window = show(others)
    with x_client(display) as theirs:
        locker = TestWindow(theirs, "lock", area=(0, 0, 1280, 720), managed=False)
        locker.grab_keyboard()
        async with keys_deck(display, raise_window=True) as deck:
            for intent in (NEXT, Intent(Verb.BLACK), Intent(Verb.GOTO, 12), Intent(Verb.STOP)):
                assert await deck.perform(intent) == refused(Reason.GRABBED)
            assert (locker.key_events(), window.key_events()) == ([], [])
            locker.release_keyboard()
            locker.close()
            assert await deck.perform(NEXT) == UNSEEN
            assert window.keys() == ["PageDown"]


async def test_an_open_menu_gets_no_key(display: str, others: XClient) -> None:
    window = show(others)
    with x_client(display) as theirs:
        menu = TestWindow(theirs, "menu", area=(10, 10, 200, 200), managed=False)
        menu.grab_keyboard()
        async with keys_deck(display) as deck:
            assert await deck.perform(NEXT) == refused(Reason.GRABBED)
            asyncio.get_running_loop().call_later(0.05, menu.release_keyboard)
            assert await deck.perform(NEXT) == UNSEEN  # it closed in time
        assert (menu.key_events(), window.keys()) == ([], ["PageDown"])
        menu.close()


async def test_looking_for_a_grab_disturbs_no_window(display: str, others: XClient) -> None:
    window = show(others)
    watched = xproto.EventMask.FocusChange | xproto.EventMask.KeyPress | xproto.EventMask.StructureNotify
    others.core.ChangeWindowAttributes(window.id, xproto.CW.EventMask, [watched])
    async with keys_deck(display) as deck:
        window.client.events(window.id)
        assert await deck.perform(NEXT) == UNSEEN
        assert not [it for it in others.events(window.id) if isinstance(it, xproto.FocusOutEvent)]


async def test_behind_a_screen_saver_nothing_is_changed(display: str, others: XClient) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        others.screen_saver(True)
        try:
            assert await deck.perform(NEXT) == refused(Reason.GRABBED)
            assert window.key_events() == []
        finally:
            others.screen_saver(False)
        assert await deck.perform(NEXT) == UNSEEN
        cover = TestWindow(others, "saver", area=(0, 0, 1280, 720), managed=False)
        assert others.focus() == window.id
        window.key_events()
        assert await deck.perform(NEXT) == refused(Reason.GRABBED)
        cover.close()
        corner = TestWindow(others, "volume", area=(1000, 600, 200, 60), managed=False)
        assert await deck.perform(NEXT) == UNSEEN
        assert window.keys() == ["PageDown"]
        corner.close()


async def test_the_speakers_console_takes_keys_and_is_not_the_deck(display: str, others: XClient) -> None:
    window = show(others)
    console = TestWindow(others, "talk.odp - LibreOffice Impress", "soffice Soffice", full_screen=True)
    async with keys_deck(display) as deck:
        assert deck.state().title == "Presenting: talk"
        assert await deck.perform(NEXT) == refused(Reason.GRABBED)  # on one screen it lies over the show
        console.close()
        console = TestWindow(others, "pdfpc - presenter (talk.pdf)", "pdfpc Pdfpc")
        beside = TestWindow(others, "pdfpc - presentation (talk.pdf)", "pdfpc Pdfpc", full_screen=True)
        window.close()
        until(
            lambda: deck.area() is not None and deck.state().title == "pdfpc - presentation (talk.pdf)",
            "the show is found",
        )
        assert await deck.perform(NEXT) == UNSEEN
        assert (console.keys(), beside.keys()) == ([], ["PageDown"])
        beside.close()
        until(lambda: others.focus() == console.id, "the console is in front")
        assert await deck.perform(NEXT) == refused(Reason.NO_SHOW)
        assert console.key_events() == []


@pytest.mark.parametrize("symbol", [0xFFE3, 0xFFEB, 0xFFE9, 0xFE03], ids=["Control", "Super", "Alt", "AltGr"])
async def test_a_stuck_modifier_is_told_as_such(display: str, others: XClient, symbol: int) -> None:
    window = show(others)
    async with keys_deck(display) as deck:
        code = others.key_code(symbol)
        others.fake(2, code)
        window.key_events()
        try:
            assert await deck.perform(NEXT) == refused(Reason.MODIFIER)
            assert window.key_events() == []
        finally:
            others.fake(3, code)


async def test_state_follows_the_windows_without_being_asked(display: str, others: XClient) -> None:
    changed = asyncio.Event()
    async with keys_deck(display, changed=changed.set) as deck:

        async def becomes(status: DeckStatus, title: str) -> None:
            async with asyncio.timeout(20):
                while (deck.state().status, deck.state().title) != (status, title):
                    changed.clear()
                    await changed.wait()

        assert deck.state().status is DeckStatus.NO_DECK
        await asyncio.to_thread(editor, others)
        await becomes(DeckStatus.NO_SHOW, "talk.odp - LibreOffice Impress")
        window = await asyncio.to_thread(show, others)
        await becomes(DeckStatus.RUNNING, "Presenting: talk")
        assert "goto" in deck.can
        window.rename("Presenting: talk, second part")
        await becomes(DeckStatus.RUNNING, "Presenting: talk, second part")
        area = deck.area()
        assert area is not None and (area.width, area.height) == (1280, 720)
        window.close()
        await becomes(DeckStatus.NO_SHOW, "talk.odp - LibreOffice Impress")


async def test_it_works_without_a_window_manager() -> None:
    with x_server(window_manager=False) as display, x_client(display) as others:
        async with keys_deck(display, raise_window=True) as deck:
            whole = (0, 0, 1280, 720)
            window = TestWindow(others, "Presenting: talk", "soffice Soffice", area=whole)
            # Nobody has the focus: keys go to the window under the pointer, which is the show.
            assert await deck.perform(NEXT) == UNSEEN
            assert window.keys() == ["PageDown"]
            chat = TestWindow(others, "Team chat", area=whole)
            assert await deck.perform(NEXT) == UNSEEN
            assert (chat.key_events(), window.keys()) == ([], ["PageDown"])


async def test_the_end_of_the_desktop_is_told_and_not_raised() -> None:
    server = x_server()
    display = server.__enter__()
    with x_client(display) as others:
        show(others)
        gone = asyncio.Event()
        async with keys_deck(display, changed=gone.set) as deck:
            server.__exit__(None, None, None)
            assert (await deck.perform(NEXT)).status is not Status.PERFORMED
            await asyncio.wait_for(gone.wait(), 5)
            assert deck.state().status is DeckStatus.NO_DECK
            assert (await deck.perform(NEXT)).status is not Status.PERFORMED
            assert deck.area() is None


def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)


def dead_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":64000")


def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":64000")
    monkeypatch.setitem(sys.modules, "xcffib", None)


def other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.parametrize(
    ("lacks", "remedy"),
    [
        (no_display, "start this inside the session"),
        (dead_display, "check DISPLAY and XAUTHORITY"),
        (no_library, "pip install xcffib"),
        (other_system, "use the impress or the web deck"),
    ],
)
async def test_a_machine_that_cannot_do_it_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, lacks: Callable[[pytest.MonkeyPatch], None], remedy: str
) -> None:
    lacks(monkeypatch)
    with pytest.raises(DeckError, match=remedy):
        await KeysDeck().open()


async def test_a_server_without_fake_input_is_told_what_to_do() -> None:
    lacking = x_server(window_manager=False, arguments=("-extension", "XTEST"))
    with lacking as display, pytest.raises(DeckError, match="XTEST"):
        await KeysDeck(display=display).open()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (Target(window="(talk"), "not a regular expression"),
        (Target(key_map="Harvard Graphics"), "choose one of LibreOffice Impress, "),
        (Target(key_map="clicks"), "needs the window to be named"),
    ],
)
async def test_a_target_that_cannot_be_is_told_at_once(target: Target, sentence: str) -> None:
    with pytest.raises(DeckError, match=sentence):
        await KeysDeck(target).open()
