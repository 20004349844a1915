"""A question in words becomes filters and columns; knows no database."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from storage.errors import StorageError
from storage.words import (
    ANY_VERB,
    BASE_OBJECTS,
    BASE_VERBS,
    DETERMINERS,
    FILLERS,
    OBJECT_SYNONYMS,
    OPERATORS,
    PARTICLES,
    PEOPLE,
    PREPOSITIONS,
    VERB_SYNONYMS,
    base_forms,
    named,
    singulars,
    tokens_of,
)

Encode = Callable[[list[str]], npt.NDArray[np.floating]]  # (n,) phrases -> (n, D)

MAX_CHARACTERS = 500  # a question, not a text
_NEAR = 0.9  # cosine from which a foreign word is taken for one we know
_WH = {
    **{"who": "who", "whom": "who", "whose": "who", "what": "what", "which": "what"},
    **{"where": "camera", "when": "time"},
}
_GAP = 5  # words between a verb and its particle: "picked the big red box up"


class AskError(StorageError):
    """The question cannot be understood; the message says why."""


@dataclass(frozen=True)
class Question:
    """Filters are empty or None where the question leaves them open."""

    text: str
    verbs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    camera: str | None = None
    human: str | None = None  # track, camera:epoch:n
    person: int | None = None  # "person 3", as in a label
    asked: tuple[str, ...] = ()  # columns that a wh-word asks for
    counts: bool = False  # "how many"
    newest: bool = False  # "who had it last"
    since: datetime | None = None
    understood: tuple[str, ...] = ()  # "picked up: pick up", for the user
    not_understood: tuple[str, ...] = ()
    answerable: bool = True  # False: without these words it would be another question


@dataclass
class Reading:
    """Words of a question, and which of them are explained."""

    words: list[str]
    free: set[int] = field(default_factory=set)
    verbs: dict[str, int] = field(default_factory=dict)  # verb -> where
    objects: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.free = set(range(len(self.words)))

    def take(self, places: Sequence[int], meanings: Sequence[str], into: dict[str, int]) -> None:
        self.free -= set(places)
        into |= dict.fromkeys(meanings, places[0])
        said = " ".join(self.words[i] for i in places)
        if (said,) != tuple(meanings):
            self.notes.append(f"{said}: {' or '.join(meanings)}")

    def before(self, i: int) -> str:
        return self.words[i - 1] if i else ""

    def find(self, word: str, after: int, within: int) -> int | None:
        for i in range(after + 1, min(after + 1 + within, len(self.words))):
            if i in self.free and self.words[i] == word:
                return i
        return None


def read_verbs(reading: Reading, verbs: Collection[str]) -> None:
    """Whole names first, the longest first; then synonyms; then "sat" for "sit on"."""
    for verb in sorted(verbs, key=lambda name: (-len(name.split()), name)):
        head, *rest = verb.split()
        for i in sorted(reading.free):
            if head not in base_forms(reading.words[i]) or reading.before(i) in DETERMINERS:
                continue
            places: list[int] = [i]
            for word in rest:
                place = reading.find(word, places[-1], _GAP if word in PARTICLES else 1)
                if place is None:
                    break
                places.append(place)
            if len(places) == len(rest) + 1:
                reading.take(places, [verb], reading.verbs)
    for i in sorted(reading.free):
        forms = base_forms(reading.words[i])
        if reading.before(i) in DETERMINERS or _phrasal(reading, i):
            continue
        synonyms = [v for form in forms for v in VERB_SYNONYMS.get(form, ()) if v in verbs]
        if synonyms and not ("have" in forms and reading.verbs):  # "have they picked it up"
            reading.take([i], synonyms, reading.verbs)
            continue
        heads = sorted(verb for verb in verbs if verb.split()[0] in forms and " " in verb)
        if heads and not reading.verbs:
            reading.take([i], heads, reading.verbs)


def _phrasal(reading: Reading, i: int) -> bool:
    """Is this "take off" or "put on": another verb than its first word?"""
    after = reading.words[i + 1] if i + 1 < len(reading.words) else ""
    return after in PARTICLES or (after == "on" and "put" in base_forms(reading.words[i]))


def read_objects(reading: Reading, objects: Collection[str]) -> None:
    """Whole names, then the last word of a name ("ball" for "sports ball"), then synonyms."""
    for name in sorted(objects, key=lambda name: (-len(name.split()), name)):
        size = len(name.split())
        for i in range(len(reading.words) - size + 1):
            places = list(range(i, i + size))
            words = [reading.words[place] for place in places]
            forms = singulars(words[-1])
            if reading.free.issuperset(places) and named(words, name.lower(), forms):
                if name == "person" and not any(place < i for place in reading.verbs.values()):
                    continue  # the one who does it
                reading.take(places, [name], reading.objects)
    for i in sorted(reading.free):
        forms = singulars(reading.words[i])
        synonyms = [o for form in forms for o in OBJECT_SYNONYMS.get(form, ()) if o in objects]
        last = [name for name in sorted(objects) if name.lower().split()[-1] in forms]
        if reading.words[i] not in PEOPLE and (synonyms or last):
            reading.take([i], synonyms or last, reading.objects)
    for name, i in list(reading.objects.items()):
        if " " not in name and i + 1 in reading.objects.values():  # the colour in "orange cup"
            del reading.objects[name]
            reading.free.add(i)


def read_camera(reading: Reading, cameras: Collection[str]) -> str | None:
    """A camera's name, behind a preposition or "camera" where it could also be something else."""
    for name in sorted(cameras, key=len, reverse=True):
        parts = tokens_of(name)
        for i in range(len(reading.words) - len(parts) + 1):
            places = list(range(i, i + len(parts)))
            start = i - 1 if reading.before(i) in DETERMINERS else i
            placed = i == 0 or reading.before(start) in PREPOSITIONS
            said = reading.words[i : i + len(parts)] == parts and reading.free.issuperset(places)
            if parts and placed and said:
                reading.free -= set(places)
                return name
    return None


