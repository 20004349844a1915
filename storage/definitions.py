"""What a verb is by its definition in WordNet: "slam" is "close violently", so it is to close."""

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

_ARTICLES = frozenset(("a", "an", "something", "the"))
_BOUND = frozenset(("at", "for", "from", "in", "into", "on", "onto", "through", "to", "with"))
_PARTICLES = _BOUND | frozenset(("away", "back", "down", "hold", "off", "out", "over", "up"))


def genera(definition: str, verbs: Collection[str]) -> frozenset[str]:
    """The verbs that its parts begin with, each the whole of what is done.

    Not of "throw, catch, and keep in the air", which is three things at once, nor of "open the
    lock of" and "hit something so that it bounces", where something else is done to the thing.
    A verb with a thing of its own, as in "ride a bicycle", has a "~" before it.
    """
    plain = re.sub(r"\([^)]*\)", "", definition.partition('"')[0])
    return frozenset(verb for part in plain.split(";") for verb in _of_part(part, verbs))


def _of_part(part: str, verbs: Collection[str]) -> Iterator[str]:
    words = re.findall(r"[^\s,]+|,", part)
    words = words[1:] if words[:1] == ["to"] else words
    found: list[str] = []
    place = 0
    while verb := _verb_at(words, place, verbs):
        found += _said(verb)
        place += len(verb.split())
        if words[place : place + 1] == ["or"]:
            place += 1
        elif words[place : place + 2] == [",", "or"]:
            place += 2
        else:
            break
    rest = words[place:]
    also = [b for a, b in pairwise(rest) if a in (",", "and")]
    own = bool(rest) and rest[0] in _ARTICLES
    if not ("so that" in part or any(word in verbs for word in also) or rest[-1:] == ["of"]):
        yield from (f"~{verb}" if own else verb for verb in found)


def _verb_at(words: list[str], place: int, verbs: Collection[str]) -> str:
    """The longest."""
    told = (" ".join(words[place : place + n]) for n in (3, 2, 1) if place + n <= len(words))
    return next((verb for verb in told if verb in verbs), "")


def _said(verb: str) -> tuple[str, ...]:
    """ "Hold fast" is "hold", "cut into" of "cut into pieces" both, "take hold of" "take hold"."""
    verb = verb.removesuffix(" of")
    head, _, last = verb.rpartition(" ")
    if not head:
        return (verb,)
    if last in _BOUND:
        return verb, head
    return (verb,) if last in _PARTICLES else (verb.split()[0],)
