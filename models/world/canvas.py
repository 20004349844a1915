"""Drawing: shapes in local metres onto a picture and, beside it, onto a mask of instance ids."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import skia

Colour = tuple[int, int, int]
Point = tuple[float, float]

COLOURS: dict[str, Colour] = {
    "red": (205, 45, 40),
    "blue": (45, 85, 200),
    "green": (50, 145, 65),
    "yellow": (232, 200, 50),
    "white": (236, 236, 232),
    "black": (38, 38, 42),
    "orange": (235, 130, 35),
    "purple": (125, 60, 160),
    "pink": (235, 135, 170),
    "brown": (125, 80, 45),
    "gray": (135, 138, 142),
}


def shade(colour: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    r, g, b = (max(0, min(255, int(value * factor))) for value in colour)
    return r, g, b


def argb(colour: Colour, alpha: int = 255) -> int:
    return (alpha << 24) | (colour[0] << 16) | (colour[1] << 8) | colour[2]


class Pen:
    """Draws with an affine map from local metres (y up); keeps every instance's amodal box."""

    def __init__(self, width: int, height: int) -> None:
        self.picture: npt.NDArray[np.uint8] = np.zeros((height, width, 4), np.uint8)
        mask = np.zeros((height, width, 4), np.uint8)
        self.mask: npt.NDArray[np.uint16] = mask.view("<u2")[..., 0]  # red and green: the id
        self._surfaces = [
            skia.Surface(array, skia.kRGBA_8888_ColorType) for array in (self.picture, mask)
        ]
        self.canvas, self._ids = (surface.getCanvas() for surface in self._surfaces)
        cap, join = skia.Paint.kRound_Cap, skia.Paint.kRound_Join
        self._paint = skia.Paint(AntiAlias=True, StrokeCap=cap, StrokeJoin=join)
        self._id_paint = skia.Paint(AntiAlias=False, StrokeCap=cap)
        self.boxes: dict[int, list[float]] = {}

    def clear(self, background: npt.NDArray[np.uint8]) -> None:
        self.picture[:] = background
        self.mask[:] = 0
        for surface in self._surfaces:
            surface.notifyContentWillChange(skia.Surface.kRetain_ContentChangeMode)
        self.boxes = {}

    def begin(self, instance: int) -> None:
        """What is drawn from now on belongs to this instance (1 to 65535)."""
        self._box = self.boxes.setdefault(instance, [1e9, 1e9, -1e9, -1e9])
        self._id_paint.setColor(argb((instance & 255, instance >> 8, 0)))

    def place(self, x: float, y: float, scale: float, angle: float = 0.0, flip: int = 1) -> None:
        """Local origin in pixels, pixels per metre, turned and mirrored."""
        self._x, self._y, self._scale, self._flip = x, y, scale, flip
        self._cos, self._sin = math.cos(angle), math.sin(angle)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float, c: Colour) -> None:
        start, end = self._at(x0, y0), self._at(x1, y1)
        stroke = max(1.0, width * self._scale)
        self._extend(*start, stroke / 2)
        self._extend(*end, stroke / 2)
        self._stroke(stroke, c)
        self.canvas.drawLine(*start, *end, self._paint)
        self._ids.drawLine(*start, *end, self._id_paint)

    def polygon(self, points: Sequence[Point], c: Colour) -> None:
        corners = [self._at(*point) for point in points]
        path = skia.Path()
        path.moveTo(*corners[0])
        for corner in corners:
            self._extend(*corner, 0)
            path.lineTo(*corner)
        path.close()
        self._fill(c)
        self.canvas.drawPath(path, self._paint)
        self._ids.drawPath(path, self._id_paint)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, c: Colour) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], c)

    def disc(self, x: float, y: float, radius: float, c: Colour) -> None:
        centre, r = self._at(x, y), radius * self._scale
        self._extend(*centre, r)
        self._fill(c)
        self.canvas.drawCircle(*centre, r, self._paint)
        self._ids.drawCircle(*centre, r, self._id_paint)

    def ring(self, x: float, y: float, radius: float, width: float, c: Colour) -> None:
        centre, r = self._at(x, y), radius * self._scale
        stroke = max(1.0, width * self._scale)
        self._extend(*centre, r + stroke / 2)
        self._stroke(stroke, c)
        self.canvas.drawCircle(*centre, r, self._paint)
        self._ids.drawCircle(*centre, r, self._id_paint)

    def _at(self, x: float, y: float) -> Point:
        return (
            self._x + self._scale * self._flip * (self._cos * x - self._sin * y),
            self._y - self._scale * (self._sin * x + self._cos * y),
        )

    def _extend(self, x: float, y: float, radius: float) -> None:
        box = self._box
        box[0], box[1] = min(box[0], x - radius), min(box[1], y - radius)
        box[2], box[3] = max(box[2], x + radius), max(box[3], y + radius)

    def _fill(self, colour: Colour) -> None:
        for paint in (self._paint, self._id_paint):
            paint.setStyle(skia.Paint.kFill_Style)
        self._paint.setColor(argb(colour))

    def _stroke(self, width: float, colour: Colour) -> None:
        for paint in (self._paint, self._id_paint):
            paint.setStyle(skia.Paint.kStroke_Style)
            paint.setStrokeWidth(width)
        self._paint.setColor(argb(colour))
