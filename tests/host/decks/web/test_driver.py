from __future__ import annotations

import asyncio
import io
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import DeckDriver, DeckError, DeckState, DeckStatus, Picture
from slidewire.host.decks.web import deck_file
from slidewire.host.decks.web import driver as driver_module
from slidewire.host.decks.web import slides as slides_module
from slidewire.host.decks.web.deck_file import read_deck
from slidewire.host.decks.web.driver import KEPT_PICTURES, WebDeck
from slidewire.host.decks.web.notes import read_notes
from slidewire.host.decks.web.slides import Description, Slides, first_line, natural, open_slides
from tests.support.decks import colour, numbered_pdf, title
from tests.support.pdf import PdfPage, words, write_pdf

SLIDES = 5


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "talk.pdf"
    path.write_bytes(numbered_pdf(SLIDES).read_bytes())
    return path


@pytest.fixture
async def deck(pdf: Path) -> AsyncIterator[WebDeck]:
    deck = WebDeck(pdf)
    await deck.open()
    yield deck
    await deck.close()


def opened(path: Path) -> Slides:
    """As the drawing process opens it."""
    file = read_deck(path)
    return open_slides(file.path, file.kind, file.content)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def do(deck: WebDeck, *words: str) -> Outcome:
    """Perform these in turn; the last one's outcome."""
    for word in words:
        verb, _, argument = word.partition(" ")
        outcome = await deck.perform(Intent(Verb[verb.upper()], int(argument or 0)))
    return outcome


def performed(before: int | None, after: int | None) -> Outcome:
    return Outcome(Status.PERFORMED, before, after)


def refused(slide: int | None, reason: Reason) -> Outcome:
    return Outcome(Status.REFUSED, slide, slide, reason)


