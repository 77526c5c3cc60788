"""PDFs written by hand, for what no program here writes: forms, annotations, labels, pages with notes on them.

There is no table of objects: PDFium finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_OBJECT = 10
"""The numbers before it are the document's own."""


@dataclass(frozen=True, slots=True)
class PdfPage:
    width: float = 960
    height: float = 540
    content: str = ""
    """Operators. /F is a font."""
    annotations: Sequence[str] = ()
    """Dictionaries, without the type."""


def words(text: str, x: float, y: float, size: float = 40) -> str:
    """Operators that write this."""
    return f"BT /F {size} Tf {x} {y} Td ({text}) Tj ET\n"


def filled(red: float, green: float, blue: float, x: float, y: float, width: float, height: float) -> str:
    """Operators that fill this rectangle."""
    return f"{red} {green} {blue} rg {x} {y} {width} {height} re f\n"


def write_pdf(pages: Sequence[PdfPage], catalogue: str = "", fields: bool = False) -> bytes:
    """`fields`: the annotations are the fields of a form."""
    objects: dict[int, str] = {3: "<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"}
    number = FIRST_OBJECT
    kids, widgets = [], []
    for page in pages:
        annotations = []
        for annotation in page.annotations:
            objects[number] = f"<</Type /Annot {annotation}>>"
            annotations.append(f"{number} 0 R")
            number += 1
        widgets += annotations
        objects[number] = f"<</Length {len(page.content)}>>stream\n{page.content}\nendstream"
        objects[number + 1] = (
            f"<</Type /Page /Parent 2 0 R /MediaBox [0 0 {page.width} {page.height}] /Contents {number} 0 R "
            f"/Resources <</Font <</F 3 0 R>>>> /Annots [{' '.join(annotations)}]>>"
        )
        kids.append(f"{number + 1} 0 R")
        number += 2
    form = f"/AcroForm <</Fields [{' '.join(widgets)}] /DA (/F 0 Tf 0 g) /DR <</Font <</F 3 0 R>>>>>>" if fields else ""
    objects[1] = f"<</Type /Catalog /Pages 2 0 R {form} {catalogue}>>"
    objects[2] = f"<</Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)}>>"
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in sorted(objects.items()))
    return f"%PDF-1.7\n{body}trailer<</Root 1 0 R>>\n%%EOF\n".encode("latin-1")
