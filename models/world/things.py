"""The things of the world: their state, sizes, and how each class is drawn. Lengths in metres."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.world.canvas import COLOURS, Colour, Pen, Point, shade

if TYPE_CHECKING:
    from models.world.people import Person

DARK: Colour = (35, 35, 38)

# Small things are drawn a fifth larger than life: a detector must be able to see them.
ENLARGED = frozenset({"cup", "book", "bottle", "phone", "ball"})

WIDTH = {
    "ball": 0.34,
    "bottle": 0.13,
    "cup": 0.18,
    "box": 0.46,
    "backpack": 0.36,
    "suitcase": 0.40,
    "chair": 0.48,
    "bench": 1.35,
    "bicycle": 1.7,
    "skateboard": 0.85,
    "umbrella": 0.14,
    "laptop": 0.40,
    "book": 0.24,
    "phone": 0.13,
}

SEAT_HEIGHT = {"chair": 0.46, "bench": 0.46, "box": 0.40, "suitcase": 0.60, "skateboard": 0.13}

# Where a hand takes it, from its base centre.
GRIP: dict[str, Point] = {
    "ball": (0, 0.17),
    "bottle": (0, 0.17),
    "cup": (0.05, 0.10),
    "box": (0, 0.16),
    "backpack": (0, 0.50),
    "suitcase": (0, 0.64),
    "umbrella": (0, 0.10),
    "laptop": (0, 0.02),
    "book": (0, 0.10),
    "phone": (0, 0.07),
    "skateboard": (0, 0.06),
}


@dataclass(eq=False)
class Thing:
    """One thing; `x`, `y` is its base centre, `scale` the pixels per metre of its depth."""

    id: int
    class_name: str
    colour: str
    x: float
    scale: float
    flip: int = 1
    size: float = 1.0
    style: int = 0
    y: float = 0.0
    angle: float = 0.0
    openness: float = 0.0  # 0 closed to 1 open
    spin: float = 0.0  # of wheels
    vx: float = 0.0
    vy: float = 0.0
    flying: bool = False
    holder: "tuple[Person, str] | None" = None  # and the hand: near, far, both, back
    layer: str = "front"  # among the limbs of its holder: back, mid, front, top
    taken: bool = False  # somebody acts with it


def draw_thing(pen: Pen, thing: Thing, x: float, y: float) -> None:
    """Draw with the base centre at the pixel (x, y)."""
    pen.begin(thing.id)
    pen.place(x, y, thing.scale * thing.size, thing.angle, thing.flip)
    colour = COLOURS[thing.colour]
    light = (255, 255, 255) if thing.colour == "white" else shade(colour, 1.25)
    _DRAW[thing.class_name](pen, thing, colour, shade(colour, 0.68), light)


def _ball(pen: Pen, thing: Thing, c: Colour, d: Colour, _: Colour) -> None:
    pen.disc(0, 0.17, 0.17, c)
    for turn in (0.3, 2.4, 4.5):
        spot = d if thing.style else (250, 250, 250)
        pen.disc(0.09 * math.cos(turn), 0.17 + 0.09 * math.sin(turn), 0.045, spot)


def _bottle(pen: Pen, thing: Thing, c: Colour, d: Colour, _: Colour) -> None:
    pen.rectangle(-0.06, 0, 0.06, 0.22, c)
    pen.polygon([(-0.06, 0.22), (0.06, 0.22), (0.026, 0.29), (-0.026, 0.29)], c)
    pen.rectangle(-0.028, 0.29, 0.028, 0.36, d)
    label = (90, 140, 200) if thing.colour == "white" else (245, 245, 245)
    pen.rectangle(-0.06, 0.08, 0.06, 0.16, label)


def _cup(pen: Pen, _: Thing, c: Colour, d: Colour, light: Colour) -> None:
    pen.ring(0.10, 0.10, 0.045, 0.024, d)
    pen.polygon([(-0.07, 0), (0.07, 0), (0.09, 0.19), (-0.09, 0.19)], c)
    pen.rectangle(-0.09, 0.165, 0.09, 0.19, light)


def _box(pen: Pen, thing: Thing, c: Colour, d: Colour, light: Colour) -> None:
    pen.rectangle(-0.23, 0, 0.23, 0.36, c)
    pen.polygon([(0.11, 0), (0.23, 0), (0.23, 0.36), (0.11, 0.36)], d)
    pen.rectangle(-0.03, 0, 0.03, 0.36, light)
    k = thing.openness
    if k <= 0.1:
        pen.rectangle(-0.24, 0.33, 0.24, 0.37, d)
        return
    near, far = (-0.12 - 0.1 * k, 0.36 + 0.2 * k), (-0.23 - 0.2 * k, 0.36 + 0.15 * k)
    pen.polygon([(-0.23, 0.36), (-0.05, 0.36), near, far], light)
    pen.polygon([(0.23, 0.36), (0.05, 0.36), (-near[0], near[1]), (-far[0], far[1])], d)
    pen.rectangle(-0.2, 0.33, 0.2, 0.36, DARK)


def _backpack(pen: Pen, _: Thing, c: Colour, d: Colour, __: Colour) -> None:
    pen.ring(0, 0.45, 0.05, 0.025, d)
    half = [(0.16, 0.0), (0.18, 0.1), (0.15, 0.40), (0.07, 0.46)]
    pen.polygon([(-0.16, 0), *half, *((-x, y) for x, y in reversed(half[1:]))], c)
    pen.polygon([(-0.12, 0.05), (0.12, 0.05), (0.12, 0.2), (-0.12, 0.2)], d)
    pen.line(-0.12, 0.3, 0.12, 0.3, 0.02, d)
    pen.line(-0.15, 0.36, -0.19, 0.1, 0.035, d)


def _suitcase(pen: Pen, thing: Thing, c: Colour, d: Colour, light: Colour) -> None:
    pen.line(-0.10, 0.55, -0.10, 0.68, 0.025, DARK)
    pen.line(0.10, 0.55, 0.10, 0.68, 0.025, DARK)
    pen.line(-0.10, 0.68, 0.10, 0.68, 0.035, DARK)
    pen.rectangle(-0.20, 0.04, 0.20, 0.58, c)
    for x in (-0.12, 0, 0.12):
        pen.line(x, 0.08, x, 0.54, 0.02, d)
    pen.disc(-0.15, 0.035, 0.035, DARK)
    pen.disc(0.15, 0.035, 0.035, DARK)
    k = thing.openness
    if k > 0.1:
        lid = -0.2 - 0.36 * k
        pen.polygon([(-0.2, 0.58), (-0.2, 0.1), (lid, 0.16), (lid, 0.62)], light)
        pen.rectangle(-0.18, 0.08, 0.18, 0.54, (225, 215, 200))


def _chair(pen: Pen, _: Thing, c: Colour, d: Colour, light: Colour) -> None:
    for x in (-0.2, 0.2):
        pen.line(x, 0.46, x, 0.02, 0.045, d)
    pen.line(-0.12, 0.44, -0.12, 0.06, 0.03, shade(c, 0.5))
    pen.rectangle(-0.24, 0.42, 0.24, 0.49, c)
    pen.line(-0.21, 0.48, -0.24, 0.93, 0.05, c)
    pen.polygon([(-0.27, 0.66), (-0.2, 0.66), (-0.21, 0.95), (-0.28, 0.95)], light)


def _bench(pen: Pen, _: Thing, c: Colour, d: Colour, __: Colour) -> None:
    for x in (-0.55, 0.55):
        pen.line(x, 0.44, x, 0.02, 0.06, DARK)
        pen.line(x, 0.44, x, 0.78, 0.04, DARK)
    pen.rectangle(-0.68, 0.42, 0.68, 0.49, c)
    pen.rectangle(-0.68, 0.58, 0.68, 0.65, d)
    pen.rectangle(-0.68, 0.70, 0.68, 0.78, d)


_FRAME = (
    (-0.52, 0.33, 0.0, 0.32),
    (0.0, 0.32, -0.16, 0.80),
    (-0.52, 0.33, -0.14, 0.72),
    (0.0, 0.32, 0.40, 0.76),
    (-0.13, 0.70, 0.40, 0.76),
    (0.38, 0.9, 0.52, 0.33),
)


def _bicycle(pen: Pen, thing: Thing, c: Colour, _: Colour, __: Colour) -> None:
    for x in (-0.52, 0.52):
        pen.ring(x, 0.33, 0.31, 0.045, DARK)
        for spoke in range(3):
            turn = thing.spin + spoke * 1.05
            dx, dy = 0.3 * math.cos(turn), 0.3 * math.sin(turn)
            pen.line(x + dx, 0.33 + dy, x - dx, 0.33 - dy, 0.008, (150, 150, 150))
    for tube in _FRAME:
        pen.line(*tube, 0.045, c)
    pen.line(0.38, 0.9, 0.36, 1.0, 0.035, DARK)
    pen.line(0.28, 1.0, 0.46, 1.0, 0.04, DARK)
    pen.line(-0.28, 0.84, -0.06, 0.84, 0.07, DARK)
    pen.disc(0, 0.32, 0.07, DARK)


def _skateboard(pen: Pen, _: Thing, c: Colour, __: Colour, ___: Colour) -> None:
    pen.line(-0.34, 0.10, 0.34, 0.10, 0.045, c)
    pen.line(0.34, 0.10, 0.42, 0.14, 0.045, c)
    pen.line(-0.34, 0.10, -0.42, 0.14, 0.045, c)
    for x in (-0.25, 0.25):
        pen.disc(x, 0.045, 0.045, (240, 230, 200))
        pen.line(x, 0.05, x, 0.09, 0.03, DARK)


def _umbrella(pen: Pen, thing: Thing, c: Colour, d: Colour, light: Colour) -> None:
    pen.line(0, 0, 0, 0.85, 0.026, (60, 50, 45))
    pen.line(0, 0, 0.05, -0.03, 0.03, (90, 55, 30))
    pen.line(0.05, -0.03, 0.08, 0.02, 0.03, (90, 55, 30))
    k = thing.openness
    if k < 0.15:
        pen.polygon([(-0.03, 0.85), (0.03, 0.85), (0.12, 0.35), (0, 0.26), (-0.12, 0.35)], c)
        pen.polygon([(0, 0.85), (0.03, 0.85), (0.12, 0.35), (0, 0.26)], d)
        pen.line(0, 0.83, 0, 0.92, 0.02, DARK)
        return
    w, steps = 0.2 + 0.48 * k, 10
    top = [
        (w * math.cos(math.pi * i / steps), 0.66 + 0.30 * math.sin(math.pi * i / steps))
        for i in range(steps + 1)
    ]
    hem: list[Point] = []
    for i in range(4):
        hem += [(-w + 2 * w * i / 4, 0.64), (-w + 2 * w * (i + 0.5) / 4, 0.71)]
    pen.polygon(top + hem, c)
    pen.polygon([(0, 0.96), (0.22 * w, 0.70), (0.55 * w, 0.66), (0.25 * w, 0.9)], d)
    pen.polygon([(0, 0.96), (-0.3 * w, 0.70), (-0.62 * w, 0.66), (-0.35 * w, 0.88)], light)
    pen.line(0, 0.95, 0, 1.02, 0.02, DARK)


def _laptop(pen: Pen, thing: Thing, c: Colour, d: Colour, light: Colour) -> None:
    pen.polygon([(-0.2, 0), (0.2, 0), (0.2, 0.10), (-0.2, 0.10)], c)
    pen.line(-0.19, 0.105, 0.19, 0.105, 0.02, d)
    pen.line(-0.19, 0.05, 0.19, 0.05, 0.015, light)
    turn = math.pi - thing.openness * 1.9
    if thing.openness * 1.9 > 0.1:
        x, y = 0.2 + 0.32 * math.cos(turn), 0.03 + 0.32 * math.sin(turn)
        pen.line(0.2, 0.03, x, y, 0.045, c)
        screen = [(0.185, 0.05), (x - 0.02, y - 0.01), (x - 0.05, y - 0.01), (0.14, 0.05)]
        pen.polygon(screen, (140, 200, 235))


def _book(pen: Pen, thing: Thing, c: Colour, _: Colour, light: Colour) -> None:
    if thing.openness > 0.3:
        cover = [(-0.21, 0.03), (0, 0), (0.21, 0.03), (0.22, 0.28), (0, 0.25), (-0.22, 0.28)]
        page = [(-0.19, 0.06), (-0.005, 0.03), (-0.005, 0.23), (-0.19, 0.26)]
        pen.polygon(cover, c)
        pen.polygon(page, (250, 246, 232))
        pen.polygon([(-x, y) for x, y in page], (238, 232, 215))
        return
    pen.rectangle(-0.12, 0, 0.12, 0.30, c)
    pen.rectangle(0.09, 0.01, 0.12, 0.29, (248, 244, 230))
    pen.rectangle(-0.07, 0.19, 0.06, 0.24, light)


def _phone(pen: Pen, thing: Thing, c: Colour, _: Colour, __: Colour) -> None:
    pen.rectangle(-0.06, 0, 0.06, 0.22, (20, 20, 22) if thing.colour == "black" else DARK)
    pen.rectangle(-0.065, -0.005, -0.04, 0.225, c)
    pen.rectangle(-0.045, 0.03, 0.05, 0.195, (150, 215, 245) if thing.style else c)


_DRAW: dict[str, Callable[[Pen, Thing, Colour, Colour, Colour], None]] = {
    "ball": _ball,
    "bottle": _bottle,
    "cup": _cup,
    "box": _box,
    "backpack": _backpack,
    "suitcase": _suitcase,
    "chair": _chair,
    "bench": _bench,
    "bicycle": _bicycle,
    "skateboard": _skateboard,
    "umbrella": _umbrella,
    "laptop": _laptop,
    "book": _book,
    "phone": _phone,
}
