"""The event metric, on cases worked out by hand."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.events import (
    Event,
    Instances,
    Tally,
    compare_clips,
    id_switches,
    map_tracks,
    score_clips,
    tally,
)

TIMES = np.arange(0, 10, 0.1)
SAME = [{1: 1, 2: 2}] * len(TIMES)


def score(predicted: Sequence[Event], true: Sequence[Event]) -> Tally:
    return tally(predicted, true, TIMES, SAME)


def test_an_interval_is_right_from_temporal_iou_0_3_on() -> None:
    truth = [Event("hold", 1, 2, 0.0, 1.0)]
    assert score([Event("hold", 1, 2, 0.0, 0.31)], truth).right["hold"] == 1
    assert score([Event("hold", 1, 2, 0.0, 0.29)], truth).right["hold"] == 0


def test_two_fragments_of_one_truth_count_once() -> None:
    fragments = [Event("hold", 1, 2, 0.0, 0.4), Event("hold", 1, 2, 0.5, 1.0)]
    counts = score(fragments, [Event("hold", 1, 2, 0.0, 1.0)])
    assert (counts.right["hold"], counts.predicted["hold"], counts.true["hold"]) == (1, 2, 1)
    found = score_clips([counts], {"hold"})
    assert (found.precision, found.recall, found.f1) == pytest.approx((0.5, 1.0, 2 / 3))


def test_a_moment_is_right_within_a_second() -> None:
    truth = [Event("kick", 1, 2, 3.0, 3.0, moment=True)]
    near = Event("kick", 1, 2, 3.9, 3.9, moment=True)
    far = Event("kick", 1, 2, 4.2, 4.2, moment=True)
    assert score([near], truth).right["kick"] == 1
    assert score([far], truth).right["kick"] == 0


def test_the_wrong_person_is_wrong() -> None:
    assert score([Event("hold", 2, 1, 0, 1)], [Event("hold", 1, 2, 0, 1)]).right["hold"] == 0


def test_unseen_truth_counts_neither_as_missed_nor_as_invented() -> None:
    counts = score([Event("hold", 1, 2, 0, 1)], [Event("hold", 1, 2, 0, 1, ignored=True)])
    assert not counts.true["hold"]
    assert not counts.predicted["hold"]


def test_tracks_map_to_the_truth_they_overlap_most_and_only_to_their_class() -> None:
    true = Instances(0, [7, 8], ["cup", "person"], np.array([[0, 0, 10, 10], [0, 0, 10, 10]]))
    predicted = Instances(0, [1, 2], ["cup", "cup"], np.array([[0, 0, 10, 9], [0, 0, 10, 7]]))
    assert map_tracks(predicted, true) == {1: 7}


def test_a_track_keeps_its_truth_while_they_overlap() -> None:
    true = Instances(0, [7], ["cup"], np.array([[0, 0, 10, 10]]))
    predicted = Instances(0, [1, 2], ["cup", "cup"], np.array([[0, 0, 10, 9], [0, 0, 10, 7]]))
    assert map_tracks(predicted, true, {7: 2}) == {2: 7}
    far = Instances(0, [1, 2], ["cup", "cup"], np.array([[0, 0, 10, 9], [0, 0, 10, 4]]))
    assert map_tracks(far, true, {7: 2}) == {1: 7}


def test_an_id_switch_is_counted_when_the_covering_track_changes() -> None:
    assert id_switches([{1: 7}, {1: 7}, {}, {2: 7}, {2: 7}, {1: 7}]) == 2


@given(st.permutations(range(6)))
def test_the_order_of_predictions_does_not_matter(order: list[int]) -> None:
    truth = [Event("hold", 1, 2, i, i + 1.0) for i in range(3)]
    predicted = [Event("hold", 1, 2, 0.5 * i, 0.5 * i + 0.8) for i in range(6)]
    assert score([predicted[i] for i in order], truth) == score(predicted, truth)


def clip(right: int, predicted: int, true: int) -> Tally:
    return Tally(Counter(hold=right), Counter(hold=predicted), Counter(hold=true, kick=9))


def test_clips_are_added_up_and_their_interval_is_of_clips_drawn_anew() -> None:
    found = score_clips([clip(1, 1, 1), clip(0, 2, 1)], {"hold"})
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert (found.low, found.high) == (0.0, 1.0)  # a draw has one of them twice
    same = score_clips([clip(1, 2, 2)] * 30, {"hold"})
    assert same.low == same.f1 == same.high == pytest.approx(0.5)


def test_a_difference_is_taken_on_the_same_clips() -> None:
    easy, hard = clip(9, 9, 9), clip(1, 9, 9)
    worse = [clip(8, 9, 9), clip(0, 9, 9)] * 20
    more, low, high = compare_clips([easy, hard] * 20, worse, {"hold"})
    assert (more, low, high) == pytest.approx((1 / 9,) * 3)  # however different the clips are
