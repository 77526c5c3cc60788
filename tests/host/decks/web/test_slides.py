"""What is drawn of decks as people bring them, pixel by pixel, and what is read of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from slidewire.host.decks.driver import DeckError, Picture
from slidewire.host.decks.web.deck_file import read_deck
from slidewire.host.decks.web.page_layout import Side
from slidewire.host.decks.web.slides import Slides, open_slides
from tests.support.pdf import PdfPage, filled, words, write_pdf

WHITE = (255, 255, 255)


def opened(path: Path, side: Side | None = None) -> Slides:
    """As the drawing process opens it."""
    file = read_deck(path)
    return open_slides(file.path, file.kind, file.content, side)


def pdf(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def drawn(picture: Picture | None) -> Image.Image:
    assert picture is not None
    return Image.open(io.BytesIO(picture.data)).convert("RGB")


def is_marked(image: Image.Image, box: tuple[int, int, int, int]) -> bool:
    """Whether anything stands out there."""
    return any(high - low > 40 for low, high in image.crop(box).getextrema())  # type: ignore[misc]


# Forms and annotations


def test_what_was_filled_into_a_form_is_drawn(tmp_path: Path) -> None:
    field = "/Subtype /Widget /FT /Tx /T (name) /V (FILLED IN) /DA (/F 60 Tf 1 0 0 rg) /Rect [100 300 860 400] /F 4"
    slides = opened(pdf(tmp_path / "form.pdf", write_pdf([PdfPage(annotations=[field])], fields=True)))
    assert is_marked(drawn(slides.draw(1, 960)), (100, 140, 860, 240))


def test_a_check_mark_is_drawn(tmp_path: Path) -> None:
    look = "<</N <</Yes 8 0 R /Off 9 0 R>>>>"
    box = f"/Subtype /Widget /FT /Btn /T (ok) /V /Yes /AS /Yes /AP {look} /Rect [100 300 200 400] /F 4"
    content = write_pdf([PdfPage(annotations=[box])], fields=True).decode("latin-1")
    form = "<</Type /XObject /Subtype /Form /BBox [0 0 100 100] /Length {}>>stream\n{}endstream"
    cross = "0 0 1 rg 20 20 60 60 re f\n"
    looks = f"8 0 obj\n{form.format(len(cross), cross)}\nendobj\n9 0 obj\n{form.format(0, '')}\nendobj\n"
    path = pdf(tmp_path / "form.pdf", content.replace("trailer", looks + "trailer").encode("latin-1"))
    assert drawn(opened(path).draw(1, 960)).getpixel((150, 190))[2] > 200  # type: ignore[index]
    path.write_bytes(path.read_bytes().replace(b"/AS /Yes", b"/AS /Off"))
    assert drawn(opened(path).draw(1, 960)).getpixel((150, 190)) == WHITE


def test_annotations_are_drawn_and_comments_are_the_speakers_own(tmp_path: Path) -> None:
    square = "/Subtype /Square /C [1 0 0] /IC [1 0 0] /Rect [100 100 300 300] /F 4"
    comment = "/Subtype /Text /Contents (Do not forget) /Rect [700 300 760 360] /Open true /F 4"
    slides = opened(pdf(tmp_path / "talk.pdf", write_pdf([PdfPage(annotations=[square, comment])])))
    image = drawn(slides.draw(1, 960))
    assert image.getpixel((200, 340)) == pytest.approx((255, 0, 0), abs=12)
    assert not is_marked(image, (600, 0, 960, 540))
    assert slides.describe(1).notes == "Do not forget"


# Pages with notes on them


def beamer(side: str = "right", title: str = "Slide", across: bool = False) -> bytes:
    """Pages twice as wide as a slide: the slide is red, the notes are green, and show the slide's title again."""
    slide, notes = (0, 400) if side == "right" else (400, 0)
    pages = []
    for number in (1, 2, 3):
        content = filled(1, 0, 0, slide, 0, 400, 300) + filled(0, 1, 0, notes, 0, 400, 300) + "0 g\n"
        content += words(f"{title} {number}", slide + 20, 200) + words(f"{title} {number}", notes + 250, 250, 12)
        content += words(f"Say {number}", notes + 20, 100, 20)
        if across:
            content += words("A title in the middle of it all", 250, 30, 24)
        pages.append(PdfPage(800, 300, content))
    return write_pdf(pages)


@pytest.mark.parametrize("side", ["right", "left"])
def test_no_audience_sees_the_notes_beside_a_slide(tmp_path: Path, side: str) -> None:
    slides = opened(pdf(tmp_path / "talk.pdf", beamer(side)))
    for slide in (1, 2, 3):
        image = drawn(slides.draw(slide, 640))
        assert image.size == (640, 480)
        for corner in ((2, 2), (637, 2), (2, 477), (637, 477)):
            assert image.getpixel(corner) == pytest.approx((255, 0, 0), abs=12)
        description = slides.describe(slide)
        assert description.title == f"Slide {slide}"
        assert description.notes is not None and f"Say {slide}" in description.notes
    assert "half without the notes" in slides.remarks[0] and f"on the {side}" in slides.remarks[0]


def test_a_deck_for_a_very_wide_screen_is_shown_whole(tmp_path: Path) -> None:
    slides = opened(pdf(tmp_path / "talk.pdf", beamer(across=True)))
    assert drawn(slides.draw(1, 640)).size == (640, 240)
    assert not slides.remarks and slides.describe(1).notes is None


