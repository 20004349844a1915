"""How sure an answer is about a verb that nobody configured: its score against chance."""

from dataclasses import dataclass

from storage.certainty import Chance, Floats, find_moments, fit_chance, without_true
from storage.vector_rows import VectorScores

APART = 10.0  # seconds: nearer sightings of a pair are one moment


@dataclass(frozen=True, eq=False)
class Null:
    """Scores of a question where it did not happen; `chance` is None where there are too few."""

    moments: int  # that were looked at
    chance: Chance | None


def fit_null(every: VectorScores, beliefs: Floats, seconds: float) -> Null:
    """From the smoothed log-odds (N,) of what was stored in so many seconds of watching."""
    scores = beliefs[find_moments(beliefs, every.pair, every.seconds, APART)]
    return Null(len(scores), fit_chance(without_true(scores), seconds))


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is known of the scores of one verb; `chance` is None where too little is stored."""

    phrase: str
    bundle: str
    per_day: float  # false alarms that were chosen
    moments: int  # that were looked at
    chance: Chance | None
    threshold: float = 0.0  # the log-odds that are reached so often by chance

    def __str__(self) -> str:
        if self.chance is None:
            few = f"{self.moments} moments are too few to tell how often it is chance"
            return f"{self.phrase}: {few}"
        low, high = self.chance.between(self.threshold)
        often = f"about {self.per_day:g} a day by chance (90 %: {low:.2g} to {high:.2g})"
        return f"{self.phrase}: {often}"


def judge(phrase: str, bundle: str, null: Null, *, per_day: float) -> Judgement:
    threshold = 0.0 if null.chance is None else null.chance.threshold(per_day)
    return Judgement(phrase, bundle, per_day, null.moments, null.chance, threshold)
