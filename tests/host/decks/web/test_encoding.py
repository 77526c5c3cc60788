from __future__ import annotations

import io

import pytest
from PIL import Image

from slidewire.host.decks.web.encoding import encode


def grain(width: int, height: int) -> Image.Image:
    """What packs worst."""
    return Image.effect_noise((width, height), 90).convert("RGB")


@pytest.mark.parametrize("most", [2**14, 2**16, 2**18, 2**20])
def test_what_is_too_large_is_made_coarser_or_smaller_until_it_fits(most: int) -> None:
    photo = grain(1600, 900)
    picture = encode(photo, most)
    assert most / 5 < len(picture.data) <= most, "and it uses what there is"
    with Image.open(io.BytesIO(picture.data)) as image:
        assert abs(image.width / image.height - 16 / 9) < 0.05
        image.load()


def test_what_fits_is_as_fine_as_can_be() -> None:
    photo = grain(640, 360)
    assert encode(photo, 2**22) == encode(photo, 2**21)
    with Image.open(io.BytesIO(encode(photo, 2**22).data)) as image:
        assert image.size == (640, 360)


def test_a_plain_slide_is_sent_without_loss_where_that_is_smaller() -> None:
    slide = Image.new("RGB", (1920, 1080), "navy")
    slide.paste("white", (100, 100, 600, 300))
    assert encode(slide, 2**20).media_type == "image/png"


def test_no_limit_is_too_small_to_end() -> None:
    assert encode(grain(64, 48), 1).data