def middle(picture: Picture | None) -> tuple[int, ...]:
    """The colour near the lower left corner, where numbered slides have only their ground."""
    assert picture is not None
    with Image.open(io.BytesIO(picture.data)) as image:
        assert Image.MIME[image.format or ""] == picture.media_type
        pixel = image.convert("RGB").getpixel((image.width // 20, image.height * 19 // 20))
    assert isinstance(pixel, tuple)
    return pixel


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(one, other, strict=True))


def size(picture: Picture | None) -> tuple[int, int]:
    assert picture is not None
    with Image.open(io.BytesIO(picture.data)) as image:
        return image.size


# Intents and their outcomes


async def test_it_is_a_deck_and_opens_running_on_slide_one(deck: WebDeck) -> None:
    contract: DeckDriver = deck
    assert contract.driver == "web"
    assert contract.pictures
    assert {verb.word for verb in Verb} | {"laser"} == contract.can
    state = deck.state()
    assert (state.status, state.title, state.slide, state.count) == (DeckStatus.RUNNING, "talk", 1, SLIDES)


@pytest.mark.parametrize(
    ("earlier", "last", "outcome"),
    [
        ([], "next", performed(1, 2)),
        ([], "previous", refused(1, Reason.AT_START)),
        (["last"], "next", refused(SLIDES, Reason.AT_END)),
        (["last"], "previous", performed(SLIDES, SLIDES - 1)),
        (["goto 3"], "first", performed(3, 1)),
        (["goto 3"], "last", performed(3, SLIDES)),
        ([], "first", performed(1, 1)),
        ([], f"goto {SLIDES}", performed(1, SLIDES)),
        ([], f"goto {SLIDES + 1}", refused(1, Reason.RANGE)),
        ([], "black", performed(1, 1)),
        (["goto 2", "black"], "next", performed(2, 2)),
        (["goto 2", "black"], "previous", performed(2, 2)),
        (["goto 2", "white", "next"], "next", performed(2, 3)),
        (["last", "black"], "next", performed(SLIDES, SLIDES)),
        (["black"], "goto 4", performed(1, 4)),
        (["goto 3"], "stop", performed(3, None)),
        (["stop"], "next", refused(None, Reason.NO_SHOW)),
        (["stop"], "stop", refused(None, Reason.NO_SHOW)),
        (["stop"], "black", refused(None, Reason.NO_SHOW)),
        (["goto 3", "stop"], "start", performed(None, 3)),
        (["goto 3"], "start", performed(3, 3)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_outcomes(deck: WebDeck, earlier: list[str], last: str, outcome: Outcome) -> None:
    for word in earlier:
        assert (await do(deck, word)).status is Status.PERFORMED
    assert await do(deck, last) == outcome


async def test_black_and_white_toggle_and_replace_each_other(deck: WebDeck) -> None:
    seen = []
    for word in ("black", "black", "white", "black", "next", "black", "goto 99", "goto 2", "white", "start"):
        await do(deck, word)
        seen.append(deck.state().blank)
    assert seen == ["black", None, "white", "black", None, "black", "black", None, "white", None]


async def test_a_stopped_show_says_so_and_knows_no_slide(deck: WebDeck) -> None:
    await do(deck, "goto 3", "black", "stop")
    assert deck.state() == DeckState(DeckStatus.NO_SHOW, title="talk", count=SLIDES)


async def test_a_closed_deck_refuses(pdf: Path) -> None:
    deck = WebDeck(pdf)
    await deck.open()
    await deck.close()
    assert await do(deck, "next") == refused(None, Reason.NO_DECK)
    assert deck.state() == DeckState(DeckStatus.NO_DECK)
    assert await deck.picture(1, 320) is None


async def test_two_hundred_steps_forward_and_back() -> None:
    deck = WebDeck(numbered_pdf(250))
    await deck.open()
    await do(deck, *["next"] * 200)
    assert deck.state().slide == 201
    await do(deck, *["previous"] * 200)
    assert deck.state().slide == 1
    await deck.close()


intents = st.one_of(
    st.sampled_from([verb for verb in Verb if verb is not Verb.GOTO]).map(Intent),
    st.integers(1, SLIDES + 2).map(lambda slide: Intent(Verb.GOTO, slide)),
)


def test_receipts_are_what_the_state_says_and_changed_is_called_exactly_when_it_changes() -> None:
    async def open_deck() -> WebDeck:
        deck = WebDeck(numbered_pdf(SLIDES))
        await deck.open()
        await until(lambda: deck.state().slide_title is not None and deck.state().next_title is not None)
        await deck._background.finish()  # the titles come by themselves and would be counted too
        return deck

    async def play(deck: WebDeck, asked: list[Intent]) -> None:
        await do(deck, "start", "first")
        calls = 0

        def count() -> None:
            nonlocal calls
            calls += 1

        deck._changed = count
        for intent in asked:
            before, told = deck.state(), calls
            outcome = await deck.perform(intent)
            after = deck.state()
            assert (outcome.before, outcome.after) == (before.slide, after.slide)
            assert calls - told == (before != after)
            assert outcome.status is Status.PERFORMED or before == after
            assert (outcome.reason is Reason.NONE) == (outcome.status is Status.PERFORMED)
            assert after.slide is None or 1 <= after.slide <= SLIDES

    with asyncio.Runner() as runner:
        deck = runner.run(open_deck())  # one process for all plays

        @given(asked=st.lists(intents, max_size=40))
        def check(asked: list[Intent]) -> None:
            runner.run(play(deck, asked))

        check()
        runner.run(deck.close())


async def test_the_laser_is_kept_for_the_pages(deck: WebDeck) -> None:
    assert deck.point(Point(0.25, 0.5))
    assert deck.laser == Point(0.25, 0.5)
    assert deck.point(None)
    assert deck.laser is None


# Titles and notes


async def test_titles_are_the_first_line_of_text_and_are_told(pdf: Path) -> None:
    deck = WebDeck(pdf)
    told: list[DeckState] = []
    await deck.open(lambda: told.append(deck.state()))
    await until(lambda: deck.state().next_title is not None)
    assert (told[-1].slide_title, told[-1].next_title) == (title(1), title(2))
    await until(lambda: not deck._background)
    await do(deck, "last")
    assert (deck.state().slide_title, deck.state().next_title) == (title(SLIDES), None)
    await deck.close()


@pytest.mark.parametrize(
    ("text", "line"),
    [("", None), (" \r\n\t\n", None), ("\n  Many \t words\r\nmore", "Many words"), ("x" * 500, "x" * 120)],
)
def test_first_line(text: str, line: str | None) -> None:
    assert first_line(text) == line


async def test_notes_come_from_the_file_beside_the_pdf(pdf: Path) -> None:
    notes = "ignored\n### 1\nWelcome.\n\nSmile.\n### 2\n\n###  4 \nÜber\n#### 5\nnot a slide\n### five\nnor this\n"
    pdf.with_name("talk.notes.md").write_text("\ufeff" + notes, encoding="utf-8")
    deck = WebDeck(pdf)
    await deck.open()
    seen = []
    for slide in range(1, SLIDES + 1):
        await do(deck, f"goto {slide}")
        seen.append(deck.state().notes)
    assert seen == ["Welcome.\n\nSmile.", None, None, "Über\n#### 5\nnot a slide\n### five\nnor this", None]
    await deck.close()


def test_notes_that_cannot_be_read_do_not_stop_the_show(tmp_path: Path) -> None:
    assert read_notes(tmp_path / "absent.notes.md") == {}
    assert read_notes(tmp_path) == {}
    (tmp_path / "bytes.notes.md").write_bytes(b"### 1\n\xff\xfe!\n### 1\nagain\n")
    assert read_notes(tmp_path / "bytes.notes.md") == {1: "again"}


# Pictures


async def test_pictures_show_the_slide_asked_for_about_as_wide_as_asked(deck: WebDeck) -> None:
    for slide in range(1, SLIDES + 1):
        picture = await deck.picture(slide, 600)
        assert size(picture) == (640, 360)
        assert alike(middle(picture), colour(slide))
    assert size(await deck.picture(1, 1)) == (160, 90)
    assert size(await deck.picture(1, 65535)) == (3840, 2160)


@pytest.mark.parametrize("slide", [0, -1, SLIDES + 1])
async def test_no_picture_of_a_slide_that_is_not_there(deck: WebDeck, slide: int) -> None:
    assert await deck.picture(slide, 320) is None


async def test_the_show_outlives_the_file(deck: WebDeck, pdf: Path) -> None:
    pdf.unlink()
    assert alike(middle(await deck.picture(SLIDES, 320)), colour(SLIDES))


class Drawings:
    """Stands before a deck's drawing: counts it, and holds it up while `go` is clear."""

    def __init__(self, deck: WebDeck) -> None:
        assert deck._process is not None
        self.made: list[tuple[int, int]] = []
        self.go = asyncio.Event()
        self.go.set()
        self._draw = deck._process.draw
        deck._process.draw = self.draw  # type: ignore[method-assign]

    async def draw(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        async with asyncio.timeout(20):
            await self.go.wait()
        self.made.append((slide, width))
        return await self._draw(slide, width, most)


async def test_a_drawing_under_way_blocks_neither_the_loop_nor_a_click(deck: WebDeck) -> None:
    drawings = Drawings(deck)
    drawings.go.clear()
    waiting = asyncio.create_task(deck.picture(2, 320))
    assert await do(deck, "next", "next", "black") == performed(3, 3)
    assert not waiting.done()
    drawings.go.set()
    assert alike(middle(await waiting), colour(2))


async def test_ten_who_ask_share_one_drawing_also_when_one_leaves(deck: WebDeck) -> None:
    drawings = Drawings(deck)
    drawings.go.clear()
    waiting = [asyncio.create_task(deck.picture(4, 300)) for _ in range(10)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    drawings.go.set()
    pictures = await asyncio.gather(*waiting[1:])
    assert all(picture is pictures[0] and picture is not None for picture in pictures)
    assert drawings.made.count((4, 320)) == 1


async def test_the_neighbours_are_drawn_ahead_in_the_sizes_in_use(deck: WebDeck) -> None:
    drawings = Drawings(deck)
    await deck.picture(1, 320)
    await until(lambda: (2, 320) in drawings.made)
    await deck.picture(1, 960)
    await do(deck, "goto 4")
    await until(lambda: {(s, w) for s in (3, 4, 5) for w in (320, 960)} <= set(drawings.made))
    for slide in (3, 4, 5):
        await deck.picture(slide, 320)
    assert len(drawings.made) == len(set(drawings.made))


async def test_only_so_many_pictures_are_kept() -> None:
    deck = WebDeck(numbered_pdf(KEPT_PICTURES + 10))
    await deck.open()
    drawings = Drawings(deck)
    for slide in range(1, KEPT_PICTURES + 11):
        await deck.picture(slide, 160)
        assert len(deck._drawn) <= KEPT_PICTURES
    await deck.picture(KEPT_PICTURES + 10, 160)
    assert drawings.made.count((KEPT_PICTURES + 10, 160)) == 1
    await deck.picture(5, 160)
    assert drawings.made.count((5, 160)) == 2
    await deck.close()


async def test_closing_while_pictures_are_drawn_leaves_nobody_waiting(pdf: Path) -> None:
    deck = WebDeck(pdf)
    await deck.open()
    waiting = [asyncio.create_task(deck.picture(slide, 960)) for slide in range(1, SLIDES + 1)]
    await asyncio.sleep(0)
    await deck.close()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)


async def test_two_decks_draw_at_once(pdf: Path) -> None:
    decks = [WebDeck(pdf), WebDeck(numbered_pdf(SLIDES))]
    await asyncio.gather(*(deck.open() for deck in decks))
    for slide in range(1, SLIDES + 1):
        one, other = await asyncio.gather(*(deck.picture(slide, 480) for deck in decks))
        assert one == other
        assert alike(middle(one), colour(slide))
    await asyncio.gather(*(deck.close() for deck in decks))


# Folders of pictures

COLOURS = {"slide1.png": "red", "Slide2.JPG": "lime", "slide10.webp": "blue", "slide11.gif": "yellow"}


async def test_a_folder_of_pictures_in_the_order_a_person_would_say(tmp_path: Path) -> None:
    folder = tmp_path / "My talk"
    folder.mkdir()
    for name, paint in COLOURS.items():
        Image.new("RGB", (800, 600), paint).save(folder / name)
    (folder / "._slide0.png").write_bytes(b"left by another system")
    (folder / "readme.txt").write_text("no slide")
    (folder / "notes.md").write_text("### 3\nblue, at last")
    deck = WebDeck(folder)
    await deck.open()
    assert (deck.state().title, deck.state().count) == ("My talk", 4)
    seen = [middle(await deck.picture(slide, 320)) for slide in range(1, 5)]
    expected = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    assert all(alike(one, other) for one, other in zip(seen, expected, strict=True)), seen
    assert size(await deck.picture(1, 320)) == (320, 240)
    assert size(await deck.picture(1, 1920)) == (800, 600), "a small picture is not blown up here"
    await do(deck, "goto 3")
    assert deck.state().notes == "blue, at last"
    await deck.close()


async def test_pictures_lie_on_white_and_the_right_way_up(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 48), (0, 0, 0, 0)).save(tmp_path / "1.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    Image.new("RGB", (64, 48), "red").save(tmp_path / "2.jpg", exif=exif)
    deck = WebDeck(tmp_path)
    await deck.open()
    assert middle(await deck.picture(1, 160)) == (255, 255, 255)
    assert size(await deck.picture(2, 160)) == (48, 64)
    (tmp_path / "1.png").unlink()
    assert await deck.picture(1, 320) is None
    await deck.close()


def test_natural_order() -> None:
    assert sorted(["s10", "s9", "S1", "a", "10", "9"], key=natural) == ["9", "10", "a", "S1", "s9", "s10"]


# Decks that cannot be opened


def protected_pdf(path: Path) -> None:
    """A PDF that asks for a password: the standard security handler with a key that the empty password is not."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 960 540] >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>",
    ]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<41414141> <41414141>] >>"
    path.write_bytes(
        out
        + b"xref\n0 5\n0000000000 65535 f \n"
        + table
        + b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, len(out))
    )


def empty_pdf(path: Path) -> None:
    document = pypdfium2.PdfDocument.new()
    document.save(path)
    document.close()


def damaged_picture(folder: Path) -> None:
    folder.mkdir()
    Image.new("RGB", (64, 48)).save(folder / "1.png")
    (folder / "2.png").write_bytes(b"not really")


@pytest.mark.parametrize(
    ("name", "make", "wrong", "advice"),
    [
        ("absent.pdf", lambda path: None, "no such file", "Check the name"),
        ("nothing.pdf", lambda path: path.touch(), "empty", "Export"),
        ("noise.pdf", lambda path: path.write_bytes(b"x" * 4000), "no PDF file, or a damaged one", "Export"),
        ("half.pdf", lambda path: path.write_bytes(b"%PDF-1.7\n1 0 obj"), "damaged", "Export"),
        ("secret.pdf", protected_pdf, "password", "without one"),
        ("pages.pdf", empty_pdf, "has no pages", "Export"),
        ("talk.pptx", lambda path: path.write_bytes(b"PK\3\4"), "PDF files and folders of pictures", "Export"),
        ("folder", lambda path: path.mkdir(), "no pictures", "PNG, JPEG"),
        ("mixed", damaged_picture, "2.png: is no picture", "take it away"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_opened_is_said_with_advice(
    tmp_path: Path, name: str, make: Callable[[Path], None], wrong: str, advice: str
) -> None:
    path = tmp_path / name
    make(path)
    deck = WebDeck(path)
    with pytest.raises(DeckError, match=wrong) as caught:
        await deck.open()
    assert advice in str(caught.value)
    assert str(path) in str(caught.value)
    assert deck.state().status is DeckStatus.NO_DECK
    await deck.close()


async def test_a_file_that_may_not_be_read(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(DeckError, match="may not read"):
        opened(pdf)


async def test_a_pdf_by_its_content_whatever_it_is_called(pdf: Path) -> None:
    slides = opened(pdf.rename(pdf.with_name("talk")))
    assert slides.count == SLIDES
    slides.close()


async def test_without_a_path_it_is_the_demo_deck(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck_file, "DEMO", pdf)
    deck = WebDeck()
    await deck.open()
    assert deck.state().count == SLIDES
    await deck.close()


# --- slides from somebody else


def picture(path: Path, form: str = "PNG", width: int = 40, height: int = 30) -> Path:
    Image.new("L", (width, height), 255).save(path, form)
    return path


def test_nothing_outside_of_the_folder_is_shown_or_read(tmp_path: Path) -> None:
    folder, outside = tmp_path / "slides", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    picture(folder / "1.png")
    picture(outside / "2.png")
    (outside / "notes.md").write_text("### 1\nsecret\n")
    (folder / "2.png").symlink_to(outside / "2.png")
    (folder / "3.png").symlink_to("1.png")
    (folder / "notes.md").symlink_to(outside / "notes.md")
    (folder / "4.png").mkdir()
    os.mkfifo(folder / "5.png")
    slides = opened(folder)
    assert slides.count == 2 and slides.notes == {}
    (tmp_path / "talk.notes.md").symlink_to(outside / "notes.md")
    assert read_notes(tmp_path / "talk.notes.md") == {1: "secret"}, "a link within the folder is as good as the file"


def test_the_name_of_a_picture_does_not_choose_the_program_that_reads_it(tmp_path: Path) -> None:
    """Pillow has Ghostscript read PostScript."""
    (tmp_path / "1.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(DeckError, match=r"1\.png: is no picture"):
        opened(tmp_path)
    picture(tmp_path / "1.png", "TGA")
    with pytest.raises(DeckError, match=r"1\.png: is no picture"):
        opened(tmp_path)


def test_a_picture_that_is_small_only_while_it_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slides_module, "MAX_PIXELS", 10_000)
    picture(tmp_path / "1.png", width=100, height=101)
    with pytest.raises(DeckError, match="too many pixels"):
        opened(tmp_path)
    picture(tmp_path / "1.png", width=100, height=100)
    slides = opened(tmp_path)
    assert slides.draw(1, 50) is not None
    picture(tmp_path / "1.png", width=100, height=101)
    assert slides.draw(1, 50) is None


def test_a_page_with_such_a_picture_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "talk.pdf"
    Image.new("L", (100, 101), 255).save(path, "PDF")
    assert opened(path).draw(1, 320) is not None
    monkeypatch.setattr(slides_module, "MAX_PIXELS", 10_000)
    assert opened(path).draw(1, 320) is not None, "a JPEG is read line by line, and may have more"
    monkeypatch.setattr(slides_module, "JPEG_MAX_PIXELS", 10_000)
    assert opened(path).draw(1, 320) is None
    Image.new("P", (100, 101), 0).save(path, "PDF")
    assert opened(path).draw(1, 320) is None


@pytest.mark.parametrize("box", ["0 0 1 14400", "0 0 14400 1", "0 0 1e9 1e9", "0 0 0 0", "0 0 -5 5", "0 0 1e38 1e38"])
def test_a_page_of_any_size_is_a_picture_of_a_bounded_one_or_none(tmp_path: Path, box: str) -> None:
    path = tmp_path / "talk.pdf"
    path.write_bytes(pdf_page(f"/MediaBox [{box}]"))
    drawn = opened(path).draw(1, 3840)
    assert drawn is None or max(size(drawn)) <= 4096


def test_a_pdf_does_nothing_by_itself(tmp_path: Path) -> None:
    assert "V8" not in pypdfium2.PDFIUM_INFO.flags and "XFA" not in pypdfium2.PDFIUM_INFO.flags
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        ran = tmp_path / "ran"
        action = f"<</S /JavaScript /JS (app.launchURL('{url}'))>>"
        action += (
            f"<</S /URI /URI ({url})>>" + f"<</S /Launch /F (/bin/touch) /P ({ran})>>" + f"<</S /GoToR /F ({url})>>"
        )
        path = tmp_path / "talk.pdf"
        path.write_bytes(pdf_page(f"/MediaBox [0 0 96 54] /AA <</O {action}>>", f"/OpenAction {action}"))
        slides = opened(path)
        assert slides.draw(1, 320) is not None and slides.describe(1) == Description()
        with pytest.raises(TimeoutError):
            server.accept()
    assert not ran.exists()


def pdf_page(page: str, catalogue: str = "") -> bytes:
    return (
        f"%PDF-1.7\n1 0 obj<</Type /Catalog /Pages 2 0 R {catalogue}>>endobj\n"
        "2 0 obj<</Type /Pages /Kids [3 0 R] /Count 1>>endobj\n"
        f"3 0 obj<</Type /Page /Parent 2 0 R {page}>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    ).encode()


# --- pictures that are not to have many bytes


async def test_a_picture_has_no_more_bytes_than_it_may_have(tmp_path: Path) -> None:
    Image.effect_noise((1920, 1080), 90).convert("RGB").save(tmp_path / "1.jpg", quality=95)
    deck = WebDeck(tmp_path)
    await deck.open()
    sizes = {}
    for most in (2**22, 2**20, 300_000, 40_000, 1):
        drawn = await deck.picture(1, 1920, most)
        assert drawn is not None
        sizes[most] = len(drawn.data)
    assert 2**20 < sizes[2**22] <= 2**22 and sizes[2**20] <= 2**20 and sizes[300_000] <= 300_000
    assert sizes[1] <= sizes[40_000] < 40_000
    await deck.close()


async def test_a_picture_that_has_few_bytes_anyway_is_drawn_once(deck: WebDeck) -> None:
    drawings = Drawings(deck)
    first = await deck.picture(3, 640, 2**22)
    assert first is not None and first is await deck.picture(3, 640, 2**16)
    assert drawings.made.count((3, 640)) == 1


async def test_slides_have_the_numbers_and_notes_of_their_pages(tmp_path: Path) -> None:
    path = tmp_path / "talk.pdf"
    comment = "/Subtype /Text /Contents (Smile) /Rect [0 0 9 9]"
    path.write_bytes(
        write_pdf([PdfPage(), PdfPage(annotations=[comment])], "/PageLabels <</Nums [0 <</S /D /St 7>>]>>")
    )
    deck = WebDeck(path)
    await deck.open()
    assert (await do(deck, "goto 2")) == performed(1, 2)
    await until(lambda: deck.state().notes is not None)
    assert (deck.state().slide, deck.state().slide_label, deck.state().notes) == (2, "8", "Smile")
    assert (await do(deck, "goto 7")) == refused(2, Reason.RANGE), "a label is no number"
    await deck.close()


async def test_what_there_is_to_say_of_a_deck_is_said_where_it_was_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "2.svg").write_text("<svg/>")
    deck = WebDeck(tmp_path)
    await deck.open()
    assert "2 files, 1 slide. Left out: 2.svg." in caplog.text
    await deck.close()


async def test_names_that_are_no_text_are_shown_as_far_as_they_are(pdf: Path) -> None:
    path = pdf.rename(Path(os.fsdecode(os.fsencode(pdf.parent) + b"/pr\xe9sentation.pdf")))
    deck = WebDeck(path)
    await deck.open()
    assert deck.state().title == "pr\ufffdsentation"
    await deck.close()
    path.unlink()
    with pytest.raises(DeckError, match=r"pr.sentation\.pdf: there is no such file"):
        await deck.open()


# --- a file that is written anew during the show


async def test_a_file_that_was_written_anew_is_offered_and_shown_by_start_from_the_same_slide_on(pdf: Path) -> None:
    deck = WebDeck(pdf, look_every=0.01)
    told: list[bool] = []
    await deck.open(lambda: told.append(deck.state().has_newer))
    await do(deck, "goto 4")
    old = await deck.picture(4, 320)
    pdf.write_bytes(write_pdf([PdfPage(content=words(f"New {number}", 100, 100)) for number in range(1, 9)]))
    await until(lambda: deck.state().has_newer)
    assert told[-1], "it is told"
    assert (deck.state().slide, deck.state().count, await deck.picture(4, 320)) == (4, SLIDES, old), (
        "nothing changes yet"
    )
    assert await do(deck, "start") == performed(4, 4)
    assert (deck.state().count, deck.state().edition, deck.state().has_newer) == (8, 1, False)
    assert await deck.picture(4, 320) != old
    await until(lambda: deck.state().slide_title == "New 4")
    pdf.write_bytes(write_pdf([PdfPage()] * 2))
    await until(lambda: deck.state().has_newer)
    await do(deck, "stop", "start")
    assert (deck.state().slide, deck.state().count) == (2, 2), "the last there is"
    await deck.close()


async def test_a_file_that_cannot_be_opened_any_more_is_not_offered(
    pdf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deck = WebDeck(pdf, look_every=0.01)
    await deck.open()
    content = pdf.read_bytes()
    pdf.write_bytes(b"%PDF-1.7 half of it")
    await until(lambda: "is not shown" in caplog.text)
    assert not deck.state().has_newer and await do(deck, "start", "next") == performed(1, 2)
    pdf.unlink()
    await asyncio.sleep(0.05)
    pdf.write_bytes(content + b"%")
    await until(lambda: deck.state().has_newer)
    await deck.close()


async def test_only_so_many_bytes_of_pictures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "KEPT_BYTES", 100_000)
    deck = WebDeck(numbered_pdf(40))
    await deck.open()
    drawings = Drawings(deck)
    for slide in range(1, 41):
        await do(deck, f"goto {slide}")
        assert await deck.picture(slide, 640) is not None
        await until(lambda: not deck._drawing_ahead)
    pictures = [await drawing for drawing in deck._drawn.values()]
    assert sum(len(each.data) for each in pictures if each is not None) < 200_000
    assert len(drawings.made) == len(set(drawings.made)), "none that is wanted is drawn again"
    await deck.close()
