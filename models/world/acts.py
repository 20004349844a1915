"""What people of the world do: one generator an act, chained into a life.

The last acts are hard negatives: boxes that look like an interaction, and none is one.
"""

from collections.abc import Callable

from models.world.people import Person, Reach
from models.world.stage import Act, Stage
from models.world.things import SEAT_HEIGHT, WIDTH, Thing
from models.world.truth import ACTS

_AT_MOUTH, _AT_EAR = Reach(0.15, 0.17), Reach(0.09, 0.17)
_IDLE_SHARE, _BYSTANDER_SHARE = 0.12, 0.2  # of all acts


def life(stage: Stage, person: Person) -> Act:
    """Acts without end."""
    rng = stage.rng
    while True:
        chance = rng.random()
        if chance < _IDLE_SHARE:
            yield from _stroll(stage, person)
        elif chance < _IDLE_SHARE + _BYSTANDER_SHARE:
            name = rng.choice(list(_BYSTANDERS))
            yield from _bystand(stage, person, name)
        else:
            verb = rng.choice(list(ACTS))
            yield from perform(stage, person, verb, rng.choice(ACTS[verb]))


def perform(stage: Stage, person: Person, verb: str, class_name: str) -> Act:
    """One act with a thing that lies about, or with a new one."""
    free = [
        thing
        for thing in stage.things
        if thing.class_name == class_name
        and not thing.taken
        and abs(thing.scale - person.scale) < 0.05
    ]
    thing = free[0] if free else stage.add_thing_near(person, class_name)
    thing.taken, thing.scale = True, person.scale + 0.01
    yield from _ACTS[verb](stage, person, thing)
    thing.taken = False
    stage.do(person, thing)
    person.look, person.stoop, person.base = 0.0, 0.0, 0.0
    person.near = person.far = person.kick = None


def _stroll(stage: Stage, person: Person) -> Act:
    if stage.rng.random() < 0.8:
        x = stage.spot(person, 1.0)
    else:
        x = stage.rng.choice((-1, 1)) * stage.half_width(person.scale) * 1.15
    yield from stage.walk(person, x)
    yield from stage.wait(stage.rng.uniform(0.2, 1.5))


def _while(stage: Stage, low: float = 1.2, high: float = 3.5) -> Act:
    yield from stage.wait(stage.rng.uniform(low, high))


def _end(stage: Stage, person: Person, thing: Thing) -> Act:
    if stage.rng.random() >= 0.75:
        stage.do(person, thing, "hold")
        yield from _while(stage, 0.6, 2)
    yield from stage.put_down(person, thing)


