"""Finding verbs, objects and cameras among the words of a question, one kind after the other."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from storage.nouns import classes_like, is_thing
from storage.words import (
    ANY_VERB,
    COLOURS,
    DETERMINERS,
    FILLERS,
    PARTICLES,
    PEOPLE,
    PREPOSITIONS,
    SEXES,
    base_forms,
    singulars,
    tokens_of,
)

WH_COLUMNS = {
    **{"who": "who", "whom": "who", "whose": "who", "what": "what", "which": "what"},
    **{"where": "camera", "when": "time"},
}
_ALREADY_SAID = frozenset(("down", "up", "around", "back"))  # "sat down on" is "sat on"
_RELATED = PEOPLE | {"it", "one", "ones", "those"}  # "the one that picked it up"
_GAP = 5  # words between a verb and its particle: "picked the big red box up"


@dataclass(frozen=True)
class Names:
    """What can be spoken of."""

    verbs: Collection[str]
    objects: Collection[str]
    open: bool = False  # any verb of the dictionary can be asked for
    seen: Collection[
        str
    ] = ()  # of the objects those that are stored: what is like them comes first
    hears: Callable[[str], bool] | None = None  # can be told what these words look like


@dataclass(frozen=True)
class Meaning:
    """Which words were explained, by their places, and as what."""

    places: tuple[int, ...]
    text: str


@dataclass
class Reading:
    """Words of a question, and which of them (`free`) nobody has explained yet."""

    words: list[str]
    free: set[int] = field(default_factory=set)
    verbs: dict[str, int] = field(default_factory=dict)  # verb -> where
    objects: dict[str, int] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)  # what a clause says of one -> where
    meanings: list[Meaning] = field(default_factory=list)

    @classmethod
    def of(cls, words: list[str]) -> "Reading":
        return cls(words, set(range(len(words))))

    def part(self, start: int, end: int) -> "Reading":
        """The free words of some places; what is explained there is told here."""
        return Reading(
            self.words, {i for i in self.free if start <= i < end}, meanings=self.meanings
        )

    def explain(self, places: Iterable[int], meaning: str) -> None:
        places = tuple(places)
        self.free -= set(places)
        self.meanings.append(Meaning(places, meaning))

    def doubt(self, i: int) -> None:
        """What was made of the word is not what it says."""
        wrong = [meaning for meaning in self.meanings if i in meaning.places]
        self.free.update([i], *(meaning.places for meaning in wrong))
        self.meanings[:] = [meaning for meaning in self.meanings if meaning not in wrong]

    def take(self, places: Sequence[int], names: Sequence[str], into: dict[str, int]) -> None:
        into |= dict.fromkeys(names, places[0])
        self.explain(places, " or ".join(names))

    def before(self, i: int) -> str:
        return self.words[i - 1] if i else ""

    def find(self, word: str, after: int, within: int) -> int | None:
        for i in range(after + 1, min(after + 1 + within, len(self.words))):
            if i in self.free and self.words[i] == word:
                return i
        return None


def read_verbs(reading: Reading, verbs: Collection[str]) -> None:
    """Whole names, the longest first."""
    said = set[str]().union(*(base_forms(reading.words[i]) for i in reading.free))
    spoken = [verb for verb in verbs if verb.split()[0] in said]
    for verb in sorted(spoken, key=lambda name: (-len(name.split()), name)):
        for i in sorted(reading.free):
            places = _said_at(reading, i, verb.split())
            if places:
                reading.take(places, [verb], reading.verbs)


def _said_at(reading: Reading, i: int, phrase: list[str]) -> list[int]:
    """The places of a verb's words, if it stands at i: "picked the box up", "sat down on"."""
    if phrase[0] not in base_forms(reading.words[i]) or is_noun(reading, i):
        return []
    places = [i]
    for word in phrase[1:]:
        place = reading.find(word, places[-1], _GAP if word in PARTICLES else 1)
        if place is None and set(reading.words[places[-1] + 1 : places[-1] + 2]) <= _ALREADY_SAID:
            places.append(places[-1] + 1)
            place = reading.find(word, places[-1], 1)
        if place is None:
            return []
        places.append(place)
    return places


