"""What else must have happened beside something: time, person and thing of a `Step`."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from storage.interactions import Interaction
from storage.question import Bound, Relation, Step
from storage.told_windows import is_sampled

_FOREVER = timedelta(days=36_500)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


def settled(
    anchors: Sequence[Interaction], gaps: Mapping[uuid.UUID, float], step: Step, last: Interaction
) -> bool:
    """Does nothing behind the last one change what was found, at such gaps from the anchors?"""
    if any(anchor.id not in gaps for anchor in anchors):
        return False
    if step.negated:
        return True
    later = step.relation is Relation.THEN
    return later and all(gaps[one.id] < gap(one, last).total_seconds() for one in anchors)


class Partners:
    """The anchors of which an event can be the step, found by what both must share."""

    def __init__(self, anchors: Sequence[Interaction], step: Step, slack: timedelta) -> None:
        self._step, self._slack = step, slack
        self._by: dict[str, list[Interaction]] = defaultdict(list)
        for anchor in anchors:
            self._by[self._key(anchor)].append(anchor)

    def of(self, other: Interaction) -> list[Interaction]:
        anchors = self._by.get(self._key(other), [])
        return [anchor for anchor in anchors if fits(self._step, anchor, other, self._slack)]

    def _key(self, one: Interaction) -> str:
        if self._step.person is Bound.SAME:
            return one.human_track
        return one.object_track if self._step.thing is Bound.SAME else ""


def fits(step: Step, anchor: Interaction, other: Interaction, slack: timedelta) -> bool:
    """Do time, person and thing of the other event fit the anchor? Its clause is not looked at.

    `slack`: how far from its samples what is known by these may have gone on.
    """
    if anchor.id == other.id:
        return False
    for bound, a, b in (
        (step.person, anchor.human_track, other.human_track),
        (step.thing, anchor.object_track, other.object_track),
    ):
        if bound is not Bound.ANY and (a == b) is not (bound is Bound.SAME):
            return False
    if step.relation is Relation.WHILE:
        sampled = is_sampled(anchor) or is_sampled(other)
        return gap(anchor, other) <= (slack if sampled else timedelta())
    if step.relation is Relation.THEN and other.started_at <= anchor.started_at:
        return False
    if step.relation is Relation.AFTER and other.started_at >= anchor.started_at:
        return False
    return step.within is None or gap(anchor, other) <= step.within


def gap(a: Interaction, b: Interaction) -> timedelta:
    """From the end of the earlier to the start of the later; zero where they overlap."""
    first, second = sorted((a, b), key=lambda one: one.started_at)
    return max(second.started_at - first.ended_at, timedelta())


def clusters(
    anchors: Sequence[Interaction], step: Step, slack: timedelta, *, asked: bool
) -> Iterator[tuple[list[Interaction], datetime, datetime]]:
    """Anchors whose windows of time overlap, and that window.

    Where stored vectors are `asked` it begins and ends two samples further out: what goes on there
    would otherwise seem to begin or to end at the window's edge.
    """
    cluster: list[Interaction] = []
    since = until = EARLIEST
    for anchor in sorted(anchors, key=lambda one: one.started_at):
        begin, end = _window(anchor, step)
        around = 3 * slack if asked else slack if is_sampled(anchor) else timedelta()
        begin, end = begin - min(around, begin - EARLIEST), end + min(around, LATEST - end)
        if cluster and begin > until:
            yield cluster, since, until
            cluster = []
        if not cluster:
            since, until = begin, end
        cluster.append(anchor)
        since, until = min(since, begin), max(until, end)
    if cluster:
        yield cluster, since, until


def _window(anchor: Interaction, step: Step) -> tuple[datetime, datetime]:
    within = _FOREVER if step.within is None else step.within
    begin, end = anchor.started_at, anchor.ended_at
    if step.relation in (Relation.AFTER, Relation.NEAR):
        begin = begin - min(within, begin - EARLIEST)
    if step.relation in (Relation.THEN, Relation.NEAR):
        end = end + min(within, LATEST - end)
    return begin, end
