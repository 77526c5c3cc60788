"""Where things are on a screen, in pixels. Pure: nothing here knows a window system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slidewire.control.intents import Point


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An area of the desktop; `x` and `y` may be negative, and the right and bottom edges lie outside."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2

    def common(self, other: Rectangle) -> int:
        """How many pixels two areas share."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0) * max(height, 0)

    def covers(self, other: Rectangle) -> bool:
        return self.common(other) == other.width * other.height


def monitor_of(area: Rectangle, monitors: Iterable[Rectangle]) -> Rectangle | None:
    """The monitor that shows most of an area, or None if no monitor shows any of it."""
    best = max(monitors, key=area.common, default=None)
    return best if best is not None and area.common(best) else None


def picture_in(area: Rectangle, aspect: float | None) -> Rectangle:
    """Where a slide of that aspect ratio (width / height) is drawn in its window: as large as fits, in the middle.

    Every presentation program letterboxes this way. Without a ratio the slide is taken to fill the window.
    """
    if aspect is None or area.width <= 0 or area.height <= 0:
        return area
    width = min(area.width, round(area.height * aspect))
    height = min(area.height, round(area.width / aspect))
    return Rectangle(area.x + (area.width - width) // 2, area.y + (area.height - height) // 2, width, height)


def pixel(at: Point, picture: Rectangle) -> tuple[int, int]:
    """The pixel of a picture that a laser position means. The far edges are its last column and row."""
    return (
        picture.x + min(int(at.x * picture.width), picture.width - 1),
        picture.y + min(int(at.y * picture.height), picture.height - 1),
    )
