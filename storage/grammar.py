"""Plain English becomes a `Question`: what is understood is kept word by word, what is not, too."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from storage.exclusions import When, read_period
from storage.nouns import is_thing
from storage.parts import read_parts
from storage.politeness import read_politeness
from storage.question import (
    COUNTS,
    AskError,
    Clause,
    Form,
    Order,
    Question,
    Span,
)
from storage.reading import WH_COLUMNS, Names, Reading, read_camera, read_nobody, unexplained
from storage.segments import Segment, split
from storage.times import Period
from storage.words import (
    BASE_OBJECTS,
    BASE_VERBS,
    DETERMINERS,
    OPERATORS,
    PEOPLE,
    PREPOSITIONS,
    SEXES,
    Token,
    tokens,
)

MAX_CHARACTERS = 500  # a question, not a text
_ORDERS = {
    **{"last": Order.LAST, "latest": Order.LAST},
    **{"first": Order.FIRST, "earliest": Order.FIRST, "longest": Order.LONGEST},
}
_YES_NO = frozenset(["did", "do", "does", "is", "are", "was", "were", "has", "have", "had"])


def understand(
    question: str,
    *,
    verbs: Collection[str],
    objects: Collection[str],
    cameras: Collection[str],
    now: datetime | None = None,
    zone: tzinfo = UTC,
    open_verbs: bool = False,
    hears: Callable[[str], bool] | None = None,
) -> Question:
    """`verbs` and `objects`: names of the database and the model; common ones are known anyway.

    With `open_verbs` any verb of the dictionary is understood, for who can ask stored vectors; what
    else somebody looks like, in words that somebody `hears`.
    Give `now` if the question may speak of time, and the zone of who asks. Raises `AskError`.
    """
    told = _tokens(question)
    reading = Reading.of([token.word for token in told])
    read_politeness(reading)
    names = Names({*verbs, *BASE_VERBS}, {*objects, *BASE_OBJECTS}, open_verbs, objects, hears)
    commas = _behind_commas(question, told)
    period, exclusions = read_period(reading, commas, When(now, zone, cameras))
    camera = read_camera(reading, cameras)
    said = [reading.words[i] for i in sorted(reading.free)]  # without times and places
    form = _form(said)
    order = Order.NEWEST if form in COUNTS else _read_order(reading)
    parts = split(reading, commas, names)
    if form in (Form.LIST, Form.YES_NO) and order is Order.NEWEST and _alone(reading, parts[0]):
        form = Form.NOBODY if read_nobody(reading, parts[0].start, parts[0].end) else form
    clause, steps = read_parts(reading, parts, names)
    asked = tuple(dict.fromkeys(WH_COLUMNS[w] for w in reading.words if w in WH_COLUMNS))
    unknown = unexplained(reading)
    meant = clause != Clause() or steps or camera or exclusions or period != Period()
    if not (meant or asked or unknown):
        raise AskError(f"nothing is asked in {question!r}: try 'who picked up what'")
    return Question(
        text=question,
        clause=clause,
        steps=tuple(steps),
        camera=camera,
        since=period.since and period.since.astimezone(UTC),
        until=period.until and period.until.astimezone(UTC),
        exclusions=exclusions,
        asked=asked,
        form=form,
        order=order,
        understood=_spans(told, reading),
        not_understood=tuple(dict.fromkeys(reading.words[i] for i in unknown)),
        absent=tuple(
            dict.fromkeys(w for w in map(reading.words.__getitem__, unknown) if _is_absent(w))
        ),
        answerable=not unknown or (clause.does and all(_idle(reading, i, form) for i in unknown)),
    )


def _read_order(reading: Reading) -> Order:
    found = Order.NEWEST
    for i in sorted(reading.free):
        if reading.words[i] in _ORDERS:
            found = _ORDERS[reading.words[i]]
            reading.explain([i], f"the {found}")
    return found


def _form(words: list[str]) -> Form:
    first = next((word for word in words if word not in PREPOSITIONS | DETERMINERS), "")
    if first in _YES_NO and not set(WH_COLUMNS) & set(words):
        return Form.YES_NO
    if "how" not in words:
        return Form.LIST
    rest = words[words.index("how") + 1 :]
    if rest[:1] == ["often"] or rest[:2] == ["many", "times"]:
        return Form.TIMES
    if rest[:1] != ["many"]:
        return Form.LIST
    counted = rest[2:3] if rest[1:2] == ["different"] else rest[1:2]
    return Form.PEOPLE if set(counted) & PEOPLE else Form.THINGS


def _alone(reading: Reading, first: Segment) -> bool:
    """Is nobody else asked for? "Who did nobody help" is another question."""
    said = {reading.words[i] for i in range(first.start, first.end)}
    return not said & (PEOPLE - {"them"} | set(WH_COLUMNS) | {"how"})


def _is_absent(word: str) -> bool:
    return word not in PEOPLE and is_thing(word)


def _idle(reading: Reading, i: int, form: Form) -> bool:
    """Is the word one of those in front of a thing, as in "the big shiny cup"? Rows may be shown
    without looking whether it was a woman, but nothing be counted or affirmed."""
    if reading.words[i] in SEXES:
        return form is Form.LIST
    after = next((j for j in range(i, len(reading.words)) if j not in reading.free), i)
    between = set(reading.words[i:after])
    return after in reading.objects.values() and not between & (
        OPERATORS | PREPOSITIONS | set(WH_COLUMNS)
    )


def _tokens(question: str) -> list[Token]:
    if not question.strip():
        raise AskError("the question is empty: try 'who picked up what'")
    if len(question) > MAX_CHARACTERS:
        raise AskError(
            f"the question has {len(question)} characters, at most {MAX_CHARACTERS} are read"
        )
    found = tokens(question)
    if not any(re.search(r"[^\W\d_]", token.word) for token in found):
        raise AskError(f"there are no words in {question!r}: try 'who picked up what'")
    return found


def _behind_commas(question: str, told: list[Token]) -> frozenset[int]:
    """Places of the words that a comma precedes."""
    pairs = enumerate(pairwise(told), start=1)
    return frozenset(i for i, (a, b) in pairs if "," in question[a.end : b.start])


def _spans(told: list[Token], reading: Reading) -> tuple[Span, ...]:
    spans = []
    for meaning in reading.meanings:
        first, last = told[min(meaning.places)], told[max(meaning.places)]
        said = " ".join(told[i].word for i in sorted(meaning.places))
        spans.append(Span(first.start, last.end, said, meaning.text))
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))
