"""The people of the world: looks, pose and how they are drawn.

A pose is a handful of joint targets that a mode (walk, sit, bend ...) names and that the body
follows with a short lag; arms and legs are solved by two-bone inverse kinematics. Lengths in
metres of a person of size 1, in a frame that looks the way the person faces.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from models.world.canvas import COLOURS, Colour, Pen, Point, shade
from models.world.things import Thing

THIGH, SHIN, UPPER_ARM, FOREARM, TORSO = 0.43, 0.42, 0.29, 0.27, 0.50
SKIN = [
    (255, 219, 190),
    (240, 195, 155),
    (210, 155, 110),
    (165, 110, 75),
    (110, 70, 45),
    (80, 50, 35),
]
HAIR = [(30, 25, 22), (70, 45, 25), (120, 75, 35), (205, 170, 95), (150, 60, 30), (160, 160, 160)]

_BODY_LAG, _HAND_LAG = 0.09, 0.07  # seconds
_MARCHING = ("walk", "push", "pull", "bike")


@dataclass(frozen=True)
class Reach:
    """Where a hand wants to be: from the shoulder, from the feet, or at a thing."""

    x: float
    y: float
    anchor: str = "shoulder"  # "shoulder" | "body" | "thing"
    thing: Thing | None = None


# How each class is held: near hand, far hand, which hands, angle of the thing.
@dataclass(frozen=True)
class Hold:
    near: Reach
    far: Reach | None
    hand: str  # "near" | "both"
    angle: float = 0.0


HOLD = {
    "ball": Hold(Reach(0.32, -0.28), Reach(0.30, -0.32), "both"),
    "box": Hold(Reach(0.36, -0.34), Reach(0.36, -0.38), "both"),
    "bottle": Hold(Reach(0.26, -0.26), None, "near"),
    "cup": Hold(Reach(0.28, -0.24), None, "near"),
    "book": Hold(Reach(0.20, -0.42), None, "near", -0.1),
    "phone": Hold(Reach(0.24, -0.30), None, "near", -0.2),
    "umbrella": Hold(Reach(0.18, -0.22), None, "near"),
    "backpack": Hold(Reach(0.10, -0.54), None, "near"),
    "suitcase": Hold(Reach(-0.05, -0.55), None, "near"),
    "laptop": Hold(Reach(0.32, -0.36), Reach(0.30, -0.38), "both"),
    "skateboard": Hold(Reach(0.16, -0.46), None, "near", 1.35),
}


@dataclass
class Pose:
    """Joint positions: hip, lean of the torso, near and far foot, nod of the head."""

    hip_x: float = 0.0
    hip_y: float = 0.895
    lean: float = 0.03
    near_x: float = 0.10
    near_y: float = 0.0
    far_x: float = -0.10
    far_y: float = 0.0
    nod: float = 0.0


@dataclass(frozen=True)
class Looks:
    """Clothes and build of one person."""

    shirt: str
    trousers: str
    skin: Colour
    hair: Colour
    bottom: str  # "long" | "shorts" | "skirt"
    sleeves: bool
    long_hair: bool
    hat: bool
    bulk: float

    @classmethod
    def draw(cls, rng: random.Random) -> "Looks":
        shirt = rng.choice(list(COLOURS))
        return cls(
            shirt,
            rng.choice([c for c in COLOURS if c != shirt]),
            rng.choice(SKIN),
            rng.choice(HAIR),
            rng.choice(["long", "long", "shorts", "skirt"]),
            rng.random() < 0.5,
            rng.random() < 0.45,
            rng.random() < 0.15,
            rng.uniform(0.88, 1.2),
        )


@dataclass(eq=False)
class Person:
    """One person; `scale` is the pixels per metre of their depth."""

    id: int
    scale: float
    x: float
    looks: Looks
    facing: int
    size: float
    speed: float  # m/s
    clock: float  # seconds, for breathing
    phase: float  # of the steps
    mode: str = "stand"
    near: Reach | None = None  # what the hands want, else they hang or swing
    far: Reach | None = None
    kick: tuple[float, float, float] | None = None  # near foot x, y and lean
    base: float = 0.0  # feet above ground
    look: float = 0.0
    seat: float = 0.46
    stoop: float = 0.0
    things: list[Thing] = field(default_factory=list)  # drawn among the limbs
    doing: dict[int, set[str]] = field(default_factory=dict)  # thing id -> verbs
    pose: Pose | None = None
    shoulder: Point = (0.0, 0.0)
    hands: dict[str, Point] = field(default_factory=dict)

    @classmethod
    def make(cls, id_: int, rng: random.Random, scale: float, x: float) -> "Person":
        return cls(
            id_,
            scale,
            x,
            Looks.draw(rng),
            facing=rng.choice((-1, 1)),
            size=rng.uniform(0.9, 1.08),
            speed=rng.uniform(0.9, 1.35),
            clock=rng.random() * 6,
            phase=rng.random() * 6,
        )

    def move(self, seconds: float) -> None:
        """Let the body follow its targets for a time step."""
        self.clock += seconds
        target = self._target()
        if self.pose is None:
            self.pose = target
        gain = 1 - math.exp(-seconds / _BODY_LAG)
        marching = self.mode in _MARCHING and self.kick is None
        for name in vars(target):
            k = 1.0 if marching and name in ("near_x", "near_y", "far_x", "far_y") else gain
            now = getattr(self.pose, name)
            setattr(self.pose, name, now + (getattr(target, name) - now) * k)
        lean, hip = self.pose.lean, (self.pose.hip_x, self.pose.hip_y)
        self.shoulder = (hip[0] + TORSO * math.sin(lean), hip[1] + TORSO * math.cos(lean))
        for name, wish, default in zip(
            ("near", "far"), (self.near, self.far), self._idle_hands(), strict=True
        ):
            self._move_hand(name, wish or default, wish is None, seconds)

    def hand_position(self, hand: str) -> Point:
        """World x and height of the near hand, or of the middle of both."""
        (nx, ny), (fx, fy) = self.hands["near"], self.hands["far"]
        x, y = (nx, ny) if hand == "near" else ((nx + fx) / 2, (ny + fy) / 2)
        return self.x + x * self.size * self.facing, y * self.size

    def back_position(self) -> tuple[float, float, float]:
        """World x, height and lean of the back, where a backpack sits."""
        assert self.pose is not None
        x = self.pose.hip_x + 0.2 * (self.shoulder[0] - self.pose.hip_x) - 0.22
        y = self.pose.hip_y + 0.2 * (self.shoulder[1] - self.pose.hip_y) - 0.02
        return self.x + self.facing * self.size * x, self.size * y, self.pose.lean

    def _move_hand(self, name: str, wish: Reach, idle: bool, seconds: float) -> None:
        sx, sy = self.shoulder
        if wish.anchor == "thing" and wish.thing is not None:
            thing = wish.thing
            x = (thing.x - self.x) * self.facing / self.size + wish.x
            y = thing.y / self.size + wish.y
        else:
            x, y = (wish.x, wish.y) if wish.anchor == "body" else (sx + wish.x, sy + wish.y)
        gain = 0.6 if idle and self.mode == "walk" else 1 - math.exp(-seconds / _HAND_LAG)
        if wish.anchor == "thing":
            gain = max(gain, 0.75)
        now = self.hands.get(name, (x, y))
        x, y = now[0] + (x - now[0]) * gain, now[1] + (y - now[1]) * gain
        reach, longest = math.hypot(x - sx, y - sy), UPPER_ARM + FOREARM - 0.01
        if reach > longest:
            x, y = sx + (x - sx) * longest / reach, sy + (y - sy) * longest / reach
        self.hands[name] = (x, y)

    def _idle_hands(self) -> tuple[Reach, Reach]:
        match self.mode:
            case "sit":
                return Reach(0.36, -0.34), Reach(0.36, -0.34)
            case "bike":
                return Reach(0.40, 1.02, "body"), Reach(0.40, 1.02, "body")
            case "skate":
                sway = 0.05 * math.sin(self.clock * 3)
                return Reach(0.45, -0.12 + sway), Reach(-0.42, -0.1 - sway)
            case "walk":
                swing = 0.24 * math.sin(self.phase)
            case _:
                swing = 0.02 * math.sin(self.clock * 1.3)
        return Reach(-swing + 0.05, -0.50), Reach(swing + 0.02, -0.50)

    def _target(self) -> Pose:
        pose = _MODES.get(self.mode, _stand)(self)
        if self.kick is not None:
            pose.near_x, pose.near_y, pose.lean = self.kick
            pose.hip_x = -0.05
        pose.nod += self.look
        pose.lean += self.stoop
        return pose


def _stand(person: Person) -> Pose:
    return Pose(hip_y=0.895 + person.base, near_y=person.base, far_y=person.base)


def _walk(person: Person) -> Pose:
    c, s = math.cos(person.phase), math.sin(person.phase)
    lift = 0.13
    return Pose(
        hip_y=0.855 + 0.02 * math.cos(2 * person.phase),
        lean=0.07,
        near_x=0.30 * c,
        near_y=lift * max(0, -s),
        far_x=-0.30 * c,
        far_y=lift * max(0, s),
    )


def _sit(person: Person) -> Pose:
    return Pose(-0.02, person.seat + 0.10, -0.06, 0.42, 0, 0.36, 0)


def _bike(person: Person) -> Pose:
    c, s = 0.17 * math.cos(person.phase), 0.17 * math.sin(person.phase)
    return Pose(-0.18, 0.94, 0.55, c, 0.30 - s, -c, 0.30 + s, -0.35)


def _skate(_: Person) -> Pose:
    return Pose(-0.02, 0.74, 0.22, 0.24, 0.14, -0.24, 0.14)


def _bend(person: Person) -> Pose:
    return Pose(-0.20, 0.66, 1.05, 0.12, person.base, -0.12, person.base, -0.3)


def _push(person: Person) -> Pose:
    c, s = math.cos(person.phase), math.sin(person.phase)
    feet = (0.33 * c - 0.15, 0.12 * max(0, -s), -0.33 * c - 0.15, 0.12 * max(0, s))
    return Pose(-0.08, 0.78, 0.48, *feet, -0.2)


def _pull(person: Person) -> Pose:
    c, s = math.cos(person.phase), math.sin(person.phase)
    return Pose(0.06, 0.79, 0.26, 0.33 * c, 0.12 * max(0, -s), -0.33 * c, 0.12 * max(0, s))


_MODES: dict[str, Callable[[Person], Pose]] = {
    "walk": _walk,
    "sit": _sit,
    "bike": _bike,
    "skate": _skate,
    "bend": _bend,
    "push": _push,
    "pull": _pull,
}


def draw_person(
    pen: Pen,
    person: Person,
    x: float,
    y: float,
    draw_layer: Callable[[str], None],
    drawn: Callable[[], None],
) -> None:
    """Draw with the feet at the pixel (x, y); `draw_layer` draws the things of one layer.

    `drawn` is called after every part, before something else may cover it.
    """
    assert person.pose is not None
    body = _Body(pen, person)

    def begin() -> None:
        pen.begin(person.id)
        pen.place(x, y, person.scale * person.size, 0, person.facing)

    draw_layer("back")
    begin()
    body.arm("far", 0.72, -0.02)
    body.leg(person.pose.far_x, person.pose.far_y, 0.75)
    drawn()
    draw_layer("mid")
    begin()
    body.leg(person.pose.near_x, person.pose.near_y, 1.0)
    body.torso()
    body.head()
    drawn()
    draw_layer("front")
    begin()
    body.arm("near", 1.0, 0.02)
    drawn()
    draw_layer("top")


class _Body:
    """The parts of one person in their pose."""

    def __init__(self, pen: Pen, person: Person) -> None:
        assert person.pose is not None
        self.pen, self.person, self.pose, self.looks = pen, person, person.pose, person.looks
        self.shirt, self.trousers = COLOURS[self.looks.shirt], COLOURS[self.looks.trousers]

    def leg(self, x: float, y: float, light: float) -> None:
        pose, bulk, looks = self.pose, self.looks.bulk, self.looks
        kx, ky, ex, ey = bend(pose.hip_x, pose.hip_y, x, y + 0.06, THIGH, SHIN, 1)
        shin = shade(self.trousers if looks.bottom == "long" else looks.skin, light)
        self.pen.line(kx, ky, ex, ey, 0.105 * bulk, shin)
        self.pen.line(pose.hip_x, pose.hip_y, kx, ky, 0.155 * bulk, shade(self.trousers, light))
        shoe = (30, 30, 35) if looks.trousers == "brown" else (60, 45, 40)
        self.pen.line(ex - 0.02, ey - 0.03, ex + 0.11, ey - 0.035, 0.075, shade(shoe, light))

    def arm(self, hand: str, light: float, offset: float) -> None:
        (sx, sy), bulk, looks = self.person.shoulder, self.looks.bulk, self.looks
        target = self.person.hands[hand]
        ex, ey, wx, wy = bend(sx + offset, sy - 0.03, *target, UPPER_ARM, FOREARM, -1)
        sleeve = shade(self.shirt if looks.sleeves else looks.skin, light)
        self.pen.line(ex, ey, wx, wy, 0.078 * bulk, sleeve)
        self.pen.line(sx + offset, sy - 0.03, ex, ey, 0.10 * bulk, shade(self.shirt, light))
        self.pen.disc(wx, wy, 0.05, shade(looks.skin, light))

    def torso(self) -> None:
        pose, bulk, looks = self.pose, self.looks.bulk, self.looks
        hx, hy, (sx, sy) = pose.hip_x, pose.hip_y, self.person.shoulder
        if looks.bottom == "skirt":
            near, far = hx + 0.4 * (pose.near_x - hx) + 0.2, hx + 0.4 * (pose.far_x - hx) - 0.2
            top = [(hx - 0.13 * bulk, hy + 0.06), (hx + 0.13 * bulk, hy + 0.06)]
            self.pen.polygon([*top, (near, hy - 0.3), (far, hy - 0.3)], self.trousers)
        dx, dy = math.sin(pose.lean), math.cos(pose.lean)
        px, py, w1, w2 = dy, -dx, 0.135 * bulk, 0.155 * bulk
        low, high = (hx - dx * 0.05, hy - dy * 0.05), (sx + dx * 0.05, sy + dy * 0.05)
        front = [
            (low[0] - px * w1, low[1] - py * w1),
            (low[0] + px * w1, low[1] + py * w1),
            (sx + px * w2, sy + py * w2),
            high,
            (sx - px * w2, sy - py * w2),
        ]
        self.pen.polygon(front, self.shirt)
        back = [
            front[0],
            (hx - px * w1 * 0.4, hy - py * w1 * 0.4),
            (sx - px * w2 * 0.4, sy - py * w2 * 0.4),
            front[4],
        ]
        self.pen.polygon(back, shade(self.shirt, 0.82))
        belt = (hx - px * w1 * 0.9, hy - py * w1 * 0.9, hx + px * w1 * 0.9, hy + py * w1 * 0.9)
        self.pen.line(*belt, 0.05, shade(self.trousers, 0.8))

    def head(self) -> None:
        pen, looks, (sx, sy) = self.pen, self.looks, self.person.shoulder
        turn = self.pose.lean * 0.6 - self.pose.nod
        cx, cy = sx + 0.20 * math.sin(turn) + 0.02, sy + 0.20 * math.cos(turn)
        pen.line(sx, sy, cx, cy, 0.085, shade(looks.skin, 0.85))
        if looks.long_hair:
            pen.line(cx - 0.06, cy + 0.02, cx - 0.11, cy - 0.17, 0.12, looks.hair)
        fx, fy = math.cos(turn), -math.sin(turn)
        pen.disc(cx, cy, 0.118, looks.skin)
        pen.disc(cx + 0.115 * fx, cy + 0.115 * fy - 0.015, 0.03, shade(looks.skin, 0.92))
        pen.disc(cx - 0.035, cy + 0.04, 0.105, looks.hair)
        pen.disc(cx + 0.055 * fx, cy + 0.055 * fy + 0.01, 0.016, (25, 25, 25))
        face = [(0.03, -0.06), (0.10, -0.05), (0.115, 0.03), (0.02, 0.04)]
        pen.polygon([(cx + x, cy + y) for x, y in face], looks.skin)
        pen.disc(cx + 0.075, cy + 0.005, 0.017, (25, 20, 20))
        pen.line(cx + 0.06, cy - 0.06, cx + 0.095, cy - 0.055, 0.012, (150, 70, 65))
        if looks.hat:
            hat = [(-0.12, 0.06), (0.2, 0.06), (0.11, 0.09), (0.05, 0.15), (-0.08, 0.15)]
            pen.polygon([(cx + x, cy + y) for x, y in hat], shade(self.trousers, 0.9))


def bend(
    x0: float, y0: float, x1: float, y1: float, upper: float, lower: float, side: int
) -> tuple[float, float, float, float]:
    """Two bones from (x0, y0) towards (x1, y1): the joint and the end they reach."""
    dx, dy = x1 - x0, y1 - y0
    distance, longest = math.hypot(dx, dy) or 1e-6, upper + lower - 0.01
    if distance > longest:
        x1, y1 = x0 + dx * longest / distance, y0 + dy * longest / distance
        dx, dy, distance = x1 - x0, y1 - y0, longest
    distance = max(distance, abs(upper - lower) + 0.01)
    along = (upper * upper - lower * lower + distance * distance) / (2 * distance)
    out = math.sqrt(max(0, upper * upper - along * along))
    ux, uy = dx / distance, dy / distance
    return x0 + ux * along - uy * out * side, y0 + uy * along + ux * out * side, x1, y1
