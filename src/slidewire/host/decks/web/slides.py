"""The slides of a PDF or of pictures. Everything here blocks: it runs in a process of its own, `worker.py`.

`open_slides` says what is wrong in words a speaker can act on. After that nothing raises: a slide that cannot be drawn
is None. Slides may come from strangers, so nothing outside of their file or folder is read, no file makes another
program start, and what would be a very large picture in memory is not drawn. PDFium fetches nothing, and was built
without JavaScript.

A slide's number is its place: of the page in the PDF, of the picture among those of the folder that are shown.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageOps

from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import DeckError, Picture
from slidewire.host.decks.web.deck_file import LEFT_OUT_SUFFIXES, PICTURE_SUFFIXES, DeckKind, unreadable
from slidewire.host.decks.web.encoding import encode
from slidewire.host.decks.web.notes import NotesFile, is_within, notes_path, pdfpc_path, read_notes, read_pdfpc
from slidewire.host.decks.web.page_layout import (
    Box,
    Sample,
    Side,
    find_side,
    may_have_notes,
    side_in_metadata,
)

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Whatever its name: Pillow reads others, too, and for some of them it starts Ghostscript."""
MAX_PIXELS = 64_000_000
"""Of one picture, once it is read: a quarter of a gigabyte of memory."""
JPEG_MAX_PIXELS = 4 * MAX_PIXELS
"""A JPEG is read smaller, or line by line."""
Image.MAX_IMAGE_PIXELS = JPEG_MAX_PIXELS // 2  # Pillow refuses what is twice as large
MAX_HEIGHT = 4096
TITLE_LENGTH = 120
SAMPLES = 24
"""So many pages are looked at, to see whether notes are on them."""
MAX_LABELS = 5000
NAMED = 8
"""So many files are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is written on a slide, as far as it is known."""

    title: str | None = None
    """The first line of its text."""
    notes: str | None = None
    """What its page has for the speaker."""


