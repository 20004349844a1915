"""What somebody wears and what a thing looks like, but for plain colours, among a question's words.

Only what a bundle's text tower can be told is read; all else stays not understood.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from storage.attributes import WEARING, wear
from storage.nouns import is_worn
from storage.question import Clause
from storage.reading import Names, Reading, unexplained
from storage.times import NUMBERS
from storage.words import (
    AUXILIARIES,
    COLOURS,
    DETERMINERS,
    GARMENTS,
    OPERATORS,
    PEOPLE,
    PREPOSITIONS,
    is_adjective,
    singulars,
)

_MOST = 5  # words that say what is worn: "a wide green straw hat"
_ENDING = PREPOSITIONS | AUXILIARIES | {"and", "or", "that", "who"}
_WHO = PEOPLE | {"one", "ones", "that", "who", "whom", "whoever"}
# Which one, or how many, or how it is to somebody: nothing that can be seen.
_NOT_SEEN = (
    *("another", "certain", "different", "each", "either", "enough", "every", "favourite"),
    *("left", "missing", "next", "only", "other", "own", "previous", "real", "remaining"),
    *("right", "same", "second", "several", "stolen", "such", "third", "unattended", "wrong"),
)
_NO_LOOK = OPERATORS | NUMBERS.keys() | set(_NOT_SEEN)


def read_person_look(reading: Reading, who: Clause, names: Names) -> Clause:
    """ "in a striped shirt", "with a hat": what else is worn, right behind who wears it, and its
    colour; read plain colours first. What is a class of things is worn by a verb."""
    if names.hears is None or who.person_look is not None:
        return who
    for i in sorted(reading.free):
        if reading.words[i] not in WEARING or not _behind_person(reading, i):
            continue
        for places in _garments(reading, i, names.objects):
            colours = [p for p in places if reading.words[p] in COLOURS]
            said = [reading.words[p] for p in places if p not in colours]
            look = " ".join(["in" if reading.words[i] == "in" else "wearing", *said])
            if len(colours) < 2 and names.hears(look):
                reading.explain((i, *places), f"person who looks {look!r}")
                reading.people["person_look"] = i
                who = replace(who, person_look=look)
                return wear(reading, who, colours[0], said[-1]) if colours else who
    return who


def _behind_person(reading: Reading, i: int) -> bool:
    """ "someone in", "who was wearing", "person 3 with", "the one in red with"."""
    before = reading.before(i)
    if before in AUXILIARIES and i > 1:
        before = reading.words[i - 2]
    said = [meaning.text for meaning in reading.meanings if i - 1 in meaning.places]
    return before in _WHO or any(text.startswith(("person ", "track ")) for text in said)


def _garments(reading: Reading, i: int, objects: Collection[str]) -> Iterator[tuple[int, ...]]:
    """Places of an article and words that end in something worn, the shortest first."""
    for end in range(i + 2, min(i + _MOST, len(reading.words)) + 1):
        places = tuple(range(i + 1, end))
        word = reading.words[end - 1]
        if not reading.free.issuperset(places) or word in _ENDING:
            return
        worn = word in GARMENTS or (is_worn(word) and word not in COLOURS)
        if worn and singulars(word).isdisjoint(objects):
            yield places


def read_thing_look(reading: Reading, names: Names) -> str | None:
    """The "striped" of "a striped cup"; read things and their colours first. Of two things it
    would not be known which is meant."""
    places = set(reading.objects.values())
    if names.hears is None or len(places) != 1:
        return None
    (place,), unknown, said = places, set(unexplained(reading)), list[int]()
    i = place - 1
    while i >= 0 and (reading.words[i] in COLOURS or _may_describe(reading, i, unknown)):
        said += [i] if i in unknown else []
        i -= 1
    look = " ".join(reading.words[i] for i in sorted(said))
    if not look or not names.hears(look):
        return None
    reading.explain(said, f"thing that looks {look!r}")
    return look


def _may_describe(reading: Reading, i: int, unknown: set[int]) -> bool:
    """ "folded" does in "the folded papers" and "held folded papers", not "who folded papers"."""
    word, before = reading.words[i], reading.before(i)
    if i not in unknown or word in _NO_LOOK:
        return False
    behind_verb = i > 0 and i - 1 not in reading.free and not word.endswith("ing")
    return is_adjective(word) or before in DETERMINERS or behind_verb
