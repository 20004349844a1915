"""A day of false alarms is one in which cameras were watched, however little happened."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from storage.open_verbs import Retrieval
from storage.run_rows import finish_run, start_run
from storage.speech import OpenVerbs
from storage.watch_times import Spans, watched, watches
from tests.test_chances import BUNDLE, JUGGLE, Speech, store
from tests.test_interactions import NOON

DAYS, HOUR = 30, np.arange(0.0, 3601.0, 5.0)
NOTHING: Spans = np.zeros((0, 2))


def test_two_cameras_watch_as_long_as_one_and_a_night_is_not_watched() -> None:
    assert watched(HOUR, NOTHING) == 3600
    assert watched(np.tile(HOUR, 2), NOTHING) == 3600
    assert watched(np.concatenate([HOUR, HOUR + 40_000]), NOTHING) == 7800
    assert watched(HOUR[:0], NOTHING) == 0


def test_what_a_run_tells_counts_whole_and_only_once() -> None:
    night = np.array([[3000.0, 43_600.0], [3200.0, 4000.0]])
    assert watched(np.concatenate([HOUR, HOUR + 40_000]), night) == 43_600
    assert watched(HOUR[:0], night) == 40_600


spans = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8)


@given(spans, spans)
@settings(deadline=None)
def test_only_what_lies_inside_is_counted(
    told: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    def seconds(pairs: list[tuple[int, int]]) -> set[int]:
        return {second for since, length in pairs for second in range(since, since + length)}

    def made(pairs: list[tuple[int, int]]) -> Spans:
        return np.array([(a, a + n) for a, n in pairs], np.float64).reshape(-1, 2)

    both = seconds(told) & seconds(wanted)
    assert watched(np.zeros(0), made(told), made(wanted)) == len(both)


def run(sessions: sessionmaker[Session], source: str, since: float, until: float | None) -> None:
    """Of camera "gate"; days after the first."""
    began = NOON - timedelta(days=DAYS - since)
    with sessions.begin() as session:
        id_ = start_run(
            session, sources={"gate": source}, bundle=BUNDLE, config="", started_at=began
        )
        if until is not None:
            ended = NOON - timedelta(days=DAYS - until)
            finish_run(session, run=id_, ended_at=ended, summary=None)


def days_watched(sessions: sessionmaker[Session]) -> float:
    with sessions() as session:
        return watched(np.zeros(0), watches(session, BUNDLE, ["gate"])) / 86_400


def test_a_run_that_died_counts_as_long_as_something_came_of_it(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 0, 10, days=10)  # the last is of noon, the first ten days before
    run(sessions, "rtsp://gate", 0, 5)
    run(sessions, "rtsp://gate", 19, None)
    run(sessions, "rtsp://gate", 25, 26)
    assert days_watched(sessions) == pytest.approx(5 + 5 + 1)


def test_a_recording_is_watched_from_its_first_to_its_last_moment_whenever_that_is_done(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 0, 10, days=10)
    run(sessions, "/videos/gate.mp4", 0, 0.1)
    assert days_watched(sessions) == pytest.approx(9)


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_camera_has_as_many_false_alarms_a_day_as_were_chosen(
    sessions: sessionmaker[Session], seed: int
) -> None:
    """A visit of a quarter of an hour each day; the run goes on day and night."""
    store(sessions, seed, DAYS * 50, days=DAYS, visit=900.0)
    run(sessions, "rtsp://gate", 0, DAYS)
    with sessions() as session:
        retrieval = Retrieval(session, OpenVerbs(Speech(), per_day=2.0))
        told = len(retrieval.moments(JUGGLE, {}))
    assert 2 * DAYS / 2 <= told <= 2 * DAYS * 2
