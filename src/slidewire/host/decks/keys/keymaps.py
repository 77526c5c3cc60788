"""Which keys say what to which presentation program, as a table, and how each program's windows are recognised.

A row has two tests. `window`: this is a window of that program with a deck in it. `show`: and it is showing the deck.
Only what both tests recognise is typed into without the user naming the window, so they are narrow: a browser in full
screen may just as well show a chat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from slidewire.control.intents import Intent, Verb
from slidewire.host.desktop.focus import Window
from slidewire.host.desktop.keyboard import DIGITS, Button, Key

Step = Key | Button
"""A key to press, or a mouse button to click in the middle of the deck's window."""


@dataclass(frozen=True, slots=True)
class Match:
    """A test of a window: every pattern that is given must be found, in either case of letters."""

    wm_class: str = ""
    title: str = ""
    process: str = ""
    full_screen: bool = False

    def __call__(self, window: Window) -> bool:
        return (
            found(self.wm_class, window.wm_class)
            and found(self.title, window.title)
            and found(self.process, window.process)
            and window.full_screen >= self.full_screen
        )


def found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class KeyMap:
    """One presentation program."""

    name: str
    window: tuple[Match, ...]
    """Any of these: a window of this program with a deck in it."""
    show: tuple[Match, ...]
    """Any of these as well: it is showing the deck. Empty: it always is."""
    keys: Mapping[Verb, tuple[Step, ...]]
    """What to press for each intent. For `goto` the slide's digits stand between `goto_before` and these."""
    goto_before: tuple[Key, ...] = field(default=())
    pace: float = 0.0
    """Seconds from one intent's keys to the next one's: the program drops what comes sooner."""
    editor: bool = False
    """Outside the show its keys edit the deck: then nothing but `start` is ever typed, even if the user names it."""
    consoles: tuple[Match, ...] = ()
    """Any of these: beside a show it is the speaker's window, which obeys the same keys and no audience sees."""
    equal: Mapping[Key, Key] = field(default_factory=dict)
    """Another key for the same, on a keyboard that does not have the first one."""
    named_only: bool = False
    """Its windows do not tell a deck from anything else: used only if the user names the window."""

    def shows(self, window: Window) -> bool:
        return not self.show or any(test(window) for test in self.show)

    def is_console(self, window: Window) -> bool:
        return any(test(window) for test in self.consoles)

    def steps(self, intent: Intent, can_type: Callable[[Key], bool] = lambda key: True) -> tuple[Step, ...] | None:
        """What to press for an intent, or None if this program or the keyboard has nothing for it."""
        steps = self.keys.get(intent.verb)
        if steps is None:
            return None
        if intent.verb is Verb.GOTO:
            steps = *self.goto_before, *(DIGITS[int(digit)] for digit in str(intent.argument)), *steps
        found = tuple(
            self.equal[step] if isinstance(step, Key) and step in self.equal and not can_type(step) else step
            for step in steps
        )
        return found if all(can_type(step) for step in found if isinstance(step, Key)) else None

    @property
    def can(self) -> frozenset[str]:
        """The words of the intents it has keys for."""
        return frozenset(verb.word for verb in self.keys)


PAGES: dict[Verb, tuple[Step, ...]] = {Verb.NEXT: (Key.PAGE_DOWN,), Verb.PREVIOUS: (Key.PAGE_UP,)}
"""The one pair that every program obeys; the arrows pan in some viewers."""
ENDS: dict[Verb, tuple[Step, ...]] = {Verb.FIRST: (Key.HOME,), Verb.LAST: (Key.END,)}
BLANKS: dict[Verb, tuple[Step, ...]] = {Verb.BLACK: (Key.B,), Verb.WHITE: (Key.W,)}
START: dict[Verb, tuple[Step, ...]] = {Verb.START: (Key.F5,)}
STOP: dict[Verb, tuple[Step, ...]] = {Verb.STOP: (Key.ESCAPE,)}
NUMBER: dict[Verb, tuple[Step, ...]] = {Verb.GOTO: (Key.RETURN,)}

PERIOD_AND_COMMA = {Key.B: Key.PERIOD, Key.W: Key.COMMA}

FULL_SCREEN = Match(full_screen=True)
BROWSER = r"chrom|firefox|navigator|brave|vivaldi|opera|edge|epiphany|falkon"

