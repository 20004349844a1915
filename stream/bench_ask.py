"""`stream bench ask`: open verbs over many stored vectors, found against brute force, and timed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from storage.database import make_engine, make_sessions
from storage.filters import Filters
from storage.maintenance import bring_up_to_date
from storage.pair_vectors import PairVector
from storage.track_rows import add_pair_vectors
from storage.vector_rows import score_vectors

BUNDLE = "bench-of-ask"
_START = datetime(2026, 8, 1, tzinfo=UTC)
_CAMERAS, _TOGETHER, _BATCH = 100, 8, 4000  # pairs of a camera are sampled together
_TIMES = 20  # every query, each with another prototype and camera
_BOX = (10.5, 20.5, 110.25, 320.125)


@dataclass(frozen=True)
class Search:
    """One way to filter: rows that pass, of the likely ones how many were found, milliseconds."""

    passing: int
    recall: float
    median: float
    p95: float


def bench_ask(url: str, folder: Path, rows: int, size: int) -> Iterator[Search]:
    """Into an empty database: `rows` vectors of `size` numbers; 1 and 0.01 % of them are asked."""
    engine = make_engine(url)
    bring_up_to_date(engine, folder)
    sessions = make_sessions(engine)
    dice = np.random.default_rng(0)
    vectors = np.empty((rows, size), np.float16)
    for start in range(0, rows, _BATCH):
        part = dice.standard_normal((min(_BATCH, rows - start), size)).astype(np.float16)
        vectors[start : start + len(part)] = part
        with sessions.begin() as session:
            made = [_vector(start + n, vector) for n, vector in enumerate(part)]
            add_pair_vectors(session, vectors=made)
    cameras = np.arange(rows) // _TOGETHER % _CAMERAS
    for share in (1.0, 0.01):  # of a camera's rows, the newest of them
        times, recalls, passing = [], [], 0
        for turn in range(_TIMES):
            own = np.flatnonzero(cameras == turn * 7 % _CAMERAS)
            own = own[len(own) - max(1, round(share * len(own))) :]
            prototype = dice.standard_normal((1, size)).astype(np.float32)
            filters: Filters = {
                "camera": f"camera{turn * 7 % _CAMERAS}",
                "since": _START + timedelta(milliseconds=int(own[0])),
            }
            began = time.perf_counter()
            with sessions() as session:
                found = score_vectors(session, BUNDLE, prototype, filters)
            times.append(1000 * (time.perf_counter() - began))
            exact = vectors[own].astype(np.float32) @ prototype[0]
            wanted = np.sort(exact)[-max(1, len(exact) // 10) :]
            got = np.sort(found.logits[:, 0])[-len(wanted) :]
            recalls.append(float(np.mean(np.isclose(got, wanted, atol=1e-3))))
            passing = len(own)
        yield Search(
            passing,
            float(np.mean(recalls)),
            float(np.median(times)),
            float(np.percentile(times, 95)),
        )
    engine.dispose()


def _vector(n: int, vector: "np.ndarray[tuple[int], np.dtype[np.float16]]") -> PairVector:
    camera = f"camera{n // _TOGETHER % _CAMERAS}"
    return PairVector(
        camera=camera,
        moment="sample",
        human_track=f"{camera}:0:{n // 100_000}",
        object_track=f"{camera}:0:{1000 + n // 100_000 * 8 + n % _TOGETHER}",
        object_class="cup",
        taken_at=_START + timedelta(milliseconds=n),
        media_time=n / 1000,
        human_box=_BOX,
        object_box=_BOX,
        bundle=BUNDLE,
        interaction=None,
        vector=vector,
    )
