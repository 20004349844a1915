"""Evidence at stored times becomes windows: from when to when a pair did something."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.int64]

SMOOTH_SECONDS = 1.0  # evidence no further away in time is averaged


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


def find_windows(
    pair: Indices,
    seconds: npt.NDArray[np.float64],
    evidence: Floats,
    *,
    least: float,
    apart: float,
) -> list[Window]:
    """Pair numbers, times and log-odds (N,), in no order -> windows of at least `least`.

    Evidence is averaged over a second before and after; likely times that are fewer than `apart`
    seconds from one another are one window.
    """
    threshold = np.log(least) - np.log1p(-least)
    hopeful = np.unique(pair[evidence >= threshold])  # no mean is above its greatest part
    kept = np.flatnonzero(np.isin(pair, hopeful))
    kept = kept[np.lexsort((kept, seconds[kept], pair[kept]))]
    starts = np.flatnonzero(np.diff(pair[kept], prepend=-1))
    return [
        window
        for rows in np.split(kept, starts[1:])
        if len(rows)
        for window in _of_pair(rows, seconds[rows], evidence[rows], threshold, apart)
    ]


def _of_pair(
    rows: Indices, seconds: Floats, evidence: Floats, threshold: float, apart: float
) -> Iterator[Window]:
    """Rows of one pair in the order of time."""
    first = np.flatnonzero(np.diff(seconds, prepend=-np.inf))  # one row a time: they are the same
    rows, seconds, smooth = rows[first], seconds[first], _smooth(seconds[first], evidence[first])
    likely = np.flatnonzero(smooth >= threshold)
    if not len(likely):
        return
    breaks = np.flatnonzero(np.diff(seconds[likely]) >= apart) + 1
    for part in np.split(likely, breaks):
        probability = 1 / (1 + np.exp(-smooth[part].astype(np.float64)))
        best = int(np.argmax(smooth[part]))
        yield Window(
            tuple(rows[part].tolist()),
            int(rows[part[best]]),
            float(probability[best]),
            float(probability.mean()),
        )


def _smooth(seconds: Floats, evidence: Floats) -> Floats:
    """The mean over all times no more than a second away."""
    since = np.searchsorted(seconds, seconds - SMOOTH_SECONDS, "left")
    until = np.searchsorted(seconds, seconds + SMOOTH_SECONDS, "right")
    total = np.concatenate([[0.0], np.cumsum(evidence, dtype=np.float64)])
    mean: Floats = (total[until] - total[since]) / (until - since)
    return mean


def smoothed(
    pair: Indices, seconds: npt.NDArray[np.float64], evidence: Floats
) -> npt.NDArray[np.float64]:
    """What windows are judged by, of every row (N,): the mean over a second before and after."""
    order = np.lexsort((seconds, pair))
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    smooth = np.zeros(len(evidence), np.float64)
    for rows in np.split(order, starts[1:]):
        smooth[rows] = _smooth(seconds[rows], evidence[rows])
    return smooth
