"""Verbs that a vocabulary says otherwise: "hurl" is to throw, "lift up" to pick up, and to juggle
is none of what is seen.

By WordNet (`wordnet.py`), whose words mean much: a verb of the vocabulary is taken where a good
part of what people meant by the word, as counted in texts, is that verb or a way of doing it. A
way of doing it is a kind of it, the surer if its definition begins with the verb ("throw
forcefully"). What has no such verb is none of them, and may be asked of stored vectors.
"""

import gzip
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from storage.nouns import Alike
from storage.words import PARTICLES, PREPOSITIONS

_FILE = Path(__file__).with_name("verbs.tsv.gz")
# Body, eating, contact, motion, sight, having.
_SEEN = frozenset(("29", "34", "35", "38", "39", "40"))
_ABSTRACT = 0.5  # weight of other meanings: who asks a camera rarely means them
_UNCOUNTED = 0.5  # uses of a meaning that was found in no text
_DEFINED, _KIND, _WIDER = 0.9, 0.5, 0.9  # how surely a meaning is that of the verb
_FARTHEST = 3  # steps up to the verb of which it is a kind
_TELLING = 0.48  # what a verb says at least that others are kinds of: to move is everything
_WIDE = 0.4  # the same of "put" for "put down"
_RARE = 0.3  # of a verb of the vocabulary: a meaning this much rarer than its main one is none
_PART = 0.5  # of the uses of a word: below it, the word is another verb
_NEAR = 0.8  # of the best: as good

# Words that texts use of other matters ("took a step", "prices dropped", "brought up children") or
# the dictionary defines by a wider verb (to gulp is to swallow), and what those mean by them who
# ask what was done to a thing: these verbs or none. What was dropped is told as put down.
USAGE = {
    **{"boot": ("kick",), "bring": ("carry",), "climb on": ("stand on",), "collect": ("pick up",)},
    **{"drop": ("put down",), "drop off": ("put down",), "grab": ("pick up",)},
    **{"gulp": ("drink with",), "haul": ("carry", "pull"), "have": ("hold", "carry")},
    **{"lift": ("pick up",), "plug": (), "put": ("put down",), "raise": ("pick up",)},
    **{"seat": ("sit on",), "set": ("put down",), "set down": ("put down",), "slice": ("cut",)},
    **{"slurp": ("drink with",), "snatch": ("pick up",), "speak": ("talk on",)},
    **{"speak on": ("talk on",), "steal": ("pick up",), "strike": ("hit",)},
    **{"take": ("pick up",), "toss": ("throw",), "transport": ("carry",)},
    **{"uncork": ("open",), "unfold": ("open",), "view": ("look at",)},
}
# The dictionary has no verbs with prepositions, but words that mean the same.
_OTHERWISE = {"look at": "watch", "pick up": "get hold of", "talk on": "phone"}


@dataclass(frozen=True)
class _Meaning:
    kinds_of: tuple[int, ...]
    says: float  # 0: everything is a kind of it, 1: it has no kinds
    begins: frozenset[str]  # what its definition begins with
    phrases: frozenset[str]  # its words that are several
    file: str


@dataclass(frozen=True)
class _Lexicon:
    uses: dict[str, list[tuple[int, float]]]  # of a word: meanings, with their counts
    rows: list[str]  # of the file, the meanings


@dataclass(frozen=True)
class _Pair:
    """A word, and one for a verb of the vocabulary."""

    word: str
    verb: str
    names: frozenset[str]  # the verb and its name in the vocabulary
    bound: str = ""  # the name, if a preposition belongs to it that was not said


def is_verb(phrase: str) -> bool:
    return phrase in _lexicon().uses


def verbs_like(said: str, verbs: Collection[str]) -> Alike | None:
    """The verbs of a vocabulary that a verb, also one with a particle or a preposition, means."""
    return _verbs_like(said, frozenset(verbs))


@lru_cache(maxsize=10_000)
def _verbs_like(said: str, verbs: frozenset[str]) -> Alike | None:
    if said in USAGE:
        usual = tuple(name for name in USAGE[said] if name in verbs)
        return Alike(usual, "") if usual else None
    parts = {name: _part(said, name) for name in sorted(verbs) if name != said}
    best = max((part for part, _ in parts.values()), default=0.0)
    if best < _PART:
        return None
    near = [name for name, (part, _) in parts.items() if part >= _NEAR * best]
    plain = tuple(name for name in near if name.rpartition(" ")[0] not in near)  # not "cut with"
    return Alike(plain, "" if all(parts[name][1] for name in plain) else "the nearest")


def _part(said: str, name: str) -> tuple[float, bool]:
    """How much of what the word means is the verb, and if that is mostly the very same."""
    return max((_shared(pair) for pair in _pairs(said, name)), default=(0.0, False))


