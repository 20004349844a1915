"""Verbs that are in no vocabulary, among the words of a question: "who is juggling a ball"."""

from collections.abc import Iterator

from storage.custody import HAND, LEAVE
from storage.reading import WH_COLUMNS, Reading, unexplained
from storage.words import (
    ADPOSITIONS,
    ANY_VERB,
    AUXILIARIES,
    COLOURS,
    DETERMINERS,
    FILLERS,
    OPERATORS,
    PARTICLES,
    PEOPLE,
    PREPOSITIONS,
    PRONOUNS,
    base_forms,
    verb_lemma,
)

_UNINFLECTED = frozenset(("did", "do", "does", "to", "not", "can", "could", "will", "would"))
NO_VERB = LEAVE | HAND | OPERATORS | COLOURS | PEOPLE | PARTICLES
JOINING = frozenset(("and", "or", "nor"))
_WHOM = frozenset(WH_COLUMNS) | PRONOUNS | {"it", "something", "anything", "each"}
_GAP = 5  # words between a verb and its particle: "tipped the big red box over"


def read_open_verbs(reading: Reading, start: int) -> tuple[str, ...]:
    """Verbs of the dictionary that stand where a verb stands, with the word that belongs to them.

    `reading` is a part of the question that begins at `start`; what has been explained is no verb.
    """
    found: dict[str, None] = {}
    for i, lemma in standing_verbs(reading, start):
        belonging = _belonging(reading, i)
        places = [i] if belonging is None else [i, belonging]
        phrase = " ".join([lemma, *(reading.words[place] for place in places[1:])])
        reading.explain(places, f"{phrase}, asked of stored vectors")
        found[phrase] = None
    return tuple(found)


def standing_verbs(reading: Reading, start: int) -> Iterator[tuple[int, str]]:
    """Places and lemmas of unexplained verbs of the dictionary that stand where a verb stands: one,
    or several that are joined."""
    several = bool(reading.verbs)
    for i in sorted(reading.free):
        joined = not JOINING.isdisjoint(reading.words[max(0, i - 1) : i + 2])
        if i not in unexplained(reading) or (several and not joined):
            continue
        lemma = verb_lemma(reading.words[i], inflected=inflected(reading, i))
        joined = reading.before(i) in JOINING
        if lemma is not None and stands_as_verb(reading, i, start, joined=joined):
            several = True
            yield i, lemma


def inflected(reading: Reading, i: int) -> bool:
    """ "did they saw it" is of "saw", "they saw it" of "see"."""
    return not _UNINFLECTED & set(reading.words[max(0, i - 3) : i])


def stands_as_verb(reading: Reading, i: int, start: int, *, joined: bool) -> bool:
    """Is it told who does it, or that it is done, just before? Most nouns are verbs, too."""
    word, before = reading.words[i], reading.before(i)
    if word in NO_VERB or base_forms(word) & ANY_VERB:
        return False
    if i == start or joined:
        return True
    if before in DETERMINERS | COLOURS | (PREPOSITIONS - {"to"}):
        return False
    told = before in AUXILIARIES | PEOPLE | _UNINFLECTED | FILLERS | set(WH_COLUMNS) | {"else"}
    return told or i - 1 not in reading.free  # "person 3 juggled", "was the ball juggled"


def is_asked_for(reading: Reading, i: int) -> bool:
    """Is it the thing of "which mugs were moved"?"""
    after = reading.words[i + 1 : i + 2]
    return reading.before(i) in ("which", "what") and not AUXILIARIES.isdisjoint(after)


def _belonging(reading: Reading, i: int) -> int | None:
    """The place of the "on" of "lean on the bench", or of the "over" of "tip the box over"."""
    after = i + 1
    if _free_word(reading, after) in ADPOSITIONS:
        return after if _has_thing(reading, after) else None
    for place in range(after, min(after + _GAP, len(reading.words))):
        if _free_word(reading, place) in PARTICLES:
            return place
    return None


def _has_thing(reading: Reading, i: int) -> bool:
    """Is what follows a thing, or nothing at all: "what was leaned on"? Not a place or a time."""
    things = set(reading.objects.values())
    place = i + 1
    while place < len(reading.words) and place not in things:
        word = reading.words[place]
        if word in _WHOM | PEOPLE or word == "by":
            return True
        if word not in DETERMINERS | COLOURS and place not in unexplained(reading):
            return reading.words[i] in PARTICLES and place not in reading.free
        place += 1
    return place in things or place == i + 1 or reading.words[i] in PARTICLES


def _free_word(reading: Reading, i: int) -> str | None:
    return reading.words[i] if i in reading.free else None
