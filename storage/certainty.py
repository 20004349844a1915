"""How often a question is answered by chance: the distribution of its score where nothing happens.

A question that nobody configured has no threshold of its own. Its scores on what a camera has
stored are nearly all of moments in which it did not happen; their tail is fitted by a generalised
Pareto distribution (Pickands 1975), which tells how often a day a score as high as this one comes
by chance. The moments in which it did happen stand above that tail; the fit begins well below them
and goes up only as far as there are no more scores than it says. Where the scores are log-odds, as
many are left out beforehand as these say are true (`without_true`), and no fewer false alarms are
expected than they say themselves: where an act is common, its moments look like the end of a tail.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, gammaincinv

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

DAY = 86_400.0  # seconds
PER_DAY = 2.0  # false alarms that people put up with
_LEAST, _LEAST_TAIL = 200, 20  # moments in all and in the tail; fewer tell nothing
_TAIL, _TAIL_MOMENTS = 0.2, 300  # the tail: at most such a share, and at least so many
_DECADE = 10  # times as many lie above a tail's start as above its end
_TRUE = 0.02  # share that may be true
_SUREST = 0.4  # believed of a moment: no greater share of them is left out
_SHAPE_SPREAD = 0.12  # of tails, around 0, which is an exponential one
_SURPRISE, _TOLERANCE = 2.5, 1.25  # standard deviations, times what a fit says of the next band
_LEVEL = 0.9  # of intervals


@dataclass(frozen=True)
class CurvePoint:
    """A threshold, its false alarms a day, and what these may be for all we know."""

    threshold: float
    per_day: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Chance:
    """Scores by chance: `above` moments over `start` in `seconds`, then a Pareto tail.

    With `believed` at least as many as those moments' own probabilities leave.
    """

    body: Floats  # (n,) scores up to `start`, in order
    start: float
    scale: float
    shape: float
    above: float
    used: int  # moments of the tail that were fitted
    seconds: float  # of watching
    believed: Floats = field(default_factory=lambda: np.zeros(0))  # log-odds, the greatest first

    @property
    def moments(self) -> float:
        """In which it did not happen."""
        return len(self.body) + self.above

    def per_day(self, threshold: float) -> float:
        """Expected false alarms a day of watching, with this threshold."""
        return self.expected(threshold) * DAY / self.seconds

    def between(self, threshold: float) -> tuple[float, float]:
        """What the rate may be for all we know: 90 %, from the number of moments it stands on."""
        rate, used = self.per_day(threshold), max(self.used, 1)
        known = max(min(self.expected(threshold), used), 0.0)
        tail = (1 - _LEVEL) / 2
        low = gammaincinv(known, tail) if known > 0 else 0.0  # of Poisson's distribution
        high = gammaincinv(known + 1, 1 - tail)
        factor = DAY / self.seconds
        return min(float(low) * factor, rate), max(float(high) * factor, rate)

    def threshold(self, per_day: float = PER_DAY) -> float:
        """The score that is reached so many times a day by chance."""
        wanted = per_day * self.seconds / DAY
        return max(self._reached(wanted), self._believed_from(wanted))

    def _reached(self, wanted: float) -> float:
        """By so many moments of the body and the tail."""
        if wanted >= self.above:
            beyond = int(wanted - self.above)
            return float(self.body[max(len(self.body) - 1 - beyond, 0)])
        return self.start + _exceeded_by(wanted / self.above, self.shape, self.scale)

    def _believed_from(self, wanted: float) -> float:
        """The least score from which no more than so many of the believed ones are false."""
        if not len(self.believed):
            return -np.inf
        number = int(np.searchsorted(self._doubts, wanted, side="right"))
        return float(
            self.believed[number - 1] if number else np.nextafter(self.believed[0], np.inf)
        )

    @cached_property
    def _doubts(self) -> Floats:
        """(n,) how many of the greatest 1, 2, ... believed ones are false, by their log-odds."""
        return np.cumsum(expit(-self.believed))

    def p_value(self, score: float) -> float:
        """How likely a moment in which nothing happens scores at least this."""
        return min(1.0, self.expected(score) / self.moments)

    def curve(self, points: int = 60) -> list[CurvePoint]:
        """The rate over thresholds, from a hundred times `PER_DAY` to a hundredth."""
        rates = PER_DAY * np.geomspace(100, 0.01, points)
        thresholds = (self.threshold(float(rate)) for rate in rates)
        return [CurvePoint(t, self.per_day(t), *self.between(t)) for t in thresholds]

    def expected(self, threshold: float) -> float:
        """Moments at or above it in the time that was watched."""
        number = int(np.searchsorted(-self.believed, -threshold, side="right"))
        doubted = float(self._doubts[number - 1]) if number else 0.0
        return max(self._above(threshold), doubted)

    def _above(self, threshold: float) -> float:
        """Moments of the body and the tail."""
        if threshold < self.start:
            return self.above + len(self.body) - int(np.searchsorted(self.body, threshold))
        past = np.array([threshold - self.start])
        return self.above * float(np.exp(_log_share(past, self.shape, self.scale)[0]))


def find_moments(scores: Floats, pairs: Indices, at: Floats, apart: float) -> Indices:
    """Which rows are moments: two sightings of one act are one.

    `scores`, `pairs` and `at` (seconds) are (n,). Of each pair the best of every `apart` seconds,
    but not one that has a better neighbour less than `apart` away.
    """
    if not len(scores):
        return np.zeros(0, np.int64)
    order = np.lexsort((at, pairs))
    block = np.floor(at[order] / apart)
    new = np.flatnonzero((np.diff(pairs[order]) != 0) | (np.diff(block) != 0)) + 1
    starts = np.concatenate([[0], new])
    number = np.repeat(np.arange(len(starts)), np.diff([*starts, len(order)]))
    ranked = np.lexsort((-scores[order], number))
    best = order[ranked[starts]]  # one a block, in the order of pairs and time
    near = (pairs[best][1:] == pairs[best][:-1]) & (np.diff(at[best]) < apart)
    later = scores[best][1:] > scores[best][:-1]
    kept = np.ones(len(best), bool)
    kept[:-1] &= ~(near & later)
    kept[1:] &= ~(near & ~later)
    rows: Indices = best[kept]
    return rows


def without_true(log_odds: Floats) -> Floats:
    """(n,) -> (m,) in order: of moments as likely as these as many as did not happen.

    At least six tenths of the moments at any score stay: where the beliefs are wrong, because a
    camera never sees the act, the rate of false alarms is taken for six tenths of what it is.
    """
    ordered = np.sort(log_odds[np.isfinite(log_odds)].astype(np.float64))
    false = 1 - np.minimum(expit(ordered), _SUREST)
    kept: Floats = ordered[np.diff(np.floor(np.cumsum(false)), prepend=0) > 0]
    return kept


def fit_beliefs(log_odds: Floats, seconds: float) -> Chance | None:
    """As `fit_chance`, of moments in some of which it did happen, as their log-odds (n,) say."""
    chance = fit_chance(without_true(log_odds), seconds)
    believed = -np.sort(-log_odds[np.isfinite(log_odds)].astype(np.float64))
    return None if chance is None else replace(chance, believed=believed)


def fit_chance(scores: Floats, seconds: float) -> Chance | None:
    """Of the moments' scores (n,) in so many seconds of watching; None: too little to tell."""
    ordered = np.sort(scores[np.isfinite(scores)].astype(np.float64))
    if len(ordered) < _LEAST or seconds <= 0 or ordered[-1] == ordered[0]:
        return None
    limit = float(np.quantile(ordered, 1 - _TRUE))
    while True:
        chance = _fit_below(ordered, limit, seconds)
        if chance is None:
            return None
        expected = chance.expected(limit) / 2
        if expected < 1:
            return chance
        share = expected / chance.above
        further = chance.start + _exceeded_by(share, chance.shape, chance.scale)
        observed = int(((ordered > limit) & (ordered <= further)).sum())
        if observed > _TOLERANCE * expected + _SURPRISE * np.sqrt(expected):
            return chance
        limit = further


