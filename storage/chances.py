"""How sure an answer is about a verb that nobody configured: its score against chance."""

from dataclasses import dataclass

import numpy as np

from storage.certainty import (
    Chance,
    Floats,
    find_moments,
    fit_chance,
    watched,
    without_true,
)
from storage.vector_rows import VectorScores

APART = 10.0  # seconds: nearer sightings of a pair are one moment


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


def judge(phrase: str, every: VectorScores, beliefs: Floats, *, per_day: float) -> Judgement:
    """From the smoothed log-odds (N,) of all that the cameras have stored."""
    scores = beliefs[find_moments(beliefs, every.pair, every.seconds, APART)]
    names = np.array([human.rsplit(":", 2)[0] for human, _ in every.pairs])
    cameras = np.unique(names, return_inverse=True)[1][every.pair] if len(names) else every.pair
    chance = fit_chance(without_true(scores), watched(every.seconds, cameras))
    threshold = 0.0 if chance is None else chance.threshold(per_day)
    return Judgement(phrase, every.bundle, per_day, len(scores), chance, threshold)
