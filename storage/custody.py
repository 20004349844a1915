"""Who has a thing: what "left behind", "handed over" and "left without" mean in events."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from storage.attributes import read_dress
from storage.question import Bound, Clause, Relation, Step
from storage.reading import Reading

CUSTODY = ("carry", "hold", "pick up")  # who does this has it
HOLDING = ("carry", "hold", "drink with", "read", "talk on")  # as long as it lasts
_ANYONE = Clause()
_HANDOVER = timedelta(seconds=5)  # from the one's hands to the other's
_APART = timedelta(hours=1)  # between putting it down and whatever else the person did
LEAVE = frozenset(("left", "leave", "leaves", "leaving"))
HAND = frozenset(("hand", "handed", "hands", "give", "gave", "given", "pass", "passed"))
_PASSIVE = frozenset(("am", "are", "be", "been", "being", "got", "is", "was", "were"))
_LINKS = frozenset(("by", "from", "to"))  # before the other person


def handed_over(other: Clause = _ANYONE, *, received: bool = False) -> Step:
    """Somebody else has the same thing right afterwards, or (`received`) had it right before."""
    relation = Relation.AFTER if received else Relation.THEN
    clause = replace(other, verbs=CUSTODY)
    return Step(relation, clause, _HANDOVER, person=Bound.OTHER, thing=Bound.SAME)


def is_handed_over(steps: Sequence[Step]) -> bool:
    """Does one of them say so, of whomever?"""
    return any(
        step == handed_over(step.clause, received=step.relation is Relation.AFTER) for step in steps
    )


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


def read_custody(
    reading: Reading, start: int, end: int, clause: Clause
) -> tuple[Clause, list[Step]]:
    """The clause and steps of "left ... behind" and "handed ... over", where it says either.

    `clause`: what was read there so far, and no verb.
    """
    words = reading.words
    for i in range(start, end):
        if i not in reading.free:
            continue
        if words[i] in LEAVE:
            behind = reading.find("behind", i, 5)
            reading.explain([i] if behind is None else [i, behind], "put down, not taken again")
            return replace(clause, verbs=("put down",)), [not_taken_again(Bound.ANY)]
        if words[i] in HAND:
            return _read_handing(reading, i, end, clause)
    return clause, []


def _read_handing(
    reading: Reading, hand: int, end: int, clause: Clause
) -> tuple[Clause, list[Step]]:
    """Who hands it over, or was handed it, and the other person behind "to" or "by"."""
    words = reading.words
    passive = reading.before(hand) in _PASSIVE
    also = (reading.find(word, hand, 6) for word in ("over", "on", "else", "another"))
    places = [hand, *(place for place in also if place is not None and place < end)]
    if passive and hand - 1 in reading.free:
        places.insert(0, hand - 1)  # "got handed"
    of_thing = passive and _is_thing(reading, hand - 2)  # "what was handed to person 3"
    received = passive and not of_thing
    before = "had it, somebody else before"
    reading.explain(places, before if received else "had it, then somebody else")
    link = next((i for i in range(hand + 1, end) if words[i] in _LINKS), end if passive else hand)
    first, second = _apart(reading, clause, link, end)
    if of_thing and link < end and words[link] != "to":  # "what was handed over by person 3"
        first, second = second, first
    thing = clause.thing
    had = replace(first, verbs=CUSTODY, objects=thing.objects, thing_colour=thing.thing_colour)
    other = replace(second, objects=(), thing_colour=None)
    return had, [handed_over(other, received=received)]


def _is_thing(reading: Reading, i: int) -> bool:
    """Is it "what" or "which box", or "the box", of which it is said that it was handed over?"""
    return i in reading.objects.values() or (i >= 0 and reading.words[i] in ("what", "which"))


def _apart(reading: Reading, clause: Clause, link: int, end: int) -> tuple[Clause, Clause]:
    """What is said of the person before, and of the one after "to" or "by"."""
    late = [meaning.text for meaning in reading.meanings if meaning.places[0] > link]
    dressed = any(text.startswith("person in ") for text in late)
    if dressed:
        second = Clause(
            person_colour=clause.person_colour,
            upper_colour=clause.upper_colour,
            lower_colour=clause.lower_colour,
        )
        clause = replace(clause, person_colour=None, upper_colour=None, lower_colour=None)
    else:
        part = reading.part(link, end)
        dress = read_dress(part)
        reading.free -= set(range(link, end)) - part.free
        second = Clause(
            person_colour=dress.anywhere, upper_colour=dress.above, lower_colour=dress.below
        )
    if any(text.startswith(("person ", "track ")) and text[7:10] != "in " for text in late):
        second = replace(second, human=clause.human, person=clause.person)
        clause = replace(clause, human=None, person=None)
    return clause, second


def read_leaving(reading: Reading, start: int, end: int) -> bool:
    """Does the part say that somebody left, as before "without the bag"? Explains the word."""
    for i in range(start, end):
        if i in reading.free and reading.words[i] in LEAVE:
            reading.explain([i], "left")
            return True
    return False
