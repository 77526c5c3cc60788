"""The slides of a PDF or of a folder of pictures. Everything here blocks: it runs in a process of its own, `worker.py`.

`open_slides` says what is wrong in words a speaker can act on. After that nothing raises: a slide that cannot be drawn
is None. Slides may come from strangers, so nothing outside of their file or folder is read, no file makes another
program start, and what would be a very large picture in memory is not drawn. PDFium fetches nothing, and was built
without JavaScript.

Speaker notes are read from a text file beside the slides, in the form pdfpc made common:

    ### 1
    Welcome everybody.
    ### 2
    …

`talk.notes.md` beside `talk.pdf`, `notes.md` inside a folder of pictures.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageOps

from slidewire.host.decks.driver import DeckError, Picture
from slidewire.host.decks.web.deck_file import unreadable

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""Whatever its name: Pillow reads others, too, and for some of them it starts Ghostscript."""
MAX_PIXELS = 64_000_000
"""Of one picture, once it is read: a quarter of a gigabyte of memory."""
MAX_NOTES = 4 * 2**20
MAX_HEIGHT = 4096
TITLE_LENGTH = 120
JPEG_QUALITY = 85
FEW_COLOURS = 256


class Slides(Protocol):
    """Slides are counted from 1."""

    count: int
    notes: dict[int, str]

    def title(self, slide: int) -> str | None:
        """The first line of text on it, if it has text."""

    def draw(self, slide: int, width: int) -> Picture | None:
        """About `width` pixels wide, or None if this slide cannot be drawn."""

    def close(self) -> None: ...


def open_slides(path: Path, pdf: bytes | None) -> Slides:
    """The slides of this PDF, or the pictures of this folder where there is none. Raises `DeckError`."""
    try:
        return PictureSlides(path) if pdf is None else PdfSlides(path, pdf)
    except OSError as error:
        raise DeckError(unreadable(path, error)) from None


class PdfSlides:
    def __init__(self, path: Path, content: bytes) -> None:
        self.notes = read_notes(notes_path(path))
        try:
            self._document = pypdfium2.PdfDocument(content)
            self.count = len(self._document)
        except pypdfium2.PdfiumError as error:
            raise DeckError(f"{path}: {_advice(content, error.err_code)}") from None
        if not self.count:
            self._document.close()
            raise DeckError(f"{path}: this PDF has no pages. Export the slides again.")

    def title(self, slide: int) -> str | None:
        try:
            with self._page(slide) as page:
                text = page.get_textpage()
                try:
                    words: str = text.get_text_bounded()
                finally:
                    text.close()
        except pypdfium2.PdfiumError:
            return None
        return first_line(words)

    def draw(self, slide: int, width: int) -> Picture | None:
        try:
            with self._page(slide) as page:
                wide, high = page.get_width(), page.get_height()
                if not (0 < wide < math.inf and 0 < high < math.inf) or not _is_small(page):
                    return None
                bitmap = page.render(scale=min(width / wide, MAX_HEIGHT / high))
                try:
                    image = bitmap.to_pil().convert("RGB").copy()  # a copy: the bitmap's memory goes away with it
                finally:
                    bitmap.close()
        except pypdfium2.PdfiumError:
            return None
        return encode(image)

    def close(self) -> None:
        self._document.close()

    @contextmanager
    def _page(self, slide: int) -> Iterator[Any]:
        """Raises `PdfiumError` if it is damaged."""
        page = self._document[slide - 1]
        try:
            yield page
        finally:
            page.close()


def _is_small(page: Any) -> bool:
    """Whether no picture on this page is one that only seems small as long as it is packed."""
    for picture in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE]):
        wide, high = picture.get_px_size()
        if wide * high > MAX_PIXELS:
            return False
    return True


class PictureSlides:
    def __init__(self, folder: Path) -> None:
        self.notes = read_notes(folder / "notes.md")
        self._files = sorted(
            (
                file
                for file in folder.iterdir()
                if file.suffix.lower() in PICTURE_SUFFIXES and file.name[0] != "." and is_within(file, folder)
            ),
            key=lambda file: natural(file.name),
        )
        self.count = len(self._files)
        if not self._files:
            raise DeckError(f"{folder}: this folder holds no pictures. Put PNG, JPEG, WebP or GIF files into it.")
        for file in self._files:
            try:
                with Image.open(file, formats=PICTURE_FORMATS) as picture:
                    large = _is_large(picture)
            except PermissionError:
                raise
            except (OSError, Image.DecompressionBombError):
                raise DeckError(f"{file}: is no picture that can be read. Export it again, or take it away.") from None
            if large:
                raise DeckError(f"{file}: this picture has too many pixels. Export it smaller, or take it away.")

    def title(self, slide: int) -> str | None:
        return None

    def draw(self, slide: int, width: int) -> Picture | None:
        try:
            with Image.open(self._files[slide - 1], formats=PICTURE_FORMATS) as file:
                if _is_large(file):
                    return None
                file.draft("RGB", (width, width))  # a JPEG is decoded no larger than needed
                ImageOps.exif_transpose(file, in_place=True)
                image = file.convert("RGBA")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None  # it was replaced or taken away during the show, or its later bytes are damaged
        image.thumbnail((width, MAX_HEIGHT))
        paper = Image.new("RGBA", image.size, "white")
        return encode(Image.alpha_composite(paper, image).convert("RGB"))

    def close(self) -> None:
        pass


def _is_large(picture: Image.Image) -> bool:
    return picture.width * picture.height > MAX_PIXELS * (4 if picture.format == "JPEG" else 1)


def is_within(file: Path, folder: Path) -> bool:
    """A regular file that a symbolic link has not brought here from elsewhere."""
    try:
        return file.is_file() and file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def encode(image: Image.Image) -> Picture:
    """As JPEG; as PNG where that is smaller, which it is for plain slides only: others are not even tried."""
    jpeg = _save(image, "JPEG", quality=JPEG_QUALITY)
    if image.getcolors(FEW_COLOURS):
        png = _save(image, "PNG")
        if len(png) < len(jpeg):
            return Picture("image/png", png)
    return Picture("image/jpeg", jpeg)


def _save(image: Image.Image, form: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def first_line(text: str) -> str | None:
    for line in text.splitlines():
        if words := " ".join(line.split()):
            return words[:TITLE_LENGTH]
    return None


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """A sort key by which slide9 comes before slide10."""
    return tuple((text, int(number or -1)) for text, number in re.findall(r"(\D*)(\d*)", name.casefold()))


def notes_path(pdf: Path) -> Path:
    return pdf.with_suffix(".notes.md")


def read_notes(path: Path) -> dict[int, str]:
    """The notes of each slide. A file that is not there, or cannot be read, means no notes: the show matters more."""
    if not is_within(path, path.parent):
        return {}
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(MAX_NOTES)
    except OSError:
        return {}
    parts = re.split(r"^###[ \t]+(\d{1,5})[ \t]*$", text, flags=re.MULTILINE)
    return {int(number): body.strip() for number, body in zip(parts[1::2], parts[2::2], strict=True) if body.strip()}


def _advice(content: bytes, code: int | None) -> str:
    if not content:
        return "this file is empty. Export the slides again."
    # For a file without pages PDFium leaves the code of whatever failed before, so the code alone is no proof.
    if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY) and b"/Encrypt" in content:
        return "this PDF is protected with a password. Save a copy without one and show that."
    return "this is no PDF file, or a damaged one, or has no pages. Export the slides again."
