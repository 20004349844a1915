"""Verbs of the vocabulary that a question says otherwise: "who shoved it" asks who pushed it."""

from collections.abc import Collection

from storage.nouns import is_thing
from storage.open_reading import JOINING, NO_VERB, inflected, stands_as_verb
from storage.reading import Reading, is_noun
from storage.verbs import is_verb, verbs_like
from storage.words import (
    ADPOSITIONS,
    ANY_VERB,
    COLOURS,
    DETERMINERS,
    FILLERS,
    PARTICLES,
    PEOPLE,
    PREPOSITIONS,
    base_forms,
    is_participle,
    verb_lemma,
)

_THINGS = frozenset(("anything", "it", "something", "that", "them"))
_GAP = 5  # words between a verb and its particle: "lifted the big red box up"


def read_like_verbs(
    reading: Reading, start: int, verbs: Collection[str], *, early: bool = False
) -> None:
    """ "Sat" for "sit on" and "sit at", then what the dictionary says (`verbs.py`).

    `reading` is a part of the question that begins at `start`; `early`: its things have not been
    read yet.
    """
    helping = {i for i in reading.free if "have" in base_forms(reading.words[i])}
    for i in sorted(reading.free, key=lambda i: (i in helping, i)):  # "has anybody the box"
        if i in helping and _helps(reading, i, start):
            continue
        joined = not JOINING.isdisjoint(reading.words[max(0, i - 1) : i + 2])
        if i not in reading.free or is_noun(reading, i) or (reading.verbs and not joined):
            continue
        forms = base_forms(reading.words[i])
        heads = sorted(verb for verb in verbs if verb.split()[0] in forms and " " in verb)
        if heads and not reading.verbs and not _phrasal(reading, i):
            reading.take([i], heads, reading.verbs)
        elif not heads and _may_be_verb(reading, i, start, early=early):
            _read_at(reading, i, verbs)
    _read_particles(reading)


def _helps(reading: Reading, i: int, start: int) -> bool:
    """Is this "has" of "has been", before another verb's participle? In front of who does it a
    thing may be named between: "has the box been moved"."""
    for word in reading.words[i + 1 : max(reading.free) + 1]:
        if is_participle(word):
            return True
        if i > start and (word in DETERMINERS | COLOURS | _THINGS or is_thing(word)):
            return False
    return False


def _read_particles(reading: Reading) -> None:
    """ "Opened up" is opened."""
    for verb, i in reading.verbs.items():
        after = " ".join(reading.words[i + 1 : i + 2])
        same = after in PARTICLES and i + 1 in reading.free
        if same and verbs_like(f"{verb} {after}", (verb,)):
            reading.explain([i + 1], verb)


def _read_at(reading: Reading, i: int, verbs: Collection[str]) -> None:
    lemma = verb_lemma(reading.words[i], inflected=inflected(reading, i))
    if lemma is None:
        return
    for places in _ways(reading, i, lemma):
        said = " ".join([lemma, *(reading.words[place] for place in places[1:])])
        alike = verbs_like(said, verbs if len(places) > 1 else _fitting(reading, i, verbs))
        if alike is not None:
            reading.verbs |= dict.fromkeys(alike.names, i)
            reading.explain(places, str(alike))
            return


def _ways(reading: Reading, i: int, lemma: str) -> list[list[int]]:
    """The verb's places with those of the words that may belong to it, then it alone, unless they
    are a verb of their own: "plug in" is not to plug."""
    words = reading.words
    after = range(i + 1, min(i + 1 + _GAP, len(words)))
    belonging = [
        j
        for j in after
        if j in reading.free and (words[j] in PARTICLES or (j == i + 1 and words[j] in ADPOSITIONS))
    ]
    own = _phrasal(reading, i) or is_verb(f"{lemma} {' '.join(words[i + 1 : i + 2])}")
    own = own or (words[-1] in ADPOSITIONS and is_verb(f"{lemma} {words[-1]}"))
    return [[i, j] for j in belonging[:1]] + ([] if own else [[i]])


def _fitting(reading: Reading, i: int, verbs: Collection[str]) -> Collection[str]:
    """Who "spoke to" somebody did not "talk on" a thing."""
    said = PREPOSITIONS.intersection(reading.words[i + 1 : i + 2])
    others = PREPOSITIONS - said - {"with"} if said else set[str]()
    return [verb for verb in verbs if verb.split()[-1] not in others]


def _may_be_verb(reading: Reading, i: int, start: int, *, early: bool) -> bool:
    """Does it stand where a verb stands, or is "shoved" whatever stands before it? As long as no
    things have been read, "phones" is a verb only right behind who does it."""
    word, before = reading.words[i], reading.before(i)
    lemma = verb_lemma(word)
    unlikely = word in FILLERS and lemma != "have"
    if lemma is None or lemma in ANY_VERB or word in NO_VERB or unlikely:
        return False
    if not is_thing(word) and lemma != word:
        return True
    if is_thing(word) and early:
        return before in PEOPLE | {"that", "who"}
    if is_thing(word) and i == start:
        return False
    return stands_as_verb(reading, i, start, joined=before in JOINING)


def _phrasal(reading: Reading, i: int) -> bool:
    """Is this "take off" or "put on": another verb than its first word?"""
    after, next_ = (*reading.words[i + 1 : i + 3], "", "")[:2]
    if (after, next_) == ("out", "of"):
        return False
    return after in PARTICLES or (after == "on" and "put" in base_forms(reading.words[i]))
