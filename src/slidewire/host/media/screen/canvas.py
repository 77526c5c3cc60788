"""The picture as encoders take it (planar YUV, BT.601, half the colour), in the sizes that are asked for.

It lasts from look to look, and only the bands that changed are converted: a laser dot or a pointer that moves costs a
tenth of the whole picture's conversion. Smaller sizes are made from that, once for all encoders of that size.
"""

from __future__ import annotations

from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from slidewire.host.desktop.screen_source import Picture
from slidewire.host.media.screen.tiers import fit

LARGEST = (1920, 1080)
RAW, YUV = "bgr0", "yuv420p"
BYTES = 4
"""Of a pixel that is captured."""
ROWS = 64
"""Rows that are converted together. Even, because two rows share their colour."""


class Canvas:
    """For pictures of one size."""

    def __init__(self, width: int, height: int) -> None:
        self.captured = width, height
        self.size = fit(width, height, *LARGEST)
        self._picture = VideoFrame(*self.size, YUV)
        self._scaled: dict[tuple[int, int], VideoFrame] = {}
        self._scalers: dict[tuple[int, int], VideoReformatter] = {}
        self._raw: dict[int, VideoFrame] = {}
        """Where pixels are put to be converted, by how many rows there are."""

    def draw(self, picture: Picture, rows: list[range]) -> None:
        """Take over what changed."""
        self._scaled.clear()
        if self.size != self.captured:
            raw = self._take(picture, range(picture.height))
            self._picture = self._scale(raw, self.size)
            return
        for changed in rows:
            for top in range(changed.start, changed.stop, ROWS):
                band = range(top, min(top + ROWS, changed.stop))
                self._put(self._scale(self._take(picture, band), (picture.width, len(band))), top)

    def picture(self, width: int, height: int) -> VideoFrame:
        """As large as fits into that. It changes with the next `draw`."""
        size = fit(*self.size, width, height)
        if size == self.size:
            return self._picture
        if size not in self._scaled:
            self._scaled[size] = self._scale(self._picture, size)
        return self._scaled[size]

    def _take(self, picture: Picture, rows: range) -> VideoFrame:
        if len(rows) not in self._raw:
            self._raw[len(rows)] = VideoFrame(picture.width, len(rows), RAW)
        raw = self._raw[len(rows)]
        plane, row = raw.planes[0], picture.width * BYTES
        pixels = memoryview(picture.pixels)[rows.start * row : rows.stop * row]
        target = memoryview(plane)
        if plane.line_size == row:
            target[: len(pixels)] = pixels
        else:
            for index in range(len(rows)):
                start = index * plane.line_size
                target[start : start + row] = pixels[index * row : (index + 1) * row]
        return raw

    def _put(self, band: VideoFrame, top: int) -> None:
        for whole, part, at in zip(self._picture.planes, band.planes, (top, top // 2, top // 2), strict=True):
            target, source = memoryview(whole), memoryview(part)
            if whole.line_size == part.line_size:
                length = part.height * part.line_size
                target[at * whole.line_size : at * whole.line_size + length] = source[:length]
                continue
            for index in range(part.height):
                start, length = (at + index) * whole.line_size, part.width
                target[start : start + length] = source[index * part.line_size :][:length]

    def _scale(self, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        # One for each size: it keeps what it computed for the sizes it was asked for last.
        scaler = self._scalers.setdefault(size, VideoReformatter())
        return scaler.reformat(frame, *size, YUV, interpolation=Interpolation.AREA, threads=1)
