"""Tracks keep their number over what detectors do to them."""

import numpy as np
import numpy.typing as npt
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from models.appearance import TRUNK, alike, signature
from models.tracker import Tracker

CLASSES = ("person", "cup", "bottle", "ball")
PERSON, CUP, BOTTLE, BALL = range(4)
STEP = 0.1  # seconds


def seen(*rows: tuple[int, float, float, float, float]) -> sv.Detections:
    """Rows of class and box as a detector gives them."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return sv.Detections(
        xyxy=table[:, 1:],
        confidence=np.full(len(table), 0.9, np.float32),
        class_id=table[:, 0].astype(int),
        data={"class_name": np.array([CLASSES[int(c)] for c in table[:, 0]], dtype=object)},
    )


def numbers_of(tracked: sv.Detections, name: str) -> list[int]:
    return [
        n for n, c in zip(ids(tracked), tracked.data["class_name"], strict=True) if str(c) == name
    ]


def ids(tracked: sv.Detections) -> list[int]:
    assert tracked.tracker_id is not None
    return [int(n) for n in tracked.tracker_id]


def test_a_first_sight_is_not_confirmed_and_the_second_is() -> None:
    tracker = Tracker(CLASSES)
    assert len(tracker.update(seen((CUP, 0, 0, 20, 20)), 0.0)) == 0
    assert numbers_of(tracker.update(seen((CUP, 0, 0, 20, 20)), STEP), "cup") == [1]


def test_a_bag_in_front_of_a_person_does_not_take_their_number() -> None:
    tracker = Tracker(CLASSES)
    for i in range(20):
        rows = [(PERSON, i, 0, i + 40, 100)] if i < 10 else []
        tracked = tracker.update(seen(*rows, (CUP, i, 0, i + 38, 95)), i * STEP)
        assert len(set(ids(tracked))) == len(tracked)
    assert numbers_of(tracked, "cup") == [2]


def test_a_thing_that_flickers_between_confused_classes_is_one_thing() -> None:
    tracker = Tracker(CLASSES)
    tracks = set()
    for i in range(20):
        tracked = tracker.update(seen((BOTTLE if i % 4 == 3 else CUP, 0, 0, 20, 30)), i * STEP)
        tracks |= set(numbers_of(tracked, "cup") + numbers_of(tracked, "bottle"))
    assert tracks == {1}
    assert list(tracked.data["class_name"]) == ["cup"]


def test_what_a_thing_was_taken_for_fades() -> None:
    tracker = Tracker(CLASSES)
    for i in range(100):
        tracker.update(seen((BOTTLE, 0, 0, 20, 30)), i * STEP)
    for i in range(100, 130):
        tracked = tracker.update(seen((CUP, 0, 0, 20, 30)), i * STEP)
    assert list(tracked.data["class_name"]) == ["cup"]
    assert ids(tracked) == [1]


def test_a_ball_that_jumps_further_than_its_size_keeps_its_number() -> None:
    tracker = Tracker(CLASSES)
    tracks = set()
    for i in range(12):
        x = 0.0 if i < 4 else 12.0 * (i - 4)
        tracks |= set(numbers_of(tracker.update(seen((BALL, x, 0, x + 10, 10)), i * STEP), "ball"))
    assert tracks == {1}


RED, BLUE = (200, 30, 30), (30, 30, 200)


def painted(*people: tuple[float, tuple[int, int, int]]) -> npt.NDArray[np.uint8]:
    """People 40 pixels wide from x on, those in front last."""
    image = np.full((120, 300, 3), 128, np.uint8)
    for x, colour in people:
        image[10:110, int(x) : int(x) + 40] = colour
    return image


def test_people_who_meet_and_turn_back_keep_their_numbers_by_how_they_look() -> None:
    tracker = Tracker(CLASSES)
    seen_at: list[dict[float, int]] = []
    for i in range(40):
        apart = 5.0 * abs(20 - i)
        red, blue = 120.0 - apart, 120.0 + apart
        people = [(PERSON, blue, 10, blue + 40, 110)]
        if apart > 12:  # else the one behind is not found
            people.append((PERSON, red, 10, red + 40, 110))
        tracked = tracker.update(seen(*people), i * STEP, painted((red, RED), (blue, BLUE)))
        seen_at.append(dict(zip(tracked.xyxy[:, 0].tolist(), ids(tracked), strict=True)))
    assert seen_at[5] == seen_at[35]
    assert len(seen_at[5]) == 2


def test_half_of_one_who_is_covered_tells_who_it_is() -> None:
    image = np.full((100, 200, 3), 128, np.uint8)
    behind, nearer = np.array([20, 0, 60, 90]), np.array([30, 5, 70, 100])
    image[:90, 20:60] = RED
    alone = signature(image, behind, TRUNK)
    image[5:100, 38:62] = BLUE  # narrower than the box: arms and air
    other = signature(image, nearer, TRUNK)
    covered = signature(image, behind, TRUNK, nearer=[nearer])
    assert alike(covered, alone) > 0.95
    assert alike(covered, other) < 0.05
    assert alike(signature(image, behind, TRUNK), alone) < 0.9
    assert signature(image, behind, TRUNK, nearer=[np.array([-50, 0, 200, 100])]) is None


def test_a_second_box_of_a_person_does_not_hide_them() -> None:
    tracker = Tracker(CLASSES)
    for i in range(10):
        twin = seen((PERSON, 100, 10, 140, 110), (PERSON, 101, 12, 141, 112))
        twin.confidence = np.array([0.9, 0.15], np.float32)
        tracker.update(twin, i * STEP, painted((100, RED)))
    for i in range(15, 25):
        tracked = tracker.update(seen((PERSON, 100, 10, 140, 110)), i * STEP, painted((100, BLUE)))
    assert ids(tracked) != [1]  # they look nothing like the one who was here


def test_what_is_too_faint_is_not_looked_at() -> None:
    for least, told in ((0.0, [1]), (0.3, [])):
        tracker = Tracker(CLASSES, least=least)
        for i in range(5):
            tracker.update(seen((CUP, 0, 0, 20, 20)), i * STEP)
        faint = seen((CUP, 0, 0, 20, 20))
        faint.confidence = np.array([0.2], np.float32)
        assert ids(tracker.update(faint, 5 * STEP)) == told


def test_one_who_takes_the_place_of_another_gets_a_new_number() -> None:
    tracker = Tracker(CLASSES)
    for i in range(10):
        tracker.update(seen((PERSON, 100, 10, 140, 110)), i * STEP, painted((100, RED)))
    for i in range(15, 25):
        tracked = tracker.update(seen((PERSON, 100, 10, 140, 110)), i * STEP, painted((100, BLUE)))
    assert ids(tracked) != [1]


@pytest.mark.parametrize("gap", [0.5, 1.5])
def test_a_standing_thing_that_was_hidden_keeps_its_number(gap: float) -> None:
    tracker = Tracker(CLASSES)
    for i in range(10):
        tracker.update(seen((CUP, 50, 50, 70, 70)), i * STEP)
    for i in range(3):
        tracked = tracker.update(seen((CUP, 51, 50, 71, 70)), 1.0 + gap + i * STEP)
    assert numbers_of(tracked, "cup") == [1]


def test_a_carried_thing_comes_back_beside_its_carrier_with_its_number() -> None:
    tracker = Tracker(CLASSES)
    for i in range(40):
        x = 10.0 * i
        person = (PERSON, x, 0, x + 60, 150)
        hidden = 15 <= i < 30
        rows = [person] if hidden else [person, (CUP, x + 30, 60, x + 45, 75)]
        tracked = tracker.update(seen(*rows), i * STEP)
    assert numbers_of(tracked, "cup") == [2]


def test_a_thing_that_is_grasped_keeps_its_number_although_a_shadow_of_it_stays() -> None:
    tracker = Tracker(CLASSES)
    person, table, hand = (PERSON, 0, 0, 40, 100), (CUP, 30, 60, 44, 74), (CUP, 30, 30, 44, 44)
    for i in range(10):
        tracked = tracker.update(seen(person, table), i * STEP)
    (number,) = numbers_of(tracked, "cup")
    for i in range(10, 15):
        found = seen(person, hand, table)
        assert found.confidence is not None
        found.confidence[2] = 0.15  # what the detector still sees on the table
        tracked = tracker.update(found, i * STEP)
    held = [n for n, box in zip(ids(tracked), tracked.xyxy, strict=True) if box[1] == 30]
    assert held == [number]


def test_two_things_far_apart_are_never_joined() -> None:
    tracker = Tracker(CLASSES)
    for i in range(5):
        tracker.update(seen((CUP, 0, 0, 20, 20)), i * STEP)
    for i in range(5):
        tracked = tracker.update(seen((CUP, 300, 0, 320, 20)), 1 + i * STEP)
    assert numbers_of(tracked, "cup") == [2]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, 200)), max_size=6
        ),
        min_size=1,
        max_size=15,
    )
)
def test_within_a_frame_every_number_is_given_once(
    frames: list[list[tuple[int, int, int]]],
) -> None:
    tracker = Tracker(CLASSES)
    for i, rows in enumerate(frames):
        tracked = tracker.update(seen(*((c, x, y, x + 25, y + 25) for c, x, y in rows)), i * STEP)
        numbers = ids(tracked)
        assert len(set(numbers)) == len(numbers)
        assert all(n >= 1 for n in numbers)
