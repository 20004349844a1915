"""Acts told by a noun: "took a seat on", "gave the box a kick", "kept hold of" mean the verb in it.

English says an act by a verb that means next to nothing and the act's own name, which is the verb
itself. A thing must be told beside it: who "took a drink" may have carried it away.
"""

from collections.abc import Collection

from storage.nouns import classes_like, is_thing
from storage.reading import Reading
from storage.verbs import USAGE, verbs_like
from storage.words import (
    PREPOSITIONS,
    base_forms,
    singulars,
    verb_lemma,
)

_LIGHT = frozenset(("get", "give", "have", "keep", "make", "take"))
_HOLD = frozenset(("get", "keep", "take"))  # "hold of", without an article
_POINTING = frozenset(("anything", "it", "something", "that", "them", "these", "this", "what"))
_GAP = 6  # words between it and the noun: "gave the big red box a kick"


def read_light_verbs(reading: Reading, verbs: Collection[str], objects: Collection[str]) -> None:
    """Takes the verbs of the vocabulary that are said so; explains the words."""
    for i in sorted(reading.free):
        forms = base_forms(reading.words[i]) if i in reading.free else frozenset[str]()
        if not forms & _LIGHT:
            continue
        for noun in range(i + 1, min(i + 1 + _GAP, len(reading.words))):
            acts = _acts(reading, noun, verbs, objects)
            if acts and _is_told(reading, i, noun, forms, objects):
                article = [noun - 1] if reading.before(noun) in ("a", "an") else []
                reading.take([i, *article, noun], acts, reading.verbs)
                break


def _acts(
    reading: Reading, i: int, verbs: Collection[str], objects: Collection[str]
) -> tuple[str, ...]:
    """The verbs that the word may stand for, if it is no thing's name."""
    word = reading.words[i]
    named = any(word in name.lower().split() for name in objects)
    if i not in reading.free or named or verb_lemma(word, inflected=False) != word:
        return ()
    heads = sorted(verb for verb in verbs if verb.split()[0] == word)
    thing = word not in USAGE and classes_like(word, objects)
    alike = None if heads or thing else verbs_like(word, verbs)
    return tuple(heads) if alike is None else alike.names


def _is_told(
    reading: Reading, light: int, noun: int, forms: Collection[str], objects: Collection[str]
) -> bool:
    """Is it "a kick" or "hold of", with a thing before it or behind a preposition?"""
    if reading.before(noun) in ("a", "an"):
        between = noun - light > 2
        return ("give" in forms) if between else _has_thing(reading, noun + 1, objects)
    of = noun == light + 1 and reading.words[noun + 1 : noun + 2] == ["of"]
    return of and bool(_HOLD & set(forms))


def _has_thing(reading: Reading, start: int, objects: Collection[str]) -> bool:
    """Is a thing told behind a preposition from `start` on, or before it: "what did he take a
    drink from"? Places and times, which are explained already, are none and may stand between."""
    words = reading.words
    if start >= len(words) or (start in reading.free and words[start] not in PREPOSITIONS):
        return False
    if start in reading.free and start == len(words) - 1:
        return True
    places = range(start, len(words))
    said = [i for i in places if i in reading.free and words[i] in PREPOSITIONS]
    return bool(said) and any(
        i in reading.free and _is_thing(words[i], objects) for i in range(said[0] + 1, len(words))
    )


def _is_thing(word: str, objects: Collection[str]) -> bool:
    said = singulars(word)
    named = any(not said.isdisjoint(name.lower().split()) for name in objects)
    return named or word in _POINTING or is_thing(word)