def test_where_the_notes_are_can_be_said(tmp_path: Path) -> None:
    path = pdf(tmp_path / "talk.pdf", beamer())
    assert drawn(opened(path, Side.NONE).draw(1, 640)).size == (640, 240)
    assert drawn(opened(path, Side.LEFT).draw(1, 640)).getpixel((600, 470)) == pytest.approx((0, 255, 0), abs=12)
    (tmp_path / "talk.pdfpc").write_text('{"pdfpcFormat": 2, "beamerNotePosition": "none"}')
    assert drawn(opened(path).draw(1, 640)).size == (640, 240), "by the file beside it"
    (tmp_path / "talk.pdfpc").unlink()
    path.write_bytes(path.read_bytes() + b"<pdfpc:NotesPosition>none</pdfpc:NotesPosition>")
    assert drawn(opened(path).draw(1, 640)).size == (640, 240), "by its own metadata"


# Numbers and labels


def test_a_slides_number_is_its_place_and_its_label_stands_beside_it(tmp_path: Path) -> None:
    pages = [PdfPage(content=words(f"Page {number}", 100, 100)) for number in range(1, 6)]
    labels = "/PageLabels <</Nums [0 <</S /r>> 2 <</S /D /P (A-)>> 4 <</S /D /St 5>>]>>"
    slides = opened(pdf(tmp_path / "talk.pdf", write_pdf(pages, labels)))
    assert [slides.describe(number).title for number in range(1, 6)] == [f"Page {number}" for number in range(1, 6)]
    assert slides.labels == {1: "i", 2: "ii", 3: "A-1", 4: "A-2"}, "5 is its number"


def test_notes_from_a_file_come_before_those_on_the_page(tmp_path: Path) -> None:
    path = pdf(tmp_path / "talk.pdf", write_pdf([PdfPage()] * 3))
    (tmp_path / "talk.pdfpc").write_text('{"pages": [{"idx": 0, "note": "one"}, {"idx": 1, "note": "two"}]}')
    (tmp_path / "talk.notes.md").write_text("### 2\nTWO\n")
    assert opened(path).notes == {1: "one", 2: "TWO"}


# Pictures

SUFFIXES = ("png", "jpg", "jpeg", "jpe", "JFIF", "webp", "gif", "bmp", "tif", "tiff", "avif")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_picture_is_a_deck(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"poster.{suffix}"
    form = Image.registered_extensions().get(f".{suffix.lower()}")
    Image.new("RGB", (640, 360), "navy").save(path, form)
    slides = opened(path)
    path.unlink()
    assert slides.count == 1
    assert drawn(slides.draw(1, 640)).getpixel((320, 180)) == pytest.approx((0, 0, 128), abs=12)


def test_what_is_left_out_of_a_folder_is_named(tmp_path: Path) -> None:
    for number, suffix in enumerate(SUFFIXES, 1):
        form = Image.registered_extensions().get(f".{suffix.lower()}")
        Image.new("RGB", (64, 36), "navy").save(tmp_path / f"{number}.{suffix}", form)
    assert not opened(tmp_path).remarks
    for name in ("90.heic", "91.svg", "notes.md", "readme.txt", ".hidden.svg"):
        (tmp_path / name).write_bytes(b"?")
    slides = opened(tmp_path)
    assert slides.count == len(SUFFIXES)
    said = f"{len(SUFFIXES) + 2} files, {len(SUFFIXES)} slides. Left out: 90.heic, 91.svg."
    assert slides.remarks[0].startswith(said)


def test_a_picture_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (64, 36)).save(tmp_path / "1.png")

    def refuse(picture: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(picture))

    monkeypatch.setattr(Image, "open", refuse)  # the tests may run as root, who may read everything
    with pytest.raises(DeckError, match=r"1\.png: this user may not read it"):
        opened(tmp_path)


def test_a_folder_of_nothing_that_can_be_shown_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "1.heic").write_bytes(b"?")
    with pytest.raises(DeckError, match=r"no pictures\. 1\.heic cannot be shown\. Put PNG"):
        opened(tmp_path)
    with pytest.raises(DeckError, match="HEIC files cannot be shown"):
        opened(tmp_path / "1.heic")


@pytest.mark.parametrize("mode", ["I;16", "I", "F", "1", "L", "LA", "P", "CMYK", "YCbCr"])
def test_pictures_of_every_depth_keep_light_and_dark(tmp_path: Path, mode: str) -> None:
    """A step from dark to light."""
    if mode == "I;16":
        row = (8_000).to_bytes(2, "little") * 32 + (60_000).to_bytes(2, "little") * 32
        picture = Image.frombytes(mode, (64, 48), row * 48)
    elif mode in ("I", "F"):
        picture = Image.new(mode, (64, 48), 8_000)
        picture.paste(60_000, (32, 0, 64, 48))
    else:
        dark, light = (0, 255) if mode == "1" else (30, 235)
        grey = Image.new("L", (64, 48), dark)
        grey.paste(light, (32, 0, 64, 48))
        picture = grey.convert(mode)
    picture.save(tmp_path / ("1.tif" if mode != "LA" else "1.png"))
    image = drawn(opened(tmp_path).draw(1, 64)).convert("L")
    assert image.crop((0, 0, 24, 48)).getextrema()[1] < 60  # type: ignore[operator]
    assert image.crop((40, 0, 64, 48)).getextrema()[0] > 200  # type: ignore[operator]


def test_a_picture_of_many_pixels_is_read_as_small_as_it_is_shown(tmp_path: Path) -> None:
    Image.new("RGB", (12_000, 8_000), "navy").save(tmp_path / "1.jpg")
    assert drawn(opened(tmp_path).draw(1, 1920)).size == (1920, 1280)