def _hold(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.grab(person, thing)
    yield from _while(stage)
    yield from _end(stage, person, thing)


def _carry_to(stage: Stage, person: Person, thing: Thing, *also: str) -> Act:
    stage.do(person, thing, "hold", "carry", *also)
    yield from stage.walk(person, stage.spot(person))
    stage.do(person, thing, "hold", *also)
    yield from stage.wait(0.2)


def _carry(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.grab(person, thing)
    yield from _carry_to(stage, person, thing)
    yield from _carry_to(stage, person, thing)
    yield from _end(stage, person, thing)


def _drink(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.grab(person, thing)
    yield from stage.wait(0.4)
    for _ in range(stage.rng.randint(1, 2)):
        person.near, person.look = _AT_MOUTH, 0.35
        yield from stage.wait(0.15)
        thing.angle = 1.9
        stage.do(person, thing, "hold", "drink with")
        yield from _while(stage, 0.9, 2.2)
        thing.angle, person.look = 0.0, 0.0
        stage.hold_usual(person, thing)
        stage.do(person, thing, "hold")
        yield from stage.wait(0.5)
    yield from _end(stage, person, thing)


def _read(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.grab(person, thing)
    book = thing.class_name == "book"
    thing.openness, thing.angle = 1.0, -0.15 if book else -0.45
    person.near, person.far = Reach(0.30, -0.10), Reach(0.28, -0.12) if book else None
    person.look = -0.4
    stage.do(person, thing, "hold", "read")
    yield from _while(stage, 2, 4.5)
    thing.openness, thing.angle, person.look = 0.0, 0.0, 0.0
    stage.hold_usual(person, thing)
    stage.do(person, thing, "hold")
    yield from stage.wait(0.3)
    yield from _end(stage, person, thing)


def _talk(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.grab(person, thing)
    person.near, person.look, thing.angle = _AT_EAR, 0.05, 0.3
    yield from stage.wait(0.15)
    stage.do(person, thing, "hold", "talk on")
    if stage.rng.random() < 0.4:
        yield from stage.walk(person, stage.spot(person))
    yield from _while(stage, 1.5, 4)
    thing.angle = 0.0
    stage.hold_usual(person, thing)
    stage.do(person, thing, "hold")
    yield from stage.wait(0.3)
    yield from _end(stage, person, thing)


def _sit(stage: Stage, person: Person, seat: Thing) -> Act:
    shift = stage.rng.uniform(-0.35, 0.35) if seat.class_name == "bench" else 0.0
    yield from stage.walk(person, seat.x + shift)
    if seat.class_name == "chair":
        person.facing = seat.flip
    person.seat = SEAT_HEIGHT[seat.class_name] * seat.size / person.size
    person.mode = "sit"
    yield from stage.wait(0.3)
    stage.do(person, seat, "sit on")
    if stage.rng.random() < 0.45:
        yield from _use_seated(stage, person)
    yield from _while(stage, 1, 3)
    stage.do(person, seat)
    person.mode = "stand"
    yield from stage.wait(0.4)
    yield from stage.walk(person, stage.spot(person))


def _use_seated(stage: Stage, person: Person) -> Act:
    verbs = {"book": "read", "cup": "drink with", "phone": "talk on", "bottle": "drink with"}
    class_name = stage.rng.choice(list(verbs))
    thing = stage.add_thing(class_name, person.scale + 0.02, person.x + 0.1)
    thing.taken = True
    stage.attach(person, thing)
    stage.do(person, thing, "hold")
    yield from stage.wait(0.4)
    match class_name:
        case "book":
            thing.openness, thing.angle, person.look = 1.0, -0.15, -0.4
            person.near = person.far = Reach(0.30, -0.14)
        case "phone":
            person.near, thing.angle = _AT_EAR, 0.3
        case _:
            person.near, thing.angle, person.look = _AT_MOUTH, 1.9, 0.35
    yield from stage.wait(0.15)
    stage.do(person, thing, "hold", verbs[class_name])
    yield from _while(stage, 1.5, 3)
    stage.do(person, thing)
    stage.mark(person, thing, "put down")
    stage.detach(person, thing)
    thing.angle, thing.openness, thing.x = 0.0, 0.0, person.x + person.facing * 0.62
    person.look, thing.taken = 0.0, False


def _stand_on(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.walk(person, thing.x)
    person.base = SEAT_HEIGHT[thing.class_name] * thing.size / person.size - 0.02
    yield from stage.wait(0.3)
    stage.do(person, thing, "stand on")
    yield from _while(stage, 1.5, 4)
    stage.do(person, thing)
    person.base = 0.0
    yield from stage.wait(0.2)
    yield from stage.walk(person, stage.spot(person))


def _ride(stage: Stage, person: Person, thing: Thing) -> Act:
    yield from stage.walk(person, thing.x)
    mode = "bike" if thing.class_name == "bicycle" else "skate"
    thing.size, thing.layer = person.size, "mid"
    person.things.append(thing)
    for _ in range(stage.rng.randint(2, 3)):
        x = stage.spot(person, 0.95)
        direction = 1 if x > person.x else -1
        person.facing = thing.flip = direction
        person.mode = mode
        stage.do(person, thing, "ride")
        while (x - person.x) * direction > 0:
            person.x += direction * 1.9 * stage.step_seconds
            person.phase += stage.step_seconds * 5.5
            thing.x = person.x
            thing.spin -= stage.step_seconds * 5
            yield
    stage.do(person, thing)
    person.things.remove(thing)
    person.mode = "stand"
    yield from stage.walk(person, person.x - person.facing * 0.9)
    yield from stage.wait(0.3)


def _push(stage: Stage, person: Person, thing: Thing) -> Act:
    x, name = stage.spot(person, 0.8), thing.class_name
    direction = 1 if x > thing.x else -1
    half = WIDTH[name] * thing.size / 2
    gap = {"bicycle": 0.30, "box": half + 0.42, "suitcase": 0.52, "chair": half + 0.36}[name]
    yield from stage.walk(person, thing.x - direction * gap * person.size)
    person.facing = direction
    height = {"bicycle": 1.0, "box": 0.34, "suitcase": 0.68, "chair": 0.88}[name]
    handle = {"bicycle": 0.33, "box": -half, "suitcase": 0.0, "chair": -0.22}[name]
    if name in ("bicycle", "chair"):
        thing.flip = direction
    person.stoop = 0.35 if name == "box" else -0.1
    person.near = Reach(gap + handle, height * thing.size / person.size, "body")
    person.far, person.mode, person.phase = person.near, "push", 0.0
    yield from stage.wait(0.3)
    stage.do(person, thing, "push")
    yield from _shift(stage, person, thing, x, "push")
    yield from stage.walk(person, person.x - direction * 0.6)


def _pull(stage: Stage, person: Person, thing: Thing) -> Act:
    x, name = stage.spot(person, 0.8), thing.class_name
    direction = 1 if x > person.x else -1
    yield from stage.walk(person, thing.x + direction * 0.62 * person.size)
    person.facing = direction
    height = {"box": 0.30, "suitcase": 0.70, "chair": 0.86}[name] * thing.size / person.size
    thing.flip = -direction if name == "chair" else direction
    thing.angle = -0.42 if name == "suitcase" else 0.16
    person.stoop = -0.55 if name == "box" else 0.0
    person.near = Reach(-0.36 if name == "box" else -0.40, height, "body")
    person.far = None if name == "suitcase" else person.near
    yield from stage.wait(0.25)
    thing.x = person.x - direction * (0.80 if name == "suitcase" else 0.62 * person.size)
    stage.do(person, thing, "pull")
    yield from _shift(stage, person, thing, x, "pull")
    thing.angle = 0.0
    yield from stage.walk(person, person.x + direction * 0.5)


def _shift(stage: Stage, person: Person, thing: Thing, x: float, mode: str) -> Act:
    """Walk to x with the thing at a fixed distance."""
    apart, thing.layer = thing.x - person.x, "mid"
    person.things.append(thing)
    for _ in stage.walk(person, x, mode, person.speed * 0.75):
        thing.x = person.x + apart
        thing.spin -= 0.2
        yield
    person.mode = "stand"
    person.things.remove(thing)
    stage.do(person, thing)
    person.stoop, person.near, person.far = 0.0, None, None
    yield from stage.wait(0.3)


def _kick(stage: Stage, person: Person, thing: Thing) -> Act:
    rng = stage.rng
    for _ in range(rng.randint(1, 2)):
        facing = 1 if thing.x > person.x else -1
        yield from stage.walk(person, thing.x - facing * 0.62 * person.size)
        person.facing, person.kick = facing, (-0.38, 0.22, 0.12)
        yield from stage.wait(0.25)
        stage.do(person, thing, "kick")
        person.kick = (0.52, 0.20, -0.22)
        yield from stage.wait(0.16)
        stage.mark(person, thing, "kick")
        thing.flying = True
        thing.vx = facing * rng.uniform(1.0, 2.0) * (1.3 if thing.class_name == "ball" else 0.7)
        thing.vy = 0.6 if thing.class_name == "box" else rng.uniform(0.5, 1.8)
        person.kick = (0.55, 0.34, -0.25)
        yield from stage.wait(0.26)
        stage.do(person, thing)
        person.kick = None
        yield from stage.wait(0.6)
        while abs(thing.vx) > 0.2:
            yield


def _throw(stage: Stage, person: Person, thing: Thing) -> Act:
    rng = stage.rng
    yield from stage.grab(person, thing)
    yield from stage.wait(0.5)
    both = person.far is not None
    person.near = Reach(-0.22, 0.36)
    person.far = Reach(-0.1, 0.40) if both else Reach(0.4, 0.1)
    person.stoop = -0.22
    yield from stage.wait(0.22)
    stage.do(person, thing, "hold", "throw")
    yield from stage.wait(0.3)
    person.near, person.stoop = Reach(0.42, 0.30), 0.15
    person.far = person.near if both else None
    yield from stage.wait(0.12)
    stage.mark(person, thing, "throw")
    hand = person.near
    stage.detach(person, thing, thing.y)
    person.near = hand
    thing.flying = True
    thing.vx, thing.vy = person.facing * rng.uniform(1.6, 2.6), rng.uniform(1.0, 2.2)
    stage.do(person, thing, "throw")
    yield from stage.wait(0.24)
    stage.do(person, thing)
    person.stoop, person.near, person.far = 0.0, None, None
    yield from stage.wait(0.8)
    thing.angle = 0.0


def _open(stage: Stage, person: Person, thing: Thing) -> Act:
    if thing.class_name in ("umbrella", "laptop"):
        yield from _open_held(stage, person, thing)
    else:
        yield from _open_standing(stage, person, thing)


def _open_held(stage: Stage, person: Person, thing: Thing) -> Act:
    umbrella = thing.class_name == "umbrella"
    yield from stage.grab(person, thing)
    thing.flip = person.facing
    person.near = Reach(0.24, -0.12) if umbrella else Reach(0.34, -0.32)
    person.far = None if umbrella else person.near
    yield from stage.wait(0.4)
    stage.do(person, thing, "hold", "open")
    person.look = 0.0 if umbrella else -0.3
    for i in range(5):
        thing.openness = (i + 1) / 5
        yield
    yield from _while(stage, 1.5, 3)
    if umbrella:
        yield from _carry_to(stage, person, thing, "open")
    thing.openness, person.look = 0.0, 0.0
    stage.do(person, thing, "hold")
    yield from stage.wait(0.3)
    yield from _end(stage, person, thing)


def _open_standing(stage: Stage, person: Person, thing: Thing) -> Act:
    facing = 1 if thing.x > person.x else -1
    yield from stage.walk(person, thing.x - facing * 0.55 * person.size)
    person.facing = thing.flip = facing
    person.mode, person.stoop = "bend", -0.25
    height = 0.52 if thing.class_name == "suitcase" else 0.40
    person.near = Reach(-0.16, height, "thing", thing)
    person.far = Reach(0.14, height, "thing", thing)
    yield from stage.wait(0.4)
    stage.do(person, thing, "open")
    for i in range(5):
        thing.openness = (i + 1) / 5
        yield
    yield from _while(stage, 0.8, 2)
    thing.openness = 0.0 if stage.rng.random() < 0.7 else 1.0
    stage.do(person, thing)
    person.stoop, person.near, person.far, person.mode = 0.0, None, None, "stand"
    yield from stage.wait(0.4)


def _wear(stage: Stage, person: Person, thing: Thing) -> Act:
    thing.holder, thing.layer, thing.angle = (person, "back"), "front", 0.0
    person.things.append(thing)
    stage.do(person, thing, "wear")
    for _ in range(2):
        yield from stage.walk(person, stage.spot(person))
        yield from _while(stage, 0.5, 1.5)
    stage.do(person, thing)
    thing.holder = None
    person.things.remove(thing)
    thing.y, thing.angle, thing.x = 0.0, 0.0, person.x - person.facing * 0.4
    yield


_ACTS: dict[str, Callable[[Stage, Person, Thing], Act]] = {
    "hold": _hold,
    "carry": _carry,
    "drink with": _drink,
    "read": _read,
    "sit on": _sit,
    "stand on": _stand_on,
    "ride": _ride,
    "push": _push,
    "pull": _pull,
    "kick": _kick,
    "throw": _throw,
    "open": _open,
    "wear": _wear,
    "talk on": _talk,
}


def _bystand(stage: Stage, person: Person, name: str) -> Act:
    """A hard negative with a thing that nobody uses; it stays where it is."""
    classes, act = _BYSTANDERS[name]
    class_name = stage.rng.choice(classes)
    depth = person.scale * stage.rng.uniform(0.97, 1.02)
    free = [t for t in stage.things if t.class_name == class_name and not t.taken]
    x = person.x / stage.half_width(person.scale)
    shares = [x + stage.rng.uniform(-0.4, 0.4) for _ in range(4)]
    places = [0.8 * max(-1.0, min(1.0, share)) * stage.half_width(depth) for share in shares]
    thing = free[0] if free else stage.add_thing(class_name, depth, stage.roomiest(places, depth))
    thing.taken = True
    yield from act(stage, person, thing)
    thing.taken = False


def _stand_before(stage: Stage, person: Person, thing: Thing) -> Act:
    """In front of a seat, not on it; beside a case, not touching it."""
    yield from stage.walk(person, _across(person, thing) + stage.rng.uniform(-0.3, 0.3))
    yield from _while(stage, 1.5, 4)


def _walk_past(stage: Stage, person: Person, thing: Thing) -> Act:
    """Past a thing, its box inside the person's for a moment."""
    x = _across(person, thing)
    beyond = x + (1 if x > person.x else -1) * stage.rng.uniform(0.6, 1.4)
    yield from stage.walk(person, beyond)
    yield from stage.wait(0.3)


def _bend_beside(stage: Stage, person: Person, thing: Thing) -> Act:
    """Bent beside a thing with empty hands."""
    x = _across(person, thing)
    facing = stage.rng.choice((-1, 1))
    yield from stage.walk(person, x + facing * stage.rng.uniform(0.2, 0.5))
    person.facing, person.mode = facing, "bend"
    yield from _while(stage, 0.8, 1.8)
    person.mode = "stand"
    yield from stage.wait(0.4)


def _across(person: Person, thing: Thing) -> float:
    """Where the person stands to be at the thing's place in the picture."""
    return thing.x * thing.scale / person.scale


_BYSTANDERS: dict[str, tuple[list[str], Callable[[Stage, Person, Thing], Act]]] = {
    "before a seat": (["chair", "bench", "chair"], _stand_before),
    "beside a case": (["box", "suitcase", "backpack"], _stand_before),
    "past a thing": (["ball", "bicycle", "umbrella", "skateboard", "chair"], _walk_past),
    "bent beside": (["ball", "bottle", "cup", "box", "book", "phone"], _bend_beside),
}
