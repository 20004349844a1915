"""Who has a thing: what "left behind", "handed over" and "left without" mean in events."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from storage.attributes import read_who
from storage.look_words import read_person_look
from storage.question import Bound, Clause, Relation, Step
from storage.reading import Names, Reading, is_noun
from storage.words import PEOPLE

CUSTODY = ("carry", "hold", "pick up")  # who does this has it
HOLDING = ("carry", "hold", "drink with", "read", "talk on")  # as long as it lasts
_ANYONE = Clause()
_HANDOVER = timedelta(seconds=5)  # from the one's hands to the other's
_APART = timedelta(hours=1)  # between putting it down and whatever else the person did
LEAVE = frozenset(("left", "leave", "leaves", "leaving"))
_PASS = frozenset(("pass", "passed", "passes", "passing"))
HAND = _PASS | {"hand", "handed", "handing", "hands", "gave", "give", "given", "gives", "giving"}
_PASSIVE = frozenset(("am", "are", "be", "been", "being", "got", "is", "was", "were"))
_PARTICIPLES = frozenset(("given", "handed", "passed"))
_ANYTHING = frozenset(("it", "something", "what", "which"))
_ON = frozenset(("on", "over", "to"))  # behind what is passed
_LINKS = frozenset(("by", "from", "to"))  # before who hands it over or gets it


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
    reading: Reading, start: int, end: int, clause: Clause, names: Names
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
        if words[i] in HAND and not is_noun(reading, i) and _has_thing(reading, start, i, end):
            return _read_handing(reading, (start, i, end), clause, names)
    return clause, []


def _has_thing(reading: Reading, start: int, hand: int, end: int) -> bool:
    """Is it told what is passed, to or by whom? "Passed the bench" and "passed by" are walking."""
    if reading.words[hand] not in _PASS:
        return True
    words, things = reading.words, reading.objects.values()
    told = any(start <= i < end for i in things) or not _ANYTHING.isdisjoint(words[start:end])
    behind = words[hand + 1 : end]
    person = bool(behind) and behind[0] in PEOPLE  # "passed person 3 the box"
    passive = not _PASSIVE.isdisjoint(words[start:hand])
    return told and (passive or person or not _ON.isdisjoint(behind))


def _read_handing(
    reading: Reading, where: tuple[int, int, int], clause: Clause, names: Names
) -> tuple[Clause, list[Step]]:
    """Who hands it over or, where it is told of them, who gets it, and the other person.

    `where`: the part's start, the verb in it, its end.
    """
    start, hand, end = where
    passive, of_thing = _voice(reading, start, hand)
    also = (reading.find(word, hand, 6) for word in ("over", "on", "else", "another"))
    places = [hand, *(place for place in also if place is not None and place < end)]
    if passive and hand - 1 in reading.free and reading.before(hand) in _PASSIVE:
        places.insert(0, hand - 1)  # "got handed"
    received = passive and not of_thing
    before = "had it, somebody else before"
    reading.explain(places, before if received else "had it, then somebody else")
    getting = _getting(reading, start, hand, end, passive=passive)
    giver = _person(reading, clause, set(range(start, end)) - getting, names)
    getter = _person(reading, clause, getting, names)
    told, other = (getter, giver) if received else (giver, getter)
    had = replace(told.with_thing(clause), verbs=CUSTODY)
    return had, [handed_over(other, received=received)]


def _voice(reading: Reading, start: int, hand: int) -> tuple[bool, bool]:
    """Is it passive, and is it told of the thing: "what was handed to person 3"?"""
    words = reading.words
    be = next((i for i in range(hand - 1, start - 1, -1) if words[i] in _PASSIVE), None)
    if be is None or words[hand].endswith("ing"):  # "is handing"
        return False, False
    things = set(reading.objects.values())
    asked = be - 1 in things or (be > 0 and words[be - 1] in ("what", "which"))
    turned = words[hand] in _PARTICIPLES and (asked or be == start)  # "was the box given to ..."
    passive = be == hand - 1 or turned
    return passive, passive and (asked or not things.isdisjoint(range(be, hand)))


def _getting(reading: Reading, start: int, hand: int, end: int, *, passive: bool) -> set[int]:
    """Where who gets it is spoken of: in front of a passive, behind an active, behind "to"."""
    places = set(range(start, hand)) if passive else set[int]()
    gets = True
    for i in range(hand + 1, end):
        if i in reading.free and reading.words[i] in _LINKS:
            gets = reading.words[i] == "to"
        if gets:
            places.add(i)
    return places


def _person(reading: Reading, clause: Clause, places: set[int], names: Names) -> Clause:
    """What is said of a person there: some of the clause that was read of all, and what is left."""
    said = {name: getattr(clause, name) for name, i in reading.people.items() if i in places}
    part = Reading(reading.words, reading.free & places, meanings=reading.meanings)
    who = read_person_look(part, read_who(part, Clause(**said)), names)
    reading.free -= places - part.free
    return who


def read_leaving(reading: Reading, start: int, end: int) -> bool:
    """Does the part say that somebody left, as before "without the bag"? Explains the word."""
    for i in range(start, end):
        if i in reading.free and reading.words[i] in LEAVE:
            reading.explain([i], "left")
            return True
    return False
