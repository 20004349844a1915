"""`stream bench ask`: open verbs over many stored vectors, found against brute force, and timed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.database import Sessions, make_engine, make_sessions
from storage.filters import Filters
from storage.maintenance import bring_up_to_date
from storage.synthetic_vectors import (
    CAMERAS,
    START,
    STEP,
    TOGETHER,
    acts,
    fill_vectors,
    make_vectors,
)
from storage.vector_rows import VectorScores, score_vectors

_TIMES = 20  # every query, each with another prototype and camera
_SHARES = (1.0, 0.01)  # of a camera's rows, the newest of them: 1 and 0.01 % of all

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Search:
    """One way to filter: rows that pass, of the likely ones how many were found, milliseconds."""

    passing: int
    recall: float
    median: float
    p95: float


def bench_ask(
    url: str, folder: Path, rows: int, size: int, on_batch: Callable[[int], None]
) -> Iterator[Search]:
    """`rows` vectors of `size` numbers, of which 1 and 0.01 % are asked; stored ones are used."""
    engine = make_engine(url)
    bring_up_to_date(engine, folder)
    bundle = f"bench-{size}"
    fill_vectors(engine, bundle, rows, size, on_batch)
    vectors = np.concatenate(list(make_vectors(rows, size)))
    sessions = make_sessions(engine)
    for share in _SHARES:
        yield _search(sessions, bundle, vectors, share)
    engine.dispose()


def _search(
    sessions: Sessions, bundle: str, vectors: npt.NDArray[np.float16], share: float
) -> Search:
    cameras = np.arange(len(vectors)) // TOGETHER % CAMERAS
    prototypes = acts(vectors.shape[1])
    times, recalls, passing = [], [], 0
    for turn in range(_TIMES):
        camera = turn * 7 % CAMERAS
        own = np.flatnonzero(cameras == camera)
        own = own[len(own) - max(1, round(share * len(own))) :]
        since = START + int(own[0]) * STEP
        filters: Filters = {"camera": f"camera{camera}", "since": since}
        prototype = prototypes[[turn]]
        began = time.perf_counter()
        with sessions() as session:
            found = score_vectors(session, bundle, prototype, filters)
        times.append(1000 * (time.perf_counter() - began))
        recalls.append(_recall(found, own, vectors[own].astype(np.float32) @ prototype[0]))
        passing = len(own)
    median, p95 = np.percentile(times, (50, 95))
    return Search(passing, float(np.mean(recalls)), float(median), float(p95))


def _recall(found: VectorScores, own: npt.NDArray[np.int64], exact: Floats) -> float:
    """Of the likeliest tenth of the rows by brute force, how many are the likeliest found."""
    count = max(1, len(own) // 10)
    wanted = own[np.argsort(-exact)[:count]]
    best = np.argsort(-found.logits[:, 0])[:count]
    after = found.seconds[best] - START.timestamp()
    got = np.rint(after / STEP.total_seconds()).astype(np.int64)
    return float(np.isin(wanted, got).mean())