def is_noun(reading: Reading, i: int) -> bool:
    """Is it "the brown phone" or "many phones", not "the person that phones"?"""
    start = i - 1
    while start > 0 and reading.words[start] in COLOURS | {"different"}:
        start -= 1
    word = reading.words[start] if start in reading.free else ""
    return word in DETERMINERS | {"many"} and not (
        word == "that" and reading.before(start) in _RELATED
    )


def read_objects(reading: Reading, objects: Collection[str]) -> None:
    """Whole names, then the last word of a name ("ball" for "sports ball")."""
    forms = {i: singulars(reading.words[i]) for i in sorted(reading.free)}
    saying: dict[str, list[int]] = {}  # last words of names -> where they may be said
    for i, said in forms.items():
        for form in said:
            saying.setdefault(form, []).append(i)
    spoken = [name for name in objects if name.lower().split()[-1] in saying]
    for name in sorted(spoken, key=lambda name: (-len(name.split()), name)):
        parts = name.lower().split()
        for last in saying[parts[-1]]:
            places = list(range(last - len(parts) + 1, last + 1))
            before = reading.words[max(places[0], 0) : last]
            if reading.free.issuperset(places) and before == parts[:-1]:
                if name == "person" and not any(place < last for place in reading.verbs.values()):
                    continue  # the one who does it
                reading.take(places, [name], reading.objects)
    for i in sorted(reading.free):
        heads = sorted(name for name in spoken if name.lower().split()[-1] in forms[i])
        if reading.words[i] not in PEOPLE and heads:
            reading.take([i], heads, reading.objects)
    for name, i in list(reading.objects.items()):
        if " " not in name and i + 1 in reading.objects.values():  # the colour in "orange cup"
            del reading.objects[name]
            reading.doubt(i)


def read_camera(reading: Reading, cameras: Collection[str]) -> str | None:
    """A camera's name, behind a preposition or "camera" where it could also be something else;
    "front-door" is said as "front door", too."""
    for name in sorted(cameras, key=len, reverse=True):
        parts = _parts(tokens_of(name))
        for i in sorted(reading.free):
            start = i - 1 if reading.before(i) in DETERMINERS else i
            if i and reading.before(start) not in PREPOSITIONS:
                continue
            for end in range(i + 1, min(i + len(parts), len(reading.words)) + 1):
                said = _parts(reading.words[i:end]) == parts
                if said and reading.free.issuperset(range(i, end)):
                    reading.explain(range(i, end), f"camera {name}")
                    return name
    return None


def _parts(words: list[str]) -> list[str]:
    return re.split(r"[\W_]+", " ".join(words))


def read_kinds(
    reading: Reading,
    objects: Collection[str],
    seen: Collection[str],
    *,
    named: bool,
    acts: Collection[int] = (),
) -> None:
    """Things of the dictionary for which there is no class, but classes that are such things or
    like it; with `named` only where "the" or a colour says that a thing is meant, or where a
    question begins. `acts`: places of verbs, which are no things."""
    for i in unexplained(reading):
        beside_one = i + 1 in reading.objects.values()  # "tool" in "tool box"
        word = reading.words[i]
        if beside_one or i in acts or word in PEOPLE or not is_thing(word):
            continue
        if named and i > 0 and not is_noun(reading, i):
            continue
        alike = classes_like(word, seen) or classes_like(word, objects)
        if alike is not None:
            reading.objects |= dict.fromkeys(alike.names, i)
            reading.explain([i], str(alike))


def read_nobody(reading: Reading, start: int, end: int) -> bool:
    """Does a part say that nobody did it? Explains the words."""
    for i in range(start, end):
        places = [i, i + 1] if reading.words[i : i + 2] == ["no", "one"] else [i]
        said = len(places) == 2 or reading.words[i] == "nobody"
        if said and places[-1] < end and reading.free.issuperset(places):
            reading.explain(places, "not anybody")
            return True
    return False


def unexplained(reading: Reading) -> list[int]:
    explained = FILLERS | DETERMINERS | PREPOSITIONS | (PEOPLE - SEXES) | ANY_VERB | set(WH_COLUMNS)
    return [
        i
        for i in sorted(reading.free)
        if reading.words[i] not in explained and not base_forms(reading.words[i]) & ANY_VERB
    ]
