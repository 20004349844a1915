"""Which pairs are scored, and that their geometry is always finite."""

import numpy as np
import numpy.typing as npt
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from models.geometry import FEATURES
from models.pairs import pair_features, select_pairs

CUPS = frozenset({"cup"})
SIZE = np.array([640, 480], np.float32)


def tracked(*rows: tuple[str, float, float, float, float], ids: list[int] | None) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([row[1:] for row in rows], np.float32),
        confidence=np.ones(len(rows), np.float32),
        class_id=np.zeros(len(rows), int),
        tracker_id=None if ids is None else np.array(ids, int),
        data={"class_name": np.array([row[0] for row in rows], dtype=object)},
    )


PERSON = ("person", 100.0, 100.0, 200.0, 300.0)
NEAR = ("cup", 180.0, 180.0, 220.0, 220.0)
FAR = ("cup", 500.0, 100.0, 540.0, 140.0)
CHAIR = ("chair", 120.0, 200.0, 200.0, 300.0)


def test_a_person_meets_near_things_of_the_vocabulary() -> None:
    found = tracked(PERSON, NEAR, FAR, CHAIR, PERSON, ids=[1, 2, 3, 4, 5])
    assert select_pairs(found, CUPS).tolist() == [[0, 1], [4, 1]]


def test_rows_without_a_track_belong_to_no_pair() -> None:
    assert len(select_pairs(tracked(PERSON, NEAR, ids=[1, -1]), CUPS)) == 0
    assert len(select_pairs(tracked(PERSON, NEAR, ids=[-1, 1]), CUPS)) == 0
    assert len(select_pairs(tracked(PERSON, NEAR, ids=None), CUPS)) == 0


def test_nothing_and_nobody() -> None:
    assert select_pairs(sv.Detections.empty(), CUPS).shape == (0, 2)
    assert select_pairs(tracked(NEAR, ids=[1]), CUPS).shape == (0, 2)
    nothing = np.zeros((0, 4), np.float32)
    assert pair_features(nothing, nothing, SIZE).shape == (0, FEATURES)


def test_a_crowd_is_capped_and_its_nearest_pairs_are_kept() -> None:
    people = [("person", 3.0 * n, 0.0, 3.0 * n + 50, 200.0) for n in range(100)]
    cups = [("cup", 3.0 * n, 50.0, 3.0 * n + 10, 60.0) for n in range(100)]
    pairs = select_pairs(tracked(*people, *cups, ids=list(range(200))), CUPS)
    assert len(pairs) == 256
    human, cup = 3.0 * pairs[:, 0], 3.0 * (pairs[:, 1] - 100)
    assert (np.maximum(human - cup - 10, cup - human - 50) <= 0).all()  # all of them touch


def test_geometry_does_not_change_with_the_size_of_the_video() -> None:
    human, thing = (np.array([row[1:]], np.float32) for row in (PERSON, NEAR))
    small = pair_features(human, thing, SIZE)
    np.testing.assert_allclose(pair_features(3 * human, 3 * thing, 3 * SIZE), small, atol=1e-4)


def test_geometry_of_a_pair_by_hand() -> None:
    human, thing = np.array([[100, 100, 200, 300]]), np.array([[180, 180, 220, 220]])
    area, shared = 100 * 200, 20 * 40
    expected = [
        *(50 / 200, 0),  # of the centres, in heights of the person
        *np.log([40 / 200 + 1e-3, 40 / 200 + 1e-3, 100 / 200 + 1e-3, 1 + 1e-3]),
        *(shared / area, shared / 1600, shared / (area + 1600 - shared)),
        *(80 / 200, 80 / 200, 20 / 200, -80 / 200),  # of the corners
        *(150 / 640, 200 / 480, np.log(200 / 480)),
    ]
    np.testing.assert_allclose(pair_features(human, thing, SIZE)[0], expected, atol=1e-5)


boxes = st.tuples(*[st.floats(-50, 700, width=32)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@given(boxes, boxes)
def test_geometry_is_finite_for_any_boxes(
    human: tuple[float, ...], thing: tuple[float, ...]
) -> None:
    pair: list[npt.NDArray[np.float32]] = [np.array([box], np.float32) for box in (human, thing)]
    assert np.isfinite(pair_features(pair[0], pair[1], SIZE)).all()
