"""Make the demo deck that ships: `python -m tools.make_demo_deck`, with LibreOffice installed for the PDF.

It introduces the clicker to somebody who holds the presenter page for the first time. One slide per thing, and each
slide is itself an occasion to try it.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from tools.odp import HEIGHT, WIDTH, Box, Page, Run, write

FOLDER = Path(__file__).resolve().parent.parent / "src" / "slidewire" / "host" / "decks" / "demo"

INK, PAPER, CARD, QUIET, LINE = "#16213a", "#f6f4ee", "#ffffff", "#5d6675", "#dcd8cc"
TEAL, TEAL_SOFT, AMBER, RED, RED_SOFT, WHITE = "#0b8f7f", "#d8efeb", "#f2a71b", "#e5383b", "#fbdcdc", "#ffffff"
NIGHT, NIGHT_CARD, NIGHT_QUIET = "#10182b", "#1d2942", "#9fb0cf"
LEFT = 2.0


def heading(text: str, colour: str = INK) -> list[Box]:
    """The title of a slide and the short bar under it."""
    return [
        Box(LEFT, 1.15, 24, 1.9, [Run(text, 40, colour, True)], title=True),
        Box(LEFT, 3.3, 2.2, 0.14, fill=AMBER, round=0.07),
    ]


def page(name: str, title: str, boxes: list[Box], notes: str, background: str = PAPER, colour: str = INK) -> Page:
    return Page(name, [*heading(title, colour), *boxes], background=background, notes=notes)


def says(x: float, y: float, w: float, h: float, *lines: Run) -> Box:
    """Text without a frame."""
    return Box(x, y, w, h, lines, valign="top", gap=0.25)


def phone(x: float, y: float, screen: list[Box]) -> list[Box]:
    """A phone 6.2 wide and 11 high, with something on its screen."""
    body = [Box(x, y, 6.2, 11, fill=NIGHT, round=0.7), Box(x + 0.3, y + 0.5, 5.6, 10, fill=NIGHT_CARD, round=0.35)]
    return [*body, *screen]


def button(x: float, y: float, w: float, h: float, text: str, fill: str, colour: str = WHITE, size: float = 24) -> Box:
    return Box(x, y, w, h, [Run(text, size, colour, True)], fill=fill, round=0.35, align="center")


def chip(x: float, y: float, w: float, text: str, fill: str, colour: str, size: float = 22, h: float = 1.5) -> Box:
    return Box(x, y, w, h, [Run(text, size, colour, True)], fill=fill, round=h / 2, align="center")


def welcome() -> Page:
    x, y = 19.2, 2.4
    return Page(
        "Welcome",
        [
            Box(LEFT, 3.6, 16, 2.6, [Run("Slidewire", 66, WHITE, True)], title=True),
            Box(LEFT, 6.35, 2.2, 0.16, fill=AMBER, round=0.08),
            says(
                LEFT,
                7.0,
                15.5,
                3.0,
                Run("Your phone drives these slides,", 30, WHITE),
                Run("from anywhere.", 30, WHITE),
            ),
            says(
                LEFT,
                10.9,
                15.5,
                2.2,
                Run("Open the presenter link in a browser, then tap Next.", 20, NIGHT_QUIET),
            ),
            Box(x, y, 6.2, 11, fill="#0a101e", stroke="#34456b", stroke_width=0.06, round=0.7),
            Box(x + 0.4, y + 0.6, 5.4, 3.1, fill=NIGHT_CARD, round=0.3),
            Box(x + 0.9, y + 1.2, 3.0, 0.45, fill="#5a6f9c", round=0.22),
            Box(x + 0.9, y + 2.0, 4.2, 0.28, fill="#3d4f78", round=0.14),
            Box(x + 0.9, y + 2.6, 3.6, 0.28, fill="#3d4f78", round=0.14),
            button(x + 0.4, y + 4.0, 5.4, 4.6, "Next", TEAL, size=36),
            button(x + 0.4, y + 8.9, 5.4, 1.5, "Back", "#2c3b5e", size=20),
        ],
        background=NIGHT,
        notes=(
            "Welcome. These are your notes: the audience does not see them.\n"
            "Tap Next to go on. Under the buttons you read what happened: 1 → 2."
        ),
    )


def buttons() -> Page:
    x, y = 19.4, 3.3
    return page(
        "Two buttons",
        "Two buttons are enough",
        [
            chip(LEFT, 4.6, 3.6, "Next", TEAL, WHITE),
            says(6.2, 4.55, 12, 1.8, Run("one step forward, like a click", 24)),
            chip(LEFT, 7.0, 3.6, "Back", INK, WHITE),
            says(6.2, 6.95, 12, 1.8, Run("one step back", 24)),
            says(
                LEFT,
                10.2,
                15.8,
                4,
                Run("Next is much larger, so that a thumb finds it", 20, QUIET),
                Run("while your eyes are with the audience.", 20, QUIET),
            ),
            *phone(
                x,
                y,
                [
                    button(x + 0.7, y + 1.1, 4.8, 6.2, "Next", TEAL, size=34),
                    button(x + 0.7, y + 7.7, 4.8, 2.2, "Back", "#2c3b5e", size=20),
                ],
            ),
        ],
        "Try it: Back, then Next. You are here again.",
    )


def receipts() -> Page:
    def row(y: float, mark: str, fill: str, colour: str, what: str, why: str) -> list[Box]:
        return [
            Box(LEFT, y, 24, 2.55, fill=CARD, stroke=LINE, round=0.35),
            chip(LEFT + 0.6, y + 0.52, 4.6, mark, fill, colour),
            says(8.2, y + 0.34, 17, 2.2, Run(what, 22, INK, True), Run(why, 17, QUIET)),
        ]

    return page(
        "Receipts",
        "Every tap gets a receipt",
        [
            *row(4.2, "12 → 13", TEAL_SOFT, TEAL, "It happened", "The computer saw slide 12 go and slide 13 come."),
            *row(
                7.25,
                "at end",
                "#fdeecf",
                "#8a5a00",
                "It was refused, and here is why",
                "The show does not fall off its last slide.",
            ),
            *row(
                10.3,
                "expired",
                RED_SOFT,
                "#b3181b",
                "It came too late, and was left out",
                "An old tap never jumps in later.",
            ),
            says(LEFT, 13.35, 24, 1.4, Run("No guessing whether a tap got through.", 20, QUIET)),
        ],
        "A receipt names the slides that the host really saw: before and after.\nLook at your page: it says 2 → 3.",
    )


def builds(live: bool) -> Page:
    """`live`: where the steps are played. A PDF shows them all at once."""

    def card(x: float, number: str, title: str, text: tuple[str, ...], build: int) -> list[Box]:
        parts = [
            Box(x, 4.5, 7.4, 7.6, fill=CARD, stroke=LINE, round=0.4),
            Box(x + 0.7, 5.2, 1.7, 1.7, [Run(number, 26, WHITE, True)], fill=TEAL, ellipse=True, align="center"),
            says(x + 0.7, 7.35, 6.2, 1.3, Run(title, 24, INK, True)),
            says(x + 0.7, 8.75, 6.2, 3, *(Run(line, 18, QUIET) for line in text)),
        ]
        return [replace(part, build=build if live else 0) for part in parts]

    if live:
        first = ("This one was here", "from the beginning.")
        then = ("Next brings this,", "and the slide stays.")
        last = ("One more Next.", "Then comes slide 5.")
        below = "Next plays the steps of a slide, just as a key does."
        notes = "This slide has two steps. The receipt says 4 → 4 while they play: you are still on slide 4."
    else:
        first = ("Next plays the steps", "of a slide in Impress.")
        then = ("A PDF has pages:", "each is one step.")
        last = ("The receipt says what", "became of your tap.")
        below = "Next does here what a key would do."
        notes = "In Impress this slide comes in three steps, and the receipt says 4 → 4 while they play."
    return page(
        "Step by step",
        "Point by point",
        [
            *card(LEFT, "1", "First", first, 0),
            *card(10.3, "2", "Then", then, 1),
            *card(18.6, "3", "At last", last, 2),
            says(LEFT, 12.95, 24, 1.4, Run(below, 20, QUIET)),
        ],
        notes,
    )


def laser() -> Page:
    bars = [(0, 2.2), (1, 3.4), (2, 3.0), (3, 4.9), (4, 6.6)]
    base = 13.4
    return page(
        "Laser",
        "Point with your finger",
        [
            says(
                LEFT,
                4.5,
                9.5,
                8,
                Run("Touch the slide picture", 24, INK, True),
                Run("and move your finger.", 24),
                Run("A red dot follows", 24),
                Run("on everybody’s screen.", 24),
                Run("Let go, and it is gone.", 24, QUIET),
            ),
            Box(12.6, 4.2, 13.4, 10.0, fill=CARD, stroke=LINE, round=0.4),
            *(Box(13.9 + 2.3 * i, base - h, 1.6, h, fill=TEAL if i == 4 else "#9fd4cb", round=0.2) for i, h in bars),
            Box(13.5, base, 11.7, 0.06, fill=QUIET),
            Box(23.1, 5.7, 2.0, 2.0, fill=RED_SOFT, ellipse=True),
            Box(23.6, 6.2, 1.0, 1.0, fill=RED, ellipse=True),
        ],
        "Try to point at the tallest bar.",
    )


def black() -> Page:
    return page(
        "Black",
        "When all eyes should be on you",
        [
            says(
                LEFT,
                4.8,
                15,
                7,
                Run("Tap Black: the screen goes dark.", 26, WHITE),
                Run("Tap it again: the slide is back.", 26, WHITE),
                Run("Next brings it back, too, and skips nothing.", 20, NIGHT_QUIET),
            ),
            Box(19.0, 4.6, 7.2, 4.4, fill="#05080f", stroke="#34456b", stroke_width=0.06, round=0.3),
            chip(20.7, 6.05, 3.8, "Black", NIGHT_CARD, WHITE, 20),
            Box(19.0, 9.6, 7.2, 4.4, fill="#f7f9ff", stroke="#34456b", stroke_width=0.06, round=0.3),
            chip(20.7, 11.05, 3.8, "White", "#dfe5f3", INK, 20),
        ],
        "Try Black now, wait a moment, and tap it again.",
        background=NIGHT,
        colour=WHITE,
    )


def notes_slide() -> Page:
    x, y = 19.4, 3.3
    return page(
        "Notes",
        "Your notes stay with you",
        [
            says(LEFT, 4.4, 16, 1.4, Run("On your phone you see", 24)),
            *(
                box
                for i, (what, why) in enumerate(
                    (
                        ("the slide", "that everybody sees now"),
                        ("what comes next", "so that no slide surprises you"),
                        ("your notes", "for this slide"),
                        ("the time", "since the show began"),
                    )
                )
                for box in (
                    Box(LEFT, 6.3 + 1.75 * i, 0.42, 0.42, fill=TEAL, ellipse=True),
                    Box(
                        LEFT + 1.0, 5.9 + 1.75 * i, 15.5, 1.25, [[Run(what, 22, INK, True), Run("  " + why, 19, QUIET)]]
                    ),
                )
            ),
            *phone(
                x,
                y,
                [
                    Box(x + 0.7, y + 1.0, 4.8, 2.7, fill=PAPER, round=0.2),
                    Box(x + 1.1, y + 1.45, 2.6, 0.4, fill=INK, round=0.2),
                    Box(x + 1.1, y + 2.2, 3.6, 0.22, fill=LINE, round=0.1),
                    Box(x + 1.1, y + 2.7, 3.0, 0.22, fill=LINE, round=0.1),
                    says(x + 0.8, y + 4.1, 4.8, 0.8, Run("07:42", 20, AMBER, True)),
                    says(
                        x + 0.8,
                        y + 5.2,
                        4.8,
                        4,
                        Run("Thank the hosts.", 15, WHITE),
                        Run("Ask who has seen", 15, WHITE),
                        Run("this before.", 15, WHITE),
                        Run("Next: Any network", 14, NIGHT_QUIET),
                    ),
                ],
            ),
        ],
        "You are reading them.\nThe audience sees only the slide.",
    )


def network() -> Page:
    def end(x: float, title: str, text: str) -> list[Box]:
        return [
            Box(x, 5.4, 7.6, 4.6, fill=CARD, stroke=LINE, round=0.4),
            Box(x, 6.0, 7.6, 1.6, [Run(title, 26, INK, True)], align="center"),
            Box(x, 7.6, 7.6, 1.4, [Run(text, 17, QUIET)], align="center"),
        ]

    return page(
        "Network",
        "Any network will do",
        [
            *end(LEFT, "Your phone", "mobile data, hotel Wi-Fi"),
            *end(18.4, "The slides", "in the hall, or far away"),
            Box(9.9, 7.6, 8.2, 0.12, fill=TEAL, round=0.06),
            chip(11.5, 6.9, 5.0, "sealed", TEAL, WHITE, 20),
            says(
                LEFT,
                11.2,
                24,
                4,
                Run("The direct way if there is one, through a relay if there is none.", 22),
                Run("Only these two ends can read what passes between them.", 20, QUIET),
            ),
        ],
        "If Wi-Fi drops, the phone goes on by mobile data, and the next tap lands.",
    )


def keys() -> Page:
    def key(x: float, y: float, w: float, text: str) -> list[Box]:
        return [
            Box(x, y + 0.14, w, 1.7, fill="#c9c4b5", round=0.28),
            Box(x, y, w, 1.7, [Run(text, 18, INK, True)], fill=CARD, stroke=LINE, round=0.28, align="center"),
        ]

    def row(y: float, what: str, *caps: tuple[float, str]) -> list[Box]:
        boxes, x = [Box(LEFT, y, 4.4, 1.7, [Run(what, 24, INK, True)])], 6.8
        for width, text in caps:
            boxes += key(x, y, width, text)
            x += width + 0.5
        return boxes

    return page(
        "Keys",
        "Keys and clickers work, too",
        [
            *row(4.5, "Next", (2.2, "→"), (2.2, "↓"), (4.6, "Page Down"), (5.2, "Space")),
            *row(7.0, "Back", (2.2, "←"), (2.2, "↑"), (4.6, "Page Up")),
            *row(9.5, "Black", (2.2, "B"), (2.2, ".")),
            says(
                LEFT,
                12.2,
                24,
                3,
                Run("Open the presenter page on a laptop, and use its keyboard,", 20, QUIET),
                Run("or the hardware clicker that is plugged into it.", 20, QUIET),
            ),
        ],
        "A hardware clicker types Page Down and Page Up: that is all it does.",
    )


def goodbye() -> Page:
    return Page(
        "Your turn",
        [
            Box(LEFT, 2.7, 24, 2.4, [Run("Now your own slides", 54, WHITE, True)], title=True),
            Box(LEFT, 5.3, 2.2, 0.16, fill=AMBER, round=0.08),
            Box(LEFT, 6.5, 17.5, 2.4, fill="#0a101e", stroke="#34456b", stroke_width=0.06, round=0.35),
            Box(
                LEFT + 0.8, 6.5, 16, 2.4, [[Run("slidewire up ", 28, WHITE, True), Run("my-talk.odp", 28, AMBER, True)]]
            ),
            says(
                LEFT,
                9.8,
                24,
                4,
                Run("Impress, PowerPoint and PDF files will do.", 22, NIGHT_QUIET),
                Run("This is the last slide: Next stays here, and says so.", 22, NIGHT_QUIET),
            ),
        ],
        background=NIGHT,
        notes="The end. Tap Next once more: it is refused, and the show stays where it is.\nThank you.",
    )


def pages(live: bool) -> list[Page]:
    slides = [
        welcome(),
        buttons(),
        receipts(),
        builds(live),
        laser(),
        black(),
        notes_slide(),
        network(),
        keys(),
        goodbye(),
    ]
    return [numbered(slide, number, len(slides)) for number, slide in enumerate(slides, 1)]


def numbered(slide: Page, number: int, count: int) -> Page:
    """With its number in the corner: the receipts speak of it."""
    colour = NIGHT_QUIET if slide.background == NIGHT else QUIET
    corner = Box(WIDTH - 4.4, HEIGHT - 1.25, 3.4, 0.8, [Run(f"{number} / {count}", 13, colour)], align="end")
    return replace(slide, boxes=[*slide.boxes, corner])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    title = "Slidewire: the demo deck"
    write(FOLDER / "demo.odp", title, pages(live=True))
    with tempfile.TemporaryDirectory() as scratch:
        still = Path(scratch) / "demo.odp"
        write(still, title, pages(live=False))
        profile = (Path(scratch) / "profile").as_uri()
        command = ["soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to", "pdf"]
        subprocess.run([*command, "--outdir", str(FOLDER), str(still)], check=True, timeout=120)


if __name__ == "__main__":
    main()
