"""A question in words becomes filters and columns; knows no database."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.errors import StorageError
from storage.reading import (
    WH_COLUMNS,
    Encode,
    Reading,
    read_camera,
    read_near,
    read_objects,
    read_verbs,
    unexplained,
)
from storage.words import BASE_OBJECTS, BASE_VERBS, OPERATORS, PREPOSITIONS, tokens_of

MAX_CHARACTERS = 500  # a question, not a text


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
    asked = tuple(dict.fromkeys(WH_COLUMNS[word] for word in words if word in WH_COLUMNS))
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
    return after in reading.objects.values() and not between & (
        OPERATORS | PREPOSITIONS | set(WH_COLUMNS)
    )


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
        if re.fullmatch(r"[0-9]{1,9}", word) and reading.before(i) == "person":
            reading.free -= {i, i - 1}
            return None, int(word)
    return None, None


def _since(reading: Reading, now: datetime | None) -> datetime | None:
    """From "last hour" or "past 10 minutes"."""
    words = reading.words
    for i, word in enumerate(words[:-1]):
        if word not in ("last", "past") or now is None:
            continue
        counted = re.fullmatch(r"[0-9]{1,4}", words[i + 1]) is not None
        number, end = (int(words[i + 1]), i + 2) if counted else (1, i + 1)
        unit = words[end].removesuffix("s") + "s" if end < len(words) else ""
        if unit in ("seconds", "minutes", "hours", "days", "weeks"):
            reading.free -= set(range(i, end + 1))
            since = now - timedelta(**{unit: number})
            said = " ".join(words[i : end + 1])
            reading.notes.append(f"{said}: since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
            return since
    return None
