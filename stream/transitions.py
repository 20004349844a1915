"""Pick up and put down: a thing at rest becomes carried by a person, and the other way round.

A still cannot show either, so no verb score decides alone: the thing must have been seen at rest,
must leave its place (or come to rest), and a person must be with it and seem to hold it.
Lengths are in units of the thing's own size, for cameras differ.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto

import numpy as np

from storage.interactions import Box
from stream.sightings import Instant, Pair, Sighting, View

_HALF = 0.5
_WHOLE = 0.8  # of its length: a box that lost more is hidden in part


@dataclass(frozen=True)
class TransitionSettings:
    """When a thing counts as at rest, as carried, and by whom."""

    still_seconds: float = 0.5  # it stays within `still_sizes` for so long: at rest
    still_sizes: float = 0.18
    left_sizes: float = 0.5  # further than this from its place: it has left
    carry_seconds: float = 0.2  # away from its place and held for so long: picked up
    held: float = 0.5  # belief that it is held, as long as nothing shows that it has moved
    away: float = 0.5  # ... once it is away from where it was at rest
    released: float = 0.35  # belief below which nobody holds it
    coupled: float = 0.0  # belief that a thing is held because it moves in a person's reach
    sure: float = 0.5  # confidence of a detection that is believed: that it moves, and that it is
    reach: float = 0.1  # person heights around the person's box in which they can hold it
    gone_seconds: float = 0.8  # held, then not seen for so long with its place in view: taken
    let_go_seconds: float = 0.7  # held no longer ago than this when it came to rest: put down
    forget_seconds: float = 8.0  # a thing not seen for so long is new when it comes back
    portable: tuple[str, ...] = ()  # classes that are picked up at all; none named: every class


class _State(Enum):
    UNKNOWN = auto()
    REST = auto()
    CARRIED = auto()


@dataclass(frozen=True, eq=False)
class Transition:
    """A thing changed hands with the world."""

    pair: Pair
    up: bool  # True: picked up, False: put down
    at: Instant
    sighting: Sighting  # of the two together, then or soon after
    score: float


@dataclass(frozen=True, eq=False)
class _Touch:
    """The last time somebody seemed to hold the thing."""

    holder: int
    sighting: Sighting


@dataclass
class _Thing:
    """One thing's recent path and state."""

    born: Box
    path: deque[tuple[float, Box]] = field(default_factory=deque)
    state: _State = _State.UNKNOWN
    place: Box | None = None  # where it rests
    departed: _Touch | None = None  # first sighting away from its place
    held_since: float | None = None
    still_since: float | None = None
    touch: _Touch | None = None
    carrier: int = -1
    carrier_belief: float = 0.0
    seen: float = 0.0
    surest: float = 0.0  # best confidence so far


