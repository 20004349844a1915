"""Two people and one thing that changes hands: given, or left and taken by the other."""

from models.world.acts import life, perform
from models.world.people import Person, Reach
from models.world.stage import Act, Stage
from models.world.things import Thing
from models.world.truth import ACTS

_PASSED = ("ball", "box", "backpack", "suitcase", "book", "bottle", "cup", "laptop")
_APART = 0.75  # metres between two who hand something over
_NEXT_DEPTH = 5.0  # pixels per metre: near enough for a thing to lie between them
_OFFER = Reach(0.52, -0.26)
_LEFT_SECONDS = 6.0  # that a thing lies until the other takes it: nobody handed it over


def exchanges(stage: Stage) -> list[Act]:
    """The lives of everybody on the stage: the first two exchange things."""
    first, second, *others = stage.people
    second.scale = first.scale + _NEXT_DEPTH
    return [_duet(stage, first, second), _led(), *(life(stage, other) for other in others)]


def _duet(stage: Stage, giver: Person, taker: Person) -> Act:
    """Drives both, one at a time: whoever gave does something else, then they change roles."""
    while True:
        thing = stage.add_thing_near(giver, stage.rng.choice(_PASSED))
        thing.taken = True
        yield from stage.pick_up(giver, thing)
        if stage.rng.random() < 0.6:
            yield from _hand_over(stage, giver, taker, thing)
        else:
            yield from _leave(stage, giver, thing)
            yield from stage.pick_up(taker, thing)
        stage.do(taker, thing, "hold", "carry")
        yield from stage.walk(taker, stage.spot(taker))
        stage.do(taker, thing, "hold")
        yield from stage.wait(0.3)
        yield from stage.put_down(taker, thing)
        thing.taken = False
        verb = stage.rng.choice(list(ACTS))
        yield from perform(stage, giver, verb, stage.rng.choice(ACTS[verb]))
        giver, taker = taker, giver


def _led() -> Act:
    while True:
        yield


def _hand_over(stage: Stage, giver: Person, taker: Person, thing: Thing) -> Act:
    there = taker.x * taker.scale / giver.scale  # as the camera sees it
    side = 1 if giver.x > there else -1
    stage.do(giver, thing, "hold", "carry")
    yield from stage.walk(giver, there + side * _APART)
    stage.do(giver, thing, "hold")
    giver.facing, taker.facing = -side, side
    giver.near, taker.near = _OFFER, _OFFER
    giver.far = giver.near if giver.far is not None else None
    yield from stage.wait(0.5)
    stage.do(giver, thing)
    stage.detach(giver, thing)
    stage.attach(taker, thing)
    stage.do(taker, thing, "hold")
    yield from stage.wait(0.5)


def _leave(stage: Stage, giver: Person, thing: Thing) -> Act:
    yield from stage.put_down(giver, thing)
    side = 1 if giver.x > thing.x else -1
    yield from stage.walk(giver, giver.x + side * stage.rng.uniform(0.6, 1.0))
    yield from stage.wait(_LEFT_SECONDS)
