"""Acts told by a noun: "took a seat on", "gave the box a kick", "kept hold of" mean the verb in it.

English says an act by a verb that means next to nothing and the act's own name, which is the verb
itself. A thing must be told beside it: who "took a drink" may have carried it away.
"""

from collections.abc import Collection

from storage.reading import Reading
from storage.words import (
    OBJECT_SYNONYMS,
    PREPOSITIONS,
    VERB_SYNONYMS,
    base_forms,
    verb_lemma,
)

_LIGHT = frozenset(("get", "give", "have", "keep", "make", "take"))
_HOLD = frozenset(("get", "keep", "take"))  # "hold of", without an article
_GAP = 6  # words between it and the noun: "gave the big red box a kick"


def read_light_verbs(reading: Reading, verbs: Collection[str], objects: Collection[str]) -> None:
    """Takes the verbs of the vocabulary that are said so; explains the words."""
    for i in sorted(reading.free):
        forms = base_forms(reading.words[i]) if i in reading.free else frozenset[str]()
        if not forms & _LIGHT:
            continue
        for noun in range(i + 1, min(i + 1 + _GAP, len(reading.words))):
            acts = _acts(reading, noun, verbs, objects)
            if acts and _is_told(reading, i, noun, forms):
                article = [noun - 1] if reading.before(noun) in ("a", "an") else []
                reading.take([i, *article, noun], acts, reading.verbs)
                break


def _acts(
    reading: Reading, i: int, verbs: Collection[str], objects: Collection[str]
) -> tuple[str, ...]:
    """The verbs that the word may stand for, if it is no thing's name."""
    word = reading.words[i]
    thing = word in OBJECT_SYNONYMS or any(word in name.lower().split() for name in objects)
    if i not in reading.free or thing or verb_lemma(word, inflected=False) != word:
        return ()
    named = [verb for verb in verbs if verb.split()[0] == word]
    said = [
        verb
        for phrase, names in VERB_SYNONYMS.items()
        if phrase.split()[0] == word
        for verb in names
        if verb in verbs
    ]
    return tuple(dict.fromkeys([*sorted(named), *said]))


def _is_told(reading: Reading, light: int, noun: int, forms: Collection[str]) -> bool:
    """Is it "a kick" or "hold of", with a thing before it or behind a preposition?"""
    following = reading.words[noun + 1] if noun + 1 < len(reading.words) else ""
    if reading.before(noun) in ("a", "an"):
        between = noun - light > 2
        return ("give" in forms) if between else following in PREPOSITIONS
    return noun == light + 1 and following == "of" and bool(_HOLD & set(forms))
