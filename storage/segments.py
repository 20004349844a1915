"""Where a question has several parts: "sat on a bench | and then left | without the backpack"."""

from dataclasses import dataclass, replace
from datetime import timedelta

from storage.nouns import classes_like
from storage.question import AskError, Relation
from storage.reading import Names, Reading, is_noun, read_nobody
from storage.times import read_duration
from storage.verbs import verbs_like
from storage.words import (
    AUXILIARIES,
    PEOPLE,
    base_forms,
    singulars,
    verb_lemma,
)

MOST_SEGMENTS = 5
_APART = timedelta(hours=1)  # where the question gives no limit
_RELATIONS = {
    "then": Relation.THEN,
    "before": Relation.THEN,
    "after": Relation.AFTER,
    "while": Relation.WHILE,
    "without": Relation.WHILE,
}
_NOT = frozenset(("not", "never", "didn't", "didn’t"))
_LATER = frozenset(("afterwards", "afterward", "later"))
_SUBJECT = AUXILIARIES | PEOPLE | _LATER | {"else", "another"}
_AUXILIARY = frozenset(["did", "do", "does", "was", "were", "is", "are", "has", "have", "had"])


@dataclass(frozen=True)
class Segment:
    """Places `start` to `end` of the words, and how they hang on the part before."""

    start: int
    end: int
    relation: Relation = Relation.THEN  # of no use in the first part
    negated: bool = False
    lacking: bool = False  # "without ..."
    within: timedelta | None = None
    both: bool = False  # "... and ..."


@dataclass(frozen=True)
class _Connector:
    start: int
    end: int
    relation: Relation
    negated: bool = False
    lacking: bool = False
    within: timedelta | None = None
    both: bool = False


def split(reading: Reading, commas: frozenset[int], names: Names) -> list[Segment]:
    """`commas`: places of words that follow one. Connecting words are explained."""
    found: list[_Connector] = []
    i = 0
    while i < len(reading.words):
        connector = _connector_at(reading, i, commas) if i in reading.free and i else None
        if connector is None and reading.words[i] == "and" and i in reading.free:
            start = found[-1].end if found else 0
            connector = _both_at(reading, i, start, names)
        if connector is None or connector.end >= len(reading.words):
            i += 1
            continue
        found.append(connector)
        i = connector.end
    found = _nobody(reading, _later(reading, found))
    if len(found) >= MOST_SEGMENTS:
        raise AskError(f"the question has more than {MOST_SEGMENTS} parts: ask for fewer at once")
    limits = _trailing_limits(reading, found)
    apart = [_apart(c, limit) for c, limit in zip(found, limits, strict=True)]
    for connector, limit in zip(found, apart, strict=True):
        reading.explain(range(connector.start, connector.end), _meaning(connector, limit))
    starts = [0, *(connector.end for connector in found)]
    ends = [*(connector.start for connector in found), len(reading.words)]
    first = Segment(starts[0], ends[0])
    return [first] + [
        Segment(start, end, c.relation, c.negated, c.lacking, limit, c.both)
        for start, end, c, limit in zip(starts[1:], ends[1:], found, apart, strict=True)
    ]


def _connector_at(reading: Reading, i: int, commas: frozenset[int]) -> _Connector | None:
    words = reading.words
    start = i - 1 if reading.before(i) in ("and", "but", "or") and i - 1 in reading.free else i
    if words[i] in _NOT:
        return _negation_at(reading, i, commas)
    if words[i] == "within" and (length := read_duration(reading, i + 1)) is not None:
        end = length[1]
        word = words[end] if end < len(words) else ""
        if word in ("of", "after", "before"):
            return _Connector(start, end + 1, _RELATIONS.get(word, Relation.NEAR), within=length[0])
        return None
    if words[i] in _RELATIONS:
        end = i + 1
        if words[i] == "after" and end < len(words) and words[end] in ("that", "which", "this"):
            return _Connector(start, end + 1, Relation.THEN)
        lacking = words[i] == "without"
        return _Connector(start, end, _RELATIONS[words[i]], negated=lacking, lacking=lacking)
    return None


