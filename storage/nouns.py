"""Words for things that no detector was taught: which of the classes are such things, or like it.

"vehicle" is car and truck, "armchair" is chair, "briefcase" is nearest to suitcase, and nothing in
a kitchen is like a bulldozer. By WordNet's kinds (`wordnet.py`), from which it is also told how
much two things have in common: what their nearest common kind says of both (Lin 1998), and a kind
says the more the fewer kinds it has itself (Seco, Veale and Hayes 2004).
"""

import gzip
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from storage.words import singulars

_FILE = Path(__file__).with_name("nouns.tsv.gz")
_ALIKE = 0.7  # likeness from which on one class is taken for another thing
_WORN = ("clothing", "footwear", "headdress", "spectacles", "jewelry")
_AKIN = 0.3  # of two meanings of a word, if they are the same sort of thing
_TELLING = 0.15  # what a kind must say: "artifact" and "object" are everything

# Words for which the dictionary has no class near: it is of 2006, a mug has a handle, and a parcel
# is wrapped. Looked up as:
_USAGE = {
    **{"mobile": "cellphone", "mug": "cup", "package": "box", "parasol": "umbrella"},
    **{"parcel": "box", "smartphone": "cellphone"},
}
# Classes of COCO whose name means something else first (a rodent, a factory, a room), and what they
# are.
_CLASSES = {
    **{"banana": "edible fruit", "broccoli": "cruciferous vegetable", "cake": "baked goods"},
    **{"carrot": "root vegetable", "mouse": "electronic device", "potted plant": "organism"},
    **{"toilet": "plumbing fixture"},
}


@dataclass(frozen=True)
class _Lexicon:
    """Meanings by number, general ones and special ones."""

    meanings: dict[str, list[int]]  # of a word, the most frequent first
    kinds_of: list[tuple[int, ...]]
    says: list[float]  # 0: everything is such a thing, 1: it has no kinds


@dataclass(frozen=True)
class Alike:
    """The classes or verbs that a word is taken for, and why, in a few words or none."""

    names: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return " or ".join(self.names) + (f" ({self.why})" if self.why else "")


def is_thing(word: str) -> bool:
    """Can it be seen lying about: a word of the dictionary for things, animals, plants or food?"""
    return bool(_meanings(word))


def is_worn(word: str) -> bool:
    """Is it what people put on: "hat", "boots", "glasses"?"""
    worn = {meaning for kind in _WORN for meaning in _meanings(kind)}
    return any(not worn.isdisjoint(_upwards(meaning)) for meaning in _meanings(word)[:1])


def classes_like(word: str, classes: Collection[str]) -> Alike | None:
    """All classes that are such things, else the class that it is itself, else the nearest.

    By what it means most often. What else it means is thought of where that is a class and no
    other sort of thing, as a "bag" is a handbag, too; what it means next where that is a kind of a
    class.
    """
    return _classes_like(word, frozenset(classes))


@lru_cache(maxsize=10_000)
def _classes_like(word: str, classes: frozenset[str]) -> Alike | None:
    known = {name: meaning for name in sorted(classes) for meaning in _meanings_of_class(name)[:1]}
    meanings = _meanings(word)
    if not meanings:
        return None
    first = meanings[0]
    itself = [name for name, m in known.items() if m in meanings and _likeness(first, m) >= _AKIN]
    names = sorted({*itself, *_kinds(first, known)})
    if names:
        return _told(names, exact=names == itself)
    found = _nearest(first, known)
    return found if found or len(meanings) == 1 else _of_second(meanings[1], known)


def _of_second(second: int, known: Mapping[str, int]) -> Alike | None:
    kinds = _kinds(second, known)
    return _told(kinds, exact=False) if kinds else _nearest(second, _above(second, known))


def _told(names: Collection[str], *, exact: bool) -> Alike:
    why = "kinds of it" if len(names) > 1 else "the nearest"
    return Alike(tuple(names), "" if exact else why)


def _kinds(wanted: int, known: Mapping[str, int]) -> list[str]:
    """The classes that are such things, if the word says anything at all."""
    telling = _lexicon().says[wanted] >= _TELLING
    return [name for name, meaning in known.items() if telling and wanted in _upwards(meaning)]


def _above(wanted: int, known: Mapping[str, int]) -> dict[str, int]:
    return {name: meaning for name, meaning in known.items() if meaning in _upwards(wanted)}


def _nearest(wanted: int, known: Mapping[str, int]) -> Alike | None:
    """Of which it is a kind, if any are."""
    known = _above(wanted, known) or known
    likeness = {name: _likeness(wanted, meaning) for name, meaning in known.items()}
    best = max(likeness, key=lambda name: likeness[name], default="")
    return Alike((best,), "the nearest") if likeness.get(best, 0.0) >= _ALIKE else None


def _likeness(one: int, other: int) -> float:
    """From 0 to 1; of what is a kind of the other at least `_ALIKE`."""
    says = _lexicon().says
    common = _upwards(one) & _upwards(other)
    shared = max((says[meaning] for meaning in common), default=0.0)
    found = 2 * shared / (says[one] + says[other])
    return max(found, _ALIKE) if other in common else found


def _meanings(word: str) -> list[int]:
    meanings = _lexicon().meanings
    forms = [_USAGE.get(f, f) for f in sorted(singulars(word), key=lambda form: form != word)]
    return next((meanings[form] for form in forms if form in meanings), [])


def _meanings_of_class(name: str) -> list[int]:
    """A ball, if nobody knows a sports ball."""
    meanings = _meanings(name.lower()) or _meanings(name.lower().split()[-1])
    kinds = set(_meanings(_CLASSES.get(name.lower(), "")))
    return [m for m in meanings if kinds & _upwards(m)] if kinds else meanings


@lru_cache(maxsize=10_000)
def _upwards(meaning: int) -> frozenset[int]:
    """It, and all that it is a kind of."""
    above = (_upwards(kind) for kind in _lexicon().kinds_of[meaning])
    return frozenset((meaning,)).union(*above)


@cache
def _lexicon() -> _Lexicon:
    """30 ms."""
    rows = [line.split("\t") for line in gzip.decompress(_FILE.read_bytes()).decode().splitlines()]
    placed: dict[str, list[tuple[int, int]]] = {}
    for meaning, (words, _, _) in enumerate(rows):
        for word, place in _words(words):
            placed.setdefault(word, []).append((place, meaning))
    whole = math.log(len(rows))
    return _Lexicon(
        {word: [meaning for _, meaning in sorted(places)] for word, places in placed.items()},
        [tuple(map(int, kinds.split(","))) if kinds else () for _, kinds, _ in rows],
        [1 - math.log(int(below)) / whole for _, _, below in rows],
    )


def _words(told: str) -> Iterator[tuple[str, int]]:
    for word in filter(None, told.split(",")):
        name, _, place = word.rpartition(":")
        yield name, int(place)
