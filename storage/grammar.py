"""Plain English becomes a `Question`: what is understood is kept word by word, what is not, too."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from storage.clauses import Names, read_clause
from storage.custody import CUSTODY, left_without, not_taken_again, read_custody, read_leaving
from storage.exclusions import When, read_period
from storage.nouns import is_thing
from storage.politeness import read_politeness
from storage.question import (
    COUNTS,
    AskError,
    Bound,
    Clause,
    Form,
    Order,
    Question,
    Relation,
    Span,
    Step,
)
from storage.reading import WH_COLUMNS, Reading, read_camera, read_nobody, unexplained
from storage.segments import Segment, split
from storage.times import Period
from storage.words import (
    BASE_OBJECTS,
    BASE_VERBS,
    DETERMINERS,
    OPERATORS,
    PEOPLE,
    PREPOSITIONS,
    PRONOUNS,
    SEXES,
    Token,
    base_forms,
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
) -> Question:
    """`verbs` and `objects`: names of the database and the model; common ones are known anyway.

    With `open_verbs` any verb of the dictionary is understood, for who can ask stored vectors.
    Give `now` if the question may speak of time, and the zone of who asks. Raises `AskError`.
    """
    told = _tokens(question)
    reading = Reading.of([token.word for token in told])
    read_politeness(reading)
    names = Names({*verbs, *BASE_VERBS}, {*objects, *BASE_OBJECTS}, open_verbs, objects)
    commas = _behind_commas(question, told)
    period, exclusions = read_period(reading, commas, When(now, zone, cameras))
    camera = read_camera(reading, cameras)
    said = [reading.words[i] for i in sorted(reading.free)]  # without times and places
    form = _form(said)
    order = Order.NEWEST if form in COUNTS else _read_order(reading)
    parts = split(reading, commas, names)
    if form in (Form.LIST, Form.YES_NO) and order is Order.NEWEST and _alone(reading, parts[0]):
        form = Form.NOBODY if read_nobody(reading, parts[0].start, parts[0].end) else form
    clause, steps = _read_parts(reading, parts, names)
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


def _read_parts(
    reading: Reading, segments: list[Segment], names: Names
) -> tuple[Clause, list[Step]]:
    """The first part is what is looked for; the others hang on it, each on the one before."""
    first, *others = segments
    leaves = bool(others) and others[0].lacking and read_leaving(reading, first.start, first.end)
    clause, steps = _read_first(reading, first, names)
    for n, segment in enumerate(others):
        following = others[n + 1] if n + 1 < len(others) else None
        if following is not None and following.lacking:
            gone = read_leaving(reading, segment.start, segment.end)
        else:
            gone = False
        part = read_clause(reading, segment.start, segment.end, names)
        if gone and part == Clause():
            leaves = True
        elif segment.lacking and leaves and _is_thing(reading, segment, part):
            if clause.does:
                steps += left_without(part)
            else:
                clause = replace(
                    clause,
                    verbs=("put down",),
                    objects=part.objects,
                    thing_colour=part.thing_colour,
                )
                steps.append(not_taken_again(Bound.SAME))
        elif segment.lacking and not part.does and not _is_thing(reading, segment, part):
            reading.doubt(segment.start - 1)
        elif segment.negated and not segment.lacking and not part.does:
            clause, steps = _excluding(clause, steps, part.objects)
            if not part.objects or part != Clause(objects=part.objects):  # "not in red"
                reading.doubt(segment.start - 1)
        elif not steps and _contrasts(segment, clause, part):
            contrasts = (*clause.contrasts, *part.verbs, *part.phrases)
            clause = replace(clause, contrasts=contrasts)
        elif not steps and segment.both and _shares(reading, segment, clause):
            clause = replace(clause, objects=part.objects, thing_colour=part.thing_colour)
            step = _step(reading, segment, part, clause)
            steps.append(replace(step, thing=Bound.SAME))
        else:
            steps.append(_step(reading, segment, part, steps[-1].clause if steps else clause))
    return clause, steps


def _passive(reading: Reading, end: int) -> bool:
    words = reading.words[:end]
    return bool({"was", "were", "been"} & set(words)) and not any(w.endswith("ing") for w in words)


def _shares(reading: Reading, segment: Segment, clause: Clause) -> bool:
    """ "Picked up and carried a box", not "sat and held a box": has the verb before "and" no thing
    of its own, and is it said in full?"""
    words = reading.words[: segment.start - 1]
    head = max((i for i in reading.verbs.values() if i < segment.start), default=0)
    cut = any(
        verb.split()[0] in base_forms(words[head]) and not set(verb.split()[1:]) <= set(words)
        for verb in clause.verbs
    )
    bare = segment.start - 2 not in reading.free and not clause.phrases
    return bare and clause.thing == Clause() and not cut


def _is_thing(reading: Reading, segment: Segment, part: Clause) -> bool:
    """ "Without the bag", "without it"; not "without person 3"."""
    said = {reading.words[i] for i in range(segment.start, segment.end)}
    return part == part.thing and bool(part.objects or said & {"it", "anything", "them"})


def _contrasts(segment: Segment, clause: Clause, part: Clause) -> bool:
    """ "juggling, not throwing": two verbs for the same at the same time, one of them stored
    nowhere."""
    alone = part == Clause(verbs=part.verbs, phrases=part.phrases)
    now = segment.negated and segment.relation is Relation.WHILE and not segment.lacking
    return now and alone and bool(clause.phrases) and not clause.verbs


def _read_first(reading: Reading, first: Segment, names: Names) -> tuple[Clause, list[Step]]:
    clause = read_clause(reading, first.start, first.end, names)
    if clause.does:
        return clause, []
    verbs, steps = read_custody(reading, first.start, first.end)
    return replace(clause, verbs=verbs), steps


def _excluding(
    clause: Clause, steps: list[Step], objects: tuple[str, ...]
) -> tuple[Clause, list[Step]]:
    """ "but not from a bottle": of the part before."""
    before = steps[-1].clause if steps else clause
    without = replace(before, not_objects=(*before.not_objects, *objects))
    if not steps:
        return without, steps
    return clause, [*steps[:-1], replace(steps[-1], clause=without)]


def _step(reading: Reading, segment: Segment, part: Clause, before: Clause) -> Step:
    person, thing = _bounds(reading, segment, part)
    if segment.negated and not part.objects and person is Bound.SAME:
        thing = Bound.SAME  # "holding, not carrying"
    if not part.does:
        verbs = CUSTODY if segment.lacking else before.verbs
        phrases = () if segment.lacking else before.phrases
        part = replace(part, verbs=verbs, phrases=phrases)
    return Step(segment.relation, part, segment.within, segment.negated, person, thing)


def _bounds(reading: Reading, segment: Segment, part: Clause) -> tuple[Bound, Bound]:
    """The same person unless another one is named; the same thing where it is called "it"."""
    places = range(segment.start, segment.end)
    words = [reading.words[i] for i in places]
    reading.free -= {i for i in places if reading.words[i] in ("else", "another", "same")}
    named = [w for w in words if w in PEOPLE - PRONOUNS | {"nobody", "no"}] and "same" not in words
    if named and {"else", "another"} & set(words):
        person = Bound.OTHER
    elif part.human or part.person is not None or named:
        person = Bound.ANY
    else:
        person = Bound.SAME
    if segment.both and not part.objects and _passive(reading, segment.start - 1):
        return Bound.ANY, Bound.SAME  # "which cups were picked up and put down"
    it = bool({"it", "them"} & set(words)) and not part.objects
    same = "same" in words and bool(part.objects)
    return person, Bound.SAME if it or same else Bound.ANY


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
