"""What people wear and what things look like, among the words of a question."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from storage.nouns import is_worn
from storage.reading import Reading, unexplained
from storage.times import NUMBERS
from storage.words import (
    AUXILIARIES,
    COLOURS,
    DETERMINERS,
    GARMENTS,
    OPERATORS,
    PEOPLE,
    PREPOSITIONS,
    WORN_ABOVE,
    WORN_BELOW,
    is_adjective,
    singulars,
)

_WEARING = frozenset(("in", "wearing", "wears", "wore", "with"))
_MOST = 5  # words that say what is worn: "a wide green straw hat"
_ENDING = PREPOSITIONS | AUXILIARIES | {"and", "or", "that", "who"}
_WHO = PEOPLE | {"one", "ones", "that", "who", "whom", "whoever"}
# Which one, or how many, or how it is to somebody: nothing that can be seen.
_NO_LOOK = (
    OPERATORS
    | NUMBERS.keys()
    | frozenset(
        (
            *("another", "certain", "different", "each", "either", "enough", "every", "favourite"),
            *("left", "missing", "next", "only", "other", "own", "previous", "real", "remaining"),
            *(
                "right",
                "same",
                "second",
                "several",
                "stolen",
                "such",
                "third",
                "unattended",
                "wrong",
            ),
        )
    )
)
Hears = Callable[[str], bool]


@dataclass(frozen=True)
class Dress:
    """Colours of what somebody wears; None is any."""

    anywhere: str | None = None
    above: str | None = None
    below: str | None = None


def read_dress(reading: Reading) -> Dress:
    """ "in red", "in a red shirt", "wearing a blue coat", "with green trousers"."""
    words = reading.words
    for i in sorted(reading.free):
        if words[i] not in COLOURS:
            continue
        start = i - 1 if reading.before(i) in DETERMINERS else i
        if reading.before(start) not in _WEARING:
            continue
        dressed = i + 1 < len(words) and words[i + 1] in GARMENTS
        if not dressed and (reading.before(start) == "with" or start != i):
            continue  # "with a red cup", "in a red car": of the thing
        end = i + 2 if dressed else i + 1
        reading.explain(range(start - 1, end), f"person in {words[i]}")
        return _dress(words[i], words[i + 1] if dressed else "")
    return Dress()


def _dress(colour: str | None, garment: str) -> Dress:
    if colour is None:
        return Dress()
    colour = _plain(colour)
    if garment in WORN_ABOVE:
        return Dress(above=colour)
    return Dress(below=colour) if garment in WORN_BELOW else Dress(colour)


def read_person_look(
    reading: Reading, objects: Collection[str], hears: Hears
) -> tuple[str | None, Dress]:
    """ "in a striped shirt", "with a hat": what else is worn, right behind who wears it, and its
    colour; read plain colours first. What is a class of things is worn by a verb."""
    for i in sorted(reading.free):
        if reading.words[i] not in _WEARING or not _behind_person(reading, i):
            continue
        for places in _garments(reading, i, objects):
            colours = [p for p in places if reading.words[p] in COLOURS]
            said = [reading.words[p] for p in places if p not in colours]
            look = " ".join(["in" if reading.words[i] == "in" else "wearing", *said])
            if len(colours) < 2 and hears(look):
                reading.explain((i, *places), f"person who looks {look!r}")
                colour = reading.words[colours[0]] if colours else None
                return look, _dress(colour, said[-1])
    return None, Dress()


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


def read_thing_look(reading: Reading, hears: Hears) -> str | None:
    """The "striped" of "a striped cup"; read things and their colours first. Of two things it
    would not be known which is meant."""
    places = set(reading.objects.values())
    if len(places) != 1:
        return None
    (place,), unknown, said = places, set(unexplained(reading)), list[int]()
    i = place - 1
    while i >= 0 and (reading.words[i] in COLOURS or _may_describe(reading, i, unknown)):
        said += [i] if i in unknown else []
        i -= 1
    look = " ".join(reading.words[i] for i in sorted(said))
    if not look or not hears(look):
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


def read_thing_colour(reading: Reading) -> str | None:
    """The colour in front of a thing or of "one"; read the things first."""
    for i in sorted(reading.free):
        after = i + 1
        if reading.words[i] in COLOURS and after in reading.objects.values():
            reading.explain([i], f"{reading.words[i]} thing")
            return _plain(reading.words[i])
    return None


def _plain(colour: str) -> str:
    return "grey" if colour == "gray" else colour
