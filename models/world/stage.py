"""The stage: who and what is there, how things move, and the small steps acts are made of.

An act is a generator that yields once a frame; whatever changes between two yields happens in one
frame. The stage moves bodies and things after every act had its turn.
"""

import math
import random
from collections.abc import Iterator, Sequence

from models.world.canvas import COLOURS
from models.world.people import HOLD, Person, Reach
from models.world.things import ENLARGED, GRIP, Thing
from models.world.truth import MomentTruth, PairTruth

Act = Iterator[None]

_GRAVITY = 6.0  # m/s^2: less than real, for a ball to be seen in the air
_PLACES = 4  # to choose from where to stand or to put something
_BOUNCE, _SLIDE, _ROLL = 0.45, 0.6, 0.90


class Stage:
    """Persons, things, clock and the truth of what is being done."""

    def __init__(self, rng: random.Random, width: int, fps: float) -> None:
        self.rng, self.width, self.fps = rng, width, fps
        self.step_seconds = 1 / fps
        self.seconds = 0.0
        self.people: list[Person] = []
        self.things: list[Thing] = []
        self.moments: list[MomentTruth] = []
        self._ids = 0

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def add_thing(self, class_name: str, scale: float, x: float) -> Thing:
        rng = self.rng
        colour, flip = rng.choice(list(COLOURS)), rng.choice((-1, 1))
        size = rng.uniform(0.88, 1.15) * (1.2 if class_name in ENLARGED else 1.0)
        thing = Thing(self.next_id(), class_name, colour, x, scale, flip, size, rng.randint(0, 1))
        if class_name == "umbrella":
            thing.angle, thing.y = rng.choice((-1, 1)) * 1.45, 0.05
        self.things.append(thing)
        return thing

    def add_thing_near(self, person: Person, class_name: str) -> Thing:
        half = self.half_width(person.scale) * 0.85
        sides = [self.rng.choice((-1, 1)) * self.rng.uniform(0.5, 1.2) for _ in range(_PLACES)]
        places = [max(-half, min(half, person.x + side)) for side in sides]
        scale = person.scale + 0.01
        return self.add_thing(class_name, scale, self.roomiest(places, scale, person))

    def roomiest(self, places: Sequence[float], scale: float, who: Person | None = None) -> float:
        """The place furthest from all others, as the camera sees it: nobody stands in another."""
        others = [other.x * other.scale for other in self.people if other is not who]
        others += [thing.x * thing.scale for thing in self.things if thing.holder is None]
        return max(
            places, key=lambda x: min((abs(x * scale - other) for other in others), default=0.0)
        )

    def half_width(self, scale: float) -> float:
        """Metres from the middle to the edge of the picture at this depth."""
        return self.width / 2 / scale

    def spot(self, person: Person, share: float = 0.75) -> float:
        """A place to go to."""
        half = self.half_width(person.scale) * share
        places = [self.rng.uniform(-half, half) for _ in range(_PLACES)]
        return self.roomiest(places, person.scale, person)

    def do(self, person: Person, thing: Thing, *verbs: str) -> None:
        """From now on the person does exactly this with the thing; no verb: nothing."""
        if verbs:
            person.doing[thing.id] = set(verbs)
        else:
            person.doing.pop(thing.id, None)

    def mark(self, person: Person, thing: Thing, verb: str) -> None:
        self.moments.append(
            MomentTruth(verb, person.id, thing.id, thing.class_name, round(self.seconds, 3))
        )

    def pairs(self) -> tuple[PairTruth, ...]:
        return tuple(
            PairTruth(person.id, thing, tuple(sorted(verbs)))
            for person in self.people
            for thing, verbs in person.doing.items()
        )

    def wait(self, seconds: float) -> Act:
        for _ in range(max(1, round(seconds * self.fps))):
            yield

    def walk(self, person: Person, x: float, mode: str = "walk", speed: float | None = None) -> Act:
        edge = self.half_width(person.scale) * 1.15
        x = max(-edge, min(edge, x))
        if abs(x - person.x) < 0.06:
            return
        person.mode = mode
        person.facing = direction = 1 if x > person.x else -1
        pace = speed or person.speed
        while (x - person.x) * direction > 0:
            person.x += direction * pace * self.step_seconds
            person.phase += pace * self.step_seconds * 5.2
            yield
        person.mode = "stand"

    def attach(self, person: Person, thing: Thing) -> None:
        hold = HOLD[thing.class_name]
        thing.holder, thing.layer, thing.angle = (person, hold.hand), "front", hold.angle
        thing.flip, thing.flying = person.facing, False
        person.things.append(thing)
        person.near, person.far = hold.near, hold.far if hold.hand == "both" else None

    def detach(self, person: Person, thing: Thing, y: float = 0.0) -> None:
        thing.holder, thing.y, thing.layer = None, y, "front"
        person.things = [kept for kept in person.things if kept is not thing]
        person.near = person.far = None

    def hold_usual(self, person: Person, thing: Thing) -> None:
        hold = HOLD[thing.class_name]
        person.near, person.far = hold.near, hold.far

    def pick_up(self, person: Person, thing: Thing) -> Act:
        both = HOLD[thing.class_name].hand == "both"
        facing = 1 if thing.x > person.x else -1
        yield from self.walk(person, thing.x - facing * 0.48 * person.size)
        person.facing, person.mode = facing, "bend"
        person.near = Reach(0, max(GRIP[thing.class_name][1] * 0.8, 0.12), "thing", thing)
        person.far = person.near if both else None
        yield from self.wait(0.35)
        self.do(person, thing, "pick up")
        yield from self.wait(0.25)
        self.mark(person, thing, "pick up")
        self.attach(person, thing)
        person.near = Reach(0.42, 0.22, "body")
        person.far = person.near if both else None
        self.do(person, thing, "pick up", "hold")
        yield from self.wait(0.25)
        person.mode = "stand"
        self.hold_usual(person, thing)
        self.do(person, thing, "hold")
        yield from self.wait(0.35)

    def grab(self, person: Person, thing: Thing) -> Act:
        """Picked up from the ground, or in the hand from the start."""
        rng = self.rng
        if (rng.random() < 0.5 and self.seconds > 0) or rng.random() < 0.35:
            yield from self.pick_up(person, thing)
        else:
            self.attach(person, thing)
            self.do(person, thing, "hold")
            yield

    def put_down(self, person: Person, thing: Thing) -> Act:
        person.mode = "bend"
        person.near = Reach(0.45, max(GRIP[thing.class_name][1] * 0.9, 0.12), "body")
        person.far = person.near if HOLD[thing.class_name].hand == "both" else None
        yield from self.wait(0.3)
        self.do(person, thing, "pick up", "hold")
        yield from self.wait(0.3)
        thing.angle = 1.45 if thing.class_name == "umbrella" else 0.0
        self.mark(person, thing, "put down")
        hand = person.near
        self.detach(person, thing)
        thing.openness, person.near = 0.0, hand
        self.do(person, thing, "pick up")
        yield from self.wait(0.25)
        self.do(person, thing)
        person.near, person.mode = None, "stand"
        yield from self.wait(0.3)

    def move(self) -> None:
        """One time step of bodies, held things and flying things."""
        for person in self.people:
            person.move(self.step_seconds)
        for thing in self.things:
            if thing.holder is not None:
                self._follow(thing, *thing.holder)
            elif thing.flying:
                self._fly(thing)

    def _follow(self, thing: Thing, person: Person, hand: str) -> None:
        thing.flip, thing.scale = person.facing, person.scale + 0.01
        if hand == "back":
            thing.x, thing.y, lean = person.back_position()
            thing.angle = -lean
            return
        x, y = person.hand_position(hand)
        gx, gy = (side * thing.size for side in GRIP[thing.class_name])
        cos, sin = math.cos(thing.angle), math.sin(thing.angle)
        thing.x = x - person.facing * (cos * gx - sin * gy)
        thing.y = y - (sin * gx + cos * gy)

    def _fly(self, thing: Thing) -> None:
        thing.vy -= _GRAVITY * self.step_seconds
        thing.x += thing.vx * self.step_seconds
        thing.y += thing.vy * self.step_seconds
        if thing.y < 0:
            thing.y = 0.0
            thing.vy = -thing.vy * _BOUNCE if thing.vy < -0.6 else 0.0
            thing.vx *= _SLIDE
        if thing.y == 0:
            thing.vx *= _ROLL
        edge = self.half_width(thing.scale) * 0.92
        if abs(thing.x) > edge:
            thing.x = math.copysign(edge, thing.x)
            thing.vx *= -0.5
        if abs(thing.vx) < 0.08 and thing.y <= 0.01:
            thing.flying, thing.vx = False, 0.0