def read_near(
    reading: Reading, verbs: Collection[str], objects: Collection[str], encode: Encode
) -> None:
    """Words nobody knows are taken for the known name with the nearest embedding, if one is."""
    unknown = [i for i in unexplained(reading) if reading.words[i] not in OPERATORS]
    names = [*sorted(verbs), *sorted(objects)]
    if not unknown or not names:
        return
    vectors = np.asarray(encode([*names, *(reading.words[i] for i in unknown)]), np.float64)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    nearness = vectors[len(names) :] @ vectors[: len(names)].T  # (unknown, names)
    for i, row in zip(unknown, nearness, strict=True):
        best = int(np.argmax(row))
        if np.isfinite(row[best]) and row[best] >= _NEAR:
            into = reading.verbs if best < len(verbs) else reading.objects
            reading.take([i], [names[best]], into)
            reading.notes[-1] += f" (the nearest, {row[best]:.2f})"


def unexplained(reading: Reading) -> list[int]:
    explained = FILLERS | DETERMINERS | PREPOSITIONS | PEOPLE | ANY_VERB | set(_WH)
    return [
        i
        for i in sorted(reading.free)
        if reading.words[i] not in explained and not base_forms(reading.words[i]) & ANY_VERB
    ]


def understand(
    question: str,
    *,
    verbs: Collection[str],
    objects: Collection[str],
    cameras: Collection[str],
    encode: Encode | None = None,
    now: datetime | None = None,
) -> Question:
    """`verbs` and `objects`: names of the database and the model; common ones are known anyway.

    Give `now` if the question may say "in the last ten minutes".
    """
    words = _words(question)
    verbs, objects = {*verbs, *BASE_VERBS}, {*objects, *BASE_OBJECTS}
    reading = Reading(words)
    human, person = _who(reading)
    camera = read_camera(reading, cameras)
    counts = "how" in words and bool({"many", "often"} & set(words))
    since = _since(reading, now)
    newest = [i for i in reading.free if words[i] in ("last", "latest")]
    reading.free -= set(newest)
    read_verbs(reading, verbs)
    read_objects(reading, objects)
    if encode is not None:
        read_near(reading, verbs, objects, encode)
    unknown = unexplained(reading)
    asked = tuple(dict.fromkeys(_WH[word] for word in words if word in _WH))
    meant = bool(reading.verbs or reading.objects or camera or human or person is not None)
    if not (meant or asked or unknown):
        raise AskError(f"nothing is asked in {question!r}: try 'who picked up what'")
    answerable = not unknown or (bool(reading.verbs) and all(_idle(reading, i) for i in unknown))
    return Question(
        text=question,
        verbs=tuple(reading.verbs),
        objects=tuple(reading.objects),
        camera=camera,
        human=human,
        person=person,
        asked=asked,
        counts=counts,
        newest=bool(newest),
        since=since,
        understood=tuple(reading.notes),
        not_understood=tuple(dict.fromkeys(words[i] for i in unknown)),
        answerable=answerable,
    )


def _idle(reading: Reading, i: int) -> bool:
    """Is the word one of those in front of a thing, as in "the big red cup"?"""
    after = next((j for j in range(i, len(reading.words)) if j not in reading.free), i)
    between = set(reading.words[i:after])
    return after in reading.objects.values() and not between & (OPERATORS | PREPOSITIONS | set(_WH))


def _words(question: str) -> list[str]:
    if not question.strip():
        raise AskError("the question is empty: try 'who picked up what'")
    if len(question) > MAX_CHARACTERS:
        raise AskError(
            f"the question has {len(question)} characters, at most {MAX_CHARACTERS} are read"
        )
    words = tokens_of(question)
    if not any(re.search(r"[^\W\d_]", word) for word in words):
        raise AskError(f"there are no words in {question!r}: try 'who picked up what'")
    return words


def _who(reading: Reading) -> tuple[str | None, int | None]:
    """A track (`gate:0:3`) or a person by number (`person 3`)."""
    for i, word in enumerate(reading.words):
        if re.fullmatch(r".+:\d+:\d+", word):
            reading.free.discard(i)
            return word, None
        if word.isdigit() and reading.before(i) == "person":
            reading.free -= {i, i - 1}
            return None, int(word)
    return None, None


def _since(reading: Reading, now: datetime | None) -> datetime | None:
    """From "last hour" or "past 10 minutes"."""
    words = reading.words
    for i, word in enumerate(words[:-1]):
        if word not in ("last", "past") or now is None:
            continue
        number = int(words[i + 1]) if re.fullmatch(r"\d{1,4}", words[i + 1]) else 1
        end = i + 1 + words[i + 1].isdigit()
        unit = words[end].removesuffix("s") + "s" if end < len(words) else ""
        if unit in ("seconds", "minutes", "hours", "days", "weeks"):
            reading.free -= set(range(i, end + 1))
            since = now - timedelta(**{unit: number})
            said = " ".join(words[i : end + 1])
            reading.notes.append(f"{said}: since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
            return since
    return None