class Slides(Protocol):
    """Slides are counted from 1."""

    count: int
    notes: dict[int, str]
    labels: dict[int, str]
    """What the deck itself calls its slides, where that is not their number."""
    remarks: Sequence[str]
    """Sentences for who started the show."""

    def describe(self, slide: int) -> Description: ...

    def draw(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        """About `width` pixels wide, in at most `most` bytes; None if this slide cannot be drawn."""

    def close(self) -> None: ...


def open_slides(path: Path, kind: DeckKind, content: bytes = b"", side: Side | None = None) -> Slides:
    """`side`: where the pages have notes; None: found out. Raises `DeckError`."""
    try:
        match kind:
            case DeckKind.PDF:
                return PdfSlides(path, content, side)
            case DeckKind.PICTURE:
                return PictureSlides(path, [io.BytesIO(content)], read_notes(notes_path(path)))
            case DeckKind.FOLDER:
                return open_folder(path)
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else path  # a picture of the folder, perhaps
        raise DeckError(unreadable(Path(named), error)) from None


class PdfSlides:
    def __init__(self, path: Path, content: bytes, side: Side | None = None) -> None:
        try:
            self._document = pypdfium2.PdfDocument(content)
            self.count = len(self._document)
        except pypdfium2.PdfiumError as error:
            raise DeckError(f"{path}: {_advice(content, error.err_code)}") from None
        if not self.count:
            self._document.close()
            raise DeckError(f"{path}: this PDF has no pages. Export the slides again.")
        self._document.init_forms()  # else what was filled in is not drawn
        labels = [self._document.get_page_label(page) for page in range(min(self.count, MAX_LABELS))]
        self.labels = {slide: label for slide, label in enumerate(labels, 1) if label and label != str(slide)}
        beside = read_pdfpc(pdfpc_path(path), labels)
        self.notes = beside.notes | read_notes(notes_path(path))
        self.remarks: Sequence[str]
        self._side, self.remarks = self._find_side(path, content, beside, side)

    def _find_side(
        self, path: Path, content: bytes, beside: NotesFile, wanted: Side | None
    ) -> tuple[Side, tuple[str, ...]]:
        side = wanted or beside.side or side_in_metadata(content)
        if side is not None:
            return side, ()
        if not may_have_notes(self._sizes()):
            return Side.NONE, ()
        step = max(1, self.count // SAMPLES)
        side = find_side([self._sample(slide) for slide in range(1, self.count + 1, step)])
        if side is Side.NONE:
            return side, ()
        remark = (
            f"{path.name}: each page has a slide and its notes. The audience is shown the half without the notes. "
            f"(They are on the {side}; if that is wrong, start with --notes and left, right or none.)"
        )
        return side, (remark,)

    def _sizes(self) -> list[tuple[float, float]]:
        """Of the pages that are not damaged."""
        sizes = []
        for page in range(self.count):
            with contextlib.suppress(pypdfium2.PdfiumError):
                sizes.append(self._document.get_page_size(page))
        return sizes

    def _sample(self, slide: int) -> Sample:
        try:
            with self._page(slide) as page:
                if page.get_rotation():  # nothing is known to make such pages with notes on them
                    return Sample([(0.0, 1.0)], "", "")
                left, _, right, _ = page.get_bbox()
                wide = (right - left) or 1.0
                spans = [
                    ((edges[0] - left) / wide, (edges[2] - left) / wide)
                    for picture in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=1)
                    for edges in (picture.get_bounds(),)
                ]
                with _text_of(page) as text:
                    for number in range(text.count_rects()):
                        edges = text.get_rect(number)
                        spans.append(((edges[0] - left) / wide, (edges[2] - left) / wide))
                    return Sample(
                        spans,
                        _text_in(page, text, Side.RIGHT.slide),
                        _text_in(page, text, Side.LEFT.slide),
                    )
        except pypdfium2.PdfiumError:
            return Sample((), "", "")

    def describe(self, slide: int) -> Description:
        try:
            with self._page(slide) as page:
                notes = _comments(page)
                with _text_of(page) as text:
                    title = first_line(_text_in(page, text, self._side.slide))
                    if self._side.notes is not None:
                        notes.append(_text_in(page, text, self._side.notes))
                written = "\n\n".join(note.strip() for note in notes if note.strip())
                return Description(title, written or None)
        except pypdfium2.PdfiumError:
            return Description()

    def draw(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        try:
            with self._page(slide) as page:
                box, wide, high = self._side.slide, page.get_width(), page.get_height()
                if not (0 < wide < math.inf and 0 < high < math.inf) or not _is_small(page):
                    return None
                _hide_comments(page)
                crop = (box.left * wide, box.bottom * high, (1 - box.right) * wide, (1 - box.top) * high)
                scale = min(width / (box.width * wide), MAX_HEIGHT / (box.height * high))
                bitmap = page.render(scale=scale, crop=crop)
                try:
                    image = bitmap.to_pil().convert("RGB").copy()  # a copy: the bitmap's memory goes away with it
                finally:
                    bitmap.close()
        except pypdfium2.PdfiumError:
            return None
        return encode(image, most)

    def close(self) -> None:
        self._document.close()

    @contextlib.contextmanager
    def _page(self, slide: int) -> Iterator[Any]:
        """Raises `PdfiumError` if it is damaged."""
        page = self._document[slide - 1]
        try:
            yield page
        finally:
            page.close()


@contextlib.contextmanager
def _text_of(page: Any) -> Iterator[Any]:
    text = page.get_textpage()
    try:
        yield text
    finally:
        text.close()


def _text_in(page: Any, text: Any, box: Box) -> str:
    if (box.width, box.height) == (1, 1):
        whole: str = text.get_text_bounded()
        return whole
    left, bottom, right, top = page.get_bbox()
    wide, high = right - left, top - bottom
    part: str = text.get_text_bounded(
        left + box.left * wide, bottom + box.bottom * high, left + box.right * wide, bottom + box.top * high
    )
    return part


_COMMENTS = frozenset({pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_POPUP})
"""Annotations that are read and not shown: pdfpc and others keep notes in them."""


@contextlib.contextmanager
def _annotation(page: Any, number: int) -> Iterator[Any]:
    annotation = pdfium.FPDFPage_GetAnnot(page, number)
    try:
        yield annotation
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _comments(page: Any) -> list[str]:
    found = []
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        with _annotation(page, number) as annotation:
            if pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_TEXT:
                length = pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
                buffer = ctypes.create_string_buffer(length)
                text = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort))
                pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", text, length)
                found.append(buffer.raw.decode("utf-16-le", errors="replace").rstrip("\0"))
    return found


def _hide_comments(page: Any) -> None:
    """In memory only."""
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        with _annotation(page, number) as annotation:
            if pdfium.FPDFAnnot_GetSubtype(annotation) in _COMMENTS:
                pdfium.FPDFAnnot_SetFlags(
                    annotation, pdfium.FPDFAnnot_GetFlags(annotation) | pdfium.FPDF_ANNOT_FLAG_HIDDEN
                )


