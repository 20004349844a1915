"""`World`: a seed becomes a clip, frame by frame, with its truth."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import skia

from models.world.acts import life
from models.world.canvas import Pen, argb
from models.world.people import Person, draw_person
from models.world.scenes import draw_background
from models.world.stage import Act, Stage
from models.world.things import SEAT_HEIGHT, WIDTH, Thing, draw_thing
from models.world.truth import CLASSES, ClipTruth, FrameTruth, Instance, find_intervals

cv2.setNumThreads(1)  # clips are rendered in parallel processes

Image = npt.NDArray[np.uint8]

_LARGEST = 118 / 240  # pixels per metre of the nearest depth, as a share of the picture's height
_LEAST_PIXELS = 3  # smaller than this in the frame: not there


def everyday(stage: Stage) -> list[Act]:
    """Everybody lives a life of their own."""
    return [life(stage, person) for person in stage.people]


class World:
    """One clip; `frames` may be iterated once."""

    def __init__(
        self,
        seed: int,
        *,
        width: int = 384,
        height: int = 288,
        fps: float = 12.5,
        seconds: float = 8.0,
        people: int | None = None,
        lives: Callable[[Stage], list[Act]] = everyday,
    ) -> None:
        self._seed, self._width, self._height, self._fps = seed, width, height, fps
        self._count = int(seconds * fps)
        rng = self._rng = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        indoors = rng.random() < 0.45
        self._horizon = rng.uniform(0.27, 0.40) * height
        self._camera_height = rng.uniform(1.35, 1.6)
        self._pen = Pen(width, height)
        self._background = draw_background(
            rng,
            self._noise,
            width,
            height,
            horizon=self._horizon,
            camera_height=self._camera_height,
            indoors=indoors,
        )
        self._stage = Stage(rng, width, fps)
        self._fill_stage(people or rng.choice((1, 1, 2, 2, 3, 4)))
        self._lives = lives(self._stage)
        self._sun = rng.uniform(-8, 8)  # where shadows fall, pixels
        self._shaking = rng.choice((0, 0, 0, 0.5))
        self._shift = (0.0, 0.0)  # pixels
        self._tremor = random.Random(rng.random())  # its own: drawing must not change the acts
        self._frames: list[FrameTruth] = []

    def frames(self, every: int = 1, phase: int = 0) -> Iterator[tuple[Image, FrameTruth]]:
        """RGB (H, W, 3) and truth of each `every`-th frame; the others are acted, not drawn."""
        finish = self._camera()
        for index in range(self._count):
            self._stage.seconds = index / self._fps
            for act in self._lives:
                next(act)
            self._stage.move()
            if index % every != phase:
                continue
            visible = self._draw()
            truth = FrameTruth(
                round(self._stage.seconds, 3), self._instances(visible), self._stage.pairs()
            )
            self._frames.append(truth)
            yield finish(self._pen.picture), truth

    def truth(self) -> ClipTruth:
        """Of the frames drawn so far; call it after the last one."""
        times = [(frame.seconds, frame.pairs) for frame in self._frames]
        classes = {thing.id: thing.class_name for thing in self._stage.things}
        end = self._count / self._fps
        return ClipTruth(
            self._seed,
            self._width,
            self._height,
            self._fps,
            tuple(self._frames),
            find_intervals(times, end, classes),
            tuple(self._stage.moments),
        )

    def _fill_stage(self, people: int) -> None:
        rng, stage = self._rng, self._stage
        nearest = (self._height - 6 - self._horizon) / self._camera_height
        nearest = min(nearest, _LARGEST * self._height)
        depths = sorted(rng.uniform(0.72, 0.99) * nearest for _ in range(people))
        for i in range(1, people):
            depths[i] = max(depths[i], depths[i - 1] + 5)
        for scale in depths:
            half = stage.half_width(scale) * 0.8
            x = stage.roomiest([rng.uniform(-half, half) for _ in range(4)], scale)
            stage.people.append(Person.make(stage.next_id(), rng, scale, x))
        for _ in range(rng.choice((0, 1, 1, 2))):
            scale = rng.uniform(0.66, 0.98) * nearest
            places = [rng.uniform(-0.46, 0.46) * self._width / scale for _ in range(4)]
            stage.add_thing(rng.choice(CLASSES[1:]), scale, stage.roomiest(places, scale))

    def _camera(self) -> "Finish":
        return Finish(self._rng, self._noise, self._width, self._height)

    def _draw(self) -> dict[int, int]:
        """Draw all, far to near; returns how many pixels each instance had when it was drawn."""
        if self._shaking:
            tremor = self._tremor
            self._shift = tremor.gauss(0, self._shaking), tremor.gauss(0, self._shaking)
        self._pen.clear(self._background)
        drawn: dict[int, int] = {}
        self._draw_shadows()
        carried = {thing.id for person in self._stage.people for thing in person.things}
        loose = [thing for thing in self._stage.things if thing.id not in carried]
        standing: list[Person | Thing] = [*self._stage.people, *loose]
        for item in sorted(standing, key=_depth):
            if isinstance(item, Person):
                self._draw_person(item, drawn)
            else:
                self._draw_thing(item, drawn)
        return drawn

    def _draw_person(self, person: Person, drawn: dict[int, int]) -> None:
        def layer(name: str) -> None:
            for thing in person.things:
                if thing.layer == name:
                    self._draw_thing(thing, drawn)

        x, y = self._pixel(person.x, 0, person.scale)
        draw_person(self._pen, person, x, y, layer, lambda: self._count_pixels(person.id, drawn))

    def _draw_thing(self, thing: Thing, drawn: dict[int, int]) -> None:
        draw_thing(self._pen, thing, *self._pixel(thing.x, thing.y, thing.scale))
        self._count_pixels(thing.id, drawn)

    def _draw_shadows(self) -> None:
        paint = skia.Paint(Color=argb((0, 0, 0), 70), AntiAlias=True)
        for item in self._everything():
            if isinstance(item, Thing) and item.class_name == "umbrella":
                continue
            half = 0.34 if isinstance(item, Person) else WIDTH[item.class_name] * 0.55
            half *= item.scale
            x, y = self._pixel(item.x, 0, item.scale)
            left, right = x - half + self._sun, x + half + self._sun
            self._pen.canvas.drawOval(
                skia.Rect(left, y - half * 0.16, right, y + half * 0.16), paint
            )

    def _everything(self) -> list[Person | Thing]:
        return [*self._stage.people, *self._stage.things]

    def _pixel(self, x: float, y: float, scale: float) -> tuple[float, float]:
        right = self._width / 2 + x * scale + self._shift[0]
        return right, self._horizon + self._camera_height * scale - y * scale + self._shift[1]

    def _count_pixels(self, instance: int, drawn: dict[int, int]) -> None:
        x0, y0, x1, y1 = self._pen.boxes[instance]
        left, top = int(max(0, x0 - 1)), int(max(0, y0 - 1))
        right, bottom = int(max(0, x1 + 2)), int(max(0, y1 + 2))
        patch = self._pen.mask[top:bottom, left:right]
        drawn[instance] = max(drawn.get(instance, 0), int(np.count_nonzero(patch == instance)))

    def _instances(self, drawn: dict[int, int]) -> tuple[Instance, ...]:
        seen = np.bincount(self._pen.mask.ravel(), minlength=max(drawn, default=0) + 1)
        found = []
        for item in self._everything():
            x0, y0, x1, y1 = self._pen.boxes[item.id]
            cut = max(0.0, x0), max(0.0, y0), min(self._width, x1), min(self._height, y1)
            width, height = cut[2] - cut[0], cut[3] - cut[1]
            if width < _LEAST_PIXELS or height < _LEAST_PIXELS:
                continue
            whole = max(1.0, (x1 - x0) * (y1 - y0))
            found.append(
                Instance(
                    item.id,
                    "person" if isinstance(item, Person) else item.class_name,
                    (round(cut[0], 1), round(cut[1], 1), round(cut[2], 1), round(cut[3], 1)),
                    round(1 - float(seen[item.id]) / max(1, drawn[item.id]), 2),
                    round(1 - width * height / whole, 2),
                    item.looks.shirt if isinstance(item, Person) else item.colour,
                )
            )
        return tuple(found)


class Finish:
    """What the camera makes of a drawing: light, colour cast, blur and noise, the same all clip."""

    def __init__(
        self, rng: random.Random, noise: np.random.Generator, width: int, height: int
    ) -> None:
        gain = rng.uniform(0.72, 1.15)
        gains = np.array([gain * rng.uniform(0.92, 1.08) for _ in range(3)])
        table = np.arange(256)[:, None] * gains + rng.uniform(-12, 12)
        self._table = np.clip(table, 0, 255).astype(np.uint8)[None]  # (1, 256, 3)
        strength = rng.uniform(1, 6)
        self._noise = noise.normal(0, strength, (4, height, width, 3)).astype(np.int16)
        self._blur = rng.choice((0, 0, 0, 0.6, 0.9))
        self._rng = random.Random(rng.random())

    def __call__(self, picture: Image) -> Image:
        lit = cv2.LUT(np.ascontiguousarray(picture[..., :3]), self._table)
        if self._blur:
            lit = cv2.GaussianBlur(lit, (0, 0), self._blur)
        finished: Any = cv2.add(lit, self._noise[self._rng.randrange(4)], dtype=cv2.CV_8U)
        return np.asarray(finished, np.uint8)


def _depth(item: Person | Thing) -> float:
    """Far first; seats a little behind who sits on them."""
    seat = isinstance(item, Thing) and item.class_name in SEAT_HEIGHT
    return item.scale - (0.5 if seat else 0.0)