IMPRESS = KeyMap(
    "LibreOffice Impress",
    # The show has the suite's own class, and a title in the user's language; the editor says which part it is.
    (Match("libreoffice-impress"), Match("soffice", full_screen=True), Match("soffice", "^Presenting:")),
    (Match("^soffice", full_screen=True), Match(title="^Presenting:")),
    PAGES | ENDS | BLANKS | START | STOP | NUMBER,
    # Measured: of 40 keys 20 ms apart it dropped up to 18, 30 ms apart none; a slide that is slow to draw takes longer.
    pace=0.1,
    # The console has the suite's class as the show does, and the editor's title.
    consoles=(Match("^soffice", r" [-–—] (Libre|Open)Office[^-–—]*$"),),
    equal=PERIOD_AND_COMMA,
    editor=True,
)
POWERPOINT = KeyMap(
    "PowerPoint",
    (Match(process="powerpnt|microsoft powerpoint"), Match("powerpnt")),
    (Match(title="^PowerPoint Slide Show"), Match(title="^PowerPoint Presenter View")),
    PAGES | ENDS | BLANKS | START | STOP | NUMBER,
    consoles=(Match(title="^PowerPoint Presenter View"),),
    equal=PERIOD_AND_COMMA,
    editor=True,
)
KEYNOTE = KeyMap(
    "Keynote",
    (Match(process="^keynote$"),),
    (FULL_SCREEN,),
    # A period would end the show, and its shortcut for starting needs modifiers.
    {Verb.NEXT: (Key.RIGHT,), Verb.PREVIOUS: (Key.LEFT,)} | ENDS | BLANKS | STOP | NUMBER,
    editor=True,
)
EVINCE = KeyMap(
    "Evince",
    (Match("evince"),),
    (FULL_SCREEN,),
    PAGES | ENDS | BLANKS | START | STOP | NUMBER,
    equal=PERIOD_AND_COMMA,
)
OKULAR = KeyMap(
    "Okular",
    (Match("okular"),),
    (FULL_SCREEN,),
    PAGES | ENDS | {Verb.BLACK: (Key.B,)} | STOP,
    equal={Key.B: Key.PERIOD},
)
# In pdfpc digits choose a pen and "w" leaves the full screen; on one screen (4.6.0) neither "b" nor "g" does its work.
PDFPC = KeyMap(
    "pdfpc", (Match("pdfpc"),), (FULL_SCREEN,), PAGES | ENDS, consoles=(Match("pdfpc", "^pdfpc - presenter"),)
)
IMPRESSIVE = KeyMap("Impressive", (Match("impressive"),), (), PAGES | ENDS | BLANKS | STOP)
XPDF = KeyMap("xpdf", (Match("xpdf"),), (FULL_SCREEN,), PAGES)
MUPDF = KeyMap(
    "MuPDF",
    (Match("mupdf"),),
    (FULL_SCREEN,),
    # "b" goes back a page here; a number and "g" go to that page.
    PAGES | {Verb.FIRST: (Key.DIGIT_1, Key.G), Verb.GOTO: (Key.G,)},
)
GOOGLE_SLIDES = KeyMap(
    "Google Slides",
    (Match(BROWSER, r" - Google Slides\b"),),
    (FULL_SCREEN,),
    # F5 alone would load the page anew.
    {Verb.NEXT: (Key.RIGHT,), Verb.PREVIOUS: (Key.LEFT,)} | ENDS | BLANKS | STOP | NUMBER,
    editor=True,
)
REVEAL = KeyMap(
    "reveal.js",
    (Match(BROWSER, r"\breveal\b"),),
    (),
    PAGES | ENDS | {Verb.BLACK: (Key.B,)} | NUMBER,
    goto_before=(Key.G,),
    named_only=True,
)
BROWSER_PDF = KeyMap("PDF in a browser", (Match(BROWSER, r"\.pdf\b"),), (FULL_SCREEN,), PAGES | ENDS)
BROWSER_PAGE = KeyMap("web page", (Match(BROWSER),), (), PAGES | ENDS, named_only=True)
GENERIC = KeyMap("any program", (Match(),), (), PAGES, named_only=True)
CLICKS = KeyMap(
    "clicks",
    (Match(),),
    (),
    {Verb.NEXT: (Button.LEFT,), Verb.PREVIOUS: (Button.RIGHT,)},
    named_only=True,
)
"""For a program that obeys nothing but the mouse. Chosen by name only: `GENERIC` stands before it."""

KEY_MAPS = (
    IMPRESS,
    POWERPOINT,
    KEYNOTE,
    EVINCE,
    OKULAR,
    PDFPC,
    IMPRESSIVE,
    XPDF,
    MUPDF,
    GOOGLE_SLIDES,
    REVEAL,
    BROWSER_PDF,
    BROWSER_PAGE,
    GENERIC,
    CLICKS,
)
"""In the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which window is the deck. With nothing said: any show of a known program."""

    window: str = ""
    """A regular expression for the title or the class of the window, as the user gave it."""
    key_map: str = ""
    """The name of the row to use, instead of the first that recognises the window."""

    def recognise(self, window: Window) -> Sighting | None:
        """What a window is to us, or None if it is not the deck."""
        if self.window and not (found(self.window, window.title) or found(self.window, window.wm_class)):
            return None
        for key_map in KEY_MAPS:
            if self.key_map and key_map.name.casefold() != self.key_map.casefold():
                continue
            if not self.window and key_map.named_only:
                continue
            forced = self.window and self.key_map
            if forced or any(test(window) for test in key_map.window):
                trusted = self.window and not key_map.editor
                shows = bool(trusted) or key_map.shows(window)
                return Sighting(window, key_map, shows, key_map.is_console(window))
        return None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A window that is the deck's."""

    window: Window
    key_map: KeyMap
    showing: bool
    console: bool = False
    """It has the marks of the speaker's own window."""
