"""Evidence at stored times becomes windows: from when to when a pair did something.

What `stream/smooth.py` and `stream/intervals.py` do frame by frame, over the frames that are
stored: the same windows where these are all, else their ends are known to the time between two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from storage.smoothing import VerbSmoothing

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]
Belief = tuple[int, float, float]  # row, seconds, probability

_HALF = 0.5
_FADE_SECONDS = 1.0  # of a belief while its pair is not seen
_FORGET_SECONDS = 3.0  # without being seen; then it begins anew
_UNSEEN = 1.5  # sampling intervals: after a longer gap the pair was not there
_NOTHING = 1e-9  # probability that is left of an earlier belief
_UNLIKELY, _LIKELY = np.finfo(np.float32).tiny, 1 - np.finfo(float).eps  # bounds of beliefs


@dataclass(frozen=True)
class Window:
    """Rows of one pair, oldest first, in which it was likely enough."""

    rows: tuple[int, ...]
    best: int  # the likeliest of the rows, of equals the first
    score: float  # probability at the best
    mean: float

    @property
    def ends(self) -> tuple[int, int]:
        return self.rows[0], self.rows[-1]


def smoothed(
    pair: Indices,
    seconds: npt.NDArray[np.float64],
    evidence: Floats,
    smoothing: VerbSmoothing,
    every: float,
) -> npt.NDArray[np.float64]:
    """Pair numbers, times and log-odds (N,), in no order -> log-odds of the beliefs (N,).

    The exponential mean of the probability, as live; `every`: seconds between two samples.
    """
    order = np.lexsort((seconds, pair))
    gap = np.diff(seconds[order], prepend=-np.inf)
    first = np.diff(pair[order], prepend=-1) != 0
    unseen = first | (gap > _UNSEEN * every)
    away = np.where(unseen, np.maximum(gap - every, 0.0), 0.0)
    faded = np.where(first | (away > _FORGET_SECONDS), 0.0, np.exp(-away / _FADE_SECONDS))
    kept = np.exp(-np.where(unseen, every, gap) / smoothing.tau)  # of the belief before
    carried = kept * faded
    belief = (1 - kept) * expit(evidence[order].astype(np.float64) + smoothing.bias)
    for rows in _one_after_the_other(carried > _NOTHING):
        belief[rows] += carried[rows] * belief[rows - 1]
    found = np.empty(len(belief))
    found[order] = logit(np.clip(belief, _UNLIKELY, _LIKELY))
    return found


def least_evidence(belief: float, smoothing: VerbSmoothing) -> float:
    """What a pair must show at least once to be believed so at any time; both log-odds.

    A belief is a mean of probabilities that begins at nought: never above the greatest of them.
    """
    return belief - smoothing.bias if belief > logit(_UNLIKELY) else -np.inf


def _one_after_the_other(depends: npt.NDArray[np.bool_]) -> Iterator[Indices]:
    """Rows that depend on the row before them; each group only on rows of earlier groups."""
    places = np.arange(len(depends))
    place = places - np.maximum.accumulate(np.where(depends, 0, places))
    groups = np.argsort(place, kind="stable")
    counts = np.bincount(place) if len(place) else np.zeros(1, np.int64)
    yield from np.split(groups, np.cumsum(counts)[:-1])[1:]


def find_windows(
    pair: Indices,
    seconds: npt.NDArray[np.float64],
    beliefs: Floats,
    smoothing: VerbSmoothing,
    *,
    every: float,
    least: float | None = None,
) -> list[Window]:
    """Smoothed log-odds (N,) -> windows that reach `least`, or else what opens one live."""
    enter = smoothing.enter if least is None else least
    probabilities = expit(beliefs.astype(np.float64))
    kept = np.flatnonzero(np.isin(pair, np.unique(pair[probabilities >= enter])))
    kept = kept[np.lexsort((kept, seconds[kept], pair[kept]))]
    new = (np.diff(pair[kept], prepend=-1) != 0) | (np.diff(seconds[kept], prepend=-np.inf) != 0)
    kept = kept[new]  # one row a time: they are the same
    found: list[Window] = []
    for rows in np.split(kept, np.flatnonzero(np.diff(pair[kept])) + 1):
        walk = _Walk(smoothing, enter, every)
        told = zip(rows.tolist(), seconds[rows].tolist(), probabilities[rows].tolist(), strict=True)
        for row in told:
            walk.step(row)
        walk.end()
        found += walk.found
    return found


class _State(Enum):
    NOTHING = auto()
    CANDIDATE = auto()  # above one half, not yet sure
    OPEN = auto()
    PAUSED = auto()  # below `leave`; may go on within `merge_seconds`


@dataclass
class _Walk:
    """Through the beliefs of one pair, in the order of time."""

    smoothing: VerbSmoothing
    enter: float
    every: float
    found: list[Window] = field(default_factory=list)
    _state: _State = _State.NOTHING
    _likely: list[Belief] = field(default_factory=list)  # of the window that may be one
    _before: Belief = (-1, -np.inf, 0.0)

    def step(self, now: Belief) -> None:
        _, at, belief = now
        self._pass(at - self._before[1])
        self._before = now
        if belief >= min(_HALF, self.enter):
            self._likely.append(now)
            if self._state is _State.NOTHING:
                self._state = _State.CANDIDATE
        if self._state is _State.CANDIDATE:
            self._consider(now)
        elif self._state is _State.OPEN and belief < min(self.smoothing.leave, self.enter):
            self._state = _State.PAUSED
        elif self._state is _State.PAUSED and belief >= self.enter:
            self._state = _State.OPEN
        self._give_up(at)

    def end(self) -> None:
        if self._state in (_State.OPEN, _State.PAUSED):
            best = max(self._likely, key=lambda one: one[2])
            mean = sum(belief for _, _, belief in self._likely) / len(self._likely)
            rows = tuple(row for row, _, _ in self._likely)
            self.found.append(Window(rows, best[0], best[2], mean))
        self._state, self._likely = _State.NOTHING, []

    def _consider(self, now: Belief) -> None:
        """Samples further apart than the least length do not tell that it was shorter."""
        least = self.smoothing.min_seconds if self.every <= self.smoothing.min_seconds else 0.0
        if now[2] < min(_HALF, self.enter):
            self._state, self._likely = _State.NOTHING, []
        elif now[2] >= self.enter and now[1] - self._likely[0][1] >= least:
            self._state = _State.OPEN

    def _pass(self, gap: float) -> None:
        """The pair was not seen meanwhile: what was believed of it has faded."""
        if self._state is _State.NOTHING or gap <= _UNSEEN * self.every:
            return
        faded = self._before[2] * np.exp(-(gap - self.every) / _FADE_SECONDS)
        if gap - self.every > _FORGET_SECONDS:
            self.end()
        elif self._state is _State.CANDIDATE and faded < _HALF:
            self._state, self._likely = _State.NOTHING, []
        elif self._state is _State.OPEN and faded < self.smoothing.leave:
            self._state = _State.PAUSED
        self._give_up(self._before[1] + gap - self.every)

    def _give_up(self, at: float) -> None:
        if (
            self._state is _State.PAUSED
            and at - self._likely[-1][1] >= self.smoothing.merge_seconds
        ):
            self.end()
