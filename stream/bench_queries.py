"""`stream bench queries`: what people ask, over millions of interactions, and old ones deleted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from storage.ask import answer, understand_stored
from storage.database import ReadSession, Sessions, make_engine, make_sessions
from storage.maintenance import bring_up_to_date
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.repository import add_interactions, count_by_verb, find_interactions, latest, oldest
from storage.retention import prune
from storage.synthetic import DAYS, FIRST_DAY, fill
from stream.bench_storage import make_event

_TIMES = 20  # every query
QUESTIONS = (
    "who picked up what",
    "who held a frisbee",
    "what did person 77 carry",
    "who rode a bicycle on camera7",
    "how many times did somebody kick a sports ball",
    "who threw a knife or an umbrella in the last 24 hours",
    "who sat on a bench in the last hour",
    "when did somebody last open a suitcase",
    "what happened on camera3 in the last 3 hours",
    "who pulled a skateboard on camera11",
    "who picked up a cup and then put it down in the last 3 hours",
    "who held a bottle while someone else held a cup in the last hour",
    "who carried a suitcase without holding a cup on camera3 in the last 3 hours",
)


@dataclass(frozen=True)
class QueryTime:
    """Milliseconds."""

    query: str
    median: float
    p95: float


def open_filled(url: str, folder: Path, rows: int, on_batch: Callable[[int], None]) -> Sessions:
    """Sessions of a database with so many made-up rows; it must be empty before, or filled so."""
    engine = make_engine(url)
    bring_up_to_date(engine, folder)
    sessions = make_sessions(engine)
    with sessions() as session:
        empty = not cameras(session)
    if empty:
        fill(engine, rows, on_batch)
    return sessions


def time_queries(sessions: Sessions) -> Iterator[QueryTime]:
    """The pages of the dashboard, then questions; each in a session of its own."""
    now = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC) + timedelta(days=DAYS)
    day, hour = now - timedelta(days=1), now - timedelta(hours=1)
    pages: dict[str, Callable[[ReadSession], object]] = {
        "page Ask, its lists": lambda s: (verbs_seen(s), object_classes_seen(s), cameras(s)),
        "page Latest": lambda s: latest(s, limit=50),
        "page Latest, its counts": count_by_verb,
        "page Timeline, one day": lambda s: find_interactions(s, since=day, limit=500),
        "page Timeline, a camera": lambda s: find_interactions(s, camera="camera5", limit=500),
        "page Timeline, a camera and two verbs": lambda s: find_interactions(
            s, camera="camera5", verbs=["open", "pull"], since=hour, limit=500
        ),
    }
    for name, query in pages.items():
        yield _time(name, sessions, query)
    for question in QUESTIONS:
        yield _time(f'ask "{question}"', sessions, _asking(question, now))


def time_retention(sessions: Sessions, folder: Path) -> tuple[int, float, float]:
    """The first day of those left goes while events come in.

    How many went, in how many seconds, and the longest time in ms that an event had to wait.
    """
    with sessions() as session:
        first = oldest(session) or datetime.now(UTC)
    with _ingesting(sessions) as waits:
        began = time.monotonic()
        deleted = prune(sessions, folder, before=first + timedelta(days=1))
        seconds = time.monotonic() - began
    return deleted, seconds, 1000 * max(waits)


def _asking(question: str, now: datetime) -> Callable[[ReadSession], object]:
    def ask(session: ReadSession) -> object:
        asked = understand_stored(session, question, now=now)
        return answer(session, asked)

    return ask


def _time(name: str, sessions: Sessions, query: Callable[[ReadSession], object]) -> QueryTime:
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        with sessions() as session:
            query(session)
        times.append(1000 * (time.perf_counter() - began))
    return QueryTime(name, float(np.median(times)), float(np.percentile(times, 95)))


@contextmanager
def _ingesting(sessions: Sessions) -> Iterator[list[float]]:
    """Ten events, twenty times a second; yields the seconds that each write took."""
    waits, stop = [0.0], threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.05):
            events = [make_event(50_000_000 + number + n, 0) for n in range(10)]
            number += len(events)
            began = time.perf_counter()
            with sessions.begin() as session:
                add_interactions(session, interactions=events)
            waits.append(time.perf_counter() - began)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
