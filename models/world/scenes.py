"""Backgrounds: a room or a street, drawn once a clip."""

import random

import cv2
import numpy as np
import numpy.typing as npt
import skia

from models.world.canvas import Colour, argb, shade

_FLOORS = [(150, 110, 75), (120, 95, 75), (170, 165, 160), (95, 100, 110), (190, 175, 150)]
_SKY = [(110, 165, 220), (170, 195, 215), (235, 190, 150), (90, 110, 140)]
_HAZE = [(215, 230, 240), (240, 225, 205), (190, 200, 210)]
_GROUND = [
    (95, 140, 70),
    (120, 150, 85),
    (140, 140, 142),
    (110, 112, 118),
    (185, 170, 140),
    (150, 135, 120),
]


def draw_background(
    rng: random.Random,
    noise: np.random.Generator,
    width: int,
    height: int,
    *,
    horizon: float,
    camera_height: float,
    indoors: bool,
) -> npt.NDArray[np.uint8]:
    """(H, W, 4) RGBA. `horizon` in pixels from above, `camera_height` in metres."""
    scene = _Scene(rng, width, height, horizon)
    if indoors:
        scene.draw_room(camera_height)
    else:
        scene.draw_street()
    pixels = scene.pixels().astype(np.int16)
    grain = noise.normal(0, rng.uniform(4, 14), (height, width, 1)).astype(np.float32)
    blurred = cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.6))
    pixels[..., :3] += blurred[..., None].astype(np.int16)
    return np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8))


class _Scene:
    def __init__(self, rng: random.Random, width: int, height: int, horizon: float) -> None:
        self._rng, self._width, self._height, self._horizon = rng, width, height, horizon
        self._surface = skia.Surface(width, height)
        self._canvas = self._surface.getCanvas()
        self._unit = width / 320  # details were designed at this width

    def pixels(self) -> npt.NDArray[np.uint8]:
        snapshot = self._surface.makeImageSnapshot()
        return np.array(snapshot.toarray(colorType=skia.kRGBA_8888_ColorType))

    def draw_room(self, camera_height: float) -> None:
        rng, unit, w, h = self._rng, self._unit, self._width, self._height
        wall, floor = self._colour(120, 235), rng.choice(_FLOORS)
        foot = self._horizon + camera_height * 38 * unit  # where wall and floor meet
        self._gradient(0, foot, wall, shade(wall, 0.88))
        self._gradient(foot, h, shade(floor, 0.8), shade(floor, 1.1))
        self._rectangle(0, foot - 4, w, foot, shade(wall, 0.6))
        for i in range(-14, 15):
            paint = self._paint(shade(floor, 0.7), 110)
            self._canvas.drawLine(w / 2 + i * 14 * unit, foot, w / 2 + i * 70 * unit, h, paint)
        for _ in range(rng.randint(1, 4)):
            self._draw_picture(foot)
        if rng.random() < 0.5:
            x, top = rng.uniform(0, w), foot - rng.uniform(25, 60) * unit
            self._rectangle(x, top, x + rng.uniform(30, 80) * unit, foot + 6, self._colour(60, 160))

    def draw_street(self) -> None:
        rng, w, h = self._rng, self._width, self._height
        self._gradient(0, self._horizon + 6, rng.choice(_SKY), rng.choice(_HAZE))
        houses = rng.random() < 0.55
        for _ in range(rng.randint(2, 7)):
            x, width = rng.uniform(-20, w), rng.uniform(25, 80) * self._unit
            if houses:
                self._draw_house(x, width)
            else:
                self._draw_tree(x, width)
        ground, top = rng.choice(_GROUND), self._horizon + 3
        self._gradient(top, h, shade(ground, 0.85), shade(ground, 1.12))
        for _ in range(rng.randint(0, 3)):
            y = rng.uniform(top, h)
            band = shade(ground, rng.uniform(0.75, 1.3))
            self._rectangle(0, y, w, y + rng.uniform(2, 14), band, 150)
        if rng.random() < 0.35:
            x = rng.uniform(0, w)
            self._rectangle(x, 10, x + 4, top + 8, (70, 70, 75))

    def _draw_picture(self, foot: float) -> None:
        rng, unit = self._rng, self._unit
        x, y = rng.uniform(0, self._width), rng.uniform(5, foot * 0.5)
        width, height, kind = rng.uniform(20, 70) * unit, rng.uniform(20, 60) * unit, rng.random()
        self._rectangle(x - 3, y - 3, x + width + 3, y + height + 3, self._colour(50, 230))
        window = kind < 0.4
        inside = (190, 220, 240) if window else self._colour(40, 220)
        self._rectangle(x, y, x + width, y + height, inside)
        if window:
            bar = self._paint((240, 240, 240))
            self._canvas.drawLine(x + width / 2, y, x + width / 2, y + height, bar)

    def _draw_house(self, x: float, width: float) -> None:
        rng, unit = self._rng, self._unit
        top, colour = rng.uniform(5, self._horizon * 0.8), self._colour(90, 190)
        self._rectangle(x, top, x + width, self._horizon + 8, colour)
        for y in np.arange(top + 6, self._horizon, 13 * unit):
            for left in np.arange(x + 5, x + width - 6, 12 * unit):
                pane = shade(colour, rng.choice((0.6, 1.3)))
                self._rectangle(left, y, left + 6 * unit, y + 7 * unit, pane)

    def _draw_tree(self, x: float, width: float) -> None:
        green, middle = self._rng.randint(70, 130), x + width / 2
        self._rectangle(
            middle - 3, self._horizon - 10, middle + 4, self._horizon + 30, (90, 65, 45)
        )
        crown = self._paint((green // 2, green, green // 2))
        self._canvas.drawCircle(middle, self._horizon - 22 * self._unit, width * 0.42, crown)

    def _colour(self, low: int, high: int) -> Colour:
        rng = self._rng
        return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)

    def _paint(self, colour: Colour, alpha: int = 255) -> skia.Paint:
        return skia.Paint(Color=argb(colour, alpha), AntiAlias=True)

    def _rectangle(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, alpha: int = 255
    ) -> None:
        self._canvas.drawRect(skia.Rect(x0, y0, x1, y1), self._paint(colour, alpha))

    def _gradient(self, y0: float, y1: float, above: Colour, below: Colour) -> None:
        shader = skia.GradientShader.MakeLinear([(0, y0), (0, y1)], [argb(above), argb(below)])
        self._canvas.drawRect(skia.Rect(0, y0, self._width, y1), skia.Paint(Shader=shader))
