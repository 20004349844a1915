"""`stream bench ask`: open verbs over many stored vectors, found against brute force, and timed.

Whole questions are timed besides: what chance gives is estimated, moments are found and told.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from storage.ask import answer
from storage.certainty import PER_DAY
from storage.database import Sessions, make_engine, make_sessions
from storage.filters import Filters
from storage.maintenance import bring_up_to_date
from storage.question import Clause, Question
from storage.speech import OpenVerbs
from storage.synthetic_vectors import (
    CAMERAS,
    START,
    STEP,
    TOGETHER,
    acts,
    fill_vectors,
    make_vectors,
)
from storage.vector_rows import Floats, VectorScores, score_vectors

_TIMES = 20  # every query, each with another prototype and camera
_SHARES = (1.0, 0.01)  # of a camera's rows, the newest of them: 1 and 0.01 % of all
_TIMES_ALL, _BEST = 3, 1000  # without a filter; so many rows are above the threshold

Halves = npt.NDArray[np.float16]
Trial = tuple[int, float | None, float, float]  # rows that pass, recall, milliseconds of both times


@dataclass(frozen=True)
class Search:
    """One way to filter: rows that pass, of the likely ones how many were found, milliseconds.

    Each is searched twice: `first` (p95) may have to wait for the disk, the others find all pages
    in memory, if that is large enough.
    """

    what: str
    passing: int
    recall: float | None  # of a whole question it is not looked at
    first: float
    median: float
    p95: float


def bench_ask(
    url: str, folder: Path, rows: int, size: int, on_batch: Callable[[int], None]
) -> Iterator[Search]:
    """Of `rows` vectors of `size` numbers 1 %, 0.01 % and all are asked; stored ones are used.

    Then two questions, of the newest rows of a camera and of all; asked again, what chance gives
    is known.
    """
    engine = make_engine(url)
    bring_up_to_date(engine, folder)
    bundle = f"bench-{size}"
    fill_vectors(engine, bundle, rows, size, on_batch)
    vectors = np.concatenate(list(make_vectors(rows, size)))
    sessions = make_sessions(engine)
    for share in _SHARES:
        yield _summary(
            "search",
            (_search_filtered(sessions, bundle, vectors, share, turn) for turn in range(_TIMES)),
        )
    yield _summary(
        "search", (_search_all(sessions, bundle, vectors, turn) for turn in range(_TIMES_ALL))
    )
    speech = _Acts(bundle, size)
    one = (_ask(sessions, speech, rows, turn, turn * 7 % CAMERAS) for turn in range(_TIMES))
    yield _summary("question", one)
    yield _summary("question", (_ask(sessions, speech, rows, n, None) for n in range(_TIMES_ALL)))
    engine.dispose()


class _Acts:
    """The text tower of the made-up vectors: every number is a verb."""

    def __init__(self, bundle: str, size: int) -> None:
        self._bundle, self._size = bundle, size

    def silence(self, bundle: str) -> str | None:
        return None if bundle == self._bundle else f"{bundle} is not asked"

    def deaf(self, _bundle: str, _sentence: str) -> str | None:
        return None

    def verbs(self, _bundle: str) -> Mapping[str, str]:
        return {}

    def prototypes(self, _bundle: str, sentences: Sequence[str]) -> Floats:
        places = [int("".join(c for c in one if c.isdigit())) for one in sentences]
        return acts(self._size)[places]

    def plain(self, bundle: str, sentences: Sequence[str]) -> Floats:
        return self.prototypes(bundle, sentences)

    def calibration(self, _bundle: str, _verb: str = "") -> tuple[float, float]:
        """An act's own vectors have a product of their length, others have none."""
        return 8 / self._size, -4.0

    def smoothing(self, _bundle: str) -> Mapping[str, float]:
        return {}


def _ask(sessions: Sessions, speech: _Acts, rows: int, turn: int, camera: int | None) -> Trial:
    """A page about an act, of the newest hundredth of a camera or of everything."""
    since = None if camera is None else START + int(0.99 * rows) * STEP
    name = None if camera is None else f"camera{camera}"
    question = Question("", Clause(phrases=(f"act {turn}",)), camera=name, since=since)
    times = []
    for _ in range(2):
        with sessions() as session:
            began = time.perf_counter()
            answer(session, question, open_verbs=OpenVerbs(speech, per_day=PER_DAY))
            times.append(1000 * (time.perf_counter() - began))
    return rows if camera is None else rows // 100 // CAMERAS, None, times[0], times[1]


def _search_filtered(
    sessions: Sessions, bundle: str, vectors: Halves, share: float, turn: int
) -> Trial:
    """All scores of the newest rows of a camera, as certainty needs them."""
    camera = turn * 7 % CAMERAS
    own = np.flatnonzero(np.arange(len(vectors)) // TOGETHER % CAMERAS == camera)
    own = own[len(own) - max(1, round(share * len(own))) :]
    prototype = acts(vectors.shape[1])[[turn]]
    filters: Filters = {"camera": f"camera{camera}", "since": START + int(own[0]) * STEP}
    exact = vectors[own].astype(np.float32) @ prototype[0]
    wanted = own[np.argsort(-exact)[: max(1, len(own) // 10)]]
    found, first, again = _search_twice(sessions, bundle, prototype, filters)
    return len(own), _recall(found, wanted), first, again


def _search_all(sessions: Sessions, bundle: str, vectors: Halves, turn: int) -> Trial:
    """What is above a threshold, of everything."""
    prototype = acts(vectors.shape[1])[[turn]]
    exact = np.concatenate([part.astype(np.float32) @ prototype[0] for part in _parts(vectors)])
    wanted = np.argsort(-exact)[:_BEST]
    found, first, again = _search_twice(sessions, bundle, prototype, {}, exact[wanted[-1:]])
    return len(vectors), _recall(found, wanted), first, again


def _search_twice(
    sessions: Sessions,
    bundle: str,
    prototype: Floats,
    filters: Filters,
    floors: Floats | None = None,
) -> tuple[VectorScores, float, float]:
    """What is found, and milliseconds of both times."""
    times = []
    for _ in range(2):
        with sessions() as session:
            began = time.perf_counter()
            found = score_vectors(session, bundle, prototype, filters, floors)
            times.append(1000 * (time.perf_counter() - began))
    return found, times[0], times[1]


def _parts(vectors: Halves) -> Iterator[Halves]:
    """Few enough at once to be float32 in memory."""
    return (vectors[start : start + 50_000] for start in range(0, len(vectors), 50_000))


def _recall(found: VectorScores, wanted: npt.NDArray[np.int64]) -> float:
    """Of the rows that brute force says are the likeliest, how many are the likeliest found."""
    best = np.argsort(-found.logits[:, 0])[: len(wanted)]
    after = found.seconds[best] - START.timestamp()
    got = np.rint(after / STEP.total_seconds()).astype(np.int64)
    return float(np.isin(wanted, got).mean())


def _summary(what: str, trials: Iterable[Trial]) -> Search:
    passing, recalls, first, again = zip(*trials, strict=True)
    median, p95 = np.percentile(again, (50, 95)).tolist()
    known = [recall for recall in recalls if recall is not None]
    recall = float(np.mean(known)) if known else None
    return Search(what, passing[-1], recall, float(np.percentile(first, 95)), median, p95)
