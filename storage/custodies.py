"""How long somebody has a thing: what is told of holding and reading it, taken together."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from storage.twice import Viewer

HANDED = timedelta(seconds=3)  # from another's custody: it came from there, or went
_PAUSE = timedelta(seconds=1)  # in hands all the same


class Held(Protocol):
    """A stored interaction that says that somebody has a thing."""

    @property
    def bundle(self) -> str: ...
    @property
    def config(self) -> str: ...
    @property
    def human_track(self) -> str: ...
    @property
    def object_track(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...
    @property
    def peak_score(self) -> float: ...


H = TypeVar("H", bound=Held)


@dataclass
class Custody(Generic[H]):
    """Rows of one pair and viewer without a longer pause, oldest first."""

    rows: list[H]
    until: datetime

    @property
    def viewer(self) -> Viewer:
        return self.rows[0].bundle, self.rows[0].config

    @property
    def person(self) -> str:
        return self.rows[0].human_track

    @property
    def thing(self) -> str:
        return self.rows[0].object_track

    @property
    def since(self) -> datetime:
        return self.rows[0].started_at

    @property
    def belief(self) -> float:
        return max(one.peak_score for one in self.rows)


def custodies(rows: Iterable[H]) -> Iterator[Custody[H]]:
    """Of rows in any order, pair by pair; a number is another thing to another viewer."""
    by_pair = defaultdict[tuple[str, ...], list[H]](list)
    for one in sorted(rows, key=lambda one: one.started_at):
        by_pair[one.bundle, one.config, one.human_track, one.object_track].append(one)
    for mine in by_pair.values():
        custody = Custody(mine[:1], mine[0].ended_at)
        for one in mine[1:]:
            if one.started_at - custody.until > _PAUSE:
                yield custody
                custody = Custody([], one.ended_at)
            custody.rows.append(one)
            custody.until = max(custody.until, one.ended_at)
        yield custody


def given(custody: Custody[H], others: Sequence[Custody[H]]) -> bool:
    """Did somebody else have it just before?

    `others`: custodies of the same thing by others, as the same viewer tells them.
    """
    return any(one.since < custody.since and custody.since - one.until <= HANDED for one in others)


def taken(custody: Custody[H], others: Sequence[Custody[H]]) -> bool:
    """Does somebody else have it right after?"""
    return any(one.until > custody.until and one.since - custody.until <= HANDED for one in others)
