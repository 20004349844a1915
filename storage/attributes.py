"""Who is meant, what people wear and what colour things have, among the words of a question."""

import re
from dataclasses import replace
from typing import Any

from storage.question import Clause
from storage.reading import Reading
from storage.words import COLOURS, DETERMINERS, GARMENTS, WORN_ABOVE, WORN_BELOW

WEARING = frozenset(("in", "wearing", "wears", "wore", "with"))  # what follows is worn
_ANYONE = Clause()


def read_who(reading: Reading, known: Clause = _ANYONE) -> Clause:
    """What is known of a person and what more is said: which one, and the colours they wear."""
    named = known.human is not None or known.person is not None
    who = known if named else _read_name(reading, known)
    return who if known.dressed else _read_dress(reading, who)


def _read_name(reading: Reading, who: Clause) -> Clause:
    """A track (`gate:0:3`) or a person by number (`person 3`)."""
    for i in sorted(reading.free):
        word = reading.words[i]
        if re.fullmatch(r".+:\d+:\d+", word):
            reading.explain([i], f"track {word}")
            reading.people["human"] = i
            return replace(who, human=word)
        if re.fullmatch(r"[0-9]{1,9}", word) and reading.before(i) == "person":
            reading.explain([i - 1, i], f"person {int(word)} of any camera")
            reading.people["person"] = i
            return replace(who, person=int(word))
    return who


def _read_dress(reading: Reading, who: Clause) -> Clause:
    """ "in red", "in a red shirt", "wearing a blue coat", "with green trousers"."""
    words = reading.words
    for i in sorted(reading.free):
        if words[i] not in COLOURS:
            continue
        start = i - 1 if reading.before(i) in DETERMINERS else i
        if reading.before(start) not in WEARING:
            continue
        dressed = i + 1 < len(words) and words[i + 1] in GARMENTS
        if not dressed and (reading.before(start) == "with" or start != i):
            continue  # "with a red cup", "in a red car": of the thing
        end = i + 2 if dressed else i + 1
        reading.explain(range(start - 1, end), f"person in {words[i]}")
        return wear(reading, who, i, words[i + 1] if dressed else "")
    return who


def wear(reading: Reading, who: Clause, i: int, garment: str) -> Clause:
    """The colour at i is that of what they wear."""
    if garment in WORN_ABOVE:
        place = "upper_colour"
    else:
        place = "lower_colour" if garment in WORN_BELOW else "person_colour"
    reading.people[place] = i
    colours: dict[str, Any] = {place: _plain(reading.words[i])}
    return replace(who, **colours)


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
