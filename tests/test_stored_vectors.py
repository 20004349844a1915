"""Filter, then search: what is found in stored vectors is what brute force finds in a list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sqlalchemy import Engine, delete, event
from sqlalchemy.orm import Session, sessionmaker

from storage import hopeful_pairs
from storage.filters import Filters
from storage.interactions import Interaction
from storage.pair_vectors import PairVector
from storage.repository import add_interactions
from storage.smoothing import VerbSmoothing
from storage.synthetic_vectors import START, STEP, fill_vectors, make_vectors
from storage.tables import InteractionRow, PairVectorRow
from storage.track_rows import add_pair_vectors
from storage.vector_rows import VectorScores, score_vectors
from storage.windows import find_windows, least_evidence, smoothed
from tests.test_interactions import NOON, make_interaction
from tests.test_open_verbs import ask, sample, stored

__all__ = ["stored"]  # a fixture

PROTOTYPES = np.array([[1, 0, 0.5], [0, 1, -0.5]], np.float32)
SMOOTHING, EVERY = VerbSmoothing(tau=0.3, enter=0.75, bias=0.5), 0.5
Windows = set[tuple[str, str, float, float, float]]


@dataclass(frozen=True)
class Seen:
    """One vector, as a plain list has it."""

    human: str
    thing: str
    camera: str
    object_class: str
    at: datetime
    vector: npt.NDArray[np.float16]


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    camera, thing = draw(st.integers(0, 1)), draw(st.integers(0, 1))
    return Seen(
        human=f"camera{camera}:0:3",
        thing=f"camera{camera}:0:{7 + thing}",
        camera=f"camera{camera}",
        object_class=("cup", "bench")[thing],
        at=NOON + timedelta(milliseconds=500 * draw(st.integers(0, 12))),
        vector=np.array([draw(st.integers(-4, 4)) for _ in range(3)], np.float16),
    )


def as_sample(one: Seen) -> PairVector:
    return sample(
        0,
        0,
        camera=one.camera,
        human_track=one.human,
        object_track=one.thing,
        object_class=one.object_class,
        taken_at=one.at,
        vector=one.vector,
    )


def as_peak(one: Seen) -> Interaction:
    """Its vector is of a second after it began."""
    made = make_interaction(0, bundle="b", vector=one.vector)
    return replace(
        made,
        id=as_sample(one).id,
        camera=one.camera,
        human_track=one.human,
        object_track=one.thing,
        object_class=one.object_class,
        started_at=one.at - timedelta(seconds=1),
        ended_at=one.at + timedelta(seconds=1),
        media_start=10.0,
        peak_at=11.0,
        media_end=12.0,
    )


def windows_of(scores: VectorScores) -> Windows:
    pair, seconds, evidence = scores.pair, scores.seconds, scores.logits[:, 0]
    beliefs = smoothed(pair, seconds, evidence, SMOOTHING, EVERY)
    found = find_windows(pair, seconds, beliefs, SMOOTHING, every=EVERY)
    return {
        (
            *scores.pairs[scores.pair[one.best]],
            *(float(scores.seconds[row]) for row in one.ends),
            round(one.score, 5),
        )
        for one in found
    }


def brute_force(rows: Sequence[Seen], filters: Filters) -> VectorScores:
    since, until = filters.get("since"), filters.get("until")
    classes, camera = filters.get("object_classes"), filters.get("camera")
    passing = [
        one
        for one in rows
        if (camera is None or one.camera == camera)
        and (classes is None or one.object_class in classes)
        and (since is None or one.at >= since)
        and (until is None or one.at <= until)
    ]
    pairs = sorted({(one.human, one.thing) for one in passing})
    vectors = np.array([one.vector for one in passing], np.float32).reshape(-1, 3)
    return VectorScores(
        bundle="b",
        pairs=tuple(pairs),
        pair=np.array([pairs.index((one.human, one.thing)) for one in passing], np.int64),
        seconds=np.array([one.at.timestamp() for one in passing]),
        peak=np.zeros(len(passing), bool),
        ids=np.zeros(len(passing), "V16"),
        logits=vectors @ PROTOTYPES.T,
    )


FILTERS: st.SearchStrategy[Filters] = st.fixed_dictionaries(
    {},
    optional={
        "camera": st.just("camera1"),
        "object_classes": st.just(["cup"]),
        "since": st.integers(0, 7).map(lambda n: NOON + timedelta(seconds=n)),
        "until": st.integers(0, 7).map(lambda n: NOON + timedelta(seconds=n)),
    },
)  # type: ignore[assignment]


def juggled(second: float, score: float) -> tuple[Seen, bool]:
    vector = np.array([score, 0, 0], np.float16)
    at = NOON + timedelta(seconds=second)
    return Seen("gate:0:3", "gate:0:4", "gate", "cup", at, vector), False


@example([juggled(0, 4), juggled(1, 0), juggled(2, -4)], {}, True)  # the last one counts too
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.lists(
        st.tuples(seen(), st.booleans()),
        min_size=4,
        max_size=40,
        unique_by=lambda row: (row[0].human, row[0].thing, row[0].at),
    ),
    filters=FILTERS,
    floors=st.booleans(),
)
def test_windows_are_those_of_brute_force(
    both: sessionmaker[Session],
    rows: list[tuple[Seen, bool]],
    filters: Filters,
    floors: bool,
) -> None:
    with both.begin() as session:
        for table in (InteractionRow, PairVectorRow):
            session.execute(delete(table))
        add_pair_vectors(session, vectors=[as_sample(one) for one, peak in rows if not peak])
        add_interactions(session, interactions=[as_peak(one) for one, peak in rows if peak])
        floor = np.array([least_evidence(logit(SMOOTHING.enter), SMOOTHING)]) if floors else None
        found = score_vectors(session, "b", PROTOTYPES, filters, floor)
    assert windows_of(found) == windows_of(brute_force([one for one, _ in rows], filters))


@pytest.mark.parametrize("share", [0.1, 0.01])
def test_a_filtered_search_of_many_finds_every_one_of_them(
    both: sessionmaker[Session], share: float
) -> None:
    vectors = fill(both, 10_000)
    own = [n for n in range(len(vectors)) if n // 8 % 100 == 7]
    own = own[-round(share * len(own)) or -1 :]
    filters: Filters = {"camera": "camera7", "since": START + own[0] * STEP}
    prototype = np.ones((1, 16), np.float32)
    with both() as session:
        found = score_vectors(session, "many", prototype, filters)
    order = np.argsort(found.seconds)
    np.testing.assert_allclose(
        found.seconds[order], [(START + n * STEP).timestamp() for n in own], atol=1e-5
    )
    exact = vectors[own].astype(np.float32) @ prototype[0]
    np.testing.assert_allclose(found.logits[order, 0], exact, atol=1e-3)


@pytest.mark.parametrize("both", ["postgresql"], indirect=True)  # SQLite gives all
def test_postgresql_gives_only_what_can_matter(
    both: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = fill(both, 10_000)
    prototype = np.ones((1, 16), np.float32)
    exact = vectors.astype(np.float32) @ prototype[0]
    floor = np.sort(exact)[-10:-9]
    with both() as session:
        some = score_vectors(session, "many", prototype, {}, floor)
        monkeypatch.setattr(hopeful_pairs, "MOST_HOPEFUL", 3)
        every = score_vectors(session, "many", prototype, {}, floor)
    assert 10 <= len(some.logits) < 1000
    assert (some.logits >= floor - 1e-3).sum() == (exact >= floor - 1e-3).sum()
    assert len(every.logits) == 10_000


def test_a_question_asks_postgresql_for_no_more(stored: sessionmaker[Session]) -> None:
    engine: Engine = stored.kw["bind"]
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    assert len(ask(stored, "who juggled what").rows) == 4
    some = [statement for statement in said if "string_agg" in statement and "ANY" in statement]
    assert len(some) == (0 if engine.dialect.name == "sqlite" else 2)  # of every table one


def test_what_was_filled_before_is_used_again(both: sessionmaker[Session]) -> None:
    fill(both, 1000)
    fill(both, 3000)
    before = fill(both, 3000)
    with both() as session:
        found = score_vectors(session, "many", np.eye(16, dtype=np.float32), {})
    stored = found.logits[np.argsort(found.seconds)]
    np.testing.assert_array_equal(stored, before.astype(np.float32))


def fill(sessions: sessionmaker[Session], rows: int) -> npt.NDArray[np.float16]:
    engine: Engine = sessions.kw["bind"]
    fill_vectors(engine, "many", rows, 16)
    return np.concatenate(list(make_vectors(rows, 16)))
