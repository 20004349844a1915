"""One part of a question becomes a `Clause`: who, did, what, in which colours."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from storage.attributes import read_dress, read_thing_colour
from storage.light_verbs import read_light_verbs
from storage.like_verbs import read_like_verbs
from storage.locations import leave_places
from storage.open_reading import read_open_verbs
from storage.question import Clause
from storage.reading import Reading, read_kinds, read_objects, read_verbs


@dataclass(frozen=True)
class Names:
    """What can be spoken of."""

    verbs: Collection[str]
    objects: Collection[str]
    open: bool = False  # any verb of the dictionary can be asked for
    seen: Collection[
        str
    ] = ()  # of the objects those that are stored: what is like them comes first


def read_clause(reading: Reading, start: int, end: int, names: Names) -> Clause:
    """From the free words between two places; explains those it uses."""
    part = reading.part(start, end)
    human, person = _read_person(part)
    dress = read_dress(part)
    read_light_verbs(part, names.verbs, names.objects)
    read_verbs(part, names.verbs)
    read_like_verbs(part, start, names.verbs, early=True)
    read_objects(part, names.objects)
    thing_colour = read_thing_colour(part)
    read_kinds(part, names.objects, names.seen, named=True)
    read_like_verbs(part, start, names.verbs)
    phrases = read_open_verbs(part, start) if names.open else ()
    read_kinds(part, names.objects, names.seen, named=False)
    _read_and(part)
    leave_places(part, does=bool(part.verbs or phrases))
    reading.free -= set(range(start, end)) - part.free
    reading.verbs |= part.verbs
    reading.objects |= part.objects
    return Clause(
        verbs=tuple(part.verbs),
        objects=tuple(part.objects),
        human=human,
        person=person,
        person_colour=dress.anywhere,
        upper_colour=dress.above,
        lower_colour=dress.below,
        thing_colour=thing_colour,
        phrases=phrases,
    )


def _read_and(reading: Reading) -> None:
    """ "Who held a cup and a box" are those who held either."""
    named = {*reading.verbs.values(), *reading.objects.values()}
    for i in sorted(reading.free):
        if reading.words[i] == "and" and min(named, default=i) < i < max(named, default=i):
            reading.explain([i], "or")


def _read_person(reading: Reading) -> tuple[str | None, int | None]:
    """A track (`gate:0:3`) or a person by number (`person 3`)."""
    for i in sorted(reading.free):
        word = reading.words[i]
        if re.fullmatch(r".+:\d+:\d+", word):
            reading.explain([i], f"track {word}")
            return word, None
        if re.fullmatch(r"[0-9]{1,9}", word) and reading.before(i) == "person":
            reading.explain([i - 1, i], f"person {int(word)} of any camera")
            return None, int(word)
    return None, None
