"""Belief over seconds: what holds for any frame rate, gap and filter."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.settings import load
from models.bundle import load_bundle
from models.pairs import PairScores
from stream.build_bundle import make_smoothing
from stream.frames import Beliefs, Frame, Round, ScoredFrame
from stream.smooth import FILTERS, Smoother, Smoothing, share_out


def smoothing(name: str) -> Smoothing:
    return Smoothing.from_dict(("hold", "kick"), {"filter": name})


def scored(seconds: float, evidence: Sequence[float] | None) -> Round[ScoredFrame]:
    """One frame of one camera with the pair (1, 2), or without it."""
    pairs = 0 if evidence is None else 1
    rows = np.array([] if evidence is None else [evidence], np.float32).reshape(pairs, 2)
    image = np.zeros((1, 1, 3), np.uint8)
    frame = Frame("gate", 0, 0, seconds, datetime(2026, 1, 1, tzinfo=UTC), image)
    scores = PairScores(
        np.full(pairs, 1), np.full(pairs, 2), rows, np.zeros((pairs, 4), np.float16), rows
    )
    return Round((ScoredFrame(frame, sv.Detections.empty(), scores),))


def run(name: str, times: Sequence[float], evidence: Sequence[Sequence[float] | None]) -> Beliefs:
    rounds = [scored(t, e) for t, e in zip(times, evidence, strict=True)]
    *_, last = Smoother(smoothing(name)).smooth(rounds)
    return last.frames[0].beliefs


@pytest.mark.parametrize("name", FILTERS)
def test_lasting_evidence_is_believed_and_its_absence_is_not(name: str) -> None:
    times = np.arange(0, 4, 0.1).tolist()
    belief = run(name, times, [(3.0, -3.0)] * len(times)).probabilities[0]
    assert belief[0] > 0.9
    assert belief[1] < 0.1


@pytest.mark.parametrize("name", FILTERS)
def test_one_wrong_frame_does_not_turn_the_belief(name: str) -> None:
    times = np.arange(0, 4, 0.1).tolist()
    evidence = [(-3.0, -3.0)] * 40
    evidence[39] = (4.0, -3.0)
    assert run(name, times, evidence).probabilities[0, 0] < 0.5


@pytest.mark.parametrize("name", FILTERS)
def test_a_pair_that_is_not_seen_is_predicted_then_forgotten(name: str) -> None:
    seen = [(3.0, -3.0)] * 20
    gone = run(name, np.arange(0, 2.5, 0.1).tolist(), [*seen, *([None] * 5)])
    assert gone.observed.tolist() == [False]
    assert 0.3 < gone.probabilities[0, 0] < 1.0
    forgotten = run(name, np.arange(0, 6, 0.1).tolist(), [*seen, *([None] * 40)])
    assert len(forgotten.human) == 0


@pytest.mark.parametrize("name", FILTERS)
@settings(max_examples=30, deadline=None)
@given(rate=st.floats(4, 60), log_odds=st.floats(-4, 4))
def test_the_frame_rate_does_not_decide_what_is_believed(
    name: str, rate: float, log_odds: float
) -> None:
    def at(frames_per_second: float) -> float:
        times = np.arange(0, 3, 1 / frames_per_second).tolist()
        return float(run(name, times, [(log_odds, 0.0)] * len(times)).probabilities[0, 0])

    assert at(rate) == pytest.approx(at(15), abs=0.12)


@pytest.mark.parametrize("name", FILTERS)
@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(-50, 50) | st.just(-np.inf)), min_size=1, max_size=30
    )
)
def test_belief_is_always_a_probability(name: str, steps: list[tuple[float, float]]) -> None:
    times = np.cumsum([gap for gap, _ in steps]).tolist()
    belief = run(name, times, [(value, 0.0) for _, value in steps]).probabilities
    assert np.isfinite(belief).all()
    assert ((belief >= 0) & (belief <= 1)).all()


def test_an_impossible_verb_is_never_believed() -> None:
    times = np.arange(0, 4, 0.1).tolist()
    for name in FILTERS:
        assert run(name, times, [(-np.inf, 3.0)] * 40).probabilities[0, 0] < 0.05


def test_a_typo_in_the_settings_is_named() -> None:
    with pytest.raises(ValueError, match="entre"):
        Smoothing.from_dict(("hold",), {"verbs": {"hold": {"entre": 0.5}}})
    with pytest.raises(ValueError, match="kalman"):
        Smoothing.from_dict(("hold",), {"filter": "kalman"})


def test_two_persons_at_one_cup_share_the_belief_and_two_at_a_bench_do_not() -> None:
    evidence = np.array([[2.0, 2.0], [1.0, 1.0]], np.float32)
    scores = PairScores(
        np.array([1, 3]), np.array([2, 2]), evidence, np.zeros((2, 4), np.float16), evidence
    )
    shared = share_out(scores, np.array([0]))
    odds = np.exp(evidence[:, 0])
    assert 1 / (1 + np.exp(-shared[:, 0])) == pytest.approx(odds / (1 + odds.sum()), rel=1e-5)
    assert shared[:, 1].tolist() == [2.0, 1.0]


def test_a_run_s_settings_change_what_they_name_and_leave_the_bundle_s_rest() -> None:
    bundle = load_bundle("world")
    own = Smoothing.from_dict(bundle.vocabulary.verb_names, bundle.smoothing)
    hold, kick = map(bundle.vocabulary.verb_names.index, ("hold", "kick"))
    assert hold in own.exclusive  # people beside a held thing compete for it in a run, too
    assert make_smoothing(load(None), bundle) == own
    given = load(smoothing={"verbs": {"hold": {"tau": 0.7}}})
    changed = make_smoothing(given, bundle)
    assert (changed.verbs[hold].tau, changed.verbs[kick]) == (0.7, own.verbs[kick])
    assert changed.exclusive == own.exclusive
