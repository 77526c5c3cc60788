"""PDFs that a reader never gets done with."""

from __future__ import annotations

from collections.abc import Sequence

DEPTH, BREADTH = 12, 10


def pdf(pages: Sequence[bytes], forms: Sequence[bytes] = (), missing: Sequence[int] = ()) -> bytes:
    """Each page by its content. `forms`: form objects, each of which may draw the next one as /F; a page, the first.
    `missing`: the numbers of pages that are counted and are not there."""
    first_page, first_form = 3, 3 + 2 * len(pages)
    kids = b" ".join(
        b"9999 0 R" if number + 1 in missing else b"%d 0 R" % (first_page + 2 * number) for number in range(len(pages))
    )
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages))]
    for number, content in enumerate(pages):
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 96 54]/Contents %d 0 R/Resources<</XObject<</F %d 0 R>>>>>>"
            % (first_page + 2 * number + 1, first_form),
            _stream(b"", content),
        ]
    for number, content in enumerate(forms):
        objects.append(
            _stream(
                b"/Type/XObject/Subtype/Form/BBox[0 0 96 54]/Resources<</XObject<</F %d 0 R>>>>"
                % (first_form + number + 1),
                content,
            )
        )
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
        len(objects) + 1,
        len(out),
    )


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content)


PLAIN = b"0 0 1 rg 0 0 96 54 re f"


def endless_pdf(slides: int, endless: Sequence[int]) -> bytes:
    """The slides named are forms in forms, 10^12 of them: drawing one takes memory and time without end."""
    forms = [b"/F Do " * BREADTH] * DEPTH + [b"10 10 50 50 re f"]
    return pdf([b"/F Do" if slide in endless else PLAIN for slide in range(1, slides + 1)], forms)