def _fit_below(ordered: Floats, limit: float, seconds: float) -> Chance | None:
    """A tail that ends at the limit: what lies above may be true and tells nothing."""
    below = int(np.searchsorted(ordered, limit, side="right"))
    above = len(ordered) - below
    wanted = max(_TAIL_MOMENTS, (_DECADE - 1) * above)
    first = max(below - wanted, int(len(ordered) * (1 - _TAIL)), 1)
    start = float(ordered[first - 1])
    inside = ordered[first:below] - start
    if len(inside) < _LEAST_TAIL or not inside[-1] > 0:
        return None
    shape, scale = _fit(inside, limit - start)
    share = -np.expm1(_log_share(np.array([limit - start]), shape, scale)[0])
    number = float(len(inside) / share)
    return Chance(ordered[:first], start, scale, shape, number, len(inside), seconds)


def _fit(inside: Floats, limit: float) -> tuple[float, float]:
    """Shape and scale of a tail of which only what is below the limit is looked at.

    Penalised likelihood (Coles and Dixon 1999): a few hundred values hardly tell a shape.
    """
    unit = float(inside.mean())  # scores have none of their own
    inside, end = inside / unit, np.array([limit / unit])

    def cost(values: Floats) -> float:
        shape, scale = float(values[0]), float(np.exp(values[1]))
        if shape < 0 and end[0] >= -scale / shape:
            return 1e12  # there can be nothing so high
        whole = -np.expm1(_log_share(end, shape, scale)[0])
        density = (1 + shape) * _log_share(inside, shape, scale) - values[1]
        return float((shape / _SHAPE_SPREAD) ** 2 / 2 + len(inside) * np.log(whole) - density.sum())

    found = minimize(
        cost, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3}
    )
    return float(found.x[0]), unit * float(np.exp(found.x[1]))


def _log_share(past: Floats, shape: float, scale: float) -> Floats:
    """Logarithm of the share of a Pareto tail that lies so far past its start."""
    if abs(shape) < 1e-6:
        return -past / scale
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.maximum(1 + shape * past / scale, 0.0)
        return -np.log(inside) / shape if shape > 0 else np.log(inside) / -shape


def _exceeded_by(share: float, shape: float, scale: float) -> float:
    """How far past its start such a share of a Pareto tail lies."""
    if abs(shape) < 1e-6:
        return float(-scale * np.log(share))
    return float(scale * np.expm1(-shape * np.log(share)) / shape)
