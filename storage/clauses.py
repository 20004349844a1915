"""One part of a question becomes a `Clause`: who, did, what, in which colours."""

from dataclasses import replace

from storage.attributes import read_thing_colour, read_who
from storage.light_verbs import read_light_verbs
from storage.like_verbs import read_like_verbs
from storage.locations import leave_places
from storage.look_words import read_person_look, read_thing_look
from storage.open_reading import is_asked_for, read_open_verbs, standing_verbs
from storage.question import Clause
from storage.reading import Names, Reading, read_kinds, read_objects, read_verbs


def read_clause(reading: Reading, start: int, end: int, names: Names) -> Clause:
    """From the free words between two places; explains those it uses."""
    part = reading.part(start, end)
    who = read_person_look(part, read_who(part), names)
    read_light_verbs(part, names.verbs, names.objects)
    read_verbs(part, names.verbs)
    read_like_verbs(part, start, names.verbs, early=True)
    read_objects(part, names.objects)
    thing_colour = read_thing_colour(part)
    read_kinds(part, names.objects, names.seen, named=True)
    read_like_verbs(part, start, names.verbs)
    thing_look = read_thing_look(part, names)
    phrases = read_open_verbs(part, start) if names.open else ()
    acts = [i for i, _ in standing_verbs(part, start) if not is_asked_for(part, i)]
    read_kinds(part, names.objects, names.seen, named=False, acts=acts)
    _read_and(part)
    leave_places(part, does=bool(part.verbs or phrases))
    reading.free -= set(range(start, end)) - part.free
    reading.verbs |= part.verbs
    reading.objects |= part.objects
    reading.people |= part.people
    return replace(
        who,
        verbs=tuple(part.verbs),
        objects=tuple(part.objects),
        thing_colour=thing_colour,
        thing_look=thing_look,
        phrases=phrases,
    )


def _read_and(reading: Reading) -> None:
    """ "Who held a cup and a box" are those who held either."""
    named = {*reading.verbs.values(), *reading.objects.values()}
    for i in sorted(reading.free):
        if reading.words[i] == "and" and min(named, default=i) < i < max(named, default=i):
            reading.explain([i], "or")
