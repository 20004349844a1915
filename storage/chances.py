"""How sure an answer is about a verb that nobody configured: its score against chance."""

from dataclasses import dataclass

from scipy.special import gammainc

from storage.certainty import Chance, Floats, find_moments, fit_beliefs
from storage.vector_rows import VectorScores

APART = 10.0  # seconds: nearer sightings of a pair are one moment
_SURPRISE = 0.05  # of what chance gives more often than that nothing is concluded


@dataclass(frozen=True, eq=False)
class Null:
    """Scores of a question where it did not happen; `chance` is None where there are too few."""

    moments: int  # that were looked at
    vectors: int  # of pairs, of which these are the moments
    chance: Chance | None


def fit_null(every: VectorScores, beliefs: Floats, seconds: float) -> Null:
    """From the smoothed log-odds (N,) of what was stored in so many seconds of watching."""
    scores = beliefs[find_moments(beliefs, every.pair, every.seconds, APART)]
    vectors = len(every.peak) - int(every.peak.sum())
    chance = fit_beliefs(scores, seconds)
    return Null(len(scores), vectors, chance)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is known of the scores of one verb; `chance` is None where too little is stored."""

    phrase: str
    bundle: str
    per_day: float  # false alarms that were chosen
    null: Null
    threshold: float = 0.0  # the log-odds that are reached so often by chance

    @property
    def chance(self) -> Chance | None:
        return self.null.chance

    @property
    def moments(self) -> int:
        """That were looked at."""
        return self.null.moments

    def __str__(self) -> str:
        if self.chance is None:
            few = f"{self.moments} moments are too few to tell how often it is chance"
            return f"{self.phrase}: {few}"
        low, high = self.chance.between(self.threshold)
        often = f"about {self.per_day:g} a day by chance (90 %: {low:.2g} to {high:.2g})"
        return f"{self.phrase}: {often}"


def judge(phrase: str, bundle: str, null: Null, *, per_day: float) -> Judgement:
    threshold = 0.0 if null.chance is None else null.chance.threshold(per_day)
    return Judgement(phrase, bundle, per_day, null, threshold)


@dataclass(frozen=True)
class Expected:
    """What chance alone gives of the time, cameras and people that a question is about."""

    rows: float = 0.0
    moments: float = 0.0  # in which it did not happen

    def plus(self, judged: Judgement, vectors: int) -> "Expected":
        """With those of another verb, of which so many vectors of pairs are stored there."""
        assert judged.chance is not None
        share = vectors / max(judged.null.vectors, 1)
        rows, moments = judged.chance.expected(judged.threshold), judged.chance.moments
        return Expected(self.rows + share * rows, self.moments + share * moments)

    def explains(self, total: int, best: float) -> bool:
        """Does chance give so many rows, and one with the p-value of the best, all too often?"""
        many, likely = gammainc(max(total, 1), self.rows), gammainc(1, best * self.moments)
        return bool(min(many, likely) > _SURPRISE)
