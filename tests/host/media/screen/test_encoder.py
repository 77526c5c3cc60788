from __future__ import annotations

import pytest
from av.video.reformatter import VideoReformatter
from PIL import ImageChops

from slidewire.host.media.screen.canvas import Canvas
from slidewire.host.media.screen.changes import changed_rows
from slidewire.host.media.screen.encoder import CLOCK_RATE, Encoder
from slidewire.media.frames import Codec, Frame
from tests.support.pictures import Decoder, as_picture, as_seen, likeness, slide

BOTH = pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])


def canvas_of(number: int, width: int = 640, height: int = 360) -> Canvas:
    canvas = Canvas(width, height)
    canvas.draw(as_picture(slide(number, width, height)), [range(height)])
    return canvas


def encode(encoder: Encoder, canvas: Canvas, at: float, *, key: bool = False) -> Frame:
    picture = canvas.picture(encoder.width, encoder.height)
    frame = encoder.encode(picture, round(at * CLOCK_RATE), at, key=key)
    assert frame is not None
    return frame


@BOTH
def test_the_decoded_frame_is_the_picture(codec: Codec) -> None:
    encoder, decoder = Encoder(codec, 640, 360, 2_000_000), Decoder(codec)
    for at, number in enumerate((1, 1, 2, 2)):
        frame = encode(encoder, canvas_of(number), float(at))
        shown = decoder.show(frame)
        assert (frame.timestamp, frame.captured, frame.is_key) == (at * CLOCK_RATE, float(at), at == 0)
        assert likeness(shown, slide(number)) > (30 if at % 2 == 0 else 34)
        assert likeness(shown, slide(3)) < 20, "another slide is not taken for this one"


@BOTH
def test_a_key_frame_is_made_when_it_is_asked_for_and_decodes_alone(codec: Codec) -> None:
    encoder = Encoder(codec, 640, 360, 2_000_000)
    frames = [encode(encoder, canvas_of(1), at / 10, key=at == 5) for at in range(8)]
    assert [frame.is_key for frame in frames] == [at in (0, 5) for at in range(8)]
    decoder = Decoder(codec)
    assert likeness(decoder.show(frames[5]), slide(1)) > 30
    assert likeness(decoder.show(frames[6]), slide(1)) > 30


@BOTH
def test_a_picture_that_stays_costs_next_to_nothing(codec: Codec) -> None:
    encoder = Encoder(codec, 640, 360, 2_000_000)
    sizes = [len(encode(encoder, canvas_of(1), at / 2).data) for at in range(12)]
    assert sizes[-1] < sizes[0] / 20


@BOTH
def test_another_rate_starts_with_a_key_frame_and_is_kept(codec: Codec) -> None:
    encoder = Encoder(codec, 640, 360, 2_000_000)
    before = [encode(encoder, canvas_of(at % 3), at / 15) for at in range(30)]
    encoder.set_rate(2_000_000)
    assert not encode(encoder, canvas_of(0), 2.0).is_key, "the same rate is no change"
    encoder.set_rate(300_000)
    after = [encode(encoder, canvas_of(at % 3), (31 + at) / 15) for at in range(30)]
    assert after[0].is_key and not any(frame.is_key for frame in after[1:])
    assert sum(len(frame.data) for frame in after) < sum(len(frame.data) for frame in before) / 2


def test_h264_is_what_browsers_are_promised() -> None:
    """Constrained baseline, its parameters in the stream with each key frame: what 42e01f stands for."""
    frame = encode(Encoder(Codec.H264, 640, 360, 1_000_000), canvas_of(1), 0.0, key=True)
    units = [unit for unit in frame.data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    kinds = [unit[0] & 0x1F for unit in units]
    assert [kind for kind in kinds if kind in (1, 5, 7, 8)] == [7, 8, 5]
    parameters = units[kinds.index(7)]
    assert parameters[1] == 66 and parameters[2] & 0b01000000, "baseline, constrained"


@pytest.mark.parametrize("size", [(640, 360), (654, 366), (641, 361)])
def test_drawing_only_what_changed_is_drawing_all(size: tuple[int, int]) -> None:
    width, height = size
    before, after = as_picture(slide(1, *size)), as_picture(slide(1, *size))
    for row in (0, 100, height - 1):
        after.pixels[row * width * 4 : row * width * 4 + 400] = bytes(400)
    canvas = Canvas(*size)
    canvas.draw(before, [range(height)])
    canvas.draw(after, changed_rows(before.pixels, after.pixels, width * 4))
    fresh = Canvas(*size)
    fresh.draw(after, [range(height)])
    shown, wanted = (as_seen(it.picture(*size)) for it in (canvas, fresh))
    # The converter rounds colours up in one row and down in the next, and counts from where it began.
    assert max(ImageChops.difference(shown, wanted).tobytes()) <= 3
    assert likeness(shown, slide(1, *size).resize(shown.size)) < 40, "the black lines are there"


def test_conversion_by_bands_is_conversion_at_once() -> None:
    picture = as_picture(slide(1))
    canvas = Canvas(640, 360)
    canvas.draw(picture, [range(360)])
    at_once = VideoReformatter().reformat(canvas._take(picture, range(360)), 640, 360, "yuv420p")
    assert likeness(as_seen(canvas.picture(640, 360)), as_seen(at_once)) > 50


def test_smaller_sizes_keep_the_shape_and_the_picture() -> None:
    canvas = canvas_of(1, 800, 600)
    assert (canvas.picture(640, 360).width, canvas.picture(640, 360).height) == (480, 360)
    shown = as_seen(canvas.picture(640, 360))
    assert likeness(shown, slide(1, 800, 600).resize((480, 360))) > 25
    assert canvas.picture(640, 360) is canvas.picture(640, 360), "made once"
    canvas.draw(as_picture(slide(2, 800, 600)), [range(600)])
    assert likeness(as_seen(canvas.picture(640, 360)), slide(2, 800, 600).resize((480, 360))) > 25


def test_a_screen_larger_than_1080p_is_made_smaller() -> None:
    canvas = canvas_of(1, 2560, 1440)
    assert canvas.size == (1920, 1080)
    assert likeness(as_seen(canvas.picture(1920, 1080)), slide(1, 2560, 1440).resize((1920, 1080))) > 25
