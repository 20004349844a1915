"""What people wear and what things look like, among the words of a question."""

from collections.abc import Callable
from dataclasses import dataclass

from storage.nouns import is_worn
from storage.reading import Reading, unexplained
from storage.times import NUMBERS
from storage.words import (
    COLOURS,
    DETERMINERS,
    GARMENTS,
    OPERATORS,
    PREPOSITIONS,
    WORN_ABOVE,
    WORN_BELOW,
    is_adjective,
)

_WEARING = frozenset(("in", "wearing", "wears", "wore", "with"))
_MOST = 4  # words that say what is worn: "a wide green straw hat"
_NO_LOOK = OPERATORS | NUMBERS.keys() | {"other", "own", "same", "several"}
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
        colour, garment = _plain(words[i]), words[i + 1] if dressed else ""
        if garment in WORN_ABOVE:
            return Dress(above=colour)
        return Dress(below=colour) if garment in WORN_BELOW else Dress(colour)
    return Dress()


def read_person_look(reading: Reading, hears: Hears) -> str | None:
    """ "in a striped shirt", "with a hat": what else is worn; read the colours first."""
    words = reading.words
    for i in sorted(reading.free):
        if words[i] not in _WEARING:
            continue
        start = i + 2 if words[i + 1 : i + 2] and words[i + 1] in DETERMINERS else i + 1
        for end in range(start + 1, min(start + _MOST, len(words)) + 1):
            said = range(start, end)
            if not reading.free.issuperset(said) or words[end - 1] in PREPOSITIONS:
                break
            worn = words[end - 1] in GARMENTS or is_worn(words[end - 1])
            look = " ".join(["in" if words[i] == "in" else "wearing", *words[i + 1 : end]])
            if worn and hears(look):
                reading.explain(range(i, end), f"person who looks {look!r}")
                return look
    return None


def read_thing_look(reading: Reading, hears: Hears) -> str | None:
    """The "striped" of "a striped cup"; read things and their colours first."""
    unknown = set(unexplained(reading))
    for place in sorted(set(reading.objects.values())):
        said = list[int]()
        i = place - 1
        while i >= 0 and (reading.words[i] in COLOURS or _may_describe(reading, i, unknown)):
            said += [i] if i in unknown else []
            i -= 1
        look = " ".join(reading.words[i] for i in sorted(said))
        if look and hears(look):
            reading.explain(said, f"thing that looks {look!r}")
            return look
    return None


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
