"""Kinds of PDF and picture decks, as programs write them and as people bring them: each opens, or says why not."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from slidewire.control.intents import Intent, Reason, Status, Verb
from slidewire.host.decks.driver import DeckError, DeckStatus
from slidewire.host.decks.web.driver import WebDeck
from tests.support.decks import numbered_odp, numbered_pdf
from tests.support.hostile_pdf import endless_pdf
from tests.support.pdf import PdfPage, filled, words, write_pdf

pytestmark = pytest.mark.long

SLIDES = 3


@dataclass(frozen=True)
class Kind:
    name: str
    make: Callable[[Path], Path]
    """In this folder; the deck."""
    count: int = SLIDES
    refused: str = ""
    """What is said of a deck that cannot be opened."""
    undrawable: Sequence[int] = ()
    """Slides of which there is no picture."""
    notes: str | None = None
    """On slide 1."""
    label: str | None = None
    ratio: float = 16 / 9
    """Width to height of slide 1."""
    said: str = ""
    """What is said of it where it was started."""


def pages(count: int = SLIDES, width: float = 960, height: float = 540) -> list[PdfPage]:
    return [
        PdfPage(
            width,
            height,
            filled(0.9, 0.9, 0.2 * number, 0, 0, width, height) + "0 g " + words(f"Slide {number}", 50, 50),
        )
        for number in range(1, count + 1)
    ]


def pdf(content: Callable[[], bytes], name: str = "talk.pdf") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content())
        return path

    return make


def office(form: str = "pdf") -> Callable[[Path], Path]:
    """As LibreOffice exports it."""

    def make(folder: Path) -> Path:
        profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
        run("soffice", profile, "--headless", "--convert-to", form, "--outdir", folder, numbered_odp(SLIDES))
        return next(folder.glob("*.pdf"))

    return make


def chromium(folder: Path) -> Path:
    """As a browser prints it."""
    html = "".join(f"<section style='break-after: page'><h1>Slide {number}</h1></section>" for number in range(1, 4))
    style = "<style>@page { size: 960px 540px; margin: 0 }</style>"
    (folder / "talk.html").write_text(f"<!doctype html>{style}{html.removesuffix('</section>')}")
    flags = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        f"--user-data-dir={folder}/chromium",
    )
    run("chromium", *flags, f"--print-to-pdf={folder}/talk.pdf", f"file://{folder}/talk.html")
    return folder / "talk.pdf"


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def slide(number: int, size: tuple[int, int] = (960, 540)) -> Image.Image:
    image = Image.new("RGB", size, (60 * number % 256, 90, 120))
    ImageDraw.Draw(image).text((size[0] / 10, size[1] / 3), f"Slide {number}", fill="white", font_size=size[1] / 5)
    return image


def pictures(suffix: str, form: str | None = None, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for number in range(1, SLIDES + 1):
            slide(number).save(folder / f"{number}.{suffix}", form, **options)
        return folder

    return make


def with_file(make: Callable[[Path], Path], name: str, content: bytes) -> Callable[[Path], Path]:
    """And this file beside it, or in it."""

    def make_both(folder: Path) -> Path:
        deck = make(folder)
        (folder / name).write_bytes(content)
        return deck

    return make_both


def photo_pdf(folder: Path) -> Path:
    grain = Image.effect_noise((3840, 2160), 90).convert("RGB")
    grain.save(folder / "talk.pdf", "PDF", save_all=True, append_images=[grain, grain], quality=95, resolution=288)
    return folder / "talk.pdf"


def scanned(folder: Path) -> Path:
    page = slide(1, (1654, 2339)).convert("1")
    page.save(folder / "talk.pdf", "PDF", save_all=True, append_images=[page, page], resolution=200)
    return folder / "talk.pdf"


def plain(folder: Path) -> Path:
    return numbered_pdf(SLIDES)


def beamer(side: str) -> bytes:
    slide_at, notes_at = (0, 480) if side == "right" else (480, 0)
    content = [
        filled(0.8, 0.2, 0.2, slide_at, 0, 480, 270)
        + "0 g "
        + words(f"Slide {number}", slide_at + 40, 100)
        + words(f"Slide {number}", notes_at + 300, 200, 10)
        + words("Say hello", notes_at + 40, 100, 20)
        for number in range(1, SLIDES + 1)
    ]
    return write_pdf([PdfPage(960, 270, each) for each in content])


def null_page() -> bytes:
    return (
        write_pdf(pages())
        .replace(b"/Type /Page /Parent", b"/Type /Plop/Parent", 2)
        .replace(b"/Type /Plop/Parent", b"/Type /Page /Parent", 1)
    )


def saved(change: Callable[[pypdfium2.PdfDocument], None]) -> bytes:
    document = pypdfium2.PdfDocument(write_pdf(pages()))
    change(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def rotate(document: pypdfium2.PdfDocument) -> None:
    for page in document:
        page.set_rotation(90)


def crop(document: pypdfium2.PdfDocument) -> None:
    for page in document:
        page.set_cropbox(480, 0, 960, 540)


COMMENT = "/Subtype /Text /Contents (Say hello) /Rect [0 0 20 20]"
FIELD = "/Subtype /Widget /FT /Tx /T (a) /V (filled) /DA (/F 20 Tf 0 g) /Rect [0 0 200 50] /F 4"
NOTES = "### 1\nSay hello\n"
MIXED = b"\0\0\0\x18ftypheic"

KINDS = [
    Kind("plain", plain),
    Kind("350 pages", lambda folder: numbered_pdf(350), count=350),
    Kind("written by hand", pdf(lambda: write_pdf(pages()))),
    Kind("saved by PDFium", pdf(lambda: saved(lambda document: None))),
    Kind("LibreOffice", office("pdf")),
    Kind("LibreOffice, PDF/A", office('pdf:impress_pdf_Export:{"SelectPdfVersion":{"type":"long","value":"2"}}')),
    Kind("LibreOffice, tagged", office('pdf:impress_pdf_Export:{"UseTaggedPDF":{"type":"boolean","value":"true"}}')),
    Kind(
        "LibreOffice, with a password",
        office(
            'pdf:impress_pdf_Export:{"EncryptFile":{"type":"boolean","value":"true"},'
            '"DocumentOpenPassword":{"type":"string","value":"secret"}}'
        ),
        refused="password",
    ),
    Kind("Chromium", chromium),
    Kind("scanned", scanned, ratio=1654 / 2339),
    Kind("photos with grain, 4K", photo_pdf),
    Kind("4:3", pdf(lambda: write_pdf(pages(width=1024, height=768))), ratio=4 / 3),
    Kind("A4 upright", pdf(lambda: write_pdf(pages(width=595, height=842))), ratio=595 / 842),
    Kind("turned pages", pdf(lambda: saved(rotate)), ratio=9 / 16),
    Kind("a part of each page", pdf(lambda: saved(crop)), ratio=8 / 9),
    Kind("one page", pdf(lambda: write_pdf(pages(1))), count=1),
    Kind("pages of several sizes", pdf(lambda: write_pdf([*pages(2), *pages(1, 595, 842)]))),
    Kind("an ultra-wide screen", pdf(lambda: write_pdf(pages(width=2520, height=1080))), ratio=21 / 9),
    Kind("beamer, notes on the right", pdf(lambda: beamer("right")), notes="Say hello", said="on the right"),
    Kind("beamer, notes on the left", pdf(lambda: beamer("left")), notes="Say hello", said="on the left"),
    Kind("comments", pdf(lambda: write_pdf([PdfPage(annotations=[COMMENT])] * 3)), notes="Say hello"),
    Kind("a form", pdf(lambda: write_pdf([PdfPage(annotations=[FIELD])] * 3, fields=True))),
    Kind("labels", pdf(lambda: write_pdf(pages(), "/PageLabels <</Nums [0 <</S /r>>]>>")), label="i"),
    Kind("notes.md", with_file(pdf(lambda: write_pdf(pages())), "talk.notes.md", NOTES.encode()), notes="Say hello"),
    Kind(
        "notes in UTF-16",
        with_file(pdf(lambda: write_pdf(pages())), "talk.notes.md", NOTES.encode("utf-16")),
        notes="Say hello",
    ),
    Kind(
        "pdfpc",
        with_file(pdf(lambda: write_pdf(pages())), "talk.pdfpc", b'{"pages": [{"idx": 0, "note": "Say hello"}]}'),
        notes="Say hello",
    ),
    Kind("another suffix", pdf(lambda: write_pdf(pages()), "talk.bak")),
    Kind("no suffix", pdf(lambda: write_pdf(pages()), "talk")),
    Kind("a page that is none", pdf(null_page), undrawable=[2]),
    Kind("a page without end", pdf(lambda: endless_pdf(SLIDES, [2])), undrawable=[2]),
    Kind("cut off", pdf(lambda: write_pdf(pages())[:300]), refused="damaged"),
    Kind("empty", pdf(lambda: b""), refused="empty"),
    Kind("no PDF", pdf(lambda: b"<html>Not found</html>"), refused="no PDF file"),
    Kind("PNG", pictures("png")),
    Kind("JPEG", pictures("jpg")),
    Kind("JPEG, progressive", pictures("jpeg", progressive=True)),
    Kind("JPEG, as some browsers save it", pictures("JFIF", "JPEG")),
    Kind("WebP", pictures("webp")),
    Kind("GIF", pictures("gif")),
    Kind("BMP", pictures("bmp")),
    Kind("TIFF", pictures("tif")),
    Kind("TIFF, packed", pictures("tiff", compression="tiff_lzw")),
    Kind("AVIF", pictures("avif")),
    Kind("one picture", lambda folder: pictures("png")(folder) / "2.png", count=1),
    Kind("pictures and notes", with_file(pictures("png"), "notes.md", NOTES.encode()), notes="Say hello"),
    Kind("a phone's pictures", with_file(pictures("jpg"), "4.heic", MIXED), said="4 files, 3 slides. Left out: 4.heic"),
    Kind("a drawing among pictures", with_file(pictures("png"), "a.svg", b"<svg/>"), said="Left out: a.svg"),
    Kind("a damaged picture", with_file(pictures("png"), "4.png", b"?"), refused=r"4\.png: is no picture"),
    Kind("only what cannot be shown", with_file(lambda folder: folder, "1.heic", MIXED), refused=r"1\.heic cannot be"),
    Kind("an empty folder", lambda folder: folder, refused="no pictures"),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_deck_of_this_kind(kind: Kind, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "Präsentation 1"
    folder.mkdir()
    deck = WebDeck(kind.make(folder))
    if kind.refused:
        with pytest.raises(DeckError, match=kind.refused):
            await deck.open()
        await deck.close()
        return
    await deck.open()
    try:
        assert (deck.state().status, deck.state().slide, deck.state().count) == (DeckStatus.RUNNING, 1, kind.count)
        assert kind.said in caplog.text
        for number in range(1, min(kind.count, 5) + 1):
            await deck.perform(Intent(Verb.GOTO, number))
            drawn = await deck.picture(number, 1920, 2**20)
            if number in kind.undrawable:
                assert drawn is None and not deck.state().drawable
                continue
            assert drawn is not None and len(drawn.data) <= 2**20 and deck.state().drawable
            with Image.open(io.BytesIO(drawn.data)) as image:
                assert number > 1 or abs(image.width / image.height - kind.ratio) < 0.02
        await deck.perform(Intent(Verb.LAST))
        outcome = await deck.perform(Intent(Verb.NEXT))
        assert (outcome.status, outcome.after, outcome.reason) == (Status.REFUSED, kind.count, Reason.AT_END)
        await deck.perform(Intent(Verb.FIRST))
        await deck._background.finish()
        assert (kind.notes or "") in (deck.state().notes or "") and (kind.notes is None) == (deck.state().notes is None)
        assert deck.state().slide_label == kind.label
    finally:
        await deck.close()
