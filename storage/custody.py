"""Who has a thing: what "left behind", "handed over" and "left without" mean in events."""

from dataclasses import replace
from datetime import timedelta

from storage.question import Bound, Clause, Relation, Step
from storage.reading import Reading

CUSTODY = ("carry", "hold", "pick up")  # who does this has it
HOLDING = ("carry", "hold", "drink with", "read", "talk on")  # as long as it lasts
_HANDOVER = timedelta(seconds=5)  # from the one's hands to the other's
_APART = timedelta(hours=1)  # between putting it down and whatever else the person did
LEAVE = frozenset(("left", "leave", "leaves", "leaving"))
HAND = frozenset(("hand", "handed", "hands", "give", "gave", "given", "pass", "passed"))


def handed_over() -> Step:
    """Somebody else has the same thing right afterwards."""
    clause = Clause(CUSTODY)
    return Step(Relation.THEN, clause, _HANDOVER, person=Bound.OTHER, thing=Bound.SAME)


def not_taken_again(person: Bound) -> Step:
    """Nobody (`ANY`) has the same thing at any later time; or the same person does not (`SAME`),
    and is gone."""
    gone = person is Bound.SAME
    return Step(Relation.THEN, Clause(CUSTODY), None, True, person, Bound.SAME, gone)


def left_without(thing: Clause) -> list[Step]:
    """The person put one down at some time, did not take it again, and is gone."""
    put_down = replace(thing, verbs=("put down",))
    return [
        Step(Relation.NEAR, put_down, _APART, person=Bound.SAME),
        not_taken_again(Bound.SAME),
    ]


def read_custody(reading: Reading, start: int, end: int) -> tuple[tuple[str, ...], list[Step]]:
    """Verbs and steps of "left ... behind" and "handed ... over"; empty if it says neither."""
    words = reading.words
    for i in range(start, end):
        if i not in reading.free:
            continue
        if words[i] in LEAVE:
            behind = reading.find("behind", i, 5)
            reading.explain([i] if behind is None else [i, behind], "put down, not taken again")
            return ("put down",), [not_taken_again(Bound.ANY)]
        if words[i] in HAND:
            also = (reading.find(word, i, 6) for word in ("over", "on", "else", "another"))
            places = [i, *(place for place in also if place is not None and place < end)]
            reading.explain(places, "had it, then somebody else")
            return CUSTODY, [handed_over()]
    return (), []


def read_leaving(reading: Reading, start: int, end: int) -> bool:
    """Does the part say that somebody left, as before "without the bag"? Explains the word."""
    for i in range(start, end):
        if i in reading.free and reading.words[i] in LEAVE:
            reading.explain([i], "left")
            return True
    return False
