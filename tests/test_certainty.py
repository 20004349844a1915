"""The score of a question where nothing happens: how often a day it says something all the same."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from storage.certainty import (
    DAY,
    Chance,
    Floats,
    Indices,
    find_moments,
    fit_beliefs,
    fit_chance,
    without_true,
)

A_DAY = 2000  # moments
DAYS = 7
FAMILIES = {
    "normal": stats.norm(),
    "logistic": stats.logistic(),
    "heavy-tailed": stats.t(6),
    "skewed": stats.gumbel_r(),
    "bounded": stats.beta(4, 4),
}


def footage(name: str, seed: int, true: float = 0.0, days: float = DAYS) -> Floats:
    """Scores of moments, a share of them of true ones, which stand higher than most."""
    rng, family = np.random.default_rng(seed), FAMILIES[name]
    scores = family.rvs(round(days * A_DAY), random_state=rng)
    number = round(true * len(scores))
    above = family.std() * (1 + np.abs(rng.normal(size=number)))
    scores[:number] = family.ppf(0.999) + above
    return np.asarray(scores, np.float64)


def moments(scores: Floats, pairs: Indices, at: Floats, apart: float) -> Floats:
    return scores[find_moments(scores, pairs, at, apart)]


def fitted(scores: Floats, days: float = DAYS) -> Chance:
    chance = fit_chance(scores, days * DAY)
    assert chance is not None
    return chance


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("true", [0.0, 0.01])
def test_about_two_a_day_are_about_two_a_day_on_other_footage(name: str, true: float) -> None:
    """Nine times fitted on a week; what the threshold lets through by chance is known exactly."""
    rates = []
    for seed in range(9):
        threshold = fitted(footage(name, seed, true)).threshold(2.0)
        rates.append(FAMILIES[name].sf(threshold) * A_DAY)
    assert 1.0 <= np.median(rates) <= 4.0
    assert sum(1.0 <= rate <= 4.0 for rate in rates) >= 6
    assert max(rates) < 12.0


def test_true_moments_do_not_raise_the_threshold_above_themselves() -> None:
    scores = footage("normal", 1, 0.01)
    true = scores[: round(0.01 * len(scores))]
    assert (true > fitted(scores).threshold(2.0)).mean() > 0.95


def believed(seed: int, true: float, apart: float = 2.0) -> tuple[Floats, Floats]:
    """Log-odds, calibrated, of moments in which it did not happen, and of those in which it did."""
    rng, prior = np.random.default_rng(seed), np.log(true / (1 - true))
    number = round(true * DAYS * A_DAY)
    false = rng.normal(prior - apart**2 / 2, apart, DAYS * A_DAY - number)
    return false, rng.normal(prior + apart**2 / 2, apart, number)


def test_a_common_act_does_not_hide_what_is_chance() -> None:
    """A twentieth of all moments is true: more than a few."""
    rates: list[float] = []
    fooled: list[float] = []
    for seed in range(9):
        false, true = believed(seed, 0.05)
        both = np.concatenate([false, true])
        for chance, told in ((fit_beliefs(both, DAYS * DAY), rates), (fitted(both), fooled)):
            assert chance is not None
            told.append((false >= chance.threshold(50.0)).sum() / DAYS)
    assert 25 <= np.median(rates) <= 100
    assert np.median(fooled) < 25


@pytest.mark.parametrize("true", [0.01, 0.05, 0.3])
def test_no_fewer_false_alarms_are_expected_than_the_beliefs_say(true: float) -> None:
    for seed in range(3):
        log_odds = np.concatenate(believed(seed, true))
        chance = fit_beliefs(log_odds, DAYS * DAY)
        assert chance is not None
        for threshold in np.linspace(-6, 12, 40).tolist():
            doubted = (1 / (1 + np.exp(log_odds[log_odds >= threshold]))).sum()
            assert chance.expected(threshold) >= doubted - 1e-6
        for rate in (0.5, 2.0, 20.0, 200.0):
            told = log_odds[log_odds >= chance.threshold(rate)]
            assert (1 / (1 + np.exp(told))).sum() <= rate * DAYS + 1e-6
            assert chance.per_day(chance.threshold(rate)) <= rate + 1.01 / DAYS


@given(st.lists(st.floats(-30, 30), max_size=60))
def test_what_is_left_out_is_what_was_believed(log_odds: list[float]) -> None:
    kept = without_true(np.array(log_odds))
    false = 1 - np.minimum(1 / (1 + np.exp(-np.array(log_odds))), 0.4)
    assert abs(len(kept) - false.sum()) <= 1
    assert set(kept) <= set(log_odds)
    assert list(kept) == sorted(kept)


some_footage = st.builds(
    footage,
    st.sampled_from(sorted(FAMILIES)),
    st.integers(0, 1000),
    st.sampled_from((0.0, 0.01)),
    st.floats(0.2, 3.0),
)
slowly = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)


@slowly
@given(some_footage, st.lists(st.floats(-10, 20), min_size=2, max_size=20))
def test_a_higher_threshold_never_has_more_false_alarms(
    scores: Floats, thresholds: list[float]
) -> None:
    chance = fitted(scores, 1.0)
    rates = [chance.per_day(t) for t in sorted(thresholds)]
    assert rates == sorted(rates, reverse=True)
    for threshold in thresholds:
        low, high = chance.between(threshold)
        assert 0 <= low <= chance.per_day(threshold) <= high
        assert 0 <= chance.p_value(threshold) <= 1
    points = chance.curve()
    assert [p.threshold for p in points] == sorted(p.threshold for p in points)
    assert [p.per_day for p in points] == sorted((p.per_day for p in points), reverse=True)


@slowly
@given(some_footage, st.floats(0.5, 50.0))
def test_rates_are_per_day_of_watching_and_scores_have_no_unit(scores: Floats, rate: float) -> None:
    one, two = fitted(scores, 1.0), fitted(scores, 2.0)
    threshold = one.threshold(rate)
    assert one.per_day(threshold) == pytest.approx(rate, rel=0.05, abs=1.01)
    assert two.per_day(threshold) == pytest.approx(one.per_day(threshold) / 2)
    other = fitted(3 * scores + 5, 1.0)
    assert other.per_day(3 * threshold + 5) == pytest.approx(one.per_day(threshold), rel=0.1)


def test_moments_are_not_frames() -> None:
    at = np.array([0.0, 1.0, 2.0, 30.0, 31.0, 0.5])
    pairs = np.array([1, 1, 1, 1, 1, 2])
    scores = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 0.5])
    assert sorted(moments(scores, pairs, at, 10.0)) == [0.5, 3.0, 5.0]
    assert sorted(moments(scores, pairs, at + 8.5, 10.0)) == [0.5, 3.0, 5.0]  # over a block's edge
    assert len(moments(scores[:0], pairs[:0], at[:0], 10.0)) == 0


def test_more_frames_of_the_same_moments_make_no_more_alarms() -> None:
    rng = np.random.default_rng(0)
    scores, pairs = rng.normal(size=4000), np.arange(4000) % 50
    at = 20.0 * (np.arange(4000) // 50).astype(np.float64)
    thrice = [np.concatenate([x, x, x]) for x in (scores, pairs)]
    noise = np.concatenate([scores, scores - 0.1, scores - 0.2])
    later = np.concatenate([at, at + 1, at + 2])
    few = moments(scores, pairs, at, 10.0)
    many = moments(noise.astype(np.float64), thrice[1], later, 10.0)
    assert fitted(many, 1.0).per_day(2.0) == pytest.approx(fitted(few, 1.0).per_day(2.0), rel=0.05)


@pytest.mark.parametrize(
    "scores", [np.zeros(0), np.zeros(5000), np.arange(100.0), np.full(500, np.nan)]
)
def test_too_little_to_tell_is_said(scores: Floats) -> None:
    assert fit_chance(scores.astype(np.float64), DAY) is None
    assert fit_chance(footage("normal", 0), 0.0) is None