def _pairs(said: str, name: str) -> Iterator[_Pair]:
    """ "Gaze at" is looked for as "gaze" beside the "look" of "look at", "phone" beside "talk"."""
    head, _, last = name.rpartition(" ")
    verb = head if last in PREPOSITIONS and is_verb(head) else name
    names = frozenset((name, verb))
    yield _Pair(said, verb, names, "" if verb == name or last == "with" else name)
    begun, _, ended = said.rpartition(" ")
    if begun and head and ended == last:
        yield _Pair(begun, head, frozenset((name, head)))
    if name in _OTHERWISE:
        yield _Pair(said, _OTHERWISE[name], frozenset((_OTHERWISE[name],)))


def _shared(pair: _Pair) -> tuple[float, bool]:
    if pair.word == pair.verb:
        return 1.0, True
    wanted = _meanings_of_verb(pair.verb)
    found, same = 0.0, 0.0
    for meaning, part in _parts(pair.word) if wanted else ():
        best = max(_strength(meaning, other, pair) * often for other, often in wanted)
        best = max(best, _WIDER * _is_wider(meaning, wanted[0][0], pair.verb))
        found += part * best
        same += part * best * any(meaning == other for other, _ in wanted)
    return found, same > found / 2


def _strength(meaning: int, other: int, pair: _Pair) -> float:
    """How surely who does the one does the other, the verb's. "Pat or squeeze" is no squeezing:
    what a definition tells beside the word itself is something else."""
    if meaning == other:
        return 1.0
    one, wanted = _meaning(meaning), _meaning(other)
    steps = _upwards(meaning).get(other)
    names = frozenset((pair.bound,)) if pair.bound else pair.names | wanted.phrases
    akin = steps is not None or (one.file == wanted.file and one.file in _SEEN)
    if wanted.says >= _TELLING:
        if akin and names & one.begins and pair.word not in one.begins:
            return _DEFINED
        if steps is not None and any(f"~{name}" in one.begins for name in names):
            return _DEFINED
        if steps is not None and steps <= _FARTHEST and one.begins and not pair.bound:
            return _KIND
    return 0.0


def _is_wider(meaning: int, main: int, verb: str) -> bool:
    """Does a verb only say where to, as "put down" of "put"?"""
    phrasal = verb.split()[-1] in PARTICLES
    return phrasal and meaning in _meaning(main).kinds_of and _meaning(meaning).says >= _WIDE


@lru_cache(maxsize=10_000)
def _parts(word: str) -> list[tuple[int, float]]:
    """What a word means, and which part of its uses."""
    uses = [
        (meaning, count * (1.0 if _meaning(meaning).file in _SEEN else _ABSTRACT))
        for meaning, count in _lexicon().uses.get(word, ())
    ]
    every = sum(count for _, count in uses)
    return [(meaning, count / every) for meaning, count in uses]


@lru_cache(maxsize=10_000)
def _meanings_of_verb(verb: str) -> list[tuple[int, float]]:
    """Those that can be seen, if any, and how much each counts: the word's main one 1."""
    uses = sorted(_parts(verb), key=lambda use: -use[1])
    most = uses[0][1] if uses else 1.0
    kept = [(meaning, part / most) for meaning, part in uses if part / most >= _RARE]
    return [use for use in kept if _meaning(use[0]).file in _SEEN] or kept


@lru_cache(maxsize=10_000)
def _upwards(meaning: int) -> dict[int, int]:
    """It, and all that it is a kind of, with the fewest steps to each."""
    found = {meaning: 0}
    waiting = [meaning]
    for one in waiting:
        for kind in _meaning(one).kinds_of:
            if kind not in found:
                found[kind] = found[one] + 1
                waiting.append(kind)
    return found


@lru_cache(maxsize=20_000)
def _meaning(number: int) -> _Meaning:
    words, kinds, below, begins, file = _lexicon().rows[number].split("\t")
    return _Meaning(
        kinds_of=tuple(map(int, kinds.split(","))) if kinds else (),
        says=1 - math.log(int(below)) / math.log(len(_lexicon().rows)),
        begins=frozenset(begins.split(",")) if begins else frozenset(),
        phrases=frozenset(re.findall(r"[^,:]+ [^,:]+", words)),
        file=file,
    )


@cache
def _lexicon() -> _Lexicon:
    """30 ms."""
    rows = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    uses: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(rows):
        words = row[: row.index("\t")]
        for told in words.split(",") if words else ():
            word, _, count = told.partition(":")
            uses.setdefault(word, []).append((number, int(count) + _UNCOUNTED))
    return _Lexicon(uses, rows)
