"""`stream bench scorer`: our CMMP scorer against the naive one, on weights made by chance."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.evaluation.scorer_speed import Trial, make_trial

REPEATS = 3  # the best of them counts


@dataclass(frozen=True)
class Speed:
    """Of one batch size; times in milliseconds a frame."""

    batch: int
    naive: float
    ours: float
    error: float  # largest difference of a probability

    @property
    def gain(self) -> float:
        return self.naive / self.ours


def bench_scorer(
    batches: Sequence[int], *, architecture: str = "ViT-B-16-quickgelu", repeats: int = REPEATS
) -> Iterator[Speed]:
    """One row a batch size; 8 people and 12 things in every frame."""
    trial = make_trial(architecture)
    naive = _best(lambda: trial.naive(1), repeats)
    for batch in batches:
        ours = _best(partial(trial.ours, batch), repeats) / batch
        yield Speed(batch, 1000 * naive, 1000 * ours, error(trial, batch))


def error(trial: Trial, batch: int) -> float:
    """Largest difference of a pair's probability of a verb."""
    ours, naive = (
        [1 / (1 + np.exp(-logits)) for logits in way(batch)] for way in (trial.ours, trial.naive)
    )
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, naive, strict=True))


def _best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest run, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
