"""Decks for tests: N slides, each with its number written large and a background colour of its own.

They are made once and kept in the temporary directory, under the digest of what makes them.
"""

from __future__ import annotations

import colorsys
import ctypes
import functools
import hashlib
import inspect
import os
import tempfile
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from tools import odp

BUILD_SLIDE = 3
"""This slide of an OpenDocument deck with builds has two clicks before the next slide."""


def colour(number: int) -> tuple[int, int, int]:
    """The background of a slide: neighbours differ clearly."""
    red, green, blue = colorsys.hsv_to_rgb((number * 0.381966) % 1.0, 0.65, 0.55)
    return round(red * 255), round(green * 255), round(blue * 255)


def notes(number: int) -> str:
    """The speaker notes of a slide."""
    return f"Notes for slide {number}.\nnaïve café ☕"


def title(number: int) -> str:
    """The title of a slide."""
    return f"Slide {number}"


def numbered_odp(
    slides: int,
    *,
    builds: bool = False,
    end_builds: bool = False,
    fade: bool = False,
    hidden: frozenset[int] = frozenset(),
) -> Path:
    """An OpenDocument deck. `builds` puts two clicks on slide 3, `end_builds` two on the last one."""

    def page(number: int) -> odp.Page:
        boxes = [
            odp.Box(2, 4, 24, 7, [odp.Run(title(number), 140, "#ffffff", True)], title=True, align="center"),
        ]
        if (builds and number == BUILD_SLIDE) or (end_builds and number == slides):
            boxes += [
                odp.Box(
                    4 + 11 * k, 12.5, 9, 2, [odp.Run(f"build {k + 1}", 40)], fill="#ffffff", align="center", build=k + 1
                )
                for k in range(2)
            ]
        return odp.Page(
            f"page{number}",
            boxes,
            background="#{:02x}{:02x}{:02x}".format(*colour(number)),
            notes=notes(number),
            fade=fade,
            hidden=number in hidden,
        )

    path = _kept(f"{slides}-{builds}-{end_builds}-{fade}-{sorted(hidden)}", ".odp")
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        odp.write(part, f"Numbered deck of {slides}", [page(number) for number in range(1, slides + 1)])
        part.replace(path)
    return path


def numbered_pdf(slides: int) -> Path:
    """The same deck as a PDF, without notes or builds."""
    path = _kept(f"{slides}", ".pdf")
    if not path.exists():
        document = pypdfium2.PdfDocument.new()
        font = pdfium.FPDFText_LoadStandardFont(document, b"Helvetica-Bold")
        for number in range(1, slides + 1):
            page = document.new_page(960, 540)
            ground = pdfium.FPDFPageObj_CreateNewRect(0, 0, 960, 540)
            pdfium.FPDFPageObj_SetFillColor(ground, *colour(number), 255)
            pdfium.FPDFPath_SetDrawMode(ground, pdfium.FPDF_FILLMODE_WINDING, False)
            pdfium.FPDFPage_InsertObject(page, ground)
            text = pdfium.FPDFPageObj_CreateTextObj(document, font, 180)
            words = (title(number) + "\0").encode("utf-16-le")
            pdfium.FPDFText_SetText(text, ctypes.cast(ctypes.create_string_buffer(words), pdfium.FPDF_WIDESTRING))
            pdfium.FPDFPageObj_SetFillColor(text, 255, 255, 255, 255)
            pdfium.FPDFPageObj_Transform(text, 1, 0, 0, 1, 120, 200)
            pdfium.FPDFPage_InsertObject(page, text)
            page.gen_content()
            page.close()
        part = path.with_suffix(f".{os.getpid()}")
        document.save(part)
        part.replace(path)
    return path


@functools.cache
def _recipe() -> str:
    sources = inspect.getsource(odp) + Path(__file__).read_text(encoding="utf-8")
    return hashlib.sha256(sources.encode()).hexdigest()[:10]


def _kept(what: str, suffix: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"slidewire-test-decks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(what.encode()).hexdigest()[:8]
    return folder / f"deck-{_recipe()}-{name}{suffix}"
