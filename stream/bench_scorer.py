"""`stream bench scorer`: our CMMP scorer against the naive one, on weights made by chance."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from models.evaluation.scorer_speed import Trial

REPEATS = 3  # the best of them counts
_ROUND, _MARKS = 4, 6


@dataclass(frozen=True)
class Speed:
    """Of one batch size; times in milliseconds a frame."""

    batch: int
    naive: float
    ours: float
    network: float  # of ours, from pixels on the device and packed boxes to pair vectors
    encoder: float  # CLIP's image tower alone, at this batch, from the same pixels
    error: float  # largest difference of a probability

    @property
    def share(self) -> float:
        """Frames a second of the network in those of the bare encoder."""
        return self.encoder / self.network

    @property
    def gain(self) -> float:
        return self.naive / self.ours


def bench_scorer(
    trial: Trial, batches: Sequence[int], *, repeats: int = REPEATS
) -> Iterator[Speed]:
    """One row a batch size; 8 people and 12 things in every frame."""
    naive = _best(lambda: trial.naive(1), repeats)
    for batch in batches:
        ours = _best(partial(trial.ours, batch), repeats) / batch
        pixels, packed = trial.pixels(batch), trial.scorer.pack([trial.frame] * batch)
        network = _best(partial(trial.network, pixels, packed), repeats) / batch
        encoder = _best(partial(trial.encode, pixels), repeats) / batch
        yield Speed(
            batch, 1000 * naive, 1000 * ours, 1000 * network, 1000 * encoder, error(trial, batch)
        )


def watch_memory(trial: Trial, rounds: int, batch: int = _ROUND) -> Iterator[tuple[int, float]]:
    """Rounds scored so far and megabytes of memory in use, six times; the first is warmed up."""
    done = 0
    for mark in (rounds * part // _MARKS for part in range(1, _MARKS + 1)):
        while done < mark:
            trial.ours(batch)
            done += 1
        yield done, _resident()


def _resident() -> float:
    """Megabytes of this process that are in memory now (Linux), or were at most (elsewhere)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS
    return pages * resource.getpagesize() / 1e6


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
