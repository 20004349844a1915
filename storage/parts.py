"""Parts of a question become a clause and the steps that hang on it, each on the one before."""

from dataclasses import replace

from storage.clauses import read_clause
from storage.custody import CUSTODY, left_without, not_taken_again, read_custody, read_leaving
from storage.question import Bound, Clause, Relation, Step
from storage.reading import Names, Reading
from storage.segments import Segment
from storage.words import PEOPLE, PRONOUNS, base_forms


def read_parts(
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
        # Of looks nothing is so sure that it would refute anything.
        known = replace(names, hears=None) if segment.negated else names
        part = read_clause(reading, segment.start, segment.end, known)
        if gone and part == Clause():
            leaves = True
        elif segment.lacking and leaves and _is_thing(reading, segment, part):
            if clause.does:
                steps += left_without(part)
            else:
                clause = replace(clause.with_thing(part), verbs=("put down",))
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
            clause = clause.with_thing(part)
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
    return read_custody(reading, first.start, first.end, clause, names)


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
