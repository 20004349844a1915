"""Time logic over stored events: rows of one clause that hold with the steps that hang on it.

Candidates come from the database page by page; the joins are made here, on one page of each side at
a time, so that memory is bounded however long a camera has been watched.
"""

import heapq
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import islice

from sqlalchemy.orm import Session

from storage.filters import Filters
from storage.implied import implied
from storage.interactions import Interaction
from storage.names import object_classes_seen
from storage.open_verbs import Retrieval
from storage.question import Clause, Order, Question, Relation, Step
from storage.repository import find_interactions
from storage.steps import Partners, clusters, gap, settled
from storage.told_windows import order_of, slack_of, without_told
from storage.track_rows import out_of_sight

_PAGE, _OTHERS = 100, 1000  # rows at a time of what is looked for, and of what hangs on it
_PAUSE = timedelta(seconds=1)  # of a custody that is told in other words
_MOST_OTHERS = 100_000  # rows that are looked through for what hangs on those looked for


@dataclass(frozen=True)
class Match:
    """A row, and what happened with it, one for each step that is not negated."""

    interaction: Interaction
    evidence: tuple[Interaction, ...] = ()
    likelihood: float | None = None  # of all that together; None: not looked at
    same: tuple[uuid.UUID, ...] = ()  # interactions that are this row in other words


class _TooMuchError(Exception):
    """More would have to be looked through than anybody waits for; or it was not."""


class _Budget:
    """Of rows, for all steps of a question together."""

    def __init__(self) -> None:
        self._left = _MOST_OTHERS

    def spend(self, rows: int) -> None:
        self._left -= rows
        if self._left < 0:
            raise _TooMuchError


def each_once(matches: Sequence[Match]) -> list[Match]:
    """Of those that are the same moment in other words, the first, which knows the others.

    A thing that somebody picks up, holds and carries, and somebody else then holds and carries, is
    handed over once.
    """
    by_tracks: dict[tuple[str, ...], list[list[Match]]] = defaultdict(list)
    kept: list[list[Match]] = []
    for match in matches:
        parts = (match.interaction, *match.evidence)
        told = by_tracks[tuple(t for one in parts for t in (one.human_track, one.object_track))]
        mine = next((some for some in told if any(_is_same(match, one) for one in some)), [])
        if not mine:
            told.append(mine)
            kept.append(mine)
        mine.append(match)
    return [
        replace(first, same=tuple(other.interaction.id for other in others))
        for first, *others in kept
    ]


def _is_same(a: Match, b: Match) -> bool:
    """Of the same people and things: does the one overlap, or does all that follows coincide?"""
    if not gap(a.interaction, b.interaction):
        return True
    return all(gap(*both) <= _PAUSE for both in zip(a.evidence, b.evidence, strict=True))


@dataclass(frozen=True)
class Source:
    """Where interactions come from: the stored ones, and those that stored vectors tell of."""

    session: Session
    retrieval: Retrieval
    weaker: Retrieval | None = None  # also what was not likely enough to be told
    budget: _Budget = field(default_factory=_Budget)

    def pages(self, clause: Clause, window: Filters, size: int) -> Iterator[list[Interaction]]:
        """All of a clause, in order, never more than `size` at once."""
        filters: Filters = {**window, **self.filters(clause)}
        stored = _stored(self.session, filters, size)
        moments = [*self.retrieval.moments(clause, filters), *self._less_sure(clause, filters)]
        if moments and clause.verbs:  # another bundle may have seen the same live
            first = min(m.started_at - slack_of(m) for m in moments)
            last = max(m.ended_at + slack_of(m) for m in moments)
            near: Filters = {**filters, "since": first, "until": last}
            moments = without_told(moments, _stored(self.session, near, _OTHERS))
        order = partial(order_of, upwards=filters.get("oldest_first", False))
        both = heapq.merge(stored, sorted(moments, key=order), key=order)
        while page := list(islice(both, size)):
            yield page

    def filters(self, clause: Clause) -> Filters:
        """Of one clause, wherever and whenever."""
        return {**clause_filters(self.session, clause), **self.retrieval.looks.filters(clause)}

    def _less_sure(self, clause: Clause, filters: Filters) -> list[Interaction]:
        if self.weaker is None:
            return []
        return [
            *self.weaker.moments(clause, filters),
            *implied(self.session, clause.verbs, filters),
        ]