def _is_small(page: Any) -> bool:
    """Whether no picture on this page is one that only seems small as long as it is packed."""
    for picture in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE]):
        wide, high = picture.get_px_size()
        if wide * high > MAX_PIXELS:
            is_jpeg = list(picture.get_filters())[-1:] == ["DCTDecode"]
            if wide * high > (JPEG_MAX_PIXELS if is_jpeg else MAX_PIXELS):
                return False
    return True


def open_folder(folder: Path) -> PictureSlides:
    """Its pictures, in the order a person would say. Raises `DeckError` or `OSError`."""
    files = sorted(
        (file for file in folder.iterdir() if file.name[0] != "." and is_within(file, folder)),
        key=lambda file: natural(file.name),
    )
    pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    left_out = [file for file in files if file.suffix.lower() in LEFT_OUT_SUFFIXES]
    if not pictures:
        also = f" {_names(left_out)} cannot be shown." if left_out else ""
        raise DeckError(f"{folder}: this folder holds no pictures.{also} Put PNG, JPEG, WebP or GIF files into it.")
    remarks = [_say_left_out(len(pictures), left_out)] if left_out else []
    return PictureSlides(folder, pictures, read_notes(folder / "notes.md"), remarks)


def _say_left_out(shown: int, left_out: Sequence[Path]) -> str:
    return (
        f"{shown + len(left_out)} files, {shown} {'slide' if shown == 1 else 'slides'}. "
        f"Left out: {_names(left_out)}. Save what is missing as PNG or JPEG."
    )


def _names(files: Sequence[Path]) -> str:
    rest = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(file.name for file in files[:NAMED]) + rest


class PictureSlides:
    def __init__(
        self,
        path: Path,
        pictures: Sequence[Path | io.BytesIO],
        notes: dict[int, str],
        remarks: Sequence[str] = (),
    ) -> None:
        """`path`: of the one picture, or of the folder. Raises `DeckError` where a picture cannot be read."""
        self.count = len(pictures)
        self.notes, self.labels, self.remarks = notes, dict[int, str](), remarks
        self._pictures = pictures
        for picture in pictures:
            name = picture if isinstance(picture, Path) else path
            try:
                with Image.open(picture, formats=PICTURE_FORMATS) as image:
                    large = _is_large(image)
            except PermissionError:
                raise
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                raise DeckError(f"{name}: is no picture that can be read. Export it again, or take it away.") from None
            if large:
                raise DeckError(f"{name}: this picture has too many pixels. Export it smaller, or take it away.")

    def describe(self, slide: int) -> Description:
        return Description()

    def draw(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        try:
            with Image.open(self._pictures[slide - 1], formats=PICTURE_FORMATS) as file:
                if _is_large(file):
                    return None
                file.draft("RGB", (width, width))  # a JPEG is decoded no larger than needed
                ImageOps.exif_transpose(file, in_place=True)
                image = _in_colour(file)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None  # it was replaced or taken away during the show, or its later bytes are damaged
        image.thumbnail((width, MAX_HEIGHT))
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        return encode(image, most)

    def close(self) -> None:
        pass


def _in_colour(file: Image.Image) -> Image.Image:
    """In RGB; in RGBA where one can look through it."""
    if file.mode.startswith("I"):  # 16 bits: `convert` would cut off what is above 255
        return file.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if file.mode == "F":
        lowest, highest = (float(value) for value in file.getextrema())  # type: ignore[arg-type]
        scale = 255 / ((highest - lowest) or 1.0)
        return file.point(lambda value: value * scale + -lowest * scale).convert("L").convert("RGB")
    return file.convert("RGBA" if file.has_transparency_data else "RGB")


def _is_large(picture: Image.Image) -> bool:
    return picture.width * picture.height > (JPEG_MAX_PIXELS if picture.format in ("JPEG", "MPO") else MAX_PIXELS)


def first_line(text: str) -> str | None:
    for line in text.splitlines():
        if words := " ".join(line.split()):
            return words[:TITLE_LENGTH]
    return None


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """A sort key by which slide9 comes before slide10."""
    return tuple((text, int(number or -1)) for text, number in re.findall(r"(\D*)(\d*)", name.casefold()))


def _advice(content: bytes, code: int | None) -> str:
    if not content:
        return "this file is empty. Export the slides again."
    # For a file without pages PDFium leaves the code of whatever failed before, so the code alone is no proof.
    if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY) and b"/Encrypt" in content:
        return "this PDF is protected with a password. Save a copy without one and show that."
    return "this is no PDF file, or a damaged one, or has no pages. Export the slides again."
