"""A drawn slide as the bytes of a picture: as fine as fits."""

from __future__ import annotations

import io
import math
from typing import Final

from PIL import Image

from slidewire.host.decks.driver import Picture

QUALITIES: Final = (85, 75, 60, 45)
"""Of a JPEG, from the best one on."""
COARSE: Final = 2.0
"""A picture that is so many times too long is made smaller: more pixels of a worse quality would look worse."""
SMALLER: Final = 0.7
"""Of its width, where no quality fits."""
FEW_COLOURS: Final = 256


def encode(image: Image.Image, most: int) -> Picture:
    """As JPEG; as PNG where that is smaller, which it is for plain slides only: others are not even tried. Where that
    has more than `most` bytes, it is made coarser, or smaller."""
    jpeg = _save(image, "JPEG", quality=QUALITIES[0])
    if image.getcolors(FEW_COLOURS):
        png = _save(image, "PNG")
        if len(png) < len(jpeg) and len(png) <= most:
            return Picture("image/png", png)
    while len(jpeg) > most and image.size != (1, 1):
        if len(jpeg) > COARSE * most:
            image = _smaller(image, math.sqrt(COARSE * most / len(jpeg)))
        for quality in QUALITIES[1:]:
            jpeg = _save(image, "JPEG", quality=quality)
            if len(jpeg) <= most:
                return Picture("image/jpeg", jpeg)
        image = _smaller(image, SMALLER)
        jpeg = _save(image, "JPEG", quality=QUALITIES[0])
    return Picture("image/jpeg", jpeg)


def _smaller(image: Image.Image, factor: float) -> Image.Image:
    size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _save(image: Image.Image, form: str, **options: int) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()