class Matches:
    """Newest first, or oldest if that is the order; `complete` is known when they are through."""

    def __init__(self, source: Source, question: Question, filters: Filters, *, most: int) -> None:
        """`most` rows are looked at, by the page, and told as long as all is looked through that
        may hang on them."""
        self.source, self._question, self._most = source, question, most
        self.filters: Filters = {**filters, "oldest_first": question.order is Order.FIRST}
        self._all_seen = True

    @property
    def complete(self) -> bool:
        return self._all_seen and self.source.retrieval.complete

    def __iter__(self) -> Iterator[Match]:
        camera, seen = self.filters.get("camera"), 0
        for page in self.source.pages(self._question.clause, self.filters, _PAGE):
            if seen >= self._most:
                self._all_seen = False
                return
            seen += len(page)
            page = [one for one in page if not self._excluded(one)]
            try:
                held = _holding(self.source, page, self._question.steps, camera)
            except _TooMuchError:
                self._all_seen = False
                return
            yield from (Match(one, held[one.id]) for one in page if one.id in held)

    def _excluded(self, one: Interaction) -> bool:
        excluded = self._question.exclusions
        return any(part.covers(one.camera, one.started_at, one.ended_at) for part in excluded)


def _holding(
    source: Source, anchors: Sequence[Interaction], steps: Sequence[Step], camera: str | None
) -> dict[uuid.UUID, tuple[Interaction, ...]]:
    """The anchors for which all steps hold, with the evidence nearest in time."""
    if not steps or not anchors:
        return {one.id: () for one in anchors}
    step, rest = steps[0], steps[1:]
    if step.negated:
        sure = replace(source, weaker=None)  # what may have happened refutes nothing
        cuts = source.retrieval.cuts
        found = _best(sure, anchors, step, (), camera)
        kept = [one for one in anchors if one.id not in found]
        if kept and source.retrieval.cuts > cuts:
            raise _TooMuchError  # it may have happened where nobody has looked
        if step.gone:
            people = {one.human_track: one.camera for one in kept}
            gone = out_of_sight(source.session, people)
            kept = [one for one in kept if one.human_track in gone]
        return _holding(source, kept, rest, camera)
    return _best(source, anchors, step, rest, camera)


def _best(
    source: Source,
    anchors: Sequence[Interaction],
    step: Step,
    rest: Sequence[Step],
    camera: str | None,
) -> dict[uuid.UUID, tuple[Interaction, ...]]:
    """For each anchor the nearest event of the step for which the rest holds."""
    best: dict[uuid.UUID, tuple[tuple[float, str], tuple[Interaction, ...]]] = {}
    slack = source.retrieval.slack
    asked = bool(source.retrieval.asked(step.clause))
    for cluster, since, until in clusters(anchors, step, slack, asked=asked):
        partners = Partners(cluster, step, slack)
        upwards = step.relation is Relation.THEN  # what is nearest comes first
        window: Filters = {
            "camera": camera,
            "since": since,
            "until": until,
            "oldest_first": upwards,
        }
        for page in source.pages(step.clause, window, _OTHERS):
            source.budget.spend(len(page))
            pairs = [(anchor, other) for other in page for anchor in partners.of(other)]
            others = {other.id: other for _, other in pairs}
            held = _holding(source, list(others.values()), rest, camera)
            for anchor, other in pairs:
                if other.id not in held:
                    continue
                key = gap(anchor, other).total_seconds(), other.id.hex
                if anchor.id not in best or key < best[anchor.id][0]:
                    best[anchor.id] = key, (other, *held[other.id])
            found = {id_: key[0] for id_, (key, _) in best.items()}
            if settled(cluster, found, step, page[-1]):
                break
    return {id_: evidence for id_, (_, evidence) in best.items()}


def clause_filters(session: Session, clause: Clause) -> Filters:
    """Of one clause; things that are excluded become those that are left."""
    objects = set(clause.objects) or None
    if clause.not_objects:
        objects = (objects or set(object_classes_seen(session))) - set(clause.not_objects)
    return {
        "verbs": clause.verbs or (() if clause.phrases else None),
        "object_classes": objects,
        "human": clause.human,
        "person": clause.person,
        "person_colour": clause.person_colour,
        "upper_colour": clause.upper_colour,
        "lower_colour": clause.lower_colour,
        "thing_colour": clause.thing_colour,
    }


def _stored(session: Session, filters: Filters, size: int) -> Iterator[Interaction]:
    """All rows, in order, read by `size`."""
    filters = {**filters}
    while True:
        page = find_interactions(session, limit=size, **filters)
        yield from page
        if len(page) < size:
            return
        filters["beyond"] = page[-1].started_at, page[-1].id