class Transitions:
    """The things of one camera, at rest or carried."""

    def __init__(
        self, settings: TransitionSettings, carry_verbs: Sequence[int], other_verbs: Sequence[int]
    ) -> None:
        self._settings = settings
        self._carry = np.array(carry_verbs, int)
        self._other = np.array(other_verbs, int)
        self._things: dict[int, _Thing] = {}

    def step(self, view: View) -> list[Transition]:
        persons = [n for n in view.row_of if view.class_name(n) == "person"]
        found = []
        for number in view.row_of:
            if number in persons or not self._is_portable(view.class_name(number)):
                continue
            thing = self._things.setdefault(number, _Thing(view.box(number)))
            found += self._advance(number, thing, view, persons)
        for number, thing in list(self._things.items()):
            unseen = view.media - thing.seen
            if unseen > self._settings.forget_seconds:
                del self._things[number]
            elif unseen >= self._settings.gone_seconds:
                found += self._taken(number, thing, view, persons)
        return found

    def _advance(
        self, number: int, thing: _Thing, view: View, persons: Iterable[int]
    ) -> list[Transition]:
        box = view.box(number)
        thing.seen, thing.surest = view.media, max(thing.surest, view.confidence(number))
        thing.path.append((view.media, box))
        while thing.path[0][0] < view.media - self._settings.still_seconds:
            thing.path.popleft()
        still = self._is_still(thing, view.media)
        thing.still_since = (thing.still_since or thing.path[0][0]) if still else None
        moves = view.confidence(number) >= self._settings.sure and self._moves(thing, box)
        holder, belief = self._holder(number, box, view, persons, moves)
        if belief >= self._enough(thing, box):
            sighting = view.sighting((holder, number), belief)
            thing.touch = _Touch(holder, sighting) if sighting else thing.touch
        if thing.surest < self._settings.sure:
            return []  # perhaps there is no such thing
        match thing.state:
            case _State.UNKNOWN:
                self._from_unknown(thing, view, box, holder, belief)
            case _State.REST:
                return self._from_rest(number, thing, view, holder, belief)
            case _State.CARRIED:
                return self._from_carried(number, thing, view, holder, belief)
        return []

    def _from_unknown(
        self, thing: _Thing, view: View, box: Box, holder: int, belief: float
    ) -> None:
        settings = self._settings
        moved = _distance(box, thing.born) >= settings.left_sizes
        if belief >= settings.held:
            if self._held_long(thing, view, settings.still_seconds) or moved:
                self._carry_by(thing, holder, belief)
            return
        thing.held_since = None
        if belief >= settings.released and moved:
            self._carry_by(thing, holder, belief)
        elif belief < settings.released and thing.still_since is not None:
            self._rest_at(thing, box)

    def _from_rest(
        self, number: int, thing: _Thing, view: View, holder: int, belief: float
    ) -> list[Transition]:
        assert thing.place is not None
        settings, box = self._settings, view.box(number)
        if _distance(box, thing.place) < settings.left_sizes:
            thing.departed, thing.held_since = None, None
            if belief < settings.released and thing.still_since is not None:
                thing.place = box
            return []
        if belief >= settings.away:
            if thing.departed is None or thing.departed.holder != holder:
                thing.departed = thing.touch
            if thing.departed and self._held_long(thing, view, settings.carry_seconds):
                event = Transition(
                    (holder, number),
                    True,
                    thing.departed.sighting.instant,
                    thing.departed.sighting,
                    belief,
                )
                self._carry_by(thing, holder, belief)
                return [event]
            return []
        thing.held_since = None
        if thing.still_since is not None:
            self._rest_at(thing, box)
        return []

    def _from_carried(
        self, number: int, thing: _Thing, view: View, holder: int, belief: float
    ) -> list[Transition]:
        settings = self._settings
        if holder >= 0 and belief >= settings.away:
            self._carry_by(thing, holder, max(belief, thing.carrier_belief))
        since = thing.still_since
        if belief >= settings.released or since is None:
            return []
        touch, carrier, score = thing.touch, thing.carrier, thing.carrier_belief
        box = view.box(number)
        self._rest_at(thing, box)
        if touch is None or since - touch.sighting.media > settings.let_go_seconds:
            return []  # thrown or dropped: it came to rest by itself
        wall = view.frame.frame.wall_time - timedelta(seconds=view.media - since)
        instant = replace(touch.sighting.instant, media=since, wall=wall, object_box=box)
        return [Transition((carrier, number), False, instant, touch.sighting, score)]

    def _taken(
        self, number: int, thing: _Thing, view: View, persons: Iterable[int]
    ) -> list[Transition]:
        """A thing at rest was held, and is gone though nobody stands before its place."""
        touch, place = thing.touch, thing.place
        if thing.state is not _State.REST or touch is None or place is None:
            return []
        if thing.seen - touch.sighting.media > self._settings.let_go_seconds:
            return []
        if any(_reaches(view.box(person), place, 0.0) for person in persons):
            return []
        thing.state = _State.UNKNOWN
        if any(
            _distance(view.box(other), place) < self._settings.left_sizes
            for other in view.row_of
            if other not in persons
        ):
            return []  # it stands there still, under another number
        pair = touch.holder, number
        return [
            Transition(pair, True, touch.sighting.instant, touch.sighting, touch.sighting.score)
        ]

    def _holder(
        self, number: int, box: Box, view: View, persons: Iterable[int], moves: bool
    ) -> tuple[int, float]:
        """The person who most likely holds the thing, and the belief that they do."""
        best, best_belief = -1, 0.0
        least = self._settings.coupled if moves else 0.0
        for person in persons:
            row = view.belief_row((person, number))
            if row is None or not _reaches(view.box(person), box, self._settings.reach):
                continue
            beliefs = view.frame.beliefs.probabilities[row]
            carry = float(beliefs[self._carry].max(initial=0.0))
            other = float(beliefs[self._other].max(initial=0.0))
            belief = max(carry, least) if carry >= other or other < _HALF else 0.0
            if belief > best_belief:
                best, best_belief = person, belief
        return best, best_belief

    def _enough(self, thing: _Thing, box: Box) -> float:
        """Belief from which it is held: what nobody touches stays in its place."""
        at_rest = thing.place is not None and (
            _distance(box, thing.place) < self._settings.left_sizes
        )
        stays = thing.state is _State.UNKNOWN or at_rest
        return self._settings.held if stays else self._settings.away

    def _is_portable(self, name: str) -> bool:
        return not self._settings.portable or name in self._settings.portable

    def _moves(self, thing: _Thing, box: Box) -> bool:
        """Did it go somewhere just now, whole? Half hidden boxes shift without moving."""
        start = thing.path[0][1]
        whole = _size(box) >= _WHOLE * _size(thing.place or start)
        return whole and _distance(box, start) >= self._settings.left_sizes / 2

    def _held_long(self, thing: _Thing, view: View, seconds: float) -> bool:
        if thing.held_since is None:
            thing.held_since = view.media
        return view.media - thing.held_since >= seconds

    def _is_still(self, thing: _Thing, now: float) -> bool:
        if now - thing.path[0][0] < 0.8 * self._settings.still_seconds:
            return False
        first = thing.path[0][1]
        return all(_distance(box, first) <= self._settings.still_sizes for _, box in thing.path)

    def _rest_at(self, thing: _Thing, box: Box) -> None:
        thing.state, thing.place = _State.REST, box
        thing.departed, thing.held_since, thing.touch = None, None, None
        thing.carrier, thing.carrier_belief = -1, 0.0

    def _carry_by(self, thing: _Thing, holder: int, belief: float) -> None:
        thing.state, thing.place, thing.departed = _State.CARRIED, None, None
        thing.carrier, thing.carrier_belief, thing.held_since = holder, belief, None


def _distance(box: Box, other: Box) -> float:
    """Between centres, in sizes of the larger box (at least 16 pixels: small boxes jitter)."""
    size = max(_size(box), _size(other), 16.0)
    dx = (box[0] + box[2] - other[0] - other[2]) / 2
    dy = (box[1] + box[3] - other[1] - other[3]) / 2
    return float(np.hypot(dx, dy)) / size


def _size(box: Box) -> float:
    return float(np.sqrt(max(box[2] - box[0], 1.0) * max(box[3] - box[1], 1.0)))


def _reaches(person: Box, thing: Box, margin: float) -> bool:
    """Do the person's box, widened by `margin` person heights, and the thing's box touch?"""
    m = margin * (person[3] - person[1])
    return (
        thing[2] >= person[0] - m
        and thing[0] <= person[2] + m
        and thing[3] >= person[1] - m
        and thing[1] <= person[3] + m
    )