def _both_at(reading: Reading, i: int, start: int, names: Names) -> _Connector | None:
    """ "Picked up a box and kicked a ball": one and the same did both."""
    after = i + 1
    while reading.words[after : after + 1] and reading.words[after] in _SUBJECT:
        after += 1
    acts = _acts(reading, {after, *range(start, i)} & reading.free, names)
    return (
        _Connector(i, i + 1, Relation.NEAR, both=True) if after in acts and len(acts) > 1 else None
    )


def _acts(reading: Reading, places: set[int], names: Names) -> set[int]:
    """Those of the words that are verbs where they stand; "and phone" is a thing."""
    heads = {phrase.split()[0] for phrase in names.verbs}
    things = {word for name in names.objects for word in name.split()[-1:]}
    found = set()
    for i in places:
        word, forms = reading.words[i], base_forms(reading.words[i])
        lemma = verb_lemma(word)
        opens = names.open and len(forms) > 1 and lemma is not None
        told = opens or heads & forms or (lemma and verbs_like(lemma, names.verbs))
        thing = singulars(word) & things or classes_like(word, names.objects)
        if told and not thing and not is_noun(reading, i):
            found.add(i)
    return found


def _negation_at(reading: Reading, i: int, commas: frozenset[int]) -> _Connector | None:
    """ "but not", "and did not", ", not"; any other "not" turns the whole question round."""
    words, start = reading.words, i
    helped = words[i] not in ("not",)
    while start and words[start - 1] in _AUXILIARY and start - 1 in reading.free:
        start, helped = start - 1, True
    joined = reading.before(start) in ("but", "and")
    if not joined and start not in commas:
        return None
    relation = Relation.THEN if helped else Relation.WHILE
    return _Connector(start - joined, i + 1, relation, negated=True)


def _later(reading: Reading, found: list[_Connector]) -> list[_Connector]:
    """ "but not ... afterwards" is later, wherever in its part the word stands."""
    ends = [*(connector.start for connector in found[1:]), len(reading.words)]
    told = []
    for connector, end in zip(found, ends, strict=False):
        places = [
            i for i in range(connector.end, end) if i in reading.free and reading.words[i] in _LATER
        ]
        if places and connector.relation is not Relation.AFTER:
            reading.explain(places, "later")
            connector = replace(connector, relation=Relation.THEN)
        told.append(connector)
    return told


def _nobody(reading: Reading, found: list[_Connector]) -> list[_Connector]:
    """ "while nobody ...": the part turned round."""
    ends = [*(connector.start for connector in found[1:]), len(reading.words)]
    return [
        replace(c, negated=True) if not c.negated and read_nobody(reading, c.end, end) else c
        for c, end in zip(found, ends, strict=False)
    ]


def _trailing_limits(reading: Reading, found: list[_Connector]) -> list[timedelta | None]:
    """For each connector the "within 10 seconds" that ends its part."""
    limits: list[timedelta | None] = []
    ends = [*(connector.start for connector in found[1:]), len(reading.words)]
    for connector, end in zip(found, ends, strict=False):
        limit = None
        for i in range(connector.end, end):
            length = read_duration(reading, i + 1) if reading.words[i] == "within" else None
            if length is not None and i in reading.free:
                limit = length[0]
                reading.explain(range(i, length[1]), f"at most {limit} apart")
        limits.append(limit)
    return limits


def _apart(connector: _Connector, limit: timedelta | None) -> timedelta | None:
    if connector.within is not None or limit is not None:
        return connector.within or limit
    return None if connector.negated or connector.relation is Relation.WHILE else _APART


def _meaning(connector: _Connector, apart: timedelta | None) -> str:
    meant = {
        Relation.THEN: "later",
        Relation.AFTER: "earlier",
        Relation.WHILE: "at the same time",
        Relation.NEAR: "earlier or later",
    }[connector.relation]
    limit = "" if apart is None else f", at most {apart} apart"
    return ("not " if connector.negated else "") + meant + limit
