"""Where a thing was is not stored: "on a table" of "put a cup on a table" is said to be unknown."""

from storage.reading import Reading, unexplained
from storage.words import ADPOSITIONS, COLOURS, DETERMINERS, PREPOSITIONS

_BEFORE_PLACES = ADPOSITIONS | {"by", "near"} - {"of", "for"}
_SOMETHING = frozenset(("it", "something", "anything", "everything", "what"))


def leave_places(reading: Reading, *, does: bool) -> None:
    """Of the things of a part with `does`, what they do, those that a preposition places where
    another thing, or "it", is what is done with; that of "drank from a cup" is no place."""
    behind = _behind(reading)
    told = {reading.words[i] for i in reading.free}
    by_preposition = any(set(verb.split()[1:]) & PREPOSITIONS for verb in reading.verbs)
    direct = 0 in behind.values() or (does and not by_preposition and told & _SOMETHING)
    meant = 0 if direct else min(behind.values(), default=0)
    for name, i in list(reading.objects.items()):
        if behind[i] != meant:
            del reading.objects[name]
            reading.doubt(i)


def _behind(reading: Reading) -> dict[int, int]:
    """For each thing the place of its preposition, one that belongs to no verb, or 0; "or a box" is
    where the cup before is."""
    idle = {i for i in unexplained(reading) if reading.words[i] not in _BEFORE_PLACES}
    behind, last = dict[int, int](), 0
    for i in sorted(set(reading.objects.values())):
        before = i - 1
        while before >= 0 and (
            before in idle or reading.words[before] in DETERMINERS | COLOURS - {"orange"}
        ):
            before -= 1
        places = before in reading.free and reading.words[before] in _BEFORE_PLACES
        joining = reading.before(before if places else before + 1)
        if joining not in ("and", "or"):
            last = before if places else 0
        behind[i] = last
    return behind
